//! Signing in and out, with limits on attempts.

use std::time::Duration;

use super::App;
use super::metrics::Counters;
use crate::model::address::AllowedAddresses;
use crate::model::caller::{Caller, Permit};
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::Error;
use crate::model::event::{Action, Actor, AuditDetails, Origin, SECOND_FACTOR, Target};
use crate::model::passkey::PasskeyAnswer;
use crate::model::password::Password;
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::rate_limit::RateLimit;
use crate::model::second_factor::{Factor, FactorProof, SecondFactors, SignInMethod};
use crate::model::secret::{Digest, Id, Presented, Secret, SecretForm};
use crate::model::time::Time;
use crate::model::user::{User, Username};
use crate::store::{NEW_DEVICE, NewRow, RejectedAttempt};

/// Wrong passwords in a minute: for one name, for one person in a known browser, and in one session.
const ATTEMPTS_PER_NAME: u32 = 10;
/// Wrong passwords in a minute from one subscriber.
const ATTEMPTS_PER_ADDRESS: u32 = 50;
const ATTEMPTS: &str = "wrong passwords";
/// The second factor that a right password came with.
const MISSING: Option<&str> = Some("missing");
const WRONG: Option<&str> = Some("wrong");
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

/// The outcome of a right password.
pub enum SignInStep {
    Done(SignedIn),
    /// A second factor has to follow, or has to be set up.
    Pending(PendingSignIn),
}

impl SignInStep {
    /// The session, when the password was enough.
    pub fn done(self) -> Option<SignedIn> {
        match self {
            Self::Done(signed_in) => Some(signed_in),
            Self::Pending(_) => None,
        }
    }
}

/// A sign-in whose password was right.
pub struct PendingSignIn {
    pub user: User,
    /// The hash that it matched.
    pub(super) hash: String,
    /// None at all: policy requires one, which is set up now.
    pub factors: SecondFactors,
}

/// The proof for a confirmation.
pub enum Confirmation {
    Password(Password, Option<FactorProof>),
    Passkey(Box<PasskeyAnswer>),
}

