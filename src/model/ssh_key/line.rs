//! The line of `authorized_keys` for sshd: a decoded key and generated options.

use std::fmt;

use super::{KeyOptions, PublicKey, moment};
use crate::model::address::AllowedAddresses;
use crate::model::time::Time;

/// The form of `expiry-time=` for this host's sshd.
#[derive(Clone, Copy)]
pub enum ExpiryFormat<'a> {
    /// In UTC with a `Z`: from OpenSSH 9.1 on.
    Utc,
    /// In the host's local time: before OpenSSH 9.1, which rejects a key whose time has a `Z`.
    Local {
        /// The time zone: maps Unix seconds to the offset of local time from UTC in seconds, like `tm_gmtoff` of
        /// `localtime`.
        utc_offset_seconds: &'a dyn Fn(i64) -> i64,
    },
}

/// No line is written, which is safe: the expiration is in 1970, which sshd would take for "never".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRejection;

impl fmt::Display for LineRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the expiration of this key is too long ago to be written for sshd")
    }
}

impl std::error::Error for LineRejection {}

/// The line, without a line end: `expiry-time="…",from="…",restrict,command="…" TYPE BASE64`. It contains only decoded
/// values: no comment, and no stored text except a command within its quotes.
///
/// `expires_at` is the first moment at which the key is expired. sshd accepts a key until its clock is *past* the given
/// time (auth2-pubkeyfile.c: rejected if `valid_before < now`), so the line has one second less. Networks have no host
/// bits, with which sshd would reject the complete list. IPv4 never stands inside IPv6: sshd compares clients by their
/// IPv4 address.
pub fn authorized_line(
    key: &PublicKey,
    expires_at: Option<Time>,
    allowed_addresses: &AllowedAddresses,
    options: &KeyOptions,
    format: ExpiryFormat<'_>,
) -> Result<String, LineRejection> {
    let mut words = Vec::new();
    if let Some(expires_at) = expires_at {
        let time = expiry_time(expires_at, format)?;
        words.push(format!(r#"expiry-time="{time}""#));
    }
    if !allowed_addresses.is_everywhere() {
        let list: Vec<String> = allowed_addresses.iter().collect();
        words.push(format!(r#"from="{}""#, list.join(",")));
    }
    words.extend(options.to_sshd());
    if words.is_empty() {
        return Ok(key.to_openssh());
    }
    Ok(format!("{} {}", words.join(","), key.to_openssh()))
}

fn expiry_time(expires_at: Time, format: ExpiryFormat<'_>) -> Result<String, LineRejection> {
    /// 0 means "never" to sshd; a year is far enough from it in every time zone.
    const EARLIEST_SECONDS: i64 = 366 * 86_400;
    if expires_at.unix() < EARLIEST_SECONDS {
        return Err(LineRejection);
    }
    let last = expires_at.unix() - 1;
    Ok(match format {
        ExpiryFormat::Utc => moment::digits(Time::from_unix(last)) + "Z",
        ExpiryFormat::Local { utc_offset_seconds } => {
            let ahead = standard_offset_seconds(last, utc_offset_seconds);
            moment::digits(Time::from_unix(last.saturating_add(ahead)))
        }
    })
}

/// The zone offset that sshd before 9.1 uses when it reads a local time. It calls `mktime` with `tm_isdst = 0`, so the
/// time is standard time even in summer. Written in summer time, a key would live an hour too long. Standard time is
/// the smallest offset within half a year around. (Where a zone calls its *larger* one standard, as Dublin's does, the
/// key expires an hour early.)
fn standard_offset_seconds(around: i64, utc_offset_seconds: &dyn Fn(i64) -> i64) -> i64 {
    const STEP_SECONDS: i64 = 14 * 86_400;
    (-15..=15)
        .map(|step| utc_offset_seconds(around.saturating_add(step * STEP_SECONDS)))
        .min()
        .unwrap_or(0)
}
