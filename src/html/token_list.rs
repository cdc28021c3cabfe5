//! The list of tokens.

use maud::{Markup, html};

use super::api_key_list::name;
use super::layout::{Frame, Section, heading, page};
use super::list::{self, ListPlace, plain, sorted};
use super::status_badge;
use crate::model::credential::Record;
use crate::model::list::Column;
use crate::model::permission::Permissions;
use crate::model::time::Time;

/// One token in the list.
#[derive(Debug, Clone)]
pub struct TokenRow {
    pub record: Record,
    /// Where it was created: `console`, `API key ci`.
    pub created_by: String,
    /// The path of the API key that created it.
    pub creator_path: Option<String>,
}

/// The list of tokens.
#[derive(Debug, Clone)]
pub struct TokenList {
    pub at: ListPlace,
    pub rows: Vec<TokenRow>,
    /// All that one of them may have at most.
    pub offered: Permissions,
}

/// `/tokens`.
pub fn token_list(frame: &Frame, view: &TokenList) -> Markup {
    let at = &view.at;
    let columns = [
        list::PICK,
        sorted(Column::Name, "Name", "name"),
        sorted(Column::Status, "Status", "state"),
        sorted(Column::Expires, "Expires", ""),
        sorted(Column::LastUsed, "Last used", "from"),
        plain("Created by", "low"),
        sorted(Column::Created, "Created", "low"),
        plain("", ""),
    ];
    let acts = html! {
        @if !at.is_empty() {
            a.button href=(at.csv()) { "CSV" }
            a.button.primary href="/tokens/new" { "Generate token" }
        }
    };
    let content = html! {
        (heading("Tokens", &acts))
        p.lead { "For the command line, valid for at most a day. Usually this page is not needed: run " code { "keycroft login " (frame.public_url) } "." }
        @if at.is_empty() {
            div.notice {
                p { "No tokens: the command line creates one when you log in with it." }
                div.actions { a.button.primary href="/tokens/new" { "Generate token" } }
                p { "Or run " code { "keycroft token create" } }
            }
        } @else {
            (list::search(at, false))
        }
        @if at.is_empty() {
        } @else if view.rows.is_empty() {
            (list::no_match(at))
        } @else {
            (list::picked_form(frame, at, &columns, &html! {
                @for row in &view.rows { (list_row(row, &view.offered, frame.now)) }
            }))
        }
    };
    page(frame, Section::Tokens, "Tokens", &content)
}

fn list_row(row: &TokenRow, offered: &Permissions, now: Time) -> Markup {
    let record = &row.record;
    html! {
        tr {
            (list::pick(record.id.as_str(), &record.name))
            (name(record, None, offered, now))
            td.state { (status_badge::pill(record, now)) }
            (list::expires(record.expires_at, now))
            (list::last_used(record.last_use.as_ref(), now))
            td.from.low {
                @if let Some(path) = &row.creator_path { a href=(path) { bdi { (row.created_by) } } } @else { bdi { (row.created_by) } }
            }
            (list::created(record.created_at))
            td.actions.keep { a.danger href={ "/tokens/" (record.id) "/delete" } aria-label={ "Delete " (record.name) } { "Delete" } }
        }
    }
}
