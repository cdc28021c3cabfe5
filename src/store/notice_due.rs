//! Expirations that are due for a notice, found by the indexes on the expiration, and the table `notices_given`.

use rusqlite::{Row, params};

use super::Store;
use super::read::Select;
use super::row::time;
use crate::model::error::Error;
use crate::model::notice::Notice;
use crate::model::notice_kind::Audience;
use crate::model::notice_message::{ExpiringItem, ItemKind, NoticeMessage};
use crate::model::time::Time;
use crate::model::user::UserId;

/// Items in one transaction: other writes wait for at most one.
const BATCH: i64 = 50;
/// Seconds of a day.
const DAY: i64 = 86_400;
/// How long `notices_given` remembers a notice after its moment, in seconds.
const GIVEN_KEPT_SECONDS: i64 = 400 * DAY;

/// A source of expirations. `?1` and `?2`: expiration and row of the item before; `?3`: the last expiration; `?4`: the
/// threshold in days; `?5`: the limit.
struct Expiring {
    kind: ItemKind,
    table: &'static str,
    /// A condition that selects the index.
    of_index: &'static str,
    columns: &'static str,
    joins: &'static str,
    conditions: &'static str,
}

const SOURCES: [Expiring; 3] = [
    Expiring {
        kind: ItemKind::Credential,
        table: "credentials",
        of_index: "x.kind = 'api-key'",
        columns: "x.id, x.name, coalesce(u.username, s.name), x.user_id",
        joins: "LEFT JOIN users u ON u.id = x.user_id LEFT JOIN services s ON s.id = x.service_id",
        conditions: "x.deleted_at IS NULL AND x.disabled_at IS NULL AND u.disabled_at IS NULL",
    },
    Expiring {
        kind: ItemKind::SshKey,
        table: "ssh_keys",
        of_index: "1",
        columns: "x.id, x.name, u.username, x.user_id",
        joins: "JOIN users u ON u.id = x.user_id",
        conditions: "u.disabled_at IS NULL",
    },
    Expiring {
        kind: ItemKind::Code,
        table: "codes",
        of_index: "1",
        columns: "x.id, '', '', NULL",
        joins: "",
        conditions: "x.purpose = 'enrollment' AND x.uses_left > 0",
    },
];

impl Expiring {
    /// The query for items that reach a threshold.
    fn due_sql(&self) -> String {
        let Self {
            table,
            of_index,
            columns,
            joins,
            conditions,
            ..
        } = self;
        format!(
            "SELECT {columns}, x.expires_at, x.rowid FROM {table} x {joins} \
             WHERE {of_index} AND (x.expires_at, x.rowid) > (?1, ?2) AND x.expires_at <= ?3 AND {conditions} \
             AND NOT EXISTS (SELECT 1 FROM notices_given g WHERE g.item = x.id AND g.threshold = ?4 AND g.moment = x.expires_at) \
             ORDER BY x.expires_at, x.rowid LIMIT ?5"
        )
    }

    /// The query for the next expiration after `?1`.
    fn next_sql(&self) -> String {
        let (table, of_index) = (self.table, self.of_index);
        format!("SELECT min(x.expires_at) FROM {table} x WHERE {of_index} AND x.expires_at > ?1")
    }

    fn read(&self, row: &Row<'_>) -> rusqlite::Result<(ExpiringItem, Option<UserId>, i64)> {
        let user = row.get::<_, Option<i64>>(3)?.map(UserId);
        let item = ExpiringItem {
            kind: self.kind,
            id: row.get(0)?,
            name: row.get(1)?,
            owner: row.get(2)?,
            is_of_service: self.kind == ItemKind::Credential && user.is_none(),
            expires_at: Time::from_unix(row.get(4)?),
        };
        Ok((item, user, row.get(5)?))
    }
}

/// The end of a batch, where the next one begins.
#[derive(Clone, Copy)]
struct BatchEnd {
    /// The place of the source and of the threshold in their lists.
    search: (usize, usize),
    expires_at: i64,
    row: i64,
}

