//! Services and their permissions.

use super::App;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::idempotency::IdempotencyKey;
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::service::{ByRole, Service, ServiceChange};
use crate::model::user::Role;
use crate::store::{Page, Write};

impl App {
    /// Services, newest first.
    pub fn services(
        &self,
        caller: &Caller,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Service>, Error> {
        caller.require(BuiltinPermission::ServicesRead)?;
        self.read.services(after, limit)
    }

    /// One service.
    pub fn service(&self, caller: &Caller, name: &str) -> Result<Service, Error> {
        caller.require(BuiltinPermission::ServicesRead)?;
        self.read.service(name)?.ok_or(Error::NotFound("service"))
    }

    /// One service, for callers who may change its API keys.
    pub fn service_for_change(&self, caller: &Caller, name: &str) -> Result<Service, Error> {
        caller.require(BuiltinPermission::ServicesWrite)?;
        self.read.service(name)?.ok_or(Error::NotFound("service"))
    }

    /// Adds a service.
    pub fn add_service(
        &self,
        caller: &Caller,
        name: String,
        permissions: Permissions,
        once: Option<IdempotencyKey>,
    ) -> Result<Service, Error> {
        self.store().write(
            caller
                .permit_with_password(BuiltinPermission::ServicesWrite, Action::ServiceAdd)?
                .once(once),
            move |write| {
                write.add_service(&name, &permissions)?;
                let service = write.service(&name)?.ok_or(Error::NotFound("service"))?;
                Ok((
                    service,
                    AuditDetails::new(Target::new("service", &name, "", None))
                        .after("permissions", &permissions),
                ))
            },
        )
    }

    /// The permissions of a service that each role includes.
    pub fn given_by_role(&self, caller: &Caller, service: &Service) -> Result<ByRole, Error> {
        caller.require(BuiltinPermission::ServicesRead)?;
        self.read.given_by_role(service.id)
    }

    /// Changes the permissions that a service defines, and those that roles include. Removed ones have no effect from
    /// the next request on.
    pub fn edit_service(
        &self,
        caller: &Caller,
        name: String,
        change: ServiceChange,
    ) -> Result<(Service, ByRole), Error> {
        let permit =
            caller.permit_with_password(BuiltinPermission::ServicesWrite, Action::ServiceEdit)?;
        self.store().write(permit, move |write| {
            let before = write.service(&name)?.ok_or(Error::NotFound("service"))?;
            let had = write.given_by_role(before.id)?;
            let seen = change.seen.as_ref();
            if seen.is_some_and(|(permissions, by_role)| {
                *permissions != before.permissions || *by_role != had
            }) {
                return Err(Error::ChangedMeanwhile("this service"));
            }
            let permissions = change
                .permissions
                .unwrap_or_else(|| before.permissions.clone());
            let kept = had.within(&permissions);
            let given = ByRole {
                member: change.member.unwrap_or_else(|| kept.member.clone()),
                admin: change.admin.unwrap_or_else(|| kept.admin.clone()),
            };
            write.set_service_permissions(&before, &permissions)?;
            for role in Role::ALL {
                let (kept, given) = (kept.for_role(role), given.for_role(role));
                require_given(write, &permissions, role, kept, given)?;
                write.give_to_role(before.id, role, given)?;
            }
            let service = write.service(&name)?.ok_or(Error::NotFound("service"))?;
            let details = AuditDetails::new(Target::new("service", &name, "", None))
                .changed("permissions", &before.permissions, &permissions)
                .changed("members have", &had.member, &given.member)
                .changed("admins have", &had.admin, &given.admin);
            Ok(((service, given), details))
        })
    }

    /// Deletes a service, its API keys and its permissions.
    pub fn delete_service(&self, caller: &Caller, name: String) -> Result<(), Error> {
        self.store().write(
            caller.permit_with_password(BuiltinPermission::ServicesWrite, Action::ServiceDelete)?,
            move |write| {
                let service = write.service(&name)?.ok_or(Error::NotFound("service"))?;
                write.delete_service(&service)?;
                Ok((
                    (),
                    AuditDetails::new(Target::new("service", &name, "", None))
                        .before("permissions", &service.permissions),
                ))
            },
        )
    }
}

/// A permission that a role newly includes must be defined and grantable: it reaches each of the role's users.
fn require_given(
    write: &Write<'_>,
    defined: &Permissions,
    role: Role,
    kept: &Permissions,
    given: &Permissions,
) -> Result<(), Error> {
    if let Some(unknown) = given.first_missing_from(defined) {
        return Err(Error::field(
            &format!("roles.{}", role.as_str()),
            format!("the service does not define {unknown}"),
        ));
    }
    if kept == given {
        return Ok(());
    }
    write.require_within(&Permissions::new(&[BuiltinPermission::UsersWrite]))?;
    let new = given.without(kept);
    if !new.is_empty() {
        write.require_any_address()?;
    }
    write.require_grantable(&new)
}
