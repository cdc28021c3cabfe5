//! The tables `ssh_keys` and `ssh_key_uses`.
//!
//! Each read decodes the row again. A row without an intact key is left out and logged.

use rusqlite::{Row, params};

use super::credential::root_api_key;
use super::read::{Page, Select};
use super::row::{id, invalid, optional_id, position, positions, rows, time, unix, width};
use super::write::Write;
use crate::model::address::AllowedAddresses;
use crate::model::error::Error;
use crate::model::event::{Action, Actor, AuditDetails, Channel, Origin, Target};
use crate::model::secret::Id;
use crate::model::ssh_key::{ForcedCommand, KeyHostUse, KeyOptions, PublicKey, SshKey};
use crate::model::time::Time;
use crate::model::user::{UserId, Username};

pub(super) const COLUMNS: &str = "k.number, k.id, k.user_id, k.name, k.key, k.comment, k.allowed_addresses, k.created_at, k.expires_at, \
    k.expired_seen_at, k.created_by, l.looked_up_at, l.looked_up_host, l.used_at, l.used_host, \
    k.restrict, k.no_touch_required, k.verify_required, k.command, k.permitopen";
pub(super) const COLUMNS_COUNT: usize = width(COLUMNS);
pub(super) const TABLES: &str = "FROM ssh_keys k LEFT JOIN ssh_key_uses l ON l.ssh_key_id = k.id";

/// A row of the table: its number, and the key unless it is damaged.
pub(super) type NumberedSshKey = (i64, Option<SshKey>);

fn host_use(row: &Row<'_>, [at, host]: [usize; 2]) -> rusqlite::Result<Option<KeyHostUse>> {
    match (time(row, at)?, row.get(host)?) {
        (Some(at), Some(host)) => Ok(Some(KeyHostUse { at, host })),
        _ => Ok(None),
    }
}

/// Reads any row without an error: one damaged row must not hide all others.
pub(super) fn read_found(row: &Row<'_>) -> rusqlite::Result<NumberedSshKey> {
    let number = row.get(const { position(COLUMNS, "k.number") })?;
    let key = read_ssh_key(row).ok();
    if key.is_none() {
        log::warn!("the SSH key in row {number} is damaged; it is left out");
    }
    Ok((number, key))
}

fn read_ssh_key(row: &Row<'_>) -> rusqlite::Result<SshKey> {
    const fn column(name: &str) -> usize {
        position(COLUMNS, name)
    }
    let (key, comment) = (
        row.get_ref(const { column("k.key") })?.as_str()?,
        row.get_ref(const { column("k.comment") })?.as_str()?,
    );
    let allowed_addresses = row
        .get_ref(const { column("k.allowed_addresses") })?
        .as_str()?;
    Ok(SshKey {
        id: id(row, const { column("k.id") })?,
        owner: UserId(row.get(const { column("k.user_id") })?),
        name: row.get(const { column("k.name") })?,
        key: PublicKey::from_stored(key, comment)
            .map_err(|_| invalid(const { column("k.key") }))?,
        allowed_addresses: AllowedAddresses::from_stored(allowed_addresses)
            .map_err(|_| invalid(const { column("k.allowed_addresses") }))?,
        options: KeyOptions::from_stored(
            [
                row.get(const { column("k.restrict") })?,
                row.get(const { column("k.no_touch_required") })?,
                row.get(const { column("k.verify_required") })?,
            ],
            row.get_ref(const { column("k.command") })?
                .as_str_or_null()?,
            row.get_ref(const { column("k.permitopen") })?.as_str()?,
        )
        .map_err(|_| invalid(const { column("k.restrict") }))?,
        created_at: Time::from_unix(row.get(const { column("k.created_at") })?),
        expires_at: time(row, const { column("k.expires_at") })?,
        seen_expired: time(row, const { column("k.expired_seen_at") })?.is_some(),
        created_by: optional_id(row, const { column("k.created_by") })?,
        looked_up: host_use(
            row,
            const { positions(COLUMNS, ["l.looked_up_at", "l.looked_up_host"]) },
        )?,
        used: host_use(
            row,
            const { positions(COLUMNS, ["l.used_at", "l.used_host"]) },
        )?,
    })
}

/// A new row.
pub struct NewSshKeyRow {
    pub id: Id,
    pub owner: UserId,
    pub name: String,
    pub key: PublicKey,
    pub allowed_addresses: AllowedAddresses,
    pub options: KeyOptions,
    pub created_by: Option<Id>,
    pub expires_at: Option<Time>,
}

/// The keys for a login.
#[derive(Debug, Default)]
pub struct LoginKeys {
    pub keys: Vec<SshKey>,
    /// The number of rows left out because they are damaged.
    pub damaged: usize,
}

