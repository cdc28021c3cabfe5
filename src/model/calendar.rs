//! A calendar of expirations (RFC 5545).

use super::secret::Id;
use super::text::sanitize;
use super::time::Time;

/// Longest line, in bytes, without its end (RFC 5545, 3.1).
const LINE_BYTES_MAX: usize = 75;
/// Longest name, in characters.
const NAME_CHARACTERS_MAX: usize = 100;

/// A thing that expires: its name and its expiration, nothing else.
#[derive(Debug, Clone)]
pub struct CalendarEntry {
    pub id: Id,
    /// "API key" or "SSH key".
    pub what: &'static str,
    pub name: String,
    pub expires_at: Time,
}

/// The calendar as a file. `site`: the host name of this installation.
pub fn render(entries: &[CalendarEntry], site: &str, now: Time) -> String {
    let mut file = String::new();
    let mut line = |text: &str| push_folded(&mut file, text);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line(concat!(
        "PRODID:-//Keycroft//Keycroft ",
        env!("CARGO_PKG_VERSION"),
        "//EN"
    ));
    line("METHOD:PUBLISH");
    line(&format!("X-WR-CALNAME:Keycroft {}", escape(site)));
    line("REFRESH-INTERVAL;VALUE=DURATION:PT12H");
    for entry in entries {
        let name = escape(&sanitize(&entry.name, NAME_CHARACTERS_MAX));
        line("BEGIN:VEVENT");
        // A renewed key is the same event at another time.
        line(&format!("UID:{}@{}", entry.id, escape(site)));
        line(&format!("DTSTAMP:{}", stamp(now)));
        line(&format!("DTSTART:{}", stamp(entry.expires_at)));
        line(&format!("SUMMARY:{} {name} expires", entry.what));
        line("TRANSP:TRANSPARENT");
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    file
}

/// `20261122T150405Z`.
fn stamp(time: Time) -> String {
    time.to_string().replace(['-', ':'], "")
}

/// Text of a property (RFC 5545, 3.3.11).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | ';' | ',' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Adds a line, folded between characters (RFC 5545, 3.1).
fn push_folded(file: &mut String, text: &str) {
    let mut bytes = 0;
    for character in text.chars() {
        if bytes + character.len_utf8() > LINE_BYTES_MAX {
            file.push_str("\r\n ");
            bytes = 1;
        }
        file.push(character);
        bytes += character.len_utf8();
    }
    file.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(name: &str) -> String {
        let entry = CalendarEntry {
            id: Id::parse("4k2m9x0q7w1z").unwrap(),
            what: "API key",
            name: name.to_owned(),
            expires_at: Time::parse("2026-12-22T15:04:05Z").unwrap(),
        };
        let now = Time::parse("2026-11-22T12:00:00Z").unwrap();
        render(&[entry], "keys.lab.example", now)
    }

    #[test]
    fn event_has_the_expiration_and_the_name() {
        let file = calendar("ci");
        assert!(file.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"));
        for line in [
            "UID:4k2m9x0q7w1z@keys.lab.example\r\n",
            "DTSTAMP:20261122T120000Z\r\n",
            "DTSTART:20261222T150405Z\r\n",
            "SUMMARY:API key ci expires\r\n",
        ] {
            assert!(file.contains(line), "{line}: {file}");
        }
        assert!(file.ends_with("END:VEVENT\r\nEND:VCALENDAR\r\n"));
    }

    #[test]
    fn hostile_name_is_escaped_and_long_lines_are_folded() {
        let file = calendar("a\r\nBEGIN:VEVENT;b,c\\");
        assert!(
            file.contains("SUMMARY:API key aBEGIN:VEVENT\\;b\\,c\\\\ expires\r\n"),
            "{file}"
        );
        for name in [
            "x".repeat(100),
            "\u{1f511}".repeat(60),
            "\u{e9},".repeat(40),
        ] {
            let file = calendar(&name);
            assert!(file.split("\r\n").all(|line| line.len() <= 75), "{file}");
            let unfolded = file.replace("\r\n ", "");
            let shown: String = name.chars().take(100).collect();
            assert!(unfolded.contains(&escape(&shown)), "{unfolded}");
        }
    }

    #[test]
    fn line_of_75_bytes_is_not_folded() {
        let line = |name: &str| format!("\r\nSUMMARY:API key {name} expires\r\n");
        let longest = "x".repeat(75 - "SUMMARY:API key  expires".len());
        assert!(calendar(&longest).contains(&line(&longest)));
        let longer = longest + "x";
        assert!(!calendar(&longer).contains(&line(&longer)));
    }
}
