//! Network prefixes that share one rate limit.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network whose addresses count as one for a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkPrefix(IpNet);

impl NetworkPrefix {
    /// The usual network of one subscriber: an IPv4 address, or an IPv6 /64.
    pub fn subscriber(address: IpAddr) -> Self {
        Self::with_lengths(address, 32, 64)
    }

    /// The usual network of one site: an IPv4 /24, or an IPv6 /48.
    pub fn site(address: IpAddr) -> Self {
        Self::with_lengths(address, 24, 48)
    }

    fn with_lengths(address: IpAddr, v4_bits: u8, v6_bits: u8) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpNet::V4(Ipv4Net::new_assert(address, v4_bits.min(32)).trunc()),
            IpAddr::V6(address) => {
                IpNet::V6(Ipv6Net::new_assert(address, v6_bits.min(128)).trunc())
            }
        })
    }
}

impl fmt::Display for NetworkPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_covers_subscriber_and_site() {
        for (address, subscriber, site) in [
            ("192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
            (
                "2001:db8:aaaa:bbbb:1:2:3:4",
                "2001:db8:aaaa:bbbb::/64",
                "2001:db8:aaaa::/48",
            ),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(NetworkPrefix::subscriber(address).to_string(), subscriber);
            assert_eq!(NetworkPrefix::site(address).to_string(), site);
        }
    }
}
