//! What was looked up lately, kept in memory for as long as nobody has written to the file.
//!
//! The index of the journal (`-shm`) begins with 48 bytes, written twice, that every commit changes, whichever process
//! makes it (<https://sqlite.org/walformat.html>, 2.2). SQLite itself goes by nothing else when it asks whether the pages
//! that it holds are still true, and `PRAGMA data_version` counts by it. To look at them is one system call; a SELECT
//! takes three, for its lock, and walks through some seven b-trees.
//!
//! What is found here was true when the index was looked at, within the request that asks. Whoever changes the file is
//! answered after the index has changed: from the next request on, nothing older is found.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::file::beside;
use super::read::Read;
use crate::model::credential::{Credential, Owner, OwnerId};
use crate::model::error::Error;
use crate::model::secret::Id;

/// Credentials kept at most, for all threads together: some 4 MB. More are looked up each time.
const CREDENTIALS_MAX: usize = 16_384;
/// Bytes of the header that the index begins with.
const HEADER_BYTES: usize = 48;
/// What its first word says, in the machine's own order of bytes.
const INDEX_VERSION: [u8; 4] = 3_007_000_u32.to_ne_bytes();
/// Where it counts commits.
const COMMITS: std::ops::Range<usize> = 8..12;
/// Where it says that it was filled in.
const IS_INIT: usize = 12;

/// The state of the file between two commits.
pub(super) type Mark = [u8; HEADER_BYTES];

fn commits(mark: &Mark) -> u32 {
    let mut count = [0; 4];
    count.copy_from_slice(&mark[COMMITS]);
    u32::from_ne_bytes(count)
}

/// What was looked up lately, by all threads.
pub(super) struct Recent {
    /// `None`: it can't be looked at, and everything is looked up each time.
    index: Option<File>,
    known: Mutex<Known>,
}

struct Known {
    as_of: Mark,
    /// Boxed: a table has twice the room that it needs.
    credentials: HashMap<Id, Box<Credential>>,
    owners: HashMap<OwnerId, Owner>,
}

impl Recent {
    /// For the file at `path`, which is open already: so its index is there.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            index: File::open(beside(path, "-shm")).ok(),
            known: Mutex::new(Known {
                as_of: [0; HEADER_BYTES],
                credentials: HashMap::new(),
                owners: HashMap::new(),
            }),
        }
    }

    /// The state that the file is in now. `None` while somebody changes it, or when it can't be told.
    pub(super) fn mark(&self) -> Option<Mark> {
        let mut both = [0; 2 * HEADER_BYTES];
        self.index.as_ref()?.read_exact_at(&mut both, 0).ok()?;
        let (first, second) = both.split_at(HEADER_BYTES);
        let is_whole = first == second && first.starts_with(&INDEX_VERSION) && first[IS_INIT] == 1;
        first.try_into().ok().filter(|_| is_whole)
    }

    /// Keeps what was known at `before` over one commit that changed nothing of it: the writer wrote down uses. Should
    /// another commit have come since, nothing is kept.
    pub(super) fn carry_over(&self, before: &Mark) {
        let after = self
            .mark()
            .filter(|after| commits(after) == commits(before).wrapping_add(1));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(after) = after
            && known.as_of == *before
        {
            known.as_of = after;
        }
    }

    /// What is known of the state `mark`. What was known of another is forgotten.
    fn known(&self, mark: &Mark) -> MutexGuard<'_, Known> {
        // A panic elsewhere leaves whole entries, each of them true.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_of != *mark {
            known.as_of = *mark;
            known.credentials.clear();
            known.owners.clear();
        }
        known
    }
}

impl Drop for Recent {
    /// Whoever closes a file gives up all locks that the process has on it, through whatever descriptor. SQLite removes
    /// the index when nobody has the file open any more; as long as it is there, it may be this process that has.
    fn drop(&mut self) {
        if let Some(index) = self.index.take()
            && index.metadata().is_ok_and(|found| found.nlink() > 0)
        {
            std::mem::forget(index);
        }
    }
}

impl Read {
    /// A credential and whose it is, as they are now: out of memory, when nobody wrote to the file since they were read.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn credential_now(&self, id: Id) -> Result<Option<Credential>, Error> {
        let Some((recent, mark)) = self.recent().and_then(|it| Some((it, it.mark()?))) else {
            return self.credential(id);
        };
        if let Some(found) = recent.known(&mark).credentials.get(&id) {
            return Ok(Some(Credential::clone(found)));
        }
        let Some((owner, make)) = self.bare_credential(id)? else {
            return Ok(None);
        };
        let known = recent.known(&mark).owners.get(&owner).cloned();
        let found = match known {
            Some(owner) => Some(owner),
            None => self.owner(owner)?,
        };
        // Two steps are one state only if nobody wrote between them.
        if recent.mark() != Some(mark) {
            return self.credential(id);
        }
        let Some(found) = found else {
            return Ok(None);
        };
        let credential = make(found.clone());
        let mut known = recent.known(&mark);
        if known.credentials.len() < CREDENTIALS_MAX {
            known.owners.insert(owner, found);
            known.credentials.insert(id, Box::new(credential.clone()));
        }
        Ok(Some(credential))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rusqlite::{Connection, StatementStatus, params};

    use super::super::file;
    use super::*;
    use crate::model::time::Time;

    const ALICE: &str = "4k2m9x0q7w1z";

    struct Lab {
        _folder: tempfile::TempDir,
        read: Read,
        /// Somebody else's.
        connection: Connection,
        recent: Arc<Recent>,
    }

