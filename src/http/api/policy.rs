//! `/api/v1/policy` and `/api/v1/sweep`.

use super::{Answer, ok};
use crate::http::ask::Ask;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::wire::{NothingIn, PolicyOut, PolicyPatch, PolicyPreviewOut, SweptOut};

pub fn show(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ok(&PolicyOut::of(&ask.desk().policy(caller)?))
}

pub fn edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted: PolicyPatch = body::json(ask)?;
    ok(&PolicyOut::of(
        &ask.desk().change_policy(caller, wanted.parse()?)?,
    ))
}

/// Credentials that a preview names one by one.
pub const EXCEEDING_MAX: usize = 200;

pub fn preview(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted: PolicyPatch = body::json(ask)?;
    let preview = ask
        .desk()
        .preview_policy(caller, wanted.parse()?, EXCEEDING_MAX)?;
    ok(&PolicyPreviewOut::of(
        &preview.after,
        preview.named(),
        preview.total,
    ))
}

pub fn sweep(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let NothingIn {} = body::json(ask)?;
    let swept = ask.desk().sweep(caller)?;
    ok(&SweptOut {
        api_keys: swept.api_keys,
        tokens: swept.tokens,
        sessions: swept.sessions,
        codes: swept.codes,
    })
}
