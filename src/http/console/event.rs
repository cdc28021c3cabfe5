//! `/events` and `/admin/events`.

use std::io::{Cursor, Read};

use rouille::{Response, ResponseBody};

use super::{Answer, form, frame, page, query};
use crate::desk::{self, Download, DownloadScope, Page};
use crate::html::event::{self as pages, EventFilter, EventList, Scope};
use crate::html::form::Input;
use crate::html::table::Pager;
use crate::http::ask::Ask;
use crate::http::headers;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::{Error, Faults};
use crate::model::event::Event;
use crate::model::time::Time;
use crate::model::user::Username;
use crate::wire::EventOut;

/// Events on one page.
const ROWS: usize = 50;
/// Events fetched at once for a download.
const EXPORT_PART: usize = 1_000;

fn typed(ask: &Ask<'_>) -> EventFilter {
    let text = |name| query(ask, name).unwrap_or_default().trim().to_owned();
    EventFilter {
        action: text("action"),
        target: text("target"),
        since: text("since"),
        until: text("until"),
        user: text("user"),
    }
}

fn parse(filter: &EventFilter) -> Result<(desk::EventFilter, Option<Username>), Error> {
    let mut faults = Faults::default();
    let mut time = |name: &str, text: &str| {
        if text.is_empty() {
            None
        } else {
            faults.take(name, Time::parse(&form::utc(text)))
        }
    };
    let (since, until) = (time("since", &filter.since), time("until", &filter.until));
    let user = if filter.user.is_empty() {
        None
    } else {
        faults.take("user", Username::parse(&filter.user))
    };
    faults.check()?;
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    Ok((
        desk::EventFilter {
            user: None,
            action: given(&filter.action),
            target: given(&filter.target),
            since,
            until,
        },
        user,
    ))
}

fn fetch(
    ask: &Ask<'_>,
    caller: &Caller,
    scope: Scope,
    filter: &EventFilter,
    after: Option<i64>,
    limit: usize,
) -> Result<Page<Event>, Error> {
    let (wanted, user) = parse(filter)?;
    match scope {
        Scope::Own => ask.desk().own_events(caller, wanted, after, limit),
        Scope::All => ask
            .desk()
            .all_events(caller, user.as_ref(), wanted, after, limit),
    }
}

fn list(ask: &Ask<'_>, caller: &Caller, scope: Scope) -> Answer {
    let filter = typed(ask);
    let after = query(ask, "after").and_then(|text| text.parse().ok());
    let (status, events, older, errors) = match fetch(ask, caller, scope, &filter, after, ROWS) {
        Ok(found) => (200, found.items, found.next, Vec::new()),
        Err(Error::Invalid(errors)) => (422, Vec::new(), None, errors),
        Err(Error::NotFound(_)) => (200, Vec::new(), None, Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let pager = Pager::Log {
        older,
        is_first: after.is_none(),
    };
    let view = EventList {
        scope,
        events,
        filter,
        input: Input {
            values: Vec::new(),
            errors,
        },
        pager,
    };
    Ok(page(status, pages::list(&frame(ask, caller), &view)))
}

/// The lines of a download, made as they are read: however long the log is, one part of it is in memory.
struct Lines {
    download: Download,
    bytes: Cursor<Vec<u8>>,
    /// Where the next part begins; `None` at the end.
    after: Option<i64>,
}

impl Lines {
    fn begin(download: Download) -> Result<Self, Error> {
        let first = download.part(None, EXPORT_PART)?;
        let mut lines = Self {
            download,
            bytes: Cursor::default(),
            after: None,
        };
        lines.fill(&first)?;
        Ok(lines)
    }

    fn fill(&mut self, part: &Page<Event>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for event in &part.items {
            serde_json::to_writer(&mut bytes, &EventOut::of(event))
                .map_err(|error| Error::Fault(error.to_string()))?;
            bytes.push(b'\n');
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
            // An error cuts the answer off, so that nobody takes a part for the whole.
            self.download
                .part(Some(after), EXPORT_PART)
                .and_then(|part| self.fill(&part))
                .map_err(|error| std::io::Error::other(error.to_string()))?;
        }
    }
}

/// JSON lines, newest first.
fn export(ask: &Ask<'_>, caller: &Caller, scope: Scope) -> Result<Response, Problem> {
    let (filter, user) = parse(&typed(ask))?;
    let scope = match scope {
        Scope::Own => DownloadScope::Own,
        Scope::All => DownloadScope::All(user),
    };
    let lines = Lines::begin(ask.desk().begin_download(caller, scope, filter)?)?;
    let mut response = headers::bytes_of("application/jsonl", 200, Vec::new());
    response.data = ResponseBody::from_reader(lines);
    response.headers.push((
        "Content-Disposition".into(),
        "attachment; filename=\"keycroft-events.jsonl\"".into(),
    ));
    Ok(response)
}

pub fn own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    list(ask, caller, Scope::Own)
}

pub fn all(ask: &Ask<'_>, caller: &Caller) -> Answer {
    list(ask, caller, Scope::All)
}

pub fn export_own(ask: &Ask<'_>, caller: &Caller) -> Answer {
    export(ask, caller, Scope::Own)
}

pub fn export_all(ask: &Ask<'_>, caller: &Caller) -> Answer {
    export(ask, caller, Scope::All)
}
