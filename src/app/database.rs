//! Operations on the complete database: backup, restore, examination.

use std::io::Write;
use std::path::Path;

use super::{App, AppState};
use crate::clock::Clock;
use crate::model::caller::{Caller, Permit};
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::permission::BuiltinPermission;
use crate::model::text::sanitize;
use crate::store;

pub use crate::store::{
    Condition, Existing, Finding, FinishedBackup, OpenError, Restored, ValidCredential,
};

/// Longest stored name of a backup, in characters.
const BACKUP_NAME_CHARACTERS_MAX: usize = 128;

impl AppState {
    /// Copies the database at `path`, in one consistent state, to a new file `to`. A server may use it meanwhile.
    pub fn back_up(path: &Path, to: &Path, clock: &Clock) -> Result<FinishedBackup, OpenError> {
        store::copy(path, to, clock.now())
    }

    /// Writes such a copy to `out`.
    pub fn back_up_to(
        path: &Path,
        out: &mut dyn Write,
        clock: &Clock,
    ) -> Result<FinishedBackup, OpenError> {
        store::copy_to(path, out, clock.now())
    }

    /// Restores a backup to `path` and revokes its sessions, tokens and codes.
    pub fn restore(
        backup: &Path,
        path: &Path,
        existing: Existing,
        clock: &Clock,
    ) -> Result<Restored, OpenError> {
        let permit = Permit::by_operator(Action::Restore, clock.now());
        store::restore(backup, path, existing, &permit)
    }

    /// The findings about the database at `path`, with remedies.
    pub fn examine(path: &Path, clock: &Clock) -> Vec<Finding> {
        store::examine(path, clock.now())
    }

    /// Migrates a copy of the database at `path` to the present schema as a trial. Returns both versions.
    pub fn rehearse_migration(path: &Path) -> Result<(u32, u32), OpenError> {
        store::rehearse(path)
    }
}

impl App {
    /// Records a finished backup with its name and size.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for every caller but the operator; [`Error::Unavailable`] when nothing could be written.
    pub fn record_backup(&self, caller: &Caller, name: &str, bytes: u64) -> Result<(), Error> {
        if !caller.is_operator() {
            return Err(Error::NotAllowed(
                "Only the operator can record backups.".to_owned(),
            ));
        }
        let name = sanitize(name, BACKUP_NAME_CHARACTERS_MAX);
        let details =
            AuditDetails::new(Target::new("file", "backup", name, None)).after("bytes", bytes);
        let permit = caller.permit(BuiltinPermission::PolicyWrite, Action::Backup)?;
        self.store().write(permit, move |write| {
            write.set_backed_up()?;
            Ok(((), details))
        })
    }
}
