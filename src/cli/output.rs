//! Standard output: tables for people, tab-separated values for programs.

use std::io::{IsTerminal, Write};

use super::exit::{FAILED, Failure};

/// Writes `text` and a line end to standard output. A reader that is gone is no failure.
///
/// # Errors
/// When standard output can't be written (a full disk).
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(FAILED, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes rows under headings: a table on a terminal, else tab-separated without headings.
///
/// # Errors
/// As [`line`].
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        let lines: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
        return if lines.is_empty() {
            Ok(())
        } else {
            line(&lines.join("\n"))
        };
    }
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    line(&table.trim_fmt())
}
