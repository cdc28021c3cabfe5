//! Codes: short-lived secrets that are used up. A code is not a credential: it authorizes one act, a limited
//! number of times.

use std::time::Duration;

use super::secret::Id;
use super::time::Time;
use super::user::UserId;

/// The act that a code authorizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    SetUp,
    Invitation,
    PasswordReset,
    Enrollment,
    Device,
    EmailConfirmation,
}

impl Purpose {
    pub const ALL: [Self; 6] = [
        Self::SetUp,
        Self::Invitation,
        Self::PasswordReset,
        Self::Enrollment,
        Self::Device,
        Self::EmailConfirmation,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Invitation => "invitation",
            Self::PasswordReset => "password-reset",
            Self::Enrollment => "enrollment",
            Self::Device => "device",
            Self::EmailConfirmation => "email-confirmation",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }

    /// The default lifetime of such a code.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::SetUp => Duration::from_secs(3_600),
            Self::Invitation => Duration::from_secs(7 * 86_400),
            Self::PasswordReset | Self::Enrollment | Self::EmailConfirmation => {
                Duration::from_secs(86_400)
            }
            Self::Device => Duration::from_secs(300),
        }
    }

    /// The console page for a link with such a code, if there is one.
    pub const fn path(self) -> Option<&'static str> {
        match self {
            Self::SetUp => Some("/setup"),
            Self::Invitation => Some("/invitation"),
            Self::PasswordReset => Some("/reset"),
            Self::EmailConfirmation => Some("/account/notices/confirm"),
            Self::Enrollment | Self::Device => None,
        }
    }
}

/// A stored code.
#[derive(Debug, Clone)]
pub struct Code {
    pub id: Id,
    pub purpose: Purpose,
    /// The invited user, or the one whose password is reset.
    pub user: Option<UserId>,
    pub uses_left: u32,
    pub expires_at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_purpose_has_its_name_lifetime_and_page() {
        const HOUR: u64 = 60 * 60;
        let table = [
            ("set-up", HOUR, Some("/setup")),
            ("invitation", 7 * 24 * HOUR, Some("/invitation")),
            ("password-reset", 24 * HOUR, Some("/reset")),
            ("enrollment", 24 * HOUR, None),
            ("device", 5 * 60, None),
            (
                "email-confirmation",
                24 * HOUR,
                Some("/account/notices/confirm"),
            ),
        ];
        for (purpose, (word, seconds, path)) in Purpose::ALL.into_iter().zip(table) {
            assert_eq!(purpose.as_str(), word);
            assert_eq!(Purpose::from_word(word), Some(purpose));
            assert_eq!(purpose.lifetime().as_secs(), seconds, "{word}");
            assert_eq!(purpose.path(), path, "{word}");
        }
        assert_eq!(Purpose::from_word("setup"), None);
    }
}
