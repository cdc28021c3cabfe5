//! Rate limits: attempts per minute, and attempts in a row.
//!
//! Memory decides; the store keeps the counters across restarts. An attempt counts before it is carried out, so that
//! parallel attempts can't exceed a limit.

use std::collections::HashMap;
use std::time::Duration;

use super::secret::Digest;
use super::time::Time;

/// The window of a limit per minute, in seconds.
const WINDOW_SECONDS: i64 = 60;
/// Attempts in a row that lock a subject until its row ends.
pub const IN_A_ROW_MAX: u32 = 100;
/// How long a counter without a row of attempts has an effect, in seconds.
pub const KEPT_SECONDS: i64 = 3_600;
/// How long a row is remembered for each of its attempts, in seconds.
pub const KEPT_PER_ATTEMPT_SECONDS: i64 = 86_400;
/// Limit of counters in memory. The shortest and oldest rows are dropped first.
pub const COUNTERS_MAX: usize = 50_000;

/// The keyed digest of the subject of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitKey([u8; 16]);

impl LimitKey {
    pub fn new(digest: &Digest) -> Self {
        let (half, _) = digest.as_bytes().split_at(16);
        Self(std::array::from_fn(|place| half[place]))
    }

    pub const fn from_stored(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A limit on attempts for one subject.
#[derive(Debug, Clone, Copy)]
pub struct RateLimit {
    pub key: LimitKey,
    pub per_minute: u32,
    /// True if [`IN_A_ROW_MAX`] attempts in a row lock it.
    pub locks: bool,
}

/// The counted attempts for one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// The start of the last minute with attempts.
    pub since: Time,
    /// Attempts in that minute.
    pub count: u32,
    /// Attempts without a success between them.
    pub in_a_row: u32,
}

impl Counter {
    const fn new(now: Time) -> Self {
        Self {
            since: now,
            count: 0,
            in_a_row: 0,
        }
    }

    fn wait(&self, per_minute: u32, now: Time) -> Option<Duration> {
        let left = self.since.unix() + WINDOW_SECONDS - now.unix();
        let reached = self.count >= per_minute && left > 0 && self.since <= now;
        reached.then(|| Duration::from_secs(left.unsigned_abs()))
    }

    fn add(&mut self, limit: &RateLimit, now: Time) {
        let in_window = self.since <= now && now.unix() - self.since.unix() < WINDOW_SECONDS;
        if !in_window {
            self.since = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        if limit.locks {
            self.in_a_row = self.in_a_row.saturating_add(1);
        }
    }

    const fn is_locked(&self) -> bool {
        self.in_a_row >= IN_A_ROW_MAX
    }

    /// Returns whether it has no effect any more. A lock always has one.
    fn is_forgotten(&self, now: Time) -> bool {
        let kept = KEPT_SECONDS.max(i64::from(self.in_a_row) * KEPT_PER_ATTEMPT_SECONDS);
        !self.is_locked() && self.since.unix() + kept <= now.unix()
    }
}

/// The reason why an attempt is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// Too many in this minute.
    Wait(Duration),
    /// Too many in a row.
    Locked,
}

/// The counters of all subjects.
#[derive(Default)]
pub struct RateLimiter(HashMap<LimitKey, Counter>);

impl RateLimiter {
    /// Restores stored counters.
    pub fn from_stored(counters: impl IntoIterator<Item = (LimitKey, Counter)>) -> Self {
        Self(counters.into_iter().collect())
    }

    /// Counts one attempt for each of `limits`, before it is carried out. Counts nothing if one of them is reached.
    pub fn hit(&mut self, limits: &[RateLimit], now: Time) -> Result<(), LimitReached> {
        if limits.iter().any(|limit| self.is_locked(limit)) {
            return Err(LimitReached::Locked);
        }
        let waits = limits
            .iter()
            .filter_map(|limit| self.0.get(&limit.key)?.wait(limit.per_minute, now));
        if let Some(wait) = waits.max() {
            return Err(LimitReached::Wait(wait));
        }
        for limit in limits {
            self.make_room(now);
            let counter = self.0.entry(limit.key).or_insert(Counter::new(now));
            if counter.is_forgotten(now) {
                *counter = Counter::new(now);
            }
            counter.add(limit, now);
        }
        Ok(())
    }

    /// Takes back a counted attempt that was neither a failure nor a success.
    pub fn release(&mut self, limits: &[RateLimit]) {
        for limit in limits {
            if let Some(counter) = self.0.get_mut(&limit.key) {
                counter.count = counter.count.saturating_sub(1);
                if limit.locks {
                    counter.in_a_row = counter.in_a_row.saturating_sub(1);
                }
            }
        }
    }

    /// Ends the row of a subject after a success. Its failures of this minute stay counted.
    pub fn end_row(&mut self, key: LimitKey) {
        if let Some(counter) = self.0.get_mut(&key) {
            counter.in_a_row = 0;
        }
    }

    /// Returns whether too many attempts were made in a row.
    pub fn is_locked(&self, limit: &RateLimit) -> bool {
        limit.locks && self.0.get(&limit.key).is_some_and(Counter::is_locked)
    }

    /// The counter of a subject, for the store.
    pub fn counter(&self, key: LimitKey) -> Option<Counter> {
        self.0.get(&key).copied()
    }

