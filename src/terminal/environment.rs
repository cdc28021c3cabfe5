//! Environment variables: white space around a value does not count, and an empty variable is not set.

use std::path::PathBuf;

/// Names the database.
pub const DB: &str = "KEYCROFT_DB";

/// Returns the value of a variable; `None` when it is not set.
pub fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|value| value_of(&value.to_string_lossy()))
}

/// Returns the path in a variable; `None` when it is not set.
pub fn path_variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name)?;
    match value.to_str() {
        Some(text) => value_of(text).map(PathBuf::from),
        None => Some(PathBuf::from(value)),
    }
}

/// Returns the entries of a variable with commas between them; empty when it is not set.
pub fn list_variable(name: &str) -> Vec<String> {
    let text = variable(name).unwrap_or_default();
    text.split(',').filter_map(value_of).collect()
}

fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
