//! The tables `notices` and `notice_deliveries`: notices that wait, and the log of tries.

use rusqlite::{Row, params};

use super::Store;
use super::notice_channel::{read_kind, read_url};
use super::read::Select;
use super::row::{id, invalid, position, rows, time, unix};
use crate::model::email_address::EmailAddress;
use crate::model::error::Error;
use crate::model::event::{decode_words, encode_words};
use crate::model::notice_channel::{ChannelKind, ChannelNumber, NoticeChannel};
use crate::model::notice_delivery::{
    DELAY_MAX_SECONDS, DELIVERIES_KEPT, Delivery, DueNotice, SigningKey, TryOutcome, TryResult,
    next_try,
};
use crate::model::notice_kind::NoticeKind;
use crate::model::notice_message::NoticeMessage;
use crate::model::secret::Id;
use crate::model::text::sanitize;
use crate::model::time::Time;
use crate::model::user::UserId;

/// The people behind a row of `notices`.
#[derive(Clone, Copy)]
pub(super) enum Recipient<'a> {
    Admins,
    User(UserId),
    /// A user, at another address than the confirmed one.
    Address(UserId, &'a EmailAddress),
}

/// Longest stored detail of a try, in characters.
const DETAIL_CHARACTERS_MAX: usize = 300;

/// Notices whose item expires at another time now, is disabled or deleted. `?1`: now.
const OUTDATED: &str = "next_try_at <= ?1 AND item_kind IS NOT NULL AND expires_at IS NOT CASE item_kind \
    WHEN 'credential' THEN (SELECT c.expires_at FROM credentials c WHERE c.id = item_id AND c.deleted_at IS NULL AND c.disabled_at IS NULL) \
    WHEN 'ssh-key' THEN (SELECT k.expires_at FROM ssh_keys k WHERE k.id = item_id) \
    ELSE (SELECT o.expires_at FROM codes o WHERE o.id = item_id AND o.uses_left > 0) END";

const DUE_COLUMNS: &str = "n.number, n.id, n.channel, c.kind, c.name, c.url, c.signing_key, u.username, coalesce(n.address, e.address) AS address, n.kind, n.at, \
    n.subject, n.body, n.path, n.data, n.tries, n.user_id";
const DELIVERY_COLUMNS: &str =
    "notice_id, channel, kind, recipient, at, try, outcome, status, detail, next_try_at";

fn read_due(row: &Row<'_>) -> rusqlite::Result<DueNotice> {
    const fn column(name: &str) -> usize {
        position(DUE_COLUMNS, name)
    }
    Ok(DueNotice {
        number: row.get(const { column("n.number") })?,
        id: id(row, const { column("n.id") })?,
        channel: ChannelNumber(row.get(const { column("n.channel") })?),
        channel_kind: read_kind(row, const { column("c.kind") })?,
        channel_name: row.get(const { column("c.name") })?,
        url: read_url(row, const { column("c.url") })?,
        signing_key: row
            .get::<_, Option<Vec<u8>>>(const { column("c.signing_key") })?
            .map(SigningKey::new),
        recipient: row.get(const { column("u.username") })?,
        address: row.get(const { column("address") })?,
        kind: NoticeKind::parse(row.get_ref(const { column("n.kind") })?.as_str()?)
            .ok_or_else(|| invalid(const { column("n.kind") }))?,
        at: Time::from_unix(row.get(const { column("n.at") })?),
        subject: row.get(const { column("n.subject") })?,
        body: row.get(const { column("n.body") })?,
        path: row.get(const { column("n.path") })?,
        data: decode_words(row.get_ref(const { column("n.data") })?.as_str()?),
        tries: row.get(const { column("n.tries") })?,
        user: row
            .get::<_, Option<i64>>(const { column("n.user_id") })?
            .map(UserId),
    })
}

fn read_delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    const fn column(name: &str) -> usize {
        position(DELIVERY_COLUMNS, name)
    }
    Ok(Delivery {
        notice: id(row, const { column("notice_id") })?,
        channel: row.get(const { column("channel") })?,
        kind: row.get(const { column("kind") })?,
        recipient: row.get(const { column("recipient") })?,
        at: Time::from_unix(row.get(const { column("at") })?),
        attempt: row.get(const { column("try") })?,
        outcome: TryOutcome::parse(row.get_ref(const { column("outcome") })?.as_str()?)
            .ok_or_else(|| invalid(const { column("outcome") }))?,
        status: row.get(const { column("status") })?,
        detail: row.get(const { column("detail") })?,
        next_try_at: time(row, const { column("next_try_at") })?,
    })
}

