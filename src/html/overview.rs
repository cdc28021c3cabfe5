//! The first page: the newest and most urgent of each kind, and for admins what needs attention.

use maud::{Markup, html};

use super::form::button;
use super::layout::{Frame, Section, page};
use super::list::{self, limited_count};
use super::session::active;
use super::ssh_key_list::{self, SshKeyRow};
use super::status_badge::{self, badge};
use crate::model::credential::Record;
use crate::model::inventory::{Attention, COUNT_MAX};
use crate::model::secret::Id;
use crate::model::user_agent;

/// Rows of each kind.
pub const ROWS_MAX: usize = 5;

/// Some rows of a list, and how many there are.
#[derive(Debug, Clone)]
pub struct Part<T> {
    pub rows: Vec<T>,
    pub total: usize,
}

/// The first credentials of a user.
#[derive(Debug, Clone)]
pub struct Parts {
    pub api_keys: Part<Record>,
    pub ssh_keys: Part<SshKeyRow>,
    pub tokens: Part<Record>,
    pub sessions: Part<Record>,
}

/// The first page.
#[derive(Debug, Clone)]
pub struct Overview {
    pub parts: Parts,
    /// The session of the request.
    pub current: Id,
    /// For admins.
    pub attention: Option<Attention>,
}

/// `/`.
pub fn overview_page(frame: &Frame, view: &Overview) -> Markup {
    let parts = &view.parts;
    let new = |path: &str, words: &str| html! { a.button href=(path) { (words) } };
    let others = html! {
        @if parts.sessions.total > 1 { (button(frame, "/sessions/delete-others", Some("danger"), "Sign out others")) }
    };
    let content = html! {
        h1 { "Keys" }
        @if let Some(attention) = &view.attention { (needs_attention(attention)) }
        div.columns {
            (list_section("/api-keys", "API keys", parts.api_keys.total, &new("/api-keys/new", "New API key"), &html! {
                @for record in &parts.api_keys.rows { (api_key(frame, record, "")) }
            }))
            (list_section("/ssh-keys", "SSH keys", parts.ssh_keys.total, &new("/ssh-keys/new", "Add SSH key"), &html! {
                @for row in &parts.ssh_keys.rows { (ssh_key(frame, row, "")) }
            }))
            (list_section("/tokens", "Tokens", parts.tokens.total, &new("/tokens/new", "Generate token"), &html! {
                @for record in &parts.tokens.rows {
                    (row(frame, record, &html! { b { bdi { (record.name) } } }, &state(frame, record)))
                }
            }))
            (list_section("/sessions", "Sessions", parts.sessions.total, &others, &html! {
                @for record in &parts.sessions.rows {
                    (session(frame, record, &html! { td.state { @if record.id == view.current { (badge("ok", "This device")) } } }))
                }
            }))
        }
    };
    page(frame, Section::Keys, "Keys", &content)
}

/// A section with some rows of a list, in the form of a phone's list at every width.
pub(super) fn list_section(
    path: &str,
    title: &str,
    total: usize,
    act: &Markup,
    rows: &Markup,
) -> Markup {
    html! {
        section.rows {
            div.head { h2 { a href=(path) { (title) } " " span.muted { (total) } } (act) }
            @if total == 0 {
                p.muted { "None yet." }
            } @else {
                table.list {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Expires" } th scope="col" { "Last used" } td {} } }
                    tbody { (rows) }
                }
                @if total > ROWS_MAX { p { a href=(path) { "All " (total) } } }
            }
        }
    }
}

fn state(frame: &Frame, record: &Record) -> Markup {
    html! { td.state { (status_badge::pill(record, frame.now)) } }
}

/// An API key or a token; `end` is the last cell.
pub(super) fn row(frame: &Frame, record: &Record, name: &Markup, end: &Markup) -> Markup {
    html! {
        tr {
            th.name scope="row" { (name) }
            (list::expires(record.expires_at, frame.now))
            (list::last_used(record.last_use.as_ref(), frame.now))
            (end)
        }
    }
}

/// An API key whose page is below `owner`.
pub(super) fn api_key(frame: &Frame, record: &Record, owner: &str) -> Markup {
    let name = html! { a href={ (owner) "/api-keys/" (record.id) } { bdi { (record.name) } } };
    row(frame, record, &name, &state(frame, record))
}

