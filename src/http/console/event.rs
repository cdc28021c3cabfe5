//! `/events` and `/admin/events`.

use std::io::{Cursor, Read};

use rouille::{Response, ResponseBody};

use super::{Answer, form, frame, page, query};
use crate::app::{self, Download, DownloadScope, Page};
use crate::html::event::{self as pages, EventFilter, EventList, Scope};
use crate::html::form::Input;
use crate::html::table::Pager;
use crate::http::context::RequestContext;
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

fn typed(context: &RequestContext<'_>) -> EventFilter {
    let text = |name| query(context, name).unwrap_or_default().trim().to_owned();
    EventFilter {
        action: text("action"),
        target: text("target"),
        since: text("since"),
        until: text("until"),
        user: text("user"),
    }
}

fn parse(filter: &EventFilter) -> Result<(app::EventFilter, Option<Username>), Error> {
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
        app::EventFilter {
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
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: Scope,
    filter: &EventFilter,
    after: Option<i64>,
    limit: usize,
) -> Result<Page<Event>, Error> {
    let (wanted, user) = parse(filter)?;
    match scope {
        Scope::Own => context.app().own_events(caller, wanted, after, limit),
        Scope::All => context
            .app()
            .all_events(caller, user.as_ref(), wanted, after, limit),
    }
}

fn list(context: &RequestContext<'_>, caller: &Caller, scope: Scope) -> Answer {
    let filter = typed(context);
    let after = query(context, "after").and_then(|text| text.parse().ok());
    let (status, events, older, errors) = match fetch(context, caller, scope, &filter, after, ROWS)
    {
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
    Ok(page(status, pages::list(&frame(context, caller), &view)))
}

/// The lines of a download, generated while they are read: only one page of the log is in memory.
struct Lines {
    download: Download,
    bytes: Cursor<Vec<u8>>,
    /// The start of the next page; `None` at the end.
    after: Option<i64>,
}

impl Lines {
    fn begin(download: Download) -> Result<Self, Error> {
        let first = download.next_page(None, EXPORT_PART)?;
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
            serde_json::to_writer(&mut bytes, &EventOut::new(event))
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
            // An error cuts off the answer, so that it never looks complete.
            self.download
                .next_page(Some(after), EXPORT_PART)
                .and_then(|part| self.fill(&part))
                .map_err(|error| std::io::Error::other(error.to_string()))?;
        }
    }
}

/// JSON lines, newest first.
fn export(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: Scope,
) -> Result<Response, Problem> {
    let (filter, user) = parse(&typed(context))?;
    let scope = match scope {
        Scope::Own => DownloadScope::Own,
        Scope::All => DownloadScope::All(user),
    };
    let lines = Lines::begin(context.app().begin_download(caller, scope, filter)?)?;
    let mut response = headers::bytes_of("application/jsonl", 200, Vec::new());
    response.data = ResponseBody::from_reader(lines);
    response.headers.push((
        "Content-Disposition".into(),
        "attachment; filename=\"keycroft-events.jsonl\"".into(),
    ));
    Ok(response)
}

pub fn own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    list(context, caller, Scope::Own)
}

pub fn all(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    list(context, caller, Scope::All)
}

pub fn export_own(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    export(context, caller, Scope::Own)
}

pub fn export_all(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    export(context, caller, Scope::All)
}
