//! `/api/v1/tokens`.

use super::{Answer, created, list, no_content, ok, once};
use crate::app::{App, WithMade};
use crate::http::context::RequestContext;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::wire::{TokenIn, TokenOut, UsageOut};

const KIND: Kind = Kind::Token;

pub fn list_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let part = query::part(context)?;
    let page = context.app().credentials(
        caller,
        &App::own(caller, KIND)?,
        KIND,
        false,
        part.after,
        part.limit,
    )?;
    list(&page, |record| TokenOut::of(record, context.now))
}

pub fn create_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<TokenIn>(context)?;
    let once = once(context, caller, &bytes)?;
    let issued = context
        .app()
        .issue(caller, &App::own(caller, KIND)?, wanted.parse()?, once)?;
    created(&TokenOut::of(&issued.record, context.now).with_secret(&issued.secret.reveal()))
}

pub fn show_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    query::none(context)?;
    ok(&TokenOut::of(
        &context.app().credential(
            caller,
            &App::own(caller, KIND)?,
            KIND,
            context.id(KIND.name())?,
        )?,
        context.now,
    ))
}

pub fn delete_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    query::none(context)?;
    context.app().end(
        caller,
        &App::own(caller, KIND)?,
        KIND,
        context.id(KIND.name())?,
        WithMade::No,
    )?;
    no_content()
}

pub fn usage_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    query::none(context)?;
    ok(&UsageOut::of(&context.app().usage(
        caller,
        &App::own(caller, KIND)?,
        KIND,
        context.id(KIND.name())?,
    )?))
}
