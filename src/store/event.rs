//! The table `events`: the audit log and its chain.

use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::read::{Page, Select};
use super::row::{position, rows};
use super::search::fold;
use crate::model::audit_chain::ChainHead;
use crate::model::caller::Permit;
use crate::model::error::Error;
use crate::model::event::{
    Action, Actor, AuditDetails, Event, Origin, Outcome, chain_start, encode_words,
};
use crate::model::event_action::{all_names, is_group};
use crate::model::secret::Digest;
use crate::model::text::{sanitize, truncate};
use crate::model::time::Time;
use crate::model::user::UserId;

/// The filter of a list of events; `None` does not limit it.
#[derive(Debug, Clone, Default)]
pub struct EventCondition {
    /// Acts by this user or on their account and credentials.
    pub user: Option<UserId>,
    /// Those by a service, a host or the operator of this name.
    pub actor: Option<String>,
    /// An action, under all its names, or a group of actions.
    pub action: Option<String>,
    pub outcome: Option<Outcome>,
    /// Part of the text of an event, in any case.
    pub text: Option<String>,
    /// Those on one thing: an id, or a name of what has none.
    pub target: Option<String>,
    /// The first second, inclusive.
    pub since: Option<Time>,
    /// The last second, exclusive.
    pub until: Option<Time>,
}

/// Events that a search for text looks at, for one page.
const SEARCHED_MAX: i64 = 100_000;
/// Events that are counted at most.
const COUNTED_MAX: i64 = 1_000;
/// The texts that a search compares.
const SEARCHED: &str = "actor, target_name, target_id, address, program, action, before, after";

