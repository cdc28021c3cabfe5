//! The inventory: credentials of all owners, with filters and a button for many.

use maud::{Markup, html};

use super::form::{Field, Input, danger, hidden, post, summary};
use super::layout::{Frame, Section, page};
use super::standing::badge;
use super::table::{Pager, address, pager};
use super::when::{self, some, time_or_never};
use crate::model::inventory::Show;
use crate::model::time::Time;

/// The labels of the filters.
const fn label(show: Show) -> &'static str {
    match show {
        Show::Everything => "Everything",
        Show::Unused => "Unused for 90 days",
        Show::NeverUsed => "Never used",
        Show::NoExpiry => "No expiry",
        Show::EndsSoon => "Ends within 14 days",
        Show::WeakSshKey => "Weak SSH key",
    }
}

/// One credential or SSH key.
#[derive(Debug, Clone)]
pub struct InventoryRow {
    /// `API key`, `token`, `session`, `SSH key`, `host credential`.
    pub kind: &'static str,
    /// The value of the checkbox: `api-key/ID`, `token/ID`, `session/ID`, `ssh-key/ID`; `None` for an item that is
    /// deleted elsewhere.
    pub reference: Option<String>,
    pub id: String,
    pub name: String,
    /// The path of its page; `None` without a page for admins.
    pub path: Option<String>,
    /// A user's, service's or host's name.
    pub owner: String,
    /// The path of the owner's page.
    pub owner_path: Option<String>,
    /// Its permissions, in a few words; for an SSH key type and bits.
    pub access: String,
    pub last_used_at: Option<Time>,
    pub expires_at: Option<Time>,
    /// A remark on what needs attention, in a few words.
    pub remark: Option<String>,
}

/// A page of the inventory.
#[derive(Debug, Clone)]
pub struct Inventory {
    pub rows: Vec<InventoryRow>,
    pub show: Show,
    /// The number of matching items.
    pub total: usize,
    pub pager: Pager,
}

/// The confirmation of deleting the selected items.
#[derive(Debug, Clone)]
pub struct InventoryDelete {
    pub rows: Vec<InventoryRow>,
    pub input: Input,
}

/// Only enrolled hosts report uses of SSH keys.
fn last_used(row: &InventoryRow, now: Time) -> Markup {
    let is_ssh_key = row
        .reference
        .as_deref()
        .is_some_and(|reference| reference.starts_with("ssh-key/"));
    if is_ssh_key && row.last_used_at.is_none() {
        html! { "Not recorded" }
    } else {
        time_or_never(row.last_used_at, now)
    }
}

/// `/admin/inventory`. The form sends `reference` for each checked box to `/admin/inventory/delete`.
pub fn list(frame: &Frame, view: &Inventory) -> Markup {
    let path = "/admin/inventory";
    let content = html! {
        h1 { "Inventory" }
        p.lead { "Credentials of all users. Delete unused ones." }
        div.actions {
            @for show in Show::ALL {
                a.button href=(address(path, &[("show", show.as_str())])) aria-current=[(show == view.show).then_some("true")] { (label(show)) }
            }
        }
        @if view.rows.is_empty() {
            p { "Nothing matches. " @if view.show != Show::Everything { a href=(path) { "Show everything" } } }
        } @else {
            p { (view.total) " in all." }
            (post(frame, "/admin/inventory/delete", &html! {
                table.list {
                    thead { tr { th { "Name" } th { "Kind" } th { "Owner" } th { "Access" } th { "Last used" } th { "Expires" } th { "Choose" } } }
                    tbody { @for row in &view.rows { (list_row(row, frame.now)) } }
                }
                div.actions { button.danger { "Delete what is chosen" } }
            }))
            (pager(&view.pager, path, &[("show", view.show.as_str())]))
        }
    };
    page(frame, Section::Inventory, "Inventory", &content)
}

fn list_row(row: &InventoryRow, now: Time) -> Markup {
    html! {
        tr {
            th.name scope="row" { @if let Some(path) = &row.path { a href=(path) { (row.name) } } @else { bdi { (row.name) } } @if let Some(remark) = &row.remark { " " (badge("warn", remark)) } small { (row.id) } }
            td data-label="Kind" { (row.kind) }
            td data-label="Owner" { @if let Some(path) = &row.owner_path { a href=(path) { (row.owner) } } @else { bdi { (row.owner) } } }
            td data-label="Access" { (row.access) }
            td.when.from data-label="Used" { (last_used(row, now)) }
            td.when data-label="Expires" { (when::end(row.expires_at, now)) }
            td data-label="Choose" {
                @if let Some(reference) = &row.reference { input type="checkbox" name="reference" value=(reference) aria-label={ "Choose " (row.name) }; }
                @else { "–" }
            }
        }
    }
}

/// `/admin/inventory/delete`: the items to delete. Sends the references again and `confirm`, their number.
pub fn delete(frame: &Frame, view: &InventoryDelete) -> Markup {
    let count = i64::try_from(view.rows.len()).unwrap_or(i64::MAX);
    let title = format!("Delete {}?", some(count, "credential"));
    let label = format!("Type {count} to go on");
    let content = html! {
        h1 { (title) }
        (summary(&view.input))
        ul {
            @for row in &view.rows {
                li { (row.kind) " " bdi { (row.name) } " of " bdi { (row.owner) } " (" code { (row.id) } "), last used: " (last_used(row, frame.now)) }
            }
        }
        div.notice.warn { p { "Each is refused from the very next request on. This cannot be undone." } }
        (post(frame, "/admin/inventory/delete", &html! {
            @for reference in view.rows.iter().filter_map(|row| row.reference.as_ref()) { (hidden("reference", reference)) }
            (Field::text("confirm").label(&label).required().show(&view.input))
            (danger("Delete them", "Keep them", "/admin/inventory"))
        }))
    };
    page(
        frame,
        Section::Inventory,
        &view.input.title(&title),
        &content,
    )
}
