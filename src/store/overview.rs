//! Counts and facts over several tables.

use std::path::Path;

use super::read::Select;
use super::row::time;
use crate::model::error::Error;
use crate::model::group::GroupId;
use crate::model::time::Time;

/// The state of the database.
#[derive(Debug, Clone)]
pub struct FileFacts {
    pub sqlite_version: String,
    pub schema_version: u32,
    pub bytes: u64,
    pub wal_bytes: u64,
    pub last_backup_at: Option<Time>,
    pub created_at: Option<Time>,
    pub users: i64,
    pub credentials: i64,
    pub events: i64,
}

fn number(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The number of credentials of a kind in a state.
#[derive(Debug, Clone)]
pub struct KindCount {
    pub kind: String,
    pub active: i64,
    pub disabled: i64,
    pub expired: i64,
    /// Active ones that expire within 1, 7 and 14 days.
    pub ending: [i64; 3],
}

impl Select {
    /// The number of credentials by kind and state.
    pub fn count_credentials(&self, now: Time) -> Result<Vec<KindCount>, Error> {
        let sql = "SELECT kind, \
                   sum(NOT over AND disabled_at IS NULL), sum(NOT over AND disabled_at IS NOT NULL), sum(over), \
                   sum(NOT over AND disabled_at IS NULL AND expires_at <= ?1 + 86400), \
                   sum(NOT over AND disabled_at IS NULL AND expires_at <= ?1 + 7 * 86400), \
                   sum(NOT over AND disabled_at IS NULL AND expires_at <= ?1 + 14 * 86400) \
                   FROM (SELECT kind, disabled_at, expires_at, \
                   expired_seen_at IS NOT NULL OR (expires_at IS NOT NULL AND expires_at <= ?1) AS over \
                   FROM credentials WHERE deleted_at IS NULL) GROUP BY kind ORDER BY kind";
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

    /// The number of SSH keys valid at `now`.
    pub fn count_ssh_keys(&self, now: Time) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM ssh_keys WHERE expired_seen_at IS NULL AND (expires_at IS NULL OR expires_at > ?)";
        self.count(sql, [now.unix()])
    }

    /// The last contact of each host.
    pub fn last_contacts(&self) -> Result<Vec<(String, Option<Time>)>, Error> {
        self.all(
            "SELECT name, last_contact_at FROM hosts ORDER BY name",
            [],
            |row| Ok((row.get(0)?, time(row, 1)?)),
        )
    }

    /// The number of users' credentials with a permission of the service `name`.
    pub fn count_carriers(&self, name: &str) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM credentials WHERE user_id IS NOT NULL AND deleted_at IS NULL AND instr(' ' || permissions, ' ' || ? || ':') > 0";
        Ok(number(self.count(sql, [name])?))
    }

    /// The hosts that refer to a group.
    pub fn hosts_of_group(&self, group: GroupId) -> Result<Vec<String>, Error> {
        let sql = "SELECT name FROM hosts WHERE id IN (SELECT host_id FROM host_groups WHERE group_id = ?1 UNION SELECT host_id FROM host_shared_logins WHERE group_id = ?1) ORDER BY name";
        self.all(sql, [group.0], |row| row.get(0))
    }

    /// The time of the last backup, or of the installation.
    pub fn last_backup(&self) -> Result<Option<Time>, Error> {
        let sql = "SELECT coalesce(last_backup_at, created_at) FROM installation";
        Ok(self.one(sql, [], |row| time(row, 0))?.flatten())
    }

    /// The state of the database.
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
            wal_bytes: bytes("-wal"),
            last_backup_at,
            created_at,
            users: self.count("SELECT count(*) FROM users WHERE deleted_at IS NULL", [])?,
            credentials: self.count(
                "SELECT count(*) FROM credentials WHERE deleted_at IS NULL",
                [],
            )?,
            events: self.count("SELECT coalesce(max(number), 0) FROM events", [])?,
        })
    }
}
