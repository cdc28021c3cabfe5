//! The table `event_archives`, and the events that it allows to delete.

use rusqlite::params;

use super::Store;
use super::event::{COLUMNS, read_event};
use super::read::Select;
use super::write::Write;
use crate::model::audit_chain::ChainHead;
use crate::model::error::Error;
use crate::model::event::{Action, Event};
use crate::model::secret::Digest;
use crate::model::time::Time;

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

impl Select {
    /// The last archived event, from which the stored chain continues.
    pub fn archived(&self) -> Result<ChainHead, Error> {
        let sql = "SELECT last, head FROM event_archives ORDER BY last DESC LIMIT 1";
        let found = self.one(sql, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
        })?;
        let head = |(number, hash): (i64, [u8; 32])| {
            let hash = Digest::from_stored(&hash)?;
            Some(ChainHead { number, hash })
        };
        Ok(found.and_then(head).unwrap_or_else(ChainHead::start))
    }

    /// Returns whether the event that reports the newest archive is missing. Both are written in one transaction.
    pub(super) fn has_unexplained_archive(&self, archived: &ChainHead) -> Result<bool, Error> {
        if archived.number == 0 {
            return Ok(false);
        }
        let sql = "SELECT count(*) FROM events WHERE number > ?1 AND action = ?2 AND instr(after, ?3) > 0";
        let head = format!("head={}\n", archived.hash.hex());
        let with = params![archived.number, Action::AuditArchive.as_str(), head];
        Ok(self.count(sql, with)? == 0)
    }

    /// The place of a stored event in the chain; `None` if it does not exist.
    pub fn chain_place(&self, number: i64) -> Result<Option<ChainHead>, Error> {
        let hash = self.one(
            "SELECT hash FROM events WHERE number = ?",
            [number],
            |row| row.get::<_, [u8; 32]>(0),
        )?;
        Ok(hash
            .and_then(|hash| Digest::from_stored(&hash))
            .map(|hash| ChainHead { number, hash }))
    }

    /// The last event of the longest prefix older than `time`. The newest event is never part of it.
    pub fn last_event_before(&self, time: Time) -> Result<i64, Error> {
        let sql = "SELECT min(coalesce((SELECT min(number) FROM events WHERE at >= ?), 9223372036854775807), \
                   coalesce((SELECT max(number) FROM events), 1)) - 1";
        self.count(sql, [time.unix()])
    }

    /// At most `limit` events after `number`, oldest first, with their hashes.
    pub fn events_after(&self, number: i64, limit: usize) -> Result<Vec<(Event, Digest)>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE number > ? ORDER BY number LIMIT ?");
        let found = self.all(&sql, params![number, count(limit)], read_event)?;
        let complete = |(event, hash): (Event, Option<Digest>)| Some((event, hash?));
        let complete: Option<Vec<_>> = found.into_iter().map(complete).collect();
        complete.ok_or_else(|| Error::Fault("an event has a hash of the wrong length".to_owned()))
    }
}

impl Write<'_> {
    /// Records that all events up to `head` are archived and may be deleted. Returns the first of them.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the chain has another event in this place, or it is archived already.
    pub fn record_archive(&self, head: &ChainHead) -> Result<i64, Error> {
        let first = self.archived()?.number + 1;
        let is_kept = self
            .chain_place(head.number)?
            .is_some_and(|kept| kept.is(head));
        if head.number < first || !is_kept {
            return Err(Error::Conflict(
                "The audit log has no event of this number to archive.".to_owned(),
            ));
        }
        self.execute(
            "INSERT INTO event_archives (first, last, head, archived_at) VALUES (?, ?, ?, ?)",
            params![first, head.number, head.hash.as_bytes(), self.now.unix()],
        )?;
        Ok(first)
    }
}

impl Store {
    /// Deletes at most `rows_max` archived events. Returns how many.
    pub fn prune_events(&self, rows_max: usize) -> Result<usize, Error> {
        self.note(move |select| {
            let archived = select.archived()?.number;
            select.execute(
                "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE number <= ? ORDER BY number LIMIT ?)",
                params![archived, count(rows_max)],
            )
        })
    }
}
