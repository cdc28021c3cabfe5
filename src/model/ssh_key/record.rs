//! A stored SSH key: owner, name, expiration and allowed addresses.

use super::{COMMENT_CHARS_MAX, KeyOptions, OptionsChange, PublicKey};
use crate::model::address::AllowedAddresses;
use crate::model::secret::{self, Id};
use crate::model::text::{NAME_CHARACTERS_MAX, parse_name};
use crate::model::time::{RequestedExpiration, Time};
use crate::model::user::UserId;

/// A host's use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHostUse {
    /// Time.
    pub at: Time,
    /// The host's name.
    pub host: String,
}

/// A user's SSH key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey {
    /// Public, and never used again.
    pub id: Id,
    /// The user whose login it can use.
    pub owner: UserId,
    /// Unique among the owner's keys.
    pub name: String,
    /// The key itself, decoded again on every read.
    pub key: PublicKey,
    /// Allowed addresses.
    pub allowed_addresses: AllowedAddresses,
    /// The options of sshd.
    pub options: KeyOptions,
    /// When it was added.
    pub created_at: Time,
    /// The first second at which it is expired.
    pub expires_at: Option<Time>,
    /// True once it was seen expired. It then stays expired, even if the clock is set back.
    pub seen_expired: bool,
    /// The credential that added it.
    pub created_by: Option<Id>,
    /// When a host last looked it up. A mere offer causes a lookup too.
    pub looked_up: Option<KeyHostUse>,
    /// When a host last reported a login with it.
    pub used: Option<KeyHostUse>,
}

impl SshKey {
    /// Returns whether it has expired.
    pub fn is_expired(&self, now: Time) -> bool {
        self.seen_expired || self.expires_at.is_some_and(|end| end <= now)
    }

    /// A value that changes with everything that an edit could overwrite.
    pub fn version(&self) -> String {
        let end = self.expires_at.map_or(-1, Time::unix).to_be_bytes();
        let allowed_addresses = self.allowed_addresses.to_string();
        secret::version(&[
            self.name.as_bytes(),
            self.key.fingerprint().as_bytes(),
            allowed_addresses.as_bytes(),
            self.options.to_string().as_bytes(),
            &end,
        ])
    }

    /// Returns whether it allows logins that `before`, the same key before an edit, did not: another key, for longer,
    /// from more addresses, or with weaker options.
    pub fn widens_access_of(&self, before: &Self) -> bool {
        let lives_longer = match (before.expires_at, self.expires_at) {
            (Some(before), Some(after)) => after > before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        lives_longer
            || !self.key.is_same_key(&before.key)
            || !self.allowed_addresses.lie_within(&before.allowed_addresses)
            || self.options.loosen(&before.options)
    }

    /// `TYPE BASE64 COMMENT`, as in a `.pub` file.
    pub fn public_line(&self) -> String {
        let line = format!("{} {}", self.key.to_openssh(), self.key.comment());
        line.trim_end().to_owned()
    }
}

/// The input for a new SSH key.
#[derive(Clone, Debug)]
pub struct NewSshKey {
    /// The given name, or the key's comment.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// `Unsaid`: the maximum of the policy.
    pub end: RequestedExpiration,
    /// `None`: those of the caller.
    pub allowed_addresses: Option<AllowedAddresses>,
    /// The options of sshd.
    pub options: KeyOptions,
    /// The expiration is never later than this.
    pub expires_by: Option<Time>,
    /// Allows a key that another user has.
    pub allow_shared: bool,
}

/// A change to an SSH key; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub struct SshKeyChange {
    /// Another name.
    pub name: Option<String>,
    /// A replacement for the key.
    pub key: Option<PublicKey>,
    /// Another expiration.
    pub end: Option<RequestedExpiration>,
    /// Other allowed addresses.
    pub allowed_addresses: Option<AllowedAddresses>,
    /// Other options of sshd.
    pub options: Option<OptionsChange>,
    /// Allows a new key that another user has.
    pub allow_shared: bool,
    /// [`SshKey::version`] when the change was made. The change fails if it differs by now.
    pub version: Option<String>,
}

/// The name from a key's comment; `None` if the comment is unsuitable.
pub fn name_from_comment(key: &PublicKey) -> Option<String> {
    let start: String = key.comment().chars().take(NAME_CHARACTERS_MAX).collect();
    parse_name(&start).ok()
}

