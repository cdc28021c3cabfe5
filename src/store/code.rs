//! The table `codes`.

use rusqlite::params;

use super::Store;
use super::read::Select;
use super::write::Write;
use crate::model::code::{Code, Purpose};
use crate::model::error::{Error, SecretSent};
use crate::model::secret::{Digest, Id, Presented};
use crate::model::time::Time;
use crate::model::user::UserId;

/// A new code.
pub struct NewCode {
    pub id: Id,
    pub purpose: Purpose,
    pub digest: Digest,
    pub user: Option<UserId>,
    pub uses: u32,
    pub expires_at: Time,
    pub made_by: Option<Id>,
    /// Names with a space between them.
    pub groups: String,
}

/// What a spent code was for.
pub(super) struct Spent {
    pub(super) user: Option<UserId>,
    pub(super) groups: String,
}

impl Select {
    /// A code by its secret, without spending it.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is no such code, or it is spent or over.
    pub fn code(&self, presented: &Presented, purpose: Purpose, now: Time) -> Result<Code, Error> {
        let refused = || Error::Unauthenticated {
            sent: SecretSent::Yes,
        };
        let sql = "SELECT digest, user_id, uses_left, expires_at FROM codes WHERE id = ? AND purpose = ? AND uses_left > 0";
        let found = self.one(sql, params![presented.id.as_str(), purpose.word()], |row| {
            let digest: [u8; 32] = row.get(0)?;
            let code = Code {
                id: presented.id,
                purpose,
                user: row.get::<_, Option<i64>>(1)?.map(UserId),
                uses_left: row.get(2)?,
                expires_at: Time::from_unix(row.get(3)?),
            };
            Ok((digest, code))
        })?;
        let (digest, code) = found.ok_or_else(refused)?;
        let matches =
            Digest::from_stored(&digest).is_some_and(|digest| digest.matches(&presented.digest));
        if matches && code.expires_at > now {
            Ok(code)
        } else {
            Err(refused())
        }
    }

    /// Whether a code's end has come. Its secret has to be right.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn is_code_over(&self, presented: &Presented, now: Time) -> Result<bool, Error> {
        let sql = "SELECT digest FROM codes WHERE id = ? AND expires_at <= ?";
        let digest = self.one(sql, params![presented.id.as_str(), now.unix()], |row| {
            row.get::<_, [u8; 32]>(0)
        })?;
        Ok(digest
            .and_then(|digest| Digest::from_stored(&digest))
            .is_some_and(|digest| digest.matches(&presented.digest)))
    }

    /// Spends one use of a code, within the act that it opens.
    pub(super) fn spend_code(
        &self,
        presented: &Presented,
        purpose: Purpose,
        now: Time,
    ) -> Result<Spent, Error> {
        let code = self.code(presented, purpose, now)?;
        let spent = self.execute("UPDATE codes SET uses_left = uses_left - 1 WHERE id = ? AND purpose = ? AND uses_left > 0 AND expires_at > ?", params![code.id.as_str(), purpose.word(), now.unix()])?;
        if spent != 1 {
            return Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            });
        }
        let groups = self
            .one(
                "SELECT groups FROM codes WHERE id = ?",
                [code.id.as_str()],
                |row| row.get(0),
            )?
            .unwrap_or_default();
        self.execute(
            "DELETE FROM codes WHERE id = ? AND uses_left = 0 AND purpose <> 'device'",
            [code.id.as_str()],
        )?;
        Ok(Spent {
            user: code.user,
            groups,
        })
    }

    /// The row of a new code.
    pub(super) fn insert_code(&self, code: &NewCode, now: Time) -> Result<(), Error> {
        let sql = "INSERT INTO codes (id, purpose, digest, user_id, uses_left, created_at, expires_at, made_by, groups) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let (user, made_by) = (
            code.user.map(|user| user.0),
            code.made_by.as_ref().map(Id::as_str),
        );
        self.execute(
            sql,
            params![
                code.id.as_str(),
                code.purpose.word(),
                code.digest.as_bytes(),
                user,
                code.uses,
                now.unix(),
                code.expires_at.unix(),
                made_by,
                code.groups
            ],
        )?;
        Ok(())
    }
}

impl Store {
    /// Removes a code whose end was seen to have come, so that it stays over when the clock goes back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::StorageFull`] when nothing could be written.
    pub fn remove_code_that_is_over(&self, id: Id, now: Time) -> Result<(), Error> {
        self.note(move |select| {
            let sql = "DELETE FROM codes WHERE id = ? AND expires_at <= ?";
            select
                .execute(sql, params![id.as_str(), now.unix()])
                .map(|_| ())
        })
    }
}

impl Write<'_> {
    /// Adds a code. A new set-up code, invitation or reset takes the place of those before it.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be written.
    pub fn add_code(&self, code: &NewCode) -> Result<(), Error> {
        match code.purpose {
            Purpose::SetUp => {
                self.execute("DELETE FROM codes WHERE purpose = 'set-up'", [])?;
            }
            Purpose::Invitation | Purpose::PasswordReset => {
                self.execute("DELETE FROM codes WHERE user_id = ? AND purpose IN ('invitation', 'password-reset')", [code.user.map(|user| user.0)])?;
            }
            Purpose::Enrolment | Purpose::Device => {}
        }
        self.insert_code(code, self.now)
    }

    /// Ends all set-up codes: there is an admin now.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be written.
    pub fn end_set_up_codes(&self) -> Result<(), Error> {
        self.execute("DELETE FROM codes WHERE purpose = 'set-up'", [])
            .map(|_| ())
    }
}
