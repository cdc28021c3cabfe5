//! Bearer credentials. API keys, tokens, sessions and host credentials are one type with one check.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use super::credential_kind::Kind;

use super::address::AllowedAddresses;
use super::host::{Host, HostId};
use super::permission::Permissions;
use super::second_factor::SignInMethod;
use super::secret::{Digest, Id};
use super::service::{Service, ServiceId};
use super::time::{RequestedExpiration, Time};
use super::user::{Disabled, User, UserId};

/// How long a confirmation authorizes dangerous acts.
const CONFIRMATION_WINDOW: Duration = Duration::from_secs(600);

/// The owner of a credential, by row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerId {
    User(UserId),
    Service(ServiceId),
    Host(HostId),
}

/// The owner of a credential with its present state. Shared, since one owner may have many credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    User(Arc<User>),
    Service(Arc<Service>),
    Host(Arc<Host>),
}

impl Owner {
    pub fn id(&self) -> OwnerId {
        match self {
            Self::User(user) => OwnerId::User(user.id),
            Self::Service(service) => OwnerId::Service(service.id),
            Self::Host(host) => OwnerId::Host(host.id),
        }
    }

    /// The public name of the owner.
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => user.username.as_str(),
            Self::Service(service) => &service.name,
            Self::Host(host) => &host.name,
        }
    }

    /// The name for display.
    pub fn display_name(&self) -> &str {
        match self {
            Self::User(user) => &user.display_name,
            Self::Service(service) => &service.name,
            Self::Host(host) => &host.name,
        }
    }

    pub fn is_enabled(&self) -> bool {
        match self {
            Self::User(user) => user.is_enabled(),
            Self::Service(_) | Self::Host(_) => true,
        }
    }

    /// The owner's present permissions.
    pub fn permissions(&self) -> Permissions {
        match self {
            Self::User(user) => user.permissions(),
            Self::Service(service) => service.power(),
            Self::Host(_) => Permissions::none(),
        }
    }

    pub fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Service(_) | Self::Host(_) => None,
        }
    }
}

/// The secret that a rotation replaced and that is valid during the grace period.
#[derive(Clone, Copy)]
pub struct Previous {
    pub digest: Digest,
    pub grace: Grace,
}

/// The grace period of a rotation, in which the previous secret is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// The latest end.
    pub ends_at: Time,
    /// `None`: it ends only at [`Grace::ends_at`].
    pub until_unused: Option<UntilUnused>,
}

/// An early end of a grace period: the previous secret expires once the new one was used and the previous one was quiet
/// for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntilUnused {
    pub quiet: Duration,
    /// The quiet time starts here at the earliest.
    pub rotated_at: Time,
}

impl Grace {
    /// Returns whether the previous secret has expired at `now`, given the last uses of both secrets, `current` and
    /// `previous`.
    pub fn has_ended(&self, now: Time, current: Option<Time>, previous: Option<Time>) -> bool {
        if self.ends_at <= now {
            return true;
        }
        let Some(UntilUnused { quiet, rotated_at }) = self.until_unused else {
            return false;
        };
        let quiet_since = previous.map_or(rotated_at, |last| last.max(rotated_at));
        current.is_some() && quiet_since.after(quiet) <= now
    }

    /// The earliest possible end after a use of the previous secret at `now`.
    pub fn earliest_end(&self, now: Time) -> Time {
        let quiet = self.until_unused.map(|until| now.after(until.quiet));
        quiet.map_or(self.ends_at, |quiet| quiet.min(self.ends_at))
    }
}

/// One of the two secrets of a rotating credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSlot {
    Current,
    Previous,
}

