//! `keycroft backup` and `keycroft restore`.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use clap::Args;

use super::exit::{FAILED, Failure, USAGE};
use super::operator::Database;
use super::output::{self, Cell};
use crate::app::{AppState, BackedUp, Existing, OpenError, Restored, Survivor};
use crate::clock::Clock;
use crate::model::time::Time;

#[derive(Args)]
pub struct BackupArguments {
    /// Where the copy goes: a new file, or - for standard output
    file: PathBuf,
    #[command(flatten)]
    database: Database,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// Do it although there is a file: that one is kept under another name
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    database: Database,
}

/// `keycroft backup`.
///
/// # Errors
/// With what to say and the exit code.
pub fn backup(arguments: &BackupArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let done = if arguments.file.as_os_str() == "-" {
        if stdout().is_terminal() {
            let failure = Failure::new(USAGE, "a terminal is no place for a backup");
            return Err(failure.hint("keycroft backup FILE"));
        }
        AppState::back_up_to(&path, &mut stdout().lock(), &Clock::System)
    } else {
        AppState::back_up(&path, &arguments.file, &Clock::System)
    };
    let BackedUp { bytes, unnoted } = done.map_err(failed)?;
    eprintln!("backed up {}: {bytes} bytes, whole", path.display());
    if let Some(why) = unnoted {
        eprintln!("keycroft: the backup is good, but could not be noted in the file: {why}");
    }
    Ok(())
}

/// `keycroft restore`.
///
/// # Errors
/// With what to say and the exit code.
pub fn restore(arguments: &RestoreArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let existing = if arguments.yes {
        Existing::MoveAside
    } else {
        Existing::Refuse
    };
    if !arguments.yes && std::fs::symlink_metadata(&path).is_ok() {
        let failure = Failure::new(USAGE, format!("{} is there already", path.display()));
        return Err(failure.hint(format!(
            "keycroft restore {} --yes, which keeps that file under another name",
            arguments.file.display()
        )));
    }
    let restored =
        AppState::restore(&arguments.file, &path, existing, &Clock::System).map_err(failed)?;
    say(&path.display().to_string(), &restored);
    let rows: Vec<Vec<Cell>> = restored.survivors.iter().map(row).collect();
    output::table(&HEADINGS, &rows)
}

fn failed(refused: OpenError) -> Failure {
    Failure::new(FAILED, refused.to_string())
}

fn say(path: &str, restored: &Restored) {
    let made = restored
        .made_at
        .map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
    eprintln!("restored {path} as it was at {made}");
    if let Some(moved) = &restored.moved_to {
        eprintln!("the file that was there is now {}", moved.display());
    }
    let Restored {
        tokens,
        sessions,
        codes,
        ..
    } = restored;
    eprintln!("ended {tokens} tokens, {sessions} sessions and {codes} codes");
    eprintln!(
        "All that was deleted, disabled, rotated or limited since then is good again as it was: users, SSH keys, and these\n\
         API keys and hosts. Look at each; end with `keycroft user disable` or on the console what should be over."
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

fn row(survivor: &Survivor) -> Vec<Cell> {
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
