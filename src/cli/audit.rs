//! `keycroft audit`: verifying the chain of the audit log, and moving its oldest part into a file.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::audit_file::{self, ArchiveFile, Marks, UnfinishedArchive, matches_known};
use super::client::Client;
use super::local::{Local, MissingDatabase};
use super::operator::Database;
use crate::app::{AuditLog, OpenError, Verdict};
use crate::model::audit_chain::ChainHead;
use crate::model::time::parse_duration;
use crate::terminal::exit::{FAILED, Failure, INVALID, USAGE};
use crate::terminal::output::{self, OutputArguments, Progress, write_stderr};
use crate::wire::AuditArchiveIn;

/// Events read from the database at once.
const PART: usize = 500;

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Verify the chain of all events, and print the number and hash of the last one
    #[command(after_help = VERIFY_HELP)]
    Verify(AuditVerifyArguments),
    /// Move old events into a file; the rest of the log continues from it
    #[command(after_help = ARCHIVE_HELP)]
    Archive(ArchiveArguments),
}

const VERIFY_HELP: &str = "Store the printed line where the operator of the server can't change it. With --head, it later proves that no event \
up to it was changed or removed. Without it, the chain does not prove that the newest events are still there.";

const ARCHIVE_HELP: &str = "The file has mode 0600 and is complete on disk before any event is deleted. When the command is interrupted, run it again with the same FILE. \
Keep the file: verifying the complete log needs it (keycroft audit verify --archive FILE).";

#[derive(Args)]
pub struct AuditVerifyArguments {
    /// Also verify this archive, and that the log continues from it; repeatable, in any order
    #[arg(long, value_name = "FILE")]
    archive: Vec<PathBuf>,
    /// Also verify that the log still contains this event, as an earlier run printed it
    #[arg(long, value_name = "NUMBER:HASH", value_parser = ChainHead::parse)]
    head: Option<ChainHead>,
    /// Verify the archive files alone, without a database
    #[arg(long, requires = "archive", conflicts_with = "db")]
    archive_only: bool,
    #[command(flatten)]
    database: Database,
}

#[derive(Args)]
pub struct ArchiveArguments {
    /// New file for the events
    file: PathBuf,
    /// Minimum age of archived events, such as 90d
    #[arg(long, value_name = "AGE", default_value = "365d")]
    older_than: String,
    #[command(flatten)]
    database: Database,
}

/// `keycroft audit`.
pub fn run_audit(command: &AuditCommand, format: &OutputArguments) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(arguments) => verify(arguments, format),
        AuditCommand::Archive(arguments) => {
            format.reject_field()?;
            archive(arguments)
        }
    }
}

fn audit_failure(message: impl Into<String>) -> Failure {
    Failure::new(FAILED, message)
}

fn verify(arguments: &AuditVerifyArguments, format: &OutputArguments) -> Result<(), Failure> {
    if arguments.archive_only {
        return verify_all(arguments, None, format);
    }
    let log = open_log(&arguments.database)?;
    verify_all(arguments, Some(&log), format)
}

/// The audit log as a plain reader: no server has to stop for it.
fn open_log(database: &Database) -> Result<AuditLog, Failure> {
    AuditLog::open_file(&database.path()).map_err(|error| log_failure(&error))
}

fn log_failure(error: &OpenError) -> Failure {
    Failure::new(FAILED, error.to_string())
        .hint("run this as the database's owner; --db FILE names another database")
}

