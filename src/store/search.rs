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
            text.to_ascii_lowercase().contains(folded)
        } else {
            fold(text).contains(folded)
        })
    })
}
