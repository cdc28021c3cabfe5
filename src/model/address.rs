//! Network addresses: the addresses from which a credential may be used.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

/// Most networks in one list.
pub const ADDRESSES_MAX: usize = 32;

/// The addresses from which a credential may be used; an empty list allows every address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedAddresses(Vec<IpNet>);

impl AllowedAddresses {
    /// Bytes on the heap, for caches with a limit.
    pub const fn heap_bytes(&self) -> usize {
        self.0.len() * size_of::<IpNet>()
    }

    /// Parses networks (`10.0.0.0/8`, `2001:db8::/32`) and single addresses; sorted, without repetition.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, String> {
        if entries.len() > ADDRESSES_MAX {
            return Err(format!("give at most {ADDRESSES_MAX} networks"));
        }
        let mut allowed_addresses = Vec::with_capacity(entries.len());
        for entry in entries {
            allowed_addresses.push(parse_network(entry.as_ref())?);
        }
        allowed_addresses.sort_unstable();
        allowed_addresses.dedup();
        Ok(Self(allowed_addresses))
    }

    /// Parses the result of `to_string`.
    pub fn from_stored(text: &str) -> Result<Self, String> {
        let entries: Vec<&str> = text.split_ascii_whitespace().collect();
        Self::parse(&entries)
    }

    /// Returns whether every address is allowed.
    pub fn is_everywhere(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether `address` is allowed. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns whether `outer` allows every address of this list.
    pub fn lie_within(&self, outer: &Self) -> bool {
        if outer.is_everywhere() {
            return true;
        }
        let contained = |network: &IpNet| outer.0.iter().any(|other| other.contains(network));
        !self.is_everywhere() && self.0.iter().all(contained)
    }

    /// The first allowed address; `None` if all are allowed.
    pub fn first_address(&self) -> Option<IpAddr> {
        self.0.first().map(IpNet::network)
    }

    /// Advice about this list of trusted proxies, if it has more than single addresses.
    pub fn advice_as_proxies(&self) -> Option<String> {
        let wide = self
            .0
            .iter()
            .find(|network| network.prefix_len() < network.max_prefix_len())?;
        Some(format!(
            "--behind-proxy {wide} trusts many addresses: each machine in it can claim any client address; name only the proxies"
        ))
    }

    /// Each network in CIDR notation.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(ToString::to_string)
    }
}

impl fmt::Display for AllowedAddresses {
    /// The networks separated by spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            network.fmt(f)?;
        }
        Ok(())
    }
}

/// Advice about a peer that sends forwarding headers without being a trusted proxy.
pub fn untrusted_forwarder_advice(peer: &str) -> String {
    format!(
        "{peer} sends X-Forwarded-For and is not trusted, so all its clients have its address: if it is your proxy, start the server with --behind-proxy {peer}"
    )
}

/// The reason why a text is rejected as a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// Neither a network nor an address.
    Syntax,
    /// Bits outside the mask are set.
    HostBits(AmbiguousNetwork),
}

/// Two possible meanings of a network with bits outside its mask: the network without them, or a smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmbiguousNetwork {
    wide: IpNet,
    narrow: IpNet,
}

impl fmt::Display for AmbiguousNetwork {
    /// `10.0.0.0/8 or 10.0.0.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} or ", self.wide)?;
        if self.narrow.prefix_len() == self.narrow.max_prefix_len() {
            self.narrow.addr().fmt(f)
        } else {
            self.narrow.fmt(f)
        }
    }
}

/// Parses a network or an address. An IPv4-mapped one becomes IPv4.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let quoted = || super::text::sanitize(text, 64);
    read_network(text).map_err(|error| match error {
        NetworkError::Syntax => format!(
            "\"{}\" is not a network: expected one such as 10.0.0.0/8, 2001:db8::/32 or a single address",
            quoted()
        ),
        NetworkError::HostBits(meanings) => {
            format!(
                "\"{}\" has bits outside its mask: use {meanings}",
                quoted()
            )
        }
    })
}

