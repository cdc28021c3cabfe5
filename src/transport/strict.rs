//! Header checks stricter than hyper's.

use hyper::header::{self, HeaderMap, HeaderValue};

use super::rejection::Rejection;

/// Rejects headers with two interpretations, and those for features that the server does not have.
pub fn check(headers: &HeaderMap) -> Result<(), Rejection> {
    // RFC 9112, 3.2: anything but one valid `Host` is answered 400.
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => {}
        (Some(_), None) => return Err(Rejection::malformed("The Host header is invalid.")),
        _ => {
            return Err(Rejection::malformed(
                "The request needs exactly one Host header.",
            ));
        }
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let first = encodings.next().map(HeaderValue::as_bytes);
        let chunked = first.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
        if !chunked || encodings.next().is_some() {
            return Err(Rejection::malformed(
                "The only supported Transfer-Encoding is chunked, once.",
            ));
        }
    }
    for expectation in headers.get_all(header::EXPECT) {
        if !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            return Err(Rejection::new(
                417,
                "The only supported Expect is 100-continue.",
            ));
        }
    }
    Ok(())
}

/// A name, an IPv4 address or an IPv6 address in brackets, with an optional port. RFC 3986, 3.2.2 and 3.2.3, without
/// characters that real names never have.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = if host.first() == Some(&b'[') {
        let Some(end) = host.iter().position(|&byte| byte == b']') else {
            return false;
        };
        let address = std::str::from_utf8(&host[1..end]).unwrap_or_default();
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        (&host[..end], &host[end + 1..])
    } else {
        let end = host
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(host.len());
        let (name, port) = host.split_at(end);
        let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if !name.iter().all(plain) {
            return false;
        }
        (name, port)
    };
    let port_is_right = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !name.is_empty() && name.len() <= 255 && port_is_right
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn host_header_of_name_or_address_is_valid() {
        for host in [
            "a",
            "keys.example.org",
            "127.0.0.1:8420",
            "[::1]:8420",
            "a_b",
            "a:",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a b", "a/b", "u@h", "a:b", "a:123456", "[::1", "[x]", "[::1]x", "a,b",
            "a:80:80", "a%41", "\u{e4}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