impl App {
    /// Checks a password: one hash. Creates a session if that is enough; otherwise returns the pending sign-in. Unknown and
    /// known names take the same time and give the same answer.
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
    ) -> Result<SignInStep, Error> {
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
            Counters::count(&self.shared.counters.failed_sign_ins);
            self.note_failed_sign_in(user.as_ref(), None, &limits, origin, now)?;
            return Err(Error::WrongPassword);
        };
        let pending = PendingSignIn {
            factors: self.read.second_factors(user.id)?,
            user,
            hash,
        };
        let policy = self.read.policy()?;
        if pending.factors.any() || policy.requires_second_factor(pending.user.role, now) {
            // The password alone ends no row of failures.
            self.limits().release(&limits);
            // In a browser that signed in before, only a wrong factor leaves an event.
            let is_known = match &digest {
                Some(browser) => self.read.is_known_browser(browser, pending.user.id, now)?,
                None => false,
            };
            if !is_known {
                self.note_failed_sign_in(Some(&pending.user), MISSING, &[], origin, now)?;
            }
            return Ok(SignInStep::Pending(pending));
        }
        let permit = Permit::by_password(
            &pending.user,
            pending.hash,
            Factor::None,
            Action::SignIn,
            origin,
            now,
        );
        self.begin_session(permit, pending.user, limits, browser)
            .map(SignInStep::Done)
    }

    /// Begins the session of somebody whose password was right, by the second factor that was missing. Wrong codes count
    /// as wrong passwords do.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong factor; [`Error::WrongPassword`] when the account changed meanwhile;
    /// [`Error::TooMany`]; [`Error::Locked`].
    pub fn finish_sign_in(
        &self,
        pending: PendingSignIn,
        factor: Factor,
        browser: Option<&Browser>,
        origin: Origin,
        now: Time,
    ) -> Result<SignedIn, Error> {
        let user = pending.user;
        let digest = browser.map(|browser| browser.digest);
        let name = user.username.as_str();
        let limits = self.sign_in_limits(name, Some(&user), digest.as_ref(), &origin, now)?;
        self.hit(&limits, ATTEMPTS, now)?;
        let checked = self.read.check_factor(&user, &factor, now);
        let result = checked.and_then(|()| {
            let permit = Permit::by_password(
                &user,
                pending.hash,
                factor,
                Action::SignIn,
                origin.clone(),
                now,
            );
            self.begin_session(permit, user.clone(), limits.clone(), browser)
        });
        self.note_if_failed(result, Some(&user), WRONG, &limits, origin, now)
    }

    /// Begins a session by a passkey alone, which must have verified its user. A name that is locked by wrong passwords can
    /// sign in this way.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the reason; [`Error::TooMany`].
    pub fn sign_in_with_passkey(
        &self,
        answer: PasskeyAnswer,
        browser: Option<&Browser>,
        origin: Origin,
        now: Time,
    ) -> Result<SignedIn, Error> {
        let limits = self.address_limits("address", origin.address, ATTEMPTS_PER_ADDRESS);
        self.hit(&limits, ATTEMPTS, now)?;
        let passkey = self
            .read
            .passkey_by_credential(&answer.assertion.credential_id)?;
        let user = match passkey {
            Some(passkey) => self.read.user_by_id(passkey.user)?.filter(User::is_enabled),
            None => None,
        };
        // Without a name before it, the user handle names the account (Web Authentication, 7.2, step 6).
        let result = match &user {
            Some(user) if answer.assertion.user_handle.is_some() => {
                self.read.check_passkey(user, &answer).and_then(|()| {
                    let permit =
                        Permit::by_passkey(user, answer, Action::SignIn, origin.clone(), now);
                    self.begin_session(permit, user.clone(), limits.clone(), browser)
                })
            }
            _ => Err(Error::field(
                "passkey",
                "this passkey is not registered here, or was deleted",
            )),
        };
        self.note_if_failed(result, user.as_ref(), None, &limits, origin, now)
    }

    /// Counts and notes a second factor that was wrong; in a race, also one that was right and used before. `factor`: as of
    /// [`App::note_failed_sign_in`], when a password came before.
    fn note_if_failed(
        &self,
        result: Result<SignedIn, Error>,
        user: Option<&User>,
        factor: Option<&'static str>,
        limits: &[RateLimit],
        origin: Origin,
        now: Time,
    ) -> Result<SignedIn, Error> {
        let factor = match &result {
            Err(Error::Invalid(_)) => factor,
            // The password was changed meanwhile.
            Err(Error::WrongPassword) => None,
            _ => return result,
        };
        Counters::count(&self.shared.counters.failed_sign_ins);
        self.note_failed_sign_in(user, factor, limits, origin, now)?;
        result
    }

    /// Writes the session that a permit opens: one commit that waits for the disk.
    fn begin_session(
        &self,
        permit: Permit,
        user: User,
        limits: Vec<RateLimit>,
        browser: Option<&Browser>,
    ) -> Result<SignedIn, Error> {
        let (origin, now) = (permit.origin.clone(), permit.now);
        let digest = browser.map(|browser| browser.digest);
        self.limits().release(&limits);
        let rows = self.failure_rows(&user, digest.as_ref());
        self.limits().end_rows(&rows);
        let counters = self.limits().stored(&rows);
        let secret = Secret::generate(SecretForm::Credential(Kind::Session));
        let (id, session_digest, owner) = (secret.id(), secret.digest(), user.id);
        let replaced = browser
            .and_then(|browser| browser.session.as_ref())
            .map(|session| (session.id, session.digest));
        let begun = self.store().write(permit, move |write| {
            write.store_counters(counters)?;
            let is_new_device = match &digest {
                Some(digest) => !write.is_known_browser(digest, owner, now)?,
                None => true,
            };
            if let Some(digest) = &digest {
                write.remember_browser(digest, owner, now.after(BROWSER_LIFETIME))?;
            }
            let replaced = match replaced {
                Some((id, digest)) => write.revoke_replaced_session(id, &digest)?,
                None => None,
            };
            let policy = write.policy()?;
            let expires_at = policy.session_lifetime.end(now).unwrap_or(now);
            write.add_credential(&NewRow {
                id,
                kind: Kind::Session,
                owner: OwnerId::User(owner),
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
            let with = write.method.unwrap_or(SignInMethod::Password);
            write.set_signed_in_with(id, with)?;
            let trace = AuditDetails::new(Target::new("session", id, "", Some(owner)))
                .after("with", with.as_str());
            let trace = if is_new_device {
                trace.after(NEW_DEVICE.0, NEW_DEVICE.1)
            } else {
                trace
            };
            let trace = match replaced {
                Some(replaced) => trace.after("replaced session", replaced),
                None => trace,
            };
            Ok((expires_at, trace))
        });
        let expires_at = match begun {
            Ok(expires_at) => expires_at,
            Err(error) => {
                // The attempt failed after all; one that can't be counted again is past a limit anyway.
                let _ = self.hit(&limits, ATTEMPTS, now);
                return Err(error);
            }
        };
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

    /// Records a confirmation by the user of the session: by password, with a second factor if the user must have one, or by
    /// a passkey that verified the user. Takes as long as a password hash.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is wrong or missing; [`Error::AgainstPolicy`] for a user without the factor that policy
    /// requires; [`Error::TooMany`].
    pub fn confirm(&self, caller: &Caller, confirmation: Confirmation) -> Result<(), Error> {
        let user = caller.user()?.clone();
        let (origin, now) = (caller.origin.clone(), caller.now);
        let permit = match confirmation {
            Confirmation::Passkey(answer) => {
                let limits = self.confirmation_limits(&user, caller)?;
                self.hit(&limits, ATTEMPTS, now)?;
                if let Err(error) = self.read.check_passkey(&user, &answer) {
                    self.note_failed_sign_in(Some(&user), None, &limits, origin, now)?;
                    return Err(error);
                }
                self.limits().release(&limits);
                Permit::by_passkey(&user, *answer, Action::SignIn, origin, now)
            }
            Confirmation::Password(password, proof) => {
                let factor = self.factor_of(&user, proof)?;
                let hash = self.require_password(&user, &password, &factor, "password", caller)?;
                Permit::by_password(&user, hash, factor, Action::SignIn, origin, now)
            }
        };
        let (id, user_id) = (caller.credential()?.id, user.id);
        self.store().write(permit, move |write| {
            let with = write.method.unwrap_or(SignInMethod::Password);
            write.set_confirmed(id, with)?;
            let target = Target::new("session", id, "", Some(user_id));
            let details = AuditDetails::new(target).after("confirmed", with.as_str());
            Ok(((), details))
        })
    }

    /// Returns the proof as the factor that accompanies a password. A superfluous proof is ignored.
    pub(super) fn factor_of(
        &self,
        user: &User,
        proof: Option<FactorProof>,
    ) -> Result<Factor, Error> {
        let has_factor = self.read.second_factors(user.id)?.any();
        Ok(proof
            .filter(|_| has_factor)
            .map_or(Factor::None, Factor::Proof))
    }

    /// The limits on confirmations. A session has a separate limit, which nobody else can use up.
    fn confirmation_limits(&self, user: &User, caller: &Caller) -> Result<Vec<RateLimit>, Error> {
        match caller.session_id() {
            Some(session) => Ok(vec![self.session_limit(session)]),
            None => {
                let name = user.username.as_str();
                self.sign_in_limits(name, Some(user), None, &caller.origin, caller.now)
            }
        }
    }

    /// The hash that a user's typed password matches, once `factor` was found to be right and enough.
    ///
    /// # Errors
    /// [`Error::Invalid`] under `field` or under the factor's when it is wrong or missing; [`Error::AgainstPolicy`];
    /// [`Error::TooMany`].
    pub(super) fn require_password(
        &self,
        user: &User,
        password: &Password,
        factor: &Factor,
        field: &str,
        caller: &Caller,
    ) -> Result<String, Error> {
        let (origin, now) = (&caller.origin, caller.now);
        let limits = self.confirmation_limits(user, caller)?;
        self.hit(&limits, ATTEMPTS, now)?;
        let Some(hash) = self.matching_hash(Some(user), password)? else {
            self.note_failed_sign_in(Some(user), None, &limits, origin.clone(), now)?;
            return Err(Error::field(field, "this is not your password"));
        };
        if let Err(error) = self.read.check_factor(user, factor, now) {
            match factor {
                Factor::None => {
                    self.limits().release(&limits);
                    self.note_failed_sign_in(Some(user), MISSING, &[], origin.clone(), now)?;
                }
                Factor::Proof(_) | Factor::New(..) => {
                    self.note_failed_sign_in(Some(user), WRONG, &limits, origin.clone(), now)?;
                }
            }
            return Err(error);
        }
        self.limits().release(&limits);
        if caller.session_id().is_some() {
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
            && self.read.is_known_browser(browser, user.id, now)?
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

    /// Records the attempted name only if it is a username: people type passwords into the wrong field. `factor`: the
    /// password was right, and the second factor was [`MISSING`] or [`WRONG`].
    fn note_failed_sign_in(
        &self,
        user: Option<&User>,
        factor: Option<&'static str>,
        limits: &[RateLimit],
        origin: Origin,
        now: Time,
    ) -> Result<(), Error> {
        let target = match user {
            Some(user) => Target::new("user", &user.username, "", Some(user.id)),
            None => Target::new("user", "", "unknown", None),
        };
        let details = AuditDetails::new(target);
        let details = match factor {
            Some(value) => details.after(SECOND_FACTOR, value),
            None => details,
        };
        let event = RejectedAttempt {
            at: now,
            action: Action::SignIn,
            actor: Actor::nobody(),
            origin,
            details,
        };
        let counters = self.limits().stored(limits);
        self.store().note_failed_attempt(counters, Some(event))
    }
}
