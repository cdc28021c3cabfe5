//! Users, for admins and the operator.

use super::{App, Invited, UserCounts, new_code};
use crate::model::caller::{Caller, Permit};
use crate::model::code::Purpose;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::host::HostLogin;
use crate::model::idempotency::IdempotencyKey;
use crate::model::permission::{BuiltinPermission, Permission, Permissions};
use crate::model::reserved_login::is_reserved_login;
use crate::model::secret::Secret;
use crate::model::user::{Disabled, NewUser, Role, User, UserChange, Username};
use crate::store::{Page, Write};

/// The credentials that offboarding revokes, and the user's other access.
#[derive(Debug, Clone)]
pub struct OffboardPreview {
    pub counts: UserCounts,
    pub groups: Vec<String>,
    pub logins: Vec<HostLogin>,
}

/// The credentials that offboarding revoked.
#[derive(Debug, Clone, Copy)]
pub struct Offboarded {
    pub api_keys: usize,
    pub tokens: usize,
    pub sessions: usize,
    pub ssh_keys: usize,
}

impl App {
    /// Users, newest first.
    pub fn users(
        &self,
        caller: &Caller,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<User>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.users(after, limit)
    }

    /// One user.
    pub fn user(&self, caller: &Caller, name: &Username) -> Result<User, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.find_user(name)
    }

    /// One user, for callers who may revoke their credentials.
    pub fn user_for_change(&self, caller: &Caller, name: &Username) -> Result<User, Error> {
        caller.require(BuiltinPermission::UsersWrite)?;
        self.find_user(name)
    }

    /// Adds a user; without a password, with an invitation. Takes as long as a password hash, if there is one.
    ///
    /// # Errors
    /// [`Error::NameTaken`] for a name that a user has or had; [`Error::Forbidden`] for an admin created by a lesser
    /// caller.
    /// [`Error::Forbidden`] without `hosts:write` for a reserved login name or a login that a host shares.
    pub fn add_user(
        &self,
        caller: &Caller,
        user: NewUser,
        once: Option<IdempotencyKey>,
    ) -> Result<Invited, Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::UsersWrite, Action::UserAdd)?
            .once(once);
        // Before the password is hashed.
        if is_reserved_login(user.username.as_str()) {
            caller.require(BuiltinPermission::HostsWrite)?;
        }
        self.add(permit, user)
    }

    fn add(&self, permit: Permit, user: NewUser) -> Result<Invited, Error> {
        // A name in use costs no hash.
        if self.read.name_is_reserved(&user.username)? && permit.once.is_none() {
            return Err(Error::NameTaken(format!(
                "The username {} is or was in use and stays reserved; choose another.",
                user.username
            )));
        }
        let hash = user
            .password
            .as_ref()
            .map(crate::model::password::Password::hash);
        self.store().write(permit, move |write| {
            write.require_any_address()?;
            require_role(write, user.role)?;
            if is_reserved_login(user.username.as_str()) || write.is_shared_login(&user.username)? {
                write.require_hosts_write()?;
            }
            let id = write.add_user(&user, hash.as_deref())?;
            let code = if hash.is_none() {
                let (secret, mut code) = new_code(Purpose::Invitation, write.now);
                code.user = Some(id);
                code.creator = write.code_creator()?;
                write.add_code(&code)?;
                Some(secret)
            } else {
                None
            };
            if user.role == Role::Admin {
                write.delete_setup_codes()?;
            }
            let created = write.user_by_id(id)?.ok_or(Error::NotFound("user"))?;
            let details = AuditDetails::new(target(&created))
                .after("role", user.role)
                .after("invited", if code.is_some() { "yes" } else { "no" });
            Ok((
                Invited {
                    user: created,
                    code,
                },
                details,
            ))
        })
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for the last admin; [`Error::Forbidden`] to give permissions that the
    /// caller lacks.
    pub fn change_user(
        &self,
        caller: &Caller,
        name: &Username,
        change: UserChange,
    ) -> Result<User, Error> {
        let permit = caller.permit_with_password(BuiltinPermission::UsersWrite, change.action())?;
        self.change(permit, name, change)
    }

    fn change(&self, permit: Permit, name: &Username, change: UserChange) -> Result<User, Error> {
        let name = name.clone();
        self.store().write(permit, move |write| {
            if let Some(granted) = &change.granted {
                require_grantable(write, granted)?;
            }
            let before = write.user(&name)?.ok_or(Error::NotFound("user"))?;
            if change
                .version
                .as_ref()
                .is_some_and(|version| *version != before.version())
            {
                return Err(Error::ChangedMeanwhile("this user"));
            }
            if let Some(display_name) = &change.display_name {
                write.set_display_name(before.id, display_name)?;
            }
            if let Some(role) = change.role.filter(|role| *role != before.role) {
                require_role(write, role)?;
                if role == Role::Admin {
                    write.require_any_address()?;
                }
                write.set_role(&before, role)?;
            }
            if let Some(granted) = &change.granted {
                let new = granted.without(&before.granted);
                write.require_grantable(&new)?;
                if !new.is_empty() {
                    write.require_any_address()?;
                }
                write.set_granted(before.id, granted)?;
            }
            // Last, with the new role: an admin who was just demoted may be disabled.
            if let Some(disabled) = change.disabled {
                let present = write
                    .user_by_id(before.id)?
                    .ok_or(Error::NotFound("user"))?;
                if disabled == Disabled::No && !present.is_enabled() {
                    // All their credentials become valid again, as if they were created now.
                    write.require_any_address()?;
                    require_role(write, present.role)?;
                    write.require_grantable(&present.granted)?;
                    require_reach(write, &present)?;
                }
                write.set_user_disabled(&present, disabled)?;
            }
            let after = write
                .user_by_id(before.id)?
                .ok_or(Error::NotFound("user"))?;
            let word = |user: &User| if user.is_enabled() { "no" } else { "yes" };
            let details = AuditDetails::new(target(&after))
                .changed("display_name", &before.display_name, &after.display_name)
                .changed("role", before.role, after.role)
                .changed("disabled", word(&before), word(&after))
                .changed("permissions", &before.granted, &after.granted);
            Ok((after, details))
        })
    }

    /// Deletes a user and everything that belongs to the user. The name stays reserved.
    pub fn delete_user(&self, caller: &Caller, name: &Username) -> Result<(), Error> {
        self.delete(
            caller.permit_with_password(BuiltinPermission::UsersWrite, Action::UserDelete)?,
            name,
        )
    }

    fn delete(&self, permit: Permit, name: &Username) -> Result<(), Error> {
        let name = name.clone();
        self.store().write(permit, move |write| {
            let user = write.user(&name)?.ok_or(Error::NotFound("user"))?;
            write.delete_user(&user)?;
            Ok((
                (),
                AuditDetails::new(target(&user)).before("role", user.role),
            ))
        })
    }

    /// Creates a reset code with which a user may choose a new password. The present one is valid until then.
    pub fn reset_password(
        &self,
        caller: &Caller,
        name: &Username,
        once: Option<IdempotencyKey>,
    ) -> Result<Secret, Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::UsersWrite, Action::UserResetPassword)?;
        self.reset(permit.once(once), name)
    }

    fn reset(&self, permit: Permit, name: &Username) -> Result<Secret, Error> {
        let name = name.clone();
        self.store().write(permit, move |write| {
            let user = write.user(&name)?.ok_or(Error::NotFound("user"))?;
            write.require_any_address()?;
            write.require_grantable(&user.permissions())?;
            let (secret, mut code) = new_code(Purpose::PasswordReset, write.now);
            code.user = Some(user.id);
            code.creator = write.code_creator()?;
            write.add_code(&code)?;
            Ok((
                secret,
                AuditDetails::new(target(&user)).after("until", code.expires_at),
            ))
        })
    }

    /// Removes every second factor of a user who lost them. The password alone must not sign in meanwhile: it is removed
    /// too, and all sessions are revoked. The code lets the user choose a new password. A user without a factor keeps
    /// password and sessions.
    ///
    /// # Errors
    /// As [`App::reset_password`]; [`Error::NotAllowed`] for the caller's own: a stolen key must not remove them.
    pub fn reset_second_factor(&self, caller: &Caller, name: &Username) -> Result<Secret, Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::UsersWrite, Action::UserResetSecondFactor)?;
        if caller.user().is_ok_and(|own| own.username == *name) {
            return Err(Error::NotAllowed(
                "You can't reset your own second factor; ask another admin or the operator."
                    .to_owned(),
            ));
        }
        let name = name.clone();
        self.store().write(permit, move |write| {
            let user = write.user(&name)?.ok_or(Error::NotFound("user"))?;
            write.require_any_address()?;
            write.require_grantable(&user.permissions())?;
            let factors = write.delete_factors(user.id)?;
            let revoked = if factors.any() {
                write.clear_password(user.id)?
            } else {
                0
            };
            let (secret, mut code) = new_code(Purpose::PasswordReset, write.now);
            code.user = Some(user.id);
            code.creator = write.code_creator()?;
            write.add_code(&code)?;
            let word = |is: bool| if is { "yes" } else { "no" };
            let trace = AuditDetails::new(target(&user))
                .before("totp", word(factors.totp))
                .before("passkeys", factors.passkeys)
                .after("sessions revoked", revoked)
                .after("until", code.expires_at);
            Ok((secret, trace))
        })
    }

    /// The credentials that offboarding a user would revoke now.
    pub fn offboard_preview(
        &self,
        caller: &Caller,
        name: &Username,
    ) -> Result<OffboardPreview, Error> {
        let user = self.user(caller, name)?;
        let mut counts = self.counts_of(caller, std::slice::from_ref(&user))?;
        Ok(OffboardPreview {
            counts: counts.pop().ok_or(Error::NotFound("user"))?,
            logins: self.read.logins_of(user.id)?,
            groups: user.groups,
        })
    }

    /// Offboards a user: disables the account and revokes every credential and SSH key, in one act.
    pub fn offboard(&self, caller: &Caller, name: &Username) -> Result<Offboarded, Error> {
        let name = name.clone();
        self.store().write(
            caller.permit_with_password(BuiltinPermission::UsersWrite, Action::UserOffboard)?,
            move |write| {
                let user = write.user(&name)?.ok_or(Error::NotFound("user"))?;
                write.set_user_disabled(&user, Disabled::Yes)?;
                let [api_keys, tokens, sessions, ssh_keys] = write.revoke_all_of_user(user.id)?;
                let details = AuditDetails::new(target(&user))
                    .after("api_keys", api_keys)
                    .after("tokens", tokens)
                    .after("sessions", sessions)
                    .after("ssh_keys", ssh_keys);
                Ok((
                    Offboarded {
                        api_keys,
                        tokens,
                        sessions,
                        ssh_keys,
                    },
                    details,
                ))
            },
        )
    }
}

