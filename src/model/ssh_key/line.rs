//! The line of `authorized_keys` that sshd is given: a decoded key and options of our own.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::{PublicKey, moment};

/// How this host's sshd reads `expiry-time=`.
#[derive(Clone, Copy)]
pub enum ExpiryFormat<'a> {
    /// In UTC with a `Z`: from OpenSSH 9.1 on.
    Utc,
    /// In the host's local time: before OpenSSH 9.1, which refuses a key whose time has a `Z`.
    Local {
        /// The time zone: from a moment in Unix seconds to the seconds that local time is ahead of
        /// UTC then, as `localtime` says it in `tm_gmtoff`.
        utc_offset_seconds: &'a dyn Fn(i64) -> i64,
    },
}

/// Why no line is written; the key is then left out, which is the safe side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRefusal {
    /// One of the addresses is not an address or a network.
    Address,
    /// The expiry is in 1970 or before, where sshd would take it for none.
    Expiry,
}

impl fmt::Display for LineRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "an allowed address of this key is not an IP address or network",
            Self::Expiry => "this key's expiry is too long ago to be written for sshd",
        })
    }
}

impl std::error::Error for LineRefusal {}

/// The line, without a line end: `expiry-time="…",from="…" TYPE BASE64`. It has only what was
/// decoded and what stands here: no comment, no text that was stored.
///
/// `expires_at` is in Unix seconds, and the first moment at which the key is no longer good. sshd
/// takes a key until its clock is *past* the time it was told (auth2-pubkeyfile.c: refused if
/// `valid_before < now`), so it is told one second less. `addresses` are IP addresses or networks
/// (RFC 4632, RFC 4291), none for anywhere.
///
/// # Errors
/// When one of the addresses or the expiry can't be written as it was meant.
pub fn authorized_line<A: AsRef<str>>(
    key: &PublicKey,
    expires_at: Option<i64>,
    addresses: &[A],
    format: ExpiryFormat<'_>,
) -> Result<String, LineRefusal> {
    let mut options = Vec::with_capacity(2);
    if let Some(expires_at) = expires_at {
        options.push(format!(
            r#"expiry-time="{}""#,
            expiry_time(expires_at, format)?
        ));
    }
    if !addresses.is_empty() {
        let networks: Option<Vec<String>> = addresses
            .iter()
            .map(|address| Network::parse(address.as_ref()).map(|network| network.to_string()))
            .collect();
        let networks = networks.ok_or(LineRefusal::Address)?;
        options.push(format!(r#"from="{}""#, networks.join(",")));
    }
    if options.is_empty() {
        return Ok(key.to_openssh());
    }
    Ok(format!("{} {}", options.join(","), key.to_openssh()))
}

fn expiry_time(expires_at: i64, format: ExpiryFormat<'_>) -> Result<String, LineRefusal> {
    /// 0 means "never" to sshd; a year keeps clear of it in every time zone.
    const EARLIEST_SECONDS: i64 = 366 * 86_400;
    if expires_at < EARLIEST_SECONDS {
        return Err(LineRefusal::Expiry);
    }
    // Nothing later than the year 9999 can be said; earlier than meant is safe.
    let last = (expires_at - 1).min(moment::LAST_SECONDS);
    let text = match format {
        ExpiryFormat::Utc => moment::digits(last).map(|digits| digits + "Z"),
        ExpiryFormat::Local { utc_offset_seconds } => {
            let ahead = standard_offset_seconds(last, utc_offset_seconds);
            moment::digits(last.saturating_add(ahead).min(moment::LAST_SECONDS))
        }
    };
    text.ok_or(LineRefusal::Expiry)
}

/// What sshd before 9.1 takes for the zone's offset when it reads a local time: it calls `mktime`
/// with `tm_isdst = 0`, so the time is standard time even in summer. Written in summer time, a key
/// would live an hour too long. Standard time is the smallest offset within half a year around
/// (where a zone calls its *larger* one standard, as Dublin's does, the key ends an hour early).
fn standard_offset_seconds(around: i64, utc_offset_seconds: &dyn Fn(i64) -> i64) -> i64 {
    const STEP_SECONDS: i64 = 14 * 86_400;
    (-15..=15)
        .map(|step| utc_offset_seconds(around.saturating_add(step * STEP_SECONDS)))
        .min()
        .unwrap_or(0)
}

/// An address or a network, written as sshd's `from=` wants it: host bits zero (others make it
/// refuse the whole list), no length for a single address, IPv4 never inside IPv6 (it compares
/// clients by their IPv4 address).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`. Host bits are cleared: the network stays the same.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::parse_as_written(text).map(Self::clear)
    }

    /// Reads one that is written as a network, without host bits.
    pub(super) fn parse_exact(text: &str) -> Option<Self> {
        let network = Self::parse_as_written(text)?;
        let cleared = network.clear();
        (cleared.address == network.address.to_canonical()).then_some(cleared)
    }

    fn parse_as_written(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let Some(prefix) = prefix else {
            return Some(Self {
                address,
                prefix_bits: bits,
            });
        };
        // "+8" and "08" would be read too.
        let is_plain =
            prefix == "0" || prefix.bytes().all(|b| b.is_ascii_digit()) && !prefix.starts_with('0');
        let prefix_bits = prefix.parse().ok().filter(|_| is_plain)?;
        (prefix_bits <= bits).then_some(Self {
            address,
            prefix_bits,
        })
    }

    fn clear(self) -> Self {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix_bits))
                    .unwrap_or(0);
                Self {
                    address: IpAddr::from((address.to_bits() & mask).to_be_bytes()),
                    ..self
                }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix_bits))
                    .unwrap_or(0);
                let address = Ipv6Addr::from_bits(address.to_bits() & mask);
                match address.to_ipv4_mapped() {
                    Some(address) if self.prefix_bits >= 96 => Self {
                        address: address.into(),
                        prefix_bits: self.prefix_bits - 96,
                    },
                    _ => Self {
                        address: address.into(),
                        ..self
                    },
                }
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_single = self.prefix_bits == if self.address.is_ipv4() { 32 } else { 128 };
        if is_single {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}