/// A credential in the form that verification needs.
#[derive(Clone)]
pub struct Credential {
    pub id: Id,
    pub kind: Kind,
    pub owner: Owner,
    /// The permissions given to it. [`Credential::power`] are those it has now.
    pub permissions: Permissions,
    pub allowed_addresses: AllowedAddresses,
    /// `None` if it was deleted.
    pub digest: Option<Digest>,
    pub previous: Option<Previous>,
    /// The number of rotations so far.
    pub rotations: i64,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    pub disabled: Disabled,
    pub is_deleted: bool,
    /// True once it was seen expired. It then stays expired, even if the clock is set back.
    pub seen_expired: bool,
    /// The last confirmation by its user (sessions only).
    pub password_at: Option<Time>,
    /// The proof of that confirmation (sessions only).
    pub confirmed_with: Option<SignInMethod>,
    /// The idle timeout (sessions only), from the policy at its creation.
    pub idle_max: Option<Duration>,
}

/// The reason why a credential is invalid: its first failed check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    Deleted,
    Disabled,
    Expired,
    Address,
    OwnerDisabled,
}

/// One condition of validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The reason for a rejection if it fails.
    pub reason: RejectReason,
    /// `None`: it depends on an unknown address.
    pub holds: Option<bool>,
}

impl RejectReason {
    /// One sentence for the owner or an admin.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Deleted => "It was deleted.",
            Self::Disabled => "It is disabled; enable it to use it again.",
            Self::Expired => "It has expired; set a new expiration or create another one.",
            Self::Address => "It was used from an address that is not allowed.",
            Self::OwnerDisabled => "Its owner is disabled.",
        }
    }
}

impl Credential {
    /// The number of one of its secrets: the number of rotations before its creation.
    pub const fn secret_number(&self, which: SecretSlot) -> i64 {
        match which {
            SecretSlot::Current => self.rotations,
            SecretSlot::Previous => self.rotations - 1,
        }
    }

    /// The slot of the secret with the digest `presented`, at `now`. Ignores the quiet time of the previous secret: see
    /// [`Grace::has_ended`].
    pub fn which(&self, presented: &Digest, now: Time) -> Option<SecretSlot> {
        if self.digest.is_some_and(|digest| digest.matches(presented)) {
            return Some(SecretSlot::Current);
        }
        let previous = self
            .previous
            .filter(|previous| previous.grace.ends_at > now)?;
        previous
            .digest
            .matches(presented)
            .then_some(SecretSlot::Previous)
    }

    /// The conditions of validity, in the order of verification. `address` may be unknown.
    pub fn checks(&self, now: Time, address: Option<IpAddr>) -> [Check; 5] {
        let allowed = &self.allowed_addresses;
        let in_allowed = if allowed.is_everywhere() {
            Some(true)
        } else {
            address.map(|address| allowed.allow(address))
        };
        [
            (
                RejectReason::Deleted,
                Some(!self.is_deleted && self.digest.is_some()),
            ),
            (RejectReason::Disabled, Some(self.disabled == Disabled::No)),
            (
                RejectReason::Expired,
                Some(!self.seen_expired && !self.is_expired(now)),
            ),
            (RejectReason::Address, in_allowed),
            (RejectReason::OwnerDisabled, Some(self.owner.is_enabled())),
        ]
        .map(|(reason, holds)| Check { reason, holds })
    }

    /// Checks validity at `now` from `address`. An unknown address fails a limit to addresses.
    pub fn check(&self, now: Time, address: Option<IpAddr>) -> Result<(), RejectReason> {
        let mut checks = self.checks(now, address).into_iter();
        checks
            .find(|check| check.holds != Some(true))
            .map_or(Ok(()), |check| Err(check.reason))
    }

    /// Returns whether it has expired. It expires at the very second of `expires_at`.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns whether the session was confirmed within [`CONFIRMATION_WINDOW`], and not in the future.
    pub fn is_recently_confirmed(&self, now: Time) -> bool {
        self.password_at
            .is_some_and(|at| at.is_within_last(CONFIRMATION_WINDOW, now))
    }

    /// Returns whether it was unused for too long at `now`; `last_used_at`: `None` for never.
    pub fn is_idle(&self, last_used_at: Option<Time>, now: Time) -> bool {
        idle_end(self.idle_max, self.created_at, last_used_at).is_some_and(|end| end <= now)
    }

