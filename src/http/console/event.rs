//! `/events` and `/admin/events`.

use std::io::{Cursor, Read};
use std::time::Duration;

use rouille::{Response, ResponseBody};

use super::{Answer, form, frame, list, page, query};
use crate::app::{self, Download, DownloadScope, Page};
use crate::html::event::{self as pages, EventFilter, EventList, Names, Scope};
use crate::html::form::Input;
use crate::http::context::RequestContext;
use crate::http::headers;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::{Error, FieldErrors};
use crate::model::event::{Event, Outcome};
use crate::model::text::sanitize;
use crate::model::time::Time;
use crate::model::user::{Role, Username};
use crate::wire::EventOut;

/// Events on one page.
const ROWS: usize = 50;
/// Longest text of a filter.
const TEXT_CHARACTERS_MAX: usize = 128;
/// Events fetched at once for a download.
const EXPORT_PART: usize = 1_000;

fn typed(context: &RequestContext<'_>, scope: Scope) -> EventFilter {
    let text = |name| {
        let text = query(context, name).unwrap_or_default();
        text.trim()
            .chars()
            .take(TEXT_CHARACTERS_MAX)
            .collect::<String>()
    };
    let known = |word: String, words: &[&str]| {
        let is_known = words.contains(&word.as_str());
        if is_known { word } else { String::new() }
    };
    EventFilter {
        text: sanitize(&text("q"), TEXT_CHARACTERS_MAX),
        action: text("action"),
        // Of the own log a name asks for nothing, and must not tell who exists.
        user: match scope {
            Scope::Own => String::new(),
            Scope::All => text("user").to_lowercase(),
        },
        outcome: known(text("outcome"), &["done", "refused"]),
        range: known(text("range"), &pages::RANGES.map(|(word, ..)| word)),
        since: text("since"),
        until: text("until"),
        target: text("target"),
    }
}

/// The filter and the user in it. Any other name is that of a service, a host or the operator.
fn parse(
    context: &RequestContext<'_>,
    filter: &EventFilter,
) -> Result<(app::EventCondition, Option<Username>), Error> {
    let mut faults = FieldErrors::default();
    let mut time = |name: &str, text: &str| {
        if text.is_empty() {
            None
        } else {
            faults.take(name, Time::parse(&form::utc(text)))
        }
    };
    let (since, until) = (time("since", &filter.since), time("until", &filter.until));
    faults.check()?;
    let range = pages::RANGES
        .iter()
        .find(|(word, ..)| *word == filter.range);
    let range = range.map(|(.., days)| context.now.before(Duration::from_secs(days * 86_400)));
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let user = Username::parse(&filter.user).ok();
    let user = match user {
        Some(user) => context
            .app()
            .find_user(&user)
            .ok()
            .map(|found| found.username),
        None => None,
    };
    let outcome = [Outcome::Done, Outcome::Rejected].into_iter();
    let filter = app::EventCondition {
        user: None,
        actor: given(&filter.user).filter(|_| user.is_none()),
        action: given(&filter.action),
        outcome: outcome
            .into_iter()
            .find(|one| one.as_str() == filter.outcome),
        text: given(&filter.text),
        target: given(&filter.target),
        since: since.or(range),
        until,
    };
    Ok((filter, user))
}

fn fetch(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: Scope,
    filter: &EventFilter,
    after: Option<i64>,
) -> Result<(Page<Event>, Option<String>), Error> {
    let (wanted, user) = parse(context, filter)?;
    let app = context.app();
    let (page, user) = match scope {
        Scope::Own => (
            app.own_events(caller, wanted.clone(), after, ROWS)?,
            Some(caller.user()?.id),
        ),
        Scope::All => {
            let page = app.all_events(caller, user.as_ref(), wanted.clone(), after, ROWS)?;
            let user = user.map(|name| app.find_user(&name)).transpose()?;
            (page, user.map(|user| user.id))
        }
    };
    if wanted.text.is_some() || page.items.is_empty() {
        return Ok((page, None));
    }
    let count = match app.count_events(caller, user, wanted)? {
        Some(1) => "1 event".to_owned(),
        Some(count) => format!("{count} events"),
        None => "More than 1,000 events".to_owned(),
    };
    Ok((page, Some(count)))
}

/// The names that sentences about events contain.
pub(super) fn names(
    context: &RequestContext<'_>,
    caller: &Caller,
    events: &[Event],
) -> Result<Names, Error> {
    let user = caller.user()?;
    Ok(Names {
        viewer: Some(user.id),
        users: context.app().names_in(events)?,
        has_admin_pages: user.role == Role::Admin,
    })
}

