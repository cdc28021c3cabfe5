//! The headers of `/verify`.

/// The headers of a 204. Each is always present, so that a client's own cannot pass through a proxy.
pub const IDENTITY_HEADERS: [&str; 7] = [
    "Remote-User",
    "Remote-Name",
    "Remote-Groups",
    "Keycroft-Credential",
    "Keycroft-Kind",
    "Keycroft-Permissions",
    "Keycroft-Expires",
];

/// Headers that may hold a secret, in the order in which they are read.
pub const SECRET_HEADERS: [&str; 2] = ["Authorization", "X-API-Key"];

/// The forwarding headers of proxies. Only `X-Forwarded-For` is read, and only from a trusted proxy.
pub const FORWARDING_HEADERS: [&str; 5] = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Real-IP",
];

/// Returns true for a header that must never be hop-by-hop (RFC 9110, 7.6.1): removing it changes the sender.
pub fn is_end_to_end(header: &str) -> bool {
    IDENTITY_HEADERS
        .iter()
        .chain(&SECRET_HEADERS)
        .chain(&FORWARDING_HEADERS)
        .any(|one| one.eq_ignore_ascii_case(header))
}
