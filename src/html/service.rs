//! Services: programs that verify credentials and may define permissions.

use maud::{Markup, html};

use super::form::{Field, Input, acts, danger, hidden, post, summary};
use super::layout::{Frame, Section, heading, page};
use super::permission::full;
use super::shown_once::paste;
use super::when::{time, time_or_never};
use crate::model::permission::Permissions;
use crate::model::service::{ByRole, Service};
use crate::model::time::Time;

/// One service.
#[derive(Debug, Clone)]
pub struct ServiceFacts {
    pub service: Service,
    /// The number of its valid API keys.
    pub api_keys: u32,
    /// The last use of one of them.
    pub last_asked_at: Option<Time>,
}

/// The form of a service, new or changed.
#[derive(Debug, Clone)]
pub struct ServiceForm {
    /// `None` for a new one.
    pub service: Option<Service>,
    /// The permissions of it that each role includes.
    pub by_role: ByRole,
    /// The version of the service in the form; empty for a new one.
    pub version: String,
    pub input: Input,
}

/// The confirmation of a deletion.
#[derive(Debug, Clone)]
pub struct ServiceDelete {
    pub facts: ServiceFacts,
    /// The number of other owners' credentials with its permissions.
    pub carriers: u32,
    pub input: Input,
}

/// `/admin/services/NAME`.
pub fn service_page(frame: &Frame, facts: &ServiceFacts, by_role: &ByRole) -> Markup {
    let service = &facts.service;
    let path = format!("/admin/services/{}", service.name);
    let buttons = html! {
        a.button.primary href={ (path) "/api-keys" } { "API keys (" (facts.api_keys) ")" }
        a.button href={ (path) "/edit" } { "Edit" }
        a.button.danger href={ (path) "/delete" } { "Delete" }
    };
    let url = &frame.public_url;
    let content = html! {
        (heading(&service.name, &buttons))
        dl.facts {
            dt { "Its permissions" } dd { (full(&service.permissions)) }
            dt { "Every member has" } dd { (full(&by_role.member)) }
            dt { "Every admin has" } dd { (full(&by_role.admin)) small { "Other users have the permissions that an admin gives them one by one." } }
            dt { "Last introspection" } dd { (time_or_never(facts.last_asked_at, frame.now)) }
            dt { "Added" } dd { (time(service.created_at, frame.now)) }
        }
        h2 { "Use it" }
        (paste("Introspect a credential", "the introspection command", &format!("curl -H \"Authorization: Bearer $SERVICE_KEY\" --data-urlencode \"token@FILE\" {url}/oauth/introspect")))
        (paste("Behind a proxy", "the lines for a proxy", &format!("keycroft service print nginx {0}\nkeycroft service print caddy {0}\nkeycroft service print traefik {0}", service.name)))
    };
    page(frame, Section::Services, &service.name, &content)
}

/// One permission per line.
fn lines(permissions: &Permissions) -> String {
    permissions.words().collect::<Vec<_>>().join("\n")
}

/// `/admin/new-service` and `/admin/services/NAME/edit`. Sends `permissions` (one per line); new ones `name`, others
/// `roles.member`, `roles.admin` (likewise) and `version`.
pub fn form(frame: &Frame, view: &ServiceForm) -> Markup {
    let input = &view.input;
    let (title, path, back) = match &view.service {
        None => (
            "Add service".to_owned(),
            "/admin/new-service".to_owned(),
            "/admin/services".to_owned(),
        ),
        Some(service) => {
            let back = format!("/admin/services/{}", service.name);
            (
                format!("Edit {}", service.name),
                format!("{back}/edit"),
                back,
            )
        }
    };
    let present = view
        .service
        .as_ref()
        .map(|service| lines(&service.permissions));
    let form = html! {
        @if view.service.is_none() {
            (Field::text("name").required().autofocus().help("1 to 32 of a-z, 0-9 and -, beginning with a letter.").show(input))
        } @else {
            (hidden("version", &view.version))
        }
        (Field::text("permissions").default(present.as_deref().unwrap_or("")).help("One per line, beginning with the name of the service, such as slurm:submit. A permission removed here is removed from every credential immediately.").show_lines(input, 5))
        @if view.service.is_some() {
            (Field::text("roles.member").default(&lines(&view.by_role.member)).help("Permissions of every member, one per line. Give others to users one by one.").show_lines(input, 3))
            (Field::text("roles.admin").default(&lines(&view.by_role.admin)).help("The same for admins.").show_lines(input, 3))
        }
        (acts(if view.service.is_some() { "Save" } else { "Add service" }, &back))
    };
    let content = html! { h1 { (title) } (summary(input)) (post(frame, &path, &form)) };
    page(frame, Section::Services, &input.title(&title), &content)
}

/// `/admin/services/NAME/delete`. Sends `confirm`, the name.
pub fn delete(frame: &Frame, view: &ServiceDelete) -> Markup {
    let name = &view.facts.service.name;
    let path = format!("/admin/services/{name}");
    let title = format!("Delete {name}");
    let content = html! {
        h1 { (title) "?" }
        (summary(&view.input))
        div.notice.warn {
            p { "Its " (view.facts.api_keys) " API keys are revoked: the service can no longer verify credentials. Last introspection: " (time_or_never(view.facts.last_asked_at, frame.now)) "." }
            p { (view.carriers) " credentials of others lose its permissions at once." }
        }
        (post(frame, &format!("{path}/delete"), &html! {
            (Field::text("confirm").label("Type the service's name").required().autofocus().show(&view.input))
            (danger("Delete service", &path))
        }))
    };
    page(
        frame,
        Section::Services,
        &view.input.title(&title),
        &content,
    )
}
