//! Names, notes and other text that people type and pages show.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization;

use super::secret::hide_secrets;

/// Longest name, in characters.
pub const NAME_CHARACTERS_MAX: usize = 64;
/// Longest note, in characters.
pub const NOTE_CHARACTERS_MAX: usize = 1_000;

/// All but the unreserved characters (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes a segment of a path or a value of a query (RFC 3986, 2.1): it can't leave its place.
pub fn percent_encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// Converts text to normalization form C, in which texts of the same look and meaning are the same bytes.
pub fn normalize(text: &str) -> String {
    text.nfc().collect()
}

/// Returns whether two names are the same to a reader, even if one was stored before names were normalized.
pub fn is_same_name(one: &str, other: &str) -> bool {
    one == other || normalize(one) == normalize(other)
}

/// Parses a name: 1 to 64 characters of any script; trims white space.
pub fn parse_name(text: &str) -> Result<String, String> {
    parse(text, 1, NAME_CHARACTERS_MAX)
}

/// Parses a note: up to 1,000 characters; empty means none. Line breaks are allowed.
pub fn parse_note(text: &str) -> Result<Option<String>, String> {
    let text = text.replace("\r\n", "\n");
    let mut characters = text.chars().filter(|c| *c != '\n');
    if let Some(character) = characters.find(|c| is_invisible(*c)) {
        return Err(invisible(character));
    }
    require_no_secret(&text)?;
    let text = text.trim();
    if text.chars().count() > NOTE_CHARACTERS_MAX {
        return Err(format!("use at most {NOTE_CHARACTERS_MAX} characters"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn parse(text: &str, least: usize, most: usize) -> Result<String, String> {
    if let Some(character) = text.chars().find(|c| is_invisible(*c)) {
        return Err(invisible(character));
    }
    require_no_secret(text)?;
    let text = normalize(text.trim());
    let count = text.chars().count();
    if count < least || count > most {
        return Err(format!("use {least} to {most} characters"));
    }
    Ok(text)
}

/// Rejects secrets: people paste into the wrong field, and names are shown to others.
fn require_no_secret(text: &str) -> Result<(), String> {
    match hide_secrets(text) {
        Cow::Borrowed(_) => Ok(()),
        Cow::Owned(_) => Err(
            "this contains a Keycroft secret: treat it as exposed, and enter something else"
                .to_owned(),
        ),
    }
}

fn invisible(character: char) -> String {
    format!(
        "remove the character U+{:04X}: it is invisible or changes the text direction",
        u32::from(character)
    )
}

/// Returns true for control characters, line separators, zero-width characters and those that change text direction:
/// two names that look the same must be the same.
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
                | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFEFF | 0xFFA0
                | 0xFFF0..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF
        )
}

/// The first characters of `text`, at most `most`, with an ellipsis if some are left out.
pub fn truncate(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['\u{2026}']).collect()
}

/// Untrusted text, made safe to store and show: no invisible characters, no complete secret, at most `most` characters.
pub fn sanitize(text: &str, most: usize) -> String {
    let seen: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    hide_secrets(&seen).chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoded_value_stays_in_its_place() {
        let encoded = percent_encode("a/../b?c=d&e#é-._~");
        assert_eq!(encoded.to_string(), "a%2F..%2Fb%3Fc%3Dd%26e%23%C3%A9-._~");
    }

    #[test]
    fn name_with_invisible_characters_is_rejected() {
        for valid in [
            "ci",
            "été",
            "ключ",
            "مفتاح",
            "鍵",
            "a b",
            "<script>",
            "🔑",
            &"x".repeat(64),
        ] {
            assert_eq!(parse_name(valid).as_deref(), Ok(valid));
        }
        assert_eq!(parse_name("  ci ").as_deref(), Ok("ci"));
        assert_eq!(parse_name("Mu\u{308}ll").as_deref(), Ok("M\u{fc}ll"));
        for bad in [
            "",
            "   ",
            &"x".repeat(65),
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{feff}",
            "\u{7f}",
            "a\u{2028}b",
            "a\u{2066}b",
        ] {
            assert!(parse_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secret_as_a_name_is_rejected_without_an_echo() {
        use crate::model::credential::Kind;
        use crate::model::secret::{Secret, SecretForm};
        let secret = Secret::generate(SecretForm::Credential(Kind::Token)).reveal();
        assert!(parse_name(&format!("a{}", *secret)).is_err());
        assert!(parse_note(&format!("see\n{}", *secret)).is_err());
        let (front, back) = secret.split_at(30);
        for message in [secret.to_string(), format!("{front}\u{200b}{back}")] {
            assert_eq!(sanitize(&message, 100), format!("{}…", &secret[..17]));
        }
    }

    #[test]
    fn note_may_have_lines_or_be_empty() {
        assert_eq!(parse_note("a\r\nb").unwrap().as_deref(), Some("a\nb"));
        assert_eq!(parse_note(" \n ").unwrap(), None);
        assert!(parse_note("a\tb").is_err());
        assert!(parse_note(&"x".repeat(1_001)).is_err());
    }

    #[test]
    fn note_above_1000_characters_is_rejected() {
        let longest = "é".repeat(NOTE_CHARACTERS_MAX);
        assert_eq!(parse_note(&longest), Ok(Some(longest)));
    }

    #[test]
    fn invisible_character_is_named() {
        let message = parse_name("a\u{202e}b").unwrap_err();
        assert!(message.contains("U+202E:"), "{message}");
        assert_eq!(parse_note("a\u{202e}b"), Err(message));
    }

    #[test]
    fn composed_and_decomposed_name_are_the_same() {
        assert!(is_same_name("Jose\u{301}", "Jos\u{e9}"));
        assert!(is_same_name("ci", "ci"));
        assert!(!is_same_name("ci", "CI"));
    }
}
