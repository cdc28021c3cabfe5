//! `/api/v1/tokens`.

use super::api_key::Find;
use super::{ApiResult, created, idempotency_key, list_answer, no_content, ok};
use crate::app::{App, CredentialScope, WithDerived};
use crate::http::body;
use crate::http::context::RequestContext;
use crate::http::query::{self, PageRequest, Query};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::wire::{TokenIn, TokenOut, UsageOut};

const KIND: Kind = Kind::Token;

pub fn list_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    list_of(context, caller, &App::own(caller, KIND)?, &part)
}

pub(super) fn list_of(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    part: &PageRequest,
) -> ApiResult {
    let page = context
        .app()
        .credentials(caller, scope, KIND, false, part.after, part.limit)?;
    let creators = super::creators(context, caller, scope, &page.items)?;
    list_answer(&page, |record| {
        TokenOut::new(record, creators.creator_of(record), context.now)
    })
}

pub fn create_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<TokenIn>(context)?;
    let once = idempotency_key(context, caller, &bytes)?;
    let scope = App::own(caller, KIND)?;
    let issued = context.app().issue(caller, &scope, wanted.parse()?, once)?;
    let creator = super::creator(context, caller, &scope, &issued.record)?;
    created(
        &TokenOut::new(&issued.record, creator, context.now).with_secret(&issued.secret.reveal()),
    )
}

pub fn show_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    show_of(context, caller, |_, caller| Ok(App::own(caller, KIND)?))
}

pub(super) fn show_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = scope(context, caller)?;
    let id = context.id(KIND.name())?;
    let record = context.app().credential(caller, &scope, KIND, id)?;
    let creator = super::creator(context, caller, &scope, &record)?;
    ok(&TokenOut::new(&record, creator, context.now))
}

pub fn delete_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let mut query = Query::read(context, &["with_created"]);
    let with_created = WithDerived::from(query.flag("with_created"));
    query.check()?;
    context.app().end(
        caller,
        &App::own(caller, KIND)?,
        KIND,
        context.id(KIND.name())?,
        with_created,
    )?;
    no_content()
}

pub fn usage_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    usage_of(context, caller, |_, caller| Ok(App::own(caller, KIND)?))
}

pub(super) fn usage_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = scope(context, caller)?;
    let id = context.id(KIND.name())?;
    ok(&UsageOut::new(
        &context.app().usage(caller, &scope, KIND, id)?,
    ))
}
