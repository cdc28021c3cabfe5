//! Values of columns.

use rusqlite::Row;

use crate::model::secret::Id;
use crate::model::time::Time;

/// A column with a value that no version of Keycroft wrote.
pub(super) fn invalid(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(
        column,
        "a known value".to_owned(),
        rusqlite::types::Type::Text,
    )
}

/// The position of a column in the list of a SELECT. The name is an expression as it is in the list, or its alias.
/// Decoders use it in constants: with a name that the list lacks, the program does not build.
pub(super) const fn position(columns: &str, name: &str) -> usize {
    match find_column(columns, name) {
        (Some(position), _) => position,
        (None, _) => panic!("the list lacks this column"),
    }
}

/// The positions of several columns.
pub(super) const fn positions<const N: usize>(columns: &str, names: [&str; N]) -> [usize; N] {
    let (mut found, mut at) = ([0; N], 0);
    while at < N {
        found[at] = position(columns, names[at]);
        at += 1;
    }
    found
}

/// The number of columns in the list of a SELECT.
pub(super) const fn width(columns: &str) -> usize {
    find_column(columns, "").1
}

/// The position of a column, and the number of all columns. Commas in parentheses do not separate columns.
const fn find_column(columns: &str, name: &str) -> (Option<usize>, usize) {
    let (list, name) = (columns.as_bytes(), name.as_bytes());
    let (mut found, mut position, mut depth, mut at) = (None, 0, 0, 0);
    while at < list.len() && !(depth == 0 && has_at(list, at, b" FROM ")) {
        let end = at + name.len();
        let begins = at == 0 || has_before(list, at, b", ") || has_before(list, at, b" AS ");
        let ends = end == list.len() || has_at(list, end, b",") || has_at(list, end, b" FROM ");
        if depth == 0 && begins && ends && has_at(list, at, name) {
            assert!(found.is_none(), "two columns have this name");
            found = Some(position);
        }
        match list[at] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 0 => position += 1,
            _ => {}
        }
        at += 1;
    }
    (found, position + 1)
}

const fn has_before(text: &[u8], at: usize, part: &[u8]) -> bool {
    at >= part.len() && has_at(text, at - part.len(), part)
}

const fn has_at(text: &[u8], at: usize, part: &[u8]) -> bool {
    let mut same = 0;
    while same < part.len() && at + same < text.len() && text[at + same] == part[same] {
        same += 1;
    }
    same == part.len()
}

/// Reads a column with an id.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Id> {
    optional_id(row, column)?.ok_or_else(|| invalid(column))
}

pub(super) fn optional_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Id>> {
    row.get_ref(column)?
        .as_str_or_null()?
        .map(|text| Id::parse(text).ok_or_else(|| invalid(column)))
        .transpose()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_has_the_position_of_its_name_or_alias() {
        const LIST: &str = "a.id, b.id, a.x IS NOT NULL AS x, (SELECT group_concat(c.id, ', ') FROM c) AS all_ids, a.idle FROM a, b";
        for (name, at) in [
            ("a.id", 0),
            ("b.id", 1),
            ("x", 2),
            ("all_ids", 3),
            ("a.idle", 4),
        ] {
            assert_eq!(find_column(LIST, name), (Some(at), 5), "{name}");
        }
        for name in ["id", "a.x", "c.id", "a", "idle", "b", ""] {
            assert_eq!(find_column(LIST, name), (None, 5), "{name}");
        }
    }

    #[test]
    #[should_panic(expected = "two columns have this name")]
    fn name_of_two_columns_is_rejected() {
        find_column("a.id, b.x AS id, c.y AS id", "id");
    }
}
