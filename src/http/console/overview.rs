//! `/`: the overview of a signed-in user.

use super::ssh_key::row as ssh_key_row;
use super::{Answer, frame, page_response};
use crate::app::{App, CredentialScope, Holders, ListExtent, OwnedItem};
use crate::html::overview::{self as pages, Overview, Part, Parts, ROWS_MAX};
use crate::html::ssh_key_list::SshKeyRow;
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, Record};
use crate::model::error::Error;
use crate::model::list::{Column, List, ListQuery};
use crate::model::secret::Id;
use crate::model::user::UserId;

/// A list with the most urgent first, or of sessions the last used: a stranger's is noticed by its use.
fn first(list: List) -> ListQuery {
    let column = match list {
        List::Sessions => Column::LastUsed,
        _ => Column::Urgency,
    };
    ListQuery {
        order: column.usually(),
        ..ListQuery::new(list)
    }
}

/// Rows of credentials; the session of the request first, since its use is stored only later.
fn credentials(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    list: List,
    current: Option<Id>,
) -> Result<Part<Record>, Error> {
    let (app, holders) = (context.app(), Holders::Of(scope));
    let listed = app.list_items(caller, holders, &first(list), ListExtent::Page)?;
    let mut rows: Vec<_> = listed.rows.iter().filter_map(OwnedItem::record).collect();
    rows.sort_by_key(|record| Some(record.id) != current);
    Ok(Part {
        rows: rows.into_iter().take(ROWS_MAX).cloned().collect(),
        total: listed.total,
    })
}

fn ssh_keys(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
) -> Result<Part<SshKeyRow>, Error> {
    let (app, holders) = (context.app(), Holders::Of(scope));
    let listed = app.list_items(caller, holders, &first(List::SshKeys), ListExtent::Page)?;
    let rows = listed.rows.iter();
    Ok(Part {
        rows: rows
            .take(ROWS_MAX)
            .filter_map(|owned| ssh_key_row(owned, context.now))
            .collect(),
        total: listed.total,
    })
}

/// The first rows of what a user has.
pub(super) fn parts_of_user(
    context: &RequestContext<'_>,
    caller: &Caller,
    user: UserId,
) -> Result<Parts, Error> {
    let scope = &App::of_user(user);
    Ok(Parts {
        api_keys: credentials(context, caller, scope, List::ApiKeys, None)?,
        ssh_keys: ssh_keys(context, caller, scope)?,
        tokens: credentials(context, caller, scope, List::Tokens, None)?,
        sessions: credentials(context, caller, scope, List::Sessions, None)?,
    })
}

pub fn show_overview(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let app = context.app();
    let current = caller.credential()?.id;
    let own = |list, kind| {
        let scope = App::own(caller, kind)?;
        credentials(context, caller, &scope, list, Some(current))
    };
    let certificate_end = context.server_state.settings.certificate_expires_at();
    let attention = match app.attention(caller, certificate_end) {
        Ok(attention) => Some(attention),
        Err(Error::Forbidden { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let view = Overview {
        parts: Parts {
            api_keys: own(List::ApiKeys, Kind::ApiKey)?,
            ssh_keys: ssh_keys(context, caller, &App::own_ssh_keys(caller)?)?,
            tokens: own(List::Tokens, Kind::Token)?,
            sessions: own(List::Sessions, Kind::Session)?,
        },
        current,
        attention,
    };
    page_response(pages::overview_page(&frame(context, caller), &view))
}