impl Select {
    /// Adds a notice to a user on each channel that the user wants. A security notice goes to all usable channels if
    /// the user wants none. Returns how many were added.
    pub(super) fn enqueue_for_user(
        &self,
        user: UserId,
        message: &NoticeMessage,
        now: Time,
    ) -> Result<usize, Error> {
        let sql = "SELECT c.number, EXISTS (SELECT 1 FROM notice_opt_outs o WHERE o.user_id = ?1 AND o.kind = ?2 AND o.channel = c.number) \
                   FROM notice_channels c WHERE c.for_members = 1 AND (c.kind <> 'email' OR EXISTS \
                   (SELECT 1 FROM email_addresses e WHERE e.user_id = ?1 AND e.address IS NOT NULL)) ORDER BY c.number";
        let kind = message.kind.as_str();
        let usable = self.all(sql, params![user.0, kind], |row| {
            Ok((ChannelNumber(row.get(0)?), row.get::<_, bool>(1)?))
        })?;
        let wants_none = usable.iter().all(|(_, opted_out)| *opted_out);
        let everywhere = wants_none && message.kind.is_security();
        let mut added = 0;
        for (channel, opted_out) in usable {
            if everywhere || !opted_out {
                self.insert_notice(channel, Recipient::User(user), message, now)?;
                added += 1;
            }
        }
        Ok(added)
    }

    /// Adds a notice to the admins on each channel for them; by e-mail to each admin who wants it.
    pub(super) fn enqueue_for_admins(
        &self,
        message: &NoticeMessage,
        now: Time,
    ) -> Result<usize, Error> {
        let sql = "SELECT number FROM notice_channels WHERE for_admins = 1 AND kind <> 'email' ORDER BY number";
        let channels = self.all(sql, [], |row| Ok(ChannelNumber(row.get(0)?)))?;
        for channel in &channels {
            self.insert_notice(*channel, Recipient::Admins, message, now)?;
        }
        let sql = "SELECT c.number, u.id FROM notice_channels c, users u JOIN email_addresses e ON e.user_id = u.id \
                   WHERE c.kind = 'email' AND c.for_admins = 1 AND u.role = 'admin' AND u.disabled_at IS NULL AND e.address IS NOT NULL \
                   AND NOT EXISTS (SELECT 1 FROM notice_opt_outs o WHERE o.user_id = u.id AND o.kind = ? AND o.channel = c.number) ORDER BY u.id";
        let mails = self.all(sql, [message.kind.as_str()], |row| {
            Ok((ChannelNumber(row.get(0)?), UserId(row.get(1)?)))
        })?;
        for (channel, user) in &mails {
            self.insert_notice(*channel, Recipient::User(*user), message, now)?;
        }
        Ok(channels.len() + mails.len())
    }

    /// The e-mail channel, if it exists.
    fn email_channel(&self) -> Result<Option<ChannelNumber>, Error> {
        let sql = "SELECT number FROM notice_channels WHERE kind = 'email'";
        self.one(sql, [], |row| Ok(ChannelNumber(row.get(0)?)))
    }

    /// Adds the mail that confirms an address. Its link gets a code when it is sent.
    pub(super) fn enqueue_confirmation(
        &self,
        user: UserId,
        address: &EmailAddress,
        now: Time,
    ) -> Result<(), Error> {
        let channel = self.email_channel()?.ok_or_else(|| {
            Error::Conflict("This server sends no e-mail; ask an admin for a channel.".to_owned())
        })?;
        let message = NoticeMessage::address_confirmation(address.as_str());
        let recipient = Recipient::Address(user, address);
        self.insert_notice(channel, recipient, &message, now)
            .map(|_| ())
    }

    /// Adds a mail to an address that a user had, if mails are sent at all.
    pub(super) fn enqueue_to_address(
        &self,
        user: UserId,
        address: &EmailAddress,
        message: &NoticeMessage,
        now: Time,
    ) -> Result<(), Error> {
        if let Some(channel) = self.email_channel()? {
            let recipient = Recipient::Address(user, address);
            self.insert_notice(channel, recipient, message, now)?;
        }
        Ok(())
    }

    /// Adds a notice on one channel.
    pub(super) fn insert_notice(
        &self,
        channel: ChannelNumber,
        recipient: Recipient<'_>,
        message: &NoticeMessage,
        now: Time,
    ) -> Result<Id, Error> {
        let id = Id::random();
        let (user, address) = match recipient {
            Recipient::Admins => (None, None),
            Recipient::User(user) => (Some(user), None),
            Recipient::Address(user, address) => (Some(user), Some(address.as_str())),
        };
        let item = message.item.as_ref();
        let sql = "INSERT INTO notices (id, channel, user_id, address, kind, at, subject, body, path, data, item_kind, item_id, expires_at, next_try_at) \
                   VALUES (?, ?, ?, ?, ?, ?6, ?, ?, ?, ?, ?, ?, ?, ?6)";
        self.execute(
            sql,
            params![
                id.as_str(),
                channel.0,
                user.map(|user| user.0),
                address,
                message.kind.as_str(),
                now.unix(),
                message.subject,
                message.body,
                message.path,
                encode_words(&message.data),
                item.map(|item| item.kind.as_str()),
                item.map(|item| item.id.as_str()),
                item.map(|item| item.expires_at.unix()),
            ],
        )?;
        self.signal_notices();
        Ok(id)
    }

