//! `/events` and `/admin/events`.

use std::io::{Cursor, Read};

use rouille::{Response, ResponseBody};

use super::{Answer, form, frame, page, query};
use crate::desk::{self, Download, Page};
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
/// Events in one download.
const EXPORT_MAX: usize = 100_000;
/// Events fetched at once for a download.
const EXPORT_PART: usize = 1_000;

fn typed(ask: &Ask<'_>) -> EventFilter {
    let text = |name| query(ask, name).unwrap_or_default().trim().to_owned();
    EventFilter {
        action: text("action"),
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
    let action = (!filter.action.is_empty()).then(|| filter.action.clone());
    Ok((
        desk::EventFilter {
            user: None,
            action,
            target: None,
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

/// The lines of a download, whose turn lasts until they are sent.
struct Lines {
    bytes: Cursor<Vec<u8>>,
    _turn: Download,
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.bytes.read(into)
    }
}

/// JSON lines, newest first.
fn export(ask: &Ask<'_>, caller: &Caller, scope: Scope) -> Result<Response, Problem> {
    let filter = typed(ask);
    let turn = ask.desk().begin_download(caller)?;
    let mut lines = Vec::new();
    let mut after = None;
    let mut count = 0;
    loop {
        let found = fetch(ask, caller, scope, &filter, after, EXPORT_PART)?;
        for event in &found.items {
            serde_json::to_writer(&mut lines, &EventOut::of(event))
                .map_err(|error| Error::Fault(error.to_string()))?;
            lines.push(b'\n');
        }
        count += found.items.len();
        after = found.next.and_then(|next| next.parse().ok());
        if after.is_none() || count >= EXPORT_MAX {
            break;
        }
    }
    let size = lines.len();
    let lines = Lines {
        bytes: Cursor::new(lines),
        _turn: turn,
    };
    let mut response = headers::bytes_of("application/jsonl", 200, Vec::new());
    response.data = ResponseBody::from_reader_and_size(lines, size);
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
