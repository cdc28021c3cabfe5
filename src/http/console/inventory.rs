//! `/admin/inventory`: every credential of everybody.

use std::time::Duration;

use super::{Answer, again, done, frame, page_number, part, query, show};
use crate::desk::{Desk, WithMade};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::inventory::{self as pages, Inventory, InventoryDelete, InventoryRow, Show};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, OwnerId, Record, State};
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::model::time::Time;

/// Credentials that one list looks at.
const ROWS_MAX: usize = 5_000;
/// Credentials deleted by one form.
const DELETE_MAX: usize = 500;

const UNUSED: Duration = Duration::from_secs(90 * 86_400);
const SOON: Duration = Duration::from_secs(14 * 86_400);

fn fits(record: &Record, show: Show, now: Time) -> bool {
    let last = record.last_use.as_ref().map(|last| last.at);
    match show {
        Show::Everything => true,
        Show::Unused => now.since(last.unwrap_or(record.created_at)) > UNUSED,
        Show::NeverUsed => last.is_none(),
        Show::NoExpiry => record.expires_at.is_none(),
        Show::EndsSoon => record.expires_at.is_some_and(|end| end <= now.after(SOON)),
        Show::WeakSshKey => false,
    }
}

fn row(ask: &Ask<'_>, record: Record) -> Result<InventoryRow, Error> {
    let remark = match record.state(ask.now) {
        State::Active => None,
        State::Expired => Some("Expired".to_owned()),
        State::Disabled => Some("Disabled".to_owned()),
        State::Ended => Some("Ended".to_owned()),
    };
    let name = match record.kind {
        Kind::Session => crate::model::user_agent::device(record.user_agent.as_deref()),
        Kind::ApiKey | Kind::Token | Kind::Host => record.name,
    };
    let access = match record.kind {
        Kind::ApiKey | Kind::Token => format!("{} permissions", record.permissions.words().count()),
        Kind::Session => "the console".to_owned(),
        Kind::Host => "SSH keys".to_owned(),
    };
    Ok(InventoryRow {
        kind: record.kind.name(),
        reference: format!("{}/{}", record.kind.word(), record.id),
        id: record.id.to_string(),
        name,
        owner: ask.desk().owner_name(record.owner)?,
        access,
        last_used_at: record.last_use.map(|last| last.at),
        expires_at: record.expires_at,
        remark,
    })
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted = query(ask, "show")
        .as_deref()
        .and_then(Show::from_word)
        .unwrap_or_default();
    let mut records = ask.desk().inventory(caller, None, None, ROWS_MAX)?.items;
    records.retain(|record| fits(record, wanted, ask.now));
    let total = records.len();
    let (records, pager) = part(records, page_number(ask));
    let rows = records
        .into_iter()
        .map(|record| row(ask, record))
        .collect::<Result<Vec<_>, _>>()?;
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

/// The credentials that boxes were ticked for.
fn chosen(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<Vec<Record>, Error> {
    let mut found = Vec::new();
    for (_, reference) in input
        .values
        .iter()
        .filter(|(name, _)| name == "reference")
        .take(DELETE_MAX)
    {
        let id = reference
            .split_once('/')
            .and_then(|(_, id)| Id::parse(id))
            .ok_or(Error::NotFound("credential"))?;
        found.push(ask.desk().any_credential(caller, id)?);
    }
    Ok(found)
}

fn delete_form(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let records = chosen(ask, caller, &input)?;
    let rows = records
        .into_iter()
        .map(|record| row(ask, record))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(pages::delete(
        &frame(ask, caller),
        &InventoryDelete { rows, input },
    ))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let records = chosen(ask, caller, &input)?;
    if records.is_empty() {
        return done("/admin/inventory", "");
    }
    match input.value("confirm").map(str::trim) {
        None => show(delete_form(ask, caller, input)?),
        Some(typed) if typed == records.len().to_string() => {
            caller.demand_recent_password()?;
            for record in records {
                let whose =
                    match record.owner {
                        OwnerId::User(user) => Desk::of_user(user),
                        OwnerId::Service(_) | OwnerId::Host(_) => return Err(Error::NotAllowed(
                            "Delete a service's keys on the service's page, and a host on its own."
                                .to_owned(),
                        )
                        .into()),
                    };
                ask.desk()
                    .end(caller, &whose, record.kind, record.id, WithMade::No)?;
            }
            done("/admin/inventory", "deleted")
        }
        Some(_) => {
            let problem =
                Error::field("confirm", format!("type {} to go on", records.len())).into();
            again(problem, input, "confirm", |input| {
                delete_form(ask, caller, input)
            })
        }
    }
}
