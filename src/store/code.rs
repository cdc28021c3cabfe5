//! The table `codes`.

use rusqlite::params;

use super::Store;
use super::credential::root_api_key;
use super::read::Select;
use super::write::{Power, Write, may_give};
use crate::model::code::{Code, Purpose};
use crate::model::error::{Error, SecretSent};
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::secret::{Digest, Id, Presented};
use crate::model::time::Time;
use crate::model::user::{Role, User, UserId};

/// SQL for whether the root API key `r` of a code is deleted or expired at `?1`; 0 without one.
const ROOT_ENDED: &str =
    "coalesce(r.deleted_at IS NOT NULL OR r.expired_seen_at IS NOT NULL OR r.expires_at <= ?1, 0)";

/// A new code.
pub struct NewCode {
    pub id: Id,
    pub purpose: Purpose,
    pub digest: Digest,
    pub user: Option<UserId>,
    pub uses: u32,
    pub expires_at: Time,
    /// The credential that created it; `None`: the operator.
    pub creator: Option<CodeCreator>,
    /// Names separated by spaces.
    pub groups: String,
}

/// The credential that created a code. The code never gives more than its creator may give.
pub struct CodeCreator {
    pub credential: Id,
    pub user: UserId,
    /// The permissions of that credential.
    pub power: Permissions,
}

/// A used code.
pub(super) struct UsedCode {
    pub(super) user: Option<UserId>,
    pub(super) groups: String,
    /// The username of the admin who created it; `None`: the operator.
    pub(super) creator: Option<String>,
}

impl Select {
    /// The code with this secret, which stays unused.
    pub fn code(&self, presented: &Presented, purpose: Purpose, now: Time) -> Result<Code, Error> {
        let rejected = || Error::Unauthenticated {
            sent: SecretSent::Yes,
        };
        let sql = "SELECT digest, user_id, uses_left, expires_at FROM codes WHERE id = ? AND purpose = ? AND uses_left > 0";
        let found = self.one(
            sql,
            params![presented.id.as_str(), purpose.as_str()],
            |row| {
                let digest: [u8; 32] = row.get(0)?;
                let code = Code {
                    id: presented.id,
                    purpose,
                    user: row.get::<_, Option<i64>>(1)?.map(UserId),
                    uses_left: row.get(2)?,
                    expires_at: Time::from_unix(row.get(3)?),
                };
                Ok((digest, code))
            },
        )?;
        let (digest, code) = found.ok_or_else(rejected)?;
        let matches =
            Digest::from_stored(&digest).is_some_and(|digest| digest.matches(&presented.digest));
        if matches && code.expires_at > now && self.may_still_give(&code, now)? {
            Ok(code)
        } else {
            Err(rejected())
        }
    }

    /// Returns whether the code's creator could still create it. A lost right invalidates the links created by it, and so
    /// does the end of their root API key. A link to the account of somebody who has gained permissions since then opens
    /// no more than before.
    fn may_still_give(&self, code: &Code, now: Time) -> Result<bool, Error> {
        let needed = match code.purpose {
            Purpose::Invitation | Purpose::PasswordReset => BuiltinPermission::UsersWrite,
            Purpose::Enrollment => BuiltinPermission::HostsWrite,
            Purpose::SetUp | Purpose::Device | Purpose::EmailConfirmation => return Ok(true),
        };
        let sql = format!(
            "SELECT c.creator_id, c.power, m.disabled_at IS NOT NULL OR {ROOT_ENDED}, iif(m.kind = 'api-key', m.permissions, NULL) \
             FROM codes c LEFT JOIN credentials m ON m.id = c.created_by LEFT JOIN credentials r ON r.id = c.root_api_key \
             WHERE c.id = ?2 AND c.creator_id IS NOT NULL"
        );
        let creator = self.one(&sql, params![now.unix(), code.id.as_str()], |row| {
            let power = Permissions::from_stored(&row.get::<_, String>(1)?);
            let present: Option<String> = row.get(3)?;
            let power = match present {
                Some(present) => power.intersection(&Permissions::from_stored(&present)),
                None => power,
            };
            Ok((UserId(row.get(0)?), power, row.get::<_, bool>(2)?))
        })?;
        let Some((creator, power, has_ended)) = creator else {
            return Ok(true);
        };
        let Some(creator) = self.user_by_id(creator)?.filter(User::is_enabled) else {
            return Ok(false);
        };
        let power = power.intersection(&creator.permissions());
        if has_ended || !power.contains(&needed.into()) {
            return Ok(false);
        }
        let Some(user) = code.user else {
            return Ok(true);
        };
        let Some(user) = self.user_by_id(user)? else {
            return Ok(false);
        };
        let gives = match (code.purpose, user.role) {
            // A new member gets the permissions of members, not those of the inviting user.
            (Purpose::Invitation, Role::Member) => user.granted.clone(),
            (_, Role::Member | Role::Admin) => user.permissions(),
        };
        Ok(may_give(&power, &gives))
    }

