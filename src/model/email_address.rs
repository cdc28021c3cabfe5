//! E-mail addresses of users.

use std::fmt;

/// Longest address, in bytes (RFC 5321, 4.5.3.1.3, without the angle brackets).
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest part before the @, in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// An address of a mailbox: ASCII, without quotes and comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Parses `local@domain`. The domain becomes lower case.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "expected an address such as alice@lab.example";
        let text = text.trim();
        if text.len() > ADDRESS_BYTES_MAX {
            return Err("use at most 254 characters");
        }
        let (local, domain) = text.rsplit_once('@').ok_or(FORM)?;
        if !domain.is_ascii() {
            return Err("expected the domain in its ASCII form, which begins with xn--");
        }
        let is_atom =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let is_local = local.len() <= LOCAL_BYTES_MAX
            && local
                .split('.')
                .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom));
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !is_local || !domain.split('.').all(is_label) {
            return Err(FORM);
        }
        Ok(Self(format!("{local}@{}", domain.to_ascii_lowercase())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The addresses of a user.
#[derive(Debug, Clone, Default)]
pub struct UserEmail {
    /// Receives notices.
    pub confirmed: Option<EmailAddress>,
    /// Waits for its confirmation by a link.
    pub pending: Option<EmailAddress>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_are_accepted() {
        for (text, address) in [
            ("alice@lab.example", "alice@lab.example"),
            (" Alice.B+keys@LAB.Example ", "Alice.B+keys@lab.example"),
            ("root@localhost", "root@localhost"),
            ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ] {
            assert_eq!(EmailAddress::parse(text).unwrap().as_str(), address);
        }
    }

    #[test]
    fn hostile_or_malformed_addresses_are_rejected() {
        for text in [
            "",
            "alice",
            "@lab.example",
            "alice@",
            "alice@@lab.example",
            "a b@lab.example",
            "alice@lab example",
            "alice@lab.example\r\nBcc: x@example.com",
            "alice@lab.example,bob@lab.example",
            "<alice@lab.example>",
            "\"alice\"@lab.example",
            "alice.@lab.example",
            "al\u{ef}ce@lab.example",
            "alice@b\u{fc}cher.example",
            "alice@-lab.example",
            "alice@lab..example",
            "alice@[10.0.0.1]",
            &format!("{}@lab.example", "a".repeat(65)),
            &format!("alice@{}.example", "a".repeat(64)),
            &format!("alice@{}example", "a.".repeat(150)),
        ] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn address_may_have_254_characters() {
        let longest = format!("alice@{}.{}", "a.".repeat(120), "b".repeat(7));
        let longest = longest.replace("..", ".");
        let address = format!("{}{}", longest, "b".repeat(254 - longest.len()));
        assert!(EmailAddress::parse(&address).is_ok());
        assert!(EmailAddress::parse(&(address + "b")).is_err());
    }
}
