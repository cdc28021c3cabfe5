//! `/api/v1/sessions`.

use super::{ApiResult, list_answer, no_content};
use crate::app::{App, WithDerived};
use crate::http::context::RequestContext;
use crate::http::query;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::wire::SessionOut;

const KIND: Kind = Kind::Session;

pub fn list_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let page = context.app().credentials(
        caller,
        &App::own(caller, KIND)?,
        KIND,
        false,
        part.after,
        part.limit,
    )?;
    list_answer(&page, |record| {
        SessionOut::new(record, caller.credential_id())
    })
}

pub fn delete_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    context.app().end(
        caller,
        &App::own(caller, KIND)?,
        KIND,
        context.id(KIND.name())?,
        WithDerived::No,
    )?;
    no_content()
}

pub fn delete_all(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    context.app().revoke_sessions(caller, None)?;
    no_content()
}
