//! The list of hosts and of the enrollment codes that can still be used.

use maud::{Markup, html};

use super::form::post;
use super::host::{CodeFacts, HostFacts, open_to, pill};
use super::layout::{Frame, Section, heading, page};
use super::list::{self, ListPlace, plain, sorted};
use super::when::utc;
use crate::model::list::Column;
use crate::model::time::Time;

/// The list of hosts.
#[derive(Debug, Clone)]
pub struct HostList {
    pub at: ListPlace,
    pub hosts: Vec<HostFacts>,
    /// Codes that can still be used.
    pub codes: Vec<CodeFacts>,
}

/// `/admin/hosts`.
pub fn host_list(frame: &Frame, view: &HostList) -> Markup {
    let (at, now) = (&view.at, frame.now);
    let columns = [
        sorted(Column::Name, "Name", "name"),
        sorted(Column::Status, "Status", "state"),
        sorted(Column::LastUsed, "Last contact", "from"),
        sorted(Column::Cached, "Cache", ""),
        plain("Open to", "low from"),
        sorted(Column::Version, "Version", "low"),
        sorted(Column::Created, "Enrolled", "low"),
    ];
    let acts = html! {
        @if !at.is_empty() { a.button href=(at.csv()) { "CSV" } }
        a.button.primary href="/admin/hosts/enroll" { "Add host" }
    };
    let content = html! {
        (heading("Hosts", &acts))
        p.lead { "Machines whose sshd receives SSH keys from Keycroft." }
        @if at.is_empty() {
            div.notice { p { "No hosts yet. Create an enrollment code and paste the commands on the machine." } p { "Or run " code { "keycroft host enroll-code" } } }
        } @else {
            (list::search(at, false))
            @if view.hosts.is_empty() { (list::no_match(at)) } @else {
                div.rows.form {
                    table.list {
                        (list::head(at, &columns))
                        tbody { @for host in &view.hosts { (row(host, now)) } }
                    }
                    (list::pager(at))
                }
            }
        }
        @if !view.codes.is_empty() {
            h2 { "Active enrollment codes" }
            @for code in &view.codes {
                (post(frame, &format!("/admin/hosts/codes/{}/delete", code.id), &html! {
                    code { (code.id) } ": " (code.uses_left) " left, until " (utc(code.expires_at)) @if !code.groups.is_empty() { ", for " (code.groups.join(", ")) } " "
                    button.danger aria-label={ "Delete the code " (code.id) } { "Delete" }
                }))
            }
        }
    };
    page(frame, Section::Hosts, "Hosts", &content)
}

fn row(host: &HostFacts, now: Time) -> Markup {
    html! {
        tr {
            th.name scope="row" { a href={ "/admin/hosts/" (host.id) } { bdi { (host.name) } } small { (host.id) } }
            td.state { (pill(host, now)) }
            td.when.from data-label="Contact" { (list::when(host.last_contact_at, "Never", now)) @if let Some(from) = &host.last_contact_from { small { (from) } } }
            td.when data-label="Cache" { (list::when(host.cached_at, "None", now)) }
            td.low.from { (open_to(host)) }
            td.low { (host.version.as_deref().unwrap_or("unknown")) }
            (list::created(host.created_at))
        }
    }
}
