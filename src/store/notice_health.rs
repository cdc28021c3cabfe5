//! States of the installation that admins get notices about.

use rusqlite::params;

use super::host::is_silent;
use super::read::Select;
use super::row::time;
use crate::model::error::Error;
use crate::model::inventory::BACKUP_DAYS;
use crate::model::time::Time;

/// A host that has never fetched its keys gets this long after its enrollment, in seconds.
const ENROLLMENT_SECONDS: i64 = 3_600;

/// A silent host.
pub struct SilentHost {
    pub id: String,
    pub name: String,
    /// When it last fetched or confirmed all keys.
    pub cached_at: Option<Time>,
    /// The same, or its enrollment.
    pub since: Time,
}

impl Select {
    /// The hosts that the console lists as silent, without those just enrolled.
    pub fn silent_hosts(&self, now: Time) -> Result<Vec<SilentHost>, Error> {
        let silent = is_silent("?1");
        let sql = format!(
            "SELECT h.public_id, h.name, h.cached_at, coalesce(h.cached_at, h.created_at) FROM hosts h WHERE h.paused_at IS NULL AND {silent} AND coalesce(h.cached_at, h.created_at) <= ?1 - ?2 ORDER BY h.id"
        );
        self.all(&sql, params![now.unix(), ENROLLMENT_SECONDS], |row| {
            Ok(SilentHost {
                id: row.get(0)?,
                name: row.get(1)?,
                cached_at: time(row, 2)?,
                since: Time::from_unix(row.get(3)?),
            })
        })
    }

    /// The time of the last backup, and that of the last backup or the installation, if the latter is old.
    pub fn old_backup(&self, now: Time) -> Result<Option<(Option<Time>, Time)>, Error> {
        let sql = "SELECT last_backup_at, coalesce(last_backup_at, created_at) FROM installation \
                   WHERE coalesce(last_backup_at, created_at) < ?";
        self.one(sql, [now.unix() - BACKUP_DAYS * 86_400], |row| {
            Ok((time(row, 0)?, Time::from_unix(row.get(1)?)))
        })
    }

    /// Returns whether a notice about this moment was added before.
    pub fn is_notice_given(&self, item: &str, threshold: u32, moment: i64) -> Result<bool, Error> {
        let sql =
            "SELECT count(*) FROM notices_given WHERE item = ? AND threshold = ? AND moment = ?";
        Ok(self.count(sql, params![item, threshold, moment])? > 0)
    }
}
