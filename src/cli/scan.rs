//! `keycroft scan`: finds secrets in files, offline.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::model::secret::{Id, find_all};
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::{self, OutputArguments, Progress, write_stderr};

/// Bytes read at once, and bytes kept so that no secret is split.
const PART_BYTES: usize = 1 << 20;
const OVERLAP_BYTES: usize = 64;

#[derive(Args)]
pub struct ScanArguments {
    /// Files and folders; `-` is standard input; links in folders are not followed
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Prints `path:line: id` for each secret found, never the secret; exit code 1 when there is any.
pub fn run_scan(arguments: &ScanArguments, format: &OutputArguments) -> Result<(), Failure> {
    let mut scan = SecretScan {
        format,
        found: 0,
        files: 0,
        unread: 0,
        progress: Progress::new("scanning files"),
    };
    for path in &arguments.paths {
        if path.as_os_str() == "-" {
            scan.read(Path::new("-"), io::stdin().lock())?;
        } else {
            scan.read_named(path)?;
        }
    }
    let SecretScan { found, unread, .. } = scan;
    if unread > 0 {
        let message = format!(
            "{unread} files or folders could not be read; the others contain {found} secrets"
        );
        return Err(Failure::new(FAILED, message));
    }
    if found > 0 {
        return Err(Failure::quiet(FAILED));
    }
    Ok(())
}

/// The state of one run.
struct SecretScan<'a> {
    format: &'a OutputArguments,
    found: usize,
    files: u64,
    unread: usize,
    progress: Progress,
}

/// The reasons for which a file is not read to its end.
enum ReadStop {
    Unread(io::Error),
    Output(Failure),
}

impl SecretScan<'_> {
    /// A path of the command line: a link is followed, and a pipe is read.
    fn read_named(&mut self, path: &Path) -> Result<(), Failure> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.walk(path),
            Ok(_) => self.read_file(path),
            Err(error) => {
                self.skip(path, &error);
                Ok(())
            }
        }
    }

    fn walk(&mut self, folder: &Path) -> Result<(), Failure> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.skip(folder, &error);
                return Ok(());
            }
        };
        let mut found = Vec::new();
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok(entry) => found.push(entry),
                Err(error) => self.skip(folder, &error),
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (path, kind) in found {
            // Links are not followed: their targets are scanned in their own place, and no circle is walked.
            if kind.is_dir() {
                self.walk(&path)?;
            } else if kind.is_file() {
                self.read_file(&path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<(), Failure> {
        match File::open(path) {
            Ok(file) => self.read(path, file),
            Err(error) => {
                self.skip(path, &error);
                Ok(())
            }
        }
    }

    fn skip(&mut self, path: &Path, error: &io::Error) {
        self.progress.clear();
        write_stderr(&format!("keycroft: {}: {error}", path.display()));
        self.unread += 1;
    }

    fn read(&mut self, path: &Path, from: impl Read) -> Result<(), Failure> {
        self.files += 1;
        self.progress.show(self.files, 0);
        let name = path.display().to_string();
        let report = |line: usize, id: Id| {
            self.found += 1;
            self.progress.clear();
            let printed = if self.format.is_json() {
                let finding = serde_json::json!({"path": name, "line": line, "id": id.to_string()});
                self.format.print_value(&finding)
            } else {
                output::line(&format!("{name}:{line}: {id}"))
            };
            printed.map_err(ReadStop::Output)
        };
        match find_secrets(from, report, ReadStop::Unread) {
            Ok(()) => Ok(()),
            Err(ReadStop::Unread(error)) => {
                self.skip(path, &error);
                Ok(())
            }
            Err(ReadStop::Output(failure)) => Err(failure),
        }
    }
}

/// Reports every secret in `from`: its line, counted from 1, and its id.
pub fn find_secrets<E>(
    mut from: impl Read,
    mut report: impl FnMut(usize, Id) -> Result<(), E>,
    unread: impl Fn(io::Error) -> E,
) -> Result<(), E> {
    let mut line = 1;
    let mut held: Vec<u8> = Vec::new();
    let mut part = vec![0; PART_BYTES];
    loop {
        let read = match from.read(&mut part) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unread(error)),
        };
        held.extend_from_slice(&part[..read]);
        // A secret that begins within the overlap may continue in the next part, and is found then.
        let searched = if read == 0 {
            held.len()
        } else {
            held.len().saturating_sub(OVERLAP_BYTES)
        };
        for (place, presented) in find_all(&held).filter(|(place, _)| *place < searched) {
            let line = line + held[..place].iter().filter(|byte| **byte == b'\n').count();
            report(line, presented.id)?;
        }
        line += held[..searched]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        held.drain(..searched);
        if read == 0 {
            return Ok(());
        }
    }
}
