//! On the file itself or through the API: what `user`, `policy`, `event` and `sweep` can be asked of.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::client::Client;
use super::connection::Remote;
use super::environment::path_variable;
use super::exit::{FAILED, Failure, SIGN_IN_NEEDED};
use super::output::say;
use crate::app::{App, AppState};
use crate::clock::Clock;

/// The file's name where none is said.
const FILE: &str = "keycroft.db";
const DB: &str = "KEYCROFT_DB";

/// Which of the two is decided by the first of these that holds:
/// 1. `--db` names a file.
/// 2. `--server` or `--context` names a server.
/// 3. `KEYCROFT_DB` names a file.
/// 4. `KEYCROFT_SERVER`, `KEYCROFT_CONTEXT`, `KEYCROFT_TOKEN` or `KEYCROFT_TOKEN_FILE` is set: the server.
/// 5. `STATE_DIRECTORY` is set: the file in it.
/// 6. A login is in use: the server.
/// 7. `keycroft.db` in the current folder, which `user add --admin` makes when it is not there.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Work on this file itself, as its owner, instead of asking a server [env: KEYCROFT_DB]
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["server", "context"])]
    db: Option<PathBuf>,
    #[command(flatten)]
    pub remote: Remote,
}

/// The rule above, for help.
pub const HELP: &str = "On a file or through a server: --db names a file, --server or --context a server; without them KEYCROFT_DB names a file, \
KEYCROFT_SERVER, KEYCROFT_CONTEXT, KEYCROFT_TOKEN or KEYCROFT_TOKEN_FILE a server. Without any of these it is keycroft.db in STATE_DIRECTORY if \
that is set, else the server that you are signed in at, else keycroft.db in the current folder (which `user add --admin` makes).";

/// What was consistent_read on.
pub enum Backend {
    File(Box<File>),
    Server(Box<Client>),
}

/// The open file.
pub struct File {
    app_state: AppState,
    pub app: App,
    path: PathBuf,
    pub json: bool,
}

/// Whether a file that is not there is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Make,
    Refuse,
}

impl Place {
    /// The file that is meant; `None` when a server is.
    fn file(&self) -> Option<PathBuf> {
        if let Some(path) = &self.db {
            return Some(path.clone());
        }
        if self.remote.is_named_by_flag() {
            return None;
        }
        if let Some(path) = path_variable(DB) {
            return Some(path);
        }
        if Remote::is_named_by_environment() {
            return None;
        }
        if let Some(folder) = path_variable("STATE_DIRECTORY") {
            return Some(folder.join(FILE));
        }
        (!Remote::is_signed_in()).then(|| PathBuf::from(FILE))
    }

    /// Whether a file is named outright.
    #[must_use]
    pub fn names_file(&self) -> bool {
        self.db.is_some() || (path_variable(DB).is_some() && !self.remote.is_named_by_flag())
    }

    /// Settles what is asked, and opens it.
    ///
    /// # Errors
    /// With one line that says why not, and what to try.
    pub fn settle(&self, missing: Missing) -> Result<Backend, Failure> {
        let Some(path) = self.file() else {
            return Ok(Backend::Server(Box::new(self.remote.client()?)));
        };
        let is_there = std::fs::symlink_metadata(&path).is_ok();
        if !is_there && missing == Missing::Refuse && !self.names_file() {
            return Err(Failure::new(
                SIGN_IN_NEEDED,
                format!(
                    "you are signed in nowhere, and there is no {} here",
                    path.display()
                ),
            )
            .hint("keycroft login https://keys.lab.example, or --db FILE"));
        }
        let fail = |error: crate::app::OpenError| Failure::new(FAILED, error.to_string());
        let app_state = if missing == Missing::Make {
            AppState::open_or_create(&path, Clock::System)
        } else {
            AppState::open(&path, Clock::System)
        };
        let app_state = app_state.map_err(fail).map_err(|failure| {
            failure.hint("run this as the file's owner; --db FILE names another")
        })?;
        if !is_there {
            say(&format!("made {}", path.display()));
        }
        let app = app_state.app()?;
        Ok(Backend::File(Box::new(File {
            app_state,
            app,
            path,
            json: self.remote.json,
        })))
    }
}

impl Backend {
    #[must_use]
    pub fn json(&self) -> bool {
        match self {
            Self::File(file) => file.json,
            Self::Server(client) => client.connection.json,
        }
    }

    /// For words on standard error: where something was done.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => format!("in {}", shown(&file.path)),
            Self::Server(client) => format!("at {}", client.connection.server.as_str()),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl Drop for File {
    /// Leaves the file whole and closed, however the command ends.
    fn drop(&mut self) {
        self.app_state.close();
    }
}

/// A shape of the wire as the API would write it.
///
/// # Errors
/// Never for shapes of ours.
pub fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::new(FAILED, error.to_string()))
}
