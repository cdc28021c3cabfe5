//! A person's second factors: setting up, removing, recovery codes, the challenges of passkeys, and the state between the
//! two steps of signing in.

use std::time::Duration;

use super::App;
use super::sign_in::PendingSignIn;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::passkey::{Expected, Passkey, RelyingParty, UserVerification};
use crate::model::permission::BuiltinPermission;
use crate::model::second_factor::{
    NewFactor, RECOVERY_CODES, RecoveryCode, SecondFactors, SignInMethod, totp_present,
};
use crate::model::secret::{Digest, Id, random_bytes};
use crate::model::time::Time;
use crate::model::totp::TotpSeed;
use crate::model::user::{User, UserId};

/// How long the second step of a sign-in may take.
pub const SECOND_STEP: Duration = Duration::from_secs(300);
/// How long a challenge may stay unanswered.
const CHALLENGE: Duration = Duration::from_secs(300);

/// The purpose of a challenge. An answer to one does not fit another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengePurpose {
    /// Signing in with a passkey alone.
    SignIn,
    /// The second step of a sign-in.
    SecondStep,
    /// Confirming a dangerous act, or changing the password.
    Confirmation,
    Registration,
}

impl ChallengePurpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::SecondStep => "second step",
            Self::Confirmation => "confirmation",
            Self::Registration => "registration",
        }
    }
}

/// A challenge that this server created.
pub struct KnownChallenge {
    pub expected: Expected,
    pub digest: Digest,
    pub expires_at: Time,
}

impl App {
    /// The second factors of the caller; `None` for services.
    pub fn own_second_factors(&self, caller: &Caller) -> Result<Option<SecondFactors>, Error> {
        match caller.user() {
            Ok(user) => Ok(Some(self.read.second_factors(user.id)?)),
            Err(_) => Ok(None),
        }
    }