impl Select {
    /// SSH keys of a user, newest first; `after` is [`Page::next`] of the previous page.
    pub fn ssh_keys(
        &self,
        owner: UserId,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<SshKey>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} {TABLES} WHERE k.user_id = ? AND k.number < ? ORDER BY k.number DESC LIMIT ?"
        );
        let with = params![owner.0, after.unwrap_or(i64::MAX), rows(limit)];
        let page = Page::new(self.all(&sql, with, read_found)?, limit, |(number, _)| {
            number.to_string()
        });
        Ok(Page {
            items: page.items.into_iter().filter_map(|(_, key)| key).collect(),
            next: page.next,
        })
    }

    /// SSH keys of all users, newest first, at most `limit`.
    pub fn all_ssh_keys(&self, limit: usize) -> Result<Vec<SshKey>, Error> {
        let sql = format!("SELECT {COLUMNS} {TABLES} ORDER BY k.number DESC LIMIT ?");
        let found = self.all(&sql, [rows(limit)], read_found)?;
        Ok(found.into_iter().filter_map(|(_, key)| key).collect())
    }

    /// One SSH key.
    pub fn ssh_key(&self, id: Id) -> Result<Option<SshKey>, Error> {
        let sql = format!("SELECT {COLUMNS} {TABLES} WHERE k.id = ?");
        let found = self.one(&sql, [id.as_str()], read_found)?;
        Ok(found.and_then(|(_, key)| key))
    }

    /// The name of a user's SSH key, also of a damaged one, so that it can be deleted.
    pub fn ssh_key_name(&self, owner: UserId, id: Id) -> Result<Option<String>, Error> {
        let sql = "SELECT name FROM ssh_keys WHERE user_id = ? AND id = ?";
        self.one(sql, params![owner.0, id.as_str()], |row| row.get(0))
    }

    /// The number of a user's SSH keys.
    pub fn count_ssh_keys_of_user(&self, owner: UserId) -> Result<i64, Error> {
        self.count("SELECT count(*) FROM ssh_keys WHERE user_id = ?", [owner.0])
    }

    /// The name under which a user has exactly this key, if any; `besides` excludes one.
    pub fn ssh_key_named_with(
        &self,
        owner: UserId,
        key: &PublicKey,
        besides: Option<Id>,
    ) -> Result<Option<String>, Error> {
        let sql = "SELECT name FROM ssh_keys WHERE user_id = ? AND fingerprint = ? AND id IS NOT ?";
        let with = params![owner.0, key.fingerprint(), besides.as_ref().map(Id::as_str)];
        self.one(sql, with, |row| row.get(0))
    }

    /// Returns whether a user has an SSH key of this name; `besides` excludes one.
    pub fn ssh_key_name_is_taken(
        &self,
        owner: UserId,
        name: &str,
        besides: Option<Id>,
    ) -> Result<bool, Error> {
        let sql = "SELECT count(*) FROM ssh_keys WHERE user_id = ? AND name = ? AND id IS NOT ?";
        let with = params![owner.0, name, besides.as_ref().map(Id::as_str)];
        Ok(self.count(sql, with)? > 0)
    }

    /// The names of other users with exactly this key.
    pub fn others_with_ssh_key(
        &self,
        owner: UserId,
        key: &PublicKey,
    ) -> Result<Vec<String>, Error> {
        let sql = "SELECT u.username FROM ssh_keys k JOIN users u ON u.id = k.user_id \
                   WHERE k.fingerprint = ? AND k.user_id <> ? ORDER BY u.username LIMIT 100";
        self.all(sql, params![key.fingerprint(), owner.0], |row| row.get(0))
    }

    /// The keys for the login of an enabled user at `now`, in the order in which they were added.
    pub fn login_keys(&self, login: &Username, now: Time) -> Result<LoginKeys, Error> {
        let sql = format!(
            "SELECT {COLUMNS} {TABLES} WHERE k.user_id = (SELECT id FROM users WHERE username = ? AND disabled_at IS NULL \
             AND deleted_at IS NULL) ORDER BY k.number"
        );
        let found = self.all(&sql, [login.as_str()], read_found)?;
        let damaged = found.iter().filter(|(_, key)| key.is_none()).count();
        let live = found
            .into_iter()
            .filter_map(|(_, key)| key)
            .filter(|key| !key.is_expired(now));
        Ok(LoginKeys {
            keys: live.collect(),
            damaged,
        })
    }

    /// Marks keys as seen expired.
    pub(super) fn mark_expired_ssh_keys(&self, now: Time, limit: i64) -> Result<usize, Error> {
        let sql = "UPDATE ssh_keys SET expired_seen_at = ?1 WHERE number IN \
                   (SELECT number FROM ssh_keys WHERE expires_at <= ?1 AND expired_seen_at IS NULL LIMIT ?2)";
        self.execute(sql, params![now.unix(), limit])
    }
}

