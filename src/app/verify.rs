//! Verification: validity, owner and permissions of a presented secret.

use std::net::IpAddr;
use std::sync::Arc;

use super::App;
use super::metrics::Counters;
use crate::model::caller::{Caller, Permit};
use crate::model::credential::{Credential, Kind, RejectReason, SecretSlot};
use crate::model::error::{Error, SecretSent};
use crate::model::event::{AuditDetails, Origin, Target};
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::secret::{Presented, SecretForm};
use crate::model::time::Time;
use crate::store::{SeenExpirations, Use};

/// The circumstances of a verification: client address and user agent.
#[derive(Clone, Copy)]
pub struct UseContext<'a> {
    /// `None`: unknown, so that a limit to addresses rejects it.
    pub address: Option<IpAddr>,
    pub program: Option<&'a str>,
    pub now: Time,
}

/// A valid secret.
pub struct Introspected {
    pub credential: Arc<Credential>,
    /// Its present permissions.
    pub power: Permissions,
}

const REJECTED: Error = Error::Unauthenticated {
    sent: SecretSent::Yes,
};

/// A credential with its seen expirations that are not stored yet.
fn as_seen(credential: Arc<Credential>, seen: SeenExpirations) -> Arc<Credential> {
    if seen == SeenExpirations::default() {
        return credential;
    }
    Arc::new(Credential {
        seen_expired: credential.seen_expired
            || (seen.own.is_some() && seen.own == credential.expires_at),
        previous: credential
            .previous
            .filter(|_| seen.previous != Some(credential.rotations)),
        ..Credential::clone(&credential)
    })
}

/// The expirations of a credential that are seen for the first time.
fn newly_expired(credential: &Credential, now: Time) -> SeenExpirations {
    let own = credential
        .expires_at
        .filter(|end| *end <= now && !credential.seen_expired);
    let previous = credential
        .previous
        .filter(|previous| previous.grace.ends_at <= now);
    SeenExpirations {
        own,
        previous: previous.map(|_| credential.rotations),
    }
}

impl App {
    /// Authenticates a secret. Every interface uses this: one SELECT at most, no write; the use is recorded in memory.
    pub fn authenticate(
        &self,
        presented: &Presented,
        accepts: fn(Kind) -> bool,
        used: UseContext<'_>,
    ) -> Result<(Arc<Credential>, SecretSlot), Error> {
        let counters = &self.shared.counters;
        let answer = self.look_up(presented, accepts, used);
        let counter = if answer.is_ok() {
            &counters.valid
        } else {
            &counters.invalid
        };
        Counters::count(counter);
        answer
    }

    fn look_up(
        &self,
        presented: &Presented,
        accepts: fn(Kind) -> bool,
        used: UseContext<'_>,
    ) -> Result<(Arc<Credential>, SecretSlot), Error> {
        let SecretForm::Credential(kind) = presented.form else {
            return Err(REJECTED);
        };
        if !accepts(kind) {
            return Err(REJECTED);
        }
        let uses = &self.store().uses;
        // Read before the row: an expiration that memory forgets meanwhile is in the row.
        let seen = uses.seen_expired(presented.id);
        let credential = self
            .read
            .credential_now(presented.id)?
            .filter(|credential| credential.kind == kind)
            .map(|credential| as_seen(credential, seen))
            .ok_or(REJECTED)?;
        let expired = newly_expired(&credential, used.now);
        if expired != SeenExpirations::default() {
            uses.note_expired(credential.id, expired, used.now);
        }
        let Some(which) = credential.which(&presented.digest, used.now) else {
            return Err(REJECTED);
        };
        if which == SecretSlot::Previous && self.has_grace_ended(&credential, used.now)? {
            let ends = SeenExpirations {
                own: None,
                previous: Some(credential.rotations),
            };
            uses.note_expired(credential.id, ends, used.now);
            return Err(REJECTED);
        }
        let mut checked = credential.check(used.now, used.address);
        if checked.is_ok() && self.is_idle(&credential, used.now)? {
            checked = Err(RejectReason::Expired);
            // Like every expiration that was seen to have passed, it is final.
            let ends = SeenExpirations {
                own: credential.expires_at,
                previous: None,
            };
            uses.note_expired(credential.id, ends, used.now);
        }
        match checked {
            Ok(()) => {
                uses.note(Use {
                    id: credential.id,
                    secret_number: credential.secret_number(which),
                    at: used.now,
                    address: used.address,
                    program: used.program,
                });
                Ok((credential, which))
            }
            Err(rejection) => {
                log::debug!("{} rejected: {rejection:?}", credential.id);
                uses.note_rejected(credential.id, used.now);
                Err(REJECTED)
            }
        }
    }

