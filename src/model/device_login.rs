//! A pending login of the command line (RFC 8628).

use std::fmt;
use std::net::IpAddr;

use super::permission::Permissions;
use super::secret::{Id, random_characters};
use super::time::{Lifetime, Time};
use super::user::UserId;

/// No vowels, so that no words come out, and no letters that look like digits (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS_COUNT: usize = 8;

/// The code that a person types: eight letters, shown as `BCDF-GHJK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserCode([u8; LETTERS_COUNT]);

impl UserCode {
    pub fn random() -> Self {
        Self(random_characters(LETTERS))
    }

    /// Parses typed text: capitals, dashes and spaces don't matter. `None` if it can't be a code.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let letters: Vec<u8> = text
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '–' | '.'))
            .map(|c| u8::try_from(c.to_ascii_uppercase()).unwrap_or(0))
            .collect();
        let letters: [u8; LETTERS_COUNT] = letters.try_into().ok()?;
        letters
            .iter()
            .all(|letter| LETTERS.contains(letter))
            .then_some(Self(letters))
    }

    /// The eight letters alone, as stored.
    pub fn letters(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a user code is made of ASCII letters alone")
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.letters().split_at(LETTERS_COUNT / 2);
        write!(f, "{first}-{second}")
    }
}

/// The person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceDecision {
    /// Approved with this session.
    Approved(Id),
    Denied,
}

/// A pending login.
#[derive(Debug, Clone)]
pub struct DeviceLogin {
    /// The id of the device code.
    pub code: Id,
    pub user_code: UserCode,
    /// The reported name of the computer, which is not trusted.
    pub computer: String,
    pub program: String,
    /// The client address of the device.
    pub address: Option<IpAddr>,
    /// The most permissions of the token; `None`: all permissions of the user.
    pub permissions: Option<Permissions>,
    /// The lifetime requested by the device, then that chosen by the person; `None`: the policy's default.
    pub lifetime: Option<Lifetime>,
    pub requested_at: Time,
    pub expires_at: Time,
    pub answer: Option<DeviceDecision>,
    /// The user who approved it.
    pub user: Option<UserId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_code_has_eight_letters_without_vowels() {
        for _ in 0..200 {
            let code = UserCode::random();
            assert_eq!(code.letters().len(), 8);
            assert!(!code.letters().contains(['A', 'E', 'I', 'O', 'U', 'Y']));
            assert_eq!(UserCode::parse(&code.to_string()), Some(code));
        }
        assert_eq!(UserCode(*b"BCDFGHJK").to_string(), "BCDF-GHJK");
    }

    #[test]
    fn typed_user_code_ignores_case_dashes_and_spaces() {
        for typed in [
            "BCDF-GHJK",
            "bcdfghjk",
            " bcdf ghjk\n",
            "BCDF–GHJK",
            "b.c.d.f.g.h.j.k",
        ] {
            assert_eq!(
                UserCode::parse(typed),
                Some(UserCode(*b"BCDFGHJK")),
                "{typed:?}"
            );
        }
        for wrong in [
            "",
            "BCDF",
            "BCDF-GHJA",
            "BCDF-GHJ1",
            "BCDF-GHJKL",
            "ＢCDFGHJK",
            "BCDFGHJ\0",
        ] {
            assert_eq!(UserCode::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn typed_user_code_is_limited_to_64_bytes() {
        let typed = |bytes: usize| UserCode::parse(&format!("BCDFGHJK{}", "-".repeat(bytes - 8)));
        assert!(typed(63).is_some() && typed(64).is_some());
        assert!(typed(65).is_none() && typed(66).is_none());
    }
}
