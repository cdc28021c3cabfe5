//! Counts and facts over several tables.

use std::path::Path;

use rusqlite::params;

use super::read::Select;
use super::user::time;
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::Error;
use crate::model::group::GroupId;
use crate::model::time::Time;
use crate::model::user::UserId;

/// How the file is.
#[derive(Debug, Clone)]
pub struct FileFacts {
    pub sqlite_version: String,
    pub schema_version: u32,
    pub bytes: u64,
    pub journal_bytes: u64,
    pub last_backup_at: Option<Time>,
    pub created_at: Option<Time>,
    pub users: i64,
    pub credentials: i64,
    pub events: i64,
}

const fn owner_column(owner: OwnerId) -> (&'static str, i64) {
    match owner {
        OwnerId::User(id) => ("user_id", id.0),
        OwnerId::Service(id) => ("service_id", id.0),
        OwnerId::Host(id) => ("host_id", id.0),
    }
}

fn number(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How many credentials of a kind there are in a state.
#[derive(Debug, Clone)]
pub struct KindCount {
    pub kind: String,
    pub active: i64,
    pub disabled: i64,
    pub expired: i64,
    /// Of the active ones, those that end within 1, 7 and 14 days.
    pub ending: [i64; 3],
}

impl Select {
    /// How many credentials there are, by kind and state.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn count_credentials(&self, now: Time) -> Result<Vec<KindCount>, Error> {
        let sql = "SELECT kind, \
                   sum(NOT over AND disabled_at IS NULL), sum(NOT over AND disabled_at IS NOT NULL), sum(over), \
                   sum(NOT over AND disabled_at IS NULL AND expires_at <= ?1 + 86400), \
                   sum(NOT over AND disabled_at IS NULL AND expires_at <= ?1 + 7 * 86400), \
                   sum(NOT over AND disabled_at IS NULL AND expires_at <= ?1 + 14 * 86400) \
                   FROM (SELECT kind, disabled_at, expires_at, \
                   expired_seen_at IS NOT NULL OR (expires_at IS NOT NULL AND expires_at <= ?1) AS over \
                   FROM credentials WHERE ended_at IS NULL) GROUP BY kind ORDER BY kind";
        self.all(sql, [now.unix()], |row| {
            let number = |column: usize| -> rusqlite::Result<i64> {
                Ok(row.get::<_, Option<i64>>(column)?.unwrap_or(0))
            };
            Ok(KindCount {
                kind: row.get(0)?,
                active: number(1)?,
                disabled: number(2)?,
                expired: number(3)?,
                ending: [number(4)?, number(5)?, number(6)?],
            })
        })
    }

    /// How many SSH keys there are that are good at `now`.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn count_ssh_keys(&self, now: Time) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM ssh_keys WHERE expired_seen_at IS NULL AND (expires_at IS NULL OR expires_at > ?)";
        self.count(sql, [now.unix()])
    }

    /// When each host was last heard of.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn last_contacts(&self) -> Result<Vec<(String, Option<Time>)>, Error> {
        self.all(
            "SELECT name, last_contact_at FROM hosts ORDER BY name",
            [],
            |row| Ok((row.get(0)?, time(row, 1)?)),
        )
    }

    /// How many credentials of a kind an owner has that are good at `now`.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn count_live(&self, owner: OwnerId, kind: Kind, now: Time) -> Result<u32, Error> {
        let (column, row) = owner_column(owner);
        let sql = format!(
            "SELECT count(*) FROM credentials WHERE {column} = ? AND kind = ? AND ended_at IS NULL AND disabled_at IS NULL AND expired_seen_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"
        );
        Ok(number(
            self.count(&sql, params![row, kind.word(), now.unix()])?,
        ))
    }

    /// How many SSH keys a user has that are good at `now`.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn count_live_ssh_keys(&self, user: UserId, now: Time) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM ssh_keys WHERE user_id = ? AND expired_seen_at IS NULL AND (expires_at IS NULL OR expires_at > ?)";
        Ok(number(self.count(sql, params![user.0, now.unix()])?))
    }

    /// When one of an owner's credentials was last used.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn last_active(&self, owner: OwnerId) -> Result<Option<Time>, Error> {
        let (column, row) = owner_column(owner);
        let sql = format!(
            "SELECT max(l.at) FROM credentials c JOIN last_uses l ON l.credential_id = c.id WHERE c.{column} = ?"
        );
        Ok(self.one(&sql, [row], |row| time(row, 0))?.flatten())
    }

    /// The name of an owner; empty when they are gone.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn owner_name(&self, owner: OwnerId) -> Result<String, Error> {
        let (sql, row) = match owner {
            OwnerId::User(id) => ("SELECT username FROM users WHERE id = ?", id.0),
            OwnerId::Service(id) => ("SELECT name FROM services WHERE id = ?", id.0),
            OwnerId::Host(id) => ("SELECT name FROM hosts WHERE id = ?", id.0),
        };
        Ok(self.one(sql, [row], |row| row.get(0))?.unwrap_or_default())
    }

    /// How many credentials of users carry a permission of the service `name`.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn count_carriers(&self, name: &str) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM credentials WHERE user_id IS NOT NULL AND ended_at IS NULL AND instr(' ' || permissions, ' ' || ? || ':') > 0";
        Ok(number(self.count(sql, [name])?))
    }

    /// The hosts that name a group.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn hosts_of_group(&self, group: GroupId) -> Result<Vec<String>, Error> {
        let sql = "SELECT name FROM hosts WHERE id IN (SELECT host_id FROM host_groups WHERE group_id = ?1 UNION SELECT host_id FROM host_shared_logins WHERE group_id = ?1) ORDER BY name";
        self.all(sql, [group.0], |row| row.get(0))
    }

    /// How the file is.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn file_facts(&self, path: &Path) -> Result<FileFacts, Error> {
        let bytes = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            std::fs::metadata(name).map_or(0, |file| file.len())
        };
        let (created_at, last_backup_at) = self
            .one(
                "SELECT created_at, last_backup_at FROM installation",
                [],
                |row| Ok((time(row, 0)?, time(row, 1)?)),
            )?
            .unwrap_or_default();
        Ok(FileFacts {
            sqlite_version: rusqlite::version().to_owned(),
            schema_version: number(self.count("PRAGMA user_version", [])?),
            bytes: bytes(""),
            journal_bytes: bytes("-wal"),
            last_backup_at,
            created_at,
            users: self.count("SELECT count(*) FROM users WHERE deleted_at IS NULL", [])?,
            credentials: self.count(
                "SELECT count(*) FROM credentials WHERE ended_at IS NULL",
                [],
            )?,
            events: self.count("SELECT coalesce(max(number), 0) FROM events", [])?,
        })
    }
}
