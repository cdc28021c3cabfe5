//! A person's account: name, password, and the codes for creating one.

use super::sign_in::BROWSER_LIFETIME;
use super::{App, new_code};
use crate::model::caller::{Caller, Permit};
use crate::model::code::Purpose;
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::{Error, SecretSent};
use crate::model::event::{Action, AuditDetails, Origin, Target};
use crate::model::idempotency::IdempotencyKey;
use crate::model::password::Password;
use crate::model::permission::BuiltinPermission;
use crate::model::second_factor::FactorProof;
use crate::model::secret::{Digest, Id, Presented, Secret, SecretForm};
use crate::model::time::Time;
use crate::model::user::{NewUser, Role, User};
use crate::store::Write;

/// A user, with the code for choosing a password.
pub struct Invited {
    pub user: User,
    pub code: Option<Secret>,
}

impl App {
    /// Changes the caller's display name.
    pub fn rename_self(&self, caller: &Caller, display_name: String) -> Result<User, Error> {
        let user = caller.user()?.clone();
        let id = user.id;
        self.store().write(
            caller.permit(BuiltinPermission::AccountWrite, Action::AccountEdit)?,
            move |write| {
                write.set_display_name(user.id, &display_name)?;
                let target = Target::new("user", &user.username, &display_name, Some(user.id));
                Ok((
                    (),
                    AuditDetails::new(target).changed(
                        "display_name",
                        &user.display_name,
                        &display_name,
                    ),
                ))
            },
        )?;
        self.read.user_by_id(id)?.ok_or(Error::NotFound("user"))
    }

    /// Changes the caller's password. All sessions end, but the one that asks; its browser stays known. `proof`: of the
    /// second factor, when the caller must have one. Takes as long as two password hashes.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the present password or the proof is wrong or the new password is too weak;
    /// [`Error::AgainstPolicy`] without the factor that policy requires; [`Error::TooMany`].
    pub fn change_password(
        &self,
        caller: &Caller,
        current: &Password,
        new: &str,
        proof: Option<FactorProof>,
        browser: Option<&Digest>,
    ) -> Result<(), Error> {
        let user = caller.user()?.clone();
        caller.require(BuiltinPermission::AccountWrite)?;
        let new = Password::chosen(new, user.username.as_str())
            .map_err(|message| Error::field("new", message))?;
        let factor = self.factor_of(&user, proof)?;
        let matched = self.require_password(&user, current, &factor, "current", caller)?;
        let hash = new.hash();
        let keep = caller.session_id();
        let known = self.reset_failed_attempts(&user, browser, caller.now);
        self.store().write(
            caller.permit(BuiltinPermission::AccountWrite, Action::PasswordChange)?,
            move |write| {
                // A reset in between has invalidated the old password.
                if write.password_hash(user.id)? != Some(matched) {
                    return Err(Error::field("current", "this is not your password"));
                }
                let with = write.consume_factor_of(&user, &factor)?;
                let revoked = write.set_password(user.id, &hash, keep)?;
                known(write)?;
                if let Some(session) = keep {
                    write.set_confirmed(session, with)?;
                }
                Ok((
                    (),
                    AuditDetails::new(Target::new("user", &user.username, "", Some(user.id)))
                        .after("sessions revoked", revoked),
                ))
            },
        )
    }

