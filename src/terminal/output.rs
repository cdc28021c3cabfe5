//! Standard output: results, tables for people, tab-separated values for programs. Standard error: words.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

mod json;
mod layout;
mod pager;
mod progress;
mod terminal;

use super::exit::sanitize;
pub use super::exit::write_stderr;
use super::exit::{DONE, FAILED, Failure, INVALID};
use crate::model::time::Time;
use layout::CellText;
pub use progress::Progress;
use terminal::Terminal;

/// Writes `text` to standard error without a line end: for prompts.
pub fn print_prompt(text: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{}", sanitize(text)).and_then(|()| err.flush());
}

/// Writes `text` and a line end to standard output. When the reader is gone, the command ends silently.
pub fn line(text: &str) -> Result<(), Failure> {
    match print_text(text) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::quiet(DONE)),
        Err(error) => Err(Failure::new(FAILED, format!("standard output: {error}"))),
    }
}

fn print_text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())
}

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    Table,
    Wide,
    Json,
    Tsv,
}

/// The form of results, as the flags choose it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OutputArguments {
    /// Format: table, wide (a table with all columns, uncut), json or tsv [default: table on a terminal, otherwise tsv]
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        help_heading = "Output"
    )]
    output: Option<OutputFormat>,
    /// Print the answer of the API; the same as -o json
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Print only ids or names in lists
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,
    /// Print only this field of the answer, such as id; for a list, one line for each item
    #[arg(long, global = true, value_name = "NAME", value_parser = json::parse_field, help_heading = "Output")]
    pub field: Option<String>,
}

impl OutputArguments {
    pub fn is_json(&self) -> bool {
        self.json || self.field.is_some() || self.output == Some(OutputFormat::Json)
    }

    /// The form of tables and records: without a flag one for people on a terminal, and one for programs elsewhere.
    fn of_table(&self) -> OutputFormat {
        match self.output {
            Some(OutputFormat::Json) | None if io::stdout().is_terminal() => OutputFormat::Table,
            Some(OutputFormat::Json) | None => OutputFormat::Tsv,
            Some(format) => format,
        }
    }
}

/// One value: complete for programs, short for people.
pub struct Cell {
    complete: String,
    shown: String,
    /// A shorter form, for tables that do not fit.
    brief: Option<String>,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        let complete: String = text.into();
        Self {
            shown: complete.clone(),
            complete,
            brief: None,
        }
    }
}

impl From<&Cell> for CellText {
    fn from(cell: &Cell) -> Self {
        Self {
            shown: field(&cell.shown),
            brief: cell.brief.as_deref().map(field),
        }
    }
}

impl Cell {
    fn new(complete: impl Into<String>, shown: impl Into<String>) -> Self {
        Self {
            complete: complete.into(),
            shown: shown.into(),
            brief: None,
        }
    }

    /// A time of the API: `in 30d (2026-12-22)` for people, and `nothing` for `None`.
    pub fn time(time: Option<&str>, nothing: &str, now: Time) -> Self {
        let Some(text) = time else {
            return Self::new("", nothing);
        };
        let shown =
            Time::parse(text).map_or_else(|_| text.to_owned(), |time| relative_time(time, now));
        Self {
            brief: shown
                .split_once(" (")
                .map(|(brief, _date)| brief.to_owned()),
            ..Self::new(text, shown)
        }
    }

    /// Several words.
    pub fn words(words: &[String]) -> Self {
        Self::from(words.join(" "))
    }

    /// Permissions: for people up to two names, otherwise their number.
    pub fn permissions(words: &[String]) -> Self {
        let complete = words.join(" ");
        let shown = match words.len() {
            0 => "none".to_owned(),
            1..=2 => complete.clone(),
            many => format!("{many} permissions"),
        };
        Self::new(complete, shown)
    }

    /// An optional value; `-` for people when it is missing.
    pub fn maybe(text: Option<&str>) -> Self {
        text.map_or_else(|| Self::new("", "-"), Self::from)
    }
}

/// `in 30d (2026-12-22)`, `5m ago`.
pub fn relative_time(time: Time, now: Time) -> String {
    if time > now {
        return format!("in {} ({})", rounded(time.since(now)), time.day());
    }
    format!("{} ago", rounded(now.since(time)))
}

/// A duration in its largest fitting unit, rounded as in the console: `90m` is `2h`, 29.6 days are `30d`.
fn rounded(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let in_units = |size: u64| (seconds + size / 2) / size;
    if seconds < 60 {
        format!("{seconds}s")
    } else if in_units(60) < 60 {
        format!("{}m", in_units(60))
    } else if in_units(3_600) < 36 {
        format!("{}h", in_units(3_600))
    } else {
        format!("{}d", in_units(86_400))
    }
}

/// A lifetime in words for standard error.
pub fn lifetime_text(expires_at: Option<&str>, now: Time) -> String {
    match expires_at {
        None => "never expires".to_owned(),
        Some(text) => match Time::parse(text) {
            Ok(end) if end > now => format!("expires in {} ({text})", rounded(end.since(now))),
            Ok(_) | Err(_) => format!("expires {text}"),
        },
    }
}

