//! Sweeping: removing what is over. Never what decides whether something is good.

use std::ops::AddAssign;

use rusqlite::params;

use super::Store;
use super::idempotency::REQUEST_KEPT_SECONDS;
use super::read::Select;
use super::write::attempt;
use super::writer::{Done, Job, Message};
use crate::model::error::Error;
use crate::model::time::Time;

/// How long ended and expired API keys are kept for their reason, in seconds.
const API_KEY_KEPT_SECONDS: i64 = 30 * 86_400;
/// How long a throttle row can matter, in seconds.
const THROTTLE_KEPT_SECONDS: i64 = 3_600;
/// Days of usage that are kept, the present one included.
const USAGE_KEPT_DAYS: i64 = 31;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub api_keys: usize,
    pub tokens: usize,
    pub sessions: usize,
    pub codes: usize,
}

impl AddAssign for Swept {
    fn add_assign(&mut self, more: Self) {
        self.api_keys += more.api_keys;
        self.tokens += more.tokens;
        self.sessions += more.sessions;
        self.codes += more.codes;
    }
}

impl Store {
    /// Removes at most `rows_max` rows of each kind; all zero when nothing is left to remove.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::StorageFull`] when nothing could be written.
    pub fn sweep_batch(&self, now: Time, rows_max: usize) -> Result<Swept, Error> {
        self.note(move |select| select.sweep(now, rows_max))
    }

    /// The same without waiting for it: for the batches that ordinary requests start.
    pub fn sweep_some(&self, now: Time, rows_max: usize) {
        let work = move |select: Result<&Select, Error>| {
            let swept = select.and_then(|select| attempt(select, || select.sweep(now, rows_max)));
            let failure = swept.err();
            if let Some(error) = &failure {
                log::warn!("sweeping: {error}");
            }
            Done {
                answer: Box::new(|_| ()),
                failure,
            }
        };
        // A full queue means there is other work; the next minute will do.
        let _ = self.writer.send(Message::Job(Job::new(Box::new(work))));
    }
}

impl Select {
    fn sweep(&self, now: Time, rows_max: usize) -> Result<Swept, Error> {
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let unix = now.unix();
        let expired = |kind: &str| {
            let sql = format!(
                "DELETE FROM credentials WHERE number IN (SELECT number FROM credentials WHERE expires_at <= ? AND kind = '{kind}' LIMIT ?)"
            );
            self.execute(&sql, params![unix, limit])
        };
        let tokens = expired("token")?;
        let sessions = expired("session")?;
        let old = unix - API_KEY_KEPT_SECONDS;
        let ended = self.execute("DELETE FROM credentials WHERE number IN (SELECT number FROM credentials WHERE ended_at <= ? LIMIT ?)", params![old, limit])?;
        let outlived = self.execute("DELETE FROM credentials WHERE number IN (SELECT number FROM credentials WHERE expires_at <= ? AND kind = 'api-key' LIMIT ?)", params![old, limit])?;
        let codes = self.execute(
            "DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE expires_at <= ? LIMIT ?)",
            params![unix, limit],
        )?;
        let usage = "DELETE FROM usage_days WHERE (credential_id, day) IN (SELECT credential_id, day FROM usage_days WHERE day <= ? LIMIT ?)";
        self.execute(usage, params![now.day().number() - USAGE_KEPT_DAYS, limit])?;
        let requests = "DELETE FROM requests_done WHERE request IN (SELECT request FROM requests_done WHERE at <= ? LIMIT ?)";
        self.execute(requests, params![unix - REQUEST_KEPT_SECONDS, limit])?;
        self.execute(
            "DELETE FROM throttle WHERE since <= ?",
            [unix - THROTTLE_KEPT_SECONDS],
        )?;
        self.execute("DELETE FROM known_browsers WHERE expires_at <= ?", [unix])?;
        self.mark_expired_ssh_keys(now, limit)?;
        Ok(Swept {
            api_keys: ended + outlived,
            tokens,
            sessions,
            codes,
        })
    }
}
