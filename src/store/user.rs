//! The tables `users` and `user_permissions`.

use rusqlite::{Row, params};

use super::cache::VerificationSubject;
use super::read::{Page, Select};
use super::row::{invalid, position, rows, time};
use super::write::Write;
use crate::model::credential::OwnerId;
use crate::model::error::Error;
use crate::model::permission::Permissions;
use crate::model::secret::Id;
use crate::model::time::Time;
use crate::model::user::{Disabled, NewUser, Role, User, UserId, Username};

/// The columns that [`read_user`] reads, of a row of `users` called `u`. [`read_user`] sorts the groups: SQL would need
/// a temporary table, with a page cache, for each row.
pub(super) const USER_COLUMNS: &str = "u.id, u.subject, u.username, u.display_name, u.role, u.disabled_at, u.created_at, u.password_hash IS NOT NULL AS has_password, \
    (SELECT group_concat(permission, ' ') FROM user_permissions WHERE user_id = u.id) AS granted, \
    (SELECT group_concat(permission, ' ') FROM role_permissions WHERE role = u.role) AS granted_by_role, \
    (SELECT group_concat(g.name, ' ') FROM group_members m JOIN groups g ON g.id = m.group_id WHERE m.user_id = u.id) AS groups";

/// Reads the columns of [`USER_COLUMNS`] from column `at` on.
pub(super) fn read_user(row: &Row<'_>, at: usize) -> rusqlite::Result<User> {
    const fn column(name: &str) -> usize {
        position(USER_COLUMNS, name)
    }
    let username = row.get_ref(at + const { column("u.username") })?.as_str()?;
    let words = |at: usize| -> rusqlite::Result<Permissions> {
        Ok(row
            .get_ref(at)?
            .as_str_or_null()?
            .map_or_else(Permissions::none, Permissions::from_stored))
    };
    Ok(User {
        id: UserId(row.get(at + const { column("u.id") })?),
        subject: row.get(at + const { column("u.subject") })?,
        username: Username::parse(username)
            .map_err(|_| invalid(at + const { column("u.username") }))?,
        display_name: row.get(at + const { column("u.display_name") })?,
        role: Role::parse(row.get_ref(at + const { column("u.role") })?.as_str()?)
            .map_err(|_| invalid(at + const { column("u.role") }))?,
        granted: words(at + const { column("granted") })?,
        granted_by_role: words(at + const { column("granted_by_role") })?,
        groups: sorted_words(
            row.get_ref(at + const { column("groups") })?
                .as_str_or_null()?,
        ),
        disabled_at: time(row, at + const { column("u.disabled_at") })?,
        created_at: Time::from_unix(row.get(at + const { column("u.created_at") })?),
        has_password: row.get(at + const { column("has_password") })?,
    })
}

fn sorted_words(text: Option<&str>) -> Vec<String> {
    let words = text.unwrap_or_default().split_ascii_whitespace();
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    words.sort_unstable();
    words
}

impl Select {
    /// A user by name; deleted ones are not found.
    pub fn user(&self, username: &Username) -> Result<Option<User>, Error> {
        let sql = format!(
            "SELECT {USER_COLUMNS} FROM users u WHERE u.username = ? AND u.deleted_at IS NULL"
        );
        self.one(&sql, [username.as_str()], |row| read_user(row, 0))
    }

    /// A user by row number; deleted ones are not found.
    pub fn user_by_id(&self, id: UserId) -> Result<Option<User>, Error> {
        let sql =
            format!("SELECT {USER_COLUMNS} FROM users u WHERE u.id = ? AND u.deleted_at IS NULL");
        self.one(&sql, [id.0], |row| read_user(row, 0))
    }

