//! The page of one API key.

use maud::{Markup, html};

use super::explain::{self, Chain};
use super::form::button;
use super::holder::Holder;
use super::layout::{Frame, page};
use super::table::{address, last_use};
use super::when::{end, exact, expiry, length, time};
use super::{chart, event, permission_form, status_badge};
use crate::model::credential::{Grace, Kind, LastUse, Record, RejectReason, State, UsageDay};
use crate::model::event::Event;
use crate::model::permission::Permissions;
use crate::model::secret::{Id, SecretForm, hint};
use crate::model::time::Time;
use crate::model::user::Disabled;
use crate::model::user_agent;

/// The creator of a credential.
#[derive(Debug, Clone)]
pub enum Creator {
    /// Another existing credential of the same owner.
    Credential(Box<Record>),
    /// A deleted one, or one of another owner: its id, with its kind and name at that time.
    Other(String, Option<String>),
    /// The operator, or a time before creators were recorded.
    Nobody,
}

/// The page of one API key.
#[derive(Debug, Clone)]
pub struct ApiKeyPage {
    pub holder: Holder,
    pub record: Record,
    /// Its present permissions: those given to it that its owner has as well.
    pub power: Permissions,
    /// The reason why it is invalid from every address; `None` if it is valid.
    pub rejection: Option<RejectReason>,
    pub usage: Vec<UsageDay>,
    pub creator: Creator,
    /// Valid credentials that it created.
    pub created: Vec<Record>,
    /// SSH keys that it added: ids and names.
    pub ssh_keys: Vec<(Id, String)>,
    /// Each check, and which of them fails.
    pub chain: Chain,
    /// Its latest events, newest first; about 20.
    pub events: Vec<Event>,
    pub names: event::Names,
}

/// `/api-keys/ID`.
pub fn api_key_page(frame: &Frame, view: &ApiKeyPage) -> Markup {
    let (record, holder) = (&view.record, &view.holder);
    let content = html! {
        div.head {
            div.bar { h1 { (record.name) } (status_badge::pill(record, frame.now)) }
            div.actions { (buttons(frame, view)) }
        }
        p.lead {
            "API key"
            @if let Holder::Service(name) | Holder::User(name) = holder { " of " a href=(holder.owner_path()) { (name) } }
            " · secret begins with " code { (hint(SecretForm::Credential(record.kind), record.id)) }
        }
        @if let Some(rejection) = view.rejection { div.notice.bad { p { b { "Rejected now. " } (rejection_sentence(holder, rejection)) } } }
        @if let Some(grace) = record.grace(frame.now) { (rotation(frame, record, grace)) }
        div.columns {
            section { h2 { "Details" } (facts(frame, view)) }
            section {
                h2 { "Permissions" }
                (permission_form::facts(&record.permissions))
                @let lost = record.permissions.without(&view.power);
                @if !lost.is_empty() { p.hint { "Without effect, since the owner does not have them: " (lost) } }
            }
        }
        (chart::section(&view.usage, frame.now))
        (explain::section(&holder.path_of(record.id, ""), &view.chain))
        @if !view.created.is_empty() || !view.ssh_keys.is_empty() {
            section { h2 { "Created credentials" } (created(frame, view)) }
        }
        section {
            div.head {
                h2 { "Events" }
                @if !view.events.is_empty() { a.button href=(events(view)) { "All events of this key" } }
            }
            (event::short_table(&view.events, &view.names, frame.now))
        }
    };
    let title = view.chain.input.title(&record.name);
    page(frame, holder.section(), &title, &content)
}

/// The reason, and a remedy that the visitor has: an admin can't change the expiration of a user's key.
const fn rejection_sentence(holder: &Holder, rejection: RejectReason) -> &'static str {
    match (holder, rejection) {
        (Holder::User(_), RejectReason::Expired) => {
            "It has expired; its owner can set a new expiration."
        }
        _ => rejection.sentence(),
    }
}

/// The valid credentials that the key created.
fn created(frame: &Frame, view: &ApiKeyPage) -> Markup {
    let path = |record: &Record| match record.kind {
        Kind::ApiKey => view.holder.path_of(record.id, ""),
        Kind::Token | Kind::Session | Kind::Host => String::new(),
    };
    html! {
        ul {
            @for created in &view.created {
                li { (created.kind) " " (named(&path(created), &created.name)) " · " (expiry(created.expires_at, frame.now)) }
            }
            @for (id, name) in &view.ssh_keys {
                @let path = if matches!(view.holder, Holder::Me) { format!("/ssh-keys/{id}") } else { String::new() };
                li { "SSH key " (named(&path, name)) }
            }
        }
    }
}

/// A name, as a link unless the path is empty.
fn named(path: &str, name: &str) -> Markup {
    html! { @if path.is_empty() { bdi { (name) } } @else { a href=(path) { bdi { (name) } } } }
}

