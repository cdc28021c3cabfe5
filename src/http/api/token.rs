//! `/api/v1/tokens`.

use super::{Answer, created, list, no_content, ok, once};
use crate::desk::{Desk, WithMade};
use crate::http::ask::Ask;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::wire::{TokenIn, TokenOut, UsageOut};

const KIND: Kind = Kind::Token;

pub fn list_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    let page = ask.desk().credentials(
        caller,
        &Desk::own(caller, KIND)?,
        KIND,
        false,
        part.after,
        part.limit,
    )?;
    list(&page, |record| TokenOut::of(record, ask.now))
}

pub fn create_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<TokenIn>(ask)?;
    let once = once(ask, caller, &bytes)?;
    let issued = ask
        .desk()
        .issue(caller, &Desk::own(caller, KIND)?, wanted.parse()?, once)?;
    created(&TokenOut::of(&issued.record, ask.now).with_secret(&issued.secret.reveal()))
}

pub fn show_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ok(&TokenOut::of(
        &ask.desk().credential(
            caller,
            &Desk::own(caller, KIND)?,
            KIND,
            ask.id(KIND.name())?,
        )?,
        ask.now,
    ))
}

pub fn delete_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ask.desk().end(
        caller,
        &Desk::own(caller, KIND)?,
        KIND,
        ask.id(KIND.name())?,
        WithMade::No,
    )?;
    no_content()
}

pub fn usage_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ok(&UsageOut::of(&ask.desk().usage(
        caller,
        &Desk::own(caller, KIND)?,
        KIND,
        ask.id(KIND.name())?,
    )?))
}