    /// Users, newest first; `after` is [`Page::next`] of the previous page.
    pub fn users(&self, after: Option<i64>, limit: usize) -> Result<Page<User>, Error> {
        let sql = format!(
            "SELECT {USER_COLUMNS} FROM users u WHERE u.deleted_at IS NULL AND u.id < ? ORDER BY u.id DESC LIMIT ?"
        );
        let users = self.all(
            &sql,
            params![after.unwrap_or(i64::MAX), rows(limit)],
            |row| read_user(row, 0),
        )?;
        Ok(Page::new(users, limit, |user| user.id.0.to_string()))
    }

    /// The PHC string of a user's password.
    pub fn password_hash(&self, user: UserId) -> Result<Option<String>, Error> {
        Ok(self
            .one(
                "SELECT password_hash FROM users WHERE id = ? AND deleted_at IS NULL",
                [user.0],
                |row| row.get(0),
            )?
            .flatten())
    }

    /// The number of enabled admins, `besides` one user.
    pub fn count_admins_besides(&self, besides: Option<UserId>) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL AND deleted_at IS NULL AND id IS NOT ?";
        self.count(sql, [besides.map(|user| user.0)])
    }

    /// Returns whether a user has or had this name, or a service has it: proxies pass either to applications.
    pub fn name_is_reserved(&self, username: &Username) -> Result<bool, Error> {
        Ok(self.count(
            "SELECT (SELECT count(*) FROM users WHERE username = ?1) + (SELECT count(*) FROM services WHERE name = ?1)",
            [username.as_str()],
        )? > 0)
    }
}