    /// Resets the counters of wrong passwords for a user who gets a new one, and stores the browser. Call this within
    /// the act, after [`Write::set_password`].
    fn reset_failed_attempts(
        &self,
        user: &User,
        browser: Option<&Digest>,
        now: Time,
    ) -> impl FnOnce(&Write<'_>) -> Result<(), Error> + Send + 'static {
        let (user_id, browser) = (user.id, browser.copied());
        let rows = self.failure_rows(user, browser.as_ref());
        let limits = self.limits().clone();
        move |write| {
            limits.end_rows(&rows);
            write.store_counters(limits.stored(&rows))?;
            match &browser {
                Some(browser) => {
                    write.remember_browser(browser, user_id, now.after(BROWSER_LIFETIME))
                }
                None => Ok(()),
            }
        }
    }

    /// Returns whether the first setup is done.
    pub fn has_admin(&self) -> Result<bool, Error> {
        Ok(self.read.count_admins_besides(None)? > 0)
    }

    /// The secret of a new setup link, as long as an admin is missing. The earlier link expires.
    pub fn setup_code(&self) -> Result<Option<Secret>, Error> {
        if self.read.count_admins_besides(None)? > 0 {
            return Ok(None);
        }
        let now = self.now();
        let (secret, code) = new_code(Purpose::SetUp, now);
        self.store()
            .write(Permit::by_operator(Action::SetUpLink, now), move |write| {
                write.add_code(&code)?;
                Ok((
                    (),
                    AuditDetails::new(Target::new("code", code.id, Purpose::SetUp.as_str(), None)),
                ))
            })?;
        Ok(Some(secret))
    }

    /// The user of a code, without spending it, for the page of its link. `None`: not created yet (setup).
    pub fn code_user(
        &self,
        presented: &Presented,
        purpose: Purpose,
        now: Time,
    ) -> Result<Option<User>, Error> {
        if presented.form != SecretForm::Code {
            return Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            });
        }
        if self.read.is_code_expired(presented, now)? {
            self.store().delete_expired_code(presented.id, now)?;
        }
        match self.read.code(presented, purpose, now)?.user {
            Some(user) => Ok(Some(self.read.user_by_id(user)?.ok_or(
                Error::Unauthenticated {
                    sent: SecretSent::Yes,
                },
            )?)),
            None => Ok(None),
        }
    }

    /// Creates the first admin. Takes as long as a password hash.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the code is invalid; [`Error::Invalid`]; [`Error::Conflict`].
    pub fn set_up(
        &self,
        presented: Presented,
        user: NewUser,
        origin: Origin,
        now: Time,
    ) -> Result<User, Error> {
        self.code_user(&presented, Purpose::SetUp, now)?;
        let hash = user
            .password
            .as_ref()
            .ok_or_else(|| Error::field("password", "choose a password"))?
            .hash();
        let permit = Permit::by_code(presented, Purpose::SetUp, Action::SetUp, origin, now)?;
        self.store().write(permit, move |write| {
            if write.count_admins_besides(None)? > 0 {
                return Err(Error::Unauthenticated {
                    sent: SecretSent::Yes,
                });
            }
            let created = NewUser {
                role: Role::Admin,
                ..user
            };
            let id = write.add_user(&created, Some(&hash))?;
            write.delete_setup_codes()?;
            let user = write.user_by_id(id)?.ok_or(Error::NotFound("user"))?;
            Ok((
                user,
                AuditDetails::new(Target::new(
                    "user",
                    &created.username,
                    &created.display_name,
                    Some(id),
                ))
                .after("role", Role::Admin),
            ))
        })
    }

    /// Sets the password through an invitation or a reset link. Revokes all sessions of the user. The browser counts as
    /// known from then on, so that a locked user can sign in there. Takes as long as a password hash.
    pub fn set_password_by_code(
        &self,
        presented: Presented,
        purpose: Purpose,
        password: &str,
        browser: Option<&Digest>,
        origin: Origin,
        now: Time,
    ) -> Result<User, Error> {
        let action = match purpose {
            Purpose::Invitation => Action::InvitationAccept,
            Purpose::PasswordReset => Action::PasswordReset,
            Purpose::SetUp | Purpose::Enrollment | Purpose::Device | Purpose::EmailConfirmation => {
                return Err(Error::Unauthenticated {
                    sent: SecretSent::Yes,
                });
            }
        };
        let user = self
            .code_user(&presented, purpose, now)?
            .ok_or(Error::Unauthenticated {
                sent: SecretSent::Yes,
            })?;
        let password = Password::chosen(password, user.username.as_str())
            .map_err(|message| Error::field("password", message))?;
        let hash = password.hash();
        let permit = Permit::by_code(presented, purpose, action, origin, now)?;
        let known = self.reset_failed_attempts(&user, browser, now);
        self.store().write(permit, move |write| {
            let revoked = write.set_password(user.id, &hash, None)?;
            known(write)?;
            let details = AuditDetails::new(Target::new("user", &user.username, "", Some(user.id)))
                .after("sessions revoked", revoked);
            Ok((user, details))
        })
    }

    /// Creates a token with all permissions of a user, for the operator alone: for automated installations.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown user, and for every other caller; [`Error::AgainstPolicy`].
    pub fn user_token(
        &self,
        caller: &Caller,
        username: &crate::model::user::Username,
        end: crate::model::time::RequestedExpiration,
        once: Option<IdempotencyKey>,
    ) -> Result<super::Issued, Error> {
        if !caller.is_operator() {
            return Err(Error::NotFound("user"));
        }
        let username = username.clone();
        let (secret, id) = self.store().write(
            caller
                .permit(BuiltinPermission::UsersWrite, Action::TokenCreate)?
                .once(once),
            move |write| {
                let user = write.user(&username)?.ok_or(Error::NotFound("user"))?;
                if !user.is_enabled() {
                    return Err(Error::Conflict(format!(
                        "{username} is disabled; enable them first."
                    )));
                }
                let expires_at = write.policy()?.token.end("tokens", end, write.now)?;
                let secret = Secret::generate(SecretForm::Credential(Kind::Token));
                let id = add_token(write, &user, &secret, expires_at)?;
                let details =
                    AuditDetails::new(Target::new("token", id, "operator", Some(user.id)));
                Ok(((secret, id), details))
            },
        )?;
        Ok(super::Issued {
            record: self.read.record(id)?.ok_or(Error::NotFound("token"))?,
            secret,
        })
    }
}

fn add_token(
    write: &Write<'_>,
    user: &User,
    secret: &Secret,
    expires_at: Option<Time>,
) -> Result<Id, Error> {
    let row = crate::store::NewRow {
        id: secret.id(),
        kind: Kind::Token,
        owner: OwnerId::User(user.id),
        name: "created by the operator".to_owned(),
        note: None,
        permissions: user.permissions(),
        allowed_addresses: crate::model::address::AllowedAddresses::default(),
        digest: secret.digest(),
        created_by: None,
        expires_at,
        password_at: None,
        user_agent: None,
        address: None,
    };
    write.add_credential(&row)?;
    Ok(row.id)
}
