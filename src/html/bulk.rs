//! The question before several credentials are deleted at once.

use maud::{Markup, html};

use super::form::{Field, Input, danger, hidden, post, summary};
use super::layout::{Frame, Section, page};
use super::list::deletion_verb;
use super::when::{counted, time_or_never};
use crate::model::list::List;
use crate::model::time::Time;

/// A row of an object to delete.
#[derive(Debug, Clone)]
pub struct BulkRow {
    pub id: String,
    pub name: String,
    /// Empty where all belong to one owner.
    pub owner: String,
    pub last_used_at: Option<Time>,
    /// An SSH key without a reported use may have been used on a host that reports none.
    pub is_use_recorded: bool,
}

/// The question whether to delete those that were picked.
#[derive(Debug, Clone)]
pub struct BulkDelete {
    pub list: List,
    /// The list they are from.
    pub back: String,
    /// Where the form goes.
    pub action: String,
    /// Fields that go along.
    pub fixed: Vec<(&'static str, String)>,
    /// The list's query, from `?` on.
    pub query: String,
    pub rows: Vec<BulkRow>,
    pub input: Input,
}

impl BulkDelete {
    fn section(&self) -> Section {
        if self.back.starts_with("/admin/inventory") {
            return Section::Inventory;
        }
        match self.list {
            _ if self.back.starts_with("/admin/services") => Section::Services,
            List::Tokens => Section::Tokens,
            List::SshKeys => Section::SshKeys,
            List::Sessions => Section::Sessions,
            _ => Section::ApiKeys,
        }
    }
}

/// Sends `pick` for each again, and `confirm`, their number.
pub fn delete(frame: &Frame, view: &BulkDelete) -> Markup {
    let count = view.rows.len();
    let act = format!(
        "{} {}",
        deletion_verb(view.list),
        counted(count, view.list.noun())
    );
    let title = format!("{act}?");
    let label = format!("Type {count} to confirm");
    let effect = match view.list {
        List::SshKeys => "Hosts reject deleted keys from the next login on.",
        List::Sessions => "It takes effect immediately.",
        _ => "A deleted credential is rejected from the next request on.",
    };
    let content = html! {
        h1 { (title) }
        (summary(&view.input))
        div.notice.warn { p { (effect) " This cannot be undone." } }
        ul {
            @for row in &view.rows {
                li {
                    bdi { (row.name) } @if !row.owner.is_empty() { " of " bdi { (row.owner) } } " (" code { (row.id) } "), last used: "
                    @if row.is_use_recorded || row.last_used_at.is_some() { (time_or_never(row.last_used_at, frame.now)) } @else { "Not recorded" }
                }
            }
        }
        (post(frame, &view.action, &html! {
            @for (name, value) in &view.fixed { (hidden(name, value)) }
            (hidden("query", &view.query))
            @for row in &view.rows { (hidden("pick", &row.id)) }
            (Field::text("confirm").label(&label).required().autofocus().show(&view.input))
            (danger(&act, &view.back))
        }))
    };
    page(frame, view.section(), &view.input.title(&title), &content)
}
