//! `/sessions`.

use super::{Answer, bulk, done, done_with, frame, list, page_response};
use crate::app::{App, Holders, ListExtent, OwnedItem, WithDerived};
use crate::html::form::Input;
use crate::html::list::ListPlace;
use crate::html::session::{self as pages, SessionList};
use crate::html::when::counted;
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::Error;
use crate::model::list::List;
use crate::model::secret::Id;

const KIND: Kind = Kind::Session;

pub fn list_sessions(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let scope = App::own(caller, KIND)?;
    let (query, extent) = (list::query(context, List::Sessions), list::extent(context));
    let app = context.app();
    let listed = app.list_items(caller, Holders::Of(&scope), &query, extent)?;
    if extent == ListExtent::All {
        return Ok(list::csv_of_items("sessions", &listed.rows, context.now));
    }
    let view = SessionList {
        at: ListPlace::new("/sessions", query, &listed),
        rows: listed
            .rows
            .iter()
            .filter_map(OwnedItem::record)
            .cloned()
            .collect(),
        current: caller.credential()?.id,
    };
    page_response(pages::session_list(&frame(context, caller), &view))
}

/// Signs out one session by its button, or those that were picked.
pub fn delete_session(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    const NOT_FOUND: Error = Error::NotFound("session");
    let (one, scope) = (input.value("id"), App::own(caller, KIND)?);
    let ids = match one {
        Some(id) => vec![Id::parse(id).ok_or(NOT_FOUND)?],
        None => bulk::ids(&input, "session")?,
    };
    let query = list::parsed_query(input.value("query").unwrap_or_default(), List::Sessions);
    let back = bulk::filtered_list("/sessions", &[], &query);
    if ids.is_empty() {
        return done(&back, "nothing-picked");
    }
    // All of them or none.
    if context
        .app()
        .picked(caller, Holders::Of(&scope), List::Sessions, &ids)?
        .len()
        < ids.len()
    {
        return Err(NOT_FOUND.into());
    }
    let current = caller.credential_id();
    let (own, others): (Vec<Id>, Vec<Id>) = ids.iter().partition(|id| Some(**id) == current);
    // The session of the request goes last: it authorizes the others.
    for id in others.iter().chain(&own) {
        context
            .app()
            .end(caller, &scope, KIND, *id, WithDerived::No)?;
    }
    if !own.is_empty() {
        return Ok(super::sign_in::after_sign_out(context));
    }
    let count = counted(others.len(), "session");
    done_with(context, &back, "signed-out-there", &count)
}

pub fn delete_others(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context
        .app()
        .revoke_sessions(caller, caller.credential_id())?;
    done("/sessions", "signed-out-others")
}
