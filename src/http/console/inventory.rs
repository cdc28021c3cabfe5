//! `/admin/inventory`: credentials and SSH keys of all owners.

use super::{Answer, again, done, frame, page_number, query, show};
use crate::app::{App, CredentialScope, OwnedItem, WithDerived};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::inventory::{self as pages, Inventory, InventoryDelete, InventoryRow};
use crate::html::table::Pager;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, OwnerId, Record, State};
use crate::model::error::Error;
use crate::model::inventory::{Item, Show, Weakness};
use crate::model::secret::Id;
use crate::model::time::Time;
use crate::model::user_agent;

/// Items on one page.
const ROWS: usize = 20;
/// Limit of items deleted by one form.
const DELETE_MAX: usize = 500;

fn row(owned: &OwnedItem, now: Time) -> InventoryRow {
    let item = &owned.item;
    let owner_path = match item.owner() {
        _ if owned.owner.is_empty() => None,
        OwnerId::User(_) => Some(format!("/admin/users/{}", owned.owner)),
        OwnerId::Service(_) => Some(format!("/admin/services/{}", owned.owner)),
        OwnerId::Host(_) => None,
    };
    InventoryRow {
        kind: item.kind(),
        // Credentials of services and hosts are revoked on their own pages.
        reference: matches!(item.owner(), OwnerId::User(_))
            .then(|| format!("{}/{}", item.as_str(), item.id())),
        id: item.id().to_string(),
        name: name(item),
        path: matches!(item, Item::Credential(record) if record.kind == Kind::ApiKey)
            .then(|| Some(format!("{}/api-keys/{}", owner_path.as_deref()?, item.id())))
            .flatten(),
        owner: owned.owner.clone(),
        owner_path,
        access: access(item),
        last_used_at: item.last_used_at(),
        expires_at: item.expires_at(),
        remark: remark(item, now).map(str::to_owned),
    }
}

fn remark(item: &Item, now: Time) -> Option<&'static str> {
    match (item, item.state(now)) {
        (Item::SshKey(_, Weakness::AgainstPolicy), _) => Some("Against today's policy"),
        (Item::SshKey(_, Weakness::Shared), _) => Some("Shared with another user"),
        (_, State::Active) => None,
        (_, State::Expired) => Some("Expired"),
        (_, State::Disabled) => Some("Disabled"),
        (_, State::Ended) => Some("Ended"),
    }
}

fn name(item: &Item) -> String {
    match item {
        Item::Credential(record) if record.kind == Kind::Session => {
            user_agent::device(record.user_agent.as_deref())
        }
        item => item.name().to_owned(),
    }
}

fn access(item: &Item) -> String {
    match item {
        Item::Credential(record) => access_of(record),
        Item::SshKey(key, _) => format!("{} {}", key.key.kind().name(), key.key.bits()),
    }
}

fn access_of(record: &Record) -> String {
    match record.kind {
        Kind::ApiKey | Kind::Token => match record.permissions.words().count() {
            1 => "1 permission".to_owned(),
            count => format!("{count} permissions"),
        },
        Kind::Session => "the console".to_owned(),
        Kind::Host => "SSH keys".to_owned(),
    }
}

pub fn list(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let wanted = query(context, "show")
        .as_deref()
        .and_then(Show::from_word)
        .unwrap_or_default();
    let number = page_number(context);
    let (found, total) = context.app().inventory_page(caller, wanted, number, ROWS)?;
    let pages = total.div_ceil(ROWS).max(1);
    show(pages::list(
        &frame(context, caller),
        &Inventory {
            rows: found.iter().map(|owned| row(owned, context.now)).collect(),
            show: wanted,
            total,
            pager: Pager::Page {
                page: number.min(pages),
                pages,
            },
        },
    ))
}

/// The selected items, each once.
fn chosen(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<Vec<OwnedItem>, Error> {
    const NOT_FOUND: Error = Error::NotFound("credential");
    let references = input.values.iter().filter(|(name, _)| name == "reference");
    let mut ids: Vec<Id> = Vec::new();
    for (_, reference) in references.take(DELETE_MAX) {
        let (_, id) = reference.split_once('/').ok_or(NOT_FOUND)?;
        let id = Id::parse(id).ok_or(NOT_FOUND)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let found = context.app().inventory_of(caller, &ids)?;
    if found.len() < ids.len() {
        return Err(NOT_FOUND);
    }
    Ok(found)
}

fn delete_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let things = chosen(context, caller, &input)?;
    let rows = things.iter().map(|owned| row(owned, context.now)).collect();
    Ok(pages::delete(
        &frame(context, caller),
        &InventoryDelete { rows, input },
    ))
}

pub fn delete(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let things = chosen(context, caller, &input)?;
    if things.is_empty() {
        return done("/admin/inventory", "nothing-chosen");
    }
    match input.value("confirm").map(str::trim) {
        None => show(delete_form(context, caller, input)?),
        Some(typed) if typed == things.len().to_string() => {
            // All of them or none: an item that can't be deleted here is reported first.
            let owned = things
                .iter()
                .map(|owned| Ok((scope(&owned.item)?, &owned.item)))
                .collect::<Result<Vec<_>, Error>>()?;
            for (scope, thing) in owned {
                match end(context, caller, &scope, thing) {
                    // Deleted meanwhile.
                    Ok(()) | Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            done("/admin/inventory", "deleted")
        }
        Some(_) => {
            let problem = Error::field("confirm", format!("type {} to go on", things.len())).into();
            again(problem, input, "confirm", |input| {
                delete_form(context, caller, input)
            })
        }
    }
}

fn scope(thing: &Item) -> Result<CredentialScope, Error> {
    match thing.owner() {
        OwnerId::User(user) => Ok(App::of_user(user)),
        OwnerId::Service(_) | OwnerId::Host(_) => Err(Error::NotAllowed(
            "Delete a service's API keys on the service's page, and a host on its own.".to_owned(),
        )),
    }
}

fn end(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    thing: &Item,
) -> Result<(), Error> {
    match thing {
        Item::Credential(record) => context
            .app()
            .end(caller, scope, record.kind, record.id, WithDerived::No)
            .map(|_| ()),
        Item::SshKey(key, _) => context.app().delete_ssh_key(caller, scope, key.id),
    }
}
