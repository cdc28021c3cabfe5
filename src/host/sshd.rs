//! This machine's own sshd: which it is, and how it reads the time at which a key ends.

use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum;
use time::{OffsetDateTime, UtcOffset};

pub mod inspect;
pub mod running;

use crate::clock::Clock;
use crate::model::ssh_key::{ExpiryFormat, KeyOptions, SshdVersion};
use crate::terminal::exit::{FAILED, Failure};

/// Paths of sshd, by distribution; the first existing one is used.
const SSHD_PATHS: [&str; 4] = [
    "/usr/sbin/sshd",
    "/usr/local/sbin/sshd",
    "/usr/bin/sshd",
    "/run/current-system/sw/bin/sshd",
];
/// The first version that reads times in UTC.
const UTC_FROM: SshdVersion = SshdVersion(9, 1);

/// How this machine's sshd reads `expiry-time=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpiryTime {
    /// Use the version of this machine's sshd
    Auto,
    /// In UTC, with a Z
    Utc,
    /// In local time, which every version reads
    Local,
}

impl ExpiryTime {
    /// The form of expirations that this sshd reads.
    pub fn expiries(self) -> Result<Expiries, Failure> {
        let is_utc = match self {
            Self::Auto => version().is_some_and(|version| version >= UTC_FROM),
            Self::Utc => true,
            Self::Local => false,
        };
        if is_utc {
            return Ok(Expiries::Utc);
        }
        // A version that is not known reads local time in any case.
        match offset_seconds(Clock::System.now().unix()) {
            Some(_) => Ok(Expiries::Local),
            None => Err(Failure::new(
                FAILED,
                "the time zone of this machine is unknown, so expirations can't be written for sshd",
            )
            .hint("--expiry-time utc, if this machine has OpenSSH 9.1 or later")),
        }
    }
}

/// In which form the ends of keys are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiries {
    Utc,
    Local,
}

impl Expiries {
    /// The same for the line of a key.
    pub fn format(self) -> ExpiryFormat<'static> {
        match self {
            Self::Utc => ExpiryFormat::Utc,
            // Beyond the years that can be said, any moment will do that is not later than meant.
            Self::Local => ExpiryFormat::Local {
                utc_offset_seconds: &|moment| offset_seconds(moment).unwrap_or_default(),
            },
        }
    }
}

/// How far local time is ahead of UTC at a moment.
fn offset_seconds(moment: i64) -> Option<i64> {
    let moment = OffsetDateTime::from_unix_timestamp(moment).ok()?;
    let offset = UtcOffset::local_offset_at(moment).ok()?;
    Some(i64::from(offset.whole_seconds()))
}

/// Where this machine's sshd is.
pub fn program() -> Option<&'static str> {
    let mut paths = SSHD_PATHS.into_iter();
    paths.find(|path| Path::new(path).is_file())
}

/// The keys whose protective options this machine's sshd knows, and why the others are left out. Most keys have none for
/// which the version matters; then nobody asks for it.
pub fn understood<K>(
    keys: Vec<&K>,
    options: impl Fn(&K) -> &KeyOptions,
) -> (Vec<&K>, Vec<(&K, String)>) {
    let depends = keys.iter().any(|key| options(key).depend_on_version());
    understood_by(if depends { version() } else { None }, keys, options)
}

fn understood_by<K>(
    version: Option<SshdVersion>,
    keys: Vec<&K>,
    options: impl Fn(&K) -> &KeyOptions,
) -> (Vec<&K>, Vec<(&K, String)>) {
    let (mut known, mut left_out) = (Vec::new(), Vec::new());
    for key in keys {
        match version.and_then(|version| options(key).unknown_to(version)) {
            None => known.push(key),
            Some(option) => left_out.push((
                key,
                format!(
                    "this machine's sshd is too old for the option {option}; the key is left out"
                ),
            )),
        }
    }
    (known, left_out)
}

/// The version of this machine's sshd. Before 9.2 it does not know `-V`, and says its version in the complaint.
fn version() -> Option<SshdVersion> {
    let message = Command::new(program()?)
        .arg("-V")
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_version(&message.stderr).or_else(|| parse_version(&message.stdout))
}

/// Major and minor of `OpenSSH_9.2p1`.
fn parse_version(message: &[u8]) -> Option<SshdVersion> {
    let message = String::from_utf8_lossy(message);
    let (_, version) = message.split_once("OpenSSH_")?;
    let (major, rest) = version.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(SshdVersion(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_the_output_of_sshd() {
        let message = [
            (
                "OpenSSH_9.2, OpenSSL 3.0.19 27 Jan 2026\n",
                Some(SshdVersion(9, 2)),
            ),
            (
                "OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1\n",
                Some(SshdVersion(10, 0)),
            ),
            (
                "unknown option -- V\nOpenSSH_8.9p1 Ubuntu-3ubuntu0.10, OpenSSL 3.0.2\nusage: sshd [-46DdeiqTt]",
                Some(SshdVersion(8, 9)),
            ),
            ("OpenSSH_9", None),
            ("OpenSSH_for.Windows", None),
            ("", None),
        ];
        for (text, version) in message {
            assert_eq!(parse_version(text.as_bytes()), version, "{text}");
        }
        assert!(
            SshdVersion(8, 9) < UTC_FROM
                && SshdVersion(9, 1) >= UTC_FROM
                && SshdVersion(10, 0) >= UTC_FROM
        );
    }

    #[test]
    fn keys_that_need_a_newer_sshd_are_left_out() {
        let plain = KeyOptions::default();
        let verified = KeyOptions {
            verify_required: true,
            ..KeyOptions::default()
        };
        let split = |version| {
            let (known, left_out) =
                understood_by(version, vec![&plain, &verified], |options| options);
            (known.len(), left_out.len())
        };
        assert_eq!(split(Some(SshdVersion(8, 3))), (1, 1));
        assert_eq!(split(Some(SshdVersion(8, 4))), (2, 0));
        // sshd itself refuses a line with an option that it does not know.
        assert_eq!(split(None), (2, 0));
    }

    #[test]
    fn explicit_expiry_time_form_needs_no_detection() {
        assert_eq!(ExpiryTime::Utc.expiries().unwrap(), Expiries::Utc);
    }
}
