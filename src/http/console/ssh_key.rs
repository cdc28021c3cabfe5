//! `/ssh-keys`.

use super::{Answer, again, done, form, frame, page, page_number, part, show};
use crate::desk::Desk;
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::ssh_key::{
    self as pages, HostUse, SshKeyEdit, SshKeyFacts, SshKeyList, SshKeyNew, SshKeyPage,
};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::ssh_key::{HostUse as Seen, SshKey, SshKeyChange};
use crate::model::time::Time;
use crate::wire::{SshKeyIn, SshKeyPatch};

/// SSH keys that the list looks at.
const ROWS_MAX: usize = crate::model::policy::SSH_KEYS_MAX as usize;

/// A key as pages show it.
pub(super) fn facts(key: &SshKey, now: Time) -> SshKeyFacts {
    let seen = |seen: &Option<Seen>| {
        seen.as_ref().map(|seen| HostUse {
            at: seen.at,
            host: seen.host.clone(),
        })
    };
    SshKeyFacts {
        id: key.id,
        name: key.name.clone(),
        key_type: key.key.kind().name().to_owned(),
        bits: key.key.bits(),
        fingerprint: key.key.fingerprint().to_owned(),
        comment: key.key.comment().to_owned(),
        public_key: key.public_line(),
        networks: key.networks.clone(),
        created_at: key.created_at,
        expires_at: key.expires_at,
        expired: key.is_expired(now),
        looked_up: seen(&key.looked_up),
        used: seen(&key.used),
    }
}

fn find(ask: &Ask<'_>, caller: &Caller) -> Result<SshKey, Problem> {
    let id = ask.id("SSH key")?;
    Ok(ask
        .desk()
        .ssh_key(caller, &Desk::own_ssh_keys(caller)?, id)?)
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let whose = Desk::own_ssh_keys(caller)?;
    let keys = ask.desk().ssh_keys(caller, &whose, None, ROWS_MAX)?.items;
    let (keys, pager) = part(keys, page_number(ask));
    let rows = keys.iter().map(|key| facts(key, ask.now)).collect();
    show(pages::list(
        &frame(ask, caller),
        &SshKeyList { rows, pager },
    ))
}

fn new_form(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let policy = ask.desk().present_policy()?;
    Ok(pages::new(
        &frame(ask, caller),
        &SshKeyNew { policy, input },
    ))
}

pub fn new(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(new_form(ask, caller, Input::default())?)
}

pub fn add(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    match try_add(ask, caller, &input) {
        Ok(key) => done(&format!("/ssh-keys/{}", key.id), "added"),
        Err(problem) => again(problem, input, "public_key", |input| {
            new_form(ask, caller, input)
        }),
    }
}

fn try_add(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<SshKey, Problem> {
    let (expires_in, expires_at) = form::end(input)?;
    let wanted = SshKeyIn {
        name: form::filled(input, "name"),
        public_key: Some(input.value("public_key").unwrap_or_default().to_owned()),
        expires_in,
        expires_at,
        allowed_addresses: Some(form::entries(input, "allowed_addresses")),
    };
    let rules = ask.desk().present_policy()?.ssh_key_rules();
    let mut new = wanted.parse(&rules)?;
    // Nothing typed means: as far as the one who asks may reach.
    new.networks = new.networks.filter(|networks| !networks.is_everywhere());
    let whose = Desk::own_ssh_keys(caller)?;
    Ok(ask.desk().add_ssh_key(caller, &whose, new, None)?)
}

pub fn show_one(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let key = facts(&find(ask, caller)?, ask.now);
    let logins = ask.desk().logins(caller)?;
    show(pages::show(
        &frame(ask, caller),
        &SshKeyPage { key, logins },
    ))
}

fn edit_form(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let key = find(ask, caller)?;
    let view = SshKeyEdit {
        key: facts(&key, ask.now),
        policy: ask.desk().present_policy()?,
        version: key.version(),
        input,
    };
    Ok(pages::edit(&frame(ask, caller), &view))
}

pub fn ask_edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(edit_form(ask, caller, Input::default())?)
}

pub fn edit(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    match try_edit(ask, caller, &input) {
        Ok(key) => done(&format!("/ssh-keys/{}", key.id), "saved"),
        Err(problem) => again(problem, input, "public_key", |input| {
            edit_form(ask, caller, input)
        }),
    }
}

fn try_edit(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<SshKey, Problem> {
    let (expires_in, expires_at) = form::end(input)?;
    let key = find(ask, caller)?;
    // The field holds the present key: only another text is another key, which the rules of today have to allow.
    let public_key = form::filled(input, "public_key").filter(|text| *text != key.public_line());
    let patch = SshKeyPatch {
        name: Some(input.value("name").unwrap_or_default().to_owned()),
        public_key,
        expires_in: expires_in.map(Some),
        expires_at: expires_at.map(Some),
        allowed_addresses: Some(Some(form::entries(input, "allowed_addresses"))),
    };
    let rules = ask.desk().present_policy()?.ssh_key_rules();
    let change = SshKeyChange {
        version: input.value("version").map(str::to_owned),
        ..patch.parse(&rules)?
    };
    let whose = Desk::own_ssh_keys(caller)?;
    Ok(ask.desk().edit_ssh_key(caller, &whose, key.id, change)?)
}

pub fn ask_delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let key = facts(&find(ask, caller)?, ask.now);
    Ok(page(200, pages::delete(&frame(ask, caller), &key)))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    let id = ask.id("SSH key")?;
    ask.desk()
        .delete_ssh_key(caller, &Desk::own_ssh_keys(caller)?, id)?;
    done("/ssh-keys", "deleted-ssh-key")
}
