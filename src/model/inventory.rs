//! The inventory: credentials and SSH keys of all owners, and those that need attention.

use std::time::Duration;

use super::credential::{OwnerId, Record, State};
use super::secret::Id;
use super::ssh_key::SshKey;
use super::time::Time;

/// Without a use for this long, a credential counts as unused.
pub const UNUSED: Duration = Duration::from_secs(90 * 86_400);
/// Within this time, an expiration counts as near.
pub const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Counts of an overview end here.
pub const COUNT_MAX: usize = 1_000;
/// Numbers on the tabs of an inventory end here: each page of one tab counts the rows of the others.
pub const TAB_COUNT_MAX: usize = 100;

/// Counts of the things that need the attention of an admin, each up to [`COUNT_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attention {
    /// API keys that expire within [`SOON`].
    pub expiring_api_keys: usize,
    /// API keys without a use for [`UNUSED`].
    pub unused_api_keys: usize,
    pub never_used_api_keys: usize,
    pub expiring_ssh_keys: usize,
    pub weak_ssh_keys: usize,
    pub shared_ssh_keys: usize,
    pub silent_hosts: usize,
    pub users_without_second_factor: usize,
    /// Days until the certificate of the server expires, once that is within [`SOON`]; at least 1.
    pub days_of_certificate: Option<usize>,
    /// Days without a backup, once there are more than [`BACKUP_DAYS`].
    pub days_without_backup: Option<i64>,
}

/// A backup of so many days ago counts as recent.
pub const BACKUP_DAYS: i64 = 7;

/// A filter of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InventoryFilter {
    #[default]
    Everything,
    /// Not used for [`UNUSED`], though older than that.
    Unused,
    NeverUsed,
    NoExpiry,
    /// Expires within [`SOON`].
    ExpiresSoon,
    /// An SSH key that the policy would not accept today, or that several users have.
    WeakSshKey,
}

impl InventoryFilter {
    pub const ALL: [Self; 6] = [
        Self::Everything,
        Self::Unused,
        Self::NeverUsed,
        Self::NoExpiry,
        Self::ExpiresSoon,
        Self::WeakSshKey,
    ];

    /// The name in `?show=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "",
            Self::Unused => "unused",
            Self::NeverUsed => "never-used",
            Self::NoExpiry => "no-expiry",
            Self::ExpiresSoon => "expires-soon",
            Self::WeakSshKey => "weak-ssh-key",
        }
    }

    /// Parses the name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|show| show.as_str() == word)
    }
}

/// The reason why an SSH key needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    None,
    /// The policy no longer permits its type or length.
    AgainstPolicy,
    /// Several users have it.
    Shared,
}

/// One item of the inventory.
#[derive(Debug, Clone)]
pub enum Item {
    Credential(Box<Record>),
    SshKey(Box<SshKey>, Weakness),
}

impl Item {
    pub fn id(&self) -> Id {
        match self {
            Self::Credential(record) => record.id,
            Self::SshKey(key, _) => key.id,
        }
    }

