//! The only "now" of the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::time::Time;

/// Where the time comes from: the operating system, or a hand that turns it (in tests).
#[derive(Clone)]
pub enum Clock {
    System,
    /// Unix seconds, shared by everybody who holds a clone.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at `time` until it is turned.
    pub fn manual(time: Time) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(time.unix())))
    }

    /// The present second, kept within the range of [`Time`].
    pub fn now(&self) -> Time {
        match self {
            Self::System => {
                let seconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
                    Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                    Err(_) => 0,
                };
                Time::from_unix(seconds)
            }
            Self::Manual(seconds) => Time::from_unix(seconds.load(Ordering::SeqCst)),
        }
    }

    /// Turns a manual clock to `time`; the system's clock is not ours to turn and stays as it is.
    pub fn turn_to(&self, time: Time) {
        if let Self::Manual(seconds) = self {
            seconds.store(time.unix(), Ordering::SeqCst);
        }
    }
}
