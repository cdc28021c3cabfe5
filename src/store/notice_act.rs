//! Notices about acts, written in the transaction of the act.

use super::read::Select;
use crate::model::account_notice::AccountNotice;
use crate::model::caller::Permit;
use crate::model::error::Error;
use crate::model::event::{Action, Actor, AuditDetails};
use crate::model::notice_message::NoticeMessage;
use crate::model::user::UserId;
use crate::model::user_agent::device;

/// The field of a sign-in event that marks a new browser.
pub const NEW_DEVICE: (&str, &str) = ("device", "new");

impl Select {
    /// Adds the notices of an act of somebody else on an account.
    pub(super) fn enqueue_admin_act(
        &self,
        action: Action,
        notice: &AccountNotice,
    ) -> Result<(), Error> {
        if !self.has_notice_channels()? {
            return Ok(());
        }
        let Some(username) = self.username_of(notice.user)? else {
            return Ok(());
        };
        let (sentence, at) = (notice.sentence(), notice.at);
        let message = NoticeMessage::admin_act(action, &username, &notice.actor, &sentence, at);
        self.enqueue_for_user(notice.user, &message, at).map(|_| ())
    }

    /// Adds the notices of an act of a user on their own account.
    pub(super) fn enqueue_own_act(
        &self,
        permit: &Permit,
        actor: &Actor,
        details: &AuditDetails,
    ) -> Result<(), Error> {
        let Some(owner) = details
            .target
            .owner
            .filter(|owner| actor.user == Some(*owner))
        else {
            return Ok(());
        };
        let (username, name) = (actor.name.as_str(), details.target.name.as_str());
        let (action, at) = (permit.action, permit.now);
        let message = if action == Action::SignIn {
            let is_new = details
                .after
                .iter()
                .any(|(field, value)| (*field, value.as_str()) == NEW_DEVICE);
            is_new.then(|| {
                let origin = &permit.origin;
                let address = origin.address.map(|address| address.to_string());
                let device = device(origin.program.as_deref());
                NoticeMessage::new_device(username, &device, address.as_deref(), at)
            })
        } else {
            NoticeMessage::account_changed(action, username, name, at)
        };
        match message {
            Some(message) if self.has_notice_channels()? => {
                self.enqueue_for_user(owner, &message, at).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Adds the notice of a burst of failed sign-ins, at most once an hour for each user.
    pub(super) fn enqueue_failed_sign_ins(
        &self,
        user: UserId,
        count: u32,
        address: Option<&str>,
        at: crate::model::time::Time,
    ) -> Result<(), Error> {
        const HOUR: i64 = 3_600;
        if !self.has_notice_channels()? {
            return Ok(());
        }
        let Some(username) = self.username_of(user)? else {
            return Ok(());
        };
        let item = format!("failed-sign-ins {username}");
        if self.give_notice(&item, 0, at.unix() / HOUR * HOUR)? {
            let message = NoticeMessage::failed_sign_ins(&username, count, address, at);
            self.enqueue_for_user(user, &message, at)?;
        }
        Ok(())
    }

    fn username_of(&self, user: UserId) -> Result<Option<String>, Error> {
        let sql = "SELECT username FROM users WHERE id = ? AND deleted_at IS NULL";
        self.one(sql, [user.0], |row| row.get(0))
    }
}
