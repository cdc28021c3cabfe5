//! The writes of a transaction that concern verification.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::cache::VerificationSubject;
use crate::model::error::Error;

/// The tables from which a credential and its owner are read.
const TABLES: [&str; 9] = [
    "credentials",
    "users",
    "services",
    "hosts",
    "groups",
    "group_members",
    "service_permissions",
    "user_permissions",
    "role_permissions",
];
/// The column in these that verification never reads: it follows every use.
const LAST_USE: (&str, &str) = ("credentials", "last_used_at");
/// Limit of separate drops for one transaction; beyond it everything is dropped.
const SUBJECTS_MAX: usize = 1_024;

/// The writes of the open transaction.
pub(super) struct TransactionWrites {
    /// Set by SQLite's authorizer while it prepares a statement that writes one of [`TABLES`], directly, by a trigger
    /// or by a cascade.
    seen: Arc<AtomicBool>,
    /// The same for each statement that was prepared before.
    known: RefCell<HashMap<String, bool>>,
    subjects: RefCell<Vec<VerificationSubject>>,
}

impl TransactionWrites {
    /// Watches the statements that `connection` prepares from now on.
    pub(super) fn watch(connection: &mut Connection) -> rusqlite::Result<Self> {
        let seen = Arc::new(AtomicBool::new(false));
        let sees = Arc::clone(&seen);
        let authorizer = move |context: AuthContext<'_>| {
            let (AuthAction::Insert { table_name: table }
            | AuthAction::Delete { table_name: table }
            | AuthAction::Update {
                table_name: table, ..
            }) = context.action
            else {
                return Authorization::Allow;
            };
            let is_use = matches!(context.action, AuthAction::Update { column_name, .. } if (table, column_name) == LAST_USE);
            if TABLES.contains(&table) && !is_use {
                sees.store(true, Ordering::Relaxed);
            }
            Authorization::Allow
        };
        connection.authorizer(Some(authorizer))?;
        Ok(Self {
            seen,
            known: RefCell::default(),
            subjects: RefCell::default(),
        })
    }

    /// Records a statement that is about to run.
    pub(super) fn note(
        &self,
        connection: &Connection,
        subject: VerificationSubject,
        sql: &str,
    ) -> Result<(), Error> {
        if !self.changes_verification(connection, sql)? {
            return Ok(());
        }
        self.add(subject);
        Ok(())
    }

    /// Records a credential or an owner whose rows were written.
    pub(super) fn add(&self, subject: VerificationSubject) {
        let mut subjects = self.subjects.borrow_mut();
        if subjects.contains(&VerificationSubject::Everything) {
            return;
        }
        if subject == VerificationSubject::Everything || subjects.len() >= SUBJECTS_MAX {
            subjects.clear();
            subjects.push(VerificationSubject::Everything);
        } else if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }

    fn changes_verification(&self, connection: &Connection, sql: &str) -> Result<bool, Error> {
        if let Some(known) = self.known.borrow().get(sql) {
            return Ok(*known);
        }
        self.seen.store(false, Ordering::Relaxed);
        // Not from the statement cache: the authorizer runs while a statement is prepared.
        drop(connection.prepare(sql)?);
        let subjects = self.seen.load(Ordering::Relaxed);
        self.known.borrow_mut().insert(sql.to_owned(), subjects);
        Ok(subjects)
    }

    /// The records since the last call.
    pub(super) fn take(&self) -> Vec<VerificationSubject> {
        self.subjects.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Triggers and cascades count as the statement's own writes; WITHOUT ROWID tables too.
    #[test]
    fn statement_subjects_include_triggers_and_cascades() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../schema.sql"))
            .unwrap();
        connection
            .pragma_update(None, "foreign_keys", "ON")
            .unwrap();
        let written = TransactionWrites::watch(&mut connection).unwrap();
        for (sql, subjects) in [
            ("UPDATE credentials SET name = ''", true),
            ("DELETE FROM groups WHERE id = 1", true),
            ("INSERT INTO user_permissions VALUES (1, 'metrics')", true),
            ("DELETE FROM service_permissions", true),
            ("SELECT * FROM credentials", false),
            (
                "INSERT INTO throttle (bucket, since, count) VALUES ('a', 1, 1)",
                false,
            ),
            ("UPDATE installation SET last_backup_at = 1", false),
            ("DELETE FROM ssh_keys", false),
            ("DELETE FROM usage_days", false),
            ("UPDATE credentials SET last_used_at = 1", false),
            ("UPDATE credentials SET last_used_at = 1, note = ''", true),
            ("UPDATE last_uses SET at = 1", false),
        ] {
            written
                .note(&connection, VerificationSubject::Everything, sql)
                .unwrap();
            let pending = !written.take().is_empty();
            assert_eq!(pending, subjects, "{sql}");
            written
                .note(&connection, VerificationSubject::Everything, sql)
                .unwrap();
            assert_eq!(!written.take().is_empty(), subjects, "{sql}: again");
        }
    }

    #[test]
    fn too_many_subjects_drop_the_cache() {
        let mut connection = Connection::open_in_memory().unwrap();
        let written = TransactionWrites::watch(&mut connection).unwrap();
        for _ in 0..=SUBJECTS_MAX {
            written.add(VerificationSubject::Credential(
                crate::model::secret::Id::random(),
            ));
        }
        assert_eq!(written.take(), [VerificationSubject::Everything]);
        written.add(VerificationSubject::NewRow);
        assert_eq!(written.take(), [VerificationSubject::NewRow]);
    }
}
