//! Deleting several credentials or SSH keys at once.

use super::{Answer, done, frame, list, page_response, show_again};
use crate::app::{App, CredentialScope, Holders, OwnedItem, WithDerived};
use crate::html::Markup;
use crate::html::bulk::{self as pages, BulkDelete, BulkRow};
use crate::html::form::Input;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::OwnerId;
use crate::model::error::Error;
use crate::model::inventory::Item;
use crate::model::list::List;
use crate::model::secret::Id;

/// Things deleted by one form.
const DELETE_MAX: usize = 500;

/// The list that things are picked in.
pub(super) struct Picked<'a> {
    pub list: List,
    pub holders: Holders<'a>,
    /// The page of the list.
    pub back: String,
    /// Where the form goes.
    pub action: String,
    /// Fields of the form that go along.
    pub fixed: Vec<(&'static str, String)>,
    /// The word of the message afterwards.
    pub done: &'static str,
}

/// The ids of the rows that were picked, each once.
pub(super) fn ids(input: &Input, noun: &'static str) -> Result<Vec<Id>, Error> {
    let mut ids: Vec<Id> = Vec::new();
    let picked = input.values.iter().filter(|(name, _)| name == "pick");
    for (_, value) in picked {
        let id = Id::parse(value).ok_or(Error::NotFound(noun))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
        if ids.len() > DELETE_MAX {
            let sentence = format!("select at most {DELETE_MAX} at once");
            return Err(Error::field("pick", sentence));
        }
    }
    Ok(ids)
}

fn things(
    context: &RequestContext<'_>,
    caller: &Caller,
    picked: &Picked<'_>,
    input: &Input,
) -> Result<Vec<OwnedItem>, Error> {
    let noun = picked.list.noun();
    let ids = ids(input, noun)?;
    let count = ids.len();
    let found = context
        .app()
        .picked(caller, picked.holders, picked.list, &ids)?;
    if found.len() < count {
        return Err(Error::NotFound(noun));
    }
    Ok(found)
}

/// Asks for the number of things, and deletes them once it was typed.
pub(super) fn delete(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    picked: &Picked<'_>,
) -> Answer {
    let things = things(context, caller, picked, &input)?;
    if things.is_empty() {
        return done(&picked.back, "nothing-picked");
    }
    match input.value("confirm").map(str::trim) {
        None => page_response(question(context, caller, picked, &things, input)),
        Some(typed) if typed == things.len().to_string() => {
            // All of them or none: an item that can't be deleted here is reported first.
            let scopes = things
                .iter()
                .map(|owned| scope(picked.holders, &owned.item))
                .collect::<Result<Vec<CredentialScope>, Error>>()?;
            for (scope, owned) in scopes.iter().zip(&things) {
                match end(context, caller, scope, &owned.item) {
                    // Somebody was faster; it is gone, as it should be.
                    Ok(()) | Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let sign = if picked.back.contains('?') { '&' } else { '?' };
            let back = format!("{}{sign}count={}", picked.back, things.len());
            done(&back, picked.done)
        }
        Some(_) => {
            let message = format!("type {} to confirm", things.len());
            let problem: Problem = Error::field("confirm", message).into();
            show_again(problem, input, "confirm", |input| {
                Ok(question(context, caller, picked, &things, input))
            })
        }
    }
}

fn question(
    context: &RequestContext<'_>,
    caller: &Caller,
    picked: &Picked<'_>,
    things: &[OwnedItem],
    input: Input,
) -> Markup {
    let row = |owned: &OwnedItem| BulkRow {
        id: owned.item.id().to_string(),
        name: list::item_name(&owned.item),
        owner: owned.owner.clone(),
        last_used_at: owned.item.last_used_at(),
        is_use_recorded: owned.ssh_key().is_none(),
    };
    let view = BulkDelete {
        list: picked.list,
        back: picked.back.clone(),
        action: picked.action.clone(),
        fixed: picked.fixed.clone(),
        rows: things.iter().map(row).collect(),
        input,
    };
    pages::delete(&frame(context, caller), &view)
}

fn scope(holders: Holders<'_>, thing: &Item) -> Result<CredentialScope, Error> {
    match (holders, thing.owner()) {
        (Holders::Of(scope), _) => Ok(scope.clone()),
        (Holders::Everybody, OwnerId::User(user)) => Ok(App::of_user(user)),
        (Holders::Everybody, OwnerId::Service(_) | OwnerId::Host(_)) => Err(Error::NotAllowed(
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
