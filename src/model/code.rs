//! Codes: short-lived secrets spent by using them. Not credentials: each opens one act, a stated number of times.

use std::time::Duration;

use super::secret::Id;
use super::time::Time;
use super::user::UserId;

/// The act that a code opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    SetUp,
    Invitation,
    PasswordReset,
    Enrollment,
    Device,
}

impl Purpose {
    pub const ALL: [Self; 5] = [
        Self::SetUp,
        Self::Invitation,
        Self::PasswordReset,
        Self::Enrollment,
        Self::Device,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Invitation => "invitation",
            Self::PasswordReset => "password-reset",
            Self::Enrollment => "enrollment",
            Self::Device => "device",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }

    /// How long such a code lives when nothing else is said.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::SetUp => Duration::from_secs(3_600),
            Self::Invitation => Duration::from_secs(7 * 86_400),
            Self::PasswordReset | Self::Enrollment => Duration::from_secs(86_400),
            Self::Device => Duration::from_secs(300),
        }
    }

    /// The page that a link with such a code leads to, if one does.
    pub const fn path(self) -> Option<&'static str> {
        match self {
            Self::SetUp => Some("/setup"),
            Self::Invitation => Some("/invitation"),
            Self::PasswordReset => Some("/reset"),
            Self::Enrollment | Self::Device => None,
        }
    }
}

/// A code as it is stored.
#[derive(Debug, Clone)]
pub struct Code {
    pub id: Id,
    pub purpose: Purpose,
    /// Whom it concerns, for invitations and resets.
    pub user: Option<UserId>,
    pub uses_left: u32,
    pub expires_at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_word_its_lifetime_and_its_page() {
        const HOUR: u64 = 60 * 60;
        let table = [
            ("set-up", HOUR, Some("/setup")),
            ("invitation", 7 * 24 * HOUR, Some("/invitation")),
            ("password-reset", 24 * HOUR, Some("/reset")),
            ("enrollment", 24 * HOUR, None),
            ("device", 5 * 60, None),
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
