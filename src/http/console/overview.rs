//! `/`: the overview of a signed-in user.

use super::ssh_key::row as ssh_key_row;
use super::{Answer, frame, show};
use crate::app::{App, Extent, Holders, OwnedItem};
use crate::html::overview::{self as pages, Overview, Part};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, Record};
use crate::model::error::Error;
use crate::model::list::{Column, List, ListQuery};

/// Rows of each kind.
const ROWS: usize = 5;

/// A list sorted by urgency.
fn urgent(list: List) -> ListQuery {
    ListQuery {
        order: Column::Urgency.usually(),
        ..ListQuery::new(list)
    }
}

/// The first rows of the caller's credentials of `kind`.
fn credentials(
    context: &RequestContext<'_>,
    caller: &Caller,
    list: List,
    kind: Kind,
) -> Result<Part<Record>, Problem> {
    let scope = App::own(caller, kind)?;
    let query = urgent(list);
    let holders = Holders::Of(&scope);
    let listed = context
        .app()
        .list_credentials(caller, holders, kind, &query, Extent::Page)?;
    let records = listed.rows.iter().filter_map(OwnedItem::record);
    Ok(Part {
        rows: records.take(ROWS).cloned().collect(),
        total: listed.total,
    })
}

pub fn show_overview(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let app = context.app();
    let query = urgent(List::SshKeys);
    let scope = App::own_ssh_keys(caller)?;
    let keys = app.list_ssh_keys(caller, Holders::Of(&scope), &query, Extent::Page)?;
    let rows = keys
        .rows
        .iter()
        .filter_map(|owned| ssh_key_row(owned, context.now));
    let certificate_end = context.server_state.settings.certificate_expires_at();
    let attention = match app.attention(caller, certificate_end) {
        Ok(attention) => Some(attention),
        Err(Error::Forbidden { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let view = Overview {
        api_keys: credentials(context, caller, List::ApiKeys, Kind::ApiKey)?,
        ssh_keys: Part {
            rows: rows.take(ROWS).collect(),
            total: keys.total,
        },
        tokens: credentials(context, caller, List::Tokens, Kind::Token)?,
        sessions: credentials(context, caller, List::Sessions, Kind::Session)?,
        current: caller.credential()?.id,
        attention,
    };
    show(pages::overview_page(&frame(context, caller), &view))
}
