//! The cache of a host: the keys of all logins, one line each, so that those of one login are found without parsing the rest.

use std::fmt::Write;
use std::time::Duration;

use data_encoding::BASE64;

use crate::model::address::AllowedAddresses;
use crate::model::secret::Digest;
use crate::model::ssh_key::{ForcedCommand, ForwardTarget, KeyOptions, PublicKey};
use crate::model::time::Time;
use crate::model::user::Username;
use crate::wire::{AuthorizedKeysOut, LoginKeyOut};

/// The first line.
const FIRST: &str = "keycroft-copy 2";
/// How far the clock of this machine may have been set back since the cache was fetched.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// A key for sshd, built from the decoded public key alone.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    pub login: Username,
    /// The login is shared; otherwise it belongs to the owner of the key.
    pub is_shared: bool,
    pub key: PublicKey,
    pub expires_at: Option<Time>,
    pub allowed_addresses: AllowedAddresses,
    pub options: KeyOptions,
}

impl TrustedKey {
    /// Parses a key of the server; `None` when any part of it is incomplete.
    pub fn from_item(item: &LoginKeyOut) -> Option<Self> {
        let expires_at = match &item.expires_at {
            None => None,
            Some(text) => Some(Time::parse(text).ok()?),
        };
        let key = PublicKey::from_stored(&item.key, "").ok()?;
        let is_consistent = key.fingerprint() == item.fingerprint && key.kind().name() == item.kind;
        Some(Self {
            login: Username::parse(&item.login).ok()?,
            is_shared: item.shared,
            key: Some(key).filter(|_| is_consistent)?,
            expires_at,
            allowed_addresses: AllowedAddresses::parse(&item.allowed_addresses).ok()?,
            options: item.options.parse().ok()?,
        })
    }

    fn write(&self, text: &mut String) {
        let end = self
            .expires_at
            .map_or_else(|| "-".to_owned(), |end| end.unix().to_string());
        let allowed_addresses = if self.allowed_addresses.is_everywhere() {
            "-".to_owned()
        } else {
            self.allowed_addresses.iter().collect::<Vec<_>>().join(",")
        };
        // Writing into a text can't fail.
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{end}\t{allowed_addresses}\t{}",
            self.login,
            if self.is_shared { "shared" } else { "own" },
            self.key.base64(),
            encode_options(&self.options)
        );
    }

    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let login = Username::parse(fields.next()?).ok()?;
        let is_shared = match fields.next()? {
            "shared" => true,
            "own" => false,
            _ => return None,
        };
        let key = PublicKey::from_stored(fields.next()?, "").ok()?;
        let expires_at = match fields.next()? {
            "-" => None,
            text => Some(Time::from_unix(text.parse().ok()?)),
        };
        let allowed_addresses = match fields.next()? {
            "-" => AllowedAddresses::default(),
            list => AllowedAddresses::parse(&list.split(',').collect::<Vec<_>>()).ok()?,
        };
        let options = decode_options(fields.next()?)?;
        fields.next().is_none().then_some(Self {
            login,
            is_shared,
            key,
            expires_at,
            allowed_addresses,
            options,
        })
    }
}

/// The options as one field: `-` for none, else the flags as 0 or 1, the destinations and the command, whose bytes are
/// in base64: `100 db:5432,[::1]:* ZWNobyBoaQ==`.
fn encode_options(options: &KeyOptions) -> String {
    if options.is_empty() {
        return "-".to_owned();
    }
    let flags = [
        options.restrict,
        options.no_touch_required,
        options.verify_required,
    ];
    let flags: String = flags
        .map(|is_set| if is_set { '1' } else { '0' })
        .iter()
        .collect();
    let command = options.command.as_ref().map_or("", ForcedCommand::as_str);
    let destinations = options.stored_permitopen().replace(' ', ",");
    format!(
        "{flags} {destinations} {}",
        BASE64.encode(command.as_bytes())
    )
}

