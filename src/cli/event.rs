//! `keycroft event`: reading the audit log.

use clap::{Args, Subcommand};

use super::client::Client;
use super::target::TargetArguments;
use crate::clock::Clock;
use crate::model::text::percent_encode;
use crate::model::time::{Time, parse_duration};
use crate::terminal::exit::{FORBIDDEN, Failure, INVALID, NOT_FOUND};
use crate::terminal::output::{self, Cell};
use crate::wire::EventOut;

/// Events of one request.
const PART: usize = 200;
/// Default number of listed events.
const LIST: usize = 50;

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct EventArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: EventCommand,
}

#[derive(Subcommand)]
enum EventCommand {
    /// List events, newest first
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        filter: FilterArguments,
        /// Maximum number of events
        #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = LIST)]
        limit: usize,
    },
    /// Show an event
    Show {
        /// Number of the event
        number: i64,
    },
    /// Print events as JSON, one per line, newest first
    Export {
        #[command(flatten)]
        filter: FilterArguments,
    },
}

#[derive(Args)]
struct FilterArguments {
    /// Only this action, such as api-key.create
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only events of this object: id of a credential, SSH key or host; name of a user, group or service
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Only events since a time such as 2026-11-22T15:04:05Z, or a duration before now, such as 24h
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only events until a time, in the same form
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only events by or on this user (admin)
    #[arg(long, value_name = "USERNAME", conflicts_with = "all")]
    user: Option<String>,
    /// Include events of all users, not only yours (admin); always on with --db
    #[arg(long)]
    all: bool,
}

/// The parsed filter.
struct EventQuery {
    action: Option<String>,
    target: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
    user: Option<String>,
    all: bool,
}

impl FilterArguments {
    fn parse(self) -> Result<EventQuery, Failure> {
        let now = Clock::System.now();
        let time = |name: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => match (Time::parse(&text), parse_duration(&text)) {
                (Ok(time), _) => Ok(Some(time)),
                (_, Ok(ago)) => Ok(Some(now.before(ago))),
                (Err(message), Err(_)) => Err(Failure::new(
                    INVALID,
                    format!("{name}: {message}, or a duration before now, such as 24h"),
                )),
            },
        };
        Ok(EventQuery {
            action: self.action,
            target: self.target,
            since: time("--since", self.since)?,
            until: time("--until", self.until)?,
            user: self.user,
            all: self.all,
        })
    }
}

/// `keycroft event`.
pub fn run_event(arguments: EventArguments) -> Result<(), Failure> {
    match arguments.command {
        EventCommand::List { filter, limit } => {
            let wanted = filter.parse()?;
            list_events(&arguments.place.client()?, &wanted, limit)
        }
        EventCommand::Show { number } => show_event(&arguments.place.client()?, number),
        EventCommand::Export { filter } => {
            let wanted = filter.parse()?;
            let client = arguments.place.client()?;
            for_each_event(&client, &wanted, usize::MAX, |_, text| {
                client.format().print_json(text)
            })
        }
    }
}

fn list_events(client: &Client, wanted: &EventQuery, limit: usize) -> Result<(), Failure> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let now = Clock::System.now();
    let json = client.format().is_json();
    for_each_event(client, wanted, limit, |event, text| {
        if json {
            texts.push(text.to_owned());
        } else {
            rows.push(row(event, now));
        }
        Ok(())
    })?;
    if json {
        return client.format().print_json(&format!(
            "{{\"items\":[{}],\"next\":null}}",
            texts.join(",")
        ));
    }
    output::list_table(client.format(), &HEADINGS, &rows, "no events")
}

