//! `/api/v1/api-keys`.

use super::{Answer, Problem, created, list, no_content, ok, once};
use crate::app::{App, Issued, Scope, WithMade};
use crate::http::body;
use crate::http::context::RequestContext;
use crate::http::query::{self, Query};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::time::Time;
use crate::wire::{ApiKeyIn, ApiKeyOut, ApiKeyPatch, RotateIn, UsageOut};

const KIND: Kind = Kind::ApiKey;

/// Finds whose API keys are meant, once the request itself is known to be in order.
pub(super) type Find = fn(&RequestContext<'_>, &Caller) -> Result<Scope, Problem>;

fn own(_: &RequestContext<'_>, caller: &Caller) -> Result<Scope, Problem> {
    Ok(App::own(caller, KIND)?)
}

/// With the secret, once.
fn issued(issued: Issued, now: Time) -> ApiKeyOut {
    let out = ApiKeyOut::of(&issued.record, now);
    out.with_secret(&issued.secret.reveal())
}

pub fn list_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    list_of(context, caller, own)
}

pub fn create_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    create_of(context, caller, own)
}

pub fn show_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    show_of(context, caller, own)
}

pub fn edit_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    edit_of(context, caller, own)
}

pub fn rotate_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    rotate_of(context, caller, own)
}

pub fn delete_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    delete_of(context, caller, own)
}

pub fn usage_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    usage_of(context, caller, own)
}

fn id(context: &RequestContext<'_>) -> Result<crate::model::secret::Id, Problem> {
    context.id(KIND.name())
}

pub(super) fn list_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> Answer {
    let mut query = Query::read(context, &["limit", "after", "ended"]);
    let (part, ended) = (query.part(), query.flag("ended"));
    query.check()?;
    list(
        &context.app().credentials(
            caller,
            &scope(context, caller)?,
            KIND,
            ended,
            part.after,
            part.limit,
        )?,
        |record| ApiKeyOut::of(record, context.now),
    )
}

pub(super) fn create_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<ApiKeyIn>(context)?;
    let (wanted, once) = (wanted.parse()?, once(context, caller, &bytes)?);
    created(&issued(
        context
            .app()
            .issue(caller, &scope(context, caller)?, wanted, once)?,
        context.now,
    ))
}

pub(super) fn show_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> Answer {
    query::none(context)?;
    ok(&ApiKeyOut::of(
        &context
            .app()
            .credential(caller, &scope(context, caller)?, KIND, id(context)?)?,
        context.now,
    ))
}

pub(super) fn usage_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> Answer {
    query::none(context)?;
    let days = context
        .app()
        .usage(caller, &scope(context, caller)?, KIND, id(context)?)?;
    ok(&UsageOut::of(&days))
}

pub(super) fn edit_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> Answer {
    let change = body::json::<ApiKeyPatch>(context)?.parse()?;
    ok(&ApiKeyOut::of(
        &context
            .app()
            .edit(caller, &scope(context, caller)?, id(context)?, change)?,
        context.now,
    ))
}

pub(super) fn rotate_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<RotateIn>(context)?;
    let once = once(context, caller, &bytes)?;
    let rotation = wanted.parse()?;
    ok(&issued(
        context.app().rotate(
            caller,
            &scope(context, caller)?,
            id(context)?,
            rotation,
            once,
        )?,
        context.now,
    ))
}

pub(super) fn delete_of(context: &RequestContext<'_>, caller: &Caller, scope: Find) -> Answer {
    let mut query = Query::read(context, &["with_made"]);
    let with_made = if query.flag("with_made") {
        WithMade::Yes
    } else {
        WithMade::No
    };
    query.check()?;
    context.app().end(
        caller,
        &scope(context, caller)?,
        KIND,
        id(context)?,
        with_made,
    )?;
    no_content()
}
