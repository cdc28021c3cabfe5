//! Which servers are asked without the proxy that the environment names.

use std::net::IpAddr;

use super::connection::ServerAddress;
use crate::model::address::AllowedAddresses;
use crate::terminal::environment::variable;

/// Returns true for servers without a proxy: plain HTTP, which a proxy could read; this machine, whose loopback is not
/// the proxy's; and those in `NO_PROXY`.
pub fn is_direct(server: &ServerAddress) -> bool {
    let named = ["NO_PROXY", "no_proxy"].into_iter().find_map(variable);
    !server.is_https()
        || server.is_loopback()
        || named.is_some_and(|list| is_listed(server.name(), &list))
}

/// Returns true when `name` is in a list of names, suffixes (with or without a dot or `*.` in front), addresses, networks or `*`.
fn is_listed(name: &str, list: &str) -> bool {
    let address: Option<IpAddr> = name.parse().ok();
    let is_named = |entry: &str| {
        if let (Some(address), Ok(networks)) = (address, AllowedAddresses::parse(&[entry])) {
            return networks.allow(address);
        }
        let entry = entry.to_ascii_lowercase();
        let suffix = entry.trim_start_matches('*').trim_start_matches('.');
        entry == "*"
            || (!suffix.is_empty()
                && name
                    .strip_suffix(suffix)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    };
    list.split([',', ' '])
        .filter(|entry| !entry.is_empty())
        .any(is_named)
}

#[cfg(test)]
mod tests {
    use super::is_listed;

    #[test]
    fn names_suffixes_addresses_and_networks_are_listed() {
        for (name, list) in [
            ("keys.lab.example", "keys.lab.example"),
            ("keys.lab.example", "localhost, lab.example"),
            ("keys.lab.example", ".lab.example"),
            ("keys.lab.example", "*.LAB.example"),
            ("keys.lab.example", "*"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "192.168.0.0/16,10.1.2.3"),
            ("fd00::1", "fd00::/8"),
        ] {
            assert!(is_listed(name, list), "{name} {list}");
        }
        for (name, list) in [
            ("keys.lab.example", ""),
            ("keys.lab.example", "ab.example"),
            ("keys.lab.example.evil.example", "lab.example"),
            ("keys.lab.example", "10.0.0.0/8"),
            ("11.1.2.3", "10.0.0.0/8"),
            ("keys.lab.example", "., ,"),
        ] {
            assert!(!is_listed(name, list), "{name} {list}");
        }
    }
}
