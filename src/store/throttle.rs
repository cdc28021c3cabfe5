//! The tables `throttle` and `known_browsers`: failed tries, kept over a restart.

use rusqlite::params;

use super::Store;
use super::read::Select;
use crate::model::error::Error;
use crate::model::secret::Digest;
use crate::model::time::Time;
use crate::model::user::UserId;

/// The window in which tries are counted, in seconds.
const WINDOW_SECONDS: i64 = 60;

/// One thing that tries are counted for, and how many it has within a minute.
#[derive(Debug, Clone)]
pub struct RateLimit {
    pub name: String,
    pub tries_max: u32,
}

impl Store {
    /// Counts one try for each of `buckets`, before it is made. `None`: go ahead; else the seconds until the next try,
    /// and nothing was counted.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::StorageFull`] when it could not be counted.
    pub fn hit(&self, buckets: Vec<RateLimit>, now: Time) -> Result<Option<u64>, Error> {
        self.note(move |select| {
            let mut wait = None;
            for bucket in &buckets {
                wait = wait.max(select.wait_of(bucket, now)?);
            }
            if wait.is_none() {
                for bucket in &buckets {
                    let sql = "INSERT INTO throttle (bucket, since, count) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET \
                               count = CASE WHEN since > ?2 - ?3 AND since <= ?2 THEN count + 1 ELSE 1 END, since = CASE WHEN since > ?2 - ?3 AND since <= ?2 THEN since ELSE ?2 END";
                    select.execute(sql, params![bucket.name, now.unix(), WINDOW_SECONDS])?;
                }
            }
            Ok(wait)
        })
    }

    /// Takes a counted try back: it was right.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::StorageFull`] when it could not be written.
    pub fn forget_tries(&self, buckets: Vec<RateLimit>) -> Result<(), Error> {
        self.note(move |select| {
            for bucket in &buckets {
                select.execute(
                    "UPDATE throttle SET count = max(count - 1, 0) WHERE bucket = ?",
                    [&bucket.name],
                )?;
            }
            Ok(())
        })
    }

    /// Remembers a browser in which `user` signed in.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::StorageFull`] when it could not be written.
    pub fn remember_browser(
        &self,
        digest: Digest,
        user: UserId,
        expires_at: Time,
    ) -> Result<(), Error> {
        self.note(move |select| {
            let sql = "INSERT OR REPLACE INTO known_browsers (digest, user_id, expires_at) VALUES (?, ?, ?)";
            select.execute(sql, params![digest.as_bytes(), user.0, expires_at.unix()]).map(|_| ())
        })
    }
}

impl Select {
    fn wait_of(&self, bucket: &RateLimit, now: Time) -> Result<Option<u64>, Error> {
        let found = self.one(
            "SELECT since, count FROM throttle WHERE bucket = ?",
            [&bucket.name],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?)),
        )?;
        let Some((since, count)) = found else {
            return Ok(None);
        };
        let left = since + WINDOW_SECONDS - now.unix();
        let over = count >= bucket.tries_max && left > 0 && since <= now.unix();
        Ok(over.then_some(left.unsigned_abs()))
    }

    /// Whether `user` signed in before in the browser with this cookie.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn knows_browser(&self, digest: &Digest, user: UserId, now: Time) -> Result<bool, Error> {
        let sql = "SELECT count(*) FROM known_browsers WHERE digest = ? AND user_id = ? AND expires_at > ?";
        Ok(self.count(sql, params![digest.as_bytes(), user.0, now.unix()])? > 0)
    }
}
