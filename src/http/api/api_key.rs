//! `/api/v1/api-keys`.

use super::{ApiResult, Problem, created, idempotency_key, list_answer, no_content, ok};
use crate::app::{App, CredentialScope, Issued, WithDerived};
use crate::http::body;
use crate::http::context::RequestContext;
use crate::http::query::{self, Query};
use crate::model::caller::Caller;
use crate::model::credential::{CredentialChange, Kind, Record};
use crate::wire::{ApiKeyIn, ApiKeyOut, ApiKeyPatch, DisabledPatch, RotateIn, UsageOut};

const KIND: Kind = Kind::ApiKey;

/// Finds the scope of API keys, once the request itself is valid.
pub(super) type Find = fn(&RequestContext<'_>, &Caller) -> Result<CredentialScope, Problem>;

fn own(_: &RequestContext<'_>, caller: &Caller) -> Result<CredentialScope, Problem> {
    Ok(App::own(caller, KIND)?)
}

/// With the secret, once.
fn issued(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    issued: Issued,
) -> Result<ApiKeyOut, Problem> {
    let out = show_key(context, caller, scope, &issued.record)?;
    Ok(out.with_secret(&issued.secret.reveal()))
}

fn show_key(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    record: &Record,
) -> Result<ApiKeyOut, Problem> {
    let creator = super::creator(context, caller, scope, record)?;
    Ok(ApiKeyOut::new(record, creator, context.now))
}

pub fn list_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    list_of(context, caller, own)
}

pub fn create_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    create_of(context, caller, own)
}

pub fn show_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    show_of(context, caller, own)
}

pub fn edit_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    edit_of(context, caller, own)
}

pub fn rotate_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    rotate_of(context, caller, own)
}

pub fn delete_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    delete_of(context, caller, own)
}

pub fn usage_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    usage_of(context, caller, own)
}

fn id(context: &RequestContext<'_>) -> Result<crate::model::secret::Id, Problem> {
    context.id(KIND.name())
}

pub(super) fn list_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    let mut query = Query::read(context, &["limit", "after", "ended"]);
    let (part, is_deleted) = (query.page_request(), query.flag("ended"));
    query.check()?;
    let scope = scope(context, caller)?;
    let page = context
        .app()
        .credentials(caller, &scope, KIND, is_deleted, part.after, part.limit)?;
    let creators = super::creators(context, caller, &scope, &page.items)?;
    list_answer(&page, |record| {
        ApiKeyOut::new(record, creators.creator_of(record), context.now)
    })
}

pub(super) fn create_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<ApiKeyIn>(context)?;
    let (wanted, once) = (wanted.parse()?, idempotency_key(context, caller, &bytes)?);
    let scope = scope(context, caller)?;
    let issued_key = context.app().issue(caller, &scope, wanted, once)?;
    created(&issued(context, caller, &scope, issued_key)?)
}

pub(super) fn show_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = scope(context, caller)?;
    let record = context
        .app()
        .credential(caller, &scope, KIND, id(context)?)?;
    ok(&show_key(context, caller, &scope, &record)?)
}

pub(super) fn usage_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    query::reject_parameters(context)?;
    let days = context
        .app()
        .usage(caller, &scope(context, caller)?, KIND, id(context)?)?;
    ok(&UsageOut::new(&days))
}

pub(super) fn edit_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    let change = body::json::<ApiKeyPatch>(context)?.parse()?;
    change_of(context, caller, scope, change)
}

/// An admin can only disable or enable another user's API key.
pub(super) fn set_disabled_of(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: Find,
) -> ApiResult {
    let change = body::json::<DisabledPatch>(context)?.parse()?;
    change_of(context, caller, scope, change)
}

fn change_of(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: Find,
    change: CredentialChange,
) -> ApiResult {
    let scope = scope(context, caller)?;
    let record = context.app().edit(caller, &scope, id(context)?, change)?;
    ok(&show_key(context, caller, &scope, &record)?)
}

pub(super) fn rotate_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<RotateIn>(context)?;
    let once = idempotency_key(context, caller, &bytes)?;
    let rotation = wanted.parse()?;
    let scope = scope(context, caller)?;
    let rotated = context
        .app()
        .rotate(caller, &scope, id(context)?, rotation, once)?;
    ok(&issued(context, caller, &scope, rotated)?)
}

pub(super) fn delete_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    let mut query = Query::read(context, &["with_created"]);
    let with_created = if query.flag("with_created") {
        WithDerived::Yes
    } else {
        WithDerived::No
    };
    query.check()?;
    context.app().end(
        caller,
        &scope(context, caller)?,
        KIND,
        id(context)?,
        with_created,
    )?;
    no_content()
}
