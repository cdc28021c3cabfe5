//! The one writer: takes jobs from a queue and commits what has gathered as one transaction (group commit).

mod flush;

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::cache::{Cache, Concern};
use super::identity::FileIdentity;
use super::lock::DatabaseLock;
use super::read::Select;
use super::reserve::Reserve;
use super::uses::{Pending, Uses};
use crate::model::error::Error;
use crate::model::secret::Id;

/// Jobs that may wait; one more is refused.
const QUEUE_MAX: usize = 4_096;
/// Jobs in one transaction.
const BATCH_MAX: usize = 256;
/// Last uses in one transaction: small, since each commit makes readers forget what they have read.
const FLUSH_ROWS_MAX: usize = 250;

/// How long the writer waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// How long a job may wait for a file that another process has locked.
    pub job_max: Duration,
    /// How long uses gather before they are written, and how long to wait before trying again what failed.
    pub flush_after: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            job_max: Duration::from_millis(4_500),
            flush_after: Duration::from_secs(5),
        }
    }
}

/// Told whether the transaction came onto the disk.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Runs within the open transaction; or, given an error, runs nothing and answers with that.
type Work = Box<dyn FnOnce(Result<&Select, Error>) -> Done + Send>;

/// A job that has run.
pub(super) struct Done {
    pub(super) answer: Answer,
    /// Why it failed, if it did.
    pub(super) failure: Option<Error>,
}

pub(super) struct Job {
    work: Work,
    since: Instant,
    /// Carried out on a full disk, too.
    pub(super) revokes: bool,
    durability: Durability,
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It survives a power cut.
    Synced,
    /// It survives a kill. With a job that needs more it is synced all the same.
    Relaxed,
}

impl Job {
    pub(super) fn new(work: Work) -> Self {
        Self::with_durability(work, Durability::Synced)
    }

    pub(super) fn with_durability(work: Work, durability: Durability) -> Self {
        Self {
            work,
            since: Instant::now(),
            revokes: false,
            durability,
        }
    }
}

pub(super) enum Message {
    Job(Job),
    /// Uses have begun to gather.
    Uses,
    /// Reserve disk space for revocations beside this database.
    Reserve(PathBuf),
    Stop,
}

/// What the writer shares with those who read.
pub(super) struct Shared {
    pub(super) uses: Arc<Uses>,
    pub(super) cache: Arc<Cache>,
    pub(super) identity: Arc<FileIdentity>,
}

pub(super) struct Writer {
    sender: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        shared: Shared,
        waits: Waits,
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
            data_version: None,
            waits,
            taken: Arc::default(),
            unwritten: VecDeque::new(),
            flush_at: None,
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

    /// A sender that tells the writer that uses gather.
    pub(super) fn waker(&self) -> SyncSender<Message> {
        self.sender.clone()
    }

