//! `/admin/inventory`: every credential and SSH key of everybody.

use std::collections::HashMap;
use std::time::Duration;

use super::{Answer, again, done, frame, page_number, part, query, show};
use crate::desk::{Desk, Whose, WithMade};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::inventory::{self as pages, Inventory, InventoryDelete, InventoryRow, Show};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, OwnerId, Record, State};
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::model::ssh_key::{KeyRules, SshKey};
use crate::model::time::Time;
use crate::model::user_agent;

/// Credentials that one list looks at, and as many SSH keys.
const ROWS_MAX: usize = 5_000;
/// Things deleted by one form.
const DELETE_MAX: usize = 500;

const UNUSED: Duration = Duration::from_secs(90 * 86_400);
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// One thing in the list.
enum Thing {
    Credential(Box<Record>),
    SshKey(Box<SshKey>, Weakness),
}

/// Why an SSH key would not be taken today, or should be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weakness {
    None,
    AgainstPolicy,
    /// Two users have it.
    Shared,
}

impl Thing {
    fn owner(&self) -> OwnerId {
        match self {
            Self::Credential(record) => record.owner,
            Self::SshKey(key, _) => OwnerId::User(key.owner),
        }
    }

    fn last_used_at(&self) -> Option<Time> {
        match self {
            Self::Credential(record) => record.last_use.as_ref().map(|last| last.at),
            Self::SshKey(key, _) => key
                .used
                .as_ref()
                .or(key.looked_up.as_ref())
                .map(|seen| seen.at),
        }
    }

    fn expires_at(&self) -> Option<Time> {
        match self {
            Self::Credential(record) => record.expires_at,
            Self::SshKey(key, _) => key.expires_at,
        }
    }

    fn created_at(&self) -> Time {
        match self {
            Self::Credential(record) => record.created_at,
            Self::SshKey(key, _) => key.created_at,
        }
    }

    fn fits(&self, show: Show, now: Time) -> bool {
        match show {
            Show::Everything => true,
            Show::Unused => now.since(self.last_used_at().unwrap_or(self.created_at())) > UNUSED,
            Show::NeverUsed => self.last_used_at().is_none(),
            Show::NoExpiry => self.expires_at().is_none(),
            Show::EndsSoon => self.expires_at().is_some_and(|end| end <= now.after(SOON)),
            Show::WeakSshKey => {
                matches!(self, Self::SshKey(_, weakness) if *weakness != Weakness::None)
            }
        }
    }

    fn row(&self, owner: String, now: Time) -> InventoryRow {
        let row = |kind, word: &str, id: Id, name, access, remark| InventoryRow {
            kind,
            // What belongs to a service or a host is ended on their own pages.
            reference: matches!(self.owner(), OwnerId::User(_)).then(|| format!("{word}/{id}")),
            id: id.to_string(),
            name,
            owner,
            access,
            last_used_at: self.last_used_at(),
            expires_at: self.expires_at(),
            remark,
        };
        match self {
            Self::Credential(record) => row(
                record.kind.name(),
                record.kind.word(),
                record.id,
                name(record),
                access(record),
                remark(record, now),
            ),
            Self::SshKey(key, weakness) => {
                let access = format!("{} {}", key.key.kind().name(), key.key.bits());
                let remark = match (weakness, key.is_expired(now)) {
                    (Weakness::AgainstPolicy, _) => Some("Against today's policy"),
                    (Weakness::Shared, _) => Some("Two users have it"),
                    (Weakness::None, true) => Some("Expired"),
                    (Weakness::None, false) => None,
                };
                row(
                    "SSH key",
                    "ssh-key",
                    key.id,
                    key.name.clone(),
                    access,
                    remark.map(str::to_owned),
                )
            }
        }
    }
}

fn remark(record: &Record, now: Time) -> Option<String> {
    match record.state(now) {
        State::Active => None,
        State::Expired => Some("Expired".to_owned()),
        State::Disabled => Some("Disabled".to_owned()),
        State::Ended => Some("Ended".to_owned()),
    }
}

fn name(record: &Record) -> String {
    match record.kind {
        Kind::Session => user_agent::device(record.user_agent.as_deref()),
        Kind::ApiKey | Kind::Token | Kind::Host => record.name.clone(),
    }
}

fn access(record: &Record) -> String {
    match record.kind {
        Kind::ApiKey | Kind::Token => format!("{} permissions", record.permissions.words().count()),
        Kind::Session => "the console".to_owned(),
        Kind::Host => "SSH keys".to_owned(),
    }
}