fn show_event(client: &Client, number: i64) -> Result<(), Failure> {
    let missing = || {
        Failure::new(
            NOT_FOUND,
            format!("event {number} not found, or not visible to you"),
        )
        .hint("keycroft event list")
    };
    // The list continues after the event with the next number.
    let after = number
        .checked_add(1)
        .filter(|after| *after > 1)
        .ok_or_else(missing)?;
    let path = format!("/api/v1/events?limit=1&after={after}");
    let all = client.list_page(&format!("{path}&all=true"));
    let (listed, _next) = match all {
        // Without audit:read there are one's own events.
        Err(failure) if failure.code == FORBIDDEN => client.list_page(&path)?,
        other => other?,
    };
    let events: Vec<EventOut> = listed.parse()?;
    let found = events
        .iter()
        .zip(listed.raw())
        .find(|(event, _)| event.number == number);
    let (event, text) = found.ok_or_else(missing)?;
    if client.format().is_json() {
        return client.format().print_json(text);
    }
    let changes = |values: &std::collections::BTreeMap<String, String>| -> Cell {
        let pairs = values.iter().map(|(name, value)| format!("{name}={value}"));
        Cell::words(&pairs.collect::<Vec<_>>())
    };
    let mut rows: Vec<(&str, Cell)> = HEADINGS.into_iter().zip(row(event, client.now())).collect();
    rows.push(("user agent", Cell::maybe(event.program.as_deref())));
    rows.push(("request id", Cell::maybe(event.request_id.as_deref())));
    rows.push(("before", changes(&event.before)));
    rows.push(("after", changes(&event.after)));
    output::record(client.format(), &rows)
}

const HEADINGS: [&str; 10] = [
    "number", "when", "action", "outcome", "by", "with", "on", "name", "channel", "address",
];

fn row(event: &EventOut, now: Time) -> Vec<Cell> {
    vec![
        event.number.to_string().into(),
        Cell::time(Some(&event.at), "-", now),
        event.action.as_str().into(),
        event.outcome.as_str().into(),
        event.actor.as_str().into(),
        Cell::maybe(event.credential.as_deref()),
        format!("{} {}", event.target.kind, event.target.id).into(),
        event.target.name.as_str().into(),
        event.channel.as_str().into(),
        Cell::maybe(event.address.as_deref()),
    ]
}

/// Passes events on, page by page: a log of any length takes little memory.
fn for_each_event(
    client: &Client,
    wanted: &EventQuery,
    limit: usize,
    mut take: impl FnMut(&EventOut, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    let mut left = limit;
    while left > 0 {
        let part = left.min(PART);
        let (listed, next) = client.list_page(&format!(
            "/api/v1/events{}",
            query(wanted, part, after.as_deref())
        ))?;
        let events: Vec<EventOut> = listed.parse()?;
        for (event, text) in events.iter().zip(listed.raw()) {
            take(event, text)?;
        }
        left = left.saturating_sub(events.len());
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

fn query(wanted: &EventQuery, limit: usize, after: Option<&str>) -> String {
    let mut query = format!("?limit={limit}");
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", percent_encode(&value)));
        }
    };
    add("after", after.map(str::to_owned));
    add("action", wanted.action.clone());
    add("target", wanted.target.clone());
    add("since", wanted.since.map(|time| time.to_string()));
    add("until", wanted.until.map(|time| time.to_string()));
    add("user", wanted.user.clone());
    add("all", wanted.all.then(|| "true".to_owned()));
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_may_be_a_duration_before_now() {
        let filter = |since: &str| {
            FilterArguments {
                action: None,
                target: None,
                since: Some(since.into()),
                until: None,
                user: None,
                all: false,
            }
            .parse()
        };
        let since = filter("24h").ok().unwrap().since.unwrap();
        let now = Clock::System.now();
        assert!(now.since(since) >= std::time::Duration::from_secs(86_400));
        assert_eq!(
            filter("2026-11-22T15:04:05Z")
                .ok()
                .unwrap()
                .since
                .unwrap()
                .to_string(),
            "2026-11-22T15:04:05Z"
        );
        assert!(filter("yesterday").is_err());
    }
}
