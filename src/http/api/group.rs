//! `/api/v1/groups`.

use super::{ApiResult, created, idempotency_key, list_answer, no_content};
use crate::http::context::RequestContext;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::group::parse_group_name;
use crate::model::user::Username;
use crate::wire::{GroupIn, GroupOut, NothingIn};

pub fn list_groups(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    list_answer(
        &context.app().groups(caller, part.after, part.limit)?,
        GroupOut::new,
    )
}

pub fn create_group(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<GroupIn>(context)?;
    let name = parse_group_name(&wanted.name).map_err(|message| Error::field("name", message))?;
    let once = idempotency_key(context, caller, &bytes)?;
    created(&GroupOut::new(
        &context.app().add_group(caller, name, once)?,
    ))
}

pub fn delete_group(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    context
        .app()
        .delete_group(caller, context.parameter(0).to_owned())?;
    no_content()
}

pub fn add_member(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let NothingIn {} = body::json(context)?;
    context
        .app()
        .add_group_member(caller, context.parameter(0).to_owned(), member(context)?)?;
    no_content()
}

pub fn remove_member(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    context
        .app()
        .remove_group_member(caller, context.parameter(0).to_owned(), member(context)?)?;
    no_content()
}

fn member(context: &RequestContext<'_>) -> Result<Username, Error> {
    Username::parse(context.parameter(1)).map_err(|_| Error::NotFound("user"))
}