    /// Deletes the links and codes that derive from a credential.
    pub(super) fn delete_codes_created_by(&self, creator: Id) -> Result<(), Error> {
        let sql = "DELETE FROM codes WHERE created_by = ?1 OR root_api_key = ?1";
        self.execute(sql, [creator.as_str()]).map(|_| ())
    }

    /// Deletes the codes whose root API key is deleted or expired: once its row is gone, nothing would tell. Returns how many.
    pub(super) fn delete_codes_of_ended_keys(&self, now: Time) -> Result<usize, Error> {
        let sql = format!(
            "DELETE FROM codes WHERE id IN (SELECT c.id FROM codes c JOIN credentials r ON r.id = c.root_api_key WHERE {ROOT_ENDED})"
        );
        self.execute(&sql, [now.unix()])
    }

    /// Returns whether a code has expired. The secret has to match.
    pub fn is_code_expired(&self, presented: &Presented, now: Time) -> Result<bool, Error> {
        let sql = "SELECT digest FROM codes WHERE id = ? AND expires_at <= ?";
        let digest = self.one(sql, params![presented.id.as_str(), now.unix()], |row| {
            row.get::<_, [u8; 32]>(0)
        })?;
        Ok(digest
            .and_then(|digest| Digest::from_stored(&digest))
            .is_some_and(|digest| digest.matches(&presented.digest)))
    }

    /// Consumes one use of a code, within the act that it authorizes.
    pub(super) fn consume_code(
        &self,
        presented: &Presented,
        purpose: Purpose,
        now: Time,
    ) -> Result<UsedCode, Error> {
        let code = self.code(presented, purpose, now)?;
        let consumed = self.execute("UPDATE codes SET uses_left = uses_left - 1 WHERE id = ? AND purpose = ? AND uses_left > 0 AND expires_at > ?", params![code.id.as_str(), purpose.as_str(), now.unix()])?;
        if consumed != 1 {
            return Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            });
        }
        let sql = "SELECT c.groups, u.username FROM codes c LEFT JOIN users u ON u.id = c.creator_id WHERE c.id = ?";
        let (groups, creator) = self
            .one(sql, [code.id.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .unwrap_or_default();
        self.execute(
            "DELETE FROM codes WHERE id = ? AND uses_left = 0 AND purpose <> 'device'",
            [code.id.as_str()],
        )?;
        Ok(UsedCode {
            user: code.user,
            groups,
            creator,
        })
    }

    /// Inserts the row of a new code.
    pub(super) fn insert_code(&self, code: &NewCode, now: Time) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO codes (id, purpose, digest, user_id, uses_left, created_at, expires_at, created_by, groups, creator_id, power, root_api_key) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?8, ?, ?, ?, {})",
            root_api_key("?8")
        );
        let creator = code.creator.as_ref();
        let (user, created_by) = (
            code.user.map(|user| user.0),
            creator.map(|creator| creator.credential.to_string()),
        );
        self.execute(
            &sql,
            params![
                code.id.as_str(),
                code.purpose.as_str(),
                code.digest.as_bytes(),
                user,
                code.uses,
                now.unix(),
                code.expires_at.unix(),
                created_by,
                code.groups,
                creator.map(|creator| creator.user.0),
                creator.map(|creator| creator.power.to_string()),
            ],
        )?;
        Ok(())
    }
}

impl Store {
    /// Deletes a code that was seen expired, so that it stays expired when the clock goes back.
    pub fn delete_expired_code(&self, id: Id, now: Time) -> Result<(), Error> {
        self.note(move |select| {
            let sql = "DELETE FROM codes WHERE id = ? AND expires_at <= ?";
            select
                .execute(sql, params![id.as_str(), now.unix()])
                .map(|_| ())
        })
    }
}

impl Write<'_> {
    /// The caller as the creator of a code.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for a caller without an account.
    pub fn code_creator(&self) -> Result<Option<CodeCreator>, Error> {
        let Power::Credential(credential, power) = &self.power else {
            return Ok(None);
        };
        let user = credential.owner.user().ok_or_else(|| {
            Error::NotAllowed("Only a user's credential can create links and codes.".to_owned())
        })?;
        Ok(Some(CodeCreator {
            credential: credential.id,
            user: user.id,
            power: power.clone(),
        }))
    }

    /// Adds a code. A new setup code, invitation or reset replaces the earlier ones.
    pub fn add_code(&self, code: &NewCode) -> Result<(), Error> {
        match code.purpose {
            Purpose::SetUp => {
                self.execute("DELETE FROM codes WHERE purpose = 'set-up'", [])?;
            }
            Purpose::Invitation | Purpose::PasswordReset => {
                self.execute("DELETE FROM codes WHERE user_id = ? AND purpose IN ('invitation', 'password-reset')", [code.user.map(|user| user.0)])?;
            }
            Purpose::Enrollment | Purpose::Device | Purpose::EmailConfirmation => {}
        }
        self.insert_code(code, self.now)
    }

    /// Deletes all setup codes, once an admin exists.
    pub fn delete_setup_codes(&self) -> Result<(), Error> {
        self.execute("DELETE FROM codes WHERE purpose = 'set-up'", [])
            .map(|_| ())
    }
}
