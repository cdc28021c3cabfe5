//! The tables `throttle` and `known_browsers`: attempts counted across restarts, and browsers used before.

use data_encoding::HEXLOWER;
use rusqlite::params;

use super::Store;
use super::open_error::OpenError;
use super::read::Select;
use super::write::Write;
use crate::model::error::Error;
use crate::model::event::{Action, Actor, AuditDetails, Origin};
use crate::model::rate_limit::{COUNTERS_MAX, Counter, LimitKey};
use crate::model::secret::Digest;
use crate::model::time::Time;
use crate::model::user::UserId;

/// Failed sign-ins in a minute that are a burst.
const BURST: u32 = 5;

/// Counters at the moment when the writer stores them.
pub type CountersNow = Box<dyn FnOnce() -> Vec<(LimitKey, Counter)> + Send>;

/// The event of a rejected attempt.
pub struct RejectedAttempt {
    pub at: Time,
    pub action: Action,
    pub actor: Actor,
    pub origin: Origin,
    pub details: AuditDetails,
}

impl Store {
    /// The stored counters.
    pub fn counters(&self) -> Result<Vec<(LimitKey, Counter)>, OpenError> {
        let counters = self.read().and_then(|read| read.counters());
        counters.map_err(|error| OpenError::from_error(&self.path, &error))
    }

    /// Stores the counters of a failed attempt and its event. The commit survives a kill. It does not wait for the
    /// disk, so that failures cost no sync.
    pub fn note_failed_attempt(
        &self,
        counters: CountersNow,
        event: Option<RejectedAttempt>,
    ) -> Result<(), Error> {
        self.note_relaxed(move |select| {
            let counters = counters();
            select.store_counters(&counters)?;
            let Some(event) = event else {
                return Ok(());
            };
            // The first counts the name, or the known browser.
            let burst = counters.first().map(|(_, counter)| counter.count);
            if let (Some(user), Some(count)) = (event.details.target.owner, burst)
                && count >= BURST
            {
                let address = event.origin.address.map(|address| address.to_string());
                select.enqueue_failed_sign_ins(user, count, address.as_deref(), event.at)?;
            }
            let RejectedAttempt {
                at,
                action,
                actor,
                origin,
                details,
            } = event;
            select.add_rejection(at, action.as_str(), &actor, &origin, &details)
        })
    }
}

impl Select {
    /// The stored counters: the longest rows first, as many as memory takes.
    fn counters(&self) -> Result<Vec<(LimitKey, Counter)>, Error> {
        let sql = "SELECT bucket, since, count, in_a_row FROM throttle ORDER BY in_a_row DESC, since DESC LIMIT ?";
        let limit = i64::try_from(COUNTERS_MAX).unwrap_or(i64::MAX);
        let rows = self.all(sql, [limit], |row| {
            // A damaged count does not keep the server from starting.
            let number = |column| -> rusqlite::Result<u32> {
                Ok(u32::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
            };
            let counter = Counter {
                since: Time::from_unix(row.get(1)?),
                count: number(2)?,
                in_a_row: number(3)?,
            };
            Ok((row.get::<_, String>(0)?, counter))
        })?;
        // Version 1 wrote other keys, which mattered for a minute.
        let key = |text: String| {
            let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
            Some(LimitKey::from_stored(bytes.try_into().ok()?))
        };
        let known = rows.into_iter();
        Ok(known
            .filter_map(|(text, counter)| Some((key(text)?, counter)))
            .collect())
    }

    pub(super) fn store_counters(&self, counters: &[(LimitKey, Counter)]) -> Result<(), Error> {
        let sql =
            "INSERT OR REPLACE INTO throttle (bucket, since, count, in_a_row) VALUES (?, ?, ?, ?)";
        for (key, counter) in counters {
            let key = HEXLOWER.encode(key.as_bytes());
            let Counter {
                since,
                count,
                in_a_row,
            } = counter;
            self.execute(sql, params![key, since.unix(), count, in_a_row])?;
        }
        Ok(())
    }

    /// Returns whether `user` signed in before in the browser with this cookie.
    pub fn is_known_browser(
        &self,
        digest: &Digest,
        user: UserId,
        now: Time,
    ) -> Result<bool, Error> {
        let sql = "SELECT count(*) FROM known_browsers WHERE digest = ? AND user_id = ? AND expires_at > ?";
        Ok(self.count(sql, params![digest.as_bytes(), user.0, now.unix()])? > 0)
    }
}

impl Write<'_> {
    /// Stores counters together with their act.
    pub fn store_counters(&self, counters: CountersNow) -> Result<(), Error> {
        let select: &Select = self;
        select.store_counters(&counters())
    }

    /// Stores a browser in which `user` signed in.
    pub fn remember_browser(
        &self,
        digest: &Digest,
        user: UserId,
        expires_at: Time,
    ) -> Result<(), Error> {
        let sql =
            "INSERT OR REPLACE INTO known_browsers (digest, user_id, expires_at) VALUES (?, ?, ?)";
        self.execute(sql, params![digest.as_bytes(), user.0, expires_at.unix()])
            .map(|_| ())
    }
}
