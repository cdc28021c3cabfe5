//! The tables `notice_channels` and `notice_opt_outs`.

use rusqlite::{Row, params};

use super::read::Select;
use super::row::{id, invalid};
use super::write::Write;
use crate::model::error::Error;
use crate::model::notice_channel::{
    ChannelKind, ChannelNumber, ChannelUrl, NewNoticeChannel, NoticeChannel, NoticeChannelChange,
};
use crate::model::secret::Id;
use crate::model::time::Time;

const COLUMNS: &str = "c.number, c.id, c.name, c.kind, c.url, c.for_members, c.for_admins, c.created_at, \
    (SELECT count(*) FROM notices n WHERE n.channel = c.number) FROM notice_channels c";

/// Reads an optional URL that was checked when it was stored.
pub(super) fn read_url(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ChannelUrl>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    let parsed = text.map(ChannelUrl::parse).transpose();
    parsed.map_err(|_| invalid(column))
}

pub(super) fn read_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<ChannelKind> {
    ChannelKind::parse(row.get_ref(column)?.as_str()?).map_err(|_| invalid(column))
}

fn read_channel(row: &Row<'_>) -> rusqlite::Result<NoticeChannel> {
    Ok(NoticeChannel {
        number: ChannelNumber(row.get(0)?),
        id: id(row, 1)?,
        name: row.get(2)?,
        kind: read_kind(row, 3)?,
        url: read_url(row, 4)?,
        for_members: row.get(5)?,
        for_admins: row.get(6)?,
        created_at: Time::from_unix(row.get(7)?),
        waiting: row.get(8)?,
    })
}

impl Select {
    /// Returns whether notices are sent at all.
    pub fn has_notice_channels(&self) -> Result<bool, Error> {
        Ok(self.count("SELECT EXISTS (SELECT 1 FROM notice_channels)", [])? > 0)
    }

    /// All channels, oldest first.
    pub fn notice_channels(&self) -> Result<Vec<NoticeChannel>, Error> {
        let sql = format!("SELECT {COLUMNS} ORDER BY c.number");
        self.all(&sql, [], read_channel)
    }

    /// One channel.
    pub fn notice_channel(&self, id: Id) -> Result<Option<NoticeChannel>, Error> {
        let sql = format!("SELECT {COLUMNS} WHERE c.id = ?");
        self.one(&sql, [id.as_str()], read_channel)
    }

    fn require_channel_name(
        &self,
        name: &str,
        besides: Option<ChannelNumber>,
    ) -> Result<(), Error> {
        let sql = "SELECT count(*) FROM notice_channels WHERE name = ? AND number IS NOT ?";
        let number = besides.map(|number| number.0);
        if self.count(sql, params![name, number])? > 0 {
            return Err(Error::NameTaken(format!(
                "A channel named {name} exists; choose another name."
            )));
        }
        Ok(())
    }
}

impl Write<'_> {
    /// Adds a channel. `signing_key`: of a webhook.
    ///
    /// # Errors
    /// [`Error::NameTaken`]; [`Error::Conflict`] for a second e-mail channel.
    pub fn add_notice_channel(
        &self,
        channel: &NewNoticeChannel,
        signing_key: Option<&str>,
    ) -> Result<NoticeChannel, Error> {
        self.require_channel_name(&channel.name, None)?;
        if channel.kind == ChannelKind::Email
            && self.count(
                "SELECT count(*) FROM notice_channels WHERE kind = 'email'",
                [],
            )? > 0
        {
            return Err(Error::Conflict(
                "An e-mail channel exists; there is one mail server.".to_owned(),
            ));
        }
        let id = Id::random();
        let sql = "INSERT INTO notice_channels (id, name, kind, url, signing_key, for_members, for_admins, created_at) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        self.execute(
            sql,
            params![
                id.as_str(),
                channel.name,
                channel.kind.as_str(),
                channel.url.as_ref().map(ChannelUrl::reveal),
                signing_key.map(str::as_bytes),
                channel.for_members,
                channel.for_admins,
                self.now.unix(),
            ],
        )?;
        self.signal_notices();
        self.notice_channel(id)?.ok_or(Error::NotFound("channel"))
    }

    /// Changes a channel. Returns it before and after.
    pub fn change_notice_channel(
        &self,
        id: Id,
        change: &NoticeChannelChange,
    ) -> Result<(NoticeChannel, NoticeChannel), Error> {
        let before = self.notice_channel(id)?.ok_or(Error::NotFound("channel"))?;
        if let Some(name) = &change.name {
            self.require_channel_name(name, Some(before.number))?;
        }
        if change.url.is_some() && before.kind == ChannelKind::Email {
            return Err(Error::field("url", "an e-mail channel has no URL"));
        }
        let sql = "UPDATE notice_channels SET name = coalesce(?, name), url = coalesce(?, url), \
                   for_members = coalesce(?, for_members), for_admins = coalesce(?, for_admins) WHERE number = ?";
        self.execute(
            sql,
            params![
                change.name,
                change.url.as_ref().map(ChannelUrl::reveal),
                change.for_members,
                change.for_admins,
                before.number.0,
            ],
        )?;
        if change.url.is_some() {
            // The new receiver may work at once.
            let sql = "UPDATE notices SET next_try_at = min(next_try_at, ?) WHERE channel = ?";
            self.execute(sql, params![self.now.unix(), before.number.0])?;
        }
        self.signal_notices();
        let after = self.notice_channel(id)?.ok_or(Error::NotFound("channel"))?;
        Ok((before, after))
    }

    /// Deletes a channel with the notices that wait for it.
    pub fn delete_notice_channel(&self, id: Id) -> Result<NoticeChannel, Error> {
        let channel = self.notice_channel(id)?.ok_or(Error::NotFound("channel"))?;
        let sql = "DELETE FROM notice_channels WHERE number = ?";
        self.execute(sql, [channel.number.0])?;
        self.signal_notices();
        Ok(channel)
    }
}
