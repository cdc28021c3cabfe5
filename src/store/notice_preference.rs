//! The tables `email_addresses` and `notice_opt_outs`.

use rusqlite::{Row, params};

use super::notice_channel::read_kind;
use super::read::Select;
use super::row::{id, invalid, time};
use super::write::Write;
use crate::model::code::Purpose;
use crate::model::email_address::{EmailAddress, UserEmail};
use crate::model::error::{Error, SecretSent};
use crate::model::notice_channel::ChannelNumber;
use crate::model::notice_kind::NoticeKind;
use crate::model::notice_preference::{
    NoticePreferenceChange, NoticePreferences, PreferenceChannel,
};
use crate::model::secret::{Id, Presented};
use crate::model::time::Time;
use crate::model::user::{Role, User, UserId};

fn read_address(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<EmailAddress>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    let parsed = text.map(EmailAddress::parse).transpose();
    parsed.map_err(|_| invalid(column))
}

fn read_channel(row: &Row<'_>) -> rusqlite::Result<PreferenceChannel> {
    Ok(PreferenceChannel {
        number: ChannelNumber(row.get(0)?),
        id: id(row, 1)?,
        name: row.get(2)?,
        kind: read_kind(row, 3)?,
        for_members: row.get(4)?,
        for_admins: row.get(5)?,
    })
}

impl Select {
    /// The e-mail addresses of a user.
    pub fn user_email(&self, user: UserId) -> Result<UserEmail, Error> {
        let sql = "SELECT address, pending FROM email_addresses WHERE user_id = ?";
        let found = self.one(sql, [user.0], |row| {
            Ok(UserEmail {
                confirmed: read_address(row, 0)?,
                pending: read_address(row, 1)?,
            })
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The preferences of a user.
    pub fn notice_preferences(&self, user: &User) -> Result<NoticePreferences, Error> {
        let sql = "SELECT number, id, name, kind, for_members, for_admins FROM notice_channels ORDER BY number";
        let channels = self.all(sql, [], read_channel)?;
        let sql =
            "SELECT kind, channel FROM notice_opt_outs WHERE user_id = ? ORDER BY channel, kind";
        let opt_outs = self.all(sql, [user.id.0], |row| {
            let kind = NoticeKind::parse(row.get_ref(0)?.as_str()?);
            Ok((kind, ChannelNumber(row.get(1)?)))
        })?;
        let opt_outs = opt_outs.into_iter();
        Ok(NoticePreferences {
            email: self.user_email(user.id)?,
            is_admin: user.role == Role::Admin,
            channels,
            opt_outs: opt_outs
                .filter_map(|(kind, channel)| Some((kind?, channel)))
                .collect(),
        })
    }
}

impl Write<'_> {
    /// Changes the kinds that a user wants.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown channel, or when no channel would deliver security notices.
    pub fn change_notice_preferences(
        &self,
        user: &User,
        change: &NoticePreferenceChange,
    ) -> Result<(), Error> {
        let before = self.notice_preferences(user)?;
        for (kind, wanted) in &change.kinds {
            let offered = || {
                let channels = before.channels.iter();
                channels.filter(|channel| before.is_offered(*kind, channel))
            };
            let is_known = |id: &Id| offered().any(|channel| channel.id == *id);
            if let Some(unknown) = wanted.iter().find(|id| !is_known(id)) {
                let message = format!("{}: {unknown} is not a channel for it", kind.as_str());
                return Err(Error::field("kinds", message));
            }
            for channel in offered() {
                let sql = if wanted.contains(&channel.id) {
                    "DELETE FROM notice_opt_outs WHERE user_id = ? AND kind = ? AND channel = ?"
                } else {
                    "INSERT OR IGNORE INTO notice_opt_outs (user_id, kind, channel) VALUES (?, ?, ?)"
                };
                self.execute(sql, params![user.id.0, kind.as_str(), channel.number.0])?;
            }
        }
        let unprotected = self.notice_preferences(user)?.unprotected();
        let is_changed = |kind: &NoticeKind| change.kinds.iter().any(|(one, _)| one == kind);
        match unprotected.into_iter().find(is_changed) {
            None => Ok(()),
            Some(kind) => Err(Error::field(
                "kinds",
                format!(
                    "{}: this protects your account; keep it on at least one channel",
                    kind.label()
                ),
            )),
        }
    }

    /// Records an address that waits for its confirmation, and queues the mail with the link. An earlier link loses
    /// its effect.
    ///
    /// # Errors
    /// [`Error::TooMany`] within a minute of the last mail; [`Error::Conflict`] without an e-mail channel.
    pub fn request_email(&self, user: UserId, address: &EmailAddress) -> Result<(), Error> {
        const INTERVAL_SECONDS: i64 = 60;
        let sql = "SELECT requested_at FROM email_addresses WHERE user_id = ?";
        let last = self.one(sql, [user.0], |row| time(row, 0))?.flatten();
        let wait = last.map_or(0, |last| last.unix() + INTERVAL_SECONDS - self.now.unix());
        if (1..=INTERVAL_SECONDS).contains(&wait) {
            return Err(Error::TooMany {
                retry_after: std::time::Duration::from_secs(wait.unsigned_abs()),
                message: "A mail was sent within the last minute; wait a minute.".to_owned(),
            });
        }
        self.delete_email_codes(user)?;
        let sql = "INSERT INTO email_addresses (user_id, pending, requested_at) VALUES (?, ?, ?) \
                   ON CONFLICT DO UPDATE SET pending = excluded.pending, requested_at = excluded.requested_at";
        self.execute(sql, params![user.0, address.as_str(), self.now.unix()])?;
        self.enqueue_confirmation(user, address, self.now)
    }

    /// Removes both addresses. Returns the confirmed one.
    pub fn remove_email(&self, user: UserId) -> Result<Option<EmailAddress>, Error> {
        let before = self.user_email(user)?;
        self.delete_email_codes(user)?;
        let sql = "UPDATE email_addresses SET address = NULL, pending = NULL WHERE user_id = ?";
        self.execute(sql, [user.0])?;
        Ok(before.confirmed)
    }

    /// Confirms the pending address of a user with the code of its link. Returns the addresses before.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a code of another user, or one that was used or replaced.
    pub fn confirm_email(&self, user: UserId, presented: &Presented) -> Result<UserEmail, Error> {
        let before = self.user_email(user)?;
        let consumed = self.consume_code(presented, Purpose::EmailConfirmation, self.now)?;
        if consumed.user != Some(user) || before.pending.is_none() {
            return Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            });
        }
        let sql = "UPDATE email_addresses SET address = pending, pending = NULL WHERE user_id = ?";
        self.execute(sql, [user.0])?;
        Ok(before)
    }

