//! `/api/v1/policy` and `/api/v1/sweep`.

use super::{ApiResult, ok};
use crate::http::context::RequestContext;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::wire::{NothingIn, PolicyOut, PolicyPatch, PolicyPreviewOut, SweptOut};

pub fn show_policy(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    ok(&PolicyOut::new(&context.app().policy(caller)?))
}

pub fn edit_policy(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: PolicyPatch = body::json(context)?;
    ok(&PolicyOut::new(
        &context.app().change_policy(caller, wanted.parse()?)?,
    ))
}

/// Limit of credentials named by a preview.
pub const EXCEEDING_MAX: usize = 200;

pub fn preview(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: PolicyPatch = body::json(context)?;
    let preview = context
        .app()
        .preview_policy(caller, wanted.parse()?, EXCEEDING_MAX)?;
    ok(&PolicyPreviewOut::new(
        &preview.after,
        preview.named(),
        preview.total,
    ))
}

pub fn sweep(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let NothingIn {} = body::json(context)?;
    let swept = context.app().sweep(caller)?;
    ok(&SweptOut {
        api_keys: swept.api_keys,
        tokens: swept.tokens,
        sessions: swept.sessions,
        codes: swept.codes,
    })
}
