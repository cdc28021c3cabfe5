//! What was used lately: noted in memory by whoever verifies, written by the writer every few seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::params;

use super::host_notes::{HostContact, HostNotes, Noted};
use super::read::Select;
use super::writer::Message;
use crate::model::credential::Which;
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::model::time::{Day, Time};

/// Credentials whose uses are kept in memory at most; the uses of more are not counted until these are written. That one
/// was seen expired is always kept.
const PENDING_MAX: usize = 200_000;

/// One use of a credential.
#[derive(Clone, Copy)]
pub struct Use<'a> {
    pub id: Id,
    pub which: Which,
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The program, or the service that asked.
    pub program: Option<&'a str>,
}

/// When and by whom last.
struct Last {
    at: Time,
    address: Option<IpAddr>,
    program: Option<Box<str>>,
}

/// What has gathered for one credential on one day. What is rare is boxed: there may be many of these.
pub(super) struct Pending {
    id: Id,
    day: Day,
    uses: u64,
    refused: u64,
    current: Option<Last>,
    previous: Option<Box<Last>>,
    expired: Option<Box<Expired>>,
}

/// That a credential was seen expired.
#[derive(Clone, Copy)]
struct Expired {
    ends: Ends,
    seen_at: Time,
}

/// Ends that were seen to have come. A credential that has another end by now was renewed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// The credential's own.
    pub own: Option<Time>,
    /// That of the secret before the last rotation.
    pub previous: Option<Time>,
}

impl Ends {
    fn or(self, earlier: Self) -> Self {
        Self {
            own: self.own.or(earlier.own),
            previous: self.previous.or(earlier.previous),
        }
    }

    fn without(self, written: Self) -> Self {
        Self {
            own: self.own.filter(|_| self.own != written.own),
            previous: self.previous.filter(|_| self.previous != written.previous),
        }
    }
}

impl Pending {
    /// Whether it is more than that something was used: then it changes what is looked up.
    pub(super) const fn ends_something(&self) -> bool {
        self.expired.is_some()
    }

    const fn new(id: Id, day: Day) -> Self {
        Self {
            id,
            day,
            uses: 0,
            refused: 0,
            current: None,
            previous: None,
            expired: None,
        }
    }

    fn merge(&mut self, earlier: Self) {
        self.uses += earlier.uses;
        self.refused += earlier.refused;
        self.current = self.current.take().or(earlier.current);
        self.previous = self.previous.take().or(earlier.previous);
        self.expired = match (self.expired.take(), earlier.expired) {
            (Some(later), Some(earlier)) => Some(Box::new(Expired {
                ends: later.ends.or(earlier.ends),
                ..*earlier
            })),
            (one, other) => one.or(other),
        };
    }
}

/// The notes of all threads.
pub struct Uses {
    pending: Mutex<HashMap<(Id, Day), Pending>>,
    /// The ends of credentials seen expired that the file does not know of yet.
    expired: Mutex<HashMap<Id, Ends>>,
    expired_count: AtomicUsize,
    waker: OnceLock<SyncSender<Message>>,
    /// What hosts asked for.
    hosts: HostNotes,
}

impl Uses {
    pub(super) fn new() -> Self {
        Self {
            pending: Mutex::default(),
            expired: Mutex::default(),
            expired_count: AtomicUsize::new(0),
            waker: OnceLock::new(),
            hosts: HostNotes::default(),
        }
    }

    pub(super) fn wake_through(&self, waker: SyncSender<Message>) {
        let _ = self.waker.set(waker);
    }

    /// Notes that a credential was found good.
    pub fn note(&self, seen: Use<'_>) {
        self.change(seen.id, seen.at.day(), PENDING_MAX, |pending| {
            pending.uses += 1;
            let last = match seen.which {
                Which::Current => pending.current.as_mut(),
                Which::Previous => pending.previous.as_deref_mut(),
            };
            match last {
                // The common case allocates nothing.
                Some(last) if last.program.as_deref() == seen.program => {
                    last.at = seen.at;
                    last.address = seen.address;
                }
                _ => {
                    let last = Last {
                        at: seen.at,
                        address: seen.address,
                        program: seen.program.map(Box::from),
                    };
                    match seen.which {
                        Which::Current => pending.current = Some(last),
                        Which::Previous => pending.previous = Some(Box::new(last)),
                    }
                }
            }
        });
    }

