//! Signing in and out, with limits on attempts.

use std::time::Duration;

use super::App;
use super::metrics::Counters;
use crate::model::address::AllowedAddresses;
use crate::model::caller::{Caller, Permit};
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::Error;
use crate::model::event::{Action, Actor, AuditDetails, Origin, Target};
use crate::model::password::Password;
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::rate_limit::RateLimit;
use crate::model::secret::{Digest, Id, Presented, Secret, SecretForm};
use crate::model::time::{Lifetime, Time};
use crate::model::user::{User, Username};
use crate::store::{NewRow, RejectedAttempt};

/// Wrong passwords in a minute: for one name, for one person in a known browser, and in one session.
const ATTEMPTS_PER_NAME: u32 = 10;
/// Wrong passwords in a minute from one subscriber.
const ATTEMPTS_PER_ADDRESS: u32 = 50;
const ATTEMPTS: &str = "wrong passwords";
/// How long a browser is remembered.
pub(super) const BROWSER_LIFETIME: Duration = Duration::from_secs(365 * 86_400);

/// A new session.
pub struct SignedIn {
    pub secret: Secret,
    pub user: User,
    pub expires_at: Time,
}

/// The browser that signs in.
pub struct Browser {
    /// The digest of its cookie.
    pub digest: Digest,
    /// Its present session, which the new one replaces.
    pub session: Option<Presented>,
}

impl App {
    /// Creates a session: one password hash, one commit that waits for the disk. Unknown and known names take the same
    /// time and give the same answer.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::TooMany`]; [`Error::Locked`].
    pub fn sign_in(
        &self,
        name: &str,
        password: &Password,
        browser: Option<&Browser>,
        origin: Origin,
        now: Time,
    ) -> Result<SignedIn, Error> {
        let name = Username::normalize(name);
        let user = match Username::parse(&name) {
            Ok(name) => self.read.user(&name)?,
            Err(_) => None,
        };
        let digest = browser.map(|browser| browser.digest);
        let limits = self.sign_in_limits(&name, user.as_ref(), digest.as_ref(), &origin, now)?;
        self.hit(&limits, ATTEMPTS, now)?;
        let hash = self.matching_hash(user.as_ref(), password)?;
        let (Some(user), Some(hash)) = (user.clone(), hash) else {
            Counters::count(&self.shared.counters.sign_ins_refused);
            self.note_failed_sign_in(user.as_ref(), &limits, origin, now)?;
            return Err(Error::WrongPassword);
        };
        self.limits().release(&limits);
        let rows = self.failure_rows(&user, digest.as_ref());
        self.limits().end_rows(&rows);
        let counters = self.limits().stored(&[limits, rows].concat());
        let secret = Secret::generate(SecretForm::Credential(Kind::Session));
        let permit = Permit::by_password(&user, hash, Action::SignIn, origin.clone(), now);
        let (id, session_digest, owner) = (secret.id(), secret.digest(), user.clone());
        let replaced = browser
            .and_then(|browser| browser.session.as_ref())
            .map(|session| (session.id, session.digest));
        let expires_at = self.store().write(permit, move |write| {
            write.store_counters(counters)?;
            if let Some(digest) = &digest {
                write.remember_browser(digest, owner.id, now.after(BROWSER_LIFETIME))?;
            }
            let replaced = match replaced {
                Some((id, digest)) => write.revoke_replaced_session(id, &digest)?,
                None => None,
            };
            let policy = write.policy()?;
            let lifetime = policy.session_lifetime;
            let expires_at = lifetime.min(Lifetime::days(7)).end(now).unwrap_or(now);
            write.add_credential(&NewRow {
                id,
                kind: Kind::Session,
                owner: OwnerId::User(owner.id),
                name: String::new(),
                note: None,
                permissions: Permissions::none(),
                allowed_addresses: AllowedAddresses::default(),
                digest: session_digest,
                created_by: None,
                expires_at: Some(expires_at),
                password_at: Some(now),
                user_agent: origin.program,
                address: origin.address,
            })?;
            write.set_idle_max(id, policy.session_idle_max)?;
            let details = AuditDetails::new(Target::new("session", id, "", Some(owner.id)));
            let details = match replaced {
                Some(replaced) => details.after("replaced session", replaced),
                None => details,
            };
            Ok((expires_at, details))
        })?;
        Counters::count(&self.shared.counters.signed_in);
        Ok(SignedIn {
            secret,
            user,
            expires_at,
        })
    }

    /// Revokes the caller's session.
    pub fn sign_out(&self, caller: &Caller) -> Result<(), Error> {
        let (id, user) = (caller.credential()?.id, caller.user()?.id);
        self.store().write(
            caller.permit(BuiltinPermission::SessionsWrite, Action::SignOut)?,
            move |write| {
                write.revoke_credential(id, Kind::Session, "signed out")?;
                Ok((
                    (),
                    AuditDetails::new(Target::new("session", id, "", Some(user))),
                ))
            },
        )
    }