impl Write<'_> {
    /// Adds an SSH key.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the owner has this key, or another of this name.
    pub fn add_ssh_key(&self, new: &NewSshKeyRow) -> Result<(), Error> {
        self.require_new_ssh_key(new.owner, &new.key, None)?;
        self.require_free_ssh_key_name(new.owner, &new.name, None)?;
        let sql = format!(
            "INSERT INTO ssh_keys (id, user_id, name, type, bits, key, fingerprint, comment, allowed_addresses, created_at, expires_at, created_by, \
             restrict, no_touch_required, verify_required, command, permitopen, root_api_key) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?12, ?, ?, ?, ?, ?, {})",
            root_api_key("?12")
        );
        self.execute(
            &sql,
            params![
                new.id.as_str(),
                new.owner.0,
                new.name,
                new.key.kind().name(),
                new.key.bits(),
                new.key.base64(),
                new.key.fingerprint(),
                new.key.comment(),
                new.allowed_addresses.to_string(),
                self.now.unix(),
                unix(new.expires_at),
                new.created_by.as_ref().map(Id::as_str),
                new.options.restrict,
                new.options.no_touch_required,
                new.options.verify_required,
                new.options.command.as_ref().map(ForcedCommand::as_str),
                new.options.stored_permitopen(),
            ],
        )?;
        Ok(())
    }

    /// Writes an edit: name, key, allowed addresses, expiration. A new expiration clears the mark of an earlier one
    /// that was
    /// seen to have passed. Another key starts without uses.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the owner has another of this name, or the new key under another name.
    pub fn edit_ssh_key(&self, before: &SshKey, after: &SshKey) -> Result<(), Error> {
        self.require_new_ssh_key(after.owner, &after.key, Some(after.id))?;
        self.require_free_ssh_key_name(after.owner, &after.name, Some(after.id))?;
        let sql = "UPDATE ssh_keys SET name = ?1, type = ?2, bits = ?3, key = ?4, fingerprint = ?5, comment = ?6, allowed_addresses = ?7, \
                   expired_seen_at = CASE WHEN expires_at IS ?8 THEN expired_seen_at END, expires_at = ?8, \
                   restrict = ?10, no_touch_required = ?11, verify_required = ?12, command = ?13, permitopen = ?14 WHERE id = ?9";
        self.execute(
            sql,
            params![
                after.name,
                after.key.kind().name(),
                after.key.bits(),
                after.key.base64(),
                after.key.fingerprint(),
                after.key.comment(),
                after.allowed_addresses.to_string(),
                unix(after.expires_at),
                after.id.as_str(),
                after.options.restrict,
                after.options.no_touch_required,
                after.options.verify_required,
                after.options.command.as_ref().map(ForcedCommand::as_str),
                after.options.stored_permitopen(),
            ],
        )?;
        if !after.key.is_same_key(&before.key) {
            self.execute(
                "DELETE FROM ssh_key_uses WHERE ssh_key_id = ?",
                [after.id.as_str()],
            )?;
        }
        Ok(())
    }

    /// Deletes an SSH key.
    pub fn delete_ssh_key(&self, id: Id) -> Result<(), Error> {
        self.execute("DELETE FROM ssh_keys WHERE id = ?", [id.as_str()])
            .map(|_| ())
    }

    /// Reports to admins alone that several users have the same key. The event has no actor: the person who adds a key
    /// must not learn who else has it.
    pub fn report_shared_ssh_key(&self, id: Id, key: &PublicKey, users: &str) -> Result<(), Error> {
        let origin = Origin {
            channel: Channel::Api,
            ..Origin::operator()
        };
        let details = AuditDetails::new(Target::new("ssh-key", id, key.fingerprint(), None));
        let action = Action::SshKeyShared;
        let details = details.after("users", users);
        self.add_done(self.now, action, &Actor::nobody(), &origin, &details)
    }

    fn require_new_ssh_key(
        &self,
        owner: UserId,
        key: &PublicKey,
        besides: Option<Id>,
    ) -> Result<(), Error> {
        match self.ssh_key_named_with(owner, key, besides)? {
            Some(name) => Err(Error::Conflict(format!(
                "This key exists under the name \"{name}\"."
            ))),
            None => Ok(()),
        }
    }

    fn require_free_ssh_key_name(
        &self,
        owner: UserId,
        name: &str,
        besides: Option<Id>,
    ) -> Result<(), Error> {
        if self.ssh_key_name_is_taken(owner, name, besides)? {
            return Err(Error::NameTaken(format!(
                "An SSH key named \"{name}\" exists; choose another name."
            )));
        }
        Ok(())
    }
}