    /// Returns whether the grace period of a rotation has ended because the new secret is used and the previous one is
    /// not. The cached row has no last uses, so the database and memory are read.
    fn has_grace_ended(&self, credential: &Credential, now: Time) -> Result<bool, Error> {
        if credential
            .previous
            .is_none_or(|previous| previous.grace.until_unused.is_none())
        {
            return Ok(false);
        }
        let record = self.record(credential.id)?;
        // After another rotation meanwhile, the previous secret is revoked.
        Ok(!record.is_some_and(|record| {
            record.rotations == credential.rotations && record.grace(now).is_some()
        }))
    }

    /// Returns whether a session was unused for too long, including uses that are not stored yet.
    fn is_idle(&self, credential: &Credential, now: Time) -> Result<bool, Error> {
        if credential.idle_max.is_none() {
            return Ok(false);
        }
        let (id, uses) = (credential.id, &self.store().uses);
        // Memory is read first: a use that is stored meanwhile is in the database by then.
        let pending = uses
            .pending_of(id)
            .uses
            .into_iter()
            .map(|(_, last)| last.at);
        let last_used_at = pending.max().max(self.read.last_used_at(id)?);
        Ok(credential.is_idle(last_used_at, now))
    }

    /// The caller behind a secret, for endpoints that act on the caller's behalf.
    pub fn caller(
        &self,
        presented: &Presented,
        accepts: fn(Kind) -> bool,
        origin: Origin,
        now: Time,
    ) -> Result<Caller, Error> {
        let used = UseContext {
            address: origin.address,
            program: origin.program.as_deref(),
            now,
        };
        let (credential, which) = self.authenticate(presented, accepts, used)?;
        Ok(Caller::with_credential(credential, which, origin, now))
    }

    /// The introspection of a secret by a service with `introspect` (RFC 7662). `None`: not active, for any reason.
    pub fn introspect(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        address: Option<IpAddr>,
    ) -> Result<Option<Introspected>, Error> {
        caller.require(BuiltinPermission::Introspect)?;
        let Some(presented) = presented else {
            return Ok(None);
        };
        let used = UseContext {
            address,
            program: Some(&caller.actor().name),
            now: caller.now,
        };
        match self.authenticate(presented, Kind::is_bearer, used) {
            Ok((credential, _)) => Ok(Some(Introspected {
                power: credential.power(),
                credential,
            })),
            Err(Error::Unauthenticated { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Revokes a secret by its possession. Only form, id and digest are checked: not expiration, address or owner. The
    /// previous secret of a rotation revokes only itself.
    pub fn revoke(&self, presented: Presented, origin: Origin, now: Time) -> Result<(), Error> {
        // Checked before the writer is involved, so that invalid requests cost it nothing; and again within the act.
        self.read.which_secret(&presented)?;
        let copy = Presented {
            form: presented.form,
            id: presented.id,
            digest: presented.digest,
        };
        let permit = Permit::by_presented(presented, origin, now)?;
        self.store().write(permit, move |write| {
            let (credential, which) = write.which_secret(&copy)?;
            match which {
                SecretSlot::Current => {
                    write.revoke_credential(credential.id, credential.kind, "revoked")?;
                }
                SecretSlot::Previous => write.revoke_previous_secret(credential.id)?,
            }
            let owner = credential.owner.user().map(|user| user.id);
            let target = Target::new(credential.kind.as_str(), credential.id, "", owner);
            let revoked = match which {
                SecretSlot::Current => "current",
                SecretSlot::Previous => "previous",
            };
            Ok(((), AuditDetails::new(target).after("secret", revoked)))
        })
    }
}
