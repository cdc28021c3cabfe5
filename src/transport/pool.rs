//! Bounded pools of threads for requests that take longer than microseconds.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use hyper::header::HeaderMap;
use rouille::Request;
use tokio::sync::oneshot;

use super::Lane;
use super::Peer;
use super::convert::HandlerAnswer;
use super::handler::{Application, ThreadHandler};
use super::settings::PoolLimits;

/// A request that waits for a thread.
struct PoolJob {
    request: Request,
    peer: Peer,
    /// For reuse in the answer.
    headers: HeaderMap,
    reply: oneshot::Sender<HandlerAnswer>,
    disconnected: Arc<AtomicBool>,
    since: Instant,
}

/// The promise of an answer.
pub struct Ticket {
    /// The answer. Closed without one if the pool could not answer.
    pub reply: oneshot::Receiver<HandlerAnswer>,
    /// Set when the client sends no more, and so may have left.
    pub disconnected: Arc<AtomicBool>,
}

/// A pool. Clones share it.
pub struct Pool<H>(Arc<PoolShared<H>>);

struct PoolShared<H> {
    name: &'static str,
    lane: Lane,
    limits: PoolLimits,
    application: Arc<Application<H>>,
    state: Mutex<PoolState>,
    wake: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct PoolState {
    queue: VecDeque<PoolJob>,
    /// Threads that take jobs, or are about to.
    threads: usize,
    /// Idle ones among them.
    waiting: usize,
    /// Threads whose handler is open or opening.
    alive: usize,
    closed: bool,
}

impl PoolState {
    fn adds_thread(&mut self) {
        self.threads += 1;
        self.alive += 1;
    }
}

impl<H> Clone for Pool<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: 'static> Pool<H> {
    /// A pool with its first thread, so that a handler that does not open is detected at the start.
    pub fn start(
        name: &'static str,
        lane: Lane,
        limits: PoolLimits,
        application: &Arc<Application<H>>,
    ) -> Result<Self, String> {
        let pool = Self(Arc::new(PoolShared {
            name,
            lane,
            limits,
            application: Arc::clone(application),
            state: Mutex::default(),
            wake: Condvar::new(),
            ended: Condvar::new(),
        }));
        let (opened, result) = mpsc::channel();
        pool.0.state().adds_thread();
        pool.spawn(Some(opened))
            .map_err(|error| error.to_string())?;
        match result.recv() {
            Ok(Ok(())) => Ok(pool),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(format!("the first {name} thread ended")),
        }
    }

    /// Queues a request; `None` if the queue is full.
    pub fn submit(&self, request: Request, peer: Peer, headers: HeaderMap) -> Option<Ticket> {
        let (sender, reply) = oneshot::channel();
        let disconnected = Arc::new(AtomicBool::new(false));
        let job = PoolJob {
            request,
            peer,
            headers,
            reply: sender,
            disconnected: Arc::clone(&disconnected),
            since: Instant::now(),
        };
        let mut state = self.0.state();
        let needed = state.queue.len() >= state.waiting;
        let grows = needed && state.threads < self.0.limits.threads_max.max(1);
        if state.closed
            || (needed && !grows && state.queue.len() - state.waiting >= self.0.limits.queue_max)
        {
            return None;
        }
        state.queue.push_back(job);
        if grows {
            state.adds_thread();
        }
        drop(state);
        if !grows {
            self.0.wake.notify_one();
        } else if let Err(error) = self.spawn(None) {
            log::error!("a {} thread did not start: {error}", self.0.name);
            self.0.lost_thread();
        }
        Some(Ticket {
            reply,
            disconnected,
        })
    }

    /// Accepts nothing more, and waits this long for pending requests.
    pub fn close(&self, wait: Duration) {
        let mut state = self.0.state();
        state.closed = true;
        self.0.wake.notify_all();
        let deadline = Instant::now() + wait;
        while state.alive > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                log::warn!("{} {} threads are still at work", state.alive, self.0.name);
                return;
            }
            let waited = self.0.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn spawn(&self, opened: Option<mpsc::Sender<Result<(), String>>>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.0);
        let main = move || shared.run(opened);
        thread::Builder::new()
            .name(self.0.name.to_owned())
            .spawn(main)
            .map(drop)
    }
}

impl<H> PoolShared<H> {
    fn run(&self, opened: Option<mpsc::Sender<Result<(), String>>>) {
        let handler = match ThreadHandler::open(&self.application) {
            Ok(handler) => handler,
            Err(error) => {
                log::error!("a {} thread did not start: {error}", self.name);
                self.lost_thread();
                if let Some(opened) = opened {
                    let _ = opened.send(Err(error));
                }
                return;
            }
        };
        if let Some(opened) = opened {
            let _ = opened.send(Ok(()));
        }
        while let Some(job) = self.next() {
            let left = job.disconnected.load(Relaxed) && job.since.elapsed() > self.limits.patience;
            if left || job.reply.is_closed() {
                continue;
            }
            let mut answer = handler.answer(&job.request, job.peer, self.lane, job.headers);
            let rest = answer.take_rest();
            if job.reply.send(answer).is_ok()
                && let Some(rest) = rest
                && catch_unwind(AssertUnwindSafe(|| rest.send())).is_err()
            {
                log::error!("a response was cut off: its reader panicked");
            }
        }
        // The handler is closed before the thread counts as ended.
        drop(handler);
        self.state().alive -= 1;
        self.ended.notify_all();
    }

    /// The next job; `None` if this thread is not needed any more.
    fn next(&self) -> Option<PoolJob> {
        let mut state = self.state();
        let idle_until = Instant::now() + self.limits.idle;
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            state.waiting += 1;
            // The last thread waits without a timeout, so that an idle server never wakes up.
            if state.threads == 1 {
                let waited = self.wake.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            } else {
                let left = idle_until.saturating_duration_since(Instant::now());
                let waited = self.wake.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            state.waiting -= 1;
            let idle = Instant::now() >= idle_until;
            if idle && state.threads > 1 && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    /// A counted thread does not run. Jobs that no thread will take are dropped, which answers them 503.
    fn lost_thread(&self) {
        let mut state = self.state();
        state.threads -= 1;
        state.alive -= 1;
        if state.threads == 0 {
            state.queue.clear();
        }
        self.ended.notify_all();
    }

    /// A panic under this lock can't leave the queue half changed: no foreign code runs under it.
    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
