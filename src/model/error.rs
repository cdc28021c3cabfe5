//! The error type of all layers. Each interface maps it to its own answers.

use std::fmt;
use std::time::Duration;

use super::permission::Permission;

/// A fault in one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The name of the field on the wire and in the form.
    pub field: String,
    /// One sentence a person can act on.
    pub message: String,
}

impl FieldError {
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

/// The reason for a failure. Each interface maps it in one table: `http/problem`, pages, exit codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A missing or invalid credential. Without detail on purpose.
    Unauthenticated { sent: SecretSent },
    /// Too many wrong passwords in a row: the password alone is not sufficient here any more.
    Locked,
    /// Wrong username or password.
    WrongPassword,
    /// The credential is valid but lacks this permission.
    Forbidden { missing: Permission },
    /// The credential is valid but can't be used for this act; the sentence gives the reason.
    NotAllowed(String),
    /// A dangerous act needs another password confirmation.
    PasswordNeeded,
    /// A value of the request is invalid.
    Invalid(Vec<FieldError>),
    /// The policy forbids the request.
    AgainstPolicy(FieldError),
    /// The object does not exist, or belongs to another owner.
    NotFound(&'static str),
    /// Another user has the same SSH key, and the request does not allow that.
    SharedKey,
    /// The name is in use, or reserved.
    NameTaken(String),
    /// The present state forbids it.
    Conflict(String),
    /// Another person has changed the named object since the form was loaded.
    ChangedMeanwhile(&'static str),
    /// The same request was carried out before; the id of the object it created.
    AlreadyDone { id: String },
    /// The same `Idempotency-Key` came with another body.
    KeyReused,
    /// Too many requests.
    TooMany {
        retry_after: Duration,
        message: String,
    },
    /// Temporarily impossible (full queue, locked database, stopping server).
    Unavailable { retry_after: Duration },
    /// The file of the database was replaced or removed under the running server.
    DatabaseReplaced,
    /// The disk is full: nothing was changed.
    StorageFull,
    /// An internal error; the text is for the log alone.
    Fault(String),
}

/// The presence of a secret in a rejected request (RFC 6750, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSent {
    Yes,
    No,
}

impl Error {
    /// One bad field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// Temporarily impossible; worth another attempt after a second.
    pub fn unavailable() -> Self {
        Self::Unavailable {
            retry_after: Duration::from_secs(1),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated { .. } => f.write_str("Missing or invalid credential: send a valid API key or token."),
            Self::Locked => f.write_str("Too many wrong passwords in a row. Sign in with a passkey or a browser that you used before, or ask an admin for a reset link."),
            Self::WrongPassword => f.write_str("The username or the password is wrong."),
            Self::Forbidden { missing } => write!(f, "This needs the permission {missing}, which this credential does not have."),
            Self::NotAllowed(sentence) | Self::NameTaken(sentence) | Self::Conflict(sentence) => {
                f.write_str(sentence)
            },
            Self::ChangedMeanwhile(what) => write!(f, "Somebody changed {what} meanwhile; review its present state, and save again if you still want to."),
            Self::SharedKey => f.write_str("Another user has the same key: its holder can log in as both of you. Set \"allow_shared\" to true to add it anyway; admins are notified."),
            Self::PasswordNeeded => f.write_str("This needs your password, typed within the last 10 minutes."),
            Self::Invalid(errors) => match errors.first() {
                Some(first) if errors.len() == 1 => write!(f, "{}: {}", first.field, first.message),
                Some(first) => write!(f, "{}: {} (and {} more)", first.field, first.message, errors.len() - 1),
                None => f.write_str("The request is invalid."),
            },
            Self::AgainstPolicy(error) => f.write_str(&error.message),
            Self::NotFound(what) => write!(f, "No such {what}."),
            Self::AlreadyDone { id } => write!(f, "This request was carried out before and created {id}. The secret cannot be shown again."),
            Self::KeyReused => f.write_str("This Idempotency-Key was used before with another body; choose a new one."),
            Self::TooMany { message, .. } => f.write_str(message),
            Self::Unavailable { .. } => f.write_str("The server can't do this at the moment, and nothing was changed; try again."),
            Self::DatabaseReplaced => f.write_str("The database was replaced or removed while the server has it open. Nothing was changed; restart the server."),
            Self::StorageFull => f.write_str("The server's disk is full; nothing was changed. Free some space and try again."),
            Self::Fault(_) => f.write_str("Internal error; the server's log has the details under the request id."),
        }
    }
}

impl std::error::Error for Error {}

/// Collects the faults of several fields, so that one answer names all of them.
#[derive(Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Returns the value of `result`, or records its fault under `field`.
    pub fn take<T, E: fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.add(field, message.to_string());
                None
            }
        }
    }

    /// Records a fault.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError::new(field, message));
    }

    pub fn check(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_faults_show_the_first_and_the_number_of_others() {
        let printed = |count: usize| {
            let errors = vec![FieldError::new("name", "too long"); count];
            Error::Invalid(errors).to_string()
        };
        assert_eq!(printed(1), "name: too long");
        assert_eq!(printed(3), "name: too long (and 2 more)");
        assert_eq!(printed(0), "The request is invalid.");
    }
}
