//! `/api/v1/events`.

use super::{ApiResult, list_answer};
use crate::http::auth;
use crate::http::context::RequestContext;
use crate::http::query::Query;
use crate::model::caller::Caller;
use crate::model::permission::BuiltinPermission;
use crate::model::user::Username;
use crate::wire::EventOut;

/// Own events with `account:read`; `?user=` and `?all=true` need `audit:read` instead.
pub fn list_events(context: &RequestContext<'_>) -> ApiResult {
    let mut query = Query::read(
        context,
        &[
            "limit", "after", "action", "target", "since", "until", "user", "all",
        ],
    );
    let wants_all = query.get("all") == Some("true") || query.get("user").is_some();
    let caller = auth::bearer(
        context,
        Some(if wants_all {
            BuiltinPermission::AuditRead
        } else {
            BuiltinPermission::AccountRead
        }),
    )?;
    // The operator has no events of their own.
    let wants_all = wants_all || caller.is_operator();
    let (part, filter) = (query.page_request(), query.events());
    query.flag("all");
    let user = match query.get("user").map(Username::parse) {
        None => None,
        Some(Ok(user)) => Some(user),
        Some(Err(message)) => {
            query.fault("user", message);
            None
        }
    };
    query.check()?;
    page_of_events(context, &caller, wants_all, user.as_ref(), filter, part)
}

fn page_of_events(
    context: &RequestContext<'_>,
    caller: &Caller,
    wants_all: bool,
    user: Option<&Username>,
    filter: crate::app::EventCondition,
    part: crate::http::query::PageRequest,
) -> ApiResult {
    let page = if wants_all {
        context
            .app()
            .all_events(caller, user, filter, part.after, part.limit)?
    } else {
        context
            .app()
            .own_events(caller, filter, part.after, part.limit)?
    };
    list_answer(&page, EventOut::new)
}
