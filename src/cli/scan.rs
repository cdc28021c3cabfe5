//! `keycroft scan`: finds secrets in files, offline.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::model::secret::{Id, find_all};
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::{self, OutputArguments, Progress};

/// Bytes read at once, and bytes kept so that no secret is split.
const PART_BYTES: usize = 1 << 20;
const OVERLAP_BYTES: usize = 64;

#[derive(Args)]
pub struct ScanArguments {
    /// Files and folders; `-` is standard input
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
            scan.read(Path::new("-"), std::io::stdin().lock())?;
        } else {
            scan.walk(path)?;
        }
    }
    let SecretScan { found, unread, .. } = scan;
    if unread > 0 {
        let message =
            format!("{unread} files could not be read; the others contain {found} secrets");
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

impl SecretScan<'_> {
    fn walk(&mut self, path: &Path) -> Result<(), Failure> {
        // Links are not followed: their targets are scanned in their own place, and no circle is walked.
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) => return self.skip(path, &error),
        };
        if kind.is_dir() {
            let entries = match fs::read_dir(path) {
                Ok(entries) => entries.filter_map(Result::ok),
                Err(error) => return self.skip(path, &error),
            };
            let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            entries.sort();
            for entry in entries {
                self.walk(&entry)?;
            }
        } else if kind.is_file() {
            match File::open(path) {
                Ok(file) => self.read(path, file)?,
                Err(error) => return self.skip(path, &error),
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: &Path, error: &std::io::Error) -> Result<(), Failure> {
        eprintln!("keycroft: {}: {error}", path.display());
        self.unread += 1;
        Ok(())
    }

    fn read(&mut self, path: &Path, from: impl Read) -> Result<(), Failure> {
        self.files += 1;
        self.progress.show(self.files, 0);
        let path = path.display().to_string();
        let report = |line: usize, id: Id| {
            self.found += 1;
            self.progress.clear();
            if self.format.is_json() {
                let finding = serde_json::json!({"path": path, "line": line, "id": id.to_string()});
                return self.format.print_value(&finding);
            }
            output::line(&format!("{path}:{line}: {id}"))
        };
        let unread = |error| Failure::new(FAILED, format!("{path}: {error}"));
        find_secrets(from, report, unread)
    }
}

/// Reports every secret in `from`: its line, counted from 1, and its id.
pub fn find_secrets<E>(
    mut from: impl Read,
    mut report: impl FnMut(usize, Id) -> Result<(), E>,
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
