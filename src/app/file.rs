//! What the file's owner does with the file as a whole: copies, putting one back, examining.

use std::io::Write;
use std::path::Path;

use super::AppState;
use crate::clock::Clock;
use crate::model::caller::Permit;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::store::{self, Copied, Store};

pub use crate::store::{Condition, Existing, Finding, OpenError, Restored, Survivor};

/// A backup that was made.
pub struct BackedUp {
    pub bytes: u64,
    /// Why the backup is not noted in the file, if it is not: a full disk must not stand in the way of one.
    pub unnoted: Option<String>,
}

impl AppState {
    /// Copies the file at `path` to a new file `to`, and notes it in the file. A server may go on with the file meanwhile.
    ///
    /// # Errors
    /// [`OpenError`] with one clear line.
    pub fn back_up(path: &Path, to: &Path, clock: &Clock) -> Result<BackedUp, OpenError> {
        let copied = store::copy(path, to, clock.now())?;
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        Ok(noted(path, &copied, &name, clock))
    }

    /// Writes such a copy to `out`.
    ///
    /// # Errors
    /// [`OpenError`] with one clear line.
    pub fn back_up_to(
        path: &Path,
        out: &mut dyn Write,
        clock: &Clock,
    ) -> Result<BackedUp, OpenError> {
        let copied = store::copy_to(path, out, clock.now())?;
        Ok(noted(path, &copied, "-", clock))
    }

    /// Puts a backup at `path`, with every session, token and code ended.
    ///
    /// # Errors
    /// [`OpenError`] with one clear line.
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
    #[must_use]
    pub fn examine(path: &Path, clock: &Clock) -> Vec<Finding> {
        store::examine(path, clock.now())
    }

    /// Whether the file at `path` can be brought to the present schema, tried on a copy; from which version to which.
    ///
    /// # Errors
    /// [`OpenError`] with one clear line.
    pub fn rehearse_migration(path: &Path) -> Result<(u32, u32), OpenError> {
        store::rehearse(path)
    }
}

fn noted(path: &Path, copied: &Copied, name: &str, clock: &Clock) -> BackedUp {
    let unnoted = if copied.is_present_version {
        note(path, copied.bytes, name, clock).err()
    } else {
        // Noting it would bring the file to the present schema, which nobody asked for.
        Some("the file has an older schema".to_owned())
    };
    BackedUp {
        bytes: copied.bytes,
        unnoted,
    }
}

fn note(path: &Path, bytes: u64, name: &str, clock: &Clock) -> Result<(), String> {
    let store = Store::open(path).map_err(|refused| refused.to_string())?;
    let trace = AuditDetails::of(Target::new("file", "backup", name, None)).after("bytes", bytes);
    let permit = Permit::by_operator(Action::Backup, clock.now());
    let written = store.write(permit, move |write| {
        write.set_backed_up()?;
        Ok(((), trace))
    });
    store.close();
    written.map_err(|error| match error {
        Error::Fault(text) => text,
        other => other.to_string(),
    })
}