/// Reads what [`encode_options`] wrote; `None` when it is something else.
fn decode_options(text: &str) -> Option<KeyOptions> {
    if text == "-" {
        return Some(KeyOptions::default());
    }
    let [flags, destinations, command] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
    if flags.len() != 3 {
        return None;
    }
    let flag = |at: usize| match flags.as_bytes().get(at) {
        Some(b'0') => Some(false),
        Some(b'1') => Some(true),
        _ => None,
    };
    let command = String::from_utf8(BASE64.decode(command.as_bytes()).ok()?).ok()?;
    let command = Some(command).filter(|command| !command.is_empty());
    let entries: Vec<&str> = destinations
        .split(',')
        .filter(|entry| !entry.is_empty())
        .collect();
    Some(KeyOptions {
        restrict: flag(0)?,
        no_touch_required: flag(1)?,
        verify_required: flag(2)?,
        command: command
            .map(|text| ForcedCommand::parse(&text))
            .transpose()
            .ok()?,
        permitopen: ForwardTarget::parse_list(&entries).ok()?,
    })
}

/// The reason for not using a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheError {
    /// Cut off, or not written by this program.
    Damaged,
    /// Fetched later than now: the clock was set back.
    FromTheFuture,
    /// Older than an admin allows.
    TooOld { age: Duration, max: Duration },
}

impl std::fmt::Display for CacheError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged => f.write_str("the cache is cut off or damaged"),
            Self::FromTheFuture => f.write_str("the time of the cache is in the future"),
            Self::TooOld { age, max } => write!(
                f,
                "the cache is {} s old; its maximum age is {} s",
                age.as_secs(),
                max.as_secs()
            ),
        }
    }
}

/// The keys of all logins as of the last sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCache {
    /// When it was fetched, or the server last confirmed it.
    pub fetched_at: Time,
    pub cache_age_max: Duration,
    /// The ETag of the answer.
    pub tag: String,
    /// The number of keys.
    pub keys: usize,
    /// One line for each key.
    lines: String,
}

impl KeyCache {
    /// The cache of an answer without incomplete keys, and the number of those.
    pub fn from_answer(answer: &AuthorizedKeysOut, tag: &str, fetched_at: Time) -> (Self, usize) {
        let trusted: Vec<TrustedKey> = answer
            .items
            .iter()
            .filter_map(TrustedKey::from_item)
            .collect();
        let mut lines = String::new();
        for key in &trusted {
            key.write(&mut lines);
        }
        let left_out = answer.items.len() - trusted.len();
        // A newer program may understand the keys that are left out, and then has to fetch them.
        let is_tag = left_out == 0 && tag.bytes().all(|b| b.is_ascii_graphic());
        let cache = Self {
            fetched_at,
            cache_age_max: Duration::from_secs(answer.cache_age_max),
            tag: if is_tag {
                tag.to_owned()
            } else {
                String::new()
            },
            keys: trusted.len(),
            lines,
        };
        (cache, left_out)
    }

    /// As a file.
    pub fn encode(&self) -> String {
        let mut text = format!(
            "{FIRST}\nfetched_at {}\ncache_age_max {}\ntag {}\nkeys {}\n{}",
            self.fetched_at.unix(),
            self.cache_age_max.as_secs(),
            self.tag,
            self.keys,
            self.lines
        );
        let digest = Digest::new(text.as_bytes()).hex();
        let _ = writeln!(text, "end {digest}");
        text
    }

    /// Reads a file.
    pub fn decode(bytes: &[u8]) -> Result<Self, CacheError> {
        let text = std::str::from_utf8(bytes).map_err(|_| CacheError::Damaged)?;
        Self::read(text).ok_or(CacheError::Damaged)
    }