/// The expirations that reach a threshold between two searches. An item past a later threshold is left to that one.
fn window(threshold: Notice, since: i64, now: i64) -> (i64, i64) {
    let days = |threshold: Notice| DAY * i64::from(threshold.days());
    let later = match threshold {
        Notice::Day => 0,
        Notice::Week => days(Notice::Day),
        Notice::Fortnight => days(Notice::Week),
    };
    let reach = days(threshold);
    ((now + later).max(since + reach), now + reach)
}

impl Select {
    fn noticed_until(&self) -> Result<i64, Error> {
        let sql = "SELECT noticed_until FROM installation";
        Ok(self
            .one(sql, [], |row| row.get::<_, Option<i64>>(0))?
            .flatten()
            .unwrap_or(0))
    }

    /// Adds notices for one batch of expirations. Returns its end; `None` when nothing was left to do.
    fn enqueue_expirations(
        &self,
        now: Time,
        before: Option<BatchEnd>,
    ) -> Result<Option<BatchEnd>, Error> {
        // A clock that was set back: everything since then is searched again, and `notices_given` prevents repetition.
        let until = self.noticed_until()?;
        let since = if until > now.unix() { 0 } else { until };
        let mut left = BATCH;
        for (at_source, source) in SOURCES.iter().enumerate() {
            let sql = source.due_sql();
            for (at_threshold, threshold) in Notice::ALL.into_iter().enumerate() {
                let search = (at_source, at_threshold);
                let (from, to) = window(threshold, since, now.unix());
                let (from, row) = match before {
                    Some(end) if search < end.search => continue,
                    Some(end) if search == end.search => (end.expires_at, end.row),
                    _ => (from, i64::MAX),
                };
                let days = threshold.days();
                let found = self.all(&sql, params![from, row, to, days, left], |row| {
                    source.read(row)
                })?;
                left -= i64::try_from(found.len()).unwrap_or(left);
                let mut end = None;
                for (item, user, row) in found {
                    let expires_at = item.expires_at.unix();
                    end = Some(BatchEnd {
                        search,
                        expires_at,
                        row,
                    });
                    self.give_notice(&item.id.clone(), days, expires_at)?;
                    let message = NoticeMessage::expiration(item, now);
                    match (message.kind.audience(), user) {
                        (Audience::Owner, Some(user)) => {
                            self.enqueue_for_user(user, &message, now)?
                        }
                        _ => self.enqueue_for_admins(&message, now)?,
                    };
                }
                if left <= 0 {
                    return Ok(end);
                }
            }
        }
        let sql = "UPDATE installation SET noticed_until = ?1 WHERE noticed_until IS NOT ?1";
        self.execute(sql, [now.unix()])?;
        let sql = "DELETE FROM notices_given WHERE threshold > 0 AND moment < ?";
        self.execute(sql, [now.unix() - GIVEN_KEPT_SECONDS])?;
        Ok(None)
    }

    /// Records that a notice was created. Returns false if that was recorded for the same moment before.
    pub(super) fn give_notice(
        &self,
        item: &str,
        threshold: u32,
        moment: i64,
    ) -> Result<bool, Error> {
        let sql = "INSERT INTO notices_given (item, threshold, moment) VALUES (?, ?, ?) \
                   ON CONFLICT DO UPDATE SET moment = excluded.moment WHERE moment <> excluded.moment";
        Ok(self.execute(sql, params![item, threshold, moment])? > 0)
    }

