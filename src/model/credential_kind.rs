//! The kinds of credentials.

use std::fmt;

/// The kind of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    ApiKey,
    Token,
    Session,
    Host,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::ApiKey, Self::Token, Self::Session, Self::Host];

    /// The letter in the prefix of its secrets.
    pub const fn letter(self) -> u8 {
        match self {
            Self::ApiKey => b'a',
            Self::Token => b't',
            Self::Session => b's',
            Self::Host => b'h',
        }
    }

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::Token => "token",
            Self::Session => "session",
            Self::Host => "host",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The name in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::Token => "token",
            Self::Session => "session",
            Self::Host => "host credential",
        }
    }

    /// Returns whether it can be used as a bearer credential at the JSON API, `/verify` and introspection.
    pub const fn is_bearer(self) -> bool {
        match self {
            Self::ApiKey | Self::Token => true,
            Self::Session | Self::Host => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
