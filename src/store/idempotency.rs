//! The table `requests_done`: successful requests with an `Idempotency-Key`.

use rusqlite::params;

use super::read::Select;
use crate::model::error::Error;
use crate::model::idempotency::IdempotencyKey;
use crate::model::secret::Digest;
use crate::model::time::Time;

/// How long such a request is remembered, in seconds.
pub(super) const REQUEST_KEPT_SECONDS: i64 = 86_400;

impl Select {
    /// Rejects a request that was carried out before.
    pub(super) fn require_first_time(&self, once: &IdempotencyKey, now: Time) -> Result<(), Error> {
        let sql = "SELECT body, made FROM requests_done WHERE request = ? AND at > ?";
        let found = self.one(
            sql,
            params![once.request.as_bytes(), now.unix() - REQUEST_KEPT_SECONDS],
            |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?)),
        )?;
        match found {
            None => Ok(()),
            Some((body, id))
                if Digest::from_stored(&body).is_some_and(|body| body.matches(&once.body)) =>
            {
                Err(Error::AlreadyDone { id })
            }
            Some(_) => Err(Error::KeyReused),
        }
    }

    pub(super) fn remember_request(
        &self,
        once: &IdempotencyKey,
        created: &str,
        now: Time,
    ) -> Result<(), Error> {
        let sql =
            "INSERT OR REPLACE INTO requests_done (request, body, made, at) VALUES (?, ?, ?, ?)";
        self.execute(
            sql,
            params![
                once.request.as_bytes(),
                once.body.as_bytes(),
                created,
                now.unix()
            ],
        )
        .map(|_| ())
    }
}
