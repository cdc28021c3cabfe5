//! The schema, and its version.

/// The schema of a new database.
pub(super) const SCHEMA: &str = include_str!("../../schema.sql");
