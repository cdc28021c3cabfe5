//! `keycroft backup` and `keycroft restore`.

use std::fs::{self, DirBuilder};
use std::io::{self, IsTerminal, stdout};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::local::record_backup;
use super::operator::Database;
use crate::app::{AppState, Existing, OpenError, Restored, ValidCredential};
use crate::clock::Clock;
use crate::model::time::Time;
use crate::terminal::exit::{FAILED, Failure, USAGE};
use crate::terminal::output::{self, Cell, OutputArguments, Progress, write_stderr};

#[derive(Args)]
pub struct BackupArguments {
    /// New file for the backup; - for standard output
    #[arg(required_unless_present = "into", conflicts_with = "into")]
    file: Option<PathBuf>,
    /// Write a new file keycroft-DATE.db into this folder, which is created if missing
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// With --into: keep the newest N backups in the folder and delete the older ones
    #[arg(long, value_name = "N", requires = "into")]
    keep: Option<NonZeroUsize>,
    #[command(flatten)]
    database: Database,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// Backup to restore
    file: PathBuf,
    /// Replace an existing database; it is kept under another name
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    database: Database,
}

/// `keycroft backup`.
pub fn backup(arguments: &BackupArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let destination = match (&arguments.file, &arguments.into) {
        (_, Some(folder)) => {
            create_folder(folder)?;
            free_name(folder)
        }
        (Some(file), None) => file.clone(),
        (None, None) => return Err(Failure::new(USAGE, "pass FILE or --into FOLDER")),
    };
    let done = if destination.as_os_str() == "-" {
        if stdout().is_terminal() {
            let failure = Failure::new(USAGE, "refusing to write a backup to a terminal");
            return Err(failure.hint("keycroft backup FILE"));
        }
        Progress::during("backing up", || {
            AppState::back_up_to(&path, &mut stdout().lock(), &Clock::System)
        })
    } else {
        Progress::during("backing up", || {
            AppState::back_up(&path, &destination, &Clock::System)
        })
    };
    let copied = done.map_err(failed)?;
    let bytes = copied.bytes;
    let to = match &arguments.into {
        Some(_) => format!(" to {}", destination.display()),
        None => String::new(),
    };
    write_stderr(&format!(
        "backed up {}{to}: {bytes} bytes, verified",
        path.display()
    ));
    let name = destination.file_name().unwrap_or(destination.as_os_str());
    let recorded = if copied.is_present_version {
        record_backup(&path, &name.to_string_lossy(), bytes)
    } else {
        // Recording it would migrate the database.
        Err("the database has an older schema".to_owned())
    };
    if let Err(why) = recorded {
        write_stderr(&format!(
            "keycroft: the backup is valid, but recording it in the database failed: {why}"
        ));
    }
    if let (Some(folder), Some(keep)) = (&arguments.into, arguments.keep) {
        delete_older(folder, keep)?;
    }
    Ok(())
}

/// A name in `folder` that no backup has. Names are accurate to the second: the second backup of one second waits for the next.
fn free_name(folder: &Path) -> PathBuf {
    loop {
        let path = folder.join(file_name(Clock::System.now()));
        if fs::symlink_metadata(&path).is_err() {
            return path;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The name of a backup made at `now`. Names sort by time.
fn file_name(now: Time) -> String {
    format!("{PREFIX}{}{SUFFIX}", now.to_string().replace(':', ""))
}

const PREFIX: &str = "keycroft-";
const SUFFIX: &str = ".db";

/// Returns true for names of [`file_name`]. Other files in the folder stay.
fn is_file_name(name: &str) -> bool {
    let stamp = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX));
    stamp.is_some_and(|stamp| {
        let form = b"dddd-dd-ddTddddddZ";
        stamp.len() == form.len()
            && stamp.bytes().zip(form).all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                _ => byte == *wanted,
            })
    })
}

fn create_folder(folder: &Path) -> Result<(), Failure> {
    create_missing(folder).map_err(|error| in_folder(folder, &error))
}