    fn read(text: &str) -> Option<Self> {
        let complete = text.strip_suffix('\n')?;
        let end = complete.rfind("\nend ")? + 1;
        let digest = complete.get(end + "end ".len()..)?;
        if Digest::new(text.get(..end)?.as_bytes()).hex() != digest {
            return None;
        }
        let mut rest = text.get(..end)?.strip_prefix(FIRST)?.strip_prefix('\n')?;
        let mut field = |name: &str| {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            line.strip_prefix(name)?.strip_prefix(' ')
        };
        Some(Self {
            fetched_at: Time::from_unix(field("fetched_at")?.parse().ok()?),
            cache_age_max: Duration::from_secs(field("cache_age_max")?.parse().ok()?),
            tag: field("tag")?.to_owned(),
            keys: field("keys")?.parse().ok()?,
            lines: rest.to_owned(),
        })
    }

    /// Requires that the cache is valid at `now`.
    pub fn check(&self, now: Time) -> Result<(), CacheError> {
        if self.fetched_at > now.after(AHEAD_MAX) {
            return Err(CacheError::FromTheFuture);
        }
        let age = now.since(self.fetched_at);
        if age >= self.cache_age_max {
            let max = self.cache_age_max;
            return Err(CacheError::TooOld { age, max });
        }
        Ok(())
    }

    /// The keys that open a login.
    pub fn keys_of(&self, login: &Username) -> Vec<TrustedKey> {
        let start = format!("{login}\t");
        self.lines
            .lines()
            .filter(|line| line.starts_with(&start))
            .filter_map(TrustedKey::read)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::SshKeyOptionsOut;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf";
    const FINGERPRINT: &str = "SHA256:2PCbHJmLR42T0SxXM+lo5Wng3l0I8qiokDz8hAbTKSI";

    fn item(login: &str, expires_at: Option<&str>) -> LoginKeyOut {
        LoginKeyOut {
            login: login.to_owned(),
            username: "alice".to_owned(),
            shared: login != "alice",
            kind: "ssh-ed25519".to_owned(),
            key: KEY.to_owned(),
            fingerprint: FINGERPRINT.to_owned(),
            expires_at: expires_at.map(str::to_owned),
            allowed_addresses: vec!["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()],
            options: SshKeyOptionsOut {
                restrict: true,
                command: Some("echo \"a\tb\"".replace('\t', " ")),
                permitopen: vec!["[::1]:*".to_owned(), "db:1".to_owned()],
                ..SshKeyOptionsOut::default()
            },
        }
    }

    fn cache() -> KeyCache {
        let answer = AuthorizedKeysOut {
            rotate_credential: false,
            items: vec![
                item("alice", None),
                item("ubuntu", Some("2027-01-01T00:00:00Z")),
            ],
            cache_age_max: 600,
        };
        let (cache, left_out) =
            KeyCache::from_answer(&answer, "\"abc\"", Time::from_unix(1_000_000));
        assert_eq!(left_out, 0);
        cache
    }

    fn login(name: &str) -> Username {
        Username::parse(name).unwrap()
    }

    #[test]
    fn cache_is_read_back_with_all_keys() {
        let read = KeyCache::decode(cache().encode().as_bytes()).unwrap();
        assert_eq!(read, cache());
        assert_eq!(read.keys, 2);
        let found = read.keys_of(&login("ubuntu"));
        assert_eq!(found.len(), 1);
        assert!(found[0].is_shared);
        assert!(!read.keys_of(&login("alice"))[0].is_shared);
        assert_eq!(found[0].key.fingerprint(), FINGERPRINT);
        assert_eq!(
            found[0].expires_at,
            Time::parse("2027-01-01T00:00:00Z").ok()
        );
        assert_eq!(
            found[0].allowed_addresses.to_string(),
            "10.0.0.0/8 fd00::/8"
        );
        assert!(read.keys_of(&login("alic")).is_empty());
        assert!(read.keys_of(&login("root")).is_empty());
    }

    #[test]
    fn options_are_read_back_and_damaged_ones_skip_the_key() {
        let found = cache().keys_of(&login("alice"));
        assert_eq!(
            found[0].options.to_string(),
            r#"restrict command="echo \"a b\"" permitopen="[::1]:*" permitopen="db:1""#
        );
        assert_eq!(decode_options("-"), Some(KeyOptions::default()));
        assert_eq!(
            decode_options("001  ").map(|options| options.verify_required),
            Some(true)
        );
        for damaged in [
            "",
            "1",
            "10  ",
            "2 0  ",
            "200  ",
            "100 a ",
            "100  !",
            "100  YQpi",
            "100   ",
            "100  /w==",
        ] {
            assert_eq!(decode_options(damaged), None, "{damaged:?}");
        }
        // The first format has no options: such a cache is fetched again.
        let first = cache()
            .encode()
            .replacen("keycroft-copy 2", "keycroft-copy 1", 1);
        let (content, _) = first.rsplit_once("end ").unwrap();
        let signed = format!("{content}end {}\n", Digest::new(content.as_bytes()).hex());
        assert_eq!(
            KeyCache::decode(signed.as_bytes()),
            Err(CacheError::Damaged)
        );
    }

    #[test]
    fn cache_with_a_lost_or_changed_byte_is_rejected() {
        let text = cache().encode();
        for length in 0..text.len() {
            assert_eq!(
                KeyCache::decode(&text.as_bytes()[..length]),
                Err(CacheError::Damaged),
                "{length}"
            );
        }
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] ^= 1;
            assert_eq!(
                KeyCache::decode(&changed),
                Err(CacheError::Damaged),
                "{place}"
            );
        }
        assert!(KeyCache::decode(format!("{text}alice\tx\n").as_bytes()).is_err());
        assert!(KeyCache::decode(b"").is_err());
    }