fn verify_all(
    arguments: &AuditVerifyArguments,
    log: Option<&AuditLog>,
    format: &OutputArguments,
) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &arguments.archive {
        files.push(ArchiveFile::open(path).map_err(audit_failure)?);
    }
    files.sort_by_key(|file| (file.start.number, file.head.number));
    let archived = log.map(AuditLog::archived_events).transpose()?;
    // Where files and database meet, all of them need the same hash.
    let mut marks = Marks::new();
    for file in &files {
        marks.insert(file.start.number, None);
        marks.insert(file.head.number, None);
    }
    marks.insert(0, None);
    marks.extend(archived.map(|place| (place.number, Some(place.hash))));
    marks.extend(arguments.head.map(|place| (place.number, None)));
    matches_known(&mut marks, &ChainHead::start());
    let first = files.first().map(|file| file.start.number);
    let mut last = first.unwrap_or_default();
    let mut head = ChainHead::start();
    for file in files {
        if file.start.number > last {
            return Err(audit_failure(format!(
                "events {} to {} are missing: pass their archive with --archive",
                last + 1,
                file.start.number
            )));
        }
        if file.head.number >= last {
            (last, head) = (file.head.number, file.head);
        }
        file.verify(&mut marks).map_err(audit_failure)?;
    }
    if let (Some(log), Some(archived)) = (log, archived) {
        if first.is_some() && last < archived.number {
            return Err(audit_failure(format!(
                "events {} to {} are missing: pass their archive with --archive",
                last + 1,
                archived.number
            )));
        }
        let mut differs = None;
        let mut progress = Progress::new("verifying events");
        let verdict = log.verify_events(|place| {
            progress.show(place.number.unsigned_abs(), 0);
            if !matches_known(&mut marks, place) {
                differs.get_or_insert(place.number);
            }
        })?;
        drop(progress);
        match verdict {
            Verdict::Whole { head: newest, .. } if newest.number >= last => head = newest,
            Verdict::Whole { head: newest, .. } => {
                return Err(audit_failure(format!(
                    "the audit log ends with event {}, and the archive with event {last}: events were removed, or the database is an older one",
                    newest.number
                )));
            }
            Verdict::Broken { number } => {
                return Err(audit_failure(format!(
                    "the audit log is broken: event {number} does not follow from the one before it"
                )));
            }
        }
        if let Some(number) = differs {
            return Err(audit_failure(format!(
                "the database does not follow the archive: its event {number} differs"
            )));
        }
    }
    if let Some(wanted) = arguments.head {
        require_head(&wanted, &marks, &head)?;
    }
    if first != Some(0) {
        let begin = first.or(archived.map(|place| place.number)).unwrap_or(0);
        if begin > 0 {
            write_stderr(&format!(
                "keycroft: events 1 to {begin} are archived and were not verified: pass their files with --archive"
            ));
        }
    }
    if format.is_json() {
        let head = serde_json::json!({"number": head.number, "hash": head.hash.hex()});
        return format.print_value(&head);
    }
    output::line(&format!("{}\t{}", head.number, head.hash.hex()))
}

/// Requires the event of a kept head, with the same hash.
fn require_head(wanted: &ChainHead, marks: &Marks, last: &ChainHead) -> Result<(), Failure> {
    let number = wanted.number;
    match marks.get(&number) {
        Some(Some(hash)) if hash.matches(&wanted.hash) => Ok(()),
        Some(Some(_)) => Err(audit_failure(format!(
            "the audit log was changed: event {number} differs from the one when this head was printed"
        ))),
        _ if number > last.number => Err(audit_failure(format!(
            "the audit log was cut off: it ends with event {}, and event {number} existed when this head was printed",
            last.number
        ))),
        _ => Err(audit_failure(format!("event {number} is archived"))
            .hint("pass its archive with --archive FILE")),
    }
}

fn archive(arguments: &ArchiveArguments) -> Result<(), Failure> {
    let age = parse_duration(&arguments.older_than)
        .map_err(|message| Failure::new(INVALID, format!("--older-than: {message}")))?;
    let database = arguments.database.path();
    let local = Local::open(database.clone(), MissingDatabase::Reject)?;
    let client = Client::local(
        local,
        &database.display().to_string(),
        &OutputArguments::default(),
    );
    let log = AuditLog::open_again(&database).map_err(|error| log_failure(&error))?;
    let path = &arguments.file;
    let head = match fs::symlink_metadata(path) {
        Ok(_) => resume(&log, path)?,
        Err(_) => {
            let archived = log.archived_events()?;
            if archived.number > 0 {
                // Left over from an interrupted run.
                record(&client, &archived, "")?;
            }
            let Some(head) = log.archivable_events(client.now().before(age))? else {
                write_stderr(&format!(
                    "no event is older than {}: nothing to archive",
                    arguments.older_than
                ));
                return Ok(());
            };
            write(&log, path, &head)?;
            head
        }
    };
    let first = prune(&client, &log, path, &head)?;
    write_stderr(&format!(
        "archived events {first} to {} into {}",
        head.number,
        path.display()
    ));
    output::line(&format!("{}\t{}", head.number, head.hash.hex()))
}

