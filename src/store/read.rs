//! Reading: a connection that can only SELECT.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use super::cache::{Cache, VerificationSubject};
use super::file;
use super::identity::FileIdentity;
use super::open_error::OpenError;
use super::transaction_writes::TransactionWrites;
use crate::model::credential::Credential;
use crate::model::error::Error;
use crate::model::secret::Id;

/// The queries; the file of each table adds its own. Readers have it on a read-only connection, the writer on its own
/// connection within a transaction.
pub struct Select {
    pub(super) connection: Connection,
    asked: Cell<u64>,
    /// On the writer's connection: the writes of the open transaction.
    written: Option<TransactionWrites>,
    /// True when the open transaction adds notices or changes channels.
    has_notices: Cell<bool>,
}

impl Select {
    pub(super) const fn new(connection: Connection) -> Self {
        Self {
            connection,
            asked: Cell::new(0),
            written: None,
            has_notices: Cell::new(false),
        }
    }

    /// Wakes the thread that delivers notices, after the commit.
    pub(super) fn signal_notices(&self) {
        self.has_notices.set(true);
    }

    /// Returns whether notices were signaled since the last call.
    pub(super) fn take_notice_signal(&self) -> bool {
        self.has_notices.replace(false)
    }

    /// The writer's queries. They record which cache entries their statements invalidate.
    pub(super) fn writing(mut connection: Connection) -> rusqlite::Result<Self> {
        let written = TransactionWrites::watch(&mut connection)?;
        Ok(Self {
            written: Some(written),
            ..Self::new(connection)
        })
    }

    /// The writes since the last call.
    pub(super) fn take_written(&self) -> Vec<VerificationSubject> {
        self.written
            .as_ref()
            .map(TransactionWrites::take)
            .unwrap_or_default()
    }

    /// The number of statements run on this connection so far. It reveals queries whose number grows with the rows of a
    /// list.
    pub const fn statement_count(&self) -> u64 {
        self.asked.get()
    }

    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        self.statement_for(VerificationSubject::Everything, sql)
    }

    /// A statement whose only writes to rows of verification are those of `concern`.
    fn statement_for(
        &self,
        subject: VerificationSubject,
        sql: &str,
    ) -> Result<CachedStatement<'_>, Error> {
        self.asked.set(self.asked.get() + 1);
        if let Some(written) = &self.written {
            written.note(&self.connection, subject, sql)?;
        }
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// The row that `sql` finds, if any.
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

    /// The number that `sql` counts.
    pub(super) fn count(&self, sql: &str, with: impl Params) -> Result<i64, Error> {
        Ok(self.statement(sql)?.query_row(with, |row| row.get(0))?)
    }

    /// Changes rows. Returns how many. Works on the writer's connection only: those of readers are read-only.
    pub(super) fn execute(&self, sql: &str, with: impl Params) -> Result<usize, Error> {
        self.execute_for(VerificationSubject::Everything, sql, with)
    }

    /// Changes rows of one credential or one owner: all others stay cached.
    pub(super) fn execute_for(
        &self,
        subject: VerificationSubject,
        sql: &str,
        with: impl Params,
    ) -> Result<usize, Error> {
        // Outside a transaction the act would be committed without its event.
        if self.connection.is_autocommit() {
            return Err(Error::unavailable());
        }
        Ok(self.statement_for(subject, sql)?.execute(with)?)
    }

    /// Runs a statement that deletes or changes credentials and ends with `RETURNING id`. Returns the ids.
    pub(super) fn execute_returning(&self, sql: &str, with: impl Params) -> Result<Vec<Id>, Error> {
        if self.connection.is_autocommit() {
            return Err(Error::unavailable());
        }
        let mut statement = self.statement_for(VerificationSubject::NewRow, sql)?;
        let rows = statement.query_map(with, |row| super::row::id(row, 0))?;
        let ids = rows.collect::<rusqlite::Result<Vec<Id>>>()?;
        if let Some(written) = &self.written {
            for id in &ids {
                written.add(VerificationSubject::Credential(*id));
            }
        }
        Ok(ids)
    }

    /// Begins or ends a transaction or a savepoint. Every job does this, so the statement is prepared once.
    pub(super) fn exec_tx(&self, sql: &'static str) -> Result<(), Error> {
        self.statement(sql)?.execute([])?;
        Ok(())
    }

    /// Rolls back the open transaction, if any.
    pub(super) fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            log::error!("a transaction was not rolled back: {error}");
        }
    }

    /// The key of keyed digests.
    pub fn digest_key(&self) -> Result<[u8; 32], Error> {
        let key = self.one("SELECT digest_key FROM installation", [], |row| row.get(0))?;
        key.ok_or_else(|| Error::Fault("the database lacks its installation row".to_owned()))
    }

    /// The public URL of the last server on this database; `None` if none ever ran.
    pub fn public_url(&self) -> Result<Option<String>, Error> {
        let found = self.one("SELECT public_url FROM installation", [], |row| row.get(0))?;
        Ok(found.flatten())
    }

    /// Checks that the database can be read.
    pub fn ping(&self) -> Result<(), Error> {
        self.count("SELECT count(*) FROM installation", [])
            .map(|_| ())
    }
}

/// A read-only connection, for one thread.
pub struct Read {
    select: Select,
    /// Shared by the readers of a store.
    shared: Option<(Arc<Cache>, Arc<FileIdentity>)>,
}

impl Read {
    pub(super) fn open(
        path: &Path,
        cache: Arc<Cache>,
        identity: Arc<FileIdentity>,
    ) -> Result<Self, Error> {
        Ok(Self {
            select: Select::new(file::open_to_read(path)?),
            shared: Some((cache, identity)),
        })
    }

    /// A credential and its owner as they are now: from the cache, if neither was written since.
    pub fn credential_now(&self, id: Id) -> Result<Option<Arc<Credential>>, Error> {
        let Some((cache, identity)) = &self.shared else {
            return Ok(self.credential(id)?.map(Arc::new));
        };
        if identity.is_lost() {
            return Err(Error::DatabaseReplaced);
        }
        if let Some(found) = cache.find(id) {
            return Ok(Some(found));
        }
        let as_of = cache.mark();
        let Some(credential) = self.credential(id)? else {
            return Ok(None);
        };
        Ok(Some(cache.store(credential, as_of)))
    }

    /// Opens the database at `path` with the full check of a start, for a reader that has time for it.
    pub fn open_checked(path: &Path) -> Result<Self, OpenError> {
        file::check(path)?;
        Self::open_file(path)
    }

    /// Opens the database at `path` without a store: no writer, no migration, no check of every page.
    pub fn open_file(path: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            select: Select::new(file::open_to_read_alone(path)?),
            shared: None,
        })
    }
}

impl Deref for Read {
    type Target = Select;

    fn deref(&self) -> &Select {
        &self.select
    }
}

/// A page of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The position of the next page; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `limit` items out of up to `limit + 1` rows.
    pub(super) fn new(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(name) } else { None };
        Self { items, next }
    }
}
