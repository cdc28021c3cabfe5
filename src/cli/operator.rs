//! Commands of the owner of the database; the audit log names the operator.

use std::path::PathBuf;

use clap::Args;

use crate::app::{AppState, OpenError};
use crate::clock::Clock;
use crate::terminal::environment::path_variable;
use crate::terminal::exit::{FAILED, Failure};

/// The file, where one is named.
#[derive(Args, Clone)]
pub struct Database {
    /// Database [env: `KEYCROFT_DB`] [default: keycroft.db in `$STATE_DIRECTORY` or the current folder]
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
}

impl Database {
    /// The file that is meant.
    pub fn path(&self) -> PathBuf {
        let named = self.db.clone().or_else(|| path_variable("KEYCROFT_DB"));
        named.unwrap_or_else(|| {
            path_variable("STATE_DIRECTORY")
                .unwrap_or_default()
                .join("keycroft.db")
        })
    }

    /// Opens the database, which has to exist.
    pub fn open(&self) -> Result<AppState, Failure> {
        AppState::open(&self.path(), Clock::System).map_err(failed)
    }

    /// Opens the database for a server; creates it when it does not exist.
    pub fn serve(&self) -> Result<AppState, Failure> {
        AppState::serve(&self.path(), Clock::System)
            .map_err(|error| Failure::new(FAILED, error.to_string()))
    }
}

fn failed(error: OpenError) -> Failure {
    Failure::new(FAILED, error.to_string())
        .hint("run this as the database's owner; --db FILE names another database")
}
