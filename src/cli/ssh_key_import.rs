//! `keycroft ssh-key import`: `authorized_keys` files, with a result for each line.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::client::Client;
use super::ssh_key_file::{any_rules, is_key_text, path_of};
use crate::host::home::{FILE_NAMES, KeyFile, open_key_files};
use crate::model::ssh_key::{
    IMPORT_BYTES_MAX, KeyRejection, PASTE_BYTES_MAX, parse_authorized_keys_file,
};
use crate::model::user::Username;
use crate::terminal::exit::{Failure, INVALID, NOT_FOUND, USAGE};
use crate::terminal::output::{self, Cell, Progress, write_stderr};
use crate::wire::{ImportIn, ImportLineOut, ImportOut};

/// Size of one request, in bytes before JSON: well below the limit of the server.
const PART_BYTES: usize = 24 * 1_024;
const REJECTED: &str = "refused";

#[derive(Args)]
pub struct ImportSshKeys {
    /// An `authorized_keys` file, or - for standard input; admins: also a folder of home directories, such as /home
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Owner of the keys (admin)
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// Add keys although other users have them; admins are notified
    #[arg(long)]
    allow_shared: bool,
}

/// The result of one file.
struct FileResult {
    file: String,
    /// `None`: the caller.
    user: Option<String>,
    lines: Vec<ImportLineOut>,
}

/// Imports files.
pub fn import_ssh_keys(client: &Client, import: &ImportSshKeys) -> Result<(), Failure> {
    let results = if import.path.is_dir() {
        if import.user.is_some() {
            let failure = Failure::new(
                USAGE,
                "--user does not apply to a folder: each file belongs to the user of its folder",
            );
            return Err(failure.hint("omit --user, or pass one file"));
        }
        require_homes(&import.path)?;
        import_homes(client, &import.path, import.allow_shared)?
    } else {
        let argument = import.path.to_str().filter(|text| is_key_text(text));
        let text = match argument {
            Some(text) => text.to_owned(),
            None => read_file(&import.path)?,
        };
        let user = import.user.clone();
        let lines = import_text(client, user.as_deref(), &text, import.allow_shared)
            .map_err(|failure| name_file(failure, &import.path))?;
        vec![FileResult {
            file: argument.map_or_else(|| import.path.display().to_string(), |_| "text".to_owned()),
            user,
            lines,
        }]
    };
    show_results(client, &results)
}

fn name_file(mut failure: Failure, path: &Path) -> Failure {
    if failure.code == INVALID {
        failure.message = format!("{}: {}", path.display(), failure.message);
    }
    failure
}

fn require_homes(folder: &Path) -> Result<(), Failure> {
    let own = FILE_NAMES
        .iter()
        .flat_map(|name| [folder.join(name), folder.join(".ssh").join(name)])
        .find(|path| fs::symlink_metadata(path).is_ok());
    own.map_or(Ok(()), |file| {
        let message = format!(
            "{}: this is not a folder of home directories",
            folder.display()
        );
        Err(Failure::new(USAGE, message)
            .hint(format!("keycroft ssh-key import {}", file.display())))
    })
}

/// `FOLDER/NAME/.ssh/authorized_keys` of all users; unknown users and rejected files are reported and skipped.
fn import_homes(
    client: &Client,
    folder: &Path,
    allow_shared: bool,
) -> Result<Vec<FileResult>, Failure> {
    let fail = |error: io::Error| Failure::new(USAGE, format!("{}: {error}", folder.display()));
    let mut homes: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(fail)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    homes.sort();
    let mut all = Vec::new();
    for home in homes {
        let name = home.file_name().and_then(|name| name.to_str());
        let Some(user) = name.and_then(|name| Username::parse(name).ok()) else {
            continue;
        };
        for (path, file) in open_key_files(&home) {
            let lines = file
                .and_then(|KeyFile { file, doubt }| match doubt {
                    // A key that sshd ignored so far would open the login.
                    Some(doubt) => Err(doubt),
                    None => read_text(file).map_err(|error| error.to_string()),
                })
                .map_err(|message| Failure::new(INVALID, message))
                .and_then(|text| import_text(client, Some(user.as_str()), &text, allow_shared));
            let lines = match lines {
                Ok(lines) => lines,
                Err(failure) if matches!(failure.code, NOT_FOUND | USAGE | INVALID) => {
                    vec![rejected_line(0, failure.message)]
                }
                Err(failure) => return Err(failure),
            };
            all.push(FileResult {
                file: path.display().to_string(),
                user: Some(user.to_string()),
                lines,
            });
        }
    }
    Ok(all)
}

/// A file or pipe that the caller named.
fn read_file(path: &Path) -> Result<String, Failure> {
    let fail = |error: io::Error| Failure::new(USAGE, format!("{}: {error}", path.display()));
    if path.as_os_str() == "-" {
        return read_text(io::stdin().lock()).map_err(fail);
    }
    let found = fs::metadata(path).map_err(fail)?;
    if !found.is_file() && !found.file_type().is_fifo() {
        return Err(fail(io::Error::other("this is not a file")));
    }
    fs::File::open(path).and_then(read_text).map_err(fail)
}

