//! Exit codes and error messages.

use std::io::{self, Write};

use crate::model::error::Error;
use crate::model::text::is_invisible;

pub const DONE: u8 = 0;
pub const FAILED: u8 = 1;
pub const USAGE: u8 = 2;
pub const NOT_FOUND: u8 = 3;
pub const SIGN_IN_NEEDED: u8 = 4;
pub const FORBIDDEN: u8 = 5;
pub const INVALID: u8 = 6;
pub const UNREACHABLE: u8 = 7;
pub const TOO_MANY: u8 = 8;
pub const NOT_ACTIVE: u8 = 10;
pub const INTERRUPTED: u8 = 130;

/// The exit codes at the end of the long help.
pub const HELP: &str = "Exit codes: 0 done, 1 other failure (scan: found something), 2 wrong usage, or a confirmation without a terminal, \
3 not found, 4 login needed or expired, 5 rejected by permission or policy, 6 invalid or conflict, 7 server unreachable, \
8 too many requests, 10 verify: invalid, 130 interrupted.";

/// Writes `text` and a line end to standard error. A closed standard error is not a failure.
pub fn write_stderr(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", sanitize(text));
}

/// Escapes invisible characters, so that text of a server can't move the cursor.
pub fn sanitize(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) && character != '\n' {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// The failure of a command: its message and its exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    /// An empty message is not printed.
    pub message: String,
    /// The next command to try.
    pub hint: Option<String>,
    /// The problem of the server (RFC 9457), printed in place of the message with --json.
    pub problem: Option<String>,
    /// The type of the server's problem, like `urn:keycroft:problem:shared-key`; empty without one.
    pub kind: String,
}

impl Failure {
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            problem: None,
            kind: String::new(),
        }
    }

    /// A failure without a message.
    pub fn quiet(code: u8) -> Self {
        Self::new(code, "")
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn print(&self) {
        if let Some(problem) = &self.problem {
            write_stderr(problem);
            return;
        }
        if !self.message.is_empty() {
            write_stderr(&format!("keycroft: {}", self.message));
        }
        if let Some(hint) = &self.hint {
            write_stderr(&format!("  try: {hint}"));
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Unauthenticated { .. } | Error::WrongPassword | Error::PasswordNeeded => {
                SIGN_IN_NEEDED
            }
            Error::Forbidden { .. }
            | Error::Locked
            | Error::NotAllowed(_)
            | Error::AgainstPolicy(_) => FORBIDDEN,
            Error::Invalid(_)
            | Error::NameTaken(_)
            | Error::Conflict(_)
            | Error::ChangedMeanwhile(_)
            | Error::SharedKey
            | Error::AlreadyDone { .. }
            | Error::KeyReused => INVALID,
            Error::NotFound(_) => NOT_FOUND,
            Error::TooMany { .. } => TOO_MANY,
            Error::Unavailable { .. }
            | Error::DatabaseReplaced
            | Error::StorageFull
            | Error::Fault(_) => FAILED,
        };
        let message = match error {
            Error::Fault(text) => text,
            other => other.to_string(),
        };
        Self::new(code, message)
    }
}
