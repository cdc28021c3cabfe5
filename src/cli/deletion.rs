//! Deleting several objects: all are found, and the effects shown, before the one question.

use std::collections::BTreeSet;

use super::client::Client;
use crate::terminal::exit::{Failure, NOT_FOUND, SIGN_IN_NEEDED, TOO_MANY, UNREACHABLE};
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
    /// False if the credential may not read it: then only the deletion shows whether it exists.
    pub was_found: bool,
}

/// The answer that a person has to type.
pub enum Consent {
    /// `y` or `yes`.
    Yes,
    /// The name of the one object, or the number of several.
    Name(String),
}

/// The object before its deletion; `None` if it can't be read. A missing one is a failure.
pub fn find_before<T>(found: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match found {
        Err(failure) if failure.code == NOT_FOUND => Err(failure),
        found => Ok(found.ok()),
    }
}

/// Shows effects, asks once, and deletes all.
pub fn delete_all(
    client: &Client,
    noun: &str,
    mut deletions: Vec<Deletion>,
    consent: &Consent,
    yes: bool,
) -> Result<(), Failure> {
    let mut paths = BTreeSet::new();
    deletions.retain(|one| paths.insert(one.path.clone()));
    // The credential of this command is needed for the others.
    let own = client.connection.credential.as_ref();
    let own = own.map(|credential| credential.id.as_str());
    deletions.sort_by_key(|one| own.is_some() && id_in_path(&one.path) == own);
    let question = match deletions.as_slice() {
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
    delete_each(client, &deletions)
}

/// The id or name at the end of a path.
fn id_in_path(path: &str) -> Option<&str> {
    path.split('?').next()?.rsplit('/').next()
}

/// Deletes all that can be deleted. The result is the first failure.
fn delete_each(client: &Client, deletions: &[Deletion]) -> Result<(), Failure> {
    let mut code = None;
    for (place, one) in deletions.iter().enumerate() {
        let mut failure = match client.delete(&one.path) {
            Ok(_) => {
                write_stderr(&one.done);
                continue;
            }
            // It was deleted with another, or by another command.
            Err(failure) if failure.code == NOT_FOUND && one.was_found => {
                write_stderr(&format!("{} no longer exists", one.label));
                continue;
            }
            Err(failure) if deletions.len() == 1 => return Err(failure),
            Err(failure) => failure,
        };
        let stops = matches!(failure.code, UNREACHABLE | SIGN_IN_NEEDED | TOO_MANY);
        failure.message = format!("{}: {}", one.label, failure.message);
        failure.print();
        code = code.or(Some(failure.code));
        if stops {
            let left = deletions[place..].iter();
            let left: Vec<&str> = left.map(|one| one.label.as_str()).collect();
            write_stderr(&format!("not confirmed as deleted: {}", left.join(", ")));
            break;
        }
    }
    code.map_or(Ok(()), |code| Err(Failure::quiet(code)))
}