/// Writes rows under headings, each row on one line. An empty list is the sentence `empty` on standard error, for people.
pub fn table(
    format: &OutputArguments,
    headings: &[&str],
    rows: &[Vec<Cell>],
    empty: &str,
) -> Result<(), Failure> {
    let id = headings.iter().position(|heading| *heading == "id");
    table_lines(format, headings, rows, empty, id)
        .iter()
        .try_for_each(|text| line(text))
}

/// Writes a list as the last act of a command that succeeds: a long one replaces this process by the pager. With
/// `--quiet`, only ids are printed, or without ids the numbers or names that other commands accept.
pub fn list_table(
    format: &OutputArguments,
    headings: &[&str],
    rows: &[Vec<Cell>],
    empty: &str,
) -> Result<(), Failure> {
    let find = |name: &str| headings.iter().position(|heading| *heading == name);
    let column = ["id", "number", "name"].into_iter().find_map(find);
    let lines = table_lines(format, headings, rows, empty, column);
    let height = Terminal::of_stdout().height;
    if format.of_table() != OutputFormat::Tsv && height.is_some_and(|height| lines.len() >= height)
    {
        pager::replace_process(&lines);
    }
    lines.iter().try_for_each(|text| line(text))
}

/// The lines of a table; with `--quiet` those of one column.
fn table_lines(
    format: &OutputArguments,
    headings: &[&str],
    rows: &[Vec<Cell>],
    empty: &str,
    quiet_column: Option<usize>,
) -> Vec<String> {
    if let (true, None, Some(column)) = (format.quiet, format.output, quiet_column) {
        let cells = rows.iter().filter_map(|row| row.get(column));
        return cells.map(|cell| field(&cell.complete)).collect();
    }
    let form = format.of_table();
    if form == OutputFormat::Tsv {
        let values = |row: &Vec<Cell>| -> Vec<String> {
            row.iter().map(|cell| field(&cell.complete)).collect()
        };
        return rows.iter().map(|row| values(row).join("\t")).collect();
    }
    if rows.is_empty() {
        if !format.quiet {
            write_stderr(empty);
        }
        return Vec::new();
    }
    let terminal = Terminal::of_stdout();
    let width = terminal.width.filter(|_| form == OutputFormat::Table);
    let texts: Vec<Vec<CellText>> = rows
        .iter()
        .map(|row| row.iter().map(CellText::from).collect())
        .collect();
    layout::lines(headings, &texts, width, &terminal.style)
}

/// One object: a line a value, `name<tab>value` for programs.
pub fn record(format: &OutputArguments, rows: &[(&str, Cell)]) -> Result<(), Failure> {
    let to_people = format.of_table() != OutputFormat::Tsv;
    let style = Terminal::of_stdout().style;
    for (name, cell) in rows {
        if to_people {
            let text = sanitize(&cell.shown);
            line(&format!("{name}: {}", style.colored(name, &text)))?;
        } else {
            line(&format!("{name}\t{}", field(&cell.complete)))?;
        }
    }
    Ok(())
}

/// A value that stays in its field and on its line.
fn field(text: &str) -> String {
    sanitize(text).replace('\n', "\\u{a}")
}

/// The destination of a secret.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Out {
    /// Write the secret to this new file (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<std::path::PathBuf>,
}

/// The opened destination of a secret: opened before the secret is created, so that no secret is lost.
pub struct SecretDestination {
    file: Option<(std::fs::File, std::path::PathBuf)>,
}

impl Out {
    /// Opens the file, which must not exist.
    pub fn open(&self) -> Result<SecretDestination, Failure> {
        let Some(path) = &self.out else {
            return Ok(SecretDestination { file: None });
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| file_failure(path, &error))?;
        Ok(SecretDestination {
            file: Some((file, path.clone())),
        })
    }
}

fn file_failure(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::AlreadyExists {
        return Failure::new(
            INVALID,
            format!(
                "{} exists and is not overwritten; choose another name",
                path.display()
            ),
        );
    }
    Failure::new(FAILED, format!("{}: {error}", path.display()))
}

impl SecretDestination {
    /// Writes the secret alone to its destination.
    pub fn put(&self, secret: &str, lost: &str) -> Result<(), Failure> {
        let written = match &self.file {
            None => print_text(secret).map_err(|error| format!("standard output: {error}")),
            Some((file, path)) => writeln!(&*file, "{secret}")
                .and_then(|()| file.sync_all())
                .map_err(|error| format!("{}: {error}", path.display())),
        };
        written.map_err(|error| {
            Failure::new(
                FAILED,
                format!("{error}; the secret was created, but not written"),
            )
            .hint(lost)
        })
    }

    /// Deletes the empty file when no secret was created.
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
    fn times_are_relative_and_rounded() {
        let now = Time::from_unix(1_000_000);
        for (seconds, message) in [
            (1_000_000, "0s ago"),
            (999_941, "59s ago"),
            (999_940, "1m ago"),
            (996_431, "59m ago"),
            (996_430, "1h ago"),
            (872_201, "35h ago"),
            (872_200, "1d ago"),
            (1_000_001, "in 1s (1970-01-12)"),
            (3_591_990, "in 30d (1970-02-11)"),
        ] {
            assert_eq!(relative_time(Time::from_unix(seconds), now), message);
        }
    }

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(
            sanitize("a\u{1b}[2Jb\u{202e}c\n"),
            "a\\u{1b}[2Jb\\u{202e}c\n"
        );
        assert_eq!(field("a\tb\nc"), "a\\u{9}b\\u{a}c");
    }
}
