//! The credentials of all users, kind by kind.

use maud::{Markup, html};

use super::api_key_list::{self, ApiKeyRow};
use super::layout::{Frame, Section, heading, page};
use super::list::{self, Head, ListPlace, plain, sorted};
use super::ssh_key_list::{self, SshKeyRow};
use super::{session, status_badge};
use crate::model::credential::Kind;
use crate::model::list::{Column, List};
use crate::model::permission::Permissions;
use crate::model::user_agent;

/// A row of the inventory.
#[derive(Debug, Clone)]
pub enum InventoryItem {
    Credential(Box<ApiKeyRow>),
    SshKey(Box<SshKeyRow>),
}

#[derive(Debug, Clone)]
pub struct InventoryRow {
    pub item: InventoryItem,
    /// Name of the user or service; empty when it is gone.
    pub owner: String,
    pub owner_path: Option<String>,
    /// The page of the thing; `None` when it has none.
    pub path: Option<String>,
    /// True if it can be deleted here.
    pub is_deletable: bool,
}

/// A tab: the list, and its number of things if that is known.
#[derive(Debug, Clone)]
pub struct Tab {
    pub list: List,
    pub count: Option<String>,
}

/// A page of the inventory.
#[derive(Debug, Clone)]
pub struct Inventory {
    pub at: ListPlace,
    pub tabs: Vec<Tab>,
    pub rows: Vec<InventoryRow>,
    /// All permissions of an account.
    pub offered: Permissions,
}

/// The word in `?kind=`.
pub const fn kind_word(list: List) -> &'static str {
    match list {
        List::SshKeys => "ssh-key",
        List::Tokens => "token",
        List::Sessions => "session",
        List::ApiKeys | List::Users | List::Groups | List::Services | List::Hosts => "api-key",
    }
}

/// `/admin/inventory`.
pub fn inventory_list(frame: &Frame, view: &Inventory) -> Markup {
    let at = &view.at;
    let content = html! {
        (heading("Inventory", &html! { a.button href=(at.csv()) { "CSV" } }))
        p.lead { "Credentials of all users. Delete unused credentials." }
        (tabs(view))
        (list::search(at, true))
        @if view.rows.is_empty() {
            @if at.is_empty() { p { "No " (at.query.list.noun()) "s." } } @else { (list::no_match(at)) }
        } @else {
            (list::picked_form(frame, at, columns(at.query.list), &html! {
                @for row in &view.rows { (list_row(frame, view, row)) }
            }))
        }
    };
    page(frame, Section::Inventory, "Inventory", &content)
}

fn tabs(view: &Inventory) -> Markup {
    let at = &view.at;
    html! {
        div.group role="navigation" aria-label="Kind" {
            @for tab in &view.tabs {
                @let words = match tab.list {
                    List::SshKeys => "SSH keys",
                    List::Tokens => "Tokens",
                    List::Sessions => "Sessions",
                    _ => "API keys",
                };
                @let is_here = tab.list == at.query.list;
                a.button href=(at.of_list(("kind", kind_word(tab.list)))) aria-current=[is_here.then_some("page")] {
                    (words)
                    @if let Some(count) = &tab.count { " " (count) }
                }
            }
        }
    }
}

const fn columns(list: List) -> &'static [Head] {
    const NAME: Head = sorted(Column::Name, "Name", "name");
    const OWNER: Head = sorted(Column::Owner, "Owner", "");
    const STATUS: Head = sorted(Column::Status, "Status", "state");
    const EXPIRES: Head = sorted(Column::Expires, "Expires", "");
    const USED: Head = sorted(Column::LastUsed, "Last used", "from");
    const USES: Head = sorted(Column::Uses, "Uses, 30 days", "num low");
    const CREATED: Head = sorted(Column::Created, "Created", "low");
    const KEYS: &[Head] = &[
        list::PICK,
        NAME,
        OWNER,
        STATUS,
        EXPIRES,
        USED,
        USES,
        CREATED,
    ];
    const SSH_KEYS: &[Head] = &[
        list::PICK,
        NAME,
        OWNER,
        sorted(Column::Fingerprint, "Fingerprint", "low"),
        STATUS,
        EXPIRES,
        USED,
        CREATED,
    ];
    const SESSIONS: &[Head] = &[
        list::PICK,
        sorted(Column::Name, "Device", "name"),
        OWNER,
        plain("Status", "state"),
        EXPIRES,
        sorted(Column::LastUsed, "Last active", "from"),
        sorted(Column::Created, "Signed in", "low"),
    ];
    match list {
        List::SshKeys => SSH_KEYS,
        List::Sessions => SESSIONS,
        _ => KEYS,
    }
}

fn list_row(frame: &Frame, view: &Inventory, row: &InventoryRow) -> Markup {
    let now = frame.now;
    let (id, name) = match &row.item {
        InventoryItem::Credential(one) if one.record.kind == Kind::Session => {
            let device = user_agent::device(one.record.user_agent.as_deref());
            (one.record.id, device)
        }
        InventoryItem::Credential(one) => (one.record.id, one.record.name.clone()),
        InventoryItem::SshKey(one) => (one.key.id, one.key.name.clone()),
    };
    let owner = html! {
        td.when { @if let Some(path) = &row.owner_path { a href=(path) { (row.owner) } } @else { bdi { (row.owner) } } }
    };
    html! {
        tr {
            @if row.is_deletable { (list::pick(id.as_str(), &name)) } @else { td.pick {} }
            @match &row.item {
                InventoryItem::SshKey(one) => {
                    (ssh_key_list::name(&one.key, row.path.as_ref()))
                    (owner)
                    td.low { (ssh_key_list::fingerprint(&one.key)) }
                    (ssh_key_list::cells(one, now))
                }
                InventoryItem::Credential(one) if one.record.kind == Kind::Session => {
                    th.name scope="row" { @if let Some(path) = &row.path { a href=(path) { (name) } } @else { bdi { (name) } } small { (id) } }
                    (owner)
                    td.state { (status_badge::pill(&one.record, now)) }
                    (list::expires(one.record.ends_at(), now))
                    (session::active(&one.record, frame))
                    (list::created(one.record.created_at))
                }
                InventoryItem::Credential(one) => {
                    (api_key_list::name(&one.record, row.path.as_ref(), &view.offered, now))
                    (owner)
                    (api_key_list::cells(one, now))
                }
            }
        }
    }
}