/// A folder that root creates in another user's folder belongs to that user.
fn create_missing(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new(""));
    create_missing(parent)?;
    DirBuilder::new().mode(0o700).create(folder)?;
    if rustix::process::geteuid().is_root() && !parent.as_os_str().is_empty() {
        let owner = fs::metadata(parent)?;
        chown(folder, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

fn in_folder(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(FAILED, format!("--into {}: {error}", folder.display()))
}

/// Deletes all but the newest `keep` backups that [`file_name`] named.
fn delete_older(folder: &Path, keep: NonZeroUsize) -> Result<(), Failure> {
    let failed = |error: io::Error| in_folder(folder, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_file_name(&name) && entry.file_type().map_err(failed)?.is_file() {
            names.push(name);
        }
    }
    names.sort();
    let older = names.len().saturating_sub(keep.get());
    for name in &names[..older] {
        fs::remove_file(folder.join(name)).map_err(failed)?;
        write_stderr(&format!("deleted {}", folder.join(name).display()));
    }
    Ok(())
}

/// `keycroft restore`.
pub fn restore(arguments: &RestoreArguments, format: &OutputArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let existing = if arguments.yes {
        Existing::MoveAside
    } else {
        Existing::Reject
    };
    if !arguments.yes && std::fs::symlink_metadata(&path).is_ok() {
        let failure = Failure::new(USAGE, format!("{} exists", path.display()));
        return Err(failure.hint(format!(
            "keycroft restore {} --yes, which keeps the existing file under another name",
            arguments.file.display()
        )));
    }
    let restored = Progress::during("restoring", || {
        AppState::restore(&arguments.file, &path, existing, &Clock::System)
    });
    let restored = restored.map_err(failed)?;
    report_restore(&path.display().to_string(), &restored);
    let rows: Vec<Vec<Cell>> = restored.survivors.iter().map(row).collect();
    if format.is_json() {
        let item = |survivor: &ValidCredential| {
            serde_json::json!({
                "id": survivor.id, "kind": survivor.kind, "owner": survivor.owner, "name": survivor.name,
                "created_at": survivor.created_at.to_string(),
                "rotated_at": survivor.rotated_at.map(|at| at.to_string()),
                "last_used_at": survivor.last_used_at.map(|at| at.to_string()),
                "last_used_from": survivor.last_used_from, "last_used_by": survivor.last_used_by,
            })
        };
        let items: Vec<serde_json::Value> = restored.survivors.iter().map(item).collect();
        return format.print_value(&serde_json::json!({ "items": items }));
    }
    output::table(format, &HEADINGS, &rows, "no API keys and hosts")
}

fn failed(error: OpenError) -> Failure {
    Failure::new(FAILED, error.to_string())
}

fn report_restore(path: &str, restored: &Restored) {
    let as_of = restored
        .made_at
        .map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
    write_stderr(&format!("restored {path} as of {as_of}"));
    if let Some(moved) = &restored.moved_to {
        write_stderr(&format!("the previous database is now {}", moved.display()));
    }
    let Restored {
        tokens,
        sessions,
        codes,
        ..
    } = restored;
    write_stderr(&format!(
        "revoked {tokens} tokens, {sessions} sessions and {codes} codes"
    ));
    write_stderr(
        "Changes since then are undone: deleted, disabled and rotated credentials of that time are valid again.\n\
         Review users, SSH keys and the API keys and hosts below; disable or delete those that must not be valid.",
    );
}

const HEADINGS: [&str; 9] = [
    "id",
    "kind",
    "owner",
    "name",
    "created",
    "rotated",
    "last used",
    "from",
    "by",
];

fn row(survivor: &ValidCredential) -> Vec<Cell> {
    let time = |at: Option<Time>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        survivor.id.clone().into(),
        survivor.kind.clone().into(),
        survivor.owner.clone().into(),
        survivor.name.clone().into(),
        survivor.created_at.to_string().into(),
        time(survivor.rotated_at).into(),
        time(survivor.last_used_at).into(),
        text(&survivor.last_used_from).into(),
        text(&survivor.last_used_by).into(),
    ]
}
