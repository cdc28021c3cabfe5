//! A user's e-mail address and wanted notices.

use super::{App, new_code};
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::email_address::{EmailAddress, UserEmail};
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::notice_message::NoticeMessage;
use crate::model::notice_preference::{NoticePreferenceChange, NoticePreferences};
use crate::model::permission::{BuiltinPermission, Permission};
use crate::model::secret::{Presented, Secret};
use crate::model::time::Time;
use crate::model::user::{User, UserId};
use crate::store::{NewCode, NewConfirmation, Write};

fn target(user: &User) -> Target {
    Target::new("user", &user.username, "", Some(user.id))
}

impl App {
    /// The e-mail address of the caller; `None` without `account:read` or an account.
    pub fn own_email(&self, caller: &Caller) -> Result<Option<UserEmail>, Error> {
        let may = caller
            .power
            .contains(&Permission::Builtin(BuiltinPermission::AccountRead));
        match caller.user() {
            Ok(user) if may => self.read.user_email(user.id).map(Some),
            _ => Ok(None),
        }
    }

    /// The caller's e-mail address and wanted notices.
    pub fn notice_preferences(&self, caller: &Caller) -> Result<NoticePreferences, Error> {
        caller.require(BuiltinPermission::AccountRead)?;
        self.read.notice_preferences(caller.user()?)
    }

    /// Changes the kinds of notices that the caller wants on each channel.
    ///
    /// # Errors
    /// [`Error::Invalid`] when no channel would deliver security notices.
    pub fn change_notice_preferences(
        &self,
        caller: &Caller,
        change: NoticePreferenceChange,
    ) -> Result<(), Error> {
        let user = caller.user()?.clone();
        let permit = caller.permit(BuiltinPermission::AccountWrite, Action::NoticePreferences)?;
        self.store().write(permit, move |write| {
            let details = AuditDetails::new(target(&user));
            Ok(((), change_kinds(write, &user, Some(change), details)?))
        })
    }

    /// Records an e-mail address of the caller, to which a link is sent. The confirmed address stays until then. `kinds`
    /// are changed with it, or neither is.
    ///
    /// # Errors
    /// [`Error::TooMany`]; [`Error::Conflict`] without an e-mail channel.
    pub fn request_email(
        &self,
        caller: &Caller,
        address: EmailAddress,
        kinds: Option<NoticePreferenceChange>,
    ) -> Result<(), Error> {
        let user = caller.user()?.clone();
        let permit = caller.permit(BuiltinPermission::AccountWrite, Action::EmailRequest)?;
        self.store().write(permit, move |write| {
            write.request_email(user.id, &address)?;
            let details = AuditDetails::new(target(&user)).after("address", &address);
            Ok(((), change_kinds(write, &user, kinds, details)?))
        })
    }

    /// Removes the e-mail address of the caller. The address receives a notice.
    pub fn remove_email(
        &self,
        caller: &Caller,
        kinds: Option<NoticePreferenceChange>,
    ) -> Result<(), Error> {
        let user = caller.user()?.clone();
        let permit = caller.permit(BuiltinPermission::AccountWrite, Action::EmailRemove)?;
        self.store().write(permit, move |write| {
            let removed = write.remove_email(user.id)?;
            if let Some(address) = &removed {
                announce_change(write, &user, address)?;
            }
            let shown = removed.map_or_else(String::new, |address| address.to_string());
            let details = AuditDetails::new(target(&user)).before("address", shown);
            Ok(((), change_kinds(write, &user, kinds, details)?))
        })
    }

    /// Confirms the e-mail address of the caller with the code of its link. The earlier address receives a notice.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a code of somebody else, or one that was used or replaced.
    pub fn confirm_email(&self, caller: &Caller, presented: Presented) -> Result<(), Error> {
        let user = caller.user()?.clone();
        let permit = caller.permit(BuiltinPermission::AccountWrite, Action::EmailConfirm)?;
        self.store().write(permit, move |write| {
            let before = write.confirm_email(user.id, &presented)?;
            let mut details = AuditDetails::new(target(&user));
            if let Some(earlier) = &before.confirmed {
                announce_change(write, &user, earlier)?;
                details = details.before("address", earlier);
            }
            if let Some(address) = &before.pending {
                details = details.after("address", address);
            }
            Ok(((), details))
        })
    }

    /// A new code for the confirmation mail that is about to be sent; `None` if nothing waits for it any more. The code
    /// exists only in the mail: the outbox holds no secret.
    pub fn confirmation_code(
        &self,
        user: UserId,
        address: &str,
        now: Time,
    ) -> Result<Option<Secret>, Error> {
        let (secret, code) = new_code(Purpose::EmailConfirmation, now);
        let code = NewCode {
            user: Some(user),
            ..code
        };
        let new = NewConfirmation {
            user,
            address: address.to_owned(),
            code,
            at: now,
        };
        Ok(self.store().store_confirmation(new)?.then_some(secret))
    }
}

/// Changes the kinds that a user wants, if any, as a part of another act.
fn change_kinds(
    write: &Write<'_>,
    user: &User,
    change: Option<NoticePreferenceChange>,
    details: AuditDetails,
) -> Result<AuditDetails, Error> {
    let Some(change) = change else {
        return Ok(details);
    };
    write.change_notice_preferences(user, &change)?;
    let kinds: Vec<&str> = change.kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    Ok(details.after("kinds", kinds.join(" ")))
}

/// Sends a notice to an address that a user no longer has.
fn announce_change(write: &Write<'_>, user: &User, address: &EmailAddress) -> Result<(), Error> {
    let message = NoticeMessage::address_changed(user.username.as_str(), write.now);
    write.add_notice_to_address(user.id, address, &message)
}
