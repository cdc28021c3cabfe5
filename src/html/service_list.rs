//! The list of services.

use maud::{Markup, html};

use super::layout::{Frame, Section, heading, page};
use super::list::{self, ListPlace, sorted};
use super::service::ServiceFacts;
use crate::model::list::Column;
use crate::model::time::Time;

/// The list of services.
#[derive(Debug, Clone)]
pub struct ServiceList {
    pub at: ListPlace,
    pub rows: Vec<ServiceFacts>,
}

/// `/admin/services`.
pub fn service_list(frame: &Frame, view: &ServiceList) -> Markup {
    let at = &view.at;
    let columns = [
        sorted(Column::Name, "Name", "name"),
        sorted(Column::Permissions, "Permissions", "from"),
        sorted(Column::ApiKeys, "API keys", "num"),
        sorted(Column::LastUsed, "Last verification", "from"),
        sorted(Column::Created, "Added", "low"),
    ];
    let acts = html! {
        @if !at.is_empty() { a.button href=(at.csv()) { "CSV" } }
        a.button.primary href="/admin/new-service" { "Add service" }
    };
    let content = html! {
        (heading("Services", &acts))
        p.lead { "Programs that verify credentials. A service can define its own permissions." }
        @if at.is_empty() {
            div.notice { p { "No services yet. Add one." } p { "Or run " code { "keycroft service create slurm" } } }
        } @else {
            (list::search(at, false))
            @if view.rows.is_empty() { (list::no_match(at)) } @else {
                div.rows.form {
                    table.list {
                        (list::head(at, &columns))
                        tbody { @for facts in &view.rows { (row(facts, frame.now)) } }
                    }
                    (list::pager(at))
                }
            }
        }
    };
    page(frame, Section::Services, "Services", &content)
}

fn row(facts: &ServiceFacts, now: Time) -> Markup {
    let service = &facts.service;
    let path = format!("/admin/services/{}", service.name);
    html! {
        tr {
            th.name scope="row" { a href=(path) { (service.name) } }
            td.when.from data-label="Permissions" { (service.permissions) }
            td.num data-label="API keys" { a href={ (path) "/api-keys" } aria-label={ (facts.api_keys) " API keys of " (service.name) } { (facts.api_keys) } }
            td.when.from data-label="Used" { (list::when(facts.last_asked_at, "Never", now)) }
            (list::created(service.created_at))
        }
    }
}