    /// Notes that a credential was presented with its right secret and refused.
    pub fn note_refused(&self, id: Id, at: Time) {
        self.change(id, at.day(), PENDING_MAX, |pending| pending.refused += 1);
    }

    /// Notes that ends of a credential were seen to have come: from now on they have, whatever the clock says, until it
    /// is given others.
    pub fn note_expired(&self, id: Id, ends: Ends, seen_at: Time) {
        {
            let mut expired = lock(&self.expired);
            let known = expired.entry(id).or_default();
            *known = ends.or(*known);
            self.expired_count.store(expired.len(), Ordering::Release);
        }
        self.change(id, seen_at.day(), usize::MAX, |pending| {
            let known = pending.expired.as_ref();
            let known = known.map_or(Ends::default(), |known| known.ends);
            pending.expired = Some(Box::new(Expired {
                ends: ends.or(known),
                seen_at,
            }));
        });
    }

    /// The ends that were seen to have come, while the file does not know yet. To be asked before the credential is
    /// read from the file: what is forgotten here is in the file by then.
    #[must_use]
    pub fn seen_expired(&self, id: Id) -> Ends {
        if self.expired_count.load(Ordering::Acquire) == 0 {
            return Ends::default();
        }
        lock(&self.expired).get(&id).copied().unwrap_or_default()
    }

    /// What was noted of a credential's secret is from now on of the one before: it was rotated.
    pub fn rotated(&self, id: Id) {
        for pending in lock(&self.pending)
            .values_mut()
            .filter(|pending| pending.id == id)
        {
            pending.previous = pending.current.take().map(Box::new);
        }
    }

    /// Changes what is noted of a credential; a new one only while there are less than `entries_max`.
    fn change(&self, id: Id, day: Day, entries_max: usize, change: impl FnOnce(&mut Pending)) {
        let mut pending = lock(&self.pending);
        let first = pending.is_empty();
        if pending.len() >= entries_max && !pending.contains_key(&(id, day)) {
            return;
        }
        change(
            pending
                .entry((id, day))
                .or_insert_with(|| Pending::new(id, day)),
        );
        drop(pending);
        if first {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            // A full queue means that the writer is awake: it looks here after the jobs that it has.
            let _ = waker.try_send(Message::Uses);
        }
    }

    /// Notes that a host was in touch.
    pub fn note_host(&self, contact: HostContact) {
        if self.hosts.note_contact(contact) {
            self.wake();
        }
    }

    /// Notes that a host looked keys up.
    pub fn note_looked_up(&self, keys: &[Id], host: &str, at: Time) {
        if self.hosts.note_looked_up(keys, host, at) {
            self.wake();
        }
    }

    /// What hosts asked for, out of memory.
    pub(super) fn take_host_notes(&self) -> Noted {
        self.hosts.take()
    }

    /// Puts back what could not be written.
    pub(super) fn give_back_host_notes(&self, noted: Noted) {
        self.hosts.give_back(noted);
    }

    /// Whether there is anything to write.
    pub(super) fn have_gathered(&self) -> bool {
        !lock(&self.pending).is_empty() || self.hosts.have_gathered()
    }

    /// All that has gathered, in the order of the table.
    pub(super) fn take(&self) -> Vec<Pending> {
        let mut all: Vec<Pending> = std::mem::take(&mut *lock(&self.pending))
            .into_values()
            .collect();
        all.sort_unstable_by_key(|pending| (pending.id, pending.day));
        all
    }

