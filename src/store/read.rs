//! Reading: a connection that can only SELECT.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use super::file::{self, OpenError};
use super::recent::Recent;
use crate::model::error::Error;

/// What can be asked of the file; each table's file in this room adds its questions. Readers have it on a read-only
/// connection, the writer on its own within a transaction.
pub struct Select {
    pub(super) connection: Connection,
    asked: Cell<u64>,
}

impl Select {
    pub(super) const fn new(connection: Connection) -> Self {
        Self {
            connection,
            asked: Cell::new(0),
        }
    }

    /// How many statements this connection was asked, ever: what grows with the rows of a list is seen by it.
    #[must_use]
    pub const fn statements_asked(&self) -> u64 {
        self.asked.get()
    }

    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        self.asked.set(self.asked.get() + 1);
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// The row that `sql` finds, if it finds one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        with: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        Ok(self.statement(sql)?.query_row(with, read).optional()?)
    }

    /// All rows that `sql` finds.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        with: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.statement(sql)?;
        let rows = statement.query_map(with, read)?;
        Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
    }

    /// The one number that `sql` counts.
    pub(super) fn count(&self, sql: &str, with: impl Params) -> Result<i64, Error> {
        Ok(self.statement(sql)?.query_row(with, |row| row.get(0))?)
    }

    /// Changes rows; how many. Only ever reached on the writer's connection: readers' can't.
    pub(super) fn execute(&self, sql: &str, with: impl Params) -> Result<usize, Error> {
        // Without its transaction a statement would be committed alone, the act without its event.
        if self.connection.is_autocommit() {
            return Err(Error::unavailable());
        }
        Ok(self.statement(sql)?.execute(with)?)
    }

    /// Begins or ends a transaction or a savepoint, by a statement that is prepared once: this is done for every job.
    pub(super) fn exec_tx(&self, sql: &'static str) -> Result<(), Error> {
        self.statement(sql)?.execute([])?;
        Ok(())
    }

    /// Undoes the open transaction, if there is one.
    pub(super) fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            log::error!("a transaction was not rolled back: {error}");
        }
    }

    /// The key of keyed digests.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn digest_key(&self) -> Result<[u8; 32], Error> {
        let key = self.one("SELECT digest_key FROM installation", [], |row| row.get(0))?;
        key.ok_or_else(|| Error::Fault("the file lacks its installation row".to_owned()))
    }

    /// Where the server that ran last on this database is reached; `None` when none ever ran.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn public_url(&self) -> Result<Option<String>, Error> {
        let found = self.one("SELECT public_url FROM installation", [], |row| row.get(0))?;
        Ok(found.flatten())
    }

    /// Whether the file can be read at all.
    ///
    /// # Errors
    /// [`Error::Fault`] or [`Error::Unavailable`] when it can't.
    pub fn ping(&self) -> Result<(), Error> {
        self.count("SELECT count(*) FROM installation", [])
            .map(|_| ())
    }
}

/// A read-only connection, for one thread.
pub struct Read {
    select: Select,
    /// What the store's readers share. Last: it goes after the connection.
    recent: Option<Arc<Recent>>,
}

impl Read {
    pub(super) fn open(path: &Path, recent: Arc<Recent>) -> Result<Self, Error> {
        Ok(Self {
            select: Select::new(file::open_to_read(path)?),
            recent: Some(recent),
        })
    }

    pub(super) fn recent(&self) -> Option<&Recent> {
        self.recent.as_deref()
    }

    /// Opens the file at `path` without a store: no writer, no migration, no look at every page.
    ///
    /// # Errors
    /// [`OpenError`] with one clear line, when it is no file of ours, others can read it, or another version wrote it.
    pub fn of_file(path: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            select: Select::new(file::open_to_read_alone(path)?),
            recent: None,
        })
    }
}

impl Deref for Read {
    type Target = Select;

    fn deref(&self) -> &Select {
        &self.select
    }
}

/// A part of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// What to ask for to get the next part; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of `limit` out of up to `limit + 1` rows.
    pub(super) fn of(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(name) } else { None };
        Self { items, next }
    }
}
