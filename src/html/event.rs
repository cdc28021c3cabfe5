//! Events: own ones, all of them, and those on one target.

use maud::{Markup, html};

use super::form::{Field, Input};
use super::layout::{Frame, Section, heading, page};
use super::standing::badge;
use super::table::{Pager, address, pager};
use super::when::time;
use crate::model::event::{Event, Outcome, decode_words};
use crate::model::time::Time;
use crate::model::user_agent;

/// The events of a page, which determine its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `/events`: acts by the signed-in user, and on their account and credentials.
    Own,
    /// `/admin/events`: all.
    All,
}

impl Scope {
    const fn path(self) -> &'static str {
        match self {
            Self::Own => "/events",
            Self::All => "/admin/events",
        }
    }
}

/// The filter of a log, as typed: `?action=&target=&since=&until=&user=`.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// `api-key.create`.
    pub action: String,
    /// The id of a credential, an SSH key or a host; the name of a target without an id.
    pub target: String,
    /// `2026-11-22T15:04`, meant as UTC, as `until` is.
    pub since: String,
    pub until: String,
    /// A username; only on the admins' page.
    pub user: String,
}

impl EventFilter {
    fn pairs(&self) -> [(&str, &str); 5] {
        [
            ("action", &self.action),
            ("target", &self.target),
            ("since", &self.since),
            ("until", &self.until),
            ("user", &self.user),
        ]
    }

    fn is_empty(&self) -> bool {
        self.pairs().iter().all(|(_, value)| value.is_empty())
    }
}

/// A page of the log.
#[derive(Debug, Clone)]
pub struct EventList {
    pub scope: Scope,
    /// Newest first.
    pub events: Vec<Event>,
    pub filter: EventFilter,
    /// The faults of the filter.
    pub input: Input,
    pub pager: Pager,
}

/// `/events` and `/admin/events`; `…/export` with the same filter gives JSON lines.
pub fn list(frame: &Frame, view: &EventList) -> Markup {
    let path = view.scope.path();
    let (section, title) = match view.scope {
        Scope::Own => (Section::Events, "Events"),
        Scope::All => (Section::AllEvents, "All events"),
    };
    let export = address(&format!("{path}/export"), &view.filter.pairs());
    let content = html! {
        (heading(title, &html! { a.button href=(export) { "Download JSON lines" } }))
        p.lead {
            @match view.scope {
                Scope::Own => { "Your acts, and acts on your account and credentials." }
                Scope::All => { "Every change and every refused act. Each line is chained to the one before." }
            }
        }
        (filter(view, path))
        @if view.events.is_empty() {
            p {
                @if view.filter.is_empty() { "Nothing has happened yet." }
                @else { "Nothing matches. " a href=(path) { "Clear the filter" } }
            }
        } @else {
            (table(&view.events, frame.now))
            (pager(&view.pager, path, &view.filter.pairs()))
        }
    };
    page(frame, section, &view.input.title(title), &content)
}

fn filter(view: &EventList, path: &str) -> Markup {
    let (filter, input) = (&view.filter, &view.input);
    html! {
        (super::form::summary(input))
        form.bar method="get" action=(path) {
            (Field::text("action").label("What").default(&filter.action).show(input))
            (Field::text("target").label("Id or name").default(&filter.target).show(input))
            (Field::text("since").label("Since (UTC)").kind("datetime-local").default(&filter.since).show(input))
            (Field::text("until").label("Until (UTC)").kind("datetime-local").default(&filter.until).show(input))
            @if view.scope == Scope::All { (Field::text("user").verbatim().label("User").default(&filter.user).show(input)) }
            button { "Filter" }
            @if !filter.is_empty() { a.button href=(path) { "Clear" } }
        }
    }
}

/// The events on one target, without a filter.
pub(super) fn short_table(events: &[Event], now: Time) -> Markup {
    html! { @if events.is_empty() { p { "None yet." } } @else { (table(events, now)) } }
}

fn table(events: &[Event], now: Time) -> Markup {
    html! {
        table.list {
            thead { tr { th { "What" } th { "When" } th { "Who" } th { "From" } th { "Result" } } }
            tbody { @for event in events { (row(event, now)) } }
        }
    }
}

fn row(event: &Event, now: Time) -> Markup {
    html! {
        tr {
            th.name scope="row" {
                (event.action) " " bdi { (target(event)) }
                @for change in changes(event) { small { bdi { (change) } } }
            }
            td data-label="When" { (time(event.at, now)) }
            td data-label="Who" {
                @if event.actor.is_empty() { "unknown" } @else { bdi { (event.actor) } }
                @if let Some(credential) = &event.credential { small { (credential) } }
            }
            td data-label="From" { (event.channel) small { (from(event)) } }
            td data-label="Result" {
                @if event.outcome == Outcome::Done.as_str() { (badge("ok", "Done")) } @else { (badge("bad", "Refused")) }
            }
        }
    }
}

fn target(event: &Event) -> &str {
    if event.target_name.is_empty() {
        &event.target_id
    } else {
        &event.target_name
    }
}

fn from(event: &Event) -> String {
    let program = event
        .program
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(user_agent::short);
    let parts: Vec<String> = [event.address.clone(), program]
        .into_iter()
        .flatten()
        .collect();
    parts.join(" · ")
}

/// `role: member → admin`, one per line.
fn changes(event: &Event) -> Vec<String> {
    let before = decode_words(&event.before);
    let after = decode_words(&event.after);
    let earlier = |word: &str| {
        before
            .iter()
            .find(|(key, _)| key == word)
            .map(|(_, value)| value.as_str())
    };
    let mut lines: Vec<String> = after
        .iter()
        .map(|(word, value)| match earlier(word) {
            Some(was) => format!("{word}: {was} → {value}"),
            None => format!("{word}: {value}"),
        })
        .collect();
    let gone = before
        .iter()
        .filter(|(word, _)| !after.iter().any(|(key, _)| key == word));
    lines.extend(gone.map(|(word, was)| format!("{word}: {was} → nothing")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::gallery::event;

    #[test]
    fn changes_are_said_from_before_to_after() {
        let mut event = event(1);
        event.before = "role=member\nnote=x\n".into();
        event.after = "role=admin\nname=ci\n".into();
        assert_eq!(
            changes(&event),
            ["role: member → admin", "name: ci", "note: x → nothing"]
        );
    }
}
