//! What was used lately: noted in memory by whoever verifies, written by the writer every few seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::params;

use super::cache::Concern;
use super::host_notes::{self, HostContact, HostNotes};
use super::read::Select;
use super::writer::Message;
use crate::model::credential::{LastUse, UsageDay};
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
    /// [`crate::model::credential::Credential::secret_number`].
    pub secret_number: i64,
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The program, or the service that asked.
    pub program: Option<&'a str>,
}

/// What has gathered for one credential. What is rare is boxed: there may be many of these.
#[derive(Clone)]
pub(super) struct Pending {
    id: Id,
    /// The last day on which there was anything.
    today: UsageDay,
    /// Those before, when nothing could be written since; each once.
    earlier: Vec<UsageDay>,
    last: Option<NumberedUse>,
    /// The last uses of other secrets than that, when the credential was rotated.
    others: Vec<NumberedUse>,
    expired: Option<Box<Expired>>,
}

/// The last use of one of a credential's secrets: the number of the secret, and the use.
pub type NumberedUse = (i64, LastUse);

/// Keeps the later use of each secret.
fn keep(uses: &mut Vec<NumberedUse>, (number, last): NumberedUse) {
    match uses.iter_mut().find(|(known, _)| *known == number) {
        Some((_, known)) if known.at <= last.at => *known = last,
        Some(_) => {}
        None => uses.push((number, last)),
    }
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
    /// That of the previous secret: how often the credential was rotated when it was seen.
    pub previous: Option<i64>,
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

const fn unused(day: Day) -> UsageDay {
    UsageDay {
        day,
        uses: 0,
        refused: 0,
    }
}

impl Pending {
    pub(super) const fn id(&self) -> Id {
        self.id
    }

    const fn new(id: Id, day: Day) -> Self {
        Self {
            id,
            today: unused(day),
            earlier: Vec::new(),
            last: None,
            others: Vec::new(),
            expired: None,
        }
    }

    fn uses(&self) -> impl Iterator<Item = &NumberedUse> {
        self.last.iter().chain(&self.others)
    }

    /// The last use of a secret, as far as it is noted here.
    fn use_of(&mut self, secret_number: i64) -> Option<&mut LastUse> {
        let uses = self.last.iter_mut().chain(&mut self.others);
        uses.filter(|(number, _)| *number == secret_number)
            .map(|(_, last)| last)
            .next()
    }

    /// Notes a use of a secret that has none here, or another one.
    fn put(&mut self, secret_number: i64, last: LastUse) {
        if let Some(known) = self.use_of(secret_number) {
            *known = last;
        } else if self.last.is_none() {
            self.last = Some((secret_number, last));
        } else {
            self.others.push((secret_number, last));
        }
    }

    /// The counts of a day.
    fn on(&mut self, day: Day) -> &mut UsageDay {
        if self.today.day != day {
            let known = self.earlier.iter().position(|one| one.day == day);
            let day = known.map_or(unused(day), |place| self.earlier.swap_remove(place));
            self.earlier.push(std::mem::replace(&mut self.today, day));
        }
        &mut self.today
    }

    fn days(&self) -> impl Iterator<Item = UsageDay> {
        self.earlier.iter().chain([&self.today]).copied()
    }

    fn merge(&mut self, earlier: Self) {
        let today = self.today.day;
        for day in earlier.days() {
            let known = self.on(day.day);
            known.uses += day.uses;
            known.refused += day.refused;
        }
        self.on(today);
        for (number, last) in earlier.last.into_iter().chain(earlier.others) {
            if self.use_of(number).is_none() {
                self.put(number, last);
            }
        }
        self.expired = match (self.expired.take(), earlier.expired) {
            (Some(later), Some(earlier)) => Some(Box::new(Expired {
                ends: later.ends.or(earlier.ends),
                ..*earlier
            })),
            (one, other) => one.or(other),
        };
    }
}

/// What is noted of one credential and not in the file yet.
#[derive(Debug, Clone, Default)]
pub struct PendingUse {
    /// In no order, each secret once.
    pub uses: Vec<NumberedUse>,
    /// In no order; a day may be there twice.
    pub days: Vec<UsageDay>,
}

impl PendingUse {
    fn add(&mut self, pending: &Pending) {
        for last in pending.uses() {
            keep(&mut self.uses, last.clone());
        }
    }
}

/// What waits to be written.
#[derive(Default)]
struct Gathered {
    pending: HashMap<Id, Pending>,
    /// What the writer took and is writing: it may be here and in the database at once.
    in_flight: Arc<HashMap<Id, Pending>>,
}

/// The notes of all threads.
pub struct Uses {
    gathered: Mutex<Gathered>,
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
            gathered: Mutex::default(),
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
            pending.on(seen.at.day()).uses += 1;
            match pending.use_of(seen.secret_number) {
                // The common case allocates nothing.
                Some(last) if last.program.as_deref() == seen.program => {
                    last.at = seen.at;
                    last.address = seen.address;
                }
                _ => {
                    let last = LastUse {
                        at: seen.at,
                        address: seen.address,
                        program: seen.program.map(str::to_owned),
                    };
                    pending.put(seen.secret_number, last);
                }
            }
        });
    }

    /// Notes that a credential was presented with its right secret and refused.
    pub fn note_refused(&self, id: Id, at: Time) {
        self.change(id, at.day(), PENDING_MAX, |pending| {
            pending.on(at.day()).refused += 1;
        });
    }

    /// What is noted of a credential and not in the file yet.
    pub fn noted(&self, id: Id) -> PendingUse {
        let gathered = lock(&self.gathered);
        let mut noted = PendingUse::default();
        if let Some(in_flight) = gathered.in_flight.get(&id) {
            noted.add(in_flight);
        }
        if let Some(pending) = gathered.pending.get(&id) {
            noted.add(pending);
            // Not those in flight, which the database may know already: they are seen some moments later.
            noted.days.extend(pending.days());
        }
        noted
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
    pub fn seen_expired(&self, id: Id) -> Ends {
        if self.expired_count.load(Ordering::Acquire) == 0 {
            return Ends::default();
        }
        lock(&self.expired).get(&id).copied().unwrap_or_default()
    }

    /// Changes what is noted of a credential; a new one only while there are less than `entries_max`.
    fn change(&self, id: Id, day: Day, entries_max: usize, change: impl FnOnce(&mut Pending)) {
        let mut gathered = lock(&self.gathered);
        let pending = &mut gathered.pending;
        let first = pending.is_empty();
        if pending.len() >= entries_max && !pending.contains_key(&id) {
            return;
        }
        change(pending.entry(id).or_insert_with(|| Pending::new(id, day)));
        drop(gathered);
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
    pub(super) fn take_host_notes(&self) -> host_notes::PendingUse {
        self.hosts.take()
    }

    /// Puts back what could not be written.
    pub(super) fn give_back_host_notes(&self, noted: host_notes::PendingUse) {
        self.hosts.give_back(noted);
    }

    /// Whether there is anything to write.
    pub(super) fn have_gathered(&self) -> bool {
        !lock(&self.gathered).pending.is_empty() || self.hosts.have_gathered()
    }

    /// All that has gathered, for the writer, who writes it in the order of the table. It stays to be seen here until
    /// it is written. To be asked once what was taken before is written or given back.
    pub(super) fn take(&self) -> Arc<HashMap<Id, Pending>> {
        let mut gathered = lock(&self.gathered);
        gathered.in_flight = Arc::new(std::mem::take(&mut gathered.pending));
        Arc::clone(&gathered.in_flight)
    }

    /// The database has these, and with `all` everything that was taken.
    pub(super) fn written(&self, part: &[&Pending], all: bool) {
        self.forget_expired(part);
        if all {
            let done = std::mem::take(&mut lock(&self.gathered).in_flight);
            // Not under the lock: there may be many.
            drop(done);
        }
    }

    /// Merges back what was taken and not written, under what has gathered since.
    pub(super) fn give_back(&self, unwritten: &[Id]) {
        let mut gathered = lock(&self.gathered);
        let mut taken = Arc::unwrap_or_clone(std::mem::take(&mut gathered.in_flight));
        for id in unwritten {
            let Some(earlier) = taken.remove(id) else {
                continue;
            };
            if let Some(later) = gathered.pending.get_mut(id) {
                later.merge(earlier);
            } else {
                gathered.pending.insert(*id, earlier);
            }
        }
    }

    /// The file knows these now.
    fn forget_expired(&self, part: &[&Pending]) {
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
        let concern = Concern::Credential(pending.id);
        if let Some(expired) = &pending.expired {
            let Expired { ends, seen_at } = **expired;
            for table in ["credentials", "ssh_keys"] {
                let sql = format!(
                    "UPDATE {table} SET expired_seen_at = ? WHERE id = ? AND expired_seen_at IS NULL AND expires_at = ?"
                );
                self.execute_for(
                    concern,
                    &sql,
                    params![seen_at.unix(), id, ends.own.map(Time::unix)],
                )?;
            }
            let over = "UPDATE credentials SET previous_digest = NULL, previous_ends_at = NULL, previous_quiet_seconds = NULL WHERE id = ? AND rotations = ?";
            self.execute_for(concern, over, params![id, ends.previous])?;
        }
        for day in pending.days().filter(|day| day.uses + day.refused > 0) {
            let (uses, refused) = (day.uses.cast_signed(), day.refused.cast_signed());
            let counted = params![id, day.day.number(), uses, refused];
            // Nearly always there is a row already, and then nobody has to look whether there is such a credential.
            let more = "UPDATE usage_days SET uses = uses + ?3, refused = refused + ?4 WHERE credential_id = ?1 AND day = ?2";
            if self.execute(more, counted)? == 0 {
                let first = "INSERT INTO usage_days (credential_id, day, uses, refused) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1";
                self.execute(first, counted)?;
            }
        }
        for (number, last) in pending.uses() {
            for sql in [AGAIN, FIRST, PREVIOUS, EARLIER] {
                if self.write_last(sql, id, *number, last)? > 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    fn write_last(
        &self,
        sql: &str,
        id: &str,
        secret_number: i64,
        last: &LastUse,
    ) -> Result<usize, Error> {
        let address = last.address.map(|address| address.to_string());
        let at = last.at.unix();
        self.execute(sql, params![id, at, address, last.program, secret_number])
    }
}

// Each is for a use of another secret: the current one, which was used before or was not; the previous one; one before that.

const AGAIN: &str = "UPDATE last_uses SET at = ?2, address = ?3, program = ?4 WHERE credential_id = ?1 \
     AND EXISTS (SELECT 1 FROM credentials WHERE id = ?1 AND rotations = ?5)";

const FIRST: &str = "INSERT INTO last_uses (credential_id, at, address, program) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 AND rotations = ?5";

const PREVIOUS: &str = "INSERT INTO last_uses (credential_id, previous_at, previous_address, previous_program) \
     SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 AND rotations = ?5 + 1 \
     ON CONFLICT DO UPDATE SET previous_at = excluded.previous_at, previous_address = excluded.previous_address, \
     previous_program = excluded.previous_program WHERE excluded.previous_at >= coalesce(previous_at, 0)";

const EARLIER: &str = "INSERT INTO last_uses (credential_id, earlier_at, earlier_address, earlier_program) \
     SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 AND rotations > ?5 + 1 \
     ON CONFLICT DO UPDATE SET earlier_at = excluded.earlier_at, earlier_address = excluded.earlier_address, \
     earlier_program = excluded.earlier_program WHERE excluded.earlier_at >= coalesce(earlier_at, 0)";
