//! The only SQL: the database, one writer, and readers that can only read.
//!
//! Every write needs a [`Permit`], and every permit leaves an event: [`Store::write`] writes the act and its event in
//! one transaction. Bookkeeping (last use, throttle, sweeping) goes through fixed statements of this folder, without an
//! event.

mod account_notice;
mod backup;
mod cache;
mod calendar;
mod code;
mod create;
mod credential;
mod device_login;
mod event;
mod event_archive;
mod examine;
pub mod file;
mod group;
mod host;
mod host_activity;
mod idempotency;
mod identity;
mod inventory;
mod list;
mod lock;
mod migrate;
mod notice_act;
mod notice_channel;
mod notice_due;
mod notice_health;
mod notice_outbox;
mod notice_preference;
mod notice_signal;
mod open_error;
mod overview;
mod policy;
mod read;
mod rejection;
mod reserve;
mod row;
mod schema;
mod search;
mod second_factor;
mod server_start;
mod service;
mod sidecar;
mod ssh_key;
mod sweep;
mod throttle;
mod transaction_writes;
mod usage;
mod user;
mod write;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

pub use self::ssh_key::{LoginKeys, NewSshKeyRow};
pub use backup::{Existing, FinishedBackup, Restored, ValidCredential, copy, copy_to, restore};
pub use code::{CodeCreator, NewCode};
pub use credential::{CredentialFilter, NewRow};
pub use device_login::NewDeviceLogin;
pub use event::{EventCondition, Verdict};
pub use examine::{Condition, Finding, examine, rehearse};
pub use host::HostKeyFilter;
pub use host_activity::HostContact;
pub use inventory::{ListedItem, OwnedCredential};
pub use list::{ListExtent, Membership};
pub use lock::LockRole;
pub use notice_act::NEW_DEVICE;
pub use notice_preference::NewConfirmation;
pub use notice_signal::NoticeSignal;
pub use open_error::OpenError;
pub use overview::{FileFacts, KindCount};
pub use read::{Page, Read, Select};
pub use sweep::SweepCounts;
pub use throttle::{CountersNow, RejectedAttempt};
pub use usage::{PendingUse, SeenExpirations, Use, Uses};
pub use write::Power;
pub use write::Write;

use crate::model::caller::Permit;
use crate::model::error::Error;
use crate::model::event::AuditDetails;
use crate::model::time::Time;
use cache::Cache;
use identity::FileIdentity;
use lock::DatabaseLock;
use writer::{Durability, FinishedJob, Message, Reply, WriteJob, Writer, WriterShared};

pub use writer::WriterTimeouts;

/// Time limit of one attempt to begin a transaction. The writer tries again until a job's own time limit.
const WRITER_BUSY: Duration = Duration::from_millis(200);

/// The shared handle. The writer stops with the last handle, or by [`Store::close`].
#[derive(Clone)]
pub struct Store {
    path: PathBuf,
    writer: Arc<Writer>,
    /// Recent uses that are not stored yet.
    pub uses: Arc<Uses>,
    cache: Arc<Cache>,
    identity: Arc<FileIdentity>,
    notices: Arc<NoticeSignal>,
}

impl Store {
    /// Creates a new database of mode 0600 at `path`; `now` becomes the time of installation.
    pub fn create(path: &Path, now: Time) -> Result<(), OpenError> {
        create::create(path, now)
    }

