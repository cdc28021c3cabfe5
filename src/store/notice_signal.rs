//! Wakes the thread that delivers notices, and starts it when the first channel exists.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Starts the thread.
type Start = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct SignalState {
    start: Option<Start>,
    is_raised: bool,
    is_stopped: bool,
}

/// Shared by the writer, which raises it, and the thread that delivers notices.
#[derive(Default)]
pub struct NoticeSignal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

impl NoticeSignal {
    fn state(&self) -> MutexGuard<'_, SignalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the function that starts the thread with the first signal.
    pub fn start_with(&self, start: impl FnOnce() + Send + 'static) {
        self.state().start = Some(Box::new(start));
    }

    /// Reports new notices, or a change of the channels.
    pub fn raise(&self) {
        let mut state = self.state();
        state.is_raised = true;
        let start = state.start.take();
        drop(state);
        self.changed.notify_all();
        if let Some(start) = start {
            start();
        }
    }

    /// Ends the thread, which finishes its present delivery.
    pub fn stop(&self) {
        let mut state = self.state();
        state.is_stopped = true;
        state.start = None;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next signal, at most this long; `None`: without a limit. Returns false once it is stopped.
    pub fn wait(&self, at_most: Option<Duration>) -> bool {
        let state = self.state();
        let is_idle = |state: &mut SignalState| !state.is_raised && !state.is_stopped;
        let mut state = match at_most {
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(state, limit, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self
                .changed
                .wait_while(state, is_idle)
                .unwrap_or_else(PoisonError::into_inner),
        };
        state.is_raised = false;
        !state.is_stopped
    }

    /// Waits this long. Returns false once it is stopped.
    pub fn pause(&self, duration: Duration) -> bool {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, duration, |state| !state.is_stopped);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_stopped
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn signal_starts_the_thread_once() {
        let signal = NoticeSignal::default();
        let started = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&started);
        signal.start_with(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(started.load(Ordering::Relaxed), 0);
        signal.raise();
        signal.raise();
        assert_eq!(started.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn raised_signal_is_seen_by_the_next_wait() {
        let signal = NoticeSignal::default();
        signal.raise();
        assert!(signal.wait(None));
        assert!(signal.wait(Some(Duration::from_millis(1))));
        signal.stop();
        assert!(!signal.wait(None));
        assert!(!signal.pause(Duration::from_secs(60)));
    }
}
