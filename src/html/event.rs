//! Events: own ones, all of them, and those on one target.

use maud::{Markup, html};

pub use super::event_sentence::Names;
use super::event_sentence::{actor, changes, sentence};
use super::form::{Input, hidden, summary};
use super::layout::{Frame, Section, heading, page};
use super::status_badge::badge;
use super::table::address;
use super::when::{date, hour};
use crate::model::event::{Event, Outcome};
use crate::model::event_action::GROUPS;
use crate::model::time::Time;
use crate::model::user_agent;

/// Which events a page shows, and so where it is.
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

/// The quick ranges: the word in `?range=`, and what people read.
pub const RANGES: [(&str, &str, u64); 3] =
    [("24h", "24 h", 1), ("7d", "7 d", 7), ("30d", "30 d", 30)];

/// The filter of a log, as typed: `?q=&action=&user=&outcome=&range=&since=&until=&target=`.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Part of a name, an address, a user agent or a detail.
    pub text: String,
    /// `api-key.create`, or a group such as `api-key`.
    pub action: String,
    /// The name of a user, a service, a host or the operator; only on the admins' page.
    pub user: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// `24h`, `7d` or `30d`.
    pub range: String,
    /// `2026-11-22T15:04`, in UTC, as `until`.
    pub since: String,
    pub until: String,
    /// The id of a credential, an SSH key or a host; the name of what has no id.
    pub target: String,
}

impl EventFilter {
    fn pairs(&self) -> [(&str, &str); 8] {
        [
            ("q", &self.text),
            ("action", &self.action),
            ("user", &self.user),
            ("outcome", &self.outcome),
            ("range", &self.range),
            ("since", &self.since),
            ("until", &self.until),
            ("target", &self.target),
        ]
    }

    fn is_empty(&self) -> bool {
        self.pairs().iter().all(|(_, value)| value.is_empty())
    }

    fn with(&self, path: &str, changes: &[(&str, &str)]) -> String {
        let kept = self.pairs();
        let kept = kept
            .iter()
            .filter(|(name, _)| !changes.iter().any(|(other, _)| other == name));
        let pairs: Vec<(&str, &str)> = kept.chain(changes).copied().collect();
        address(path, &pairs)
    }
}

/// A page of the log.
#[derive(Debug, Clone)]
pub struct EventList {
    pub scope: Scope,
    /// Newest first.
    pub events: Vec<Event>,
    pub names: Names,
    pub filter: EventFilter,
    /// The faults of the filter.
    pub input: Input,
    /// How many match, as text: `1,204`, `more than 1,000`; `None`: not counted.
    pub count: Option<String>,
    /// The newest 100,000 were searched, and not all.
    pub is_part: bool,
    /// The value of `?after=` for the next part.
    pub older: Option<String>,
    pub is_first: bool,
}

/// `/events` and `/admin/events`; `…/export` with the same filter gives JSON lines, with `format=csv` a table.
pub fn event_list(frame: &Frame, view: &EventList) -> Markup {
    let path = view.scope.path();
    let (section, title) = match view.scope {
        Scope::Own => (Section::Events, "Events"),
        Scope::All => (Section::AllEvents, "All events"),
    };
    let export = format!("{path}/export");
    let acts = html! {
        a.button href=(view.filter.with(&export, &[("format", "csv")])) { "CSV" }
        a.button href=(view.filter.with(&export, &[])) { "JSON lines" }
    };
    let content = html! {
        (heading(title, &acts))
        (summary(&view.input))
        (filter(view, path))
        @if view.events.is_empty() {
            p {
                @if view.filter.is_empty() { "No events yet." }
                @else if view.is_part { "Nothing matches in this part of the log. " }
                @else { "Nothing matches. " }
                @if !view.filter.is_empty() { a href=(path) { "Clear the filter" } }
            }
        } @else {
            div.rows.form { (table(&view.events, &view.names, frame.now)) }
        }
        (pager(view, path))
    };
    page(frame, section, &view.input.title(title), &content)
}

fn pager(view: &EventList, path: &str) -> Markup {
    html! {
        p.actions role="navigation" aria-label="Pages" {
            @if let Some(count) = &view.count { span.muted { (count) } }
            @if !view.is_first { a.button href=(view.filter.with(path, &[])) { "Newest" } }
            @if let Some(older) = &view.older { a.button rel="next" href=(view.filter.with(path, &[("after", older)])) { "Older" } }
        }
    }
}

