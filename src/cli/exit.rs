//! Exit codes and the words that go with them.

use crate::model::error::Error;

pub const DONE: u8 = 0;
pub const FAILED: u8 = 1;
pub const USAGE: u8 = 2;
pub const NOT_FOUND: u8 = 3;
pub const SIGN_IN_NEEDED: u8 = 4;
pub const REFUSED: u8 = 5;
pub const INVALID: u8 = 6;
#[allow(dead_code, reason = "for the client's commands")]
pub const UNREACHABLE: u8 = 7;
pub const TOO_MANY: u8 = 8;

/// Why a command failed: what to say on standard error, and the exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub message: String,
    /// The next command to try.
    pub hint: Option<String>,
}

impl Failure {
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn print(&self) {
        if !self.message.is_empty() {
            eprintln!("keycroft: {}", self.message);
        }
        if let Some(hint) = &self.hint {
            eprintln!("  try: {hint}");
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Unauthenticated { .. } | Error::WrongPassword | Error::PasswordNeeded => {
                SIGN_IN_NEEDED
            }
            Error::Forbidden { .. } | Error::NotAllowed(_) | Error::AgainstPolicy(_) => REFUSED,
            Error::Invalid(_)
            | Error::Conflict(_)
            | Error::AlreadyDone { .. }
            | Error::KeyReused => INVALID,
            Error::NotFound(_) => NOT_FOUND,
            Error::TooMany { .. } => TOO_MANY,
            Error::Unavailable { .. } | Error::StorageFull | Error::Fault(_) => FAILED,
        };
        let message = match error {
            Error::Fault(text) => text,
            other => other.to_string(),
        };
        Self::new(code, message)
    }
}