    /// Records that the caller's password was confirmed. Takes as long as a password hash.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is wrong; [`Error::TooMany`].
    pub fn confirm_password(&self, caller: &Caller, password: &Password) -> Result<(), Error> {
        let user = caller.user()?.clone();
        let hash = self.require_password(&user, password, "password", caller)?;
        let (id, user_id) = (caller.credential()?.id, user.id);
        let permit = Permit::by_password(
            &user,
            hash,
            Action::SignIn,
            caller.origin.clone(),
            caller.now,
        );
        self.store().write(permit, move |write| {
            write.set_password_at(id)?;
            Ok((
                (),
                AuditDetails::new(Target::new("session", id, "", Some(user_id)))
                    .after("password", "typed again"),
            ))
        })
    }

    /// The hash that matches a user's typed password. Each session has a separate limit, which nobody else can use up:
    /// its user typed the password before.
    ///
    /// # Errors
    /// [`Error::Invalid`] under `field` when it is wrong; [`Error::TooMany`].
    pub(super) fn require_password(
        &self,
        user: &User,
        password: &Password,
        field: &str,
        caller: &Caller,
    ) -> Result<String, Error> {
        let (origin, now) = (&caller.origin, caller.now);
        let session = caller.session_id();
        let limits = match session {
            Some(session) => vec![self.session_limit(session)],
            None => self.sign_in_limits(user.username.as_str(), Some(user), None, origin, now)?,
        };
        self.hit(&limits, ATTEMPTS, now)?;
        let Some(hash) = self.matching_hash(Some(user), password)? else {
            self.note_failed_sign_in(Some(user), &limits, origin.clone(), now)?;
            return Err(Error::field(field, "this is not your password"));
        };
        self.limits().release(&limits);
        if session.is_some() {
            self.limits().end_rows(&limits);
        }
        Ok(hash)
    }

    /// The limits of an attempt. A known browser has separate limits, independent of attacks on the name, until it is
    /// locked itself and no longer counts as known.
    fn sign_in_limits(
        &self,
        name: &str,
        user: Option<&User>,
        browser: Option<&Digest>,
        origin: &Origin,
        now: Time,
    ) -> Result<Vec<RateLimit>, Error> {
        if let (Some(browser), Some(user)) = (browser, user)
            && self.read.knows_browser(browser, user.id, now)?
        {
            let limit = self.browser_limit(browser, user);
            if !self.limits().is_locked(&limit) {
                return Ok(vec![limit]);
            }
        }
        let mut limits = vec![self.name_limit(name)];
        limits.extend(self.address_limits("address", origin.address, ATTEMPTS_PER_ADDRESS));
        Ok(limits)
    }

    fn name_limit(&self, name: &str) -> RateLimit {
        RateLimit {
            locks: true,
            ..self.rate_limit("name", name.as_bytes(), ATTEMPTS_PER_NAME)
        }
    }

    fn browser_limit(&self, browser: &Digest, user: &User) -> RateLimit {
        let value = [browser.as_bytes(), user.username.as_str().as_bytes()].concat();
        RateLimit {
            locks: true,
            ..self.rate_limit("browser", &value, ATTEMPTS_PER_NAME)
        }
    }

    fn session_limit(&self, session: Id) -> RateLimit {
        RateLimit {
            locks: true,
            ..self.rate_limit("session", session.as_str().as_bytes(), ATTEMPTS_PER_NAME)
        }
    }

    /// The rows of failures that end once a user has authenticated completely, or has a new password.
    pub(super) fn failure_rows(&self, user: &User, browser: Option<&Digest>) -> Vec<RateLimit> {
        let browser = browser.map(|browser| self.browser_limit(browser, user));
        [self.name_limit(user.username.as_str())]
            .into_iter()
            .chain(browser)
            .collect()
    }

    /// Takes the same time for unknown users and users without a password.
    fn matching_hash(
        &self,
        user: Option<&User>,
        password: &Password,
    ) -> Result<Option<String>, Error> {
        let hash = match user {
            Some(user) => self.read.password_hash(user.id)?,
            None => None,
        };
        match hash {
            Some(hash) => {
                let right = password.matches(&hash) && user.is_some_and(User::is_enabled);
                Ok(right.then_some(hash))
            }
            None => {
                password.matches_nobody();
                Ok(None)
            }
        }
    }

    /// Records the attempted name only if it is a username: people type passwords into the wrong field.
    fn note_failed_sign_in(
        &self,
        user: Option<&User>,
        limits: &[RateLimit],
        origin: Origin,
        now: Time,
    ) -> Result<(), Error> {
        let target = match user {
            Some(user) => Target::new("user", &user.username, "", Some(user.id)),
            None => Target::new("user", "", "unknown", None),
        };
        let event = RejectedAttempt {
            at: now,
            action: Action::SignIn,
            actor: Actor::nobody(),
            origin,
            details: AuditDetails::new(target),
        };
        let counters = self.limits().stored(limits);
        self.store().note_failed_attempt(counters, Some(event))
    }
}
