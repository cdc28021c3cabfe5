//! The writer's second task: storing last uses, part by part, between jobs.

use std::time::{Duration, Instant};

use super::{Durability, FLUSH_ROWS_MAX, WriterLoop, reason};
use crate::model::error::Error;
use crate::store::host_activity::PendingContacts;
use crate::store::usage::Pending;

/// How long a flush may rest in all: a list that is sorted by use is about a minute behind at most.
const RESTS_MAX: Duration = Duration::from_secs(60);

/// How long the writer rests after one of `parts` that took so long: with 100,000 credentials in use it would do nothing
/// else.
pub(super) fn rest(took: Duration, parts: usize) -> Duration {
    let parts = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
    (9 * took).min(RESTS_MAX / parts)
}

impl WriterLoop {
    /// Schedules a flush, unless there is one.
    pub(super) fn arm(&mut self) {
        let at = Instant::now() + self.waits.flush_after;
        self.flush_at.get_or_insert(at);
    }

    /// Stores some of the pending uses without waiting for the disk: a power cut may lose them. Returns whether everything
    /// that was pending at the beginning is stored or given back.
    pub(super) fn flush(&mut self) -> bool {
        let begun = Instant::now();
        if self.unwritten.is_empty() {
            self.unwritten = self.uses.pending_ids().into();
            self.parts = self.unwritten.len().div_ceil(FLUSH_ROWS_MAX);
        }
        let count = FLUSH_ROWS_MAX.min(self.unwritten.len());
        let part = self.uses.take(self.unwritten.drain(..count));
        let hosts = self.uses.take_host_notes();
        self.flush_at = None;
        if part.is_empty() && hosts.is_empty() {
            return true;
        }
        match self.write_uses(&part, &hosts) {
            Ok(()) => {
                self.uses.written();
                self.note_health(true);
            }
            Err(error) => {
                log::warn!(
                    "last uses were not stored and stay pending: {}",
                    reason(&error)
                );
                self.unwritten.clear();
                drop(part);
                self.uses.restore_unwritten();
                self.uses.restore_host_notes(hosts);
                // A short lock by another process is not an internal error.
                if !matches!(error, Error::Unavailable { .. }) {
                    self.note_health(false);
                }
            }
        }
        if !self.unwritten.is_empty() {
            self.flush_at = Some(Instant::now() + rest(begun.elapsed(), self.parts));
            return false;
        }
        // Uses during the flush woke nobody.
        if self.uses.has_pending() {
            self.arm();
        }
        true
    }

    fn write_uses(&mut self, part: &[Pending], hosts: &PendingContacts) -> Result<(), Error> {
        if self.is_on_reserve() {
            return Err(Error::StorageFull);
        }
        let written = self.begin(Durability::Relaxed).and_then(|()| {
            part.iter()
                .try_for_each(|pending| self.select.write_use(pending))
                .and_then(|()| self.select.write_host_notes(hosts))
                .and_then(|()| Ok(self.select.connection.execute_batch("COMMIT")?))
        });
        self.select.roll_back();
        // Before memory forgets the expired ones: a reader finds each in one of both places.
        self.drop_written();
        written
    }

    /// Stores all pending uses before the server stops, as far as time allows.
    pub(super) fn flush_last(&mut self) {
        let end = Instant::now() + self.waits.last_flush_max;
        self.unwritten.clear();
        while !self.flush() {
            if Instant::now() >= end {
                log::warn!(
                    "the last uses of {} credentials were not stored: the disk is too slow",
                    self.unwritten.len()
                );
                break;
            }
        }
    }
}
