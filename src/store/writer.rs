//! The one writer: takes jobs from a queue and commits what has gathered as one transaction (group commit).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::read::Select;
use super::uses::{Pending, Uses};
use crate::model::error::Error;

/// Jobs that may wait; one more is refused.
const QUEUE_MAX: usize = 4_096;
/// Jobs in one transaction.
const BATCH_MAX: usize = 256;
/// Last uses in one transaction: small, since each commit makes readers forget what they have read.
const FLUSH_ROWS_MAX: usize = 250;
/// How long uses gather before they are written.
const FLUSH_AFTER: Duration = Duration::from_secs(5);
/// How long a job may wait for a file that another process has locked.
const JOB_WAIT_MAX: Duration = Duration::from_millis(4_500);

/// Told whether the transaction came onto the disk.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Runs within the open transaction; or, given an error, runs nothing and answers with that.
type Work = Box<dyn FnOnce(Result<&Select, Error>) -> Answer + Send>;

pub(super) struct Job {
    work: Work,
    since: Instant,
}

impl Job {
    pub(super) fn new(work: Work) -> Self {
        Self {
            work,
            since: Instant::now(),
        }
    }
}

pub(super) enum Message {
    Job(Job),
    /// Uses have begun to gather.
    Uses,
    Stop,
}

pub(super) struct Writer {
    sender: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(connection: Connection, uses: Arc<Uses>) -> std::io::Result<Self> {
        connection.set_prepared_statement_cache_capacity(128);
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let healthy = Arc::new(AtomicBool::new(true));
        let desk = Desk {
            select: Select { connection },
            receiver,
            uses,
            unwritten: Vec::new(),
            flush_at: None,
            healthy: Arc::clone(&healthy),
        };
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || desk.work())?;
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

