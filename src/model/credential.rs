//! Bearer credentials: API keys, tokens, sessions and host credentials are one type, checked in one way.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::address::AllowedAddresses;
use super::host::{Host, HostId};
use super::permission::Permissions;
use super::secret::{Digest, Id};
use super::service::{Service, ServiceId};
use super::time::{Time, WantedEnd};
use super::user::{Disabled, User, UserId};

/// How a credential is born, what it is called and how long it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    ApiKey,
    Token,
    Session,
    Host,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::ApiKey, Self::Token, Self::Session, Self::Host];

    /// The letter in the secret's form.
    pub const fn letter(self) -> u8 {
        match self {
            Self::ApiKey => b'a',
            Self::Token => b't',
            Self::Session => b's',
            Self::Host => b'h',
        }
    }

    /// The word on the wire and in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::Token => "token",
            Self::Session => "session",
            Self::Host => "host",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::Token => "token",
            Self::Session => "session",
            Self::Host => "host credential",
        }
    }

    /// Whether it is good as a bearer at the JSON API, `/verify` and introspection.
    pub const fn is_bearer(self) -> bool {
        match self {
            Self::ApiKey | Self::Token => true,
            Self::Session | Self::Host => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Scope a credential is, by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerId {
    User(UserId),
    Service(ServiceId),
    Host(HostId),
}

/// Scope a credential is, as they are now. Shared, since one owner stands behind many credentials.
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

    /// The name by which others know the owner.
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => user.username.as_str(),
            Self::Service(service) => &service.name,
            Self::Host(host) => &host.name,
        }
    }

    /// The name that people read.
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

    /// What the owner has now.
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

/// The grace period of a rotation: until when the previous secret is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// The latest end.
    pub ends_at: Time,
    /// `None`: it ends at [`Grace::ends_at`] alone.
    pub until_unused: Option<UntilUnused>,
}

/// A rotation that finishes itself: the previous secret expires once the new one has been used and the previous one has
/// been quiet for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntilUnused {
    pub quiet: Duration,
    /// The previous secret counts as quiet from here at the earliest.
    pub rotated_at: Time,
}

impl Grace {
    /// Whether the previous secret has expired at `now`, when the two secrets were last used at `current` and `previous`.
    pub fn is_over(&self, now: Time, current: Option<Time>, previous: Option<Time>) -> bool {
        if self.ends_at <= now {
            return true;
        }
        let Some(UntilUnused { quiet, rotated_at }) = self.until_unused else {
            return false;
        };
        let quiet_since = previous.map_or(rotated_at, |last| last.max(rotated_at));
        current.is_some() && quiet_since.after(quiet) <= now
    }

    /// The earliest end that is possible when the previous secret is used at `now`.
    pub fn earliest_end(&self, now: Time) -> Time {
        let quiet = self.until_unused.map(|until| now.after(until.quiet));
        quiet.map_or(self.ends_at, |quiet| quiet.min(self.ends_at))
    }
}

/// SecretSlot of the two secrets of a rotating credential was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSlot {
    Current,
    Previous,
}

/// What verification knows of a credential.
#[derive(Clone)]
pub struct Credential {
    pub id: Id,
    pub kind: Kind,
    pub owner: Owner,
    /// As given; what it may do now is [`Credential::power`].
    pub permissions: Permissions,
    pub allowed_addresses: AllowedAddresses,
    /// `None` once it was deleted.
    pub digest: Option<Digest>,
    pub previous: Option<Previous>,
    /// How often it was rotated.
    pub rotations: i64,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    pub disabled: Disabled,
    pub ended: bool,
    /// Whether it was once seen expired: then it stays so, whatever the clock says later.
    pub seen_expired: bool,
    /// When its holder last typed a password (sessions alone).
    pub password_at: Option<Time>,
    /// How long it may stay unused (sessions alone): as the policy was when it was created.
    pub idle_max: Option<Duration>,
}

/// Why a credential is not good now: the first link of the chain that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    Ended,
    Disabled,
    Expired,
    Address,
    OwnerDisabled,
}

/// One condition of validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The reason to reject when it fails.
    pub reason: RejectReason,
    /// `None`: it depends on an address that is unknown.
    pub holds: Option<bool>,
}

impl RejectReason {
    /// One sentence for the person or an admin who asks why.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Ended => "It was deleted.",
            Self::Disabled => "It is disabled; enable it to use it again.",
            Self::Expired => "It has expired; renew or rotate it.",
            Self::Address => {
                "It was used from an address that its allowed addresses do not contain."
            }
            Self::OwnerDisabled => "Its owner is disabled.",
        }
    }
}

impl Credential {
    /// The number of one of its secrets: how often the credential was rotated before it was created.
    pub const fn secret_number(&self, which: SecretSlot) -> i64 {
        match which {
            SecretSlot::Current => self.rotations,
            SecretSlot::Previous => self.rotations - 1,
        }
    }

    /// SecretSlot of its secrets `presented` is the digest of, at `now`. That a previous secret was not used for long is not
    /// looked at: [`Grace::is_over`].
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

