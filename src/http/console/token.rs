//! `/tokens`.

use std::collections::HashMap;

use super::{
    Answer, again, done, form, frame, nonce, nonce_again, once, page, page_number, part, show,
};
use crate::desk::{Desk, Issued, WithMade};
use crate::html::form::Input;
use crate::html::token::{self as pages, TokenDelete, TokenIssued, TokenList, TokenNew, TokenRow};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, Record};
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::wire::TokenIn;

const KIND: Kind = Kind::Token;
/// Tokens that the list looks at.
const ROWS_MAX: usize = 10_000;

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let mut records = ask
        .desk()
        .credentials(
            caller,
            &Desk::own(caller, KIND)?,
            KIND,
            false,
            None,
            ROWS_MAX,
        )?
        .items;
    records.retain(|record| record.expires_at.is_none_or(|end| end > ask.now));
    let (records, pager) = part(records, page_number(ask));
    let makers = records.iter().filter_map(|record| record.made_by);
    let makers = ask.desk().makers(caller, makers)?;
    let rows = records
        .into_iter()
        .map(|record| TokenRow {
            made_by: maker(&record, &makers),
            record,
        })
        .collect();
    show(pages::list(
        &frame(ask, caller),
        &TokenList {
            rows,
            pager,
            offered: caller.power.clone(),
        },
    ))
}

/// Where a token came from, in words.
fn maker(record: &Record, makers: &HashMap<Id, Record>) -> String {
    let Some(id) = record.made_by else {
        return "the command line on the server".to_owned();
    };
    match makers.get(&id) {
        Some(maker) if maker.kind == Kind::Session => "console".to_owned(),
        Some(maker) => format!("{} {}", maker.kind, maker.name),
        None => format!("{id}, which has ended"),
    }
}

pub fn new(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(new_form(ask, caller, Input::default(), nonce(ask))?)
}

fn new_form(
    ask: &Ask<'_>,
    caller: &Caller,
    input: Input,
    nonce: String,
) -> Result<crate::html::Markup, Problem> {
    let policy = ask.desk().present_policy()?;
    Ok(pages::new(
        &frame(ask, caller),
        &TokenNew {
            policy,
            offered: caller.power.clone(),
            nonce,
            input,
        },
    ))
}

pub fn create(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    match try_create(ask, caller, &input) {
        Ok(Issued { record, secret }) => {
            let text = secret.reveal();
            Ok(page(
                200,
                pages::created(
                    &frame(ask, caller),
                    &TokenIssued {
                        record,
                        secret: &text,
                    },
                ),
            ))
        }
        Err(Problem::Asked(Error::AlreadyDone { .. })) => {
            Ok(page(409, pages::already_created(&frame(ask, caller))))
        }
        Err(problem) => again(problem, input, "name", |input| {
            let nonce = nonce_again(ask, caller, &input);
            new_form(ask, caller, input, nonce)
        }),
    }
}

fn try_create(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<Issued, Problem> {
    let once = once(ask, caller, input)?;
    let wanted = TokenIn {
        name: form::filled(input, "name").or_else(|| Some("from the console".to_owned())),
        expires_in: form::filled(input, "expires_in"),
        permissions: Some(form::permissions(input, &caller.power)?),
        allowed_addresses: None,
    };
    Ok(ask.desk().issue(
        caller,
        &Desk::own(caller, KIND)?,
        wanted.parse()?,
        Some(once),
    )?)
}

pub fn ask_delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (whose, id) = (Desk::own(caller, KIND)?, ask.id(KIND.name())?);
    let record = ask.desk().credential(caller, &whose, KIND, id)?;
    let usage = ask.desk().usage(caller, &whose, KIND, id)?;
    show(pages::delete(
        &frame(ask, caller),
        &TokenDelete { record, usage },
    ))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    ask.desk().end(
        caller,
        &Desk::own(caller, KIND)?,
        KIND,
        ask.id(KIND.name())?,
        WithMade::No,
    )?;
    done("/tokens", "deleted")
}
