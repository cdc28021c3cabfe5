//! The table `calendars`: the secrets of calendar feeds, and their entries.

use rusqlite::params;

use super::read::Select;
use super::row::id;
use super::write::Write;
use crate::model::calendar::CalendarEntry;
use crate::model::error::Error;
use crate::model::secret::{Digest, Presented, Secret};
use crate::model::time::Time;
use crate::model::user::UserId;

/// Limit of entries in one calendar.
const ENTRIES_MAX: i64 = 500;

impl Select {
    /// The user whose calendar this secret opens.
    pub fn calendar_user(&self, presented: &Presented) -> Result<Option<UserId>, Error> {
        let sql = "SELECT c.user_id, c.digest FROM calendars c JOIN users u ON u.id = c.user_id WHERE c.id = ? AND u.disabled_at IS NULL";
        let found = self.one(sql, [presented.id.as_str()], |row| {
            Ok((UserId(row.get(0)?), row.get::<_, [u8; 32]>(1)?))
        })?;
        let matching = found.filter(|(_, digest)| {
            Digest::from_stored(digest).is_some_and(|digest| digest.matches(&presented.digest))
        });
        Ok(matching.map(|(user, _)| user))
    }

    /// When the user created the secret of the calendar; `None` without one.
    pub fn calendar_created_at(&self, user: UserId) -> Result<Option<Time>, Error> {
        let sql = "SELECT created_at FROM calendars WHERE user_id = ?";
        self.one(sql, [user.0], |row| Ok(Time::from_unix(row.get(0)?)))
    }

    /// The coming expirations of a user's API keys and SSH keys, the next one first.
    pub fn calendar_entries(&self, user: UserId, now: Time) -> Result<Vec<CalendarEntry>, Error> {
        let sql = "SELECT id, 'API key', name, expires_at AS at FROM credentials \
                   WHERE user_id = ?1 AND kind = 'api-key' AND deleted_at IS NULL AND disabled_at IS NULL AND expires_at > ?2 \
                   UNION ALL SELECT id, 'SSH key', name, expires_at FROM ssh_keys WHERE user_id = ?1 AND expires_at > ?2 \
                   ORDER BY at LIMIT ?3";
        self.all(sql, params![user.0, now.unix(), ENTRIES_MAX], |row| {
            let is_ssh_key = row.get_ref(1)?.as_str()? == "SSH key";
            Ok(CalendarEntry {
                id: id(row, 0)?,
                what: if is_ssh_key { "SSH key" } else { "API key" },
                name: row.get(2)?,
                expires_at: Time::from_unix(row.get(3)?),
            })
        })
    }
}

impl Write<'_> {
    /// Stores the secret of a user's calendar in place of the earlier one.
    pub fn set_calendar(&self, user: UserId, secret: &Secret) -> Result<(), Error> {
        let sql = "INSERT INTO calendars (user_id, id, digest, created_at) VALUES (?, ?, ?, ?) \
                   ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, digest = excluded.digest, created_at = excluded.created_at";
        let digest = secret.digest();
        self.execute(
            sql,
            params![
                user.0,
                secret.id().as_str(),
                digest.as_bytes(),
                self.now.unix()
            ],
        )
        .map(|_| ())
    }

    /// Revokes the secret of a user's calendar.
    pub fn delete_calendar(&self, user: UserId) -> Result<(), Error> {
        let sql = "DELETE FROM calendars WHERE user_id = ?";
        self.execute(sql, [user.0]).map(|_| ())
    }
}
