//! The writer thread: takes jobs from a queue and commits all that wait in one transaction (group commit).

mod flush;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::cache::{Cache, VerificationSubject};
use super::identity::FileIdentity;
use super::lock::DatabaseLock;
use super::notice_signal::NoticeSignal;
use super::read::Select;
use super::reserve::Reserve;
use super::usage::Uses;
use crate::model::error::Error;
use crate::model::secret::Id;

/// Limit of waiting jobs; one more is rejected.
const QUEUE_MAX: usize = 4_096;
/// Jobs in one transaction.
const BATCH_MAX: usize = 256;
/// Last uses in one transaction: the pages that they change fit in the cache of the writer.
const FLUSH_ROWS_MAX: usize = 100;

/// Time limits of the writer.
#[derive(Debug, Clone, Copy)]
pub struct WriterTimeouts {
    /// How long a job may wait for a database that another process has locked.
    pub job_max: Duration,
    /// How long uses gather before they are stored, and how long to wait after a failure.
    pub flush_after: Duration,
    /// How long storing uses may take when the server stops.
    pub last_flush_max: Duration,
}

impl Default for WriterTimeouts {
    fn default() -> Self {
        Self {
            job_max: Duration::from_millis(4_500),
            flush_after: Duration::from_secs(5),
            last_flush_max: Duration::from_secs(5),
        }
    }
}

/// Called with the result of the commit.
pub(super) type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Runs within the open transaction. Given an error, it runs nothing and answers with that error.
type JobFunction = Box<dyn FnOnce(Result<&Select, Error>) -> FinishedJob + Send>;

/// A job that has run.
pub(super) struct FinishedJob {
    pub(super) answer: Reply,
    /// The error, if it failed.
    pub(super) failure: Option<Error>,
}

pub(super) struct WriteJob {
    work: JobFunction,
    since: Instant,
    /// True: runs on a full disk, too.
    pub(super) revokes: bool,
    durability: Durability,
}

/// The point at which a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Survives a power cut.
    Synced,
    /// Survives a kill. In one transaction with a synced job it is synced as well.
    Relaxed,
}

impl WriteJob {
    pub(super) fn new(work: JobFunction) -> Self {
        Self::with_durability(work, Durability::Synced)
    }

    pub(super) fn with_durability(work: JobFunction, durability: Durability) -> Self {
        Self {
            work,
            since: Instant::now(),
            revokes: false,
            durability,
        }
    }
}

pub(super) enum Message {
    Job(WriteJob),
    /// The first pending use.
    Uses,
    /// Reserve disk space for revocations beside this database.
    Reserve(PathBuf),
    Stop,
}

/// Shared between the writer and readers.
pub(super) struct WriterShared {
    pub(super) uses: Arc<Uses>,
    pub(super) cache: Arc<Cache>,
    pub(super) identity: Arc<FileIdentity>,
    pub(super) notices: Arc<NoticeSignal>,
}

