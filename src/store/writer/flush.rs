//! The writer's second task: storing last uses, part by part, between jobs.

use std::sync::Arc;

use super::{Durability, FLUSH_ROWS_MAX, WriterLoop, reason};
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::store::host_activity::PendingContacts;
use crate::store::usage::Pending;

impl WriterLoop {
    /// Takes all pending uses, once the previous ones are stored.
    fn take_uses(&mut self) {
        if self.unwritten.is_empty() {
            self.flush_at = None;
            self.taken = self.uses.take();
            let mut ids: Vec<Id> = self.taken.keys().copied().collect();
            ids.sort_unstable();
            self.unwritten = ids.into();
        }
    }

    /// Stores some of the pending uses without waiting for the disk: a power cut may lose them.
    pub(super) fn flush(&mut self) {
        self.take_uses();
        let taken = Arc::clone(&self.taken);
        let count = FLUSH_ROWS_MAX.min(self.unwritten.len());
        let ids = self.unwritten.drain(..count);
        let part: Vec<&Pending> = ids.filter_map(|id| taken.get(&id)).collect();
        let pending = self.uses.take_host_notes();
        if part.is_empty() && pending.is_empty() {
            return;
        }
        match self.write_uses(&part, &pending) {
            Ok(()) => {
                if self.unwritten.is_empty() {
                    self.taken = Arc::default();
                }
                self.note_health(true);
            }
            Err(error) => {
                log::warn!(
                    "last uses were not stored and stay pending: {}",
                    reason(&error)
                );
                let unwritten = part
                    .iter()
                    .map(|pending| pending.id())
                    .chain(self.unwritten.drain(..))
                    .collect::<Vec<Id>>();
                self.taken = Arc::default();
                drop(part);
                drop(taken);
                self.uses.restore_unwritten(&unwritten);
                self.uses.restore_host_notes(pending);
                self.arm();
                // A short lock by another process is not an internal error.
                if !matches!(error, Error::Unavailable { .. }) {
                    self.note_health(false);
                }
            }
        }
    }

    fn write_uses(&mut self, part: &[&Pending], pending: &PendingContacts) -> Result<(), Error> {
        if self.is_on_reserve() {
            return Err(Error::StorageFull);
        }
        let written = self.begin(Durability::Relaxed).and_then(|()| {
            part.iter()
                .try_for_each(|pending| self.select.write_use(pending))
                .and_then(|()| self.select.write_host_notes(pending))
                .and_then(|()| Ok(self.select.connection.execute_batch("COMMIT")?))
        });
        self.select.roll_back();
        // Before memory forgets the expired ones: a reader finds each in one of both places.
        self.drop_written();
        if written.is_ok() {
            self.uses.written(part, self.unwritten.is_empty());
        }
        written
    }

    /// Stores part by part until nothing is left of the uses taken, or nothing can be written.
    pub(super) fn flush_all(&mut self) {
        self.flush();
        // Uses that can't be stored are given back: then nothing is left here, either.
        while !self.unwritten.is_empty() {
            self.flush();
        }
    }
}
