//! The tables `groups` and `group_members`.

use rusqlite::{Row, params};

use super::cache::VerificationSubject;
use super::read::{Page, Select};
use super::row::rows;
use super::write::Write;
use crate::model::credential::OwnerId;
use crate::model::error::Error;
use crate::model::group::{Group, GroupId};
use crate::model::time::Time;
use crate::model::user::UserId;

pub(super) const GROUP_COLUMNS: &str = "g.id, g.name, g.created_at, (SELECT group_concat(u.username, ' ' ORDER BY u.username) FROM group_members m JOIN users u ON u.id = m.user_id WHERE m.group_id = g.id)";

pub(super) fn read_group(row: &Row<'_>) -> rusqlite::Result<Group> {
    let members = row
        .get_ref(3)?
        .as_str_or_null()?
        .map_or_else(Vec::new, |names| {
            names.split(' ').map(str::to_owned).collect()
        });
    Ok(Group {
        id: GroupId(row.get(0)?),
        name: row.get(1)?,
        created_at: Time::from_unix(row.get(2)?),
        members,
    })
}

impl Select {
    pub fn group(&self, name: &str) -> Result<Option<Group>, Error> {
        self.one(
            &format!("SELECT {GROUP_COLUMNS} FROM groups g WHERE g.name = ?"),
            [name],
            read_group,
        )
    }

    /// Groups, newest first; `after` is [`Page::next`] of the previous page.
    pub fn groups(&self, after: Option<i64>, limit: usize) -> Result<Page<Group>, Error> {
        let groups = self.all(
            &format!(
                "SELECT {GROUP_COLUMNS} FROM groups g WHERE g.id < ? ORDER BY g.id DESC LIMIT ?"
            ),
            params![after.unwrap_or(i64::MAX), rows(limit)],
            read_group,
        )?;
        Ok(Page::new(groups, limit, |group| group.id.0.to_string()))
    }
}

impl Write<'_> {
    /// # Errors
    /// [`Error::NameTaken`] when there is a group of this name.
    pub fn add_group(&self, name: &str) -> Result<(), Error> {
        if self.group(name)?.is_some() {
            return Err(Error::NameTaken(format!(
                "A group named {name} exists; choose another name."
            )));
        }
        self.execute_for(
            VerificationSubject::NewRow,
            "INSERT INTO groups (name, created_at) VALUES (?, ?)",
            params![name, self.now.unix()],
        )
        .map(|_| ())
    }

    /// # Errors
    /// [`Error::Conflict`] when a host is limited to this group: without the limit it would be open to all.
    pub fn delete_group(&self, group: &Group) -> Result<(), Error> {
        let hosts = self.all("SELECT h.name FROM host_groups x JOIN hosts h ON h.id = x.host_id WHERE x.group_id = ?", [group.id.0], |row| row.get::<_, String>(0))?;
        if let Some(host) = hosts.first() {
            return Err(Error::Conflict(format!(
                "The host {host} is limited to this group; change the host first."
            )));
        }
        self.execute("DELETE FROM groups WHERE id = ?", [group.id.0])
            .map(|_| ())
    }

    /// Adds a user to a group. No effect if the user is a member.
    pub fn add_member(&self, group: GroupId, user: UserId) -> Result<(), Error> {
        self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "INSERT OR IGNORE INTO group_members (user_id, group_id) VALUES (?, ?)",
            params![user.0, group.0],
        )
        .map(|_| ())
    }

    /// Removes a user from a group. Returns whether the user was a member.
    pub fn remove_member(&self, group: GroupId, user: UserId) -> Result<bool, Error> {
        Ok(self.execute_for(
            VerificationSubject::Owner(OwnerId::User(user)),
            "DELETE FROM group_members WHERE user_id = ? AND group_id = ?",
            params![user.0, group.0],
        )? > 0)
    }
}
