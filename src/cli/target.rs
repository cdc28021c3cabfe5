//! A database or a server: the target of an administrative command.

use std::path::PathBuf;

use clap::Args;

use super::client::Client;
use super::local::{Local, MissingDatabase, nothing_there};
use crate::client::connection::{Remote, named_by_environment};
use crate::terminal::environment::{DB, path_variable};
use crate::terminal::exit::{Failure, USAGE};

/// The default name of the database.
const FILE: &str = "keycroft.db";

/// The target of a command: flags before environment before a saved login.
#[derive(Args, Clone, Debug)]
pub struct TargetArguments {
    /// Administer this database on this machine, as its owner or root [env: KEYCROFT_DB]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Database", conflicts_with_all = ["server", "context"])]
    pub db: Option<PathBuf>,
    #[command(flatten)]
    pub remote: Remote,
}

/// The rule for help.
pub const HELP: &str = "Target: --db selects a database on this machine, --server or --context a server. \
A flag overrides the environment (KEYCROFT_DB, KEYCROFT_SERVER, …); the environment overrides the active context. \
Without any of them, the target is keycroft.db in $STATE_DIRECTORY or the current folder.";

impl TargetArguments {
    /// The target database, and true when it was named; `None` for a server.
    fn database(&self) -> Result<Option<(PathBuf, bool)>, Failure> {
        if let Some(path) = &self.db {
            return Ok(Some((path.clone(), true)));
        }
        if self.remote.is_named_by_flag() {
            return Ok(None);
        }
        match (path_variable(DB), named_by_environment()) {
            (Some(_), Some(server)) => {
                return Err(Failure::new(
                    USAGE,
                    format!("{DB} names a database and {server} names a server"),
                )
                .hint("unset one of them, or pass --db or --server"));
            }
            (Some(path), None) => return Ok(Some((path, true))),
            (None, Some(_)) => return Ok(None),
            (None, None) => {}
        }
        if Remote::is_signed_in() {
            return Ok(None);
        }
        let folder = path_variable("STATE_DIRECTORY");
        Ok(Some((folder.unwrap_or_default().join(FILE), false)))
    }

    /// Returns true when a database is named.
    pub fn names_database(&self) -> bool {
        matches!(self.database(), Ok(Some((_, true))))
    }

    /// A client for the target, which has to exist.
    pub fn client(&self) -> Result<Client, Failure> {
        self.client_or(MissingDatabase::Reject)
    }

    /// A client for the target; a database that does not exist is created if `missing` says so.
    pub fn client_or(&self, missing: MissingDatabase) -> Result<Client, Failure> {
        let Some((path, named)) = self.database()? else {
            return self.remote.client();
        };
        let exists = std::fs::symlink_metadata(&path).is_ok();
        if !exists && missing == MissingDatabase::Reject && !named {
            return Err(nothing_there(&path));
        }
        let shown = path.display().to_string();
        Ok(Client::local(
            Local::open(path, missing)?,
            &shown,
            &self.remote.format,
        ))
    }
}
