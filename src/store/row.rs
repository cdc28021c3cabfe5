//! Values of columns.

use rusqlite::Row;

use crate::model::time::Time;

/// A column with a value that no version of Keycroft wrote.
pub(super) fn invalid(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(
        column,
        "a known value".to_owned(),
        rusqlite::types::Type::Text,
    )
}

/// Reads a column of optional Unix seconds.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time::from_unix))
}

/// Unix seconds for a column.
pub(super) fn unix(time: Option<Time>) -> Option<i64> {
    time.map(Time::unix)
}

/// The row limit of a page: one more row than requested shows whether there are more.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}
