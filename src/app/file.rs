//! What the file's owner does with the file as a whole: copies, putting one back, examining.

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

pub use crate::store::{Condition, Copied, Existing, Finding, OpenError, Restored, Survivor};

/// Longest name of a backup that is kept, in characters.
const BACKUP_NAME_CHARACTERS_MAX: usize = 128;

impl AppState {
    /// Copies the file at `path` to a new file `to`, at one moment. A server may go on with it meanwhile.
    pub fn back_up(path: &Path, to: &Path, clock: &Clock) -> Result<Copied, OpenError> {
        store::copy(path, to, clock.now())
    }

    /// Writes such a copy to `out`.
    pub fn back_up_to(
        path: &Path,
        out: &mut dyn Write,
        clock: &Clock,
    ) -> Result<Copied, OpenError> {
        store::copy_to(path, out, clock.now())
    }

    /// Puts a backup at `path`, with every session, token and code ended.
    pub fn restore(
        backup: &Path,
        path: &Path,
        existing: Existing,
        clock: &Clock,
    ) -> Result<Restored, OpenError> {
        let permit = Permit::by_operator(Action::Restore, clock.now());
        store::restore(backup, path, existing, &permit)
    }

    /// What is wrong with the file at `path`, and what to do about it.
    pub fn examine(path: &Path, clock: &Clock) -> Vec<Finding> {
        store::examine(path, clock.now())
    }

    /// Whether the file at `path` can be brought to the present schema, tried on a copy; from which version to which.
    pub fn rehearse_migration(path: &Path) -> Result<(u32, u32), OpenError> {
        store::rehearse(path)
    }
}

impl App {
    /// Records that a backup was made, with its name and size.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for everybody but the operator; [`Error::Unavailable`] when nothing could be written.
    pub fn record_backup(&self, caller: &Caller, name: &str, bytes: u64) -> Result<(), Error> {
        if !caller.is_operator() {
            return Err(Error::NotAllowed(
                "Only the operator makes backups.".to_owned(),
            ));
        }
        let name = sanitize(name, BACKUP_NAME_CHARACTERS_MAX);
        let trace =
            AuditDetails::of(Target::new("file", "backup", name, None)).after("bytes", bytes);
        let permit = caller.permit(BuiltinPermission::PolicyWrite, Action::Backup)?;
        self.store().write(permit, move |write| {
            write.set_backed_up()?;
            Ok(((), trace))
        })
    }
}