    /// Puts back what could not be written, under what has gathered since.
    pub(super) fn give_back(&self, part: Vec<Pending>) {
        let mut pending = lock(&self.pending);
        for earlier in part {
            if let Some(later) = pending.get_mut(&(earlier.id, earlier.day)) {
                later.merge(earlier);
            } else {
                pending.insert((earlier.id, earlier.day), earlier);
            }
        }
    }

    /// The file knows these now.
    pub(super) fn forget_expired(&self, part: &[Pending]) {
        if self.expired_count.load(Ordering::Acquire) > 0 {
            let mut expired = lock(&self.expired);
            for pending in part {
                // Not an end that was seen meanwhile.
                if let Some(written) = &pending.expired
                    && let Some(known) = expired.get_mut(&pending.id)
                {
                    *known = known.without(written.ends);
                    if *known == Ends::default() {
                        expired.remove(&pending.id);
                    }
                }
            }
            self.expired_count.store(expired.len(), Ordering::Release);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves the map whole, so a panic elsewhere in a holder does no harm.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Select {
    /// Adds what has gathered for one credential; passes over one that is gone.
    pub(super) fn write_use(&self, pending: &Pending) -> Result<(), Error> {
        let id = pending.id.as_str();
        if let Some(expired) = &pending.expired {
            let Expired { ends, seen_at } = **expired;
            for table in ["credentials", "ssh_keys"] {
                let sql = format!(
                    "UPDATE {table} SET expired_seen_at = ? WHERE id = ? AND expired_seen_at IS NULL AND expires_at = ?"
                );
                self.execute(&sql, params![seen_at.unix(), id, ends.own.map(Time::unix)])?;
            }
            let over = "UPDATE credentials SET previous_digest = NULL, previous_ends_at = NULL WHERE id = ? AND previous_ends_at = ?";
            self.execute(over, params![id, ends.previous.map(Time::unix)])?;
        }
        if pending.uses + pending.refused > 0 {
            let (uses, refused) = (pending.uses.cast_signed(), pending.refused.cast_signed());
            let counted = params![id, pending.day.number(), uses, refused];
            // Nearly always there is a row already, and then nobody has to look whether there is such a credential.
            let more = "UPDATE usage_days SET uses = uses + ?3, refused = refused + ?4 WHERE credential_id = ?1 AND day = ?2";
            if self.execute(more, counted)? == 0 {
                let first = "INSERT INTO usage_days (credential_id, day, uses, refused) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1";
                self.execute(first, counted)?;
            }
        }
        if let Some(last) = &pending.current
            && self.write_last(AGAIN, id, last)? == 0
        {
            let sql = "INSERT INTO last_uses (credential_id, at, address, program) SELECT id, ?2, ?3, ?4 FROM credentials \
                       WHERE id = ?1 AND (rotated_at IS NULL OR rotated_at <= ?2) \
                       ON CONFLICT DO UPDATE SET at = excluded.at, address = excluded.address, program = excluded.program";
            if self.write_last(sql, id, last)? == 0 {
                // It was rotated meanwhile: what was the current secret then is the previous one now.
                self.write_last(PREVIOUS, id, last)?;
            }
        }
        if let Some(last) = &pending.previous {
            self.write_last(PREVIOUS, id, last)?;
        }
        Ok(())
    }

    fn write_last(&self, sql: &str, id: &str, last: &Last) -> Result<usize, Error> {
        let address = last.address.map(|address| address.to_string());
        self.execute(sql, params![id, last.at.unix(), address, last.program])
    }
}

/// For what was used before, and not rotated since it was used now.
const AGAIN: &str = "UPDATE last_uses SET at = ?2, address = ?3, program = ?4 WHERE credential_id = ?1 \
     AND NOT EXISTS (SELECT 1 FROM credentials WHERE id = ?1 AND rotated_at > ?2)";

const PREVIOUS: &str = "INSERT INTO last_uses (credential_id, previous_at, previous_address, previous_program) \
     SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 \
     ON CONFLICT DO UPDATE SET previous_at = excluded.previous_at, previous_address = excluded.previous_address, \
     previous_program = excluded.previous_program WHERE excluded.previous_at >= coalesce(previous_at, 0)";
