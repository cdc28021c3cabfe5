//! `/api/v1/services`.

use super::{ApiResult, Problem, api_key, created, idempotency_key, list_answer, no_content, ok};
use crate::app::{App, CredentialScope};
use crate::http::context::RequestContext;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::error::FieldErrors;
use crate::model::service::{parse_service_name, parse_service_permissions};
use crate::wire::{ServiceIn, ServiceOut, ServicePatch};

pub fn list_services(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    list_answer(
        &context.app().services(caller, part.after, part.limit)?,
        ServiceOut::new,
    )
}

/// With its use, which lists leave out.
pub fn show_service(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let service = context.app().service(caller, context.parameter(0))?;
    let uses = context
        .app()
        .service_uses(caller, std::slice::from_ref(&service))?;
    let used = uses.first().copied().unwrap_or_default();
    let by_role = context.app().given_by_role(caller, &service)?;
    ok(&ServiceOut {
        carriers: Some(context.app().carriers(caller, &service)?),
        ..ServiceOut::new(&service)
            .given(&by_role)
            .used(used.api_keys, used.last_used_at)
    })
}

pub fn create_service(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<ServiceIn>(context)?;
    let mut faults = FieldErrors::default();
    let name = faults.take("name", parse_service_name(&wanted.name));
    let permissions = faults.take(
        "permissions",
        parse_service_permissions(&wanted.name, &wanted.permissions),
    );
    faults.check()?;
    let once = idempotency_key(context, caller, &bytes)?;
    let service = context.app().add_service(
        caller,
        name.unwrap_or_default(),
        permissions.unwrap_or_default(),
        once,
    )?;
    created(&ServiceOut::new(&service))
}

pub fn edit_service(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let name = context.parameter(0);
    let change = body::json::<ServicePatch>(context)?.parse(name)?;
    let (service, by_role) = context
        .app()
        .edit_service(caller, name.to_owned(), change)?;
    ok(&ServiceOut::new(&service).given(&by_role))
}

pub fn delete_service(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    context
        .app()
        .delete_service(caller, context.parameter(0).to_owned())?;
    no_content()
}

fn to_read(context: &RequestContext<'_>, caller: &Caller) -> Result<CredentialScope, Problem> {
    let service = context.app().service(caller, context.parameter(0))?;
    Ok(App::of_service(service.id))
}

fn to_write(context: &RequestContext<'_>, caller: &Caller) -> Result<CredentialScope, Problem> {
    let app = context.app();
    let service = app.service_for_change(caller, context.parameter(0))?;
    Ok(App::of_service(service.id))
}

pub fn list_api_keys(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    api_key::list_of(context, caller, to_read)
}

pub fn create_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    api_key::create_of(context, caller, to_write)
}

pub fn show_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    api_key::show_of(context, caller, to_read)
}

pub fn api_key_usage(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    api_key::usage_of(context, caller, to_read)
}

pub fn edit_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    api_key::edit_of(context, caller, to_write)
}

pub fn rotate_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    api_key::rotate_of(context, caller, to_write)
}

pub fn delete_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    api_key::delete_of(context, caller, to_write)
}
