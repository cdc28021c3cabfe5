//! The error of a database that is not opened.

use std::fmt;
use std::path::Path;

use crate::model::error::Error;

/// The reason why the database was not opened, in one line.
#[derive(Debug)]
pub struct OpenError {
    message: String,
    is_locked: bool,
}

impl OpenError {
    pub(super) fn new(path: &Path, why: &str) -> Self {
        Self {
            message: format!("{}: {why}", path.display()),
            is_locked: false,
        }
    }

    /// True if another process has the database open for writing, so that a later attempt may succeed.
    pub const fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// Another process, which `who` names, has the database open for writing.
    pub(super) fn locked(path: &Path, who: &str) -> Self {
        Self {
            is_locked: true,
            ..Self::new(path, &format!("{who} has it open; stop that process first"))
        }
    }

    /// An error after the database was opened.
    pub fn from_error(path: &Path, error: &Error) -> Self {
        match error {
            Error::Fault(text) => Self::new(path, text),
            other => Self::new(path, &other.to_string()),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OpenError {}