/// An SSH key whose page is below `owner`.
pub(super) fn ssh_key(frame: &Frame, row: &SshKeyRow, owner: &str) -> Markup {
    let key = &row.key;
    html! {
        tr {
            th.name scope="row" { a href={ (owner) "/ssh-keys/" (key.id) } { bdi { (key.name) } } }
            (list::expires(key.expires_at, frame.now))
            (ssh_key_list::last_used(key, frame.now))
            td.state { (ssh_key_list::pill(row, frame.now)) }
        }
    }
}

/// A session; `end` is the last cell.
pub(super) fn session(frame: &Frame, record: &Record, end: &Markup) -> Markup {
    let device = user_agent::device(record.user_agent.as_deref());
    html! {
        tr {
            th.name scope="row" { b { bdi { (device) } } }
            (list::expires(record.ends_at(), frame.now))
            (active(record, frame))
            (end)
        }
    }
}

/// A count, what it counts, and the list of them.
struct Line {
    class: &'static str,
    count: usize,
    words: String,
    path: &'static str,
}

fn lines(attention: &Attention) -> Vec<Line> {
    let line = |class, count, one: &str, many: &str, path| Line {
        class,
        count,
        words: if count == 1 { one } else { many }.to_owned(),
        path,
    };
    let days = attention.days_without_backup.unwrap_or_default();
    let days = usize::try_from(days).unwrap_or_default();
    let mut lines = vec![
        line(
            "bad",
            days,
            "day without a backup",
            "days without a backup",
            "/admin/diagnostics",
        ),
        line(
            "bad",
            attention.days_of_certificate.unwrap_or_default(),
            "day until the certificate of the server expires",
            "days until the certificate of the server expires",
            "/admin/diagnostics",
        ),
        line(
            "bad",
            attention.silent_hosts,
            "host is silent",
            "hosts are silent",
            "/admin/hosts?status=silent",
        ),
        line(
            "bad",
            attention.weak_ssh_keys,
            "SSH key is weak",
            "SSH keys are weak",
            "/admin/inventory?kind=ssh-key&status=weak",
        ),
        line(
            "warn",
            attention.shared_ssh_keys,
            "SSH key is shared by users",
            "SSH keys are shared by users",
            "/admin/inventory?kind=ssh-key&status=shared",
        ),
        line(
            "warn",
            attention.expiring_api_keys,
            "API key expires within 14 days",
            "API keys expire within 14 days",
            "/admin/inventory?kind=api-key&expires=soon",
        ),
        line(
            "warn",
            attention.expiring_ssh_keys,
            "SSH key expires within 14 days",
            "SSH keys expire within 14 days",
            "/admin/inventory?kind=ssh-key&expires=soon",
        ),
        line(
            "warn",
            attention.users_without_second_factor,
            "user without a second factor",
            "users without a second factor",
            "/admin/users?status=no-second-factor",
        ),
        line(
            "",
            attention.unused_api_keys,
            "API key unused for 90 days",
            "API keys unused for 90 days",
            "/admin/inventory?kind=api-key&use=unused",
        ),
        line(
            "",
            attention.never_used_api_keys,
            "API key never used",
            "API keys never used",
            "/admin/inventory?kind=api-key&use=never",
        ),
    ];
    lines.retain(|line| line.count > 0);
    lines
}

fn needs_attention(attention: &Attention) -> Markup {
    let lines = lines(attention);
    let (left, right) = lines.split_at(lines.len().div_ceil(2));
    let class = |line: &Line| Some(line.class).filter(|class| !class.is_empty());
    html! {
        @if !lines.is_empty() {
            section {
                h2 { "Needs attention" }
                div.columns {
                    @for part in [left, right] {
                        @if !part.is_empty() {
                            ul.counts {
                                @for line in part {
                                    li { a href=(line.path) { b class=[class(line)] { (limited_count(line.count, COUNT_MAX)) } " " (line.words) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counts_above_zero_are_lines() {
        assert_eq!(
            needs_attention(&Attention::default()).into_string(),
            String::new()
        );
        let attention = Attention {
            weak_ssh_keys: 1,
            never_used_api_keys: COUNT_MAX,
            days_of_certificate: Some(3),
            days_without_backup: Some(9),
            ..Attention::default()
        };
        let markup = needs_attention(&attention).into_string();
        for wanted in [
            "<b class=\"bad\">9</b> days without a backup",
            "<b class=\"bad\">3</b> days until the certificate of the server expires",
            "<b class=\"bad\">1</b> SSH key is weak",
            "<b>1000+</b> API keys never used",
            "/admin/inventory?kind=ssh-key&amp;status=weak",
        ] {
            assert!(markup.contains(wanted), "{wanted}: {markup}");
        }
        assert!(!markup.contains("hosts"), "{markup}");
    }
}
