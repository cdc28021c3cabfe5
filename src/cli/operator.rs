//! What the file's owner does on the file itself; the log says "operator".

use std::path::{Path, PathBuf};

use clap::Args;

use super::environment::path_variable;
use super::exit::{FAILED, Failure};
use crate::app::AppState;
use crate::clock::Clock;

/// The file, where one is named.
#[derive(Args, Clone)]
pub struct Database {
    /// The database file [env: `KEYCROFT_DB`] [default: keycroft.db in `$STATE_DIRECTORY` or the current folder]
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
}

impl Database {
    /// The file that is meant.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let named = self.db.clone().or_else(|| path_variable("KEYCROFT_DB"));
        named.unwrap_or_else(|| {
            path_variable("STATE_DIRECTORY")
                .unwrap_or_default()
                .join("keycroft.db")
        })
    }

    /// Opens the file, which has to be there.
    ///
    /// # Errors
    /// With one line that says why not.
    pub fn open(&self) -> Result<AppState, Failure> {
        open(&self.path())
    }

    /// Opens the file; makes it when nothing is there.
    ///
    /// # Errors
    /// With one line that says why not.
    pub fn open_or_create(&self) -> Result<AppState, Failure> {
        AppState::open_or_create(&self.path(), Clock::System)
            .map_err(|error| Failure::new(FAILED, error.to_string()))
    }
}

fn open(path: &Path) -> Result<AppState, Failure> {
    AppState::open(path, Clock::System).map_err(|error| {
        Failure::new(FAILED, error.to_string())
            .hint("run this as the file's owner, and name the file with --db FILE")
    })
}
