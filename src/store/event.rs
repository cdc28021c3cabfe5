//! The table `events`: the audit log and its chain.

use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::read::{Page, Select};
use super::user::rows;
use crate::model::caller::Permit;
use crate::model::error::Error;
use crate::model::event::{Actor, AuditDetails, Event, Origin, Outcome, chain_start, encode_words};
use crate::model::secret::Digest;
use crate::model::text::sanitize;
use crate::model::time::Time;
use crate::model::user::UserId;

/// Which events a list is about; what is `None` does not limit it.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Those by this user or on something of theirs.
    pub user: Option<UserId>,
    pub action: Option<String>,
    /// Those on one thing: an id, or a name of what has none.
    pub target: Option<String>,
    /// From this second on.
    pub since: Option<Time>,
    /// Up to and without this second.
    pub until: Option<Time>,
}

/// What going through the whole chain found.
#[derive(Debug)]
pub enum Verdict {
    /// How many events there are, and the hash of the last, in hexadecimal.
    Whole { events: i64, head: String },
    /// The first event that does not follow from what stands before it.
    Broken { number: i64 },
}

const COLUMNS: &str = "number, at, action, outcome, channel, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, \
    address, program, request_id, before, after, hash";
/// Longest program name kept.
const PROGRAM_CHARACTERS_MAX: usize = 200;

fn read_event(row: &Row<'_>) -> rusqlite::Result<(Event, Option<Digest>)> {
    let user = |column: usize| -> rusqlite::Result<Option<UserId>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(UserId))
    };
    let event = Event {
        number: row.get(0)?,
        at: Time::from_unix(row.get(1)?),
        action: row.get(2)?,
        outcome: row.get(3)?,
        channel: row.get(4)?,
        actor: row.get(5)?,
        actor_user: user(6)?,
        credential: row.get(7)?,
        target_kind: row.get(8)?,
        target_id: row.get(9)?,
        target_name: row.get(10)?,
        target_owner: user(11)?,
        address: row.get(12)?,
        program: row.get(13)?,
        request_id: row.get(14)?,
        before: row.get(15)?,
        after: row.get(16)?,
    };
    Ok((event, Digest::from_stored(row.get_ref(17)?.as_blob()?)))
}

impl Select {
    /// Appends an event behind the last one of the file as it is inside this transaction.
    pub(super) fn add_event(
        &self,
        permit: &Permit,
        actor: &Actor,
        outcome: Outcome,
        trace: &AuditDetails,
    ) -> Result<(), Error> {
        self.append(
            permit.now,
            permit.action.as_str(),
            actor,
            &permit.origin,
            outcome,
            trace,
        )
    }

    pub(super) fn append(
        &self,
        at: Time,
        action: &str,
        actor: &Actor,
        origin: &Origin,
        outcome: Outcome,
        trace: &AuditDetails,
    ) -> Result<(), Error> {
        let last = self.one(
            "SELECT number, hash FROM events ORDER BY number DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)),
        )?;
        let (number, previous) = match last {
            Some((number, hash)) => (
                number + 1,
                Digest::from_stored(&hash).unwrap_or_else(chain_start),
            ),
            None => (1, chain_start()),
        };
        let event = Event {
            number,
            at,
            action: action.to_owned(),
            outcome: outcome.as_str().to_owned(),
            channel: origin.channel.as_str().to_owned(),
            actor: actor.name.clone(),
            actor_user: actor.user,
            credential: actor.credential.map(|id| id.to_string()),
            target_kind: trace.target.kind.to_owned(),
            target_id: trace.target.id.clone(),
            target_name: trace.target.name.clone(),
            target_owner: trace.target.owner,
            address: origin.address.map(|address| address.to_string()),
            program: origin
                .program
                .as_deref()
                .map(|program| sanitize(program, PROGRAM_CHARACTERS_MAX)),
            request_id: origin.request_id.clone(),
            before: encode_words(&trace.before),
            after: encode_words(&trace.after),
        };
        let hash = event.chained(&previous);
        let sql = format!(
            "INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        self.execute(
            &sql,
            params![
                event.number,
                event.at.unix(),
                event.action,
                event.outcome,
                event.channel,
                event.actor,
                event.actor_user.map(|user| user.0),
                event.credential,
                event.target_kind,
                event.target_id,
                event.target_name,
                event.target_owner.map(|user| user.0),
                event.address,
                event.program,
                event.request_id,
                event.before,
                event.after,
                hash.as_bytes(),
            ],
        )?;
        Ok(())
    }