/// As [`parse_network`], with a typed error.
pub fn read_network(text: &str) -> Result<IpNet, NetworkError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let written: IpNet = text.parse().map_err(|_| NetworkError::Syntax)?;
    let four = match written {
        IpNet::V6(six) => six.addr().to_ipv4_mapped(),
        IpNet::V4(_) => None,
    };
    // A prefix length below 96 may be meant as one of IPv4: ::ffff:10.0.0.0/8.
    let (network, other) = match (four, written.prefix_len()) {
        (Some(four), length @ 96..) => (network_of(four, length - 96), None),
        (Some(four), length) => (written, Some(network_of(four, length.min(32)).trunc())),
        (None, _) => (written, None),
    };
    if other.is_none() && network.addr() == network.network() {
        return Ok(network);
    }
    Err(NetworkError::HostBits(AmbiguousNetwork {
        wide: network.trunc(),
        narrow: other.unwrap_or_else(|| IpNet::from(network.addr())),
    }))
}

/// A network of at most 32 bits.
fn network_of(address: Ipv4Addr, length: u8) -> IpNet {
    ipnet::Ipv4Net::new(address, length)
        .map_or_else(|_| IpNet::from(IpAddr::V4(address)), IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed_addresses(list: &[&str]) -> AllowedAddresses {
        AllowedAddresses::parse(list).unwrap()
    }

    #[test]
    fn address_list_is_stored_in_canonical_form() {
        let list = allowed_addresses(&[
            "10.0.0.0/8",
            "127.0.0.1",
            "10.0.0.0/8",
            "::ffff:192.168.0.1",
            "::ffff:172.16.0.0/108",
            "2001:db8::/32",
        ]);
        assert_eq!(
            list.to_string(),
            "10.0.0.0/8 127.0.0.1/32 172.16.0.0/12 192.168.0.1/32 2001:db8::/32"
        );
        assert_eq!(
            AllowedAddresses::from_stored(&list.to_string()).unwrap(),
            list
        );
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0",
            "example.org",
            "10.0.0.0/8 ",
            "a\nb",
        ] {
            assert!(AllowedAddresses::parse(&[bad]).is_err(), "{bad}");
        }
        assert!(AllowedAddresses::parse(&vec!["10.0.0.1"; 32]).is_ok());
        assert!(AllowedAddresses::parse(&vec!["10.0.0.1"; 33]).is_err());
    }

    #[test]
    fn bits_outside_the_mask_are_rejected_with_both_meanings() {
        for (text, one, other) in [
            ("10.0.0.5/8", "10.0.0.0/8", "10.0.0.5"),
            ("10.1.2.3/0", "0.0.0.0/0", "10.1.2.3"),
            ("192.168.1.1/31", "192.168.1.0/31", "192.168.1.1"),
            ("2001:db8::1/32", "2001:db8::/32", "2001:db8::1"),
            ("::ffff:10.0.0.5/104", "10.0.0.0/8", "10.0.0.5"),
            ("::ffff:10.0.0.0/8", "::/8", "10.0.0.0/8"),
            ("::ffff:10.0.0.5/8", "::/8", "10.0.0.0/8"),
            ("::ffff:10.0.0.5/64", "::/64", "10.0.0.5"),
        ] {
            assert_eq!(
                AllowedAddresses::parse(&[text]),
                Err(format!(
                    "\"{text}\" has bits outside its mask: use {one} or {other}"
                ))
            );
            for meaning in [one, other] {
                assert!(
                    AllowedAddresses::parse(&[meaning]).is_ok(),
                    "{text}: {meaning}"
                );
            }
        }
        for (text, canonical) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:10.0.0.5/128", "10.0.0.5/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(allowed_addresses(&[text]).to_string(), canonical);
        }
    }

    #[test]
    fn address_is_matched_in_canonical_form() {
        let list = allowed_addresses(&["10.0.0.0/8"]);
        assert!(list.allow("10.9.8.7".parse().unwrap()));
        assert!(list.allow("::ffff:10.9.8.7".parse().unwrap()));
        assert!(!list.allow("11.0.0.1".parse().unwrap()));
        assert!(!list.allow("::1".parse().unwrap()));
        assert!(allowed_addresses(&[]).allow("::1".parse().unwrap()));
    }

    #[test]
    fn list_lies_within_another_if_it_allows_no_more() {
        let outer = allowed_addresses(&["10.0.0.0/8", "2001:db8::/32"]);
        assert!(allowed_addresses(&["10.1.0.0/16"]).lie_within(&outer));
        assert!(outer.lie_within(&outer));
        assert!(outer.lie_within(&allowed_addresses(&[])));
        assert!(!allowed_addresses(&[]).lie_within(&outer));
        assert!(!allowed_addresses(&["10.1.0.0/16", "11.0.0.0/8"]).lie_within(&outer));
        assert!(!allowed_addresses(&["0.0.0.0/0"]).lie_within(&outer));
    }

    /// Networks near one another, so that some lie within others.
    fn near() -> impl Strategy<Value = AllowedAddresses> {
        let four =
            (0..4_u8, 0..=2_u8, 0..=32_u8).prop_map(|(a, b, bits)| format!("10.{a}.{b}.0/{bits}"));
        let six = (0..4_u16, 0..=128_u8).prop_map(|(a, bits)| format!("fd00:{a}::/{bits}"));
        let complete = |text: String| text.parse::<IpNet>().unwrap().trunc().to_string();
        proptest::collection::vec(prop_oneof![four, six].prop_map(complete), 0..4)
            .prop_map(|entries| AllowedAddresses::parse(&entries).unwrap())
    }

    proptest! {
        /// A child within its parent, and a grandchild within the child, reach no address outside the parent.
        #[test]
        fn list_within_another_never_reaches_beyond_it(
            lists in proptest::collection::vec(near(), 3),
            a in 0..6_u8,
            b in any::<u16>(),
        ) {
            let [b1, b2] = b.to_be_bytes();
            let addresses = [
                IpAddr::from([10, a, b1, b2]),
                IpAddr::from([10, a, 0, 0]),
                IpAddr::from([0xfd00, u16::from(a), b, 0, 0, 0, 0, b]),
                IpAddr::from([b1, b2, a, 0]),
            ];
            for inner in &lists {
                prop_assert!(inner.lie_within(inner));
                prop_assert!(inner.lie_within(&AllowedAddresses::default()));
                for outer in &lists {
                    if inner.lie_within(outer) {
                        prop_assert!(addresses.iter().all(|one| !inner.allow(*one) || outer.allow(*one)));
                        for other in lists.iter().filter(|other| outer.lie_within(other)) {
                            prop_assert!(inner.lie_within(other));
                        }
                    } else {
                        prop_assert!(!outer.is_everywhere());
                    }
                }
            }
        }
    }

    #[test]
    fn first_address_is_allowed() {
        assert_eq!(AllowedAddresses::default().first_address(), None);
        let list = allowed_addresses(&["10.1.2.0/24", "192.0.2.7"]);
        assert_eq!(list.first_address(), Some([10, 1, 2, 0].into()));
    }

    #[test]
    fn advice_about_proxies_names_the_first_wide_network() {
        let single = allowed_addresses(&["127.0.0.1", "::1"]);
        assert_eq!(single.advice_as_proxies(), None);
        let wide = allowed_addresses(&["127.0.0.1", "192.0.2.0/31"]);
        let advice = wide.advice_as_proxies().unwrap();
        assert!(
            advice.starts_with("--behind-proxy 192.0.2.0/31 "),
            "{advice}"
        );
    }

    #[test]
    fn heap_bytes_grow_with_each_network() {
        assert_eq!(AllowedAddresses::default().heap_bytes(), 0);
        let list = allowed_addresses(&["10.1.2.0/24", "192.0.2.7"]);
        assert_eq!(list.heap_bytes(), 2 * size_of::<IpNet>());
    }
}
