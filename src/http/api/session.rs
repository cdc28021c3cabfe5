//! `/api/v1/sessions`.

use super::{Answer, list, no_content};
use crate::desk::{Desk, WithMade};
use crate::http::ask::Ask;
use crate::http::query;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::wire::SessionOut;

const KIND: Kind = Kind::Session;

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
    list(&page, |record| SessionOut::of(record, caller.credential.id))
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

pub fn delete_all(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ask.desk().end_sessions(caller, None)?;
    no_content()
}