fn filter(view: &EventList, path: &str) -> Markup {
    let (filter, has_dates) = (
        &view.filter,
        !view.filter.since.is_empty() || !view.filter.until.is_empty(),
    );
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let is_known = GROUPS.iter().any(|group| {
        group.word == filter.action || group.actions.iter().any(|(word, _)| *word == filter.action)
    });
    let invalid = |name: &str| view.input.error(name).map(|_| "true");
    html! {
        form.bar role="search" action=(path) {
            @if !filter.target.is_empty() { (hidden("target", &filter.target)) }
            input #q type="search" name="q" value=[given(&filter.text)] aria-label="Search" placeholder="Search events";
            select #action name="action" aria-label="Action" aria-invalid=[invalid("action")] {
                option value="" { "All actions" }
                @if !filter.action.is_empty() && !is_known { option value=(filter.action) selected { (filter.action) } }
                @for group in GROUPS {
                    @if group.actions.is_empty() {
                        option value=(group.word) selected[group.word == filter.action] { (group.label) }
                    } @else {
                        optgroup label=(group.label) {
                            option value=(group.word) selected[group.word == filter.action] { "All of " (group.label) }
                            @for (word, label) in group.actions { option value=(word) selected[*word == filter.action] { (label) } }
                        }
                    }
                }
            }
            @if view.scope == Scope::All {
                input #user name="user" value=[given(&filter.user)] aria-label="User" placeholder="Anyone" autocapitalize="none" spellcheck="false" aria-invalid=[invalid("user")];
            }
            select #outcome name="outcome" aria-label="Outcome" {
                option value="" { "Any outcome" }
                option value="done" selected[filter.outcome == "done"] { "Done" }
                option value="refused" selected[filter.outcome == "refused"] { "Rejected" }
            }
            details open[has_dates] {
                summary { "Dates" }
                label { "Since (UTC) " input #since type="datetime-local" name="since" value=[given(&filter.since)] aria-invalid=[invalid("since")]; }
                label { "Until (UTC) " input #until type="datetime-local" name="until" value=[given(&filter.until)] aria-invalid=[invalid("until")]; }
            }
            // The first button is the one that Enter presses.
            button name="range" value=(filter.range) { "Filter" }
            @if !filter.is_empty() { a.button href=(path) { "Clear" } }
            span.group role="group" aria-label="Range" {
                @for (word, words) in RANGES.map(|(word, words, _)| (word, words)).into_iter().chain([("", "All")]) {
                    @let current = (filter.range == word && !has_dates).then_some("true");
                    // A button sends what was chosen beside it; a link drops the dates, which would win.
                    @if has_dates {
                        a.button href=(filter.with(path, &[("range", word), ("since", ""), ("until", "")])) { (words) }
                    } @else {
                        button name="range" value=(word) aria-current=[current] { (words) }
                    }
                }
            }
        }
        @if !filter.target.is_empty() { p { "Only events about " code { bdi { (filter.target) } } ". " a href=(filter.with(path, &[("target", "")])) { "Show all" } } }
    }
}

/// The events about one thing, without a filter.
pub(super) fn short_table(events: &[Event], names: &Names, now: Time) -> Markup {
    html! { @if events.is_empty() { p { "None yet." } } @else { div.rows { (table(events, names, now)) } } }
}

fn table(events: &[Event], names: &Names, now: Time) -> Markup {
    html! {
        table.list.log {
            thead { tr { th scope="col" { "Time" } th.name scope="col" { span.who { "Who" } " Event" } th scope="col" { "Address" } th.low scope="col" { "User agent" } th scope="col" { "Outcome" } } }
            @for day in events.chunk_by(|one, other| one.at.day() == other.at.day()) {
                tbody {
                    @if let Some(first) = day.first() { tr { th scope="rowgroup" colspan="5" { (date(first.at, now)) } } }
                    @for event in day { (row(event, names)) }
                }
            }
        }
    }
}

fn row(event: &Event, names: &Names) -> Markup {
    let agent = event.program.as_deref().filter(|text| !text.is_empty());
    html! {
        tr {
            td { time datetime=(event.at) data-abs { (hour(event.at)) } }
            td.name { (actor(event, names)) " " (sentence(event, names)) " " (details(event)) }
            td.from { @match &event.address { Some(address) => (address), None => (event.channel) } }
            td.from.low { @if let Some(agent) = agent { (user_agent::short(agent)) } }
            td.result { @if event.outcome == Outcome::Done.as_str() { span.muted { "Done" } } @else { (badge("bad", "Rejected")) } }
        }
    }
}

fn details(event: &Event) -> Markup {
    let known = [
        ("credential", event.credential.as_ref()),
        ("request", event.request_id.as_ref()),
    ];
    html! {
        details {
            summary aria-label={ "Details of event " (event.number) } { "Details" }
            dl.facts {
                dt { "action" } dd { code { (event.action) } " by " (event.channel) ", number " (event.number) }
                @for (word, value) in changes(event) { dt { (word) } dd { bdi { (value) } } }
                @for (word, value) in known { @if let Some(value) = value { dt { (word) } dd { code { (value) } } } }
            }
        }
    }
}
