//! `/api/v1/ssh-keys`, and those of others for admins.

use super::user::{username, whose, whose_to_end};
use super::{Answer, Problem, created, list, no_content, ok, once};
use crate::desk::{Desk, ImportOutcome, ImportedLine};
use crate::http::ask::Ask;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::secret::Id;
use crate::wire::{
    HostLoginOut, ImportIn, ImportLineOut, ImportOut, ListOut, SshKeyIn, SshKeyOut, SshKeyPatch,
};

fn id(ask: &Ask<'_>) -> Result<Id, Problem> {
    ask.id("SSH key")
}

pub fn list_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    let whose = Desk::own_ssh_keys(caller)?;
    let page = ask
        .desk()
        .ssh_keys(caller, &whose, part.after, part.limit)?;
    list(&page, |key| SshKeyOut::of(key, ask.now))
}

pub fn add(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<SshKeyIn>(ask)?;
    let rules = ask.desk().present_policy()?.ssh_key_rules();
    let (new, once) = (wanted.parse(&rules)?, once(ask, caller, &bytes)?);
    let whose = Desk::own_ssh_keys(caller)?;
    let key = ask.desk().add_ssh_key(caller, &whose, new, once)?;
    created(&SshKeyOut::of(&key, ask.now))
}

pub fn show(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    let whose = Desk::own_ssh_keys(caller)?;
    let key = ask.desk().ssh_key(caller, &whose, id(ask)?)?;
    ok(&SshKeyOut::of(&key, ask.now))
}

/// Where one's keys open a login.
pub fn list_logins(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    let logins = ask.desk().logins(caller)?;
    ok(&ListOut {
        items: logins.iter().map(HostLoginOut::of).collect(),
        next: None,
    })
}

pub fn edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted: SshKeyPatch = body::json(ask)?;
    let rules = ask.desk().present_policy()?.ssh_key_rules();
    let change = wanted.parse(&rules)?;
    let whose = Desk::own_ssh_keys(caller)?;
    let key = ask.desk().edit_ssh_key(caller, &whose, id(ask)?, change)?;
    ok(&SshKeyOut::of(&key, ask.now))
}

pub fn delete_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    let whose = Desk::own_ssh_keys(caller)?;
    ask.desk().delete_ssh_key(caller, &whose, id(ask)?)?;
    no_content()
}

pub fn import_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (ImportIn { text }, bytes) = body::json_with_bytes(ask)?;
    let once = once(ask, caller, &bytes)?;
    imported(&ask.desk().import_own_ssh_keys(caller, &text, once)?)
}

pub fn list_of_user(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    let whose = whose(ask, caller)?;
    let page = ask
        .desk()
        .ssh_keys(caller, &whose, part.after, part.limit)?;
    let mut items = Vec::with_capacity(page.items.len());
    for key in &page.items {
        let shared_with = Some(ask.desk().others_with_ssh_key(caller, key)?);
        items.push(SshKeyOut {
            shared_with,
            ..SshKeyOut::of(key, ask.now)
        });
    }
    let next = page.next;
    ok(&ListOut { items, next })
}

pub fn delete_of_user(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    let whose = whose_to_end(ask, caller)?;
    ask.desk().delete_ssh_key(caller, &whose, id(ask)?)?;
    no_content()
}

pub fn import_of_user(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (ImportIn { text }, bytes) = body::json_with_bytes(ask)?;
    let once = once(ask, caller, &bytes)?;
    let name = username(ask)?;
    imported(&ask.desk().import_ssh_keys_of(caller, &name, &text, once)?)
}

fn imported(lines: &[ImportedLine]) -> Answer {
    let lines: Vec<ImportLineOut> = lines.iter().map(line_out).collect();
    let count = |outcome: &str| lines.iter().filter(|line| line.outcome == outcome).count();
    ok(&ImportOut {
        added: count(ADDED),
        present: count(PRESENT),
        refused: count(REFUSED),
        lines,
    })
}

const ADDED: &str = "added";
const PRESENT: &str = "present";
const REFUSED: &str = "refused";

fn line_out(line: &ImportedLine) -> ImportLineOut {
    let out = |outcome: &str| ImportLineOut {
        line: line.number,
        outcome: outcome.to_owned(),
        id: None,
        name: None,
        fingerprint: None,
        message: None,
    };
    match &line.outcome {
        ImportOutcome::Added(key) => ImportLineOut {
            id: Some(key.id.to_string()),
            name: Some(key.name.clone()),
            fingerprint: Some(key.key.fingerprint().to_owned()),
            ..out(ADDED)
        },
        ImportOutcome::Present { name } => ImportLineOut {
            name: Some(name.clone()),
            ..out(PRESENT)
        },
        ImportOutcome::Refused(message) => ImportLineOut {
            message: Some(message.clone()),
            ..out(REFUSED)
        },
    }
}