    /// Drops counters without effect and, if that is not enough, a tenth of the rest: the shortest rows, the oldest
    /// first.
    fn make_room(&mut self, now: Time) {
        if self.0.len() < COUNTERS_MAX {
            return;
        }
        self.0.retain(|_, counter| !counter.is_forgotten(now));
        if self.0.len() < COUNTERS_MAX {
            return;
        }
        let rank = |counter: &Counter| (counter.in_a_row, counter.since);
        let mut ranks: Vec<_> = self.0.values().map(rank).collect();
        let (_, limit, _) = ranks.select_nth_unstable(COUNTERS_MAX / 10);
        let limit = *limit;
        let mut left = COUNTERS_MAX / 10;
        self.0.retain(|_, counter| {
            let goes = left > 0 && rank(counter) <= limit;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_000_000);

    fn key(number: u32) -> LimitKey {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        LimitKey(bytes)
    }

    fn limit(number: u32) -> RateLimit {
        RateLimit {
            key: key(number),
            per_minute: 10,
            locks: true,
        }
    }

    fn later(seconds: i64) -> Time {
        Time::from_unix(NOW.unix() + seconds)
    }

    #[test]
    fn attempts_per_minute_are_limited() {
        let mut limiter = RateLimiter::default();
        for _ in 0..10 {
            assert_eq!(limiter.hit(&[limit(1)], NOW), Ok(()));
        }
        let wait = |seconds| Err(LimitReached::Wait(Duration::from_secs(seconds)));
        assert_eq!(limiter.hit(&[limit(1)], NOW), wait(60));
        assert_eq!(limiter.hit(&[limit(1), limit(2)], later(59)), wait(1));
        assert_eq!(limiter.counter(key(2)), None, "nothing else was counted");
        assert_eq!(limiter.hit(&[limit(1)], later(60)), Ok(()));
        assert_eq!(limiter.counter(key(1)).unwrap().count, 1);
    }

    #[test]
    fn hundred_failures_in_a_row_lock_until_a_success() {
        let mut limiter = RateLimiter::default();
        for number in 0..100 {
            assert_eq!(limiter.hit(&[limit(1)], later(number * 60)), Ok(()));
        }
        for seconds in [6_000, 60 * 86_400, 100 * 365 * 86_400] {
            assert_eq!(
                limiter.hit(&[limit(1)], later(seconds)),
                Err(LimitReached::Locked)
            );
        }
        limiter.end_row(key(1));
        assert_eq!(limiter.hit(&[limit(1)], later(6_001)), Ok(()));
    }

    #[test]
    fn released_attempt_leaves_the_row_as_it_was() {
        let mut limiter = RateLimiter::default();
        for number in 0..99 {
            limiter.hit(&[limit(1)], later(number * 60)).unwrap();
        }
        for _ in 0..20 {
            limiter.hit(&[limit(1)], later(6_000)).unwrap();
            limiter.release(&[limit(1)]);
        }
        assert_eq!(limiter.counter(key(1)).unwrap().in_a_row, 99);
        limiter.hit(&[limit(1)], later(6_000)).unwrap();
        assert!(limiter.is_locked(&limit(1)));
    }

    #[test]
    fn short_row_is_forgotten_after_as_many_days() {
        let mut limiter = RateLimiter::default();
        for _ in 0..3 {
            limiter.hit(&[limit(1)], NOW).unwrap();
        }
        limiter.hit(&[limit(1)], later(3 * 86_400 - 1)).unwrap();
        assert_eq!(limiter.counter(key(1)).unwrap().in_a_row, 4);
        limiter.hit(&[limit(1)], later(7 * 86_400)).unwrap();
        assert_eq!(limiter.counter(key(1)).unwrap().in_a_row, 1);
    }

    #[test]
    fn memory_is_bounded_and_long_rows_stay() {
        let mut limiter = RateLimiter::default();
        for number in 0..100 {
            limiter.hit(&[limit(0)], later(number * 60)).unwrap();
        }
        limiter.hit(&[limit(1)], NOW).unwrap();
        limiter.hit(&[limit(1)], NOW).unwrap();
        for number in 0..2 * u32::try_from(COUNTERS_MAX).unwrap() {
            limiter.hit(&[limit(number + 2)], later(6_000)).unwrap();
        }
        assert!(limiter.0.len() <= COUNTERS_MAX);
        assert!(limiter.is_locked(&limit(0)));
        assert_eq!(limiter.counter(key(1)).unwrap().in_a_row, 2);
    }

    /// As many counters as fit, each with one attempt, a second later than the one before.
    fn full() -> RateLimiter {
        let counter = |number: u32| Counter {
            since: later(number.into()),
            count: 1,
            in_a_row: 1,
        };
        let numbers = 0..u32::try_from(COUNTERS_MAX).unwrap();
        RateLimiter::from_stored(numbers.map(|number| (key(number), counter(number))))
    }

    #[test]
    fn oldest_tenth_makes_room_for_a_new_counter() {
        let mut limiter = full();
        limiter.hit(&[limit(1_000_000)], later(80_000)).unwrap();
        assert_eq!(limiter.0.len(), COUNTERS_MAX / 10 * 9 + 1);
        let oldest = u32::try_from(COUNTERS_MAX / 10).unwrap();
        let stayed = |number: &u32| limiter.counter(key(*number)).is_some();
        assert_eq!((0..=oldest).filter(stayed).count(), 1);
        assert!(stayed(&(oldest + 1)));
        assert!(limiter.counter(key(1_000_000)).is_some());
    }

    #[test]
    fn counters_without_effect_make_room_alone() {
        let mut limiter = full();
        limiter
            .hit(&[limit(1_000_000)], later(86_400 + 100))
            .unwrap();
        assert_eq!(limiter.counter(key(100)), None);
        assert!(limiter.counter(key(101)).is_some());
        let mut limiter = full();
        let end = i64::try_from(COUNTERS_MAX).unwrap();
        limiter
            .hit(&[limit(1_000_000)], later(86_400 + end - 10))
            .unwrap();
        assert_eq!(limiter.0.len(), 10);
    }
}