    /// Its present permissions: those given to it that its owner has as well. A session has all permissions of its
    /// user.
    pub fn power(&self) -> Permissions {
        match self.kind {
            Kind::ApiKey | Kind::Token => self.permissions.intersection(&self.owner.permissions()),
            Kind::Session => self.owner.permissions(),
            Kind::Host => Permissions::none(),
        }
    }
}

/// When a credential that is not used again was unused for too long.
fn idle_end(
    idle_max: Option<Duration>,
    created_at: Time,
    last_used_at: Option<Time>,
) -> Option<Time> {
    let since = last_used_at.map_or(created_at, |used_at| used_at.max(created_at));
    idle_max.map(|most| since.after(most))
}

/// The last use of a secret.
#[derive(Debug, Clone)]
pub struct LastUse {
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The user agent, or the service that requested the verification.
    pub program: Option<String>,
}

impl LastUse {
    /// The later of two uses; `other` if both are in the same second.
    pub fn latest(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if one.at > other.at => Some(one),
            (one, None) => one,
            (_, other) => other,
        }
    }
}

/// The deletion of an API key, whose row is kept for 30 days.
#[derive(Debug, Clone)]
pub struct CredentialDeletion {
    pub at: Time,
    /// `deleted`, `revoked` or `offboarded`.
    pub reason: String,
}

/// A credential for lists and pages: everything but its digests.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: Id,
    pub kind: Kind,
    pub owner: OwnerId,
    pub name: String,
    pub note: Option<String>,
    pub permissions: Permissions,
    pub allowed_addresses: AllowedAddresses,
    pub created_at: Time,
    /// The credential that created it.
    pub created_by: Option<Id>,
    /// The kind and name of that credential when it created this one, such as `token laptop`.
    pub created_by_name: Option<String>,
    pub expires_at: Option<Time>,
    pub disabled: Disabled,
    pub seen_expired: bool,
    pub deletion: Option<CredentialDeletion>,
    pub rotated_at: Option<Time>,
    /// The number of rotations so far.
    pub rotations: i64,
    /// The grace period of the last rotation, if there is a previous secret.
    pub grace: Option<Grace>,
    /// The latest use of any of its secrets.
    pub last_use: Option<LastUse>,
    /// The last use of the current secret.
    pub current_use: Option<LastUse>,
    /// The last use of the previous secret.
    pub previous_use: Option<LastUse>,
    /// The idle timeout (sessions only).
    pub idle_max: Option<Duration>,
    /// The proof at sign-in (sessions alone).
    pub signed_in_with: Option<SignInMethod>,
    /// The user agent that signed in (sessions only).
    pub user_agent: Option<String>,
    /// The client address of the sign-in (sessions only).
    pub address: Option<IpAddr>,
}

/// The state of a credential in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    Expired,
    Disabled,
    Deleted,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }
}

impl Record {
    pub fn state(&self, now: Time) -> State {
        if self.deletion.is_some() {
            State::Deleted
        } else if self.seen_expired
            || self.expires_at.is_some_and(|end| end <= now)
            || self.is_idle(now)
        {
            State::Expired
        } else if self.disabled == Disabled::Yes {
            State::Disabled
        } else {
            State::Active
        }
    }

    /// Returns whether it was unused for too long.
    pub fn is_idle(&self, now: Time) -> bool {
        self.idle_end().is_some_and(|end| end <= now)
    }

    fn idle_end(&self) -> Option<Time> {
        let last_used_at = self.last_use.as_ref().map(|last| last.at);
        idle_end(self.idle_max, self.created_at, last_used_at)
    }

    /// When it expires if it is not used again.
    pub fn ends_at(&self) -> Option<Time> {
        self.expires_at.into_iter().chain(self.idle_end()).min()
    }

