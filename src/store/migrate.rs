//! Brings files of earlier versions to the present schema, one step and one transaction a version.

use std::path::Path;

use rusqlite::Connection;

use super::file::Refused;

/// The version that `schema.sql` describes.
pub(super) const VERSION: u32 = 1;

/// What brings a file of version `n` (counted from 1) to `n + 1`.
const STEPS: [&str; VERSION as usize - 1] = [];

/// Runs the steps that the file lacks. Killed at any moment, the next start goes on where the last whole step ended.
pub(super) fn run(connection: &Connection, path: &Path) -> Result<(), Refused> {
    let refuse = |error: rusqlite::Error| {
        Refused::new(
            path,
            &format!("it can't be brought to the present schema: {error}"),
        )
    };
    let version: u32 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(refuse)?;
    for (place, step) in STEPS
        .iter()
        .enumerate()
        .skip(version.saturating_sub(1) as usize)
    {
        let next = place + 2;
        let sql = format!("BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {next};\nCOMMIT;");
        connection.execute_batch(&sql).map_err(refuse)?;
        log::info!("schema brought to version {next}");
    }
    Ok(())
}