pub(super) struct Writer {
    sender: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        shared: WriterShared,
        waits: WriterTimeouts,
        lock: Option<DatabaseLock>,
    ) -> std::io::Result<Self> {
        connection.set_prepared_statement_cache_capacity(128);
        let select = Select::writing(connection).map_err(std::io::Error::other)?;
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let healthy = Arc::new(AtomicBool::new(true));
        let writer = WriterLoop {
            select,
            receiver,
            uses: shared.uses,
            cache: shared.cache,
            identity: shared.identity,
            notices: shared.notices,
            data_version: None,
            waits,
            unwritten: VecDeque::new(),
            flush_at: None,
            parts: 0,
            probe_at: None,
            is_relaxed: false,
            reserve: None,
            healthy: Arc::clone(&healthy),
            _lock: lock,
        };
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || writer.work())?;
        Ok(Self {
            sender,
            thread: Mutex::new(Some(thread)),
            healthy,
        })
    }

    /// Wakes the writer for pending uses.
    pub(super) fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let sender = self.sender.clone();
        move || {
            // A full queue means that the writer is awake: it looks for uses after the jobs that it has.
            let _ = sender.try_send(Message::Uses);
        }
    }

    pub(super) fn send(&self, message: Message) -> Result<(), Error> {
        self.sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Error::unavailable(),
        })
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Returns when the database is closed, also if another thread requested it first.
    pub(super) fn stop(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // Blocks while the queue is full: the jobs in it run first.
            let _ = self.sender.send(Message::Stop);
            if thread.join().is_err() {
                log::error!("the writer ended by a panic");
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The state of the writer thread.
struct WriterLoop {
    select: Select,
    receiver: Receiver<Message>,
    uses: Arc<Uses>,
    cache: Arc<Cache>,
    identity: Arc<FileIdentity>,
    notices: Arc<NoticeSignal>,
    /// SQLite's counter of commits by others.
    data_version: Option<i64>,
    waits: WriterTimeouts,
    /// Credentials whose uses this flush has still to store.
    unwritten: VecDeque<Id>,
    flush_at: Option<Instant>,
    /// The number of parts of this flush.
    parts: usize,
    /// When to try again whether writing works.
    probe_at: Option<Instant>,
    /// True if a commit would not wait for the disk.
    is_relaxed: bool,
    /// Disk space for revocations; only a server has it.
    reserve: Option<Reserve>,
    healthy: Arc<AtomicBool>,
    /// Last field: released after the database is closed.
    _lock: Option<DatabaseLock>,
}

impl WriterLoop {
    fn work(mut self) {
        loop {
            match self.next() {
                Ok(Message::Job(job)) => {
                    if self.batch(job) {
                        break;
                    }
                }
                Ok(Message::Uses) => self.arm(),
                Ok(Message::Reserve(path)) => self.reserve = Some(Reserve::beside(&path)),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.flush_or_probe(),
            }
        }
        self.finish();
    }

    /// The next message. Times out when uses are to be stored, or when writing is to be tried again.
    fn next(&self) -> Result<Message, RecvTimeoutError> {
        let until = match (self.flush_at, self.probe_at) {
            (Some(flush), Some(probe)) => Some(flush.min(probe)),
            (one, other) => one.or(other),
        };
        match until {
            Some(at) => self
                .receiver
                .recv_timeout(at.saturating_duration_since(Instant::now())),
            // Without a timeout: an idle server never wakes up.
            None => self
                .receiver
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn flush_or_probe(&mut self) {
        let now = Instant::now();
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush();
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe_at = None;
            self.probe();
        }
    }

    /// Records whether writing works. While it does not, the writer tries by itself: clients that check its health may
    /// have stopped sending it writes.
    fn note_health(&mut self, works: bool) {
        if works && !self.healthy.swap(works, Ordering::Relaxed) {
            log::info!("the database can be written again");
        }
        self.healthy.store(works, Ordering::Relaxed);
        if works {
            self.probe_at = None;
        } else {
            // Kept once it is set: failed flushes must not postpone the probe for ever.
            let at = Instant::now() + self.waits.flush_after;
            self.probe_at.get_or_insert(at);
        }
    }

    fn probe(&mut self) {
        if self.is_on_reserve() && !self.reclaim_space() {
            self.note_health(false);
            return;
        }
        let probed = self.begin(Durability::Synced).and_then(|()| {
            let touched = "UPDATE installation SET created_at = created_at; COMMIT";
            Ok(self.select.connection.execute_batch(touched)?)
        });
        self.select.roll_back();
        self.note_health(probed.is_ok());
    }

    /// Takes back the space that the WAL was given, and reserves it again. Returns whether that was possible.
    fn reclaim_space(&mut self) -> bool {
        let Some(reserve) = &mut self.reserve else {
            return true;
        };
        if reserve.could_be_refilled() {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(error) = self.select.connection.query_row(sql, [], |_| Ok(())) {
                log::warn!("the WAL was not merged: {error}");
            }
        }
        reserve.refill()
    }

    /// Begins a transaction of this durability.
    fn begin(&mut self, durability: Durability) -> Result<(), Error> {
        self.select.roll_back();
        let connection = &self.select.connection;
        let relaxed = durability == Durability::Relaxed;
        if self.is_relaxed != relaxed {
            let mode = if relaxed { "NORMAL" } else { "FULL" };
            connection.pragma_update(None, "synchronous", mode)?;
            self.is_relaxed = relaxed;
        }
        self.select.exec_tx("BEGIN IMMEDIATE")?;
        self.check_other_writers()
    }

    /// Inside a transaction, in which no other process can commit: drops all of the cache if another process committed
    /// since the last one. Fails if the files were replaced or removed.
    fn check_other_writers(&mut self) -> Result<(), Error> {
        self.identity.check()?;
        let version = self.select.count("PRAGMA data_version", [])?;
        if self.data_version.replace(version) != Some(version) {
            self.cache.drop_entries(VerificationSubject::Everything);
        }
        Ok(())
    }

    /// Drops the cache entries that the transaction invalidated: after the commit, before any answer.
    fn drop_written(&self) {
        for subject in self.select.take_written() {
            self.cache.drop_entries(subject);
        }
    }

    /// Commits all waiting jobs at once. Returns whether to stop afterwards.
    fn batch(&mut self, first: WriteJob) -> bool {
        let mut jobs = vec![first];
        let mut stop = self.gather(&mut jobs, BATCH_MAX);
        jobs = self.affordable(jobs);
        if jobs.is_empty() {
            return stop;
        }
        while let Err(error) = self.begin(needed(&jobs)) {
            // Other jobs have waited as long behind these: their time limit must not start again.
            stop |= self.gather(&mut jobs, QUEUE_MAX);
            let busy = matches!(error, Error::Unavailable { .. });
            let late = |job: &WriteJob| !busy || job.since.elapsed() >= self.waits.job_max;
            let (late, waiting) = jobs.into_iter().partition(late);
            jobs = waiting;
            self.reject(late, error);
            if jobs.is_empty() {
                return stop;
            }
        }
        self.commit(jobs);
        if self.flush_at.is_none() && self.uses.has_pending() {
            // The wake-up message did not fit into the queue.
            self.arm();
        }
        stop
    }

    /// Returns whether the disk is full and the reserve is in use.
    pub(super) fn is_on_reserve(&self) -> bool {
        self.reserve.as_ref().is_some_and(Reserve::is_released)
    }

    /// The jobs to run: on a full disk only those that revoke something.
    fn affordable(&mut self, jobs: Vec<WriteJob>) -> Vec<WriteJob> {
        let Some(reserve) = &mut self.reserve else {
            return jobs;
        };
        if jobs.iter().any(|job| job.revokes) {
            reserve.release_if_low();
        }
        if reserve.refill() {
            return jobs;
        }
        let (revoking, others) = jobs.into_iter().partition(|job| job.revokes);
        self.reject(others, Error::StorageFull);
        revoking
    }

    fn gather(&mut self, jobs: &mut Vec<WriteJob>, jobs_max: usize) -> bool {
        while jobs.len() < jobs_max {
            match self.receiver.try_recv() {
                Ok(Message::Job(job)) => jobs.push(job),
                Ok(Message::Uses) => self.arm(),
                Ok(Message::Reserve(path)) => self.reserve = Some(Reserve::beside(&path)),
                Ok(Message::Stop) => return true,
                Err(_) => break,
            }
        }
        false
    }

    /// Answers jobs that never ran.
    fn reject(&mut self, jobs: Vec<WriteJob>, error: Error) {
        if jobs.is_empty() {
            return;
        }
        log::error!("nothing can be written: {}", reason(&error));
        self.note_health(false);
        let answer = not_written(error);
        for job in jobs {
            ((job.work)(Err(answer.clone())).answer)(Ok(()));
        }
    }

    fn commit(&mut self, jobs: Vec<WriteJob>) {
        let revokes = jobs.iter().any(|job| job.revokes);
        let mut answers = Vec::with_capacity(jobs.len());
        // The reason why the transaction was rolled back.
        let mut lost = None;
        for job in jobs {
            let select = lost.clone().map_or(Ok(&self.select), Err);
            match catch_unwind(AssertUnwindSafe(|| (job.work)(select))) {
                Ok(done) => {
                    answers.push(done.answer);
                    // A full disk or an I/O error rolls back everything, including other jobs.
                    if lost.is_none() && self.select.connection.is_autocommit() {
                        lost = Some(Self::note_lost(done.failure));
                    }
                }
                // Jobs catch their own panics within their savepoints. After this one, the state is unknown.
                Err(_) => {
                    self.select.roll_back();
                    lost.get_or_insert_with(Error::unavailable);
                }
            }
        }
        let result = lost.map_or_else(|| self.end(), Err);
        self.drop_written();
        if self.select.take_notice_signal() && result.is_ok() {
            self.notices.raise();
        }
        self.note_health(result.is_ok() && !self.is_on_reserve());
        self.watch_reserve(revokes, &result);
        for answer in answers {
            answer(result.clone());
        }
    }

    /// Makes the most of a full disk: merges the WAL, which then restarts in the space that it has. A revocation that
    /// found no room although the disk has some (a quota) succeeds at the second attempt.
    fn watch_reserve(&mut self, revokes: bool, result: &Result<(), Error>) {
        if let (true, Err(Error::StorageFull), Some(reserve)) = (revokes, result, &mut self.reserve)
        {
            reserve.release();
        }
        if self.is_on_reserve() && result.is_ok() {
            let sql = "PRAGMA wal_checkpoint(PASSIVE)";
            if let Err(error) = self.select.connection.query_row(sql, [], |_| Ok(())) {
                log::warn!("the WAL was not merged: {error}");
            }
        }
    }

    fn note_lost(failure: Option<Error>) -> Error {
        let failure = failure.unwrap_or_else(Error::unavailable);
        log::error!("a transaction was rolled back: {}", reason(&failure));
        not_written(failure)
    }

    fn end(&self) -> Result<(), Error> {
        self.select.exec_tx("COMMIT").map_err(|error| {
            log::error!("a transaction was not committed: {}", reason(&error));
            self.select.roll_back();
            not_written(error)
        })
    }

    fn finish(mut self) {
        self.flush_last();
        // Messages behind the one to stop.
        while let Ok(message) = self.receiver.try_recv() {
            if let Message::Job(job) = message {
                ((job.work)(Err(Error::unavailable())).answer)(Ok(()));
            }
        }
        let connection = self.select.connection;
        connection.flush_prepared_statement_cache();
        let merged = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, bool>(0)
        });
        match merged {
            Ok(false) => {}
            Ok(true) => {
                log::info!("the WAL stays beside the database: another process is still reading");
            }
            Err(error) => log::warn!("the WAL was not merged into the database: {error}"),
        }
        if let Err((_, error)) = connection.close() {
            log::warn!("the database was not closed: {error}");
        }
    }
}

/// The durability that these jobs need together.
fn needed(jobs: &[WriteJob]) -> Durability {
    let synced = jobs.iter().any(|job| job.durability == Durability::Synced);
    if synced {
        Durability::Synced
    } else {
        Durability::Relaxed
    }
}

/// The answer when nothing was written: the disk is full, or the database can't be written at the moment. The reason is
/// logged.
fn not_written(error: Error) -> Error {
    match error {
        Error::StorageFull | Error::DatabaseReplaced => error,
        _ => Error::unavailable(),
    }
}

/// The text of an error for the log.
fn reason(error: &Error) -> String {
    match error {
        Error::Fault(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
