//! `keycroft scan`: finds secrets in files, offline.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{FAILED, Failure};
use super::output;
use crate::model::secret::{Id, find_all};

/// What is read of a file at once, and what of it is kept so that no secret is cut in two.
const PART_BYTES: usize = 1 << 20;
const OVERLAP_BYTES: usize = 64;

#[derive(Args)]
pub struct ScanArguments {
    /// Files and folders; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Prints `path:line: id` for each secret found, never the secret; exit code 1 when there is any.
pub fn run(arguments: &ScanArguments) -> Result<(), Failure> {
    let mut found = 0;
    let mut unread = 0;
    for path in &arguments.paths {
        if path.as_os_str() == "-" {
            found += scan(Path::new("-"), std::io::stdin().lock())?;
        } else {
            walk(path, &mut found, &mut unread)?;
        }
    }
    if unread > 0 {
        return Err(Failure::new(
            FAILED,
            format!("{unread} could not be read; {found} found in the rest"),
        ));
    }
    if found > 0 {
        Err(Failure::new(FAILED, String::new()))
    } else {
        Ok(())
    }
}

fn walk(path: &Path, found: &mut usize, unread: &mut usize) -> Result<(), Failure> {
    let mut complain = |error: std::io::Error| {
        eprintln!("keycroft: {}: {error}", path.display());
        *unread += 1;
    };
    // Links are not followed: what they lead to is scanned where it is, and no circle is walked.
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => {
            complain(error);
            return Ok(());
        }
    };
    if kind.is_dir() {
        let mut entries: Vec<PathBuf> = match fs::read_dir(path) {
            Ok(entries) => entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .collect(),
            Err(error) => {
                complain(error);
                return Ok(());
            }
        };
        entries.sort();
        for entry in entries {
            walk(&entry, found, unread)?;
        }
    } else if kind.is_file() {
        match File::open(path) {
            Ok(file) => *found += scan(path, file)?,
            Err(error) => complain(error),
        }
    }
    Ok(())
}

fn scan(path: &Path, from: impl Read) -> Result<usize, Failure> {
    let mut found = 0;
    let tell = |line: usize, id: Id| {
        found += 1;
        output::line(&format!("{}:{line}: {id}", path.display()))
    };
    let unread = |error| Failure::new(FAILED, format!("{}: {error}", path.display()));
    find(from, tell, unread)?;
    Ok(found)
}

/// Tells of every secret in what `from` gives: its line, counted from 1, and its id.
pub fn find<E>(
    mut from: impl Read,
    mut tell: impl FnMut(usize, Id) -> Result<(), E>,
    unread: impl Fn(std::io::Error) -> E,
) -> Result<(), E> {
    let mut line = 1;
    let mut held: Vec<u8> = Vec::new();
    let mut part = vec![0; PART_BYTES];
    loop {
        let read = match from.read(&mut part) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unread(error)),
        };
        held.extend_from_slice(&part[..read]);
        // A secret that begins within the overlap may go on in the next part: it is looked for then.
        let consistent_read = if read == 0 {
            held.len()
        } else {
            held.len().saturating_sub(OVERLAP_BYTES)
        };
        for (place, presented) in find_all(&held).filter(|(place, _)| *place < consistent_read) {
            let line = line + held[..place].iter().filter(|byte| **byte == b'\n').count();
            tell(line, presented.id)?;
        }
        line += held[..consistent_read]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        held.drain(..consistent_read);
        if read == 0 {
            return Ok(());
        }
    }
}
