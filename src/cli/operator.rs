//! What the file's owner does on the file itself; the log says "operator".

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::exit::{FAILED, Failure};
use super::output;
use crate::app::{AppState, OpenError, Verdict, verify_events_of_file};
use crate::clock::Clock;

/// The file, where one is named.
#[derive(Args, Clone)]
pub struct Database {
    /// The database file [default: keycroft.db in `$STATE_DIRECTORY` or the current folder]
    #[arg(long, env = "KEYCROFT_DB", value_name = "FILE")]
    pub db: Option<PathBuf>,
}

impl Database {
    /// The file that is meant.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.db.clone().unwrap_or_else(|| {
            let folder = std::env::var_os("STATE_DIRECTORY")
                .map(PathBuf::from)
                .unwrap_or_default();
            folder.join("keycroft.db")
        })
    }

    /// Opens the database, which has to exist.
    ///
    /// # Errors
    /// With one line that names the reason.
    pub fn open(&self) -> Result<AppState, Failure> {
        AppState::open(&self.path(), Clock::System).map_err(failed)
    }

    /// Opens the database for a server; creates it when it does not exist.
    ///
    /// # Errors
    /// With one line that names the reason.
    pub fn serve(&self) -> Result<AppState, Failure> {
        AppState::serve(&self.path(), Clock::System)
            .map_err(|error| Failure::new(FAILED, error.to_string()))
    }
}

fn failed(error: OpenError) -> Failure {
    Failure::new(FAILED, error.to_string())
        .hint("run this as the database's owner; --db FILE names another database")
}

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Go through the whole chain of events; print how many there are and the head, which can be kept elsewhere
    Verify {
        #[command(flatten)]
        database: Database,
    },
}

/// `keycroft audit`.
///
/// # Errors
/// With what to say and the exit code.
pub fn audit(command: &AuditCommand) -> Result<(), Failure> {
    let AuditCommand::Verify { database } = command;
    match verify_events_of_file(&database.path()).map_err(failed)? {
        Verdict::Whole { events, head } => output::line(&format!("{events}\t{head}")),
        Verdict::Broken { number } => Err(Failure::new(
            FAILED,
            format!("the audit log is broken: event {number} does not follow from those before it"),
        )),
    }
}
