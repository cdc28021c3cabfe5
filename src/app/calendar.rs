//! The calendar of a user's expirations, with a secret that opens nothing else.

use super::App;
use crate::model::calendar;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::permission::BuiltinPermission;
use crate::model::secret::{Presented, Secret, SecretForm};
use crate::model::time::Time;

impl App {
    /// The calendar that this secret opens. `site`: the host name of this installation.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown or revoked secret, and while the user is disabled.
    pub fn calendar(&self, presented: &Presented, site: &str, now: Time) -> Result<String, Error> {
        let user = match presented.form {
            SecretForm::Calendar => self.read.calendar_user(presented)?,
            SecretForm::Credential(_) | SecretForm::Code => None,
        };
        let user = user.ok_or(Error::NotFound("calendar"))?;
        let entries = self.read.calendar_entries(user, now)?;
        Ok(calendar::render(&entries, site, now))
    }

    /// When the caller created the secret of their calendar.
    pub fn calendar_created_at(&self, caller: &Caller) -> Result<Option<Time>, Error> {
        caller.require(BuiltinPermission::AccountRead)?;
        self.read.calendar_created_at(caller.user()?.id)
    }

    /// Creates the secret of the caller's calendar; an earlier one is revoked.
    pub fn create_calendar(&self, caller: &Caller) -> Result<Secret, Error> {
        let user = caller.user()?.clone();
        let permit = caller.permit(BuiltinPermission::AccountWrite, Action::CalendarCreate)?;
        self.store().write(permit, move |write| {
            let secret = Secret::generate(SecretForm::Calendar);
            write.set_calendar(user.id, &secret)?;
            let target = Target::new("user", &user.username, "", Some(user.id));
            let details = AuditDetails::new(target).after("calendar", secret.id());
            Ok((secret, details))
        })
    }

    /// Revokes the secret of the caller's calendar.
    pub fn delete_calendar(&self, caller: &Caller) -> Result<(), Error> {
        let user = caller.user()?.clone();
        let permit = caller.permit(BuiltinPermission::AccountWrite, Action::CalendarDelete)?;
        self.store().write(permit, move |write| {
            write.delete_calendar(user.id)?;
            let target = Target::new("user", &user.username, "", Some(user.id));
            Ok(((), AuditDetails::new(target)))
        })
    }
}