    /// The second factors of a user, for admins.
    pub fn second_factors_of(&self, caller: &Caller, user: &User) -> Result<SecondFactors, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.second_factors(user.id)
    }

    /// The names of users without a second factor, for admins.
    pub fn users_without_second_factor(&self, caller: &Caller) -> Result<Vec<String>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.users_without_second_factor()
    }

    /// Returns whether anybody has a passkey here.
    pub fn has_passkeys(&self) -> Result<bool, Error> {
        self.read.has_passkeys()
    }

    /// The passkeys of the caller.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for services.
    pub fn own_passkeys(&self, caller: &Caller) -> Result<Vec<Passkey>, Error> {
        self.read.passkeys(caller.user()?.id)
    }

    /// The passkeys that may answer in the second step of a sign-in.
    pub fn passkeys_of(&self, pending: &PendingSignIn) -> Result<Vec<Passkey>, Error> {
        self.read.passkeys(pending.user.id)
    }

    /// Requires a recent confirmation of the session before something is shown.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`].
    pub fn require_confirmation(&self, caller: &Caller) -> Result<(), Error> {
        caller.require(BuiltinPermission::AccountWrite)?;
        self.read
            .require_confirmed(caller.credential()?, caller.now)
    }

    /// Requires a recent confirmation, and that no authenticator app is set up, before a seed is shown.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`]; [`Error::Conflict`].
    pub fn require_no_totp(&self, caller: &Caller) -> Result<(), Error> {
        self.require_confirmation(caller)?;
        if self.read.second_factors(caller.user()?.id)?.totp {
            return Err(totp_present());
        }
        Ok(())
    }

    /// The seed of a page, which need not send it back: it belongs to the user with this subject, and to the session or
    /// browser `bound_to`, and can't be computed from the database.
    pub fn totp_seed(&self, subject: &str, bound_to: &str, nonce: &str) -> TotpSeed {
        TotpSeed::from_digest(&self.keyed_in_process(&[
            b"totp seed",
            subject.as_bytes(),
            bound_to.as_bytes(),
            nonce.as_bytes(),
        ]))
    }

    /// Adds a second factor of the caller. Returns recovery codes when it is the first.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`]; [`Error::Invalid`] for a wrong code; [`Error::Conflict`]; [`Error::NotAllowed`] for
    /// anything but a session.
    pub fn add_second_factor(
        &self,
        caller: &Caller,
        new: NewFactor,
    ) -> Result<Option<[RecoveryCode; RECOVERY_CODES]>, Error> {
        let session = require_session(caller)?;
        let (action, target, method) = match &new {
            NewFactor::Totp(..) => (
                Action::TotpAdd,
                Target::new("totp", "", "", None),
                SignInMethod::PasswordAndTotp,
            ),
            NewFactor::Passkey(passkey) => (
                Action::PasskeyAdd,
                Target::new("passkey", "", &passkey.name, None),
                SignInMethod::PasswordAndPasskey,
            ),
        };
        let permit = caller.permit_with_password(BuiltinPermission::AccountWrite, action)?;
        let user = caller.user()?.clone();
        let codes = RecoveryCode::generate();
        let digests = recovery_digests(&codes, &user);
        let is_first = self.store().write(permit, move |write| {
            let is_first = write.add_factor(user.id, &new, &digests)?;
            // The confirmation was by password; the new factor was shown just now.
            if is_first {
                write.set_confirmed(session, method)?;
            }
            Ok((is_first, AuditDetails::new(of_user(target, user.id))))
        })?;
        Ok(is_first.then_some(codes))
    }

    /// Replaces the recovery codes of the caller.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`]; [`Error::Conflict`] without a second factor; [`Error::NotAllowed`].
    pub fn create_recovery_codes(
        &self,
        caller: &Caller,
    ) -> Result<[RecoveryCode; RECOVERY_CODES], Error> {
        require_session(caller)?;
        let permit = caller
            .permit_with_password(BuiltinPermission::AccountWrite, Action::RecoveryCodesCreate)?;
        let user = caller.user()?.clone();
        let codes = RecoveryCode::generate();
        let digests = recovery_digests(&codes, &user);
        self.store().write(permit, move |write| {
            write.replace_recovery_codes(user.id, &digests)?;
            let target = Target::new("user", &user.username, "", Some(user.id));
            Ok(((), AuditDetails::new(target)))
        })?;
        Ok(codes)
    }

    /// Removes the authenticator app of the caller.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`]; [`Error::NotFound`]; [`Error::AgainstPolicy`] for the last factor when one is required.
    pub fn remove_totp(&self, caller: &Caller) -> Result<(), Error> {
        require_session(caller)?;
        let permit =
            caller.permit_with_password(BuiltinPermission::AccountWrite, Action::TotpRemove)?;
        let user = caller.user()?.clone();
        self.store().write(permit, move |write| {
            write.remove_totp(&user)?;
            let target = Target::new("totp", "", "", Some(user.id));
            Ok(((), AuditDetails::new(target)))
        })
    }

    /// A passkey of the caller.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAllowed`] for services.
    pub fn own_passkey(&self, caller: &Caller, id: Id) -> Result<Passkey, Error> {
        self.read.passkey(caller.user()?.id, id)
    }

    /// Renames a passkey of the caller.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`]; [`Error::NotFound`]; [`Error::NameTaken`]; [`Error::NotAllowed`].
    pub fn rename_passkey(&self, caller: &Caller, id: Id, name: String) -> Result<(), Error> {
        require_session(caller)?;
        let permit =
            caller.permit_with_password(BuiltinPermission::AccountWrite, Action::PasskeyEdit)?;
        let user = caller.user()?.id;
        self.store().write(permit, move |write| {
            let before = write.rename_passkey(user, id, &name)?;
            let target = Target::new("passkey", id, &name, Some(user));
            let details = AuditDetails::new(target).changed("name", before, &name);
            Ok(((), details))
        })
    }

    /// Deletes a passkey of the caller.
    ///
    /// # Errors
    /// As [`App::remove_totp`].
    pub fn delete_passkey(&self, caller: &Caller, id: Id) -> Result<(), Error> {
        require_session(caller)?;
        let permit =
            caller.permit_with_password(BuiltinPermission::AccountWrite, Action::PasskeyDelete)?;
        let user = caller.user()?.clone();
        self.store().write(permit, move |write| {
            let name = write.delete_passkey(&user, id)?;
            let target = Target::new("passkey", id, name, Some(user.id));
            Ok(((), AuditDetails::new(target)))
        })
    }

    /// Recovery codes for a first factor that is set up at sign-in, and what is stored of them.
    pub fn recovery_codes_for(
        &self,
        pending: &PendingSignIn,
    ) -> ([RecoveryCode; RECOVERY_CODES], Vec<Digest>) {
        let codes = RecoveryCode::generate();
        let digests = recovery_digests(&codes, &pending.user);
        (codes, digests)
    }

    /// A word for the cookie between the two steps of a sign-in: user, time and a nonce, under a MAC that also covers the
    /// password's hash and the browser. It is not a session, and opens nothing without a factor.
    pub fn pending_word(&self, pending: &PendingSignIn, browser: &Digest, now: Time) -> String {
        let nonce = Id::random();
        let mac = self.pending_mac(pending.user.id, now, &nonce, &pending.hash, browser);
        format!("{}.{}.{nonce}.{}", pending.user.id.0, now.unix(), mac.hex())
    }

    fn pending_mac(
        &self,
        user: UserId,
        at: Time,
        nonce: &Id,
        hash: &str,
        browser: &Digest,
    ) -> Digest {
        self.keyed_in_process(&[
            b"pending sign-in",
            &user.0.to_be_bytes(),
            &at.unix().to_be_bytes(),
            nonce.as_str().as_bytes(),
            hash.as_bytes(),
            browser.as_bytes(),
        ])
    }

    /// Parses the cookie: `None` if it is forged or too old, or if the user, the password or the browser changed.
    pub fn pending_sign_in(
        &self,
        word: &str,
        browser: &Digest,
        now: Time,
    ) -> Result<Option<PendingSignIn>, Error> {
        let mut parts = word.split('.');
        let mut next = || parts.next().unwrap_or_default();
        let (user, at, nonce, mac) = (next(), next(), next(), next());
        let (Ok(user), Ok(at), Some(nonce), Some(mac)) = (
            user.parse().map(UserId),
            at.parse().map(Time::from_unix),
            Id::parse(nonce),
            Digest::from_hex(mac),
        ) else {
            return Ok(None);
        };
        if !at.is_within_last(SECOND_STEP, now) {
            return Ok(None);
        }
        let Some(user) = self.read.user_by_id(user)?.filter(User::is_enabled) else {
            return Ok(None);
        };
        let Some(hash) = self.read.password_hash(user.id)? else {
            return Ok(None);
        };
        if !self
            .pending_mac(user.id, at, &nonce, &hash, browser)
            .matches(&mac)
        {
            return Ok(None);
        }
        let factors = self.read.second_factors(user.id)?;
        Ok(Some(PendingSignIn {
            user,
            hash,
            factors,
        }))
    }

    /// A challenge for a passkey: time, nonce and a MAC over both, the purpose and what it is bound to.
    pub fn new_challenge(&self, purpose: ChallengePurpose, bound_to: &str, now: Time) -> Vec<u8> {
        let nonce: [u8; 16] = random_bytes();
        let at = now.unix().to_be_bytes();
        let mac = self.challenge_mac(purpose, bound_to, &at, &nonce);
        [&at[..], &nonce, mac.as_bytes()].concat()
    }

    fn challenge_mac(
        &self,
        purpose: ChallengePurpose,
        bound_to: &str,
        at: &[u8],
        nonce: &[u8],
    ) -> Digest {
        let purpose = purpose.as_str().as_bytes();
        self.keyed_in_process(&[b"challenge", purpose, bound_to.as_bytes(), at, nonce])
    }

    /// Verifies the MAC of a returned challenge; `None` if it is forged, for another purpose, or too old.
    pub fn known_challenge(
        &self,
        purpose: ChallengePurpose,
        bound_to: &str,
        challenge: &[u8],
        relying_party: RelyingParty,
        now: Time,
    ) -> Option<KnownChallenge> {
        let (at, rest) = challenge.split_at_checked(8)?;
        let (nonce, mac) = rest.split_at_checked(16)?;
        let mac = Digest::from_stored(mac)?;
        if !self
            .challenge_mac(purpose, bound_to, at, nonce)
            .matches(&mac)
        {
            return None;
        }
        let at = Time::from_unix(i64::from_be_bytes(at.try_into().ok()?));
        let user_verification = match purpose {
            ChallengePurpose::SignIn => UserVerification::Required,
            ChallengePurpose::SecondStep
            | ChallengePurpose::Confirmation
            | ChallengePurpose::Registration => UserVerification::NotNeeded,
        };
        at.is_within_last(CHALLENGE, now).then(|| KnownChallenge {
            expected: Expected {
                relying_party,
                challenge: challenge.to_vec(),
                user_verification,
            },
            digest: Digest::new(challenge),
            expires_at: at.after(CHALLENGE),
        })
    }
}

/// Factors are set up and removed at the console, where their holder can be asked again who they are.
fn require_session(caller: &Caller) -> Result<Id, Error> {
    caller.session_id().ok_or_else(|| {
        Error::NotAllowed("Second factors are managed at the console, in a session.".to_owned())
    })
}

fn recovery_digests(codes: &[RecoveryCode; RECOVERY_CODES], user: &User) -> Vec<Digest> {
    codes
        .iter()
        .map(|code| code.digest(&user.subject))
        .collect()
}

fn of_user(target: Target, user: UserId) -> Target {
    Target {
        owner: Some(user),
        ..target
    }
}