    /// `api-key`, `token`, `session`, `host`, `ssh-key`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Credential(record) => record.kind.as_str(),
            Self::SshKey(..) => "ssh-key",
        }
    }

    /// The name in a sentence: `API key`, `token`, `session`, `SSH key`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Credential(record) => record.kind.name(),
            Self::SshKey(..) => "SSH key",
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Credential(record) => &record.name,
            Self::SshKey(key, _) => &key.name,
        }
    }

    pub fn owner(&self) -> OwnerId {
        match self {
            Self::Credential(record) => record.owner,
            Self::SshKey(key, _) => OwnerId::User(key.owner),
        }
    }

    pub fn created_at(&self) -> Time {
        match self {
            Self::Credential(record) => record.created_at,
            Self::SshKey(key, _) => key.created_at,
        }
    }

    pub fn expires_at(&self) -> Option<Time> {
        match self {
            Self::Credential(record) => record.expires_at,
            Self::SshKey(key, _) => key.expires_at,
        }
    }

    /// For an SSH key without a reported login: when a host looked it up.
    pub fn last_used_at(&self) -> Option<Time> {
        match self {
            Self::Credential(record) => record.last_use.as_ref().map(|last| last.at),
            Self::SshKey(key, _) => {
                let seen = key.used.as_ref().or(key.looked_up.as_ref());
                seen.map(|seen| seen.at)
            }
        }
    }

    pub fn state(&self, now: Time) -> State {
        match self {
            Self::Credential(record) => record.state(now),
            Self::SshKey(key, _) if key.is_expired(now) => State::Expired,
            Self::SshKey(..) => State::Active,
        }
    }

    /// Returns whether the filter `show` includes it.
    pub fn fits(&self, show: InventoryFilter, now: Time) -> bool {
        match show {
            InventoryFilter::Everything => true,
            InventoryFilter::Unused => {
                now.since(self.last_used_at().unwrap_or(self.created_at())) > UNUSED
            }
            InventoryFilter::NeverUsed => self.last_used_at().is_none(),
            InventoryFilter::NoExpiry => self.expires_at().is_none(),
            InventoryFilter::ExpiresSoon => self
                .expires_at()
                .is_some_and(|end| end > now && end <= now.after(SOON)),
            InventoryFilter::WeakSshKey => {
                matches!(self, Self::SshKey(_, weakness) if *weakness != Weakness::None)
            }
        }
    }
}

/// A place in the inventory, which is sorted by creation time, newest first. Within one second, SSH keys come first,
/// then the higher row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InventoryPlace {
    pub created_at: Time,
    pub is_ssh_key: bool,
    pub number: i64,
}

impl InventoryPlace {
    /// The text for `?after=`.
    pub fn text(self) -> String {
        let table = i64::from(self.is_ssh_key);
        format!("{}-{table}-{}", self.created_at.unix(), self.number)
    }

