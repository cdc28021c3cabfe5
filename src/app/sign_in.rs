//! Signing in and out, and how often one may try.

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
use crate::model::secret::{Digest, Form, Secret};
use crate::model::time::{Lifetime, Time};
use crate::model::user::{User, Username};
use crate::store::{NewRow, RateLimit};

/// Wrong passwords in a minute: for one name, for one person in a browser that is known, and in one session.
const TRIES_PER_NAME: u32 = 10;
/// Wrong passwords in a minute from one address.
const TRIES_PER_ADDRESS: u32 = 50;
/// How long a browser is remembered.
const BROWSER_LIFETIME: Duration = Duration::from_secs(365 * 86_400);

/// A session that was begun.
pub struct SignedIn {
    pub secret: Secret,
    pub user: User,
    pub expires_at: Time,
}

impl App {
    /// Begins a session. Unknown and known names take the same time and give the same answer.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::TooMany`].
    pub fn sign_in(
        &self,
        name: &str,
        password: &Password,
        browser: Option<&Digest>,
        origin: Origin,
        now: Time,
    ) -> Result<SignedIn, Error> {
        let user = match Username::parse(name) {
            Ok(name) => self.read.user(&name)?,
            Err(_) => None,
        };
        let buckets = self.buckets(name, user.as_ref(), browser, &origin, now)?;
        self.hit(buckets.clone(), now)?;
        let hash = self.matching_hash(user.as_ref(), password)?;
        let (Some(user), Some(hash)) = (user.clone(), hash) else {
            Counters::count(&self.shared.counters.sign_ins_refused);
            self.note_failed_sign_in(user.as_ref(), origin, now)?;
            return Err(Error::WrongPassword);
        };
        self.store().forget_tries(buckets)?;
        let secret = Secret::generate(Form::Credential(Kind::Session));
        let permit = Permit::by_password(&user, hash, Action::SignIn, origin.clone(), now);
        let (id, digest, owner) = (secret.id(), secret.digest(), user.clone());
        let expires_at = self.store().write(permit, move |write| {
            let lifetime = write.policy()?.session_lifetime;
            let expires_at = lifetime.min(Lifetime::days(7)).end(now).unwrap_or(now);
            write.add_credential(&NewRow {
                id,
                kind: Kind::Session,
                owner: OwnerId::User(owner.id),
                name: String::new(),
                note: None,
                permissions: Permissions::none(),
                allowed_addresses: AllowedAddresses::default(),
                digest,
                created_by: None,
                expires_at: Some(expires_at),
                password_at: Some(now),
                user_agent: origin.program,
                address: origin.address,
            })?;
            Ok((
                expires_at,
                AuditDetails::of(Target::new("session", id, "", Some(owner.id))),
            ))
        })?;
        Counters::count(&self.shared.counters.signed_in);
        Ok(SignedIn {
            secret,
            user,
            expires_at,
        })
    }

    /// Remembers the browser in which `user` signed in, so that others' wrong tries can't lock them out of it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nothing could be written.
    pub fn remember_browser(&self, browser: Digest, user: &User, now: Time) -> Result<(), Error> {
        self.store()
            .remember_browser(browser, user.id, now.after(BROWSER_LIFETIME))
    }

    /// Ends the session that asks.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nothing could be written.
    pub fn sign_out(&self, caller: &Caller) -> Result<(), Error> {
        let (id, user) = (caller.credential()?.id, caller.user()?.id);
        self.store().write(
            caller.permit(BuiltinPermission::SessionsWrite, Action::SignOut)?,
            move |write| {
                write.end_credential(id, Kind::Session, "signed out")?;
                Ok((
                    (),
                    AuditDetails::of(Target::new("session", id, "", Some(user))),
                ))
            },
        )
    }

    /// Notes that the holder of the session that asks typed the right password again. Takes as long as a password hash.
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
                AuditDetails::of(Target::new("session", id, "", Some(user_id)))
                    .after("password", "typed again"),
            ))
        })
    }

    /// The hash that a user's typed password matches. A session has a budget of its own, which nobody else can use up:
    /// whoever has one typed the password before.
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
        let buckets = match session {
            Some(session) => {
                vec![self.bucket("session", session.as_str().as_bytes(), TRIES_PER_NAME)]
            }
            None => self.buckets(user.username.as_str(), Some(user), None, origin, now)?,
        };
        self.hit(buckets.clone(), now)?;
        let Some(hash) = self.matching_hash(Some(user), password)? else {
            self.note_failed_sign_in(Some(user), origin.clone(), now)?;
            return Err(Error::field(field, "this is not your password"));
        };
        self.store().forget_tries(buckets)?;
        Ok(hash)
    }

    /// What a try counts for. A browser that is known has a budget of its own, apart from what others do to the name.
    fn buckets(
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
            let value = [
                browser.as_bytes().as_slice(),
                user.username.as_str().as_bytes(),
            ]
            .concat();
            return Ok(vec![self.bucket("browser", &value, TRIES_PER_NAME)]);
        }
        let mut buckets = vec![self.bucket("name", name.as_bytes(), TRIES_PER_NAME)];
        // Who comes from nobody knows where (a proxy that does not say) shares one budget: it must not be without an end.
        let place = origin.address.map_or_else(String::new, network_of);
        buckets.push(self.bucket("address", place.as_bytes(), TRIES_PER_ADDRESS));
        Ok(buckets)
    }

    fn bucket(&self, kind: &str, value: &[u8], tries_max: u32) -> RateLimit {
        RateLimit {
            name: format!("{kind}:{}", self.keyed(&[b"throttle", value]).hex()),
            tries_max,
        }
    }

    fn hit(&self, buckets: Vec<RateLimit>, now: Time) -> Result<(), Error> {
        match self.store().hit(buckets, now)? {
            None => Ok(()),
            Some(seconds) => {
                let message = format!("Too many wrong passwords; try again in {seconds} seconds.");
                Err(Error::TooMany {
                    retry_after: Duration::from_secs(seconds),
                    message,
                })
            }
        }
    }

    /// Takes the same time whether the user exists, has a password, or neither.
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

    /// The name that was tried is kept only when it is a user's: people type passwords into the wrong field.
    fn note_failed_sign_in(
        &self,
        user: Option<&User>,
        origin: Origin,
        now: Time,
    ) -> Result<(), Error> {
        let target = match user {
            Some(user) => Target::new("user", &user.username, "", Some(user.id)),
            None => Target::new("user", "", "unknown", None),
        };
        self.store().note_refusal(
            now,
            Action::SignIn.as_str(),
            Actor::nobody(),
            origin,
            AuditDetails::of(target),
        )
    }
}

/// An IPv6 customer has a whole /64: its addresses count as one.
pub(super) fn network_of(address: std::net::IpAddr) -> String {
    match address.to_canonical() {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => {
            let segments = address.segments();
            format!(
                "{:x}:{:x}:{:x}:{:x}::/64",
                segments[0], segments[1], segments[2], segments[3]
            )
        }
    }
}
