//! Rotation: a new secret for a credential.

use rusqlite::params;

use super::super::cache::VerificationSubject;
use super::super::row::unix;
use super::super::write::Write;
use crate::model::credential::Grace;
use crate::model::error::Error;
use crate::model::secret::{Digest, Id};
use crate::model::time::Time;

impl Write<'_> {
    /// Sets a new secret. The current one becomes the previous one for the grace period, if there is one.
    pub fn rotate_credential(
        &self,
        id: Id,
        digest: &Digest,
        grace: Option<Grace>,
        expires_at: Option<Time>,
    ) -> Result<(), Error> {
        let sql = "UPDATE credentials SET previous_digest = CASE WHEN ?1 IS NULL THEN NULL ELSE digest END, previous_ends_at = ?1, previous_quiet_seconds = ?6, \
                   digest = ?2, rotated_at = ?3, rotations = rotations + 1, \
                   expired_seen_at = CASE WHEN expires_at IS ?4 THEN expired_seen_at END, expires_at = ?4 WHERE id = ?5";
        let quiet = grace.and_then(|grace| Some(grace.until_unused?.quiet));
        self.execute_for(
            VerificationSubject::Credential(id),
            sql,
            params![
                unix(grace.map(|grace| grace.ends_at)),
                digest.as_bytes(),
                self.now.unix(),
                unix(expires_at),
                id.as_str(),
                quiet.map(|quiet| i64::try_from(quiet.as_secs()).unwrap_or(i64::MAX)),
            ],
        )?;
        let kept = "UPDATE last_uses SET earlier_at = previous_at, earlier_address = previous_address, earlier_program = previous_program \
                    WHERE credential_id = ? AND previous_at >= coalesce(earlier_at, previous_at)";
        self.execute(kept, [id.as_str()])?;
        let moved = "UPDATE last_uses SET previous_at = at, previous_address = address, previous_program = program, at = NULL, address = NULL, program = NULL WHERE credential_id = ?";
        self.execute(moved, [id.as_str()])?;
        self.shorten_tokens(id, expires_at)
    }
}
