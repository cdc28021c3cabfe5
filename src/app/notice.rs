//! Notices: their channels, their deliveries, and the work of the thread that delivers them.

use std::sync::Arc;

use super::{App, AppState};
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::idempotency::IdempotencyKey;
use crate::model::notice::Notice;
use crate::model::notice_channel::{
    ChannelKind, ChannelNumber, ChannelUrl, NewNoticeChannel, NoticeChannel, NoticeChannelChange,
    new_signing_key,
};
use crate::model::notice_delivery::{Delivery, DueNotice, TryResult};
use crate::model::notice_message::NoticeMessage;
use crate::model::permission::BuiltinPermission;
use crate::model::secret::Id;
use crate::model::time::Time;

pub use crate::store::NoticeSignal;

/// Notices read at once for delivery.
const DUE_MAX: usize = 50;

impl AppState {
    /// The signal for new notices.
    pub fn notice_signal(&self) -> Arc<NoticeSignal> {
        self.store.notice_signal()
    }
}

fn target(channel: &NoticeChannel) -> Target {
    Target::new("notice-channel", channel.id, &channel.name, None)
}

fn shown_url(url: Option<&ChannelUrl>) -> String {
    url.map(ChannelUrl::shown).unwrap_or_default()
}

impl App {
    /// The channels of notices, oldest first.
    pub fn notice_channels(&self, caller: &Caller) -> Result<Vec<NoticeChannel>, Error> {
        caller.require(BuiltinPermission::PolicyRead)?;
        self.read.notice_channels()
    }

    /// One channel.
    pub fn notice_channel(&self, caller: &Caller, id: Id) -> Result<NoticeChannel, Error> {
        caller.require(BuiltinPermission::PolicyRead)?;
        let found = self.read.notice_channel(id)?;
        found.ok_or(Error::NotFound("channel"))
    }

