//! Files that the command line reads: the host's cache, logs, settings, and scanned files.

use std::io::{self, Read};

use keycroft::cli::readers::{
    Config, Credentials, KeyCache, ServeFile, find_secrets, login_in_line, parse_saved,
};
use keycroft::model::host::is_fingerprint;
use keycroft::model::secret::{Digest, Id};
use keycroft::model::ssh_key::{ExpiryFormat, ImportedKey};
use keycroft::model::time::Time;
use keycroft::model::user::Username;
use keycroft::wire::AuthorizedKeysOut;

use super::{key, text};

/// A server's answer (JSON), a complete cache file, or one without its last line.
pub fn host_copy(bytes: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<AuthorizedKeysOut>(bytes) {
        let (cache, left_out) =
            KeyCache::from_answer(&answer, "\"tag\"", Time::from_unix(1_000_000));
        assert_eq!(cache.keys + left_out, answer.items.len());
        assert_eq!(
            KeyCache::decode(cache.encode().as_bytes()).as_ref(),
            Ok(&cache)
        );
        let logins = answer.items.iter().map(|item| item.login.as_str());
        let found: usize = keys_of(&cache, logins);
        assert!(found >= cache.keys, "a key got lost on its way to the file");
    }
    let content = String::from_utf8_lossy(bytes);
    let signed = format!("{content}end {}\n", Digest::new(content.as_bytes()).hex());
    for file in [bytes, signed.as_bytes()] {
        let Ok(cache) = KeyCache::decode(file) else {
            continue;
        };
        assert_eq!(
            KeyCache::decode(cache.encode().as_bytes()).as_ref(),
            Ok(&cache)
        );
        for now in [0, 1_000_000, 1_795_369_800, i64::MAX] {
            let now = Time::from_unix(now);
            if cache.check(now).is_ok() {
                assert!(now.since(cache.fetched_at) < cache.cache_age_max);
                assert!(cache.fetched_at.unix() <= now.unix() + 60);
            }
        }
        let lines = content.split(['\n', '\r']);
        keys_of(&cache, lines.filter_map(|line| line.split('\t').next()));
    }
}

/// The number of keys for these logins, each decoded.
fn keys_of<'a>(cache: &KeyCache, logins: impl Iterator<Item = &'a str>) -> usize {
    let mut count = 0;
    for login in logins.filter_map(|login| Username::parse(login).ok()) {
        for found in cache.keys_of(&login) {
            assert_eq!(found.login, login);
            let row = ImportedKey {
                key: found.key,
                expires_at: found.expires_at,
                allowed_addresses: found.allowed_addresses,
                options: found.options,
            };
            if let Ok(line) = key::line_of(&row, ExpiryFormat::Utc) {
                key::assert_one_line(&line, &row);
            }
            count += 1;
        }
    }
    count
}

/// A line of a log: text of remote users in it is not a login.
pub fn login_line(bytes: &[u8]) {
    let now = Time::from_unix(1_795_369_800);
    let Some(login) = login_in_line(bytes, now) else {
        return;
    };
    assert!(is_fingerprint(&login.fingerprint));
    assert!(login.address.parse::<std::net::IpAddr>().is_ok());
    assert!(Time::parse(&login.at).is_ok());
    assert!(!login.login.contains(' '));
    let line = std::str::from_utf8(bytes).unwrap();
    if line.starts_with('{') {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["_UID"], "0");
        let program = entry["_COMM"].as_str().unwrap();
        assert!(matches!(program, "sshd" | "sshd-session"));
        let message = entry["MESSAGE"].as_str().unwrap();
        assert!(message.starts_with(&format!("Accepted publickey for {} from ", login.login)));
    } else {
        // Only the first tag of the line stands before it, which is sshd's.
        let message = if line.starts_with("Accepted ") {
            line
        } else {
            let (head, message) = line.split_once("]: ").unwrap();
            let tag = head.rsplit(' ').next().unwrap();
            assert!(tag.starts_with("sshd[") || tag.starts_with("sshd-session["));
            message
        };
        let printed = format!("Accepted publickey for {} from ", login.login);
        assert!(message.starts_with(&printed), "{line}");
    }
}

pub fn settings_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.matches('\n').count() + 1;
    if let Err((line, message)) = ServeFile::parse(&text) {
        assert!((1..=lines).contains(&line), "{line} of {lines}");
        assert!(!message.contains('\n') && !message.is_empty());
    }
    match parse_saved::<Config>(&text) {
        Ok(config) => {
            let written = toml::to_string(&config).unwrap();
            let again: Config = parse_saved(&written).unwrap();
            assert_eq!(toml::to_string(&again).unwrap(), written);
        }
        Err(line) => assert!((1..=lines).contains(&line)),
    }
    match parse_saved::<Credentials>(&text) {
        Ok(credentials) => {
            let written = toml::to_string(&credentials).unwrap();
            let again: Credentials = parse_saved(&written).unwrap();
            assert_eq!(toml::to_string(&again).unwrap(), written);
        }
        Err(line) => assert!((1..=lines).contains(&line)),
    }
}

/// Returns a few bytes at a time, and is sometimes interrupted, like a pipe.
struct Pipe<'a> {
    rest: &'a [u8],
    most: usize,
    is_interrupted: bool,
}

impl Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.most.min(self.rest.len()).min(into.len());
        let (given, rest) = self.rest.split_at(length);
        into[..length].copy_from_slice(given);
        self.rest = rest;
        Ok(length)
    }
}

/// The first byte is the number of bytes at a time.
pub fn scan(bytes: &[u8]) {
    let Some((most, bytes)) = bytes.split_first() else {
        return;
    };
    let bytes = text::with_checks(bytes);
    let expected: Vec<(usize, Id)> = text::places(&bytes)
        .into_iter()
        .map(|place| {
            let line = 1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count();
            let id = std::str::from_utf8(&bytes[place + 4..place + 16]).unwrap();
            (line, Id::parse(id).unwrap())
        })
        .collect();
    let pipe = Pipe {
        rest: &bytes,
        most: usize::from(*most).max(1),
        is_interrupted: false,
    };
    let mut found = Vec::new();
    let tell = |line, id| {
        found.push((line, id));
        Ok::<(), io::Error>(())
    };
    find_secrets(pipe, tell, |error| error).unwrap();
    assert_eq!(found, expected);
}
