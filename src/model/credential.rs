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
    #[must_use]
    pub const fn letter(self) -> u8 {
        match self {
            Self::ApiKey => b'a',
            Self::Token => b't',
            Self::Session => b's',
            Self::Host => b'h',
        }
    }

    /// The word on the wire and in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::Token => "token",
            Self::Session => "session",
            Self::Host => "host",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::Token => "token",
            Self::Session => "session",
            Self::Host => "host credential",
        }
    }

    /// Whether it is good as a bearer at the JSON API, `/verify` and introspection.
    #[must_use]
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
    #[must_use]
    pub fn id(&self) -> OwnerId {
        match self {
            Self::User(user) => OwnerId::User(user.id),
            Self::Service(service) => OwnerId::Service(service.id),
            Self::Host(host) => OwnerId::Host(host.id),
        }
    }

    /// The name by which others know the owner.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => user.username.as_str(),
            Self::Service(service) => &service.name,
            Self::Host(host) => &host.name,
        }
    }

    /// The name that people read.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match self {
            Self::User(user) => &user.display_name,
            Self::Service(service) => &service.name,
            Self::Host(host) => &host.name,
        }
    }

    #[must_use]
    pub fn is_enabled(&self) -> bool {
        match self {
            Self::User(user) => user.is_enabled(),
            Self::Service(_) | Self::Host(_) => true,
        }
    }

    /// What the owner has now.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        match self {
            Self::User(user) => user.permissions(),
            Self::Service(service) => service.power(),
            Self::Host(_) => Permissions::none(),
        }
    }

    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Service(_) | Self::Host(_) => None,
        }
    }
}

/// The secret that a rotation replaced and that is still good for a while.
#[derive(Clone, Copy)]
pub struct Previous {
    pub digest: Digest,
    pub ends_at: Time,
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
    pub created_at: Time,
    pub expires_at: Option<Time>,
    pub disabled: Disabled,
    pub ended: bool,
    /// Whether it was once seen expired: then it stays so, whatever the clock says later.
    pub seen_expired: bool,
    /// When its holder last typed a password (sessions alone).
    pub password_at: Option<Time>,
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
    #[must_use]
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
    /// SecretSlot of its secrets `presented` is the digest of, at `now`.
    #[must_use]
    pub fn which(&self, presented: &Digest, now: Time) -> Option<SecretSlot> {
        if self.digest.is_some_and(|digest| digest.matches(presented)) {
            return Some(SecretSlot::Current);
        }
        let previous = self.previous.filter(|previous| previous.ends_at > now)?;
        previous
            .digest
            .matches(presented)
            .then_some(SecretSlot::Previous)
    }

    /// The conditions of validity, in the order in which verification goes through them. `address` may be unknown.
    #[must_use]
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
    ///
    /// # Errors
    /// The reason of the first check that does not hold.
    pub fn check(&self, now: Time, address: Option<IpAddr>) -> Result<(), RejectReason> {
        let mut checks = self.checks(now, address).into_iter();
        checks
            .find(|check| check.holds != Some(true))
            .map_or(Ok(()), |check| Err(check.reason))
    }

    /// Whether its end has come: at the very second of `expires_at` it is over.
    #[must_use]
    pub fn is_past_its_end(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// What it may do now: what it was given, and what its owner has now. A session may do all that its user may.
    #[must_use]
    pub fn power(&self) -> Permissions {
        match self.kind {
            Kind::ApiKey | Kind::Token => self.permissions.intersection(&self.owner.permissions()),
            Kind::Session => self.owner.permissions(),
            Kind::Host => Permissions::none(),
        }
    }
}

/// The last time a secret was used.
#[derive(Debug, Clone)]
pub struct LastUse {
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The program, or the service that asked.
    pub program: Option<String>,
}

/// Why a credential is over.
#[derive(Debug, Clone)]
pub struct Ending {
    pub at: Time,
    /// A word: `deleted`, `burned`, `revoked`, `left`.
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
    pub expires_at: Option<Time>,
    pub disabled: Disabled,
    pub seen_expired: bool,
    pub ended: Option<Ending>,
    pub rotated_at: Option<Time>,
    /// The end of the secret before the last rotation, while it is good.
    pub previous_ends_at: Option<Time>,
    pub last_use: Option<LastUse>,
    pub previous_last_used_at: Option<Time>,
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
    #[must_use]
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
    #[must_use]
    pub fn state(&self, now: Time) -> State {
        if self.ended.is_some() {
            State::Ended
        } else if self.seen_expired || self.expires_at.is_some_and(|end| end <= now) {
            State::Expired
        } else if self.disabled == Disabled::Yes {
            State::Disabled
        } else {
            State::Active
        }
    }

    /// A word that is another one after every change that an edit could overwrite.
    #[must_use]
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

    /// When the secret before the last rotation ends, if it is still good at `now`.
    #[must_use]
    pub fn grace_ends_at(&self, now: Time) -> Option<Time> {
        self.previous_ends_at.filter(|end| *end > now)
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
    /// How long the present secret stays good; zero: it ends now.
    pub grace: Duration,
    /// `Unsaid`: the end stays.
    pub end: WantedEnd,
}

impl Rotation {
    /// The graces that may be chosen.
    pub const GRACES: [Duration; 6] = [
        Duration::ZERO,
        Duration::from_secs(60),
        Duration::from_secs(15 * 60),
        Duration::from_secs(3_600),
        Duration::from_secs(6 * 3_600),
        Duration::from_secs(24 * 3_600),
    ];
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
