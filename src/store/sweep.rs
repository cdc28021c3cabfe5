//! Sweeping: deletion of expired records. Never part of the decision whether something is valid.

use std::ops::AddAssign;

use rusqlite::params;

use super::Store;
use super::idempotency::REQUEST_KEPT_SECONDS;
use super::read::Select;
use super::write::run_in_savepoint;
use super::writer::{FinishedJob, Message, WriteJob};
use crate::model::error::Error;
use crate::model::time::Time;

/// How long deleted and expired API keys are kept, to explain their rejection; in seconds.
const API_KEY_KEPT_SECONDS: i64 = 30 * 86_400;
/// When a counter loses its effect; those with 100 attempts in a row never do. Must match the index and
/// `model::rate_limit`.
const THROTTLE_END: &str = "in_a_row < 100 AND since + max(3600, 86400 * in_a_row)";
/// How long used challenges are kept after their expiration, in case the clock goes back.
const CHALLENGE_KEPT_SECONDS: i64 = 86_400;
/// How long confirmed notices are kept, in seconds.
const NOTICE_KEPT_SECONDS: i64 = 90 * 86_400;
/// Days of usage kept, including the present one.
const USAGE_KEPT_DAYS: i64 = 30;

/// The number of deleted rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepCounts {
    pub api_keys: usize,
    pub tokens: usize,
    pub sessions: usize,
    pub codes: usize,
    /// Rows of bookkeeping: old uses, rate limits and the like.
    pub others: usize,
}

impl AddAssign for SweepCounts {
    fn add_assign(&mut self, more: Self) {
        self.api_keys += more.api_keys;
        self.tokens += more.tokens;
        self.sessions += more.sessions;
        self.codes += more.codes;
        self.others += more.others;
    }
}

impl Store {
    /// Deletes at most `rows_max` rows of each kind, so that a flood of one kind does not delay the others. All counts
    /// are zero when nothing is left.
    pub fn sweep_batch(&self, now: Time, rows_max: usize) -> Result<SweepCounts, Error> {
        self.note(move |select| select.sweep(now, rows_max))
    }

    /// Sweeps without waiting for the result, for the batches that ordinary requests start.
    pub fn sweep_some(&self, now: Time, rows_max: usize) {
        let work = move |select: Result<&Select, Error>| {
            let swept =
                select.and_then(|select| run_in_savepoint(select, || select.sweep(now, rows_max)));
            let failure = swept.err();
            if let Some(error) = &failure {
                log::warn!("sweeping: {error}");
            }
            FinishedJob {
                answer: Box::new(|_| ()),
                failure,
            }
        };
        // A full queue means there is other work; the next minute will do.
        let _ = self
            .writer
            .send(Message::Job(WriteJob::new(Box::new(work))));
    }
}

impl Select {
    fn sweep(&self, now: Time, rows_max: usize) -> Result<SweepCounts, Error> {
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let delete = |table: &str, key: &str, which: &str, before: i64| {
            let sql = format!(
                "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {which} <= ? LIMIT ?)"
            );
            if table == "credentials" {
                let sql = format!("{sql} RETURNING id");
                return Ok(self.execute_returning(&sql, params![before, limit])?.len());
            }
            self.execute(&sql, params![before, limit])
        };
        self.mark_expired_ssh_keys(now, limit)?;
        self.settle_rejections(now, limit)?;
        let orphaned = self.delete_codes_of_ended_keys(now)?;
        let (unix, old) = (now.unix(), now.unix() - API_KEY_KEPT_SECONDS);
        let usage_before = now.day().number() - USAGE_KEPT_DAYS;
        Ok(SweepCounts {
            tokens: delete(
                "credentials",
                "number",
                "kind = 'token' AND expires_at",
                unix,
            )?,
            sessions: delete(
                "credentials",
                "number",
                "kind = 'session' AND expires_at",
                unix,
            )?,
            api_keys: delete("credentials", "number", "deleted_at", old)?
                + delete(
                    "credentials",
                    "number",
                    "kind = 'api-key' AND expires_at",
                    old,
                )?,
            codes: orphaned + delete("codes", "id", "expires_at", unix)?,
            others: delete("usage_days", "credential_id, day", "day", usage_before)?
                + delete(
                    "requests_done",
                    "request",
                    "at",
                    unix - REQUEST_KEPT_SECONDS,
                )?
                + delete("throttle", "bucket", THROTTLE_END, unix)?
                + delete("known_browsers", "digest, user_id", "expires_at", unix)?
                + delete(
                    "spent_challenges",
                    "digest",
                    "expires_at",
                    unix - CHALLENGE_KEPT_SECONDS,
                )?
                + delete(
                    "account_notices",
                    "number",
                    "acknowledged_at",
                    unix - NOTICE_KEPT_SECONDS,
                )?,
        })
    }
}