    /// Notices to send now, the longest waiting first; without those of the channels in `besides`. A next try that is
    /// further away than any was set by a clock that ran ahead: it is due.
    pub fn due_notices(
        &self,
        now: Time,
        besides: &[ChannelNumber],
        limit: usize,
    ) -> Result<Vec<DueNotice>, Error> {
        let sql = format!(
            "SELECT {DUE_COLUMNS} \
                   FROM notices n JOIN notice_channels c ON c.number = n.channel LEFT JOIN users u ON u.id = n.user_id LEFT JOIN email_addresses e ON e.user_id = n.user_id \
                   WHERE (n.next_try_at <= ?1 OR n.next_try_at > ?1 + ?2) AND n.channel NOT IN (SELECT value FROM json_each(?3)) ORDER BY n.next_try_at LIMIT ?4"
        );
        let numbers: Vec<String> = besides.iter().map(|one| one.0.to_string()).collect();
        let besides = format!("[{}]", numbers.join(","));
        self.all(
            &sql,
            params![now.unix(), DELAY_MAX_SECONDS, besides, rows(limit) - 1],
            read_due,
        )
    }

    /// The earliest time at which a waiting notice is due.
    pub(super) fn next_waiting_notice(&self) -> Result<Option<Time>, Error> {
        let sql = "SELECT min(next_try_at) FROM notices";
        Ok(self.one(sql, [], |row| time(row, 0))?.flatten())
    }

    /// The last tries, newest first.
    pub fn notice_deliveries(&self) -> Result<Vec<Delivery>, Error> {
        let sql = format!("SELECT {DELIVERY_COLUMNS} FROM notice_deliveries ORDER BY number DESC");
        self.all(&sql, [], read_delivery)
    }

    fn record_try(&self, notice: &DueNotice, result: &TryResult, now: Time) -> Result<(), Error> {
        let tries = notice.tries + 1;
        let (outcome, status, detail, next) = match result {
            TryResult::Delivered { status } => (TryOutcome::Delivered, *status, "", None),
            TryResult::Rejected { status, detail } => {
                (TryOutcome::GivenUp, *status, detail.as_str(), None)
            }
            TryResult::Failed { status, detail, .. } => {
                let next = next_try(notice.at, tries, now);
                let outcome = next.map_or(TryOutcome::GivenUp, |_| TryOutcome::Failed);
                (outcome, *status, detail.as_str(), next)
            }
        };
        // The notice may be gone since, and its number in use again.
        match next {
            Some(next) => {
                let sql =
                    "UPDATE notices SET tries = ?, next_try_at = ? WHERE number = ? AND id = ?";
                self.execute(
                    sql,
                    params![tries, next.unix(), notice.number, notice.id.as_str()],
                )?
            }
            None => {
                let sql = "DELETE FROM notices WHERE number = ? AND id = ?";
                self.execute(sql, params![notice.number, notice.id.as_str()])?
            }
        };
        let sql = "INSERT INTO notice_deliveries (notice_id, channel, kind, recipient, at, try, outcome, status, detail, next_try_at) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.execute(
            sql,
            params![
                notice.id.as_str(),
                notice.channel_name,
                notice.kind.as_str(),
                notice.recipient,
                now.unix(),
                tries,
                outcome.as_str(),
                status,
                sanitize(detail, DETAIL_CHARACTERS_MAX),
                unix(next),
            ],
        )?;
        let sql = "DELETE FROM notice_deliveries WHERE number <= (SELECT max(number) FROM notice_deliveries) - ?";
        self.execute(sql, [rows(DELIVERIES_KEPT) - 1])?;
        Ok(())
    }
}

impl Store {
    /// Records a try: its line in the log, and the next try or the end of the notice.
    pub fn record_notice_try(
        &self,
        notice: DueNotice,
        result: TryResult,
        now: Time,
    ) -> Result<(), Error> {
        self.note(move |select| select.record_try(&notice, &result, now))
    }

    /// Drops due notices about expirations that changed.
    pub fn drop_outdated_notices(&self, now: Time) -> Result<usize, Error> {
        self.note(move |select| {
            let sql = format!("DELETE FROM notices WHERE {OUTDATED}");
            select.execute(&sql, [now.unix()])
        })
    }
}

impl super::write::Write<'_> {
    /// Adds a mail to an address that a user had, if mails are sent at all.
    pub fn add_notice_to_address(
        &self,
        user: UserId,
        address: &EmailAddress,
        message: &NoticeMessage,
    ) -> Result<(), Error> {
        self.enqueue_to_address(user, address, message, self.now)
    }

    /// Adds a notice that tests a channel; by e-mail, to the sender. Returns its id.
    pub fn add_test_notice(
        &self,
        channel: &NoticeChannel,
        message: &NoticeMessage,
        sender: Option<UserId>,
    ) -> Result<Id, Error> {
        let recipient = match (channel.kind, sender) {
            (ChannelKind::Email, Some(user)) if self.user_email(user)?.confirmed.is_some() => {
                Recipient::User(user)
            }
            (ChannelKind::Email, _) => {
                let message = "A test is sent to your own address: enter and confirm one first.";
                return Err(Error::Conflict(message.to_owned()));
            }
            _ => Recipient::Admins,
        };
        self.insert_notice(channel.number, recipient, message, self.now)
    }
}
