//! Deleting several credentials or SSH keys at once.

use super::{Answer, done, done_with, frame, list, page_response, show_again};
use crate::app::{App, CredentialScope, Holders, ListExtent, OwnedItem, WithDerived};
use crate::html::Markup;
use crate::html::bulk::{self as pages, BulkDelete, BulkRow};
use crate::html::form::Input;
use crate::html::table::address;
use crate::html::when::counted;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::OwnerId;
use crate::model::error::Error;
use crate::model::inventory::Item;
use crate::model::list::{List, ListQuery};
use crate::model::secret::Id;

/// Things deleted by one form.
const DELETE_MAX: usize = 500;

/// The list that things are picked in.
pub(super) struct Picked<'a> {
    pub list: List,
    pub holders: Holders<'a>,
    /// The path of the list, below which the form goes to `/delete`.
    pub path: &'a str,
    /// Parameters of the list's address that go along.
    pub fixed: Vec<(&'static str, String)>,
}

impl Picked<'_> {
    /// The list's query in the form.
    fn query(&self, input: &Input) -> ListQuery {
        let text = input.value("query").unwrap_or_default();
        list::parsed_query(text, self.list)
    }
}

/// The address of the list at `path` with the filter that the form was sent from.
pub(super) fn filtered_list(path: &str, fixed: &[(&str, String)], query: &ListQuery) -> String {
    let pairs = query.pairs();
    let pairs = fixed.iter().chain(&pairs);
    let pairs: Vec<(&str, &str)> = pairs.map(|(name, value)| (*name, value.as_str())).collect();
    address(path, &pairs)
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

fn picked_items(
    context: &RequestContext<'_>,
    caller: &Caller,
    picked: &Picked<'_>,
    input: &Input,
) -> Result<Vec<OwnedItem>, Error> {
    let noun = picked.list.noun();
    // With `confirm` the form names what its page listed.
    if input.value("all").is_some() && input.value("confirm").is_none() {
        return matching(context, caller, picked, &picked.query(input));
    }
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

/// All that match the filter and are not deleted yet.
fn matching(
    context: &RequestContext<'_>,
    caller: &Caller,
    picked: &Picked<'_>,
    query: &ListQuery,
) -> Result<Vec<OwnedItem>, Error> {
    let app = context.app();
    let mut found = app
        .list_items(caller, picked.holders, query, ListExtent::All)?
        .rows;
    found.retain(|owned| {
        let record = owned.record();
        record.is_none_or(|record| record.deletion.is_none())
    });
    Ok(found)
}

/// Asks for the number of things, and deletes them once it was typed.
pub(super) fn delete_picked_items(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    picked: &Picked<'_>,
) -> Answer {
    let items = picked_items(context, caller, picked, &input)?;
    let back = filtered_list(picked.path, &picked.fixed, &picked.query(&input));
    if items.is_empty() {
        return done(&back, "nothing-picked");
    }
    if items.len() > DELETE_MAX {
        return done(&back, "too-many-match");
    }
    match input.value("confirm").map(str::trim) {
        None => page_response(question(context, caller, (picked, &back), &items, input)),
        Some(typed) if typed == items.len().to_string() => {
            let scopes = items
                .iter()
                .map(|owned| scope(picked.holders, &owned.item))
                .collect::<Result<Vec<CredentialScope>, Error>>()?;
            for (scope, owned) in scopes.iter().zip(&items) {
                match end(context, caller, scope, &owned.item) {
                    // Somebody was faster; it is gone, as it should be.
                    Ok(()) | Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let word = match picked.list {
                List::Sessions => "signed-out-there",
                _ => "deleted",
            };
            done_with(
                context,
                &back,
                word,
                &counted(items.len(), picked.list.noun()),
            )
        }
        Some(_) => {
            let message = format!("type {} to confirm", items.len());
            let problem: Problem = Error::field("confirm", message).into();
            show_again(problem, input, "confirm", |input| {
                Ok(question(context, caller, (picked, &back), &items, input))
            })
        }
    }
}

fn question(
    context: &RequestContext<'_>,
    caller: &Caller,
    (picked, back): (&Picked<'_>, &str),
    items: &[OwnedItem],
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
        back: back.to_owned(),
        action: format!("{}/delete", picked.path),
        fixed: picked.fixed.clone(),
        query: input.value("query").unwrap_or_default().to_owned(),
        rows: items.iter().map(row).collect(),
        input,
    };
    pages::delete(&frame(context, caller), &view)
}

fn scope(holders: Holders<'_>, item: &Item) -> Result<CredentialScope, Error> {
    match (holders, item.owner()) {
        (Holders::Of(scope), _) => Ok(scope.clone()),
        (Holders::Everybody, OwnerId::User(user)) => Ok(App::of_user(user)),
        (Holders::Everybody, OwnerId::Service(service)) => Ok(App::of_service(service)),
        // No list has a host's credential.
        (Holders::Everybody, OwnerId::Host(_)) => Err(Error::NotFound("host")),
    }
}

fn end(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    item: &Item,
) -> Result<(), Error> {
    match item {
        Item::Credential(record) => context
            .app()
            .end(caller, scope, record.kind, record.id, WithDerived::No)
            .map(|_| ()),
        Item::SshKey(key, _) => context.app().delete_ssh_key(caller, scope, key.id),
    }
}
