//! The inventory: every credential and every SSH key of everybody, and what is worth a look about them.

use std::time::Duration;

use super::credential::{OwnerId, Record, State};
use super::secret::Id;
use super::ssh_key::SshKey;
use super::time::Time;

/// Not used for so long, something is called unused.
pub const UNUSED: Duration = Duration::from_secs(90 * 86_400);
/// Within so long, an end is called near.
pub const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Which part of the inventory is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    #[default]
    Everything,
    /// Not used for [`UNUSED`], though older than that.
    Unused,
    NeverUsed,
    NoExpiry,
    /// Ends within [`SOON`].
    EndsSoon,
    /// An SSH key that policy would not accept today, or that several users have.
    WeakSshKey,
}

impl Show {
    pub const ALL: [Self; 6] = [
        Self::Everything,
        Self::Unused,
        Self::NeverUsed,
        Self::NoExpiry,
        Self::EndsSoon,
        Self::WeakSshKey,
    ];

    /// The word in `?show=`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Everything => "",
            Self::Unused => "unused",
            Self::NeverUsed => "never-used",
            Self::NoExpiry => "no-expiry",
            Self::EndsSoon => "ends-soon",
            Self::WeakSshKey => "weak-ssh-key",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|show| show.word() == word)
    }
}

/// Why an SSH key would not be taken today, or should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    None,
    /// Its type or its length.
    AgainstPolicy,
    /// Several users have it.
    Shared,
}

/// One thing of the inventory.
#[derive(Debug, Clone)]
pub enum Item {
    Credential(Box<Record>),
    SshKey(Box<SshKey>, Weakness),
}

impl Item {
    #[must_use]
    pub fn id(&self) -> Id {
        match self {
            Self::Credential(record) => record.id,
            Self::SshKey(key, _) => key.id,
        }
    }

    /// `api-key`, `token`, `session`, `host`, `ssh-key`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Credential(record) => record.kind.word(),
            Self::SshKey(..) => "ssh-key",
        }
    }

    /// The word in a sentence: `API key`, `token`, `session`, `SSH key`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Credential(record) => record.kind.name(),
            Self::SshKey(..) => "SSH key",
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Credential(record) => &record.name,
            Self::SshKey(key, _) => &key.name,
        }
    }

    #[must_use]
    pub fn owner(&self) -> OwnerId {
        match self {
            Self::Credential(record) => record.owner,
            Self::SshKey(key, _) => OwnerId::User(key.owner),
        }
    }

    #[must_use]
    pub fn created_at(&self) -> Time {
        match self {
            Self::Credential(record) => record.created_at,
            Self::SshKey(key, _) => key.created_at,
        }
    }

    #[must_use]
    pub fn expires_at(&self) -> Option<Time> {
        match self {
            Self::Credential(record) => record.expires_at,
            Self::SshKey(key, _) => key.expires_at,
        }
    }

    /// Of an SSH key that no host reported a login with: when one asked for it.
    #[must_use]
    pub fn last_used_at(&self) -> Option<Time> {
        match self {
            Self::Credential(record) => record.last_use.as_ref().map(|last| last.at),
            Self::SshKey(key, _) => {
                let seen = key.used.as_ref().or(key.looked_up.as_ref());
                seen.map(|seen| seen.at)
            }
        }
    }

    #[must_use]
    pub fn state(&self, now: Time) -> State {
        match self {
            Self::Credential(record) => record.state(now),
            Self::SshKey(key, _) if key.is_expired(now) => State::Expired,
            Self::SshKey(..) => State::Active,
        }
    }

    /// Whether it belongs to what is asked for.
    #[must_use]
    pub fn fits(&self, show: Show, now: Time) -> bool {
        match show {
            Show::Everything => true,
            Show::Unused => now.since(self.last_used_at().unwrap_or(self.created_at())) > UNUSED,
            Show::NeverUsed => self.last_used_at().is_none(),
            Show::NoExpiry => self.expires_at().is_none(),
            Show::EndsSoon => self
                .expires_at()
                .is_some_and(|end| end > now && end <= now.after(SOON)),
            Show::WeakSshKey => {
                matches!(self, Self::SshKey(_, weakness) if *weakness != Weakness::None)
            }
        }
    }
}

/// A place in the inventory, which is sorted by when things were made, newest first. Of one second SSH keys come first,
/// and then what has the higher number in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub created_at: Time,
    pub is_ssh_key: bool,
    pub number: i64,
}

impl Place {
    /// As `?after=` takes it.
    #[must_use]
    pub fn text(self) -> String {
        let table = i64::from(self.is_ssh_key);
        format!("{}-{table}-{}", self.created_at.unix(), self.number)
    }

    /// Reads what [`Place::text`] wrote.
    #[must_use]
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

    #[test]
    fn a_place_comes_back_as_it_was() {
        let place = Place {
            created_at: Time::from_unix(1_795_000_000),
            is_ssh_key: true,
            number: 12,
        };
        assert_eq!(Place::parse(&place.text()), Some(place));
        for bad in ["", "-", "7", "7-1", "x-1-12", "7-2-12", "7-1-", "7-1-x"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn unused_is_ninety_days_and_soon_is_fourteen() {
        assert_eq!(UNUSED.as_secs(), 7_776_000);
        assert_eq!(SOON.as_secs(), 1_209_600);
    }
}
