//! Text as searches compare it.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::model::text::normalize;

/// Text as it is compared in a search.
pub(super) fn fold(text: &str) -> String {
    normalize(text).to_lowercase()
}

/// Adds `matches_text(text, folded)` to a connection: true if `text` contains `folded` in any case. LIKE ignores the case of
/// ASCII alone.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("matches_text", 2, flags, |context| {
        let text = context.get_raw(0).as_str_or_null()?.unwrap_or_default();
        let folded = context.get_raw(1).as_str()?;
        Ok(if text.is_ascii() {
            contains_ascii(text.as_bytes(), folded.as_bytes())
        } else {
            fold(text).contains(folded)
        })
    })
}

/// True if `text` contains `folded` in any case. The rest is compared only where the first byte matches.
fn contains_ascii(text: &[u8], folded: &[u8]) -> bool {
    let Some((&first, rest)) = folded.split_first() else {
        return true;
    };
    let upper = first.to_ascii_uppercase();
    (0..(text.len() + 1).saturating_sub(folded.len())).any(|at| {
        (text[at] == first || text[at] == upper)
            && text[at + 1..at + folded.len()].eq_ignore_ascii_case(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::contains_ascii;

    #[test]
    fn ascii_text_contains_a_part_in_any_case() {
        for (text, folded, is_part) in [
            ("Nightly Backup", "nightly backup", true),
            ("Nightly Backup", "backup", true),
            ("nnN2", "nn2", true),
            ("ci", "", true),
            ("", "", true),
            ("", "c", false),
            ("ci", "cic", false),
            ("nightly", "night b", false),
            ("1[", "1{", false),
        ] {
            let found = contains_ascii(text.as_bytes(), folded.as_bytes());
            assert_eq!(found, is_part, "{text} {folded}");
        }
    }
}
