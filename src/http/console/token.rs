//! `/tokens`.

use std::collections::HashMap;

use super::{
    Answer, bulk, done_with, form, frame, idempotency_key, list, nonce, nonce_again, page,
    page_response, show_again,
};
use crate::app::{App, Holders, Issued, ListExtent, OwnedItem, WithDerived};
use crate::html::form::Input;
use crate::html::list::ListPlace;
use crate::html::permission::Presets;
use crate::html::token::{self as pages, TokenDelete, TokenIssued, TokenList, TokenNew, TokenRow};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, Record};
use crate::model::error::Error;
use crate::model::list::List;
use crate::model::secret::Id;
use crate::wire::TokenIn;

const KIND: Kind = Kind::Token;

pub fn list_tokens(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let scope = App::own(caller, KIND)?;
    let (query, extent) = (list::query(context, List::Tokens), list::extent(context));
    let app = context.app();
    let listed = app.list_items(caller, Holders::Of(&scope), &query, extent)?;
    if extent == ListExtent::All {
        return Ok(list::csv_of_items("tokens", &listed.rows, context.now));
    }
    let at = ListPlace::new("/tokens", query, &listed);
    let records: Vec<Record> = listed
        .rows
        .iter()
        .filter_map(OwnedItem::record)
        .cloned()
        .collect();
    let makers = records.iter().filter_map(|record| record.created_by);
    let makers = app.creators(caller, &scope, makers)?;
    let row = |record: Record| TokenRow {
        created_by: creator(&record, &makers),
        creator_path: record
            .created_by
            .filter(|id| makers.get(id).is_some_and(|one| one.kind == Kind::ApiKey))
            .map(|id| format!("/api-keys/{id}")),
        record,
    };
    let view = TokenList {
        at,
        rows: records.into_iter().map(row).collect(),
        offered: caller.power.clone(),
    };
    page_response(pages::token_list(&frame(context, caller), &view))
}

/// Deletes those that were picked in the list.
pub fn delete_picked(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let scope = App::own(caller, KIND)?;
    let picked = bulk::Picked {
        list: List::Tokens,
        holders: Holders::Of(&scope),
        path: "/tokens",
        fixed: Vec::new(),
    };
    bulk::delete_picked_items(context, caller, input, &picked)
}

/// The creator of a token, in words.
fn creator(record: &Record, creators: &HashMap<Id, Record>) -> String {
    let Some(id) = record.created_by else {
        return "the command line on the server".to_owned();
    };
    match creators.get(&id) {
        Some(creator) if creator.kind == Kind::Session => "console".to_owned(),
        Some(creator) => format!("{} {}", creator.kind, creator.name),
        None => match &record.created_by_name {
            Some(name) => format!("{name} ({id}), deleted"),
            None => format!("{id}, deleted"),
        },
    }
}

pub fn show_new_token_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(new_form(context, caller, Input::default(), nonce(context))?)
}

fn new_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    nonce: String,
) -> Result<crate::html::Markup, Problem> {
    let policy = context.app().present_policy()?;
    Ok(pages::new(
        &frame(context, caller),
        &TokenNew {
            policy,
            offered: caller.power.clone(),
            nonce,
            input,
        },
    ))
}

pub fn create_token(context: &RequestContext<'_>, caller: &Caller, mut input: Input) -> Answer {
    if form::is_filled(&mut input, &caller.power) {
        let nonce = nonce_again(context, caller, &input);
        return page_response(new_form(context, caller, input, nonce)?);
    }
    match try_create(context, caller, &input) {
        Ok(Issued { record, secret }) => {
            let text = secret.reveal();
            Ok(page(
                200,
                pages::created(
                    &frame(context, caller),
                    &TokenIssued {
                        record,
                        offered: caller.power.clone(),
                        secret: &text,
                    },
                ),
            ))
        }
        Err(Problem::App(Error::AlreadyDone { .. })) => {
            Ok(page(409, pages::already_created(&frame(context, caller))))
        }
        Err(problem) => show_again(problem, input, "name", |input| {
            let nonce = nonce_again(context, caller, &input);
            new_form(context, caller, input, nonce)
        }),
    }
}

fn try_create(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<Issued, Problem> {
    let once = idempotency_key(context, caller, input)?;
    let wanted = TokenIn {
        name: form::filled(input, "name").or_else(|| Some("from the console".to_owned())),
        expires_in: form::filled(input, "expires_in"),
        permissions: Some(form::permissions(input, &caller.power, Presets::Person)?),
        allowed_addresses: Some(form::entries(input, "allowed_addresses")),
    };
    let mut wanted = wanted.parse()?;
    // An empty field stands for the caller's own addresses.
    wanted.allowed_addresses = wanted
        .allowed_addresses
        .filter(|allowed_addresses| !allowed_addresses.is_everywhere());
    Ok(context
        .app()
        .issue(caller, &App::own(caller, KIND)?, wanted, Some(once))?)
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (scope, id) = (App::own(caller, KIND)?, context.id(KIND.name())?);
    let record = context.app().credential(caller, &scope, KIND, id)?;
    let app = context.app();
    let view = TokenDelete {
        usage: app.usage(caller, &scope, KIND, id)?,
        created: app.created_by(caller, &scope, KIND, id)?,
        ssh_keys: app.ssh_keys_created_by(caller, &scope, KIND, id)?,
        record,
    };
    page_response(pages::delete(&frame(context, caller), &view))
}

pub fn delete_token(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let (scope, id) = (App::own(caller, KIND)?, context.id(KIND.name())?);
    let app = context.app();
    let record = app.credential(caller, &scope, KIND, id);
    let name = record.map(|record| record.name).unwrap_or_default();
    let with_derived = WithDerived::from(input.has("made", "end"));
    app.end(caller, &scope, KIND, id, with_derived)?;
    let object = format!("Token {name}");
    done_with(context, "/tokens", "deleted-credential", &object)
}
