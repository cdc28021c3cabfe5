//! Network addresses: lists of allowed_addresses that a credential may be used from.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Most allowed_addresses in one list.
pub const NETWORKS_MAX: usize = 32;

/// The allowed_addresses a credential may be used from; an empty list allows every address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedAddresses(Vec<IpNet>);

impl AllowedAddresses {
    /// Bytes beside the value itself, for caches with a limit.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.0.len() * size_of::<IpNet>()
    }

    /// Reads a list of allowed_addresses (`10.0.0.0/8`, `2001:db8::/32`) and single addresses; sorted, without repetition,
    /// bits outside the mask cleared.
    ///
    /// # Errors
    /// A sentence that names the entry at fault, or that there are more than 32.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, String> {
        if entries.len() > NETWORKS_MAX {
            return Err(format!("give at most {NETWORKS_MAX} networks"));
        }
        let mut allowed_addresses = Vec::with_capacity(entries.len());
        for entry in entries {
            allowed_addresses.push(parse_network(entry.as_ref())?);
        }
        allowed_addresses.sort_unstable();
        allowed_addresses.dedup();
        Ok(Self(allowed_addresses))
    }

    /// Reads what `to_string` wrote.
    ///
    /// # Errors
    /// A sentence, when it is something else.
    pub fn from_stored(text: &str) -> Result<Self, String> {
        let entries: Vec<&str> = text.split_ascii_whitespace().collect();
        Self::parse(&entries)
    }

    /// Whether every address is allowed.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is allowed. An IPv4 address written as IPv6 is the IPv4 address.
    #[must_use]
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether every address that this list allows is also allowed by `outer`.
    #[must_use]
    pub fn lie_within(&self, outer: &Self) -> bool {
        if outer.is_everywhere() {
            return true;
        }
        let contained = |network: &IpNet| outer.0.iter().any(|other| other.contains(network));
        !self.is_everywhere() && self.0.iter().all(contained)
    }

    /// Some address that is allowed: the first of the first network; `None` when all are.
    #[must_use]
    pub fn first_address(&self) -> Option<IpAddr> {
        self.0.first().map(IpNet::network)
    }

    /// Each network in CIDR notation.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(ToString::to_string)
    }
}

impl fmt::Display for AllowedAddresses {
    /// The allowed_addresses with a space between them.
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

/// One network or address.
///
/// # Errors
/// A sentence that names what was given.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let form = || {
        let shown: String = super::text::sanitize(text, 64);
        format!(
            "\"{shown}\" is no network: write one like 10.0.0.0/8, 2001:db8::/32 or a single address"
        )
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text.parse().map_err(|_| form())?;
    if let IpNet::V6(six) = network
        && six.prefix_len() >= 96
        && let Some(four) = six.addr().to_ipv4_mapped()
    {
        let network = ipnet::Ipv4Net::new(four, six.prefix_len() - 96).map_err(|_| form())?;
        return Ok(IpNet::V4(network.trunc()));
    }
    Ok(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed_addresses(list: &[&str]) -> AllowedAddresses {
        AllowedAddresses::parse(list).unwrap()
    }

    #[test]
    fn lists_are_canonical() {
        let list = allowed_addresses(&[
            "10.1.2.3/8",
            "127.0.0.1",
            "10.0.0.0/8",
            "::ffff:192.168.0.1",
            "2001:db8::1/32",
        ]);
        assert_eq!(
            list.to_string(),
            "10.0.0.0/8 127.0.0.1/32 192.168.0.1/32 2001:db8::/32"
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
    fn addresses_are_matched_in_their_canonical_form() {
        let list = allowed_addresses(&["10.0.0.0/8"]);
        assert!(list.allow("10.9.8.7".parse().unwrap()));
        assert!(list.allow("::ffff:10.9.8.7".parse().unwrap()));
        assert!(!list.allow("11.0.0.1".parse().unwrap()));
        assert!(!list.allow("::1".parse().unwrap()));
        assert!(allowed_addresses(&[]).allow("::1".parse().unwrap()));
    }

    #[test]
    fn a_list_lies_within_another_when_it_allows_no_address_more() {
        let outer = allowed_addresses(&["10.0.0.0/8", "2001:db8::/32"]);
        assert!(allowed_addresses(&["10.1.0.0/16"]).lie_within(&outer));
        assert!(outer.lie_within(&outer));
        assert!(outer.lie_within(&allowed_addresses(&[])));
        assert!(!allowed_addresses(&[]).lie_within(&outer));
        assert!(!allowed_addresses(&["10.1.0.0/16", "11.0.0.0/8"]).lie_within(&outer));
        assert!(!allowed_addresses(&["0.0.0.0/0"]).lie_within(&outer));
    }

    /// AllowedAddresses near one another, so that some lie within others.
    fn near() -> impl Strategy<Value = AllowedAddresses> {
        let four =
            (0..4_u8, 0..=2_u8, 0..=32_u8).prop_map(|(a, b, bits)| format!("10.{a}.{b}.0/{bits}"));
        let six = (0..4_u16, 0..=128_u8).prop_map(|(a, bits)| format!("fd00:{a}::/{bits}"));
        proptest::collection::vec(prop_oneof![four, six], 0..4)
            .prop_map(|entries| AllowedAddresses::parse(&entries).unwrap())
    }

    proptest! {
        /// A child that lies within its parent, and a grandchild within the child, reach no address that the parent does not.
        #[test]
        fn within_is_never_beyond(
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
    fn the_first_address_is_one_that_is_allowed() {
        assert_eq!(AllowedAddresses::default().first_address(), None);
        let list = allowed_addresses(&["10.1.2.0/24", "192.0.2.7"]);
        assert_eq!(list.first_address(), Some([10, 1, 2, 0].into()));
    }
}
