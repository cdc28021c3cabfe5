//! Standard output: results, tables for people, tab-separated values for programs. Standard error: words.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::exit::{DONE, FAILED, Failure, INVALID};
use crate::model::text::is_invisible;
use crate::model::time::Time;

/// Says `text` and a line end on standard error. Nobody listening is no failure.
pub fn say(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", tamed(text));
}

/// Says `text` on standard error and stays on the line: for prompts.
pub fn ask(text: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{}", tamed(text)).and_then(|()| err.flush());
}

/// Control characters and others that can't be seen, escaped: what a server says can't move the cursor.
fn tamed(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) && character != '\n' {
            tamed.extend(character.escape_unicode());
        } else {
            tamed.push(character);
        }
    }
    tamed
}

/// Writes `text` and a line end to standard output. When the reader is gone, the command ends there, without a word.
pub fn line(text: &str) -> Result<(), Failure> {
    match put(text) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::quiet(DONE)),
        Err(error) => Err(Failure::new(FAILED, format!("standard output: {error}"))),
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())
}

/// One value: whole, as programs want it, and short, as people read it.
pub struct Cell {
    whole: String,
    shown: String,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        let whole: String = text.into();
        Self {
            shown: whole.clone(),
            whole,
        }
    }
}

impl Cell {
    /// A time on the wire: `in 30d (2026-12-22)` for people, `never` (or whatever `nothing` says) when there is none.
    pub fn time(time: Option<&str>, nothing: &str, now: Time) -> Self {
        let Some(text) = time else {
            return Self {
                whole: String::new(),
                shown: nothing.to_owned(),
            };
        };
        let shown = Time::parse(text).map_or_else(|_| text.to_owned(), |time| relative(time, now));
        Self {
            whole: text.to_owned(),
            shown,
        }
    }

    /// Several words.
    pub fn words(words: &[String]) -> Self {
        Self::from(words.join(" "))
    }

    /// Permissions: for people, in a table, a few by name and many by number.
    pub fn permissions(words: &[String]) -> Self {
        let whole = words.join(" ");
        let shown = match words.len() {
            0 => "none".to_owned(),
            1..=2 => whole.clone(),
            many => format!("{many} permissions"),
        };
        Self { whole, shown }
    }

    /// What may be missing; `-` for people.
    pub fn maybe(text: Option<&str>) -> Self {
        text.map_or_else(
            || Self {
                whole: String::new(),
                shown: "-".to_owned(),
            },
            Self::from,
        )
    }
}

/// `in 30d (2026-12-22)`, `5m ago`.
pub fn relative(time: Time, now: Time) -> String {
    if time > now {
        return format!("in {} ({})", rounded(time.since(now)), time.day());
    }
    format!("{} ago", rounded(now.since(time)))
}

/// In its largest unit, rounded down: what people say.
fn rounded(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let (size, unit) = match seconds {
        0..60 => (1, "s"),
        60..3_600 => (60, "m"),
        3_600..86_400 => (3_600, "h"),
        _ => (86_400, "d"),
    };
    format!("{}{unit}", seconds / size)
}

/// A lifetime in words for standard error.
pub fn until(expires_at: Option<&str>, now: Time) -> String {
    match expires_at {
        None => "never expires".to_owned(),
        Some(text) => match Time::parse(text) {
            // What was just made for 30 days is not said to end in 29.
            Ok(end) if end > now => format!(
                "expires in {} ({text})",
                rounded(end.since(now) + std::time::Duration::from_secs(30))
            ),
            Ok(_) | Err(_) => format!("expires {text}"),
        },
    }
}

/// Writes rows under headings: a table on a terminal, or a block a row where it is too narrow for one; else
/// tab-separated whole values without headings.
pub fn table(headings: &[&str], rows: &[Vec<Cell>]) -> Result<(), Failure> {
    if !io::stdout().is_terminal() {
        for row in rows {
            let values: Vec<String> = row.iter().map(|cell| field(&cell.whole)).collect();
            line(&values.join("\t"))?;
        }
        return Ok(());
    }
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| tamed(&cell.shown)));
    }
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    let needed: usize = table
        .column_max_content_widths()
        .iter()
        .map(|width| usize::from(*width) + 2)
        .sum();
    if needed <= width + 2 {
        return line(&table.trim_fmt());
    }
    blocks(headings, rows)
}

/// A line a value, a blank line between two rows.
fn blocks(headings: &[&str], rows: &[Vec<Cell>]) -> Result<(), Failure> {
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            line("")?;
        }
        for (heading, cell) in headings.iter().zip(row) {
            line(&format!("{heading}: {}", tamed(&cell.shown)))?;
        }
    }
    Ok(())
}

/// One thing: a line a value, `name<tab>value` for programs.
pub fn record(rows: &[(&str, Cell)]) -> Result<(), Failure> {
    let to_people = io::stdout().is_terminal();
    for (name, cell) in rows {
        if to_people {
            line(&format!("{name}: {}", tamed(&cell.shown)))?;
        } else {
            line(&format!("{name}\t{}", field(&cell.whole)))?;
        }
    }
    Ok(())
}

/// A value that stays in its field and on its line.
fn field(text: &str) -> String {
    tamed(text).replace('\n', "\\u{a}")
}

/// Where a secret goes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Out {
    /// Write the secret into this new file (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<std::path::PathBuf>,
}

/// A place for a secret, opened before the secret is made, so that none is made that could go nowhere.
pub struct Place {
    file: Option<(std::fs::File, std::path::PathBuf)>,
}

impl Out {
    /// Opens the file, which must not be there yet.
    pub fn open(&self) -> Result<Place, Failure> {
        let Some(path) = &self.out else {
            return Ok(Place { file: None });
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| refused(path, &error))?;
        Ok(Place {
            file: Some((file, path.clone())),
        })
    }
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::AlreadyExists {
        return Failure::new(
            INVALID,
            format!(
                "{} is there already and is not overwritten; choose another name",
                path.display()
            ),
        );
    }
    Failure::new(FAILED, format!("{}: {error}", path.display()))
}

impl Place {
    /// Writes the secret, and nothing else, where it belongs.
    pub fn put(self, secret: &str, lost: &str) -> Result<(), Failure> {
        let written = match self.file {
            None => put(secret).map_err(|error| format!("standard output: {error}")),
            Some((mut file, path)) => writeln!(file, "{secret}")
                .and_then(|()| file.sync_all())
                .map_err(|error| format!("{}: {error}", path.display())),
        };
        written.map_err(|error| {
            Failure::new(
                FAILED,
                format!("{error}; the secret was made but nobody has it"),
            )
            .hint(lost)
        })
    }

    /// Takes an empty file away again when no secret was made.
    pub fn forget(self) {
        if let Some((_, path)) = self.file {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let now = Time::from_unix(1_000_000);
        for (seconds, said) in [
            (1_000_000, "0s ago"),
            (999_941, "59s ago"),
            (999_940, "1m ago"),
            (996_400, "1h ago"),
            (913_600, "1d ago"),
            (1_000_001, "in 1s (1970-01-12)"),
            (3_592_000, "in 30d (1970-02-11)"),
        ] {
            assert_eq!(relative(Time::from_unix(seconds), now), said);
        }
    }

    #[test]
    fn what_is_said_can_not_move_the_cursor() {
        assert_eq!(tamed("a\u{1b}[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\n");
        assert_eq!(field("a\tb\nc"), "a\\u{9}b\\u{a}c");
    }
}
