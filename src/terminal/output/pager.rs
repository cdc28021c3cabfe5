//! The pager for lists that are longer than the terminal.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::terminal::environment::variable;

/// Replaces this process by the pager, which then handles Ctrl-C. Returns when no pager can show the lines.
pub fn replace_process(lines: &[String]) {
    let command = match std::env::var_os("PAGER") {
        Some(value) => value.to_string_lossy().into_owned(),
        None => "less".to_owned(),
    };
    let mut words = command.split_whitespace();
    let Some(program) = words.next().filter(|program| *program != "cat") else {
        return;
    };
    let Ok(file) = unnamed_file(lines) else {
        return;
    };
    let mut pager = Command::new(program);
    pager.args(words).stdin(file);
    if variable("LESS").is_none() {
        // Colors, no paging of a list that fits, and the list stays on the screen.
        pager.env("LESS", "FRX");
    }
    // Returns only when the pager can't be started.
    let _ = pager.exec();
}

/// A deleted file with the lines: a pipe would fill up before the pager runs.
fn unnamed_file(lines: &[String]) -> std::io::Result<File> {
    let path = std::env::temp_dir().join(format!("keycroft-list-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    for text in lines {
        writeln!(file, "{text}")?;
    }
    file.rewind()?;
    Ok(file)
}
