//! The list of users.

use maud::{Markup, html};

use super::layout::{Frame, Section, heading, page};
use super::list::{self, ListPlace, plain, sorted};
use super::table::address;
use super::user::pill;
use crate::model::list::Column;
use crate::model::time::Time;
use crate::model::user::User;

/// One person in the list.
#[derive(Debug, Clone)]
pub struct UserRow {
    pub user: User,
    /// Valid ones.
    pub api_keys: u32,
    pub tokens: u32,
    pub sessions: u32,
    pub ssh_keys: u32,
    /// When one of their credentials was last used.
    pub last_active_at: Option<Time>,
}

/// The list of users.
#[derive(Debug, Clone)]
pub struct UserList {
    pub at: ListPlace,
    pub rows: Vec<UserRow>,
}

/// `/admin/users`.
pub fn user_list(frame: &Frame, view: &UserList) -> Markup {
    let at = &view.at;
    let columns = [
        sorted(Column::Name, "User", "name"),
        sorted(Column::Status, "Status", "state"),
        sorted(Column::Role, "Role", ""),
        sorted(Column::ApiKeys, "API keys", "num low"),
        sorted(Column::Tokens, "Tokens", "num low"),
        sorted(Column::Sessions, "Sessions", "num low"),
        sorted(Column::SshKeys, "SSH keys", "num low"),
        sorted(Column::LastUsed, "Last active", "from"),
        sorted(Column::Created, "Created", "low"),
        plain("", ""),
    ];
    let acts = html! { a.button href=(at.csv()) { "CSV" } a.button.primary href="/admin/new-user" { "Add user" } };
    let content = html! {
        (heading("Users", &acts))
        (list::search(at, false))
        @if view.rows.is_empty() {
            (list::no_match(at))
        } @else {
            div.rows.form {
                table.list {
                    (list::head(at, &columns))
                    tbody { @for row in &view.rows { (list_row(row, frame.now)) } }
                }
                (list::pager(at))
            }
        }
    };
    page(frame, Section::Users, "Users", &content)
}

fn list_row(row: &UserRow, now: Time) -> Markup {
    let user = &row.user;
    let name = user.username.as_str();
    let held = |kind: &str, count: u32| {
        let link = address("/admin/inventory", &[("kind", kind), ("owner", name)]);
        html! { td.num.low { @if count > 0 { a href=(link) { (count) } } @else { "0" } } }
    };
    html! {
        tr {
            th.name scope="row" { a href={ "/admin/users/" (name) } { (name) } small { bdi { (user.display_name) } } }
            td.state { (pill(user)) }
            td.when { (user.role) }
            (held("api-key", row.api_keys))
            (held("token", row.tokens))
            (held("session", row.sessions))
            (held("ssh-key", row.ssh_keys))
            td.when.from data-label="Active" { (list::when(row.last_active_at, "Never", now)) }
            (list::created(user.created_at))
            td.actions { a href={ "/admin/events?user=" (name) } aria-label={ "Events of " (name) } { "Events" } }
        }
    }
}