impl UserChange {
    /// The action of this change, if it is a single one.
    fn action(&self) -> Action {
        match (&self.display_name, self.role, self.disabled, &self.granted) {
            (None, Some(_), None, None) => Action::UserRole,
            (None, None, Some(Disabled::Yes), None) => Action::UserDisable,
            (None, None, Some(Disabled::No), None) => Action::UserEnable,
            (None, None, None, Some(_)) => Action::UserPermissions,
            _ => Action::UserEdit,
        }
    }
}

fn target(user: &User) -> Target {
    Target::new("user", &user.username, &user.display_name, Some(user.id))
}

/// Enabling a user allows logins again: those of their groups, and their own if it is a system account's.
fn require_reach(write: &Write<'_>, user: &User) -> Result<(), Error> {
    let mut opens = is_reserved_login(user.username.as_str());
    opens = opens || write.is_shared_login(&user.username)?;
    for name in &user.groups {
        if let Some(group) = write.group(name)? {
            opens = opens || write.group_opens_hosts(&group, write.now)?;
        }
    }
    if opens {
        write.require_hosts_write()?;
    }
    Ok(())
}

/// Only a caller with all permissions of admins can create an admin.
fn require_role(write: &Write<'_>, role: Role) -> Result<(), Error> {
    match role {
        Role::Admin => write.require_within(&Role::Admin.permissions()),
        Role::Member => Ok(()),
    }
}