    /// The conditions of validity, in the order in which verification goes through them. `address` may be unknown.
    pub fn checks(&self, now: Time, address: Option<IpAddr>) -> [Check; 5] {
        let allowed = &self.allowed_addresses;
        let in_allowed = if allowed.is_everywhere() {
            Some(true)
        } else {
            address.map(|address| allowed.allow(address))
        };
        [
            (
                RejectReason::Ended,
                Some(!self.ended && self.digest.is_some()),
            ),
            (RejectReason::Disabled, Some(self.disabled == Disabled::No)),
            (
                RejectReason::Expired,
                Some(!self.seen_expired && !self.is_past_its_end(now)),
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

    /// Whether its end has come: at the very second of `expires_at` it is over.
    pub fn is_past_its_end(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether it was unused for too long at `now`; `last_used_at`: `None` for never.
    pub fn is_idle(&self, last_used_at: Option<Time>, now: Time) -> bool {
        is_idle(self.idle_max, self.created_at, last_used_at, now)
    }

    /// What it may do now: what it was given, and what its owner has now. A session may do all that its user may.
    pub fn power(&self) -> Permissions {
        match self.kind {
            Kind::ApiKey | Kind::Token => self.permissions.intersection(&self.owner.permissions()),
            Kind::Session => self.owner.permissions(),
            Kind::Host => Permissions::none(),
        }
    }
}

fn is_idle(
    idle_max: Option<Duration>,
    created_at: Time,
    last_used_at: Option<Time>,
    now: Time,
) -> bool {
    let since = last_used_at.map_or(created_at, |used_at| used_at.max(created_at));
    idle_max.is_some_and(|most| since.after(most) <= now)
}

/// The last time a secret was used.
#[derive(Debug, Clone)]
pub struct LastUse {
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The program, or the service that asked.
    pub program: Option<String>,
}

impl LastUse {
    /// The later of two uses; of two in one second `other`.
    pub fn latest(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if one.at > other.at => Some(one),
            (one, None) => one,
            (_, other) => other,
        }
    }
}

/// Why a credential is over.
#[derive(Debug, Clone)]
pub struct Ending {
    pub at: Time,
    /// A word: `deleted`, `revoked`, `left`.
    pub reason: String,
}

/// What lists and pages know of a credential: all but its digests.
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
    /// The credential that made it.
    pub created_by: Option<Id>,
    /// The kind and name of that credential when it created this one, such as `token laptop`.
    pub created_by_name: Option<String>,
    pub expires_at: Option<Time>,
    pub disabled: Disabled,
    pub seen_expired: bool,
    pub ended: Option<Ending>,
    pub rotated_at: Option<Time>,
    /// How often it was rotated.
    pub rotations: i64,
    /// The grace period of the last rotation, while there is a previous secret.
    pub grace: Option<Grace>,
    /// The latest use, whatever secret it was.
    pub last_use: Option<LastUse>,
    /// The last use of the current secret.
    pub current_use: Option<LastUse>,
    /// The last use of the previous secret.
    pub previous_use: Option<LastUse>,
    /// How long it may stay unused (sessions alone).
    pub idle_max: Option<Duration>,
    /// Of the program that signed in (sessions alone).
    pub user_agent: Option<String>,
    /// From where it signed in (sessions alone).
    pub address: Option<IpAddr>,
}

/// What a list says of a credential in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    Expired,
    Disabled,
    Ended,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Ended => "ended",
        }
    }
}

impl Record {
    pub fn state(&self, now: Time) -> State {
        if self.ended.is_some() {
            State::Ended
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

    /// Whether it was unused for too long.
    pub fn is_idle(&self, now: Time) -> bool {
        let last_used_at = self.last_use.as_ref().map(|last| last.at);
        is_idle(self.idle_max, self.created_at, last_used_at, now)
    }

    /// A word that is another one after every change that an edit could overwrite.
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
            .filter(|grace| !grace.is_over(now, current, previous))
    }

    /// The latest date until which the previous secret is valid, if it is at `now`.
    pub fn grace_ends_at(&self, now: Time) -> Option<Time> {
        self.grace(now).map(|grace| grace.ends_at)
    }
}

/// What a new API key or token is made of; what is `None` is the caller's.
pub struct NewCredential {
    pub kind: Kind,
    pub name: Option<String>,
    pub note: Option<String>,
    pub end: WantedEnd,
    pub permissions: Option<Permissions>,
    pub allowed_addresses: Option<AllowedAddresses>,
}

/// How an API key is to be rotated.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    pub grace: WantedGrace,
    /// `Unsaid`: the end stays.
    pub end: WantedEnd,
}

/// A grace period as it is requested: how long the old secret stays valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedGrace {
    /// At most; zero revokes the old secret now.
    at_most: Duration,
    quiet: Option<Duration>,
}

impl WantedGrace {
    /// The longest grace period.
    pub const MAX: Duration = Duration::from_secs(7 * 86_400);
    /// The shortest quiet time.
    pub const QUIET_MIN: Duration = Duration::from_secs(3_600);
    /// The old secret is revoked now.
    pub const NONE: Self = Self {
        at_most: Duration::ZERO,
        quiet: None,
    };

    /// Keeps the old secret valid for `grace`; `None` when that is longer than 7 days.
    pub fn lasting(grace: Duration) -> Option<Self> {
        (grace <= Self::MAX).then_some(Self {
            at_most: grace,
            quiet: None,
        })
    }

    /// Keeps the old secret valid until the new one was used and the old one was not for `quiet`, for `at_most` at the
    /// longest. `None` unless `1h <= quiet <= at_most <= 7d`.
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

/// A change to an API key; what is `None` stays.
#[derive(Default)]
pub struct CredentialChange {
    pub name: Option<String>,
    pub note: Option<Option<String>>,
    pub end: Option<WantedEnd>,
    pub permissions: Option<Permissions>,
    pub allowed_addresses: Option<AllowedAddresses>,
    pub disabled: Option<Disabled>,
    /// What [`Record::version`] said when the change was thought of; another one now refuses it.
    pub version: Option<String>,
}

/// One day of a credential's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageDay {
    pub day: super::time::Day,
    pub uses: u64,
    pub refused: u64,
}

#[cfg(test)]
mod tests;