    fn delete_email_codes(&self, user: UserId) -> Result<(), Error> {
        let sql = "DELETE FROM codes WHERE user_id = ? AND purpose = 'email-confirmation'";
        self.execute(sql, [user.0])?;
        let sql = "DELETE FROM notices WHERE user_id = ? AND kind = ?";
        let kind = NoticeKind::AddressConfirmation.as_str();
        self.execute(sql, params![user.0, kind]).map(|_| ())
    }
}

/// A new code for the mail that is about to be sent to this user.
pub struct NewConfirmation {
    pub user: UserId,
    /// Where the mail goes.
    pub address: String,
    pub code: super::NewCode,
    pub at: Time,
}

impl super::Store {
    /// Stores the code of a confirmation mail in place of earlier ones. Returns false if nothing waits for it any more.
    pub fn store_confirmation(&self, new: NewConfirmation) -> Result<bool, Error> {
        self.note(move |select| {
            let email = select.user_email(new.user)?;
            // Another address may have been requested since the mail was due: its code would go to this one.
            if email
                .pending
                .is_none_or(|pending| pending.as_str() != new.address)
            {
                return Ok(false);
            }
            let sql = "DELETE FROM codes WHERE user_id = ? AND purpose = 'email-confirmation'";
            select.execute(sql, [new.user.0])?;
            select.insert_code(&new.code, new.at)?;
            Ok(true)
        })
    }
}