/// The permissions that can be given beyond a role: `introspect`, `metrics`, and those of services.
fn require_grantable(write: &Write<'_>, granted: &Permissions) -> Result<(), Error> {
    write.require_defined(granted, "permissions")?;
    let fixed = granted
        .iter()
        .find(|one| matches!(one, Permission::Builtin(own) if !own.is_grantable()));
    fixed.map_or(Ok(()), |one| Err(Error::field("permissions", format!("{one} belongs to a role and can't be granted; only introspect, metrics and permissions of services can"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_change_has_its_own_action() {
        let none = UserChange::default;
        let role = Some(Role::Admin);
        let granted = Some(Permissions::none());
        let changes = [
            (UserChange { role, ..none() }, Action::UserRole),
            (
                UserChange {
                    disabled: Some(Disabled::Yes),
                    ..none()
                },
                Action::UserDisable,
            ),
            (
                UserChange {
                    disabled: Some(Disabled::No),
                    ..none()
                },
                Action::UserEnable,
            ),
            (UserChange { granted, ..none() }, Action::UserPermissions),
            (
                UserChange {
                    display_name: Some("Bob".into()),
                    ..none()
                },
                Action::UserEdit,
            ),
            (
                UserChange {
                    role,
                    disabled: Some(Disabled::No),
                    ..none()
                },
                Action::UserEdit,
            ),
        ];
        for (change, action) in changes {
            assert_eq!(change.action().as_str(), action.as_str());
        }
    }
}