fn event_list(context: &RequestContext<'_>, caller: &Caller, scope: Scope) -> Answer {
    let filter = typed(context, scope);
    let after = query(context, "after").and_then(|text| text.parse().ok());
    let (status, found, errors) = match fetch(context, caller, scope, &filter, after) {
        Ok(found) => (200, Some(found), Vec::new()),
        Err(Error::Invalid(errors)) => (422, None, errors),
        Err(error) => return Err(error.into()),
    };
    let (events, older, count) = match found {
        Some((found, count)) => (found.items, found.next, count),
        None => (Vec::new(), None, None),
    };
    let view = EventList {
        scope,
        names: names(context, caller, &events)?,
        is_part: older.is_some(),
        older,
        is_first: after.is_none(),
        events,
        filter,
        input: Input {
            values: Vec::new(),
            errors,
        },
        count,
    };
    Ok(page(
        status,
        pages::event_list(&frame(context, caller), &view),
    ))
}

/// The form of a download.
#[derive(Clone, Copy)]
enum Format {
    JsonLines,
    Csv,
}

impl Format {
    fn write(self, event: &Event, bytes: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::JsonLines => {
                serde_json::to_writer(&mut *bytes, &EventOut::new(event))
                    .map_err(|error| Error::Fault(error.to_string()))?;
                bytes.push(b'\n');
            }
            Self::Csv => bytes.extend_from_slice(table_line(event).as_bytes()),
        }
        Ok(())
    }
}

const CSV_HEAD: [&str; 14] = [
    "number",
    "at",
    "action",
    "outcome",
    "channel",
    "actor",
    "credential",
    "target_kind",
    "target_id",
    "target_name",
    "address",
    "user_agent",
    "before",
    "after",
];

fn table_line(event: &Event) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    list::line(&[
        event.number.to_string(),
        event.at.to_string(),
        event.action.clone(),
        event.outcome.clone(),
        event.channel.clone(),
        event.actor.clone(),
        known(&event.credential),
        event.target_kind.clone(),
        event.target_id.clone(),
        event.target_name.clone(),
        known(&event.address),
        known(&event.program),
        event.before.trim_end().to_owned(),
        event.after.trim_end().to_owned(),
    ])
}

/// The lines of a download, made as they are read: however long the log is, one part of it is in memory.
struct Lines {
    download: Download,
    format: Format,
    bytes: Cursor<Vec<u8>>,
    /// The start of the next page; `None` at the end.
    after: Option<i64>,
}

impl Lines {
    fn begin(download: Download, format: Format) -> Result<Self, Error> {
        let first = download.next_page(None, EXPORT_PART)?;
        let mut lines = Self {
            download,
            format,
            bytes: Cursor::default(),
            after: None,
        };
        lines.fill(&first)?;
        if matches!(format, Format::Csv) {
            let head = list::line(&CSV_HEAD.map(str::to_owned));
            let rows = std::mem::take(&mut lines.bytes).into_inner();
            lines.bytes = Cursor::new([head.into_bytes(), rows].concat());
        }
        Ok(lines)
    }

    fn fill(&mut self, part: &Page<Event>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for event in &part.items {
            self.format.write(event, &mut bytes)?;
        }
        self.bytes = Cursor::new(bytes);
        self.after = part.next.as_ref().and_then(|next| next.parse().ok());
        Ok(())
    }
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let count = self.bytes.read(into)?;
            let Some(after) = self.after.filter(|_| count == 0 && !into.is_empty()) else {
                return Ok(count);
            };
            // An error cuts off the answer, so that it never looks complete.
            self.download
                .next_page(Some(after), EXPORT_PART)
                .and_then(|part| self.fill(&part))
                .map_err(|error| std::io::Error::other(error.to_string()))?;
        }
    }
}

/// JSON lines or with `?format=csv` a table, newest first.
fn export(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: Scope,
) -> Result<Response, Problem> {
    let (filter, user) = parse(context, &typed(context, scope))?;
    let scope = match scope {
        Scope::Own => DownloadScope::Own,
        Scope::All => DownloadScope::All(user),
    };
    let (format, content_type, file) = match query(context, "format").as_deref() {
        Some("csv") => (
            Format::Csv,
            "text/csv; charset=utf-8",
            "keycroft-events.csv",
        ),
        _ => (
            Format::JsonLines,
            "application/jsonl",
            "keycroft-events.jsonl",
        ),
    };
    let download = context.app().begin_download(caller, scope, filter)?;
    let lines = Lines::begin(download, format)?;
    let mut response = headers::bytes_of(content_type, 200, Vec::new());
    response.data = ResponseBody::from_reader(lines);
    response.headers.push((
        "Content-Disposition".into(),
        format!("attachment; filename=\"{file}\"").into(),
    ));
    Ok(response)
}

pub fn list_own_events(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    event_list(context, caller, Scope::Own)
}

pub fn list_all_events(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    event_list(context, caller, Scope::All)
}

pub fn export_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    export(context, caller, Scope::Own)
}

pub fn export_all(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    export(context, caller, Scope::All)
}
