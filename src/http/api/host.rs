//! `/api/v1/hosts`, for admins.

use rouille::Response;

use super::{ApiResult, created, idempotency_key, list_answer, list_page, no_content, ok};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::wire::{EnrollmentCodeIn, EnrollmentCodeOut, HostOut, HostPatch};

pub fn list_hosts(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    list_answer(
        &context.app().hosts(caller, part.after, part.limit)?,
        HostOut::new,
    )
}

pub fn show_host(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    ok(&HostOut::new(
        &context.app().host(caller, context.id("host")?)?,
    ))
}

pub fn edit_host(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: HostPatch = body::json(context)?;
    let change = wanted.parse()?;
    let host = context
        .app()
        .edit_host(caller, context.id("host")?, change)?;
    ok(&HostOut::new(&host))
}

pub fn delete_host(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    context.app().delete_host(caller, context.id("host")?)?;
    no_content()
}

pub fn list_codes(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let codes = context.app().enrollment_codes(caller)?;
    list_page(&codes, part, EnrollmentCodeOut::new)
}

pub fn create_code(context: &RequestContext<'_>, caller: &Caller) -> Result<Response, Problem> {
    let (wanted, bytes) = body::json_with_bytes::<EnrollmentCodeIn>(context)?;
    let new = wanted.parse()?;
    let once = idempotency_key(context, caller, &bytes)?;
    let (secret, code) = context.app().add_enrollment_code(caller, new, once)?;
    let mut out = EnrollmentCodeOut::new(&code);
    out.secret = Some(secret.reveal().to_string());
    created(&out)
}

pub fn delete_code(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let id = context.id("enrollment code")?;
    context.app().delete_enrollment_code(caller, id)?;
    no_content()
}