impl Write<'_> {
    /// Adds a user. The password is hashed before, outside the transaction.
    ///
    /// # Errors
    /// [`Error::NameTaken`] when a user has or had the name.
    pub fn add_user(&self, user: &NewUser, password_hash: Option<&str>) -> Result<UserId, Error> {
        if self.name_is_reserved(&user.username)? {
            return Err(Error::NameTaken(format!(
                "The username {} is or was in use and stays reserved; choose another.",
                user.username
            )));
        }
        let sql = "INSERT INTO users (subject, username, display_name, role, password_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)";
        self.execute_for(
            VerificationSubject::NewRow,
            sql,
            params![
                Id::random().as_str(),
                user.username.as_str(),
                user.display_name,
                user.role.as_str(),
                password_hash,
                self.now.unix()
            ],
        )?;
        Ok(UserId(self.connection.last_insert_rowid()))
    }

    pub fn set_display_name(&self, user: UserId, name: &str) -> Result<(), Error> {
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "UPDATE users SET display_name = ? WHERE id = ?",
            params![name, user.0],
        )
        .map(|_| ())
    }

    /// # Errors
    /// [`Error::Conflict`] when the last admin would lose the role.
    pub fn set_role(&self, user: &User, role: Role) -> Result<(), Error> {
        if user.role == Role::Admin && role != Role::Admin {
            self.require_another_admin(user)?;
        }
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user.id)),
            "UPDATE users SET role = ? WHERE id = ?",
            params![role.as_str(), user.id.0],
        )
        .map(|_| ())
    }

    /// # Errors
    /// [`Error::Conflict`] when the last admin would be disabled.
    pub fn set_user_disabled(&self, user: &User, disabled: Disabled) -> Result<(), Error> {
        let at = match disabled {
            Disabled::Yes => {
                self.require_another_admin(user)?;
                Some(user.disabled_at.unwrap_or(self.now).unix())
            }
            Disabled::No => None,
        };
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user.id)),
            "UPDATE users SET disabled_at = ? WHERE id = ?",
            params![at, user.id.0],
        )
        .map(|_| ())
    }

    /// Replaces the permissions that a user has beyond the role.
    pub fn set_granted(&self, user: UserId, granted: &Permissions) -> Result<(), Error> {
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "DELETE FROM user_permissions WHERE user_id = ?",
            [user.0],
        )?;
        for word in granted.words() {
            self.execute_for(
                VerificationSubject::Owner(OwnerId::User(user)),
                "INSERT INTO user_permissions (user_id, permission) VALUES (?, ?)",
                params![user.0, word],
            )?;
        }
        Ok(())
    }

    /// Sets the password and revokes every session of the user except `keep`.
    pub fn set_password(&self, user: UserId, hash: &str, keep: Option<Id>) -> Result<usize, Error> {
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "UPDATE users SET password_hash = ? WHERE id = ?",
            params![hash, user.0],
        )?;
        self.execute("DELETE FROM known_browsers WHERE user_id = ?", [user.0])?;
        self.execute(
            "DELETE FROM codes WHERE user_id = ? AND purpose IN ('invitation', 'password-reset')",
            [user.0],
        )?;
        self.revoke_sessions(user, keep)
    }

    /// Removes a user's password and ends all sessions. Returns how many.
    pub fn clear_password(&self, user: UserId) -> Result<usize, Error> {
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "UPDATE users SET password_hash = NULL WHERE id = ?",
            [user.0],
        )?;
        self.execute("DELETE FROM known_browsers WHERE user_id = ?", [user.0])?;
        self.revoke_sessions(user, None)
    }

    /// Deletes a user and everything that belongs to the user. The name stays reserved.
    ///
    /// # Errors
    /// [`Error::Conflict`] for the last admin.
    pub fn delete_user(&self, user: &User) -> Result<(), Error> {
        self.require_another_admin(user)?;
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user.id)),
            "DELETE FROM credentials WHERE user_id = ?",
            [user.id.0],
        )?;
        for table in [
            "ssh_keys",
            "group_members",
            "user_permissions",
            "known_browsers",
            "codes",
            "account_notices",
            "notices",
            "notice_opt_outs",
            "email_addresses",
            "calendars",
            "totp",
            "recovery_codes",
            "passkeys",
        ] {
            self.execute_for(
                VerificationSubject::Owner(OwnerId::User(user.id)),
                &format!("DELETE FROM {table} WHERE user_id = ?"),
                [user.id.0],
            )?;
        }
        self.execute_for(VerificationSubject::Owner(OwnerId::User(user.id)), "UPDATE users SET deleted_at = ?1, disabled_at = coalesce(disabled_at, ?1), password_hash = NULL WHERE id = ?2", params![self.now.unix(), user.id.0])?;
        Ok(())
    }

    /// Revokes every credential of a user. Returns the numbers of API keys, tokens, sessions and SSH keys.
    pub fn revoke_all_of_user(&self, user: UserId) -> Result<[usize; 4], Error> {
        let sql = "UPDATE credentials SET digest = NULL, previous_digest = NULL, previous_ends_at = NULL, previous_quiet_seconds = NULL, deleted_at = ?, deletion_reason = 'offboarded' \
                   WHERE user_id = ? AND kind = 'api-key' AND deleted_at IS NULL";
        let api_keys = self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            sql,
            params![self.now.unix(), user.0],
        )?;
        let tokens = self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "DELETE FROM credentials WHERE user_id = ? AND kind = 'token'",
            [user.0],
        )?;
        let sessions = self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "DELETE FROM credentials WHERE user_id = ? AND kind = 'session'",
            [user.0],
        )?;
        let ssh_keys = self.execute("DELETE FROM ssh_keys WHERE user_id = ?", [user.0])?;
        self.execute(
            "DELETE FROM codes WHERE user_id = ?1 OR creator_id = ?1",
            [user.0],
        )?;
        self.execute("DELETE FROM known_browsers WHERE user_id = ?", [user.0])?;
        Ok([api_keys, tokens, sessions, ssh_keys])
    }

    fn require_another_admin(&self, user: &User) -> Result<(), Error> {
        let is_admin = user.role == Role::Admin && user.is_enabled();
        if is_admin && self.count_admins_besides(Some(user.id))? == 0 {
            return Err(Error::Conflict(format!(
                "{} is the last admin; make another user an admin first.",
                user.username
            )));
        }
        Ok(())
    }
}
