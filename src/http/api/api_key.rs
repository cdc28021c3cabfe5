//! `/api/v1/api-keys`.

use super::{Answer, Problem, created, list, no_content, ok, once};
use crate::desk::{Desk, Issued, Whose, WithMade};
use crate::http::ask::Ask;
use crate::http::body;
use crate::http::query::{self, Query};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::time::Time;
use crate::wire::{ApiKeyIn, ApiKeyOut, ApiKeyPatch, RotateIn, UsageOut};

const KIND: Kind = Kind::ApiKey;

/// Finds whose API keys are meant, once the request itself is known to be in order.
pub(super) type Find = fn(&Ask<'_>, &Caller) -> Result<Whose, Problem>;

fn own(_: &Ask<'_>, caller: &Caller) -> Result<Whose, Problem> {
    Ok(Desk::own(caller, KIND)?)
}

/// With the secret, once.
fn issued(issued: Issued, now: Time) -> ApiKeyOut {
    let out = ApiKeyOut::of(&issued.record, now);
    out.with_secret(&issued.secret.reveal())
}

pub fn list_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    list_of(ask, caller, own)
}

pub fn create_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    create_of(ask, caller, own)
}

pub fn show_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show_of(ask, caller, own)
}

pub fn edit_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    edit_of(ask, caller, own)
}

pub fn rotate_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    rotate_of(ask, caller, own)
}

pub fn delete_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    delete_of(ask, caller, own)
}

pub fn usage_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    usage_of(ask, caller, own)
}

fn id(ask: &Ask<'_>) -> Result<crate::model::secret::Id, Problem> {
    ask.id(KIND.name())
}

pub(super) fn list_of(ask: &Ask<'_>, caller: &Caller, whose: Find) -> Answer {
    let mut query = Query::read(ask, &["limit", "after", "ended"]);
    let (part, ended) = (query.part(), query.flag("ended"));
    query.check()?;
    list(
        &ask.desk().credentials(
            caller,
            &whose(ask, caller)?,
            KIND,
            ended,
            part.after,
            part.limit,
        )?,
        |record| ApiKeyOut::of(record, ask.now),
    )
}

pub(super) fn create_of(ask: &Ask<'_>, caller: &Caller, whose: Find) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<ApiKeyIn>(ask)?;
    let (wanted, once) = (wanted.parse()?, once(ask, caller, &bytes)?);
    created(&issued(
        ask.desk()
            .issue(caller, &whose(ask, caller)?, wanted, once)?,
        ask.now,
    ))
}

pub(super) fn show_of(ask: &Ask<'_>, caller: &Caller, whose: Find) -> Answer {
    query::none(ask)?;
    ok(&ApiKeyOut::of(
        &ask.desk()
            .credential(caller, &whose(ask, caller)?, KIND, id(ask)?)?,
        ask.now,
    ))
}

pub(super) fn usage_of(ask: &Ask<'_>, caller: &Caller, whose: Find) -> Answer {
    query::none(ask)?;
    let days = ask
        .desk()
        .usage(caller, &whose(ask, caller)?, KIND, id(ask)?)?;
    ok(&UsageOut::of(&days))
}

pub(super) fn edit_of(ask: &Ask<'_>, caller: &Caller, whose: Find) -> Answer {
    let change = body::json::<ApiKeyPatch>(ask)?.parse()?;
    ok(&ApiKeyOut::of(
        &ask.desk()
            .edit(caller, &whose(ask, caller)?, id(ask)?, change)?,
        ask.now,
    ))
}

pub(super) fn rotate_of(ask: &Ask<'_>, caller: &Caller, whose: Find) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<RotateIn>(ask)?;
    let once = once(ask, caller, &bytes)?;
    let rotation = wanted.parse()?;
    ok(&issued(
        ask.desk()
            .rotate(caller, &whose(ask, caller)?, id(ask)?, rotation, once)?,
        ask.now,
    ))
}

pub(super) fn delete_of(ask: &Ask<'_>, caller: &Caller, whose: Find) -> Answer {
    let mut query = Query::read(ask, &["with_made"]);
    let with_made = if query.flag("with_made") {
        WithMade::Yes
    } else {
        WithMade::No
    };
    query.check()?;
    ask.desk()
        .end(caller, &whose(ask, caller)?, KIND, id(ask)?, with_made)?;
    no_content()
}
