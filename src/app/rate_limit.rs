//! Rate limiting: memory decides, the store keeps the counters across restarts.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::App;
use crate::model::error::Error;
use crate::model::network_prefix::NetworkPrefix;
use crate::model::rate_limit::{LimitKey, LimitReached, RateLimit, RateLimiter};
use crate::model::time::Time;
use crate::store::CountersNow;

/// Attempts allowed for all subscribers of a site together, as a multiple of those of one subscriber.
const SITE_FACTOR: u32 = 4;

/// The counters of one server, shared by its threads.
#[derive(Clone, Default)]
pub(super) struct RateLimits(Arc<Mutex<RateLimiter>>);

impl RateLimits {
    pub(super) fn new(limiter: RateLimiter) -> Self {
        Self(Arc::new(Mutex::new(limiter)))
    }

    fn lock(&self) -> MutexGuard<'_, RateLimiter> {
        // A panic elsewhere leaves complete counters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of these subjects at the moment when the writer stores them, so that it never overwrites later
    /// ones.
    pub(super) fn stored(&self, limits: &[RateLimit]) -> CountersNow {
        let keys: Vec<LimitKey> = limits.iter().map(|limit| limit.key).collect();
        let all = self.clone();
        Box::new(move || {
            let limiter = all.lock();
            let counters = keys
                .iter()
                .filter_map(|key| Some((*key, limiter.counter(*key)?)));
            counters.collect()
        })
    }

    /// Takes a counted attempt back.
    pub(super) fn release(&self, limits: &[RateLimit]) {
        self.lock().release(limits);
    }

    /// Ends the rows of failures of these subjects.
    pub(super) fn end_rows(&self, limits: &[RateLimit]) {
        let mut limiter = self.lock();
        for limit in limits {
            limiter.end_row(limit.key);
        }
    }

    pub(super) fn is_locked(&self, limit: &RateLimit) -> bool {
        self.lock().is_locked(limit)
    }
}

impl App {
    /// A limit on attempts for `value`, which is a `what`.
    pub(super) fn rate_limit(&self, what: &str, value: &[u8], per_minute: u32) -> RateLimit {
        RateLimit {
            key: LimitKey::new(&self.keyed(&[b"throttle", what.as_bytes(), value])),
            per_minute,
            locks: false,
        }
    }

    /// The limits on attempts from an address: for its subscriber, and for its site. Clients of unknown address share
    /// one.
    pub(super) fn address_limits(
        &self,
        what: &str,
        address: Option<IpAddr>,
        per_minute: u32,
    ) -> Vec<RateLimit> {
        let Some(address) = address else {
            return vec![self.rate_limit(what, b"", per_minute)];
        };
        let limit = |prefix: NetworkPrefix, per_minute| {
            self.rate_limit(what, prefix.to_string().as_bytes(), per_minute)
        };
        vec![
            limit(NetworkPrefix::subscriber(address), per_minute),
            limit(NetworkPrefix::site(address), per_minute * SITE_FACTOR),
        ]
    }

    /// Counts one attempt before it is carried out. `attempts` names them: "wrong passwords".
    pub(super) fn hit(&self, limits: &[RateLimit], attempts: &str, now: Time) -> Result<(), Error> {
        let reached = self.limits().lock().hit(limits, now);
        reached.map_err(|reached| match reached {
            LimitReached::Locked => Error::Locked,
            LimitReached::Wait(retry_after) => too_many(attempts, retry_after),
        })
    }

    pub(super) const fn limits(&self) -> &RateLimits {
        &self.shared.limits
    }
}

fn too_many(attempts: &str, retry_after: Duration) -> Error {
    let seconds = retry_after.as_secs();
    Error::TooMany {
        retry_after,
        message: format!("Too many {attempts}; try again in {seconds} seconds."),
    }
}