/// A text up to the maximum size of an import.
fn read_text(input: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut input = input.take(IMPORT_BYTES_MAX as u64 + 1);
    input.read_to_end(&mut bytes)?;
    // A line that is not UTF-8 is reported by its number.
    let text = crate::terminal::text_file::decode(&bytes);
    Ok(text.map_or_else(
        || String::from_utf8_lossy(&bytes).into_owned(),
        |text| text.to_string(),
    ))
}

/// Sends a file in parts. A private key anywhere in it stops all before anything is sent.
fn import_text(
    client: &Client,
    user: Option<&str>,
    text: &str,
    allow_shared: bool,
) -> Result<Vec<ImportLineOut>, Failure> {
    match parse_authorized_keys_file(text, &any_rules()) {
        Ok(_) => {}
        Err(KeyRejection::PrivateKey) => {
            let message = "this file contains a private key; nothing was sent";
            return Err(Failure::new(INVALID, message));
        }
        Err(rejection) => return Err(Failure::new(INVALID, rejection.to_string())),
    }
    let path = format!("{}/import", path_of(user));
    let mut all = Vec::new();
    let lines = text.lines().count() as u64;
    let mut progress = Progress::new("importing");
    for part in text_parts(text) {
        progress.show(part.lines_before as u64, lines);
        if let Some(line) = part.too_long {
            all.push(rejected_line(line, KeyRejection::TooLong.to_string()));
            continue;
        }
        let body = ImportIn {
            text: part.text,
            allow_shared,
        };
        let answer = client.post(&path, &body)?;
        let results: ImportOut = answer.parse()?;
        all.extend(results.lines.into_iter().map(|line| ImportLineOut {
            line: line.line + part.lines_before,
            ..line
        }));
    }
    Ok(all)
}

fn rejected_line(line: usize, message: String) -> ImportLineOut {
    ImportLineOut {
        line,
        outcome: REJECTED.to_owned(),
        id: None,
        name: None,
        fingerprint: None,
        message: Some(message),
    }
}

#[derive(Default)]
struct TextPart {
    text: String,
    /// Lines of the file before this part.
    lines_before: usize,
    /// Or the number of a line that is too long to be a key.
    too_long: Option<usize>,
}

/// The text in parts of complete lines.
fn text_parts(text: &str) -> Vec<TextPart> {
    let mut parts = Vec::new();
    let mut part = TextPart::default();
    for (before, line) in text.split_inclusive('\n').enumerate() {
        // Comments are not sent, but their lines count.
        let is_comment = line.trim_start().starts_with('#');
        let line = if is_comment { "\n" } else { line };
        let is_long = line.len() > PASTE_BYTES_MAX;
        if !part.text.is_empty() && (is_long || part.text.len() + line.len() > PART_BYTES) {
            parts.push(std::mem::take(&mut part));
        }
        if is_long {
            parts.push(TextPart {
                too_long: Some(before + 1),
                ..TextPart::default()
            });
            continue;
        }
        if part.text.is_empty() {
            part.lines_before = before;
        }
        part.text.push_str(line);
    }
    if !part.text.is_empty() {
        parts.push(part);
    }
    parts
}

const HEADINGS: [&str; 5] = ["user", "file and line", "outcome", "name", "why not"];

fn show_results(client: &Client, results: &[FileResult]) -> Result<(), Failure> {
    let lines = || results.iter().flat_map(|file| &file.lines);
    let count = |outcome: &str| lines().filter(|line| line.outcome == outcome).count();
    if client.format().is_json() {
        let files: Vec<serde_json::Value> = results
            .iter()
            .map(|file| {
                serde_json::json!({"file": file.file, "username": file.user, "lines": file.lines})
            })
            .collect();
        client
            .format()
            .print_value(&serde_json::json!({ "items": files }))?;
    } else {
        let rows: Vec<Vec<Cell>> = results
            .iter()
            .flat_map(|file| file.lines.iter().map(|line| row(file, line)))
            .collect();
        output::table(client.format(), &HEADINGS, &rows, "no keys in the file")?;
    }
    let (added, present, rejected) = (count("added"), count("present"), count(REJECTED));
    write_stderr(&format!(
        "{added} added, {present} already present, {rejected} rejected"
    ));
    if rejected > 0 {
        return Err(Failure::new(INVALID, "some keys were rejected"));
    }
    Ok(())
}

fn row(file: &FileResult, line: &ImportLineOut) -> Vec<Cell> {
    let place = match line.line {
        0 => file.file.clone(),
        number => format!("{}:{number}", file.file),
    };
    vec![
        Cell::maybe(file.user.as_deref()),
        place.into(),
        line.outcome.as_str().into(),
        Cell::maybe(line.name.as_deref()),
        Cell::maybe(line.message.as_deref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_complete_lines_with_their_place() {
        let line = "x".repeat(10_000);
        let long = "y".repeat(PASTE_BYTES_MAX);
        let text = format!("{line}\n #{long}\n{line}\n{line}\n{long}\nlast");
        let parts = text_parts(&text);
        let places: Vec<(usize, Option<usize>)> = parts
            .iter()
            .map(|part| (part.lines_before, part.too_long))
            .collect();
        assert_eq!(places, [(0, None), (3, None), (0, Some(5)), (5, None)]);
        let sent: String = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(sent, format!("{line}\n\n{line}\n{line}\nlast"));
        assert!(super::text_parts("").is_empty());
    }
}