    pub(super) fn send(&self, message: Message) -> Result<(), Error> {
        self.sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Error::unavailable(),
        })
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Returns when the file is closed, whoever asked for it first.
    pub(super) fn stop(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // Blocks while the queue is full: what waits in it is done first.
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

/// The writer's own side.
struct WriterLoop {
    select: Select,
    receiver: Receiver<Message>,
    uses: Arc<Uses>,
    cache: Arc<Cache>,
    identity: Arc<FileIdentity>,
    /// As SQLite counts the commits of others.
    data_version: Option<i64>,
    waits: Waits,
    /// Uses that are being written.
    taken: Arc<HashMap<Id, Pending>>,
    /// Those of them that are not in the file yet, in the order of the table.
    unwritten: VecDeque<Id>,
    flush_at: Option<Instant>,
    /// When to look whether writing works again.
    probe_at: Option<Instant>,
    /// Whether a commit would not wait for the disk.
    is_relaxed: bool,
    /// Disk space for revocations; only a server has it.
    reserve: Option<Reserve>,
    healthy: Arc<AtomicBool>,
    /// Last: it is released once the database is closed.
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

    /// The next message; times out when uses are to be written, or to see whether writing works again.
    fn next(&self) -> Result<Message, RecvTimeoutError> {
        if !self.unwritten.is_empty() {
            return self.receiver.recv_timeout(Duration::ZERO);
        }
        let until = match (self.flush_at, self.probe_at) {
            (Some(flush), Some(probe)) => Some(flush.min(probe)),
            (one, other) => one.or(other),
        };
        match until {
            Some(at) => self
                .receiver
                .recv_timeout(at.saturating_duration_since(Instant::now())),
            // Without an end: an idle server never wakes up.
            None => self
                .receiver
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn arm(&mut self) {
        let at = Instant::now() + self.waits.flush_after;
        self.flush_at.get_or_insert(at);
    }

    fn flush_or_probe(&mut self) {
        let now = Instant::now();
        if !self.unwritten.is_empty() || self.flush_at.is_some_and(|at| at <= now) {
            self.flush();
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe_at = None;
            self.probe();
        }
    }

    /// Notes whether writing works. While it does not, the writer looks by itself: those who ask for its health may
    /// have stopped to send it anything to write.
    fn note_health(&mut self, works: bool) {
        if works && !self.healthy.swap(works, Ordering::Relaxed) {
            log::info!("the file can be written again");
        }
        self.healthy.store(works, Ordering::Relaxed);
        if works {
            self.probe_at = None;
        } else {
            // Kept once it is set: a flush that fails in between must not put the probe off for ever.
            let at = Instant::now() + self.waits.flush_after;
            self.probe_at.get_or_insert(at);
        }
    }

    fn probe(&mut self) {
        if self.is_on_reserve() && !self.takes_space_back() {
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

    /// Returns the space that the WAL was given, and reserves it again; whether that was possible.
    fn takes_space_back(&mut self) -> bool {
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

    /// Begins a transaction whose commit waits for the disk, or does not.
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
        self.look_at_others()
    }

    /// Within a transaction, in which nobody else commits: when somebody else did since the last one, nothing that is
    /// cached counts any more. Refuses to write into files that have lost their names.
    fn look_at_others(&mut self) -> Result<(), Error> {
        self.identity.check()?;
        let version = self.select.count("PRAGMA data_version", [])?;
        if self.data_version.replace(version) != Some(version) {
            self.cache.drop_entries(Concern::Everything);
        }
        Ok(())
    }

    /// Drops what the transaction that just ended wrote: after the commit, before anybody is answered.
    fn drop_written(&self) {
        for concern in self.select.take_written() {
            self.cache.drop_entries(concern);
        }
    }

    /// Gathers what waits and commits it at once; whether to stop afterwards.
    fn batch(&mut self, first: Job) -> bool {
        let mut jobs = vec![first];
        let mut stop = self.gather(&mut jobs, BATCH_MAX);
        jobs = self.affordable(jobs);
        if jobs.is_empty() {
            return stop;
        }
        while let Err(error) = self.begin(needed(&jobs)) {
            // Others waited as long behind these: their time must not begin anew.
            stop |= self.gather(&mut jobs, QUEUE_MAX);
            let busy = matches!(error, Error::Unavailable { .. });
            let late = |job: &Job| !busy || job.since.elapsed() >= self.waits.job_max;
            let (late, waiting) = jobs.into_iter().partition(late);
            jobs = waiting;
            self.refuse(late, error);
            if jobs.is_empty() {
                return stop;
            }
        }
        self.commit(jobs);
        if self.flush_at.is_none() && self.uses.have_gathered() {
            // The message that says so did not fit into the queue.
            self.arm();
        }
        stop
    }

    /// Whether the disk is full and what was reserved is in use.
    pub(super) fn is_on_reserve(&self) -> bool {
        self.reserve.as_ref().is_some_and(Reserve::is_released)
    }

    /// The jobs to carry out: on a full disk only those that revoke something.
    fn affordable(&mut self, jobs: Vec<Job>) -> Vec<Job> {
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
        self.refuse(others, Error::StorageFull);
        revoking
    }

    fn gather(&mut self, jobs: &mut Vec<Job>, jobs_max: usize) -> bool {
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

    /// Answers jobs that were never begun.
    fn refuse(&mut self, jobs: Vec<Job>, error: Error) {
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

    fn commit(&mut self, jobs: Vec<Job>) {
        let revokes = jobs.iter().any(|job| job.revokes);
        let mut answers = Vec::with_capacity(jobs.len());
        // Why the whole transaction is gone, once it is.
        let mut lost = None;
        for job in jobs {
            let select = lost.clone().map_or(Ok(&self.select), Err);
            match catch_unwind(AssertUnwindSafe(|| (job.work)(select))) {
                Ok(done) => {
                    answers.push(done.answer);
                    // A full disk or an I/O error rolls back everything, with what other jobs did in it.
                    if lost.is_none() && self.select.connection.is_autocommit() {
                        lost = Some(Self::note_lost(done.failure));
                    }
                }
                // Jobs catch their own panics within their savepoints. What this one left, nobody knows.
                Err(_) => {
                    self.select.roll_back();
                    lost.get_or_insert_with(Error::unavailable);
                }
            }
        }
        let result = lost.map_or_else(|| self.end(), Err);
        self.drop_written();
        self.note_health(result.is_ok() && !self.is_on_reserve());
        self.mind_reserve(revokes, &result);
        for answer in answers {
            answer(result.clone());
        }
    }

    /// Makes the most of a full disk: merges the WAL, which then begins anew in the place that it has. A revocation that found no
    /// room although the disk has some (a quota) succeeds when it is tried again.
    fn mind_reserve(&mut self, revokes: bool, result: &Result<(), Error>) {
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
        // What was taken before, and then what has gathered since. What hosts asked for goes with the first part, also
        // when there is no other.
        self.flush_all();
        self.flush_all();
        // What came behind the message to stop.
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
            Ok(true) => log::info!("the journal stays beside the file: somebody still reads"),
            Err(error) => log::warn!("the journal was not merged into the file: {error}"),
        }
        if let Err((_, error)) = connection.close() {
            log::warn!("the file was not closed: {error}");
        }
    }
}

/// What the commit of all these jobs together needs.
fn needed(jobs: &[Job]) -> Durability {
    let synced = jobs.iter().any(|job| job.durability == Durability::Synced);
    if synced {
        Durability::Synced
    } else {
        Durability::Relaxed
    }
}

/// What is answered when nothing was written: the disk is full, or it is not possible just now. The reason was logged.
fn not_written(error: Error) -> Error {
    match error {
        Error::StorageFull => Error::StorageFull,
        _ => Error::unavailable(),
    }
}

/// What the log says of an error.
fn reason(error: &Error) -> String {
    match error {
        Error::Fault(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