/// The result of checking the complete chain.
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
    const fn column(name: &str) -> usize {
        position(COLUMNS, name)
    }
    let user = |at: usize| -> rusqlite::Result<Option<UserId>> {
        Ok(row.get::<_, Option<i64>>(at)?.map(UserId))
    };
    let event = Event {
        number: row.get(const { column("number") })?,
        at: Time::from_unix(row.get(const { column("at") })?),
        action: row.get(const { column("action") })?,
        outcome: row.get(const { column("outcome") })?,
        channel: row.get(const { column("channel") })?,
        actor: row.get(const { column("actor") })?,
        actor_user: user(const { column("actor_user_id") })?,
        credential: row.get(const { column("credential_id") })?,
        target_kind: row.get(const { column("target_kind") })?,
        target_id: row.get(const { column("target_id") })?,
        target_name: row.get(const { column("target_name") })?,
        target_owner: user(const { column("target_owner_id") })?,
        address: row.get(const { column("address") })?,
        program: row.get(const { column("program") })?,
        request_id: row.get(const { column("request_id") })?,
        before: row.get(const { column("before") })?,
        after: row.get(const { column("after") })?,
    };
    Ok((
        event,
        Digest::from_stored(row.get_ref(const { column("hash") })?.as_blob()?),
    ))
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
        target_id: truncate(&details.target.id, TARGET_CHARACTERS_MAX),
        target_name: truncate(&details.target.name, TARGET_CHARACTERS_MAX),
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

    /// The names of actions in the log that a filter stands for.
    fn action_names(&self, word: &str) -> Result<Vec<String>, Error> {
        if !is_group(word) {
            return Ok(all_names(word).into_iter().map(str::to_owned).collect());
        }
        // From one name in the index to the next: how often each was done does not matter.
        let sql = "WITH RECURSIVE names (name) AS (SELECT min(action) FROM events WHERE action >= ?1 || '.' \
                   UNION ALL SELECT (SELECT min(action) FROM events WHERE action > name) FROM names WHERE name < ?1 || '/') \
                   SELECT name FROM names WHERE name < ?1 || '/'";
        let mut names = self.all(sql, [word], |row| row.get(0))?;
        names.push(word.to_owned());
        Ok(names)
    }

    /// The rows that match a filter before the event `before`, newest first if `limit` cuts them.
    fn matching(
        &self,
        filter: &EventCondition,
        before: i64,
        limit: i64,
    ) -> Result<(String, Vec<Value>), Error> {
        let mut conditions = vec!["number < ?".to_owned()];
        let mut values = vec![Value::from(before)];
        let mut require = |condition: &str, value: Value| {
            conditions.push(condition.to_owned());
            values.push(value);
        };
        if let Some(since) = filter.since {
            require("at >= ?", since.unix().into());
        }
        if let Some(until) = filter.until {
            require("at < ?", until.unix().into());
        }
        if let Some(outcome) = filter.outcome {
            require("outcome = ?", outcome.as_str().to_owned().into());
        }
        if let Some(actor) = &filter.actor {
            require("actor = ?", actor.clone().into());
        }
        if let Some(text) = &filter.text {
            require("number >= ?", before.saturating_sub(SEARCHED_MAX).into());
            require(&format!("matches_text(?, {SEARCHED})"), fold(text).into());
        }
        // Few events are on one thing: the others' indexes, and the scan of the complete log, are barred with a plus.
        let mut source = "events";
        if let Some(target) = &filter.target {
            source = "events INDEXED BY events_by_target";
            require("target_id = ?", target.clone().into());
        }
        let names = match &filter.action {
            Some(word) => self.action_names(word)?,
            None => Vec::new(),
        };
        // Each alternative has an index that gives its newest; of these the newest are taken. One condition with OR would
        // sort all that a user ever did, for every page.
        let mut alternatives: Vec<(&str, Value)> = Vec::new();
        match (filter.user, &filter.target) {
            (Some(user), Some(_)) => {
                conditions.push("(+actor_user_id = ? OR +target_owner_id = ?)".to_owned());
                values.extend([Value::from(user.0), Value::from(user.0)]);
            }
            (Some(user), None) => {
                alternatives.push(("actor_user_id", user.0.into()));
                alternatives.push(("target_owner_id", user.0.into()));
            }
            (None, Some(_)) => {}
            (None, None) => {
                alternatives.extend(names.iter().map(|name| ("action", name.clone().into())));
            }
        }
        let is_indexed = alternatives.iter().any(|(column, _)| *column == "action");
        if !names.is_empty() && !is_indexed {
            let places = vec!["?"; names.len()].join(", ");
            conditions.push(format!("+action IN ({places})"));
            values.extend(names.into_iter().map(Value::from));
        }
        let conditions = conditions.join(" AND ");
        if alternatives.is_empty() {
            return Ok((format!("{source} WHERE {conditions}"), values));
        }
        let mut parts = Vec::new();
        let mut all = Vec::new();
        for (column, value) in alternatives {
            parts.push(format!(
                "SELECT number FROM (SELECT number FROM events WHERE {column} = ? AND {conditions} ORDER BY number DESC LIMIT ?)"
            ));
            all.push(value);
            all.extend(values.iter().cloned());
            all.push(limit.into());
        }
        Ok((
            format!("events WHERE number IN ({})", parts.join(" UNION ")),
            all,
        ))
    }

    /// Events, newest first; `after` is what [`Page::next`] said. A search for text looks at a part of the log: `next` goes
    /// on behind it, also when nothing was found in it.
    pub fn events(
        &self,
        filter: &EventCondition,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        let before = match (after, &filter.text) {
            (Some(after), _) => after,
            (None, None) => i64::MAX,
            (None, Some(_)) => self.last_event_number()? + 1,
        };
        let (source, mut values) = self.matching(filter, before, rows(limit))?;
        values.push(rows(limit).into());
        let sql = format!("SELECT {COLUMNS} FROM {source} ORDER BY number DESC LIMIT ?");
        let events = self.all(&sql, params_from_iter(values), |row| {
            read_event(row).map(|(event, _)| event)
        })?;
        let mut page = Page::new(events, limit, |event| event.number.to_string());
        let behind = before.saturating_sub(SEARCHED_MAX);
        if filter.text.is_some() && page.next.is_none() && behind > 1 {
            page.next = Some(behind.to_string());
        }
        Ok(page)
    }

    /// How many events match, without a search for text; `None`: more than are counted.
    pub fn count_events(&self, filter: &EventCondition) -> Result<Option<i64>, Error> {
        let (source, mut values) = self.matching(filter, i64::MAX, COUNTED_MAX + 1)?;
        values.push((COUNTED_MAX + 1).into());
        // From the newest, which a range usually contains: it may have so many that the older ones need no look.
        let sql =
            format!("SELECT count(*) FROM (SELECT 1 FROM {source} ORDER BY number DESC LIMIT ?)");
        let count = self.count(&sql, params_from_iter(values))?;
        Ok((count <= COUNTED_MAX).then_some(count))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rusqlite::Connection;

    use super::*;
    use crate::store::schema::SCHEMA;

    #[test]
    fn range_with_many_events_is_counted_from_the_newest() {
        let mut connection = Connection::open_in_memory().unwrap();
        let insert = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 20000) \
             INSERT INTO events SELECT n, n, 'api-key.create', 'done', 'api', 'alice', 1, NULL, 'api-key', 'id', 'ci', 1, \
             NULL, NULL, NULL, '', '', zeroblob(32) FROM n";
        connection
            .execute_batch(&format!("{SCHEMA}; {insert}"))
            .unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&steps);
        let count = move || {
            seen.fetch_add(100, Ordering::Relaxed);
            false
        };
        connection.progress_handler(100, Some(count)).unwrap();
        let filter = EventCondition {
            since: Some(Time::from_unix(10_000)),
            ..EventCondition::default()
        };
        assert_eq!(Select::new(connection).count_events(&filter), Ok(None));
        // 1,001 events; the 9,999 before the range would be 50,000 steps.
        let steps = steps.load(Ordering::Relaxed);
        assert!(steps < 20_000, "{steps}");
    }
}
