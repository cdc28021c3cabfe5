//! The list of API keys.

use maud::{Markup, html};

use super::api_key::Holder;
use super::form::hidden;
use super::layout::{Frame, heading, page};
use super::standing::DisplayStatus;
use super::table::{Pager, address, last_use, pager};
use super::when::{self, time};
use super::{chart, permission, standing};
use crate::model::credential::{Record, State, UsageDay};
use crate::model::permission::Permissions;
use crate::model::secret::{SecretForm, hint};
use crate::model::time::Time;

/// The list has a filter from this number of API keys on.
const FILTER_FROM: usize = 10;
/// Deleted API keys in the list, limited so that the page stays small.
const ENDED_ROWS: usize = 5;

/// The order of a list: `?sort=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Keys that need attention first, then the newest.
    #[default]
    Attention,
    Name,
    Expires,
    LastUsed,
    Uses,
    Created,
}

impl Sort {
    pub const ALL: [Self; 6] = [
        Self::Attention,
        Self::Name,
        Self::Expires,
        Self::LastUsed,
        Self::Uses,
        Self::Created,
    ];

    /// The name in `?sort=`; empty for the default.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attention => "",
            Self::Name => "name",
            Self::Expires => "expires",
            Self::LastUsed => "last-used",
            Self::Uses => "uses",
            Self::Created => "created",
        }
    }

    /// Parses the name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == word)
    }
}

/// The filter of a list: `?text=&state=&sort=`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Part of a name; empty: all.
    pub text: String,
    pub state: Option<DisplayStatus>,
    pub sort: Sort,
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.state.is_none()
    }

    fn pairs(&self) -> [(&str, &str); 3] {
        [
            ("text", self.text.as_str()),
            ("state", self.state.map_or("", DisplayStatus::as_str)),
            ("sort", self.sort.as_str()),
        ]
    }
}

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
    pub rows: Vec<ApiKeyRow>,
    /// The number of keys before the filter.
    pub total: usize,
    pub filter: Filter,
    pub pager: Pager,
    /// The permissions of "everything".
    pub offered: Permissions,
    /// Keys deleted within the last 30 days, newest first; the page shows five.
    pub ended: Vec<Record>,
    /// The number of deleted keys.
    pub ended_total: usize,
}

/// `/api-keys`.
pub fn list(frame: &Frame, view: &ApiKeyList) -> Markup {
    let path = view.holder.path();
    let new = format!("{path}/new");
    let content = html! {
        (heading(&view.holder.title(), &html! { a.button.primary href=(new) { "New API key" } }))
        p.lead {
            @match view.holder {
                Holder::Me | Holder::User(_) => { "Keys let programs act as you. Treat one like your password." }
                Holder::Service(_) => { "Keys of the service itself. They outlive the person who made them." }
            }
        }
        @if view.total > FILTER_FROM || !view.filter.is_empty() { (filter(view, &path)) }
        @if view.total == 0 {
            (empty(view, &new))
        } @else if view.rows.is_empty() {
            p { "Nothing matches. " a href=(path) { "Clear the filter" } }
        } @else {
            (rows(frame, view, &path))
            (pager(&view.pager, &path, &view.filter.pairs()))
        }
        @if !view.ended.is_empty() { (ended(view, frame.now)) }
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
                    p { "No API keys yet: the service needs one to ask about credentials." }
                    div.actions { a.button.primary href=(new) { "New API key" } }
                }
            }
        }
    }
}

fn filter(view: &ApiKeyList, path: &str) -> Markup {
    let state = view.filter.state.map_or("", DisplayStatus::as_str);
    let text = Some(&view.filter.text).filter(|text| !text.is_empty());
    html! {
        form.bar action=(path) {
            label { "Name" input type="search" name="text" value=[text]; }
            label {
                "Status"
                select name="state" {
                    option value="" { "Any" }
                    @for standing in DisplayStatus::LIVE { option value=(standing.as_str()) selected[state == standing.as_str()] { (standing.label()) } }
                }
            }
            @if view.filter.sort != Sort::Attention { (hidden("sort", view.filter.sort.as_str())) }
            button { "Filter" }
            @if !view.filter.is_empty() { a.button href=(path) { "Clear" } }
        }
    }
}

fn rows(frame: &Frame, view: &ApiKeyList, path: &str) -> Markup {
    let column = |words: &str, sort: Sort| {
        let chosen = view.filter.sort == sort;
        let pairs = [
            ("text", view.filter.text.as_str()),
            ("state", view.filter.state.map_or("", DisplayStatus::as_str)),
            ("sort", sort.as_str()),
        ];
        let order = match sort {
            Sort::Name | Sort::Expires => "ascending",
            Sort::Attention | Sort::LastUsed | Sort::Uses | Sort::Created => "descending",
        };
        html! { th aria-sort=[chosen.then_some(order)] { a href=(address(path, &pairs)) { (words) } } }
    };
    html! {
        table.list {
            thead {
                tr {
                    (column("Name", Sort::Name))
                    (column("Status", Sort::Attention))
                    (column("Expires", Sort::Expires))
                    (column("Last used", Sort::LastUsed))
                    (column("Uses, 30 days", Sort::Uses))
                    (column("Created", Sort::Created))
                    th { "Actions" }
                }
            }
            tbody { @for row in &view.rows { (list_row(frame.now, view, path, row)) } }
        }
    }
}

fn list_row(now: Time, view: &ApiKeyList, path: &str, row: &ApiKeyRow) -> Markup {
    let record = &row.record;
    let own = format!("{path}/{}", record.id);
    html! {
        tr {
            th.name scope="row" {
                a href=(own) { (record.name) }
                small { (hint(SecretForm::Credential(record.kind), record.id)) br; (permission::brief(&record.permissions, &view.offered)) }
            }
            td { (standing::cell(record, now)) }
            td.when data-label="Expires" { (when::end(record.expires_at, now)) }
            td.when.from data-label="Used" { (last_use(record.last_use.as_ref(), now)) }
            td data-label="Uses" { (chart::small(&row.usage, now)) }
            td data-label="Created" { (time(record.created_at, now)) }
            td.actions.keep {
                @if record.state(now) != State::Expired { a href={ (own) "/rotate" } aria-label={ "Rotate " (record.name) } { "Rotate" } }
                a href={ (own) "/delete" } aria-label={ "Delete " (record.name) } { "Delete" }
            }
        }
    }
}

fn ended(view: &ApiKeyList, now: Time) -> Markup {
    html! {
        details {
            summary { "Ended (" (view.ended_total) ")" }
            ul {
                @for record in view.ended.iter().take(ENDED_ROWS) {
                    li {
                        bdi { (record.name) } " (" (record.id) ")"
                        @if let Some(ending) = &record.ended { ", " (ending.reason) " " (time(ending.at, now)) }
                    }
                }
            }
            @if view.ended_total > ENDED_ROWS { p { "These are the latest. Your " a href="/events?action=api-key.delete" { "events" } " have the rest." } }
        }
    }
}
