//! Revoking credentials: one with its tokens, a replaced session, the previous secret, a user's sessions.

use rusqlite::params;

use super::super::cache::VerificationSubject;
use super::super::write::Write;
use super::DERIVED_TOKENS;
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::Error;
use crate::model::secret::{Digest, Id};
use crate::model::user::UserId;

impl Write<'_> {
    /// Revokes a credential and the tokens that derive from it; for an API key also its links and codes. The row of an
    /// API key stays, without digests, to explain the rejection. Other rows are deleted.
    pub fn revoke_credential(&self, id: Id, kind: Kind, reason: &str) -> Result<(), Error> {
        if kind.is_bearer() {
            let sql = format!(
                "{DERIVED_TOKENS} DELETE FROM credentials WHERE kind = 'token' AND id IN made RETURNING id"
            );
            self.execute_returning(&sql, [id.as_str()])?;
        }
        match kind {
            Kind::ApiKey => {
                self.delete_codes_created_by(id)?;
                let sql = "UPDATE credentials SET digest = NULL, previous_digest = NULL, previous_ends_at = NULL, previous_quiet_seconds = NULL, deleted_at = ?, deletion_reason = ? WHERE id = ? AND deleted_at IS NULL";
                self.execute_for(
                    VerificationSubject::Credential(id),
                    sql,
                    params![self.now.unix(), reason, id.as_str()],
                )?;
            }
            Kind::Token | Kind::Session | Kind::Host => {
                self.execute_for(
                    VerificationSubject::Credential(id),
                    "DELETE FROM credentials WHERE id = ?",
                    [id.as_str()],
                )?;
            }
        }
        Ok(())
    }

    /// Revokes the session that a browser had before a new sign-in, if the browser presented its secret. Returns its
    /// id.
    pub fn revoke_replaced_session(&self, id: Id, presented: &Digest) -> Result<Option<Id>, Error> {
        let Some(session) = self.credential(id)? else {
            return Ok(None);
        };
        let is_its_own = session
            .digest
            .is_some_and(|digest| digest.matches(presented));
        if session.kind != Kind::Session || !is_its_own {
            return Ok(None);
        }
        self.revoke_credential(id, Kind::Session, "replaced")?;
        Ok(Some(id))
    }

    /// Revokes the secret from before the last rotation.
    pub fn revoke_previous_secret(&self, id: Id) -> Result<(), Error> {
        self.execute_for(
            VerificationSubject::Credential(id),
            "UPDATE credentials SET previous_digest = NULL, previous_ends_at = NULL, previous_quiet_seconds = NULL WHERE id = ?",
            [id.as_str()],
        )
        .map(|_| ())
    }

    /// Revokes the sessions of a user except `keep`. Returns how many.
    pub fn revoke_sessions(&self, user: UserId, keep: Option<Id>) -> Result<usize, Error> {
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "DELETE FROM credentials WHERE user_id = ? AND kind = 'session' AND id IS NOT ?",
            params![user.0, keep.as_ref().map(Id::as_str)],
        )
    }
}
