//! Deleting several objects: all are found, and the effects shown, before the one question.

use super::client::Client;
use crate::terminal::exit::Failure;
use crate::terminal::output::write_stderr;
use crate::terminal::prompt::{confirm, confirm_by_name};

/// An object that a command is about to delete.
pub struct Deletion {
    /// Like `ci (4k2m9x0q7w1z)`.
    pub label: String,
    /// The recorded use, like `last used 5m ago from 10.0.3.7`.
    pub effect: String,
    /// The request that deletes it.
    pub path: String,
    /// The message when it is deleted.
    pub done: String,
}

/// The answer that a person has to type.
pub enum Consent {
    /// `y` or `yes`.
    Yes,
    /// The name of the one object, or the number of several.
    Name(String),
}

/// Shows effects, asks once, and deletes all.
pub fn delete_all(
    client: &Client,
    noun: &str,
    deletions: &[Deletion],
    consent: &Consent,
    yes: bool,
) -> Result<(), Failure> {
    let question = match deletions {
        [] => return Ok(()),
        [one] => format!("Delete {noun} {}: {}?", one.label, one.effect),
        several => {
            if !yes {
                for one in several {
                    write_stderr(&format!("  {}: {}", one.label, one.effect));
                }
            }
            format!("Delete these {} {noun}s?", several.len())
        }
    };
    match (consent, deletions.len()) {
        (Consent::Yes, _) => confirm(&question, yes)?,
        (Consent::Name(name), 1) => confirm_by_name(&question, name, yes)?,
        (Consent::Name(_), count) => confirm_by_name(&question, &count.to_string(), yes)?,
    }
    for one in deletions {
        client.delete(&one.path)?;
        write_stderr(&one.done);
    }
    Ok(())
}