/// The first name like `wanted` that is not `taken`: `laptop`, `laptop (2)`, `laptop (3)` and so on.
pub fn free_name<E>(
    wanted: &str,
    mut taken: impl FnMut(&str) -> Result<bool, E>,
) -> Result<String, E> {
    let mut name = wanted.to_owned();
    for number in 2_u32.. {
        if !taken(&name)? {
            break;
        }
        let ending = format!(" ({number})");
        let kept = NAME_CHARACTERS_MAX - ending.len();
        let start: String = wanted.chars().take(kept).collect();
        name = start.trim_end().to_owned() + &ending;
    }
    Ok(name)
}

const _: () = assert!(NAME_CHARACTERS_MAX <= COMMENT_CHARS_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ssh_key::KeyRules;
    use crate::model::ssh_key::test_keys::{ECDSA_P256, ED25519};

    fn key(comment: &str) -> PublicKey {
        PublicKey::parse(&format!("{ED25519} {comment}"), &KeyRules::default()).unwrap()
    }

    #[test]
    fn comment_becomes_a_valid_name() {
        assert_eq!(
            name_from_comment(&key("alice@laptop")).as_deref(),
            Some("alice@laptop")
        );
        assert_eq!(name_from_comment(&key("")), None);
        assert_eq!(name_from_comment(&key(" \u{200b} ")), None);
        let long = name_from_comment(&key(&"é".repeat(100))).unwrap();
        assert_eq!(long, "é".repeat(64));
    }

    #[test]
    fn taken_name_gets_a_number() {
        let free = |taken: &[&str], wanted: &str| {
            free_name::<()>(wanted, |name| Ok(taken.contains(&name))).unwrap()
        };
        assert_eq!(free(&[], "laptop"), "laptop");
        assert_eq!(free(&["laptop"], "laptop"), "laptop (2)");
        assert_eq!(free(&["laptop", "laptop (2)"], "laptop"), "laptop (3)");
        let long = "é".repeat(64);
        let other = free(&[&long], &long);
        assert_eq!(parse_name(&other).as_deref(), Ok(other.as_str()));
        assert_eq!(other, "é".repeat(60) + " (2)");
    }

    #[test]
    fn key_expires_at_the_second_of_its_expiration() {
        let end = Time::from_unix(1_000);
        let mut key = ssh_key(Some(end));
        assert!(!key.is_expired(Time::from_unix(999)));
        assert!(key.is_expired(end));
        key.seen_expired = true;
        assert!(key.is_expired(Time::from_unix(0)));
        assert_eq!(key.public_line(), format!("{ED25519} me"));
        key.key = PublicKey::parse(ED25519, &KeyRules::default()).unwrap();
        assert_eq!(key.public_line(), ED25519);
    }

    fn ssh_key(expires_at: Option<Time>) -> SshKey {
        SshKey {
            id: Id::random(),
            owner: UserId(1),
            name: "laptop".into(),
            key: key("me"),
            allowed_addresses: AllowedAddresses::default(),
            options: KeyOptions::default(),
            created_at: Time::from_unix(1),
            expires_at,
            seen_expired: false,
            created_by: None,
            looked_up: None,
            used: None,
        }
    }

    #[test]
    fn version_changes_with_every_editable_field() {
        let created = ssh_key(None);
        let mut changed = [(); 5].map(|()| created.clone());
        changed[0].name = "desktop".into();
        changed[1].key = PublicKey::parse(ECDSA_P256, &KeyRules::default()).unwrap();
        changed[2].allowed_addresses = AllowedAddresses::parse(&["10.0.0.0/8"]).unwrap();
        changed[3].expires_at = Some(Time::from_unix(2));
        changed[4].options.restrict = true;
        let mut seen: Vec<String> = changed.iter().map(SshKey::version).collect();
        seen.push(created.version());
        assert_eq!(created.version(), created.clone().version());
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn key_that_lives_as_long_or_shorter_widens_nothing() {
        let at = |seconds| Some(Time::from_unix(seconds));
        for (before, after, widens) in [
            (at(100), at(99), false),
            (at(100), at(100), false),
            (at(100), at(101), true),
            (at(100), None, true),
            (None, None, false),
            (None, at(100), false),
        ] {
            let edited = ssh_key(after);
            let is_wider = edited.widens_access_of(&ssh_key(before));
            assert_eq!(is_wider, widens, "{before:?} {after:?}");
        }
    }
}