    /// Events, newest first; `after` is what [`Page::next`] said.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn events(
        &self,
        filter: &EventFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        let mut conditions = vec!["number < ?"];
        let mut values = vec![Value::from(after.unwrap_or(i64::MAX))];
        // Few events are on one thing: the others' indexes, and the way along the whole log, are barred with a plus.
        let (source, plain) = match &filter.target {
            Some(target) => {
                conditions.push("target_id = ?");
                values.push(Value::from(target.clone()));
                ("events INDEXED BY events_by_target", "+")
            }
            None => ("events", ""),
        };
        let action = format!("{plain}action = ?");
        if let Some(word) = &filter.action {
            conditions.push(&action);
            values.push(Value::from(word.clone()));
        }
        if let Some(since) = filter.since {
            conditions.push("at >= ?");
            values.push(Value::from(since.unix()));
        }
        if let Some(until) = filter.until {
            conditions.push("at < ?");
            values.push(Value::from(until.unix()));
        }
        if let (Some(user), Some(_)) = (filter.user, &filter.target) {
            conditions.push("(+actor_user_id = ? OR +target_owner_id = ?)");
            values.extend([Value::from(user.0), Value::from(user.0)]);
        }
        values.push(Value::from(rows(limit)));
        let conditions = conditions.join(" AND ");
        let mut source = format!("{source} WHERE {conditions}");
        if let (Some(user), None) = (filter.user, &filter.target) {
            // The newest by each index, then the newest of both: one condition with OR would sort all that a user ever did,
            // for every page.
            let by = |column: &str| {
                format!(
                    "SELECT number FROM (SELECT number FROM events WHERE {column} = ? AND {conditions} ORDER BY number DESC LIMIT ?)"
                )
            };
            source = format!(
                "events WHERE number IN ({} UNION {})",
                by("actor_user_id"),
                by("target_owner_id")
            );
            let mut once = vec![Value::from(user.0)];
            once.append(&mut values);
            values = [once.clone(), once].concat();
            values.push(Value::from(rows(limit)));
        }
        let sql = format!("SELECT {COLUMNS} FROM {source} ORDER BY number DESC LIMIT ?");
        let events = self.all(&sql, params_from_iter(values), |row| {
            read_event(row).map(|(event, _)| event)
        })?;
        Ok(Page::of(events, limit, |event| event.number.to_string()))
    }

    /// Goes through the whole chain.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn verify_events(&self) -> Result<Verdict, Error> {
        let mut statement =
            self.statement(&format!("SELECT {COLUMNS} FROM events ORDER BY number"))?;
        let mut found = statement.query([])?;
        let mut head = chain_start();
        let mut number = 0;
        while let Some(row) = found.next()? {
            number += 1;
            let (event, stored) = read_event(row)?;
            let hash = event.chained(&head);
            if event.number != number || !stored.is_some_and(|stored| stored.matches(&hash)) {
                return Ok(Verdict::Broken { number });
            }
            head = hash;
        }
        Ok(Verdict::Whole {
            events: number,
            head: head.hex(),
        })
    }
}

impl super::Store {
    /// Notes an act that was refused before it could be begun.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::StorageFull`] when it could not be written.
    pub fn note_refusal(
        &self,
        at: Time,
        action: &'static str,
        actor: Actor,
        origin: Origin,
        trace: AuditDetails,
    ) -> Result<(), Error> {
        self.note(move |select| {
            select.append(at, action, &actor, &origin, Outcome::Refused, &trace)
        })
    }
}