/// SSH keys with what is weak about them.
fn weighed(keys: Vec<SshKey>, rules: &KeyRules) -> impl Iterator<Item = Thing> {
    let mut owners: HashMap<String, usize> = HashMap::new();
    for key in &keys {
        *owners.entry(key.key.fingerprint().to_owned()).or_default() += 1;
    }
    let rules = rules.clone();
    keys.into_iter().map(move |key| {
        let is_shared = owners
            .get(key.key.fingerprint())
            .is_some_and(|count| *count > 1);
        let weakness = match (rules.allow(&key.key), is_shared) {
            (false, _) => Weakness::AgainstPolicy,
            (true, true) => Weakness::Shared,
            (true, false) => Weakness::None,
        };
        Thing::SshKey(Box::new(key), weakness)
    })
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted = query(ask, "show")
        .as_deref()
        .and_then(Show::from_word)
        .unwrap_or_default();
    let records = ask.desk().inventory(caller, None, None, ROWS_MAX)?.items;
    let keys = ask.desk().all_ssh_keys(caller, ROWS_MAX)?;
    let rules = ask.desk().present_policy()?.ssh_key_rules();
    let credentials = records
        .into_iter()
        .map(|record| Thing::Credential(Box::new(record)));
    let mut things: Vec<Thing> = credentials
        .chain(weighed(keys, &rules))
        .filter(|thing| thing.fits(wanted, ask.now))
        .collect();
    things.sort_by_key(|thing| std::cmp::Reverse(thing.created_at()));
    let total = things.len();
    let (things, pager) = part(things, page_number(ask));
    let rows = rows(ask, &things)?;
    show(pages::list(
        &frame(ask, caller),
        &Inventory {
            rows,
            show: wanted,
            total,
            pager,
        },
    ))
}

fn rows(ask: &Ask<'_>, things: &[Thing]) -> Result<Vec<InventoryRow>, Error> {
    let row = |thing: &Thing| Ok(thing.row(ask.desk().owner_name(thing.owner())?, ask.now));
    things.iter().map(row).collect()
}

/// The things that boxes were ticked for, each once.
fn chosen(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<Vec<Thing>, Error> {
    const NOT_FOUND: Error = Error::NotFound("credential");
    let references = input.values.iter().filter(|(name, _)| name == "reference");
    let mut found: Vec<(Id, Thing)> = Vec::new();
    for (_, reference) in references.take(DELETE_MAX) {
        let (kind, id) = reference.split_once('/').ok_or(NOT_FOUND)?;
        let id = Id::parse(id).ok_or(NOT_FOUND)?;
        if found.iter().any(|(known, _)| *known == id) {
            continue;
        }
        let thing = if kind == "ssh-key" {
            Thing::SshKey(
                Box::new(ask.desk().any_ssh_key(caller, id)?),
                Weakness::None,
            )
        } else {
            Thing::Credential(Box::new(ask.desk().any_credential(caller, id)?))
        };
        found.push((id, thing));
    }
    Ok(found.into_iter().map(|(_, thing)| thing).collect())
}

fn delete_form(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let rows = rows(ask, &chosen(ask, caller, &input)?)?;
    Ok(pages::delete(
        &frame(ask, caller),
        &InventoryDelete { rows, input },
    ))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let things = chosen(ask, caller, &input)?;
    if things.is_empty() {
        return done("/admin/inventory", "nothing");
    }
    match input.value("confirm").map(str::trim) {
        None => show(delete_form(ask, caller, input)?),
        Some(typed) if typed == things.len().to_string() => {
            // All of them or none: what can't be ended here is said before anything is.
            let owned = things
                .iter()
                .map(|thing| Ok((whose(thing)?, thing)))
                .collect::<Result<Vec<_>, Error>>()?;
            for (whose, thing) in owned {
                match end(ask, caller, &whose, thing) {
                    // Somebody was faster; it is gone, as it should be.
                    Ok(()) | Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            done("/admin/inventory", "deleted")
        }
        Some(_) => {
            let problem = Error::field("confirm", format!("type {} to go on", things.len())).into();
            again(problem, input, "confirm", |input| {
                delete_form(ask, caller, input)
            })
        }
    }
}

fn whose(thing: &Thing) -> Result<Whose, Error> {
    match thing.owner() {
        OwnerId::User(user) => Ok(Desk::of_user(user)),
        OwnerId::Service(_) | OwnerId::Host(_) => Err(Error::NotAllowed(
            "Delete a service's API keys on the service's page, and a host on its own.".to_owned(),
        )),
    }
}

fn end(ask: &Ask<'_>, caller: &Caller, whose: &Whose, thing: &Thing) -> Result<(), Error> {
    match thing {
        Thing::Credential(record) => ask
            .desk()
            .end(caller, whose, record.kind, record.id, WithMade::No)
            .map(|_| ()),
        Thing::SshKey(key, _) => ask.desk().delete_ssh_key(caller, whose, key.id),
    }
}