    /// Creates a channel. Returns it with the signing key of a webhook.
    pub fn create_notice_channel(
        &self,
        caller: &Caller,
        channel: NewNoticeChannel,
        once: Option<IdempotencyKey>,
    ) -> Result<(NoticeChannel, Option<String>), Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::PolicyWrite, Action::NoticeChannelCreate)?
            .once(once);
        self.store().write(permit, move |write| {
            let key = (channel.kind == ChannelKind::Webhook).then(new_signing_key);
            let channel = write.add_notice_channel(&channel, key.as_deref())?;
            let details = AuditDetails::new(target(&channel))
                .after("kind", channel.kind.as_str())
                .after("url", shown_url(channel.url.as_ref()))
                .after("members", channel.for_members)
                .after("admins", channel.for_admins);
            Ok(((channel, key), details))
        })
    }

    /// Changes a channel.
    pub fn change_notice_channel(
        &self,
        caller: &Caller,
        id: Id,
        change: NoticeChannelChange,
    ) -> Result<NoticeChannel, Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::PolicyWrite, Action::NoticeChannelEdit)?;
        self.store().write(permit, move |write| {
            let (before, after) = write.change_notice_channel(id, &change)?;
            let mut details = AuditDetails::new(target(&after))
                .changed("name", &before.name, &after.name)
                .changed("members", before.for_members, after.for_members)
                .changed("admins", before.for_admins, after.for_admins);
            if before.url != after.url {
                // Both may be shown alike.
                details = details
                    .before("url", shown_url(before.url.as_ref()))
                    .after("url", shown_url(after.url.as_ref()));
            }
            Ok((after, details))
        })
    }

    /// Deletes a channel with the notices that wait for it.
    pub fn delete_notice_channel(&self, caller: &Caller, id: Id) -> Result<(), Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::PolicyWrite, Action::NoticeChannelDelete)?;
        self.store().write(permit, move |write| {
            let channel = write.delete_notice_channel(id)?;
            let details =
                AuditDetails::new(target(&channel)).before("waiting notices", channel.waiting);
            Ok(((), details))
        })
    }

    /// Sends a test notice through a channel, like any other notice. Returns its id.
    pub fn test_notice_channel(&self, caller: &Caller, id: Id) -> Result<Id, Error> {
        let permit = caller.permit(BuiltinPermission::PolicyWrite, Action::NoticeTest)?;
        let (sender, user) = (caller.actor().name, caller.actor().user);
        self.store().write(permit, move |write| {
            let channel = write
                .notice_channel(id)?
                .ok_or(Error::NotFound("channel"))?;
            let message = NoticeMessage::test(&channel.name, &sender);
            let notice = write.add_test_notice(&channel, &message, user)?;
            let details = AuditDetails::new(target(&channel)).after("notice", notice);
            Ok((notice, details))
        })
    }

    /// The last delivery attempts, newest first.
    pub fn notice_deliveries(&self, caller: &Caller) -> Result<Vec<Delivery>, Error> {
        caller.require(BuiltinPermission::PolicyRead)?;
        self.read.notice_deliveries()
    }

    /// Returns whether any channel exists.
    pub fn has_notice_channels(&self) -> Result<bool, Error> {
        self.read.has_notice_channels()
    }

    /// Adds notices for everything that is due, in batches, and drops those that are outdated. Between two batches, `pause`
    /// waits; if it returns false, the rest is left to the next search.
    pub fn collect_notices(&self, now: Time, pause: impl FnMut() -> bool) -> Result<(), Error> {
        if !self.has_notice_channels()? {
            return Ok(());
        }
        self.store().enqueue_expirations(now, pause)?;
        self.enqueue_health(now)?;
        self.store().drop_outdated_notices(now).map(|_| ())
    }

    /// Adds notices about silent hosts and an old backup, once for each such state.
    fn enqueue_health(&self, now: Time) -> Result<(), Error> {
        for host in self.read.silent_hosts(now)? {
            let message = NoticeMessage::host_silent(&host.name, &host.id, host.cached_at);
            let item = format!("host {}", host.id);
            self.enqueue_state(&item, host.since, message, now)?;
        }
        if let Some((last, since)) = self.read.old_backup(now)? {
            let message = NoticeMessage::backup_old(last);
            self.enqueue_state("backup", since, message, now)?;
        }
        Ok(())
    }

    /// Adds the notice about the certificate of the server, once for each threshold and after its end.
    pub fn collect_certificate(&self, end: Time, now: Time) -> Result<(), Error> {
        let threshold = match Notice::from_expiration(Some(end), now) {
            Some(notice) => notice.days(),
            None if end <= now => 0,
            None => return Ok(()),
        };
        let (item, moment) = ("certificate", end.unix());
        if self.read.is_notice_given(item, threshold, moment)? {
            return Ok(());
        }
        let message = NoticeMessage::certificate_expires(end, now);
        self.store()
            .enqueue_once(item.to_owned(), threshold, moment, message, now)
    }

    /// Adds a notice about a state that began at `moment`, unless that was done before.
    fn enqueue_state(
        &self,
        item: &str,
        moment: Time,
        message: NoticeMessage,
        now: Time,
    ) -> Result<(), Error> {
        if self.read.is_notice_given(item, 0, moment.unix())? {
            return Ok(());
        }
        self.store()
            .enqueue_once(item.to_owned(), 0, moment.unix(), message, now)
    }

    /// Notices to send now, without those of the channels in `besides`.
    pub fn due_notices(
        &self,
        now: Time,
        besides: &[ChannelNumber],
    ) -> Result<Vec<DueNotice>, Error> {
        self.read.due_notices(now, besides, DUE_MAX)
    }

    /// Records a try to deliver a notice.
    pub fn record_notice_try(
        &self,
        notice: DueNotice,
        result: TryResult,
        now: Time,
    ) -> Result<(), Error> {
        self.store().record_notice_try(notice, result, now)
    }

    /// The time of the next notice, as far as it is known now.
    pub fn next_notice_at(&self, now: Time) -> Result<Option<Time>, Error> {
        self.read.next_notice_at(now)
    }
}