    /// The time of the next thing to do: a waiting notice, or an expiration that reaches a threshold.
    pub fn next_notice_at(&self, now: Time) -> Result<Option<Time>, Error> {
        let mut next = self.next_waiting_notice()?;
        for source in &SOURCES {
            let sql = source.next_sql();
            for threshold in Notice::ALL {
                let reach = DAY * i64::from(threshold.days());
                let found = self.one(&sql, [now.unix() + reach], |row| time(row, 0))?;
                let at = found
                    .flatten()
                    .map(|end| Time::from_unix(end.unix() - reach));
                next = match (next, at) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        Ok(next)
    }
}

impl Store {
    /// Adds notices for all expirations that reached a threshold by `now`. Between two batches, `pause` waits; if it
    /// returns false, the rest is left to the next search.
    pub fn enqueue_expirations(
        &self,
        now: Time,
        mut pause: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut end = None;
        loop {
            end = self.note(move |select| select.enqueue_expirations(now, end))?;
            if end.is_none() || !pause() {
                return Ok(());
            }
        }
    }

    /// Adds a notice to the admins, unless one with this item, threshold and moment was added before.
    pub fn enqueue_once(
        &self,
        item: String,
        threshold: u32,
        moment: i64,
        message: NoticeMessage,
        now: Time,
    ) -> Result<(), Error> {
        self.note(move |select| {
            // Without a channel for admins, the notice waits for one.
            if !select.is_notice_given(&item, threshold, moment)?
                && select.enqueue_for_admins(&message, now)? > 0
            {
                select.give_notice(&item, threshold, moment)?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus};

    use super::*;

    /// The steps of the queries when nothing is due, over this many API keys and SSH keys that expire later.
    fn steps(count: i64) -> Vec<i32> {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../schema.sql"))
            .unwrap();
        let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
        let users = "INSERT INTO users (id, subject, username, display_name, role, created_at) VALUES (1, '000000000000', 'bob', 'Bob', 'member', 0)";
        connection.execute(users, []).unwrap();
        let keys = format!(
            "{rows} INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at, expires_at) \
             SELECT printf('%012d', i), 'api-key', 1, 'key ' || i, '', '', zeroblob(32), 0, 100 * 86400 + i FROM n"
        );
        connection.execute(&keys, [count]).unwrap();
        let keys = format!(
            "{rows} INSERT INTO ssh_keys (id, user_id, name, type, bits, key, fingerprint, comment, allowed_addresses, created_at, expires_at) \
             SELECT printf('%012d', i), 1, 'key ' || i, 'ssh-ed25519', 256, '', 'SHA256:' || i, '', '', 0, 100 * 86400 + i FROM n"
        );
        connection.execute(&keys, [count]).unwrap();
        let mut steps = Vec::new();
        for source in &SOURCES {
            for (sql, with) in [
                (source.due_sql(), vec![0, i64::MAX, 14 * DAY, 14, BATCH]),
                (source.next_sql(), vec![14 * DAY]),
            ] {
                let mut statement = connection.prepare(&sql).unwrap();
                let mut rows = statement.query(rusqlite::params_from_iter(with)).unwrap();
                while rows.next().unwrap().is_some() {}
                drop(rows);
                steps.push(statement.get_status(StatementStatus::VmStep));
            }
        }
        steps
    }

    #[test]
    fn due_query_costs_the_same_with_100000_credentials() {
        let few = steps(1_000);
        assert!(few.iter().all(|steps| (1..200).contains(steps)), "{few:?}");
        assert_eq!(few, steps(100_000));
    }

    #[test]
    fn window_reaches_from_the_last_search_to_the_threshold() {
        let now = 100 * DAY;
        // A minute after the last search, only what crossed the threshold in that minute.
        for (threshold, days) in [(Notice::Day, 1), (Notice::Week, 7), (Notice::Fortnight, 14)] {
            let end = now + days * DAY;
            assert_eq!(window(threshold, now - 60, now), (end - 60, end));
        }
        // The first search: everything up to the next threshold, and nothing expired.
        assert_eq!(window(Notice::Day, 0, now), (now, now + DAY));
        assert_eq!(window(Notice::Week, 0, now), (now + DAY, now + 7 * DAY));
        assert_eq!(
            window(Notice::Fortnight, 0, now),
            (now + 7 * DAY, now + 14 * DAY)
        );
    }
}
