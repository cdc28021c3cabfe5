//! What was used lately: noted in memory by whoever verifies, written by the writer every few seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::params;

use super::read::Select;
use super::writer::Message;
use crate::model::credential::Which;
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::model::time::{Day, Time};

/// Credentials whose uses are kept in memory at most; the uses of more are not counted until these are written.
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
    program: Option<String>,
}

/// What has gathered for one credential on one day.
pub(super) struct Pending {
    id: Id,
    day: Day,
    uses: u64,
    refused: u64,
    current: Option<Last>,
    previous: Option<Last>,
    expired_seen_at: Option<Time>,
}

impl Pending {
    const fn new(id: Id, day: Day) -> Self {
        Self {
            id,
            day,
            uses: 0,
            refused: 0,
            current: None,
            previous: None,
            expired_seen_at: None,
        }
    }

    fn merge(&mut self, earlier: Self) {
        self.uses += earlier.uses;
        self.refused += earlier.refused;
        self.current = self.current.take().or(earlier.current);
        self.previous = self.previous.take().or(earlier.previous);
        self.expired_seen_at = earlier.expired_seen_at.or(self.expired_seen_at);
    }
}

/// The notes of all threads.
pub struct Uses {
    pending: Mutex<HashMap<(Id, Day), Pending>>,
    /// Credentials seen expired that the file does not know of yet.
    expired: Mutex<HashMap<Id, Time>>,
    expired_count: AtomicUsize,
    waker: OnceLock<SyncSender<Message>>,
}

impl Uses {
    pub(super) fn new() -> Self {
        Self {
            pending: Mutex::default(),
            expired: Mutex::default(),
            expired_count: AtomicUsize::new(0),
            waker: OnceLock::new(),
        }
    }

    pub(super) fn wake_through(&self, waker: SyncSender<Message>) {
        let _ = self.waker.set(waker);
    }

    /// Notes that a credential was found good.
    pub fn note(&self, seen: Use<'_>) {
        self.change(seen.id, seen.at.day(), |pending| {
            pending.uses += 1;
            let last = match seen.which {
                Which::Current => &mut pending.current,
                Which::Previous => &mut pending.previous,
            };
            match last {
                // The common case allocates nothing.
                Some(last) if last.program.as_deref() == seen.program => {
                    last.at = seen.at;
                    last.address = seen.address;
                }
                _ => {
                    *last = Some(Last {
                        at: seen.at,
                        address: seen.address,
                        program: seen.program.map(str::to_owned),
                    })
                }
            }
        });
    }

    /// Notes that a credential was presented with its right secret and refused.
    pub fn note_refused(&self, id: Id, at: Time) {
        self.change(id, at.day(), |pending| pending.refused += 1);
    }

    /// Notes that a credential was seen expired: from now on it is, whatever the clock says.
    pub fn note_expired(&self, id: Id, at: Time) {
        {
            let mut expired = lock(&self.expired);
            expired.entry(id).or_insert(at);
            self.expired_count.store(expired.len(), Ordering::Release);
        }
        self.change(id, at.day(), |pending| pending.expired_seen_at = Some(at));
    }

    /// Whether it was seen expired and the file does not know yet.
    #[must_use]
    pub fn was_seen_expired(&self, id: Id) -> bool {
        self.expired_count.load(Ordering::Acquire) > 0 && lock(&self.expired).contains_key(&id)
    }

    /// Takes back that a credential was seen expired: it was renewed.
    pub fn forgive(&self, id: Id) {
        let mut expired = lock(&self.expired);
        expired.remove(&id);
        self.expired_count.store(expired.len(), Ordering::Release);
        drop(expired);
        for pending in lock(&self.pending)
            .values_mut()
            .filter(|pending| pending.id == id)
        {
            pending.expired_seen_at = None;
        }
    }

    fn change(&self, id: Id, day: Day, change: impl FnOnce(&mut Pending)) {
        let mut pending = lock(&self.pending);
        let first = pending.is_empty();
        if pending.len() >= PENDING_MAX && !pending.contains_key(&(id, day)) {
            return;
        }
        change(
            pending
                .entry((id, day))
                .or_insert_with(|| Pending::new(id, day)),
        );
        drop(pending);
        if first && let Some(waker) = self.waker.get() {
            // A full queue means that the writer is awake; it looks again after the next note.
            let _ = waker.try_send(Message::Uses);
        }
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
            for pending in part
                .iter()
                .filter(|pending| pending.expired_seen_at.is_some())
            {
                expired.remove(&pending.id);
            }
            self.expired_count.store(expired.len(), Ordering::Release);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves the map whole, so a panic elsewhere in a holder does no harm.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Select {
    /// Adds what has gathered for one credential; passes over one that is gone.
    pub(super) fn write_use(&self, pending: &Pending) -> Result<(), Error> {
        let id = pending.id.as_str();
        if let Some(at) = pending.expired_seen_at {
            self.execute("UPDATE credentials SET expired_seen_at = ? WHERE id = ? AND expired_seen_at IS NULL AND expires_at <= ?", params![at.unix(), id, at.unix()])?;
            self.execute("UPDATE ssh_keys SET expired_seen_at = ? WHERE id = ? AND expired_seen_at IS NULL AND expires_at <= ?", params![at.unix(), id, at.unix()])?;
        }
        if pending.uses + pending.refused > 0 {
            let sql = "INSERT INTO usage_days (credential_id, day, uses, refused) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 \
                       ON CONFLICT DO UPDATE SET uses = uses + excluded.uses, refused = refused + excluded.refused";
            self.execute(
                sql,
                params![
                    id,
                    pending.day.number(),
                    pending.uses.cast_signed(),
                    pending.refused.cast_signed()
                ],
            )?;
        }
        if let Some(last) = &pending.current {
            let sql = "INSERT INTO last_uses (credential_id, at, address, program) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 \
                       ON CONFLICT DO UPDATE SET at = excluded.at, address = excluded.address, program = excluded.program";
            self.execute(
                sql,
                params![
                    id,
                    last.at.unix(),
                    last.address.map(|a| a.to_string()),
                    last.program
                ],
            )?;
        }
        if let Some(last) = &pending.previous {
            let sql = "INSERT INTO last_uses (credential_id, previous_at, previous_address, previous_program) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 \
                       ON CONFLICT DO UPDATE SET previous_at = excluded.previous_at, previous_address = excluded.previous_address, previous_program = excluded.previous_program";
            self.execute(
                sql,
                params![
                    id,
                    last.at.unix(),
                    last.address.map(|a| a.to_string()),
                    last.program
                ],
            )?;
        }
        Ok(())
    }
}
