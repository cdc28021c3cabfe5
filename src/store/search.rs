//! Text as searches compare it.

use memchr::{memchr2, memmem};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::model::text::normalize;

/// Text as it is compared in a search.
pub(super) fn fold(text: &str) -> String {
    normalize(text).to_lowercase()
}

/// Adds `matches_text(folded, text, …)` to a connection: true if one of the texts contains `folded` in any case. LIKE ignores
/// the case of ASCII alone.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("matches_text", -1, flags, |context| {
        let folded = context.get_raw(0).as_bytes()?;
        for place in 1..context.len() {
            let Some(text) = context.get_raw(place).as_bytes_or_null()? else {
                continue;
            };
            let is_found = if text.is_ascii() {
                contains_ascii(text, folded)
            } else {
                let text = fold(&String::from_utf8_lossy(text));
                memmem::find(text.as_bytes(), folded).is_some()
            };
            if is_found {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// True if `text` contains `folded` in any case. The rest is compared only where the first byte matches.
fn contains_ascii(mut text: &[u8], folded: &[u8]) -> bool {
    let Some((&first, rest)) = folded.split_first() else {
        return true;
    };
    // Many columns are shorter than the text. Without this, 100,000 events take 33 ms instead of 27 for a text of 13 characters.
    if text.len() < folded.len() {
        return false;
    }
    let upper = first.to_ascii_uppercase();
    while let Some(at) = memchr2(first, upper, text) {
        text = &text[at + 1..];
        match text.get(..rest.len()) {
            None => return false,
            Some(part) if part.eq_ignore_ascii_case(rest) => return true,
            Some(_) => {}
        }
    }
    false
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