    /// Parses the result of [`InventoryPlace::text`].
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, rest) = text.split_once('-')?;
        let (table, number) = rest.split_once('-')?;
        Some(Self {
            created_at: Time::from_unix(seconds.parse().ok()?),
            is_ssh_key: match table {
                "0" => false,
                "1" => true,
                _ => return None,
            },
            number: number.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::AllowedAddresses;
    use crate::model::credential::tests::record;
    use crate::model::credential::{Kind, LastUse};
    use crate::model::ssh_key::{KeyHostUse, KeyOptions, KeyRules, PublicKey};
    use crate::model::user::UserId;

    #[test]
    fn inventory_place_parses_as_written() {
        let place = InventoryPlace {
            created_at: Time::from_unix(1_795_000_000),
            is_ssh_key: true,
            number: 12,
        };
        assert_eq!(InventoryPlace::parse(&place.text()), Some(place));
        let of_a_credential = InventoryPlace {
            is_ssh_key: false,
            ..place
        };
        assert_eq!(
            InventoryPlace::parse(&of_a_credential.text()),
            Some(of_a_credential)
        );
        for bad in ["", "-", "7", "7-1", "x-1-12", "7-2-12", "7-1-", "7-1-x"] {
            assert_eq!(InventoryPlace::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn unused_is_90_days_and_soon_is_14() {
        assert_eq!(UNUSED.as_secs(), 7_776_000);
        assert_eq!(SOON.as_secs(), 1_209_600);
    }

    const MADE: Time = Time::from_unix(1_795_000_000);

    fn token() -> Record {
        Record {
            kind: Kind::Token,
            created_at: MADE,
            ..record()
        }
    }

    fn ssh_key() -> SshKey {
        const TEXT: &str =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf";
        SshKey {
            id: Id::random(),
            owner: UserId(1),
            name: "laptop".into(),
            key: PublicKey::parse(TEXT, &KeyRules::default()).unwrap(),
            allowed_addresses: AllowedAddresses::default(),
            options: KeyOptions::default(),
            created_at: MADE,
            expires_at: None,
            seen_expired: false,
            created_by: None,
            looked_up: None,
            used: None,
        }
    }

    fn used(at: Time) -> Option<LastUse> {
        Some(LastUse {
            at,
            address: None,
            program: None,
        })
    }

    /// A token and an SSH key with the same expiration.
    fn both(expires_at: Option<Time>) -> [Item; 2] {
        [
            Item::Credential(Box::new(Record {
                expires_at,
                ..token()
            })),
            Item::SshKey(
                Box::new(SshKey {
                    expires_at,
                    ..ssh_key()
                }),
                Weakness::None,
            ),
        ]
    }

    #[test]
    fn inventory_item_has_its_kind_and_state() {
        let message = both(Some(MADE)).map(|item| {
            assert_eq!(item.owner(), OwnerId::User(UserId(1)));
            assert_eq!((item.created_at(), item.expires_at()), (MADE, Some(MADE)));
            format!("{}, {}, {}", item.as_str(), item.kind(), item.name())
        });
        assert_eq!(message, ["token, token, ci", "ssh-key, SSH key, laptop"]);
    }

    #[test]
    fn inventory_item_expires_at_its_expiration() {
        let last = Time::from_unix(MADE.unix() - 1);
        for item in both(Some(MADE)) {
            assert_eq!(item.state(last), State::Active);
            assert_eq!(item.state(MADE), State::Expired);
        }
    }

    #[test]
    fn item_used_90_days_ago_is_not_yet_unused() {
        let (ninety, later) = (MADE.after(UNUSED), Time::from_unix(MADE.unix() + 7_776_001));
        for item in both(None) {
            assert_eq!(item.last_used_at(), None);
            assert!(
                item.fits(InventoryFilter::NeverUsed, ninety)
                    && item.fits(InventoryFilter::Everything, ninety)
            );
            assert!(
                !item.fits(InventoryFilter::Unused, ninety)
                    && item.fits(InventoryFilter::Unused, later)
            );
        }
        let of_token = Item::Credential(Box::new(Record {
            last_use: used(ninety),
            ..token()
        }));
        let looked_up = Some(KeyHostUse {
            at: ninety,
            host: "node".into(),
        });
        let of_key = Item::SshKey(
            Box::new(SshKey {
                looked_up,
                ..ssh_key()
            }),
            Weakness::Shared,
        );
        for item in [of_token, of_key] {
            assert_eq!(item.last_used_at(), Some(ninety));
            assert!(
                !item.fits(InventoryFilter::NeverUsed, later)
                    && !item.fits(InventoryFilter::Unused, later)
            );
            assert!(item.fits(InventoryFilter::Unused, later.after(UNUSED)));
        }
    }

    #[test]
    fn expiration_within_14_days_is_soon() {
        let expires_soon = |seconds: i64| {
            let now = Time::from_unix(MADE.unix() - seconds);
            both(Some(MADE)).map(|item| item.fits(InventoryFilter::ExpiresSoon, now))
        };
        assert_eq!(expires_soon(1_209_601), [false; 2]);
        assert_eq!(expires_soon(1_209_600), [true; 2]);
        assert_eq!(expires_soon(1), [true; 2]);
        assert_eq!(expires_soon(0), [false; 2]);
        for item in both(None) {
            assert!(
                item.fits(InventoryFilter::NoExpiry, MADE)
                    && !item.fits(InventoryFilter::ExpiresSoon, MADE)
            );
        }
        for item in both(Some(MADE)) {
            assert!(
                !item.fits(InventoryFilter::NoExpiry, MADE)
                    && !item.fits(InventoryFilter::WeakSshKey, MADE)
            );
        }
        let weak = |weakness| Item::SshKey(Box::new(ssh_key()), weakness);
        for weakness in [Weakness::AgainstPolicy, Weakness::Shared] {
            assert!(weak(weakness).fits(InventoryFilter::WeakSshKey, MADE));
        }
    }
}