    pub(super) fn stop(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
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
struct Desk {
    select: Select,
    receiver: Receiver<Message>,
    uses: Arc<Uses>,
    /// Uses taken out of memory that are not in the file yet, sorted.
    unwritten: Vec<Pending>,
    flush_at: Option<Instant>,
    healthy: Arc<AtomicBool>,
}

impl Desk {
    fn work(mut self) {
        loop {
            match self.next() {
                Ok(Message::Job(job)) => {
                    if self.batch(job) {
                        break;
                    }
                }
                Ok(Message::Uses) => self.arm(),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.flush(),
            }
        }
        self.finish();
    }

    /// The next message; times out when uses are to be written.
    fn next(&self) -> Result<Message, RecvTimeoutError> {
        if !self.unwritten.is_empty() {
            return self.receiver.recv_timeout(Duration::ZERO);
        }
        match self.flush_at {
            Some(at) => self
                .receiver
                .recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self
                .receiver
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn arm(&mut self) {
        self.flush_at
            .get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
    }

    /// Gathers what waits and commits it at once; whether to stop afterwards.
    fn batch(&mut self, first: Job) -> bool {
        let mut jobs = vec![first];
        let mut stop = self.gather(&mut jobs);
        loop {
            match self.select.connection.execute_batch("BEGIN IMMEDIATE") {
                Ok(()) => break,
                Err(error) => {
                    let error = Error::from(error);
                    stop |= self.gather(&mut jobs);
                    if matches!(error, Error::Unavailable { .. }) {
                        jobs = self.refuse_late(jobs);
                        if !jobs.is_empty() {
                            continue;
                        }
                    }
                    self.refuse(jobs, &error);
                    return stop;
                }
            }
        }
        self.commit(jobs);
        stop
    }

    fn gather(&mut self, jobs: &mut Vec<Job>) -> bool {
        while jobs.len() < BATCH_MAX {
            match self.receiver.try_recv() {
                Ok(Message::Job(job)) => jobs.push(job),
                Ok(Message::Uses) => self.arm(),
                Ok(Message::Stop) => return true,
                Err(_) => break,
            }
        }
        false
    }

    /// Answers the jobs whose time is up while another process holds the file; gives back the others.
    fn refuse_late(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        let (late, waiting) = jobs
            .into_iter()
            .partition(|job| job.since.elapsed() >= JOB_WAIT_MAX);
        self.refuse(late, &Error::unavailable());
        waiting
    }

    /// Answers jobs that were never begun.
    fn refuse(&self, jobs: Vec<Job>, error: &Error) {
        if jobs.is_empty() {
            return;
        }
        self.healthy.store(false, Ordering::Relaxed);
        log::error!("nothing can be written: {}", reason(error));
        for job in jobs {
            (job.work)(Err(error.clone()))(Ok(()));
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let mut answers = Vec::with_capacity(jobs.len());
        let mut lost = false;
        for job in jobs {
            let select = if lost {
                Err(Error::unavailable())
            } else {
                Ok(&self.select)
            };
            match catch_unwind(AssertUnwindSafe(|| (job.work)(select))) {
                Ok(answer) => answers.push(answer),
                // The savepoint of the job that panicked is still open: undo it.
                Err(_) => drop(
                    self.select
                        .connection
                        .execute_batch("ROLLBACK TO job; RELEASE job"),
                ),
            }
            // A full disk or an I/O error may have rolled back the whole transaction, with what other jobs did in it.
            lost |= self.select.connection.is_autocommit();
        }
        let result = if lost {
            Err(Error::unavailable())
        } else {
            self.select
                .connection
                .execute_batch("COMMIT")
                .map_err(Error::from)
        };
        if let Err(error) = &result {
            log::error!("a transaction was not committed: {}", reason(error));
            if !self.select.connection.is_autocommit() {
                let _ = self.select.connection.execute_batch("ROLLBACK");
            }
        }
        self.healthy.store(result.is_ok(), Ordering::Relaxed);
        for answer in answers {
            answer(result.clone());
        }
    }

    /// Writes some of the uses that have gathered, without waiting for the disk: a power cut may forget them.
    fn flush(&mut self) {
        if self.unwritten.is_empty() {
            self.flush_at = None;
            self.unwritten = self.uses.take();
        }
        let rest = self
            .unwritten
            .split_off(FLUSH_ROWS_MAX.min(self.unwritten.len()));
        let part = std::mem::replace(&mut self.unwritten, rest);
        if part.is_empty() {
            return;
        }
        if let Err(error) = self.write_uses(&part) {
            log::warn!(
                "the last uses were not written and wait: {}",
                reason(&error)
            );
            self.uses.give_back(part);
            self.uses.give_back(std::mem::take(&mut self.unwritten));
            self.arm();
        } else {
            self.uses.forget_expired(&part);
        }
    }

    fn write_uses(&self, part: &[Pending]) -> Result<(), Error> {
        let connection = &self.select.connection;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let written = connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(Error::from)
            .and_then(|()| {
                let written = part
                    .iter()
                    .try_for_each(|pending| self.select.write_use(pending));
                let ended = written.and_then(|()| Ok(connection.execute_batch("COMMIT")?));
                if ended.is_err() && !connection.is_autocommit() {
                    let _ = connection.execute_batch("ROLLBACK");
                }
                ended
            });
        connection.pragma_update(None, "synchronous", "FULL")?;
        written
    }

    fn finish(mut self) {
        self.unwritten.append(&mut self.uses.take());
        while !self.unwritten.is_empty() {
            let before = self.unwritten.len();
            self.flush();
            if self.unwritten.len() >= before {
                break;
            }
        }
        let connection = self.select.connection;
        connection.flush_prepared_statement_cache();
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        {
            log::warn!("the journal was not merged into the file: {error}");
        }
        if let Err((_, error)) = connection.close() {
            log::warn!("the file was not closed: {error}");
        }
    }
}

/// What the log says of an error.
fn reason(error: &Error) -> String {
    match error {
        Error::Fault(text) => text.clone(),
        other => other.to_string(),
    }
}