    fn lab() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keycroft.db");
        file::create(&path, Time::from_unix(1)).unwrap();
        let connection = file::open_to_write(&path).unwrap();
        let users = "INSERT INTO users (subject, username, display_name, role, created_at) VALUES ('aaaaaaaaaaaa', 'alice', 'Alice', 'admin', 1)";
        connection.execute(users, []).unwrap();
        let credentials = "INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at) \
                           VALUES (?, 'api-key', 1, 'ci', 'users:read', '', zeroblob(32), 1)";
        connection.execute(credentials, params![ALICE]).unwrap();
        let recent = Arc::new(Recent::of(&path));
        Lab {
            read: Read::open(&path, Arc::clone(&recent)).unwrap(),
            _folder: folder,
            connection,
            recent,
        }
    }

    impl Lab {
        fn look(&self) -> Option<Credential> {
            self.read.credential_now(Id::parse(ALICE).unwrap()).unwrap()
        }

        /// How often the file was asked for a credential.
        fn statements_run(&self) -> i32 {
            let statement = self
                .read
                .statement(super::super::credential::bare_lookup_sql());
            statement.unwrap().get_status(StatementStatus::Run)
        }
    }

    #[test]
    fn what_is_known_is_looked_up_once() {
        let lab = lab();
        for _ in 0..3 {
            assert!(lab.look().is_some());
        }
        assert_eq!(lab.statements_run(), 1);
    }

    /// Everything that verification goes by, changed by somebody else: the next look finds it.
    #[test]
    fn whatever_another_changes_is_found_at_once() {
        type Is = fn(&Credential) -> bool;
        let changes: [(&str, Is); 9] = [
            ("UPDATE credentials SET disabled_at = 2", |found| {
                found.disabled == crate::model::user::Disabled::Yes
            }),
            (
                "UPDATE credentials SET allowed_addresses = '10.0.0.0/8'",
                |found| !found.allowed_addresses.is_everywhere(),
            ),
            ("UPDATE credentials SET expires_at = 5", |found| {
                found.expires_at == Some(Time::from_unix(5))
            }),
            ("UPDATE credentials SET expired_seen_at = 6", |found| {
                found.seen_expired
            }),
            ("UPDATE credentials SET digest = randomblob(32)", |found| {
                found
                    .digest
                    .is_some_and(|digest| digest.as_bytes() != &[0; 32])
            }),
            ("UPDATE users SET role = 'member'", |found| {
                found.power().is_empty()
            }),
            ("UPDATE users SET disabled_at = 3", |found| {
                !found.owner.is_enabled()
            }),
            (
                "INSERT INTO groups (name, created_at) VALUES ('ops', 1); INSERT INTO group_members VALUES (1, 1)",
                |found| {
                    found
                        .owner
                        .user()
                        .is_some_and(|user| user.groups == ["ops"])
                },
            ),
            (
                "INSERT INTO user_permissions VALUES (1, 'metrics')",
                |found| {
                    found
                        .owner
                        .permissions()
                        .contains(&crate::model::permission::BuiltinPermission::Metrics.into())
                },
            ),
        ];
        let lab = lab();
        for (sql, is) in changes {
            assert!(!is(&lab.look().unwrap()), "{sql}: before");
            lab.connection.execute_batch(sql).unwrap();
            assert!(is(&lab.look().unwrap()), "{sql}: after");
        }
        lab.connection
            .execute("DELETE FROM credentials", [])
            .unwrap();
        assert!(lab.look().is_none());
    }

    #[test]
    fn one_commit_is_passed_over_and_not_two() {
        let lab = lab();
        let use_it = "INSERT OR REPLACE INTO usage_days VALUES ('4k2m9x0q7w1z', 1, 1, 0)";
        assert!(lab.look().is_some());
        let before = lab.recent.mark().unwrap();
        lab.connection.execute(use_it, []).unwrap();
        lab.recent.carry_over(&before);
        assert!(lab.look().is_some());
        assert_eq!(lab.statements_run(), 1);
        let before = lab.recent.mark().unwrap();
        lab.connection.execute(use_it, []).unwrap();
        let ended = "UPDATE credentials SET disabled_at = 2";
        lab.connection.execute(ended, []).unwrap();
        lab.recent.carry_over(&before);
        assert_eq!(
            lab.look().unwrap().disabled,
            crate::model::user::Disabled::Yes
        );
        // What was known of an older state is not made new again.
        let old = lab.recent.mark().unwrap();
        lab.connection.execute(use_it, []).unwrap();
        assert!(lab.look().is_some());
        lab.connection.execute(use_it, []).unwrap();
        let before = lab.statements_run();
        lab.recent.carry_over(&old);
        assert!(lab.look().is_some());
        assert_eq!(lab.statements_run(), before + 1);
    }

    /// As the kernel lists them. Nobody else can tell whether one of our own locks is gone.
    #[test]
    fn locks_are_not_given_up_while_somebody_has_the_file() {
        let lab = lab();
        let inode = lab.recent.index.as_ref().unwrap().metadata().unwrap().ino();
        let is_locked = || {
            let locks = std::fs::read_to_string("/proc/locks").unwrap();
            locks.contains(&format!(":{inode} "))
        };
        assert!(is_locked());
        drop(lab.read);
        drop(lab.recent);
        assert!(is_locked());
        drop(lab.connection);
        assert!(!is_locked());
    }
}
