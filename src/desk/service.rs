//! Services and the permissions they define.

use super::Desk;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, Target, Trace};
use crate::model::idempotency::Once;
use crate::model::permission::{Own, Permissions};
use crate::model::service::{Service, parse_service_permissions};
use crate::store::Page;

impl Desk {
    /// Services, newest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn services(
        &self,
        caller: &Caller,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Service>, Error> {
        caller.demand(Own::ServicesRead)?;
        self.read.services(after, limit)
    }

    /// One service.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`].
    pub fn service(&self, caller: &Caller, name: &str) -> Result<Service, Error> {
        caller.demand(Own::ServicesRead)?;
        self.read.service(name)?.ok_or(Error::NotFound("service"))
    }

    /// One service, for who is to change its API keys.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`].
    pub fn service_to_change(&self, caller: &Caller, name: &str) -> Result<Service, Error> {
        caller.demand(Own::ServicesWrite)?;
        self.read.service(name)?.ok_or(Error::NotFound("service"))
    }

    /// Adds a service.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a name in use.
    pub fn add_service(
        &self,
        caller: &Caller,
        name: String,
        permissions: Permissions,
        once: Option<Once>,
    ) -> Result<Service, Error> {
        self.store().write(
            caller
                .permit_with_password(Own::ServicesWrite, Action::ServiceAdd)?
                .once(once),
            move |write| {
                write.add_service(&name, &permissions)?;
                let service = write.service(&name)?.ok_or(Error::NotFound("service"))?;
                Ok((
                    service,
                    Trace::of(Target::new("service", &name, "", None))
                        .after("permissions", &permissions),
                ))
            },
        )
    }

    /// Changes what a service defines. What it no longer defines is out of everybody's power at once.
    ///
    /// `seen`: what it defined when the caller looked; nothing newer is overwritten.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for permissions in another name.
    pub fn edit_service(
        &self,
        caller: &Caller,
        name: String,
        words: Vec<String>,
        seen: Option<Permissions>,
    ) -> Result<Service, Error> {
        let permissions = parse_service_permissions(&name, &words)
            .map_err(|message| Error::field("permissions", message))?;
        self.store().write(
            caller.permit_with_password(Own::ServicesWrite, Action::ServiceEdit)?,
            move |write| {
                let before = write.service(&name)?.ok_or(Error::NotFound("service"))?;
                if seen.is_some_and(|seen| seen != before.permissions) {
                    return Err(Error::changed_meanwhile("this service"));
                }
                write.set_service_permissions(&before, &permissions)?;
                let service = write.service(&name)?.ok_or(Error::NotFound("service"))?;
                Ok((
                    service,
                    Trace::of(Target::new("service", &name, "", None)).changed(
                        "permissions",
                        &before.permissions,
                        &permissions,
                    ),
                ))
            },
        )
    }

    /// Deletes a service, its API keys and its permissions.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn delete_service(&self, caller: &Caller, name: String) -> Result<(), Error> {
        self.store().write(
            caller.permit_with_password(Own::ServicesWrite, Action::ServiceDelete)?,
            move |write| {
                let service = write.service(&name)?.ok_or(Error::NotFound("service"))?;
                write.delete_service(&service)?;
                Ok((
                    (),
                    Trace::of(Target::new("service", &name, "", None))
                        .before("permissions", &service.permissions),
                ))
            },
        )
    }
}