    /// A value that changes with everything that an edit could overwrite.
    pub fn version(&self) -> String {
        let end = self.expires_at.map_or(-1, Time::unix).to_be_bytes();
        let (permissions, allowed_addresses) = (
            self.permissions.to_string(),
            self.allowed_addresses.to_string(),
        );
        let note = self.note.as_deref().unwrap_or_default();
        super::secret::version(&[
            self.name.as_bytes(),
            note.as_bytes(),
            permissions.as_bytes(),
            allowed_addresses.as_bytes(),
            &end,
        ])
    }

    /// The grace period of the last rotation, if the previous secret is valid at `now`.
    pub fn grace(&self, now: Time) -> Option<Grace> {
        let at = |last: &Option<LastUse>| last.as_ref().map(|last| last.at);
        let (current, previous) = (at(&self.current_use), at(&self.previous_use));
        self.grace
            .filter(|grace| !grace.has_ended(now, current, previous))
    }

    /// The latest expiration of the previous secret, if it is valid at `now`.
    pub fn grace_ends_at(&self, now: Time) -> Option<Time> {
        self.grace(now).map(|grace| grace.ends_at)
    }
}

/// The input for a new API key or token; `None` stands for the caller's own value.
pub struct NewCredential {
    pub kind: Kind,
    pub name: Option<String>,
    pub note: Option<String>,
    pub end: RequestedExpiration,
    pub permissions: Option<Permissions>,
    pub allowed_addresses: Option<AllowedAddresses>,
}

/// The input for the rotation of an API key.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    pub grace: RequestedGrace,
    /// `Unsaid`: the expiration stays.
    pub end: RequestedExpiration,
}

/// A requested grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestedGrace {
    /// The longest time; zero revokes the old secret now.
    at_most: Duration,
    quiet: Option<Duration>,
}

impl RequestedGrace {
    /// The longest grace period.
    pub const MAX: Duration = Duration::from_secs(7 * 86_400);
    /// The shortest quiet time.
    pub const QUIET_MIN: Duration = Duration::from_secs(3_600);
    /// Revokes the old secret now.
    pub const NONE: Self = Self {
        at_most: Duration::ZERO,
        quiet: None,
    };

    /// A grace period of `grace`; `None` if longer than 7 days.
    pub fn lasting(grace: Duration) -> Option<Self> {
        (grace <= Self::MAX).then_some(Self {
            at_most: grace,
            quiet: None,
        })
    }

    /// A grace period that ends when the new secret was used and the old one was quiet for `quiet`. It never exceeds
    /// `at_most`. `None` unless `1h <= quiet <= at_most <= 7d`.
    pub fn until_unused(quiet: Duration, at_most: Duration) -> Option<Self> {
        let is_valid = Self::QUIET_MIN <= quiet && quiet <= at_most && at_most <= Self::MAX;
        is_valid.then_some(Self {
            at_most,
            quiet: Some(quiet),
        })
    }

    /// The grace period of a rotation at `now`, never past `expires_at`. `None`: the old secret is revoked.
    pub fn starting(&self, now: Time, expires_at: Option<Time>) -> Option<Grace> {
        let end = now.after(self.at_most);
        (!self.at_most.is_zero()).then(|| Grace {
            ends_at: expires_at.map_or(end, |expiry| expiry.min(end)),
            until_unused: self.quiet.map(|quiet| UntilUnused {
                quiet,
                rotated_at: now,
            }),
        })
    }
}

/// A change to an API key; `None` leaves a value as it is.
#[derive(Default)]
pub struct CredentialChange {
    pub name: Option<String>,
    pub note: Option<Option<String>>,
    pub end: Option<RequestedExpiration>,
    pub permissions: Option<Permissions>,
    pub allowed_addresses: Option<AllowedAddresses>,
    pub disabled: Option<Disabled>,
    /// [`Record::version`] when the change was made. The change fails if it differs by now.
    pub version: Option<String>,
}

/// The uses of a credential on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageDay {
    pub day: super::time::Day,
    pub uses: u64,
    pub rejected: u64,
}

#[cfg(test)]
pub(crate) mod tests;
