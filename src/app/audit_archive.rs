//! Verifying the hash chain of the audit log, and archiving its oldest part.

use std::path::Path;

use super::App;
use crate::model::audit_chain::ChainHead;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Event, Target};
use crate::model::permission::BuiltinPermission;
use crate::model::secret::Digest;
use crate::model::text::sanitize;
use crate::model::time::Time;
use crate::store::{OpenError, Read, Verdict};

/// Archived events deleted in one transaction: other jobs run between two of them.
const PRUNE_ROWS_MAX: usize = 500;
/// Longest name of an archive file in the event, in characters.
const NAME_CHARACTERS_MAX: usize = 128;

/// A plain reader of the audit log, beside a server or without one.
pub struct AuditLog {
    read: Read,
}

impl AuditLog {
    /// Opens the audit log of the database at `path`, without the lock of a writer.
    pub fn open_file(path: &Path) -> Result<Self, OpenError> {
        let read = Read::open_checked(path)?;
        Ok(Self { read })
    }

    /// The same in a process that has the database open already. (Opening and closing its file in any other way gives up
    /// all locks of the process on it: fcntl(2), `F_SETLK`.)
    pub fn open_again(path: &Path) -> Result<Self, OpenError> {
        let read = Read::open_file(path)?;
        Ok(Self { read })
    }

    /// Verifies the complete chain. Calls `visit` with the start and with the place of each event.
    pub fn verify_events(&self, visit: impl FnMut(&ChainHead)) -> Result<Verdict, Error> {
        self.read.verify_events(visit)
    }

    /// The last archived event, from which the stored chain continues.
    pub fn archived_events(&self) -> Result<ChainHead, Error> {
        self.read.archived()
    }

    /// The last event of the longest prefix older than `time`; `None` if nothing is to be archived.
    pub fn archivable_events(&self, time: Time) -> Result<Option<ChainHead>, Error> {
        let last = self.read.last_event_before(time)?;
        let archived = self.read.archived()?.number;
        Ok(self
            .read
            .chain_place(last)?
            .filter(|place| place.number > archived))
    }

    /// The place of a stored event in the chain; `None` if it does not exist.
    pub fn event_place(&self, number: i64) -> Result<Option<ChainHead>, Error> {
        self.read.chain_place(number)
    }

    /// At most `limit` events after `number`, oldest first, with their hashes.
    pub fn events_after(&self, number: i64, limit: usize) -> Result<Vec<(Event, Digest)>, Error> {
        self.read.events_after(number, limit)
    }
}

impl App {
    /// A reader of the audit log.
    pub fn audit_log(&self) -> Result<AuditLog, Error> {
        let read = self.store().read()?;
        Ok(AuditLog { read })
    }

    /// Records that all events up to `head` are in the archive file `name`, which is safe on disk, and deletes them.
    /// The chain
    /// starts from `head` from the first transaction on. If `head` is already the last archived event, this deletes the
    /// events
    /// that an interrupted run left.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for every caller but the operator; [`Error::Conflict`] when the chain has another event in
    /// this
    /// place; [`Error::Unavailable`] or [`Error::StorageFull`] when nothing could be written.
    pub fn archive_events(
        &self,
        caller: &Caller,
        head: &ChainHead,
        name: &str,
    ) -> Result<(), Error> {
        if !caller.is_operator() {
            return Err(Error::NotAllowed(
                "Only the operator can archive events.".to_owned(),
            ));
        }
        if !head.is(&self.read.archived()?) {
            let (head, name) = (*head, sanitize(name, NAME_CHARACTERS_MAX));
            let permit = caller.permit(BuiltinPermission::PolicyWrite, Action::AuditArchive)?;
            self.store().write(permit, move |write| {
                let first = write.record_archive(&head)?;
                let range = format!("{first}-{}", head.number);
                let details = AuditDetails::new(Target::new("events", range, name, None))
                    .after("events", head.number - first + 1)
                    .after("head", head.hash.hex());
                Ok(((), details))
            })?;
        }
        while self.store().prune_events(PRUNE_ROWS_MAX)? > 0 {}
        Ok(())
    }
}
