//! The page of one API key.

use maud::{Markup, html};

use super::api_key::Holder;
use super::explain::{self, Chain};
use super::form::button;
use super::layout::{Frame, heading, page};
use super::table::{address, last_use};
use super::when::{end_in_line, exact, expiry, length, time};
use super::{chart, event, permission, standing};
use crate::model::credential::{Grace, Record, RejectReason, State, UsageDay};
use crate::model::event::Event;
use crate::model::permission::Permissions;
use crate::model::secret::{Id, SecretForm, hint};
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
    pub refusal: Option<RejectReason>,
    pub usage: Vec<UsageDay>,
    pub creator: Creator,
    /// Valid credentials that it created.
    pub made: Vec<Record>,
    /// SSH keys that it added: ids and names.
    pub ssh_keys: Vec<(Id, String)>,
    /// Each check, and which of them fails.
    pub chain: Chain,
    /// Its latest events, newest first; about 20.
    pub events: Vec<Event>,
    pub names: event::Names,
}

/// `/api-keys/ID`.
pub fn show(frame: &Frame, view: &ApiKeyPage) -> Markup {
    let record = &view.record;
    let content = html! {
        (heading(&record.name, &buttons(frame, view)))
        @if let Some(refusal) = view.refusal { div.notice.bad { p { b { "It is refused now. " } (refusal.sentence()) } } }
        @if let Some(grace) = record.grace(frame.now) { (rotation(frame, record, grace)) }
        (facts(frame, view))
        (chart::section(&view.usage, frame.now))
        (explain::section(&view.holder.path_of(record.id, ""), &view.chain))
        @if !view.made.is_empty() || !view.ssh_keys.is_empty() {
            h2 { "Created credentials" }
            ul {
                @for made in &view.made { li { (made.kind) " " bdi { (made.name) } " (" code { (made.id) } "), " (expiry(made.expires_at, frame.now)) } }
                @for (id, name) in &view.ssh_keys { li { "SSH key " bdi { (name) } " (" code { (id) } ")" } }
            }
        }
        h2 { "Events" }
        (event::short_table(&view.events, &view.names, frame.now))
        @if !view.events.is_empty() { p { a href=(events(view)) { "All events about it" } } }
    };
    let title = view.chain.input.title(&record.name);
    page(frame, view.holder.section(), &title, &content)
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
        @if state != State::Ended {
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
    html! {
        div.notice.warn {
            p {
                b { "Two secrets are valid." } " The old one expires " (end_in_line(Some(grace.ends_at), frame.now))
                @if let Some(until) = grace.until_unused { ", or once the new one has been used and the old one has not been used for " (length(until.quiet)) }
                "."
            }
            dl.facts {
                dt { "New secret, last used" } dd { (last_use(record.current_use.as_ref(), frame.now)) }
                dt { "Old secret, last used" } dd { (last_use(record.previous_use.as_ref(), frame.now)) }
            }
        }
    }
}

fn facts(frame: &Frame, view: &ApiKeyPage) -> Markup {
    let (record, now) = (&view.record, frame.now);
    let lost = record.permissions.without(&view.power);
    html! {
        dl.facts {
            @if let Holder::User(name) = &view.holder { dt { "Owner" } dd { a href=(view.holder.list_path()) { (name) } } }
            dt { "Status" } dd { (standing::pill(record, now)) }
            dt { "Id" } dd { code data-copy="id" { (record.id) } small { "The secret begins with " code { (hint(SecretForm::Credential(record.kind), record.id)) } } }
            dt { "Expires" } dd { (end_in_line(record.expires_at, now)) }
            dt { "Last used" } dd { (last_use(record.last_use.as_ref(), now)) }
            dt { "Permissions" }
            dd {
                (permission::full(&record.permissions))
                @if !lost.is_empty() { small { "Not in force, since the owner does not have them now: " (lost) } }
            }
            dt { "Allowed addresses" }
            dd { @if record.allowed_addresses.is_everywhere() { "Everywhere" } @else { code { (record.allowed_addresses) } } }
            @if let Some(note) = &record.note { dt { "Note" } dd { @for line in note.lines() { (line) br; } } }
            dt { "Created" } dd { (time(record.created_at, now)) " (" (exact(record.created_at)) ")" }
            dt { "Created by" } dd { (created_by(&view.creator)) }
            @if let Some(at) = record.rotated_at { dt { "Rotated" } dd { (time(at, now)) } }
            @if let Some(ending) = &record.ended { dt { "Ended" } dd { (time(ending.at, now)) ": " (ending.reason) } }
        }
    }
}

fn created_by(creator: &Creator) -> Markup {
    match creator {
        Creator::Credential(record) if record.user_agent.is_some() => {
            html! { "Console, in " (user_agent::device(record.user_agent.as_deref())) }
        }
        Creator::Credential(record) => {
            html! { (record.kind) " " bdi { (record.name) } " (" code { (record.id) } ")" }
        }
        Creator::Other(id, name) => {
            html! { @if let Some(name) = name { bdi { (name) } " (" code { (id) } ")" } @else { code { (id) } } }
        }
        Creator::Nobody => html! { "The server's command line" },
    }
}
