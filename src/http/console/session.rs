//! `/sessions`.

use super::{Answer, done, frame, show};
use crate::app::{App, WithDerived};
use crate::html::form::Input;
use crate::html::session::{self as pages, SessionList};
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, State};
use crate::model::error::Error;
use crate::model::secret::Id;

/// Limit of sessions in the list.
const ROWS_MAX: usize = 200;

pub fn list(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let mut rows = context
        .app()
        .credentials(
            caller,
            &App::own(caller, Kind::Session)?,
            Kind::Session,
            false,
            None,
            ROWS_MAX,
        )?
        .items;
    rows.retain(|record| record.state(context.now) == State::Active);
    rows.sort_by_key(|record| {
        std::cmp::Reverse(
            record
                .last_use
                .as_ref()
                .map_or(record.created_at, |last| last.at),
        )
    });
    show(pages::list(
        &frame(context, caller),
        &SessionList {
            rows,
            current: caller.credential()?.id,
        },
    ))
}

pub fn delete(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let id = input
        .value("id")
        .and_then(Id::parse)
        .ok_or(Error::NotFound("session"))?;
    context.app().end(
        caller,
        &App::own(caller, Kind::Session)?,
        Kind::Session,
        id,
        WithDerived::No,
    )?;
    if Some(id) != caller.credential_id() {
        return done("/sessions", "signed-out-there");
    }
    Ok(super::sign_in::after_sign_out(context))
}

pub fn delete_others(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context
        .app()
        .revoke_sessions(caller, caller.credential_id())?;
    done("/sessions", "signed-out-others")
}