    #[test]
    fn cache_is_valid_from_its_fetch_to_its_maximum_age() {
        let cache = cache();
        let at = |seconds: i64| cache.check(Time::from_unix(1_000_000 + seconds));
        assert_eq!(at(0), Ok(()));
        assert_eq!(at(599), Ok(()));
        assert!(matches!(at(600), Err(CacheError::TooOld { .. })));
        assert_eq!(at(-60), Ok(()));
        assert_eq!(at(-61), Err(CacheError::FromTheFuture));
        let never = KeyCache {
            cache_age_max: Duration::ZERO,
            ..cache.clone()
        };
        assert!(never.check(Time::from_unix(1_000_000)).is_err());
    }

    #[test]
    fn incomplete_keys_are_left_out() {
        let change: [fn(&mut LoginKeyOut); 9] = [
            |item| item.login = "alice\nroot".to_owned(),
            |item| item.key.push_str("\ncommand=\"sh\""),
            |item| item.key = "AAAA".to_owned(),
            |item| item.kind = "ssh-rsa".to_owned(),
            |item| item.fingerprint = "SHA256:other".to_owned(),
            |item| item.expires_at = Some("soon".to_owned()),
            |item| item.allowed_addresses = vec!["*\",command=\"sh".to_owned()],
            |item| item.options.command = Some("a\nb".to_owned()),
            |item| item.options.permitopen = vec!["a:1\",command=\"sh".to_owned()],
        ];
        for (place, change) in change.iter().enumerate() {
            let mut bad = item("alice", None);
            change(&mut bad);
            assert!(TrustedKey::from_item(&bad).is_none(), "{place}");
            let answer = AuthorizedKeysOut {
                rotate_credential: false,
                items: vec![bad, item("bob", None)],
                cache_age_max: 1,
            };
            let (cache, left_out) = KeyCache::from_answer(&answer, "\"x\"", Time::from_unix(0));
            assert_eq!((cache.keys, left_out), (1, 1));
            assert_eq!(
                cache.tag, "",
                "a newer program fetches what this one left out"
            );
        }
    }
}
