//! The frame of the block for Caddy: `forward_auth`.

use std::net::IpAddr;

use super::ProxyArguments;
use super::requirement::{BlockPlace, lines};

/// The head of the site. Caddy listens on an address for any Host; a name limits it to this Host.
fn site_address(listen: &str) -> String {
    match listen.rsplit_once(':') {
        Some(("", port)) => format!("http://:{port} {{"),
        Some((host, port)) if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => {
            format!("http://:{port} {{\n    bind {host}")
        }
        _ => format!("http://{listen} {{"),
    }
}

pub fn block(print: &ProxyArguments) -> String {
    let ProxyArguments {
        name,
        listen,
        application,
        keycroft,
        ..
    } = print;
    let site_address = site_address(listen);
    let matcher = if print.allow_preflight {
        "@keycroft_verified "
    } else {
        ""
    };
    format!(
        "\
# {name}: Caddy verifies each request with Keycroft.
# Start Keycroft with --behind-proxy and the address of Caddy, so that it trusts Caddy's X-Forwarded-For.
{site_address}
    route {{
{site}{before}
        forward_auth {matcher}{keycroft} {{
{verification}        }}
{after}
        reverse_proxy {application}
    }}
}}
",
        site = lines(print, BlockPlace::Site, 8),
        before = lines(print, BlockPlace::Before, 8),
        verification = lines(print, BlockPlace::Verification, 12),
        after = lines(print, BlockPlace::After, 8),
    )
}

#[cfg(test)]
mod tests {
    use super::site_address;

    #[test]
    fn listen_address_is_bound_and_name_is_matched() {
        for (listen, head) in [
            ("127.0.0.1:8080", "http://:8080 {\n    bind 127.0.0.1"),
            ("[::1]:8080", "http://:8080 {\n    bind [::1]"),
            (":8080", "http://:8080 {"),
            ("app.lab.example:8080", "http://app.lab.example:8080 {"),
            ("app.lab.example", "http://app.lab.example {"),
        ] {
            assert_eq!(site_address(listen), head);
        }
    }
}
