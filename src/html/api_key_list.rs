//! The list of API keys.

use maud::{Markup, html};

use super::holder::Holder;
use super::layout::{Frame, heading, page};
use super::list::{self, ListPlace, plain, sorted};
use super::when::relative;
use super::{chart, permission, status_badge};
use crate::model::credential::{Record, State, UsageDay};
use crate::model::list::{Column, Status};
use crate::model::permission::Permissions;
use crate::model::secret::{SecretForm, hint};
use crate::model::time::Time;

/// One API key in a list.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    pub record: Record,
    /// The last 30 days; days without a use may be missing.
    pub usage: Vec<UsageDay>,
}

/// One page of the list of API keys.
#[derive(Debug, Clone)]
pub struct ApiKeyList {
    pub holder: Holder,
    pub at: ListPlace,
    pub rows: Vec<ApiKeyRow>,
    /// All that one of them may have at most.
    pub offered: Permissions,
}

/// `/api-keys`.
pub fn api_key_list(frame: &Frame, view: &ApiKeyList) -> Markup {
    let (path, at) = (view.holder.path(), &view.at);
    let new = format!("{path}/new");
    let acts = html! {
        @if !at.is_empty() { a.button href=(at.csv()) { "CSV" } }
        @if matches!(view.holder, Holder::Me) { a.button href="/tokens/new" { "Generate token" } }
        @if !at.is_empty() { a.button.primary href=(new) { "New API key" } }
    };
    let content = html! {
        (heading(&view.holder.title(), &acts))
        p.lead {
            @match view.holder {
                Holder::Me | Holder::User(_) => { "API keys let programs act as you. Treat each one like your password." }
                Holder::Service(_) => { "API keys of the service. They stay valid when the admin who created them leaves." }
            }
        }
        @if at.is_empty() {
            (empty(view, &new))
        } @else {
            (list::search(at, false))
            @if view.rows.is_empty() { (list::no_match(at)) } @else { (rows(frame, view, &path)) }
        }
        @if at.query.status != Some(Status::Deleted) {
            p.muted { a href=(at.with_status(Status::Deleted)) { "API keys deleted in the last 30 days" } }
        }
    };
    page(frame, view.holder.section(), &view.holder.title(), &content)
}

fn empty(view: &ApiKeyList, new: &str) -> Markup {
    html! {
        div.notice {
            @match view.holder {
                Holder::Me | Holder::User(_) => {
                    p { "No API keys yet: create one for a script, a service or a notebook." }
                    div.actions { a.button.primary href=(new) { "New API key" } }
                    p { "Or run " code { "keycroft api-key create my-script" } }
                }
                Holder::Service(_) => {
                    p { "No API keys yet: the service needs one to verify credentials." }
                    div.actions { a.button.primary href=(new) { "New API key" } }
                }
            }
        }
    }
}

fn rows(frame: &Frame, view: &ApiKeyList, path: &str) -> Markup {
    let columns = [
        list::PICK,
        sorted(Column::Name, "Name", "name"),
        sorted(Column::Status, "Status", "state"),
        sorted(Column::Expires, "Expires", ""),
        sorted(Column::LastUsed, "Last used", "from"),
        sorted(Column::Uses, "Uses, 30 days", "num low"),
        sorted(Column::Created, "Created", "low"),
        plain("", ""),
    ];
    list::picked_form(
        frame,
        &view.at,
        &columns,
        &html! {
            @for row in &view.rows { (list_row(frame.now, view, path, row)) }
        },
    )
}

fn list_row(now: Time, view: &ApiKeyList, path: &str, row: &ApiKeyRow) -> Markup {
    let record = &row.record;
    let own = format!("{path}/{}", record.id);
    let is_deleted = record.deletion.is_some();
    html! {
        tr {
            @if is_deleted { td.pick {} } @else { (list::pick(record.id.as_str(), &record.name)) }
            (name(record, (!is_deleted).then_some(&own), &view.offered, now))
            (cells(row, now))
            td.actions {
                @if !is_deleted {
                    a href={ (own) "/edit" } aria-label={ "Edit " (record.name) } { "Edit" } " "
                    @if record.state(now) != State::Expired { a href={ (own) "/rotate" } aria-label={ "Rotate " (record.name) } { "Rotate" } " " }
                    a.danger href={ (own) "/delete" } aria-label={ "Delete " (record.name) } { "Delete" }
                }
            }
        }
    }
}

/// The name with a link, the public id, and the permissions in a few words.
pub(super) fn name(
    record: &Record,
    link: Option<&String>,
    offered: &Permissions,
    now: Time,
) -> Markup {
    let (id, brief) = (
        hint(SecretForm::Credential(record.kind), record.id),
        permission::brief(&record.permissions, offered),
    );
    html! {
        th.name scope="row" {
            @if let Some(link) = link { a href=(link) { (record.name) } } @else { bdi { (record.name) } }
            small {
                (id.trim_end_matches("_…")) " · "
                @match &record.deletion { Some(deletion) => { (deletion.reason) " " (relative(deletion.at, now)) }, None => (brief) }
            }
        }
    }
}

/// Status, expiration, last use, uses and creation.
pub(super) fn cells(row: &ApiKeyRow, now: Time) -> Markup {
    let record = &row.record;
    html! {
        td.state { (status_badge::pill(record, now)) }
        (list::expires(record.expires_at, now))
        (list::last_used(record.last_use.as_ref(), now))
        td.num.low { (chart::small(&row.usage, now)) }
        (list::created(record.created_at))
    }
}
