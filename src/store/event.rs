//! The table `events`: the audit log and its chain.

use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::read::{Page, Select};
use super::user::rows;
use crate::model::audit_chain::ChainHead;
use crate::model::caller::Permit;
use crate::model::error::Error;
use crate::model::event::{
    Action, Actor, AuditDetails, Event, Origin, Outcome, chain_start, encode_words,
};
use crate::model::secret::Digest;
use crate::model::text::{cut, sanitize};
use crate::model::time::Time;
use crate::model::user::UserId;

/// The filter of a list of events; `None` does not limit it.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Acts by this user or on their account and credentials.
    pub user: Option<UserId>,
    pub action: Option<String>,
    /// Acts on one target: an id, or the name of a target without one.
    pub target: Option<String>,
    /// The first second, inclusive.
    pub since: Option<Time>,
    /// The last second, exclusive.
    pub until: Option<Time>,
}

/// The result of verifying the complete chain.
#[derive(Debug)]
pub enum Verdict {
    Whole {
        /// The last archived event, from which the stored chain continues.
        archived: ChainHead,
        /// The last event.
        head: ChainHead,
    },
    /// The first event that does not match the hash of the one before it.
    Broken { number: i64 },
}

pub(super) const COLUMNS: &str = "number, at, action, outcome, channel, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, \
    address, program, request_id, before, after, hash";
/// Longest stored id and name of a target: a target can come from the path of a request.
const TARGET_CHARACTERS_MAX: usize = 128;
/// Longest stored user agent.
const PROGRAM_CHARACTERS_MAX: usize = 200;

pub(super) fn read_event(row: &Row<'_>) -> rusqlite::Result<(Event, Option<Digest>)> {
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

/// An event without a number, ready to append.
pub(super) fn new_event(
    at: Time,
    action: &str,
    actor: &Actor,
    origin: &Origin,
    outcome: Outcome,
    details: &AuditDetails,
) -> Event {
    Event {
        number: 0,
        at,
        action: action.to_owned(),
        outcome: outcome.as_str().to_owned(),
        channel: origin.channel.as_str().to_owned(),
        actor: actor.name.clone(),
        actor_user: actor.user,
        credential: actor.credential.map(|id| id.to_string()),
        target_kind: details.target.kind.to_owned(),
        target_id: cut(&details.target.id, TARGET_CHARACTERS_MAX),
        target_name: cut(&details.target.name, TARGET_CHARACTERS_MAX),
        target_owner: details.target.owner,
        address: origin.address.map(|address| address.to_string()),
        program: origin
            .program
            .as_deref()
            .map(|program| sanitize(program, PROGRAM_CHARACTERS_MAX)),
        request_id: origin.request_id.clone(),
        before: encode_words(&details.before),
        after: encode_words(&details.after),
    }
}

impl Select {
    /// Appends the event of an act that succeeded.
    pub(super) fn add_event(
        &self,
        permit: &Permit,
        actor: &Actor,
        details: &AuditDetails,
    ) -> Result<(), Error> {
        self.add_done(permit.now, permit.action, actor, &permit.origin, details)
    }

    /// Appends the event of an act that is part of another.
    pub(super) fn add_done(
        &self,
        at: Time,
        action: Action,
        actor: &Actor,
        origin: &Origin,
        details: &AuditDetails,
    ) -> Result<(), Error> {
        let event = new_event(at, action.as_str(), actor, origin, Outcome::Done, details);
        self.append(event).map(|_| ())
    }

    /// Appends an event after the last one visible in this transaction. Returns its number.
    pub(super) fn append(&self, mut event: Event) -> Result<i64, Error> {
        let last = self.one(
            "SELECT number, hash FROM events ORDER BY number DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)),
        )?;
        let previous = match last {
            Some((number, hash)) => ChainHead {
                number,
                hash: Digest::from_stored(&hash).unwrap_or_else(chain_start),
            },
            None => self.archived()?,
        };
        event.number = previous.number + 1;
        let hash = event.chained(&previous.hash);
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
        Ok(event.number)
    }

    /// Events, newest first; `after` is [`Page::next`] of the previous page.
    pub fn events(
        &self,
        filter: &EventFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        let mut conditions = vec!["number < ?"];
        let mut values = vec![Value::from(after.unwrap_or(i64::MAX))];
        // Few events have one target. The plus signs keep SQLite from other indexes and from a scan of the log.
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
            // The newest by each index, then the newest of both. One condition with OR would sort all events of a user
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
        Ok(Page::new(events, limit, |event| event.number.to_string()))
    }

    /// Verifies the complete chain. Calls `visit` with the start and with the place of each event.
    pub fn verify_events(&self, mut visit: impl FnMut(&ChainHead)) -> Result<Verdict, Error> {
        let archived = self.archived()?;
        let mut statement = self.statement(&format!(
            "SELECT {COLUMNS} FROM events WHERE number > ? ORDER BY number"
        ))?;
        let mut found = statement.query([archived.number])?;
        let mut head = archived;
        visit(&head);
        while let Some(row) = found.next()? {
            let (event, stored) = read_event(row)?;
            let Some(next) = stored.and_then(|stored| head.followed_by(&event, &stored)) else {
                return Ok(Verdict::Broken {
                    number: head.number + 1,
                });
            };
            head = next;
            visit(&head);
        }
        if self.has_unexplained_archive(&archived)? {
            return Ok(Verdict::Broken {
                number: archived.number,
            });
        }
        Ok(Verdict::Whole { archived, head })
    }
}