/// The path of all its events.
fn events(view: &ApiKeyPage) -> String {
    let path = match view.holder {
        Holder::Me => "/events",
        Holder::Service(_) | Holder::User(_) => "/admin/events",
    };
    address(path, &[("target", view.record.id.as_str())])
}

fn buttons(frame: &Frame, view: &ApiKeyPage) -> Markup {
    let (record, holder) = (&view.record, &view.holder);
    let state = record.state(frame.now);
    // For a key of another user, an admin can only show, disable, enable and delete.
    let is_others = matches!(holder, Holder::User(_));
    html! {
        @if state != State::Deleted {
            @if !is_others { a.button href=(holder.path_of(record.id, "/edit")) { "Edit" } }
            @if !is_others && state != State::Expired { a.button href=(holder.path_of(record.id, "/rotate")) { "Rotate" } }
            @match record.disabled {
                Disabled::Yes => (button(frame, &holder.path_of(record.id, "/enable"), None, "Enable")),
                Disabled::No => (button(frame, &holder.path_of(record.id, "/disable"), None, "Disable")),
            }
            a.button.danger href=(holder.path_of(record.id, "/delete")) { "Delete" }
        }
    }
}

/// Compares the uses of both secrets during a rotation, to reveal programs with the old one.
fn rotation(frame: &Frame, record: &Record, grace: Grace) -> Markup {
    let now = frame.now;
    let row = |name: &str, expires: Option<Time>, used: Option<&LastUse>| {
        html! {
            tr {
                th scope="row" { (name) }
                td.when data-label="Expires" { (end(expires, now)) }
                td.when.from data-label="Used" { (last_use(used, now)) }
            }
        }
    };
    html! {
        section.notice.warn.rows aria-label="Rotation" {
            p {
                b { "Two secrets are valid." } " The old one expires " (time(grace.ends_at, now))
                @if let Some(until) = grace.until_unused { ", or once the new one has been used and the old one has not been used for " (length(until.quiet)) }
                "."
            }
            table.list {
                thead { tr { th scope="col" { "Secret" } th scope="col" { "Expires" } th scope="col" { "Last used" } } }
                tbody {
                    (row("New secret", record.expires_at, record.current_use.as_ref()))
                    (row("Old secret", Some(grace.ends_at), record.previous_use.as_ref()))
                }
            }
        }
    }
}

fn facts(frame: &Frame, view: &ApiKeyPage) -> Markup {
    let (record, now) = (&view.record, frame.now);
    html! {
        dl.facts {
            dt { "Id" } dd { div.actions { code data-copy="id" { (record.id) } } }
            dt { "Expires" } dd { (fact(record.expires_at, "No expiration", now)) }
            dt { "Last used" } dd { (last_use(record.last_use.as_ref(), now)) }
            dt { "Allowed addresses" }
            dd { @if record.allowed_addresses.is_everywhere() { "Everywhere" } @else { @for one in record.allowed_addresses.iter() { (one) br; } } }
            dt { "Created" } dd { (fact(Some(record.created_at), "", now)) }
            dt { "Created by" } dd { (created_by(view)) }
            @if let Some(at) = record.rotated_at { dt { "Rotated" } dd { (fact(Some(at), "", now)) } }
            @if let Some(deletion) = &record.deletion { dt { "Deleted" } dd { (time(deletion.at, now)) ": " (deletion.reason) } }
            @if let Some(note) = &record.note { dt { "Note" } dd { @for line in note.lines() { (line) br; } } }
        }
    }
}

/// A time in relative words, and exactly beside it.
fn fact(at: Option<Time>, without: &str, now: Time) -> Markup {
    html! { @match at { Some(at) => { (time(at, now)) small { (exact(at)) } }, None => (without) } }
}

/// The creator: a name, with a link where it has a page.
fn created_by(view: &ApiKeyPage) -> Markup {
    let is_mine = matches!(view.holder, Holder::Me);
    let list = |path: &str| {
        if is_mine {
            path.to_owned()
        } else {
            String::new()
        }
    };
    match &view.creator {
        Creator::Credential(record) => match record.kind {
            Kind::Session => {
                let device = user_agent::device(record.user_agent.as_deref());
                html! { "Console, in " (named(&list("/sessions"), &device)) }
            }
            // A deleted one has no page.
            Kind::ApiKey if record.deletion.is_some() => {
                html! { "API key " (named("", &record.name)) " (deleted)" }
            }
            Kind::ApiKey => {
                let path = view.holder.path_of(record.id, "");
                html! { "API key " (named(&path, &record.name)) }
            }
            Kind::Token | Kind::Host => {
                let path = list(&address("/tokens", &[("q", &record.name)]));
                html! { (record.kind) " " (named(&path, &record.name)) }
            }
        },
        Creator::Other(id, name) => {
            html! { @if let Some(name) = name { bdi { (name) } " (" code { (id) } ")" } @else { code { (id) } } }
        }
        Creator::Nobody => html! { "The operator, on the server" },
    }
}