    /// Opens the database at `path`, migrates it to the present schema and starts the writer.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, WriterTimeouts::default())
    }

    /// Opens a database with the time limits `waits`.
    pub fn open_with(path: &Path, waits: WriterTimeouts) -> Result<Self, OpenError> {
        Self::open_as(path, waits, LockRole::Command, Duration::ZERO)
    }

    /// Opens a database in this role. Waits up to `lock_wait` for a command that has it open, and not for a server.
    pub fn open_as(
        path: &Path,
        waits: WriterTimeouts,
        role: LockRole,
        lock_wait: Duration,
    ) -> Result<Self, OpenError> {
        file::check(path)?;
        let lock = DatabaseLock::acquire(path, role, lock_wait)?;
        let connection = file::open_to_write(path)?;
        if migrate::is_needed(&connection, path)? {
            let kept = backup::keep_before_migration(path)?;
            migrate::migrate(&connection, path)
                .inspect_err(|_| kept.drop_unless_migrated(&connection))?;
        }
        let uses = Arc::new(Uses::new());
        let cache = Arc::new(Cache::new());
        let identity = FileIdentity::new(path, &connection)
            .map_err(|error| OpenError::new(path, &format!("cannot be examined: {error}")))?;
        let identity = Arc::new(identity);
        let notices = Arc::new(NoticeSignal::default());
        let shared = WriterShared {
            notices: Arc::clone(&notices),
            uses: Arc::clone(&uses),
            cache: Arc::clone(&cache),
            identity: Arc::clone(&identity),
        };
        let writer = Writer::start(connection, shared, waits, Some(lock)).map_err(|error| {
            OpenError::new(path, &format!("its writer can't be started: {error}"))
        })?;
        uses.wake_through(writer.waker());
        Ok(Self {
            path: path.to_owned(),
            writer: Arc::new(writer),
            uses,
            cache,
            identity,
            notices,
        })
    }

    /// The signal for new notices.
    pub fn notice_signal(&self) -> Arc<NoticeSignal> {
        Arc::clone(&self.notices)
    }

    /// A read-only connection for one thread.
    pub fn read(&self) -> Result<Read, Error> {
        Read::open(
            &self.path,
            Arc::clone(&self.cache),
            Arc::clone(&self.identity),
        )
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the writer's last commit succeeded.
    pub fn is_writing(&self) -> bool {
        self.writer.is_healthy()
    }

    /// Checks that the database, its WAL and its shared-memory index are still the files that this process has open.
    pub fn check_files(&self) -> Result<(), Error> {
        self.identity.check()
    }

    /// Carries out an act. Checks the right behind `permit` again inside the transaction. When this returns, the act
    /// and its event are on disk. A job that fails leaves no change; an administrative act then leaves an event.
    ///
    /// # Errors
    /// Those of the job; [`Error::Unauthenticated`] or [`Error::Forbidden`] when the right was lost meanwhile;
    /// [`Error::Unavailable`] or [`Error::StorageFull`] when nothing could be written.
    pub fn write<T: Send + 'static>(
        &self,
        permit: Permit,
        job: impl FnOnce(&Write<'_>) -> Result<(T, AuditDetails), Error> + Send + 'static,
    ) -> Result<T, Error> {
        let revokes = permit.action.revokes();
        self.run(revokes, Durability::Synced, move |select| {
            write::perform(select, permit, job)
        })
    }

    /// Reserves disk space for revocations on a full disk, for as long as this store is open.
    pub fn reserve_space(&self) {
        // A full queue at the start means running without a reserve.
        let _ = self.writer.send(Message::Reserve(self.path.clone()));
    }

    /// Records the public URL of the server on this database.
    pub fn note_public_url(&self, url: String) -> Result<(), Error> {
        self.note(move |select| {
            let sql = "UPDATE installation SET public_url = ?1 WHERE public_url IS NOT ?1";
            select.execute(sql, [url]).map(|_| ())
        })
    }

    /// Runs a fixed statement that is not audited.
    fn note<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Select) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(false, Durability::Synced, move |select| {
            write::run_in_savepoint(select, || job(select))
        })
    }

    /// Runs a fixed statement without waiting for the disk.
    fn note_relaxed<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Select) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(false, Durability::Relaxed, move |select| {
            write::run_in_savepoint(select, || job(select))
        })
    }

    fn run<T: Send + 'static>(
        &self,
        revokes: bool,
        durability: Durability,
        job: impl FnOnce(&Select) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = sync_channel::<Result<T, Error>>(1);
        let work = move |select: Result<&Select, Error>| {
            let result = select.and_then(job);
            let failure = result.as_ref().err().cloned();
            let answer: Reply = Box::new(move |committed| {
                // The receiver may be gone; the act stays committed.
                let _ = sender.send(committed.and(result));
            });
            FinishedJob { answer, failure }
        };
        let mut job = WriteJob::with_durability(Box::new(work), durability);
        job.revokes = revokes;
        self.writer.send(Message::Job(job))?;
        // No answer comes when the writer stopped meanwhile: the job was not started.
        receiver
            .recv()
            .unwrap_or_else(|_| Err(Error::unavailable()))
    }

    /// Stores everything pending, merges the WAL into the database and stops the writer.
    pub fn close(&self) {
        self.writer.stop();
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::StorageFull,
            // The shared-memory index could not grow: it lies on the same disk.
            Some(ErrorCode::SystemIoFailure) if is_shared_memory_full(&error) => Self::StorageFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::unavailable(),
            _ => Self::Fault(format!("sqlite: {error}")),
        }
    }
}

fn is_shared_memory_full(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}