/// Records the archive in the database and deletes its events there.
fn record(client: &Client, head: &ChainHead, name: &str) -> Result<(), Failure> {
    let archive = AuditArchiveIn {
        name: name.to_owned(),
        number: head.number,
        hash: head.hash.hex(),
    };
    client.post("/api/v1/audit-archives", &archive).map(|_| ())
}

/// Writes all events up to `head` into a new file.
fn write(log: &AuditLog, path: &Path, head: &ChainHead) -> Result<(), Failure> {
    let start = log.archived_events()?;
    let mut unfinished = UnfinishedArchive::create(path, &start, head).map_err(audit_failure)?;
    match copy(log, &mut unfinished, start, head) {
        Ok(()) => unfinished.publish().map_err(audit_failure),
        Err(failure) => {
            unfinished.discard();
            Err(failure)
        }
    }
}

fn copy(
    log: &AuditLog,
    unfinished: &mut UnfinishedArchive,
    start: ChainHead,
    head: &ChainHead,
) -> Result<(), Failure> {
    let mut place = start;
    while place.number < head.number {
        let left = usize::try_from(head.number - place.number).unwrap_or(PART);
        for (event, hash) in log.events_after(place.number, left.min(PART))? {
            place = place.followed_by(&event, &hash).ok_or_else(|| {
                audit_failure(format!(
                    "the audit log is broken: event {} does not follow from the one before it; nothing was archived",
                    place.number + 1
                ))
            })?;
            unfinished.add(event, &hash).map_err(audit_failure)?;
        }
    }
    Ok(())
}

/// The head of a file that an interrupted run has left complete; it has to hold exactly the next events to archive, or the
/// last archived ones.
fn resume(log: &AuditLog, path: &Path) -> Result<ChainHead, Failure> {
    let exists = || {
        Failure::new(
            USAGE,
            format!(
                "{} exists and is not the archive of the next events",
                path.display()
            ),
        )
        .hint("name a new file")
    };
    audit_file::require_private(path).map_err(audit_failure)?;
    let file = ArchiveFile::open(path).map_err(|_| exists())?;
    let archived = log.archived_events()?;
    let is_done = file.head.is(&archived);
    if !is_done && !file.start.is(&archived) {
        return Err(exists());
    }
    Ok(file.head)
}

/// Verifies the file as it is on disk, and only then deletes its events from the database. The first of them.
fn prune(client: &Client, log: &AuditLog, path: &Path, head: &ChainHead) -> Result<i64, Failure> {
    let file = ArchiveFile::open(path).map_err(audit_failure)?;
    let first = file.start.number + 1;
    let archived = log.archived_events()?;
    let kept = if head.is(&archived) {
        Some(archived)
    } else {
        log.event_place(head.number)?
    };
    let mut marks = Marks::from([(head.number, kept.map(|place| place.hash))]);
    file.verify(&mut marks).map_err(audit_failure)?;
    // An interrupted run may have left a name that is not on disk yet.
    audit_file::sync_folder(path)
        .map_err(|error| audit_failure(format!("{}: {error}", path.display())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    record(client, head, &name).map_err(|failure| match failure.code {
        INVALID => audit_failure(format!(
            "{}: its last event is not in the audit log; nothing was deleted",
            path.display()
        )),
        _ => failure,
    })?;
    Ok(first)
}
