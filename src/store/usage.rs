//! Recent uses: recorded in memory by each verification, stored by the writer every few seconds.

mod write;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::host_activity::{self, HostContact, HostNotes, lock};
use crate::model::credential::{LastUse, UsageDay};
use crate::model::secret::Id;
use crate::model::time::{Day, Time};

/// Limit of credentials with pending uses in memory. Further uses are not counted until these are stored. The fact that
/// a credential was seen expired is always kept.
const PENDING_MAX: usize = 200_000;
/// Credentials seen expired that are stored before their turn, with each part.
const EXPIRED_TAKEN_MAX: usize = 100;

/// One use of a credential.
#[derive(Clone, Copy)]
pub struct Use<'a> {
    pub id: Id,
    /// [`crate::model::credential::Credential::secret_number`].
    pub secret_number: i64,
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The user agent, or the service that requested the verification.
    pub program: Option<&'a str>,
}

/// Pending uses of one credential. Rare parts are boxed, because there may be many of these.
#[derive(Clone)]
pub(super) struct Pending {
    id: Id,
    /// The last day with any use.
    today: UsageDay,
    /// Earlier days, if nothing could be stored since; each once.
    earlier: Vec<UsageDay>,
    last: Option<NumberedUse>,
    /// The last uses of other secrets, after a rotation.
    others: Vec<NumberedUse>,
    expired: Option<Box<DatedExpirations>>,
}

/// The last use of one of a credential's secrets: the number of the secret, and the use.
pub type NumberedUse = (i64, LastUse);

/// Keeps the later use of each secret.
fn keep_latest(uses: &mut Vec<NumberedUse>, (number, last): NumberedUse) {
    match uses.iter_mut().find(|(known, _)| *known == number) {
        Some((_, known)) if known.at <= last.at => *known = last,
        Some(_) => {}
        None => uses.push((number, last)),
    }
}

/// A credential seen expired.
#[derive(Clone, Copy)]
struct DatedExpirations {
    expirations: SeenExpirations,
    seen_at: Time,
}

/// Expirations that were seen to have passed. A credential with another expiration by now was renewed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenExpirations {
    /// That of the credential.
    pub own: Option<Time>,
    /// That of the previous secret: the number of rotations at that moment.
    pub previous: Option<i64>,
}

impl SeenExpirations {
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

const fn empty_day(day: Day) -> UsageDay {
    UsageDay {
        day,
        uses: 0,
        rejected: 0,
    }
}

impl Pending {
    const fn new(id: Id, day: Day) -> Self {
        Self {
            id,
            today: empty_day(day),
            earlier: Vec::new(),
            last: None,
            others: Vec::new(),
            expired: None,
        }
    }

    fn uses(&self) -> impl Iterator<Item = &NumberedUse> {
        self.last.iter().chain(&self.others)
    }

    /// The pending last use of a secret.
    fn use_of(&mut self, secret_number: i64) -> Option<&mut LastUse> {
        let uses = self.last.iter_mut().chain(&mut self.others);
        uses.filter(|(number, _)| *number == secret_number)
            .map(|(_, last)| last)
            .next()
    }

    /// Records the first pending use of a secret.
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
            let day = known.map_or(empty_day(day), |place| self.earlier.swap_remove(place));
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
            known.rejected += day.rejected;
        }
        self.on(today);
        for (number, last) in earlier.last.into_iter().chain(earlier.others) {
            if self.use_of(number).is_none() {
                self.put(number, last);
            }
        }
        self.expired = match (self.expired.take(), earlier.expired) {
            (Some(later), Some(earlier)) => Some(Box::new(DatedExpirations {
                expirations: later.expirations.or(earlier.expirations),
                ..*earlier
            })),
            (one, other) => one.or(other),
        };
    }
}

/// Uses of one credential that are not stored yet.
#[derive(Debug, Clone, Default)]
pub struct PendingUse {
    /// In no order, each secret once.
    pub uses: Vec<NumberedUse>,
    /// In no order; a day may occur twice.
    pub days: Vec<UsageDay>,
}

impl PendingUse {
    fn add(&mut self, pending: &Pending) {
        for last in pending.uses() {
            keep_latest(&mut self.uses, last.clone());
        }
    }
}

/// Uses that wait to be stored.
#[derive(Default)]
struct CollectedUses {
    pending: HashMap<Id, Pending>,
    /// Uses that the writer is storing now: they may be here and in the database at once.
    in_flight: Arc<Vec<Pending>>,
}

/// The pending uses of all threads.
pub struct Uses {
    gathered: Mutex<CollectedUses>,
    /// Expirations that were seen to have passed and are not stored yet.
    expired: Mutex<HashMap<Id, SeenExpirations>>,
    expired_count: AtomicUsize,
    /// Wakes the writer.
    waker: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Requests of hosts.
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

    pub(super) fn wake_through(&self, waker: impl Fn() + Send + Sync + 'static) {
        let _ = self.waker.set(Box::new(waker));
    }

    /// Records that a credential was verified successfully.
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

    /// Records that a credential was presented with its correct secret and rejected.
    pub fn note_rejected(&self, id: Id, at: Time) {
        self.change(id, at.day(), PENDING_MAX, |pending| {
            pending.on(at.day()).rejected += 1;
        });
    }

    /// The uses of a credential that are not stored yet.
    pub fn pending_of(&self, id: Id) -> PendingUse {
        let gathered = lock(&self.gathered);
        let mut result = PendingUse::default();
        for in_flight in gathered.in_flight.iter().filter(|one| one.id == id) {
            result.add(in_flight);
        }
        if let Some(pending) = gathered.pending.get(&id) {
            result.add(pending);
            // Without those in flight, which the database may have already: they appear some moments later.
            result.days.extend(pending.days());
        }
        result
    }

    /// Records that expirations of a credential were seen to have passed. They count as passed until the credential
    /// gets others, even if the clock is set back.
    pub fn note_expired(&self, id: Id, expirations: SeenExpirations, seen_at: Time) {
        {
            let mut expired = lock(&self.expired);
            let known = expired.entry(id).or_default();
            *known = expirations.or(*known);
            self.expired_count.store(expired.len(), Ordering::Release);
        }
        self.change(id, seen_at.day(), usize::MAX, |pending| {
            let known = pending.expired.as_ref();
            let known = known.map_or(SeenExpirations::default(), |known| known.expirations);
            pending.expired = Some(Box::new(DatedExpirations {
                expirations: expirations.or(known),
                seen_at,
            }));
        });
    }

    /// The expirations that were seen to have passed and are not stored yet. Call this before the credential is read
    /// from the database: an expiration that is missing here is stored by then.
    pub fn seen_expired(&self, id: Id) -> SeenExpirations {
        if self.expired_count.load(Ordering::Acquire) == 0 {
            return SeenExpirations::default();
        }
        lock(&self.expired).get(&id).copied().unwrap_or_default()
    }

    /// Changes the pending uses of a credential; adds a new entry only while there are less than `entries_max`.
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
            waker();
        }
    }

    /// Records a request of a host.
    pub fn note_host(&self, contact: HostContact) {
        if self.hosts.note_contact(contact) {
            self.wake();
        }
    }

    /// Records a lookup of keys by a host.
    pub fn note_lookup(&self, keys: &[Id], host: &str, at: Time) {
        if self.hosts.note_lookup(keys, host, at) {
            self.wake();
        }
    }

    /// Takes the requests of hosts out of memory.
    pub(super) fn take_host_notes(&self) -> host_activity::PendingContacts {
        self.hosts.take()
    }

    /// Puts back requests that could not be stored.
    pub(super) fn restore_host_notes(&self, pending: host_activity::PendingContacts) {
        self.hosts.restore_unwritten(pending);
    }

    /// Returns whether there is anything to store.
    pub(super) fn has_pending(&self) -> bool {
        !lock(&self.gathered).pending.is_empty() || self.hosts.has_pending()
    }

    /// The credentials with pending uses, in the order of the table.
    pub(super) fn pending_ids(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = lock(&self.gathered).pending.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Takes the pending uses of these credentials for the writer, and some that were seen expired: these do not wait for
    /// their turn. All stay visible here until they are stored or given back.
    pub(super) fn take(&self, ids: impl Iterator<Item = Id>) -> Arc<Vec<Pending>> {
        let expired: Vec<Id> = {
            let expired = lock(&self.expired);
            expired.keys().take(EXPIRED_TAKEN_MAX).copied().collect()
        };
        let mut gathered = lock(&self.gathered);
        let pending = &mut gathered.pending;
        let ids = ids.chain(expired);
        let taken = ids.filter_map(|id| pending.remove(&id)).collect();
        gathered.in_flight = Arc::new(taken);
        Arc::clone(&gathered.in_flight)
    }

    /// Marks what was taken as stored.
    pub(super) fn written(&self) {
        let mut gathered = lock(&self.gathered);
        let written = std::mem::take(&mut gathered.in_flight);
        // Room for many is given back once it is empty.
        if gathered.pending.is_empty() {
            gathered.pending = HashMap::new();
        }
        drop(gathered);
        self.forget_expired(&written);
    }

    /// Merges back what was taken and not stored, without replacing later uses.
    pub(super) fn restore_unwritten(&self) {
        let mut gathered = lock(&self.gathered);
        let taken = Arc::unwrap_or_clone(std::mem::take(&mut gathered.in_flight));
        for earlier in taken {
            if let Some(later) = gathered.pending.get_mut(&earlier.id) {
                later.merge(earlier);
            } else {
                gathered.pending.insert(earlier.id, earlier);
            }
        }
    }

    /// Forgets expirations that are stored now.
    fn forget_expired(&self, part: &[Pending]) {
        if self.expired_count.load(Ordering::Acquire) > 0 {
            let mut expired = lock(&self.expired);
            for pending in part {
                // Keeps an expiration that was seen meanwhile.
                if let Some(written) = &pending.expired
                    && let Some(known) = expired.get_mut(&pending.id)
                {
                    *known = known.without(written.expirations);
                    if *known == SeenExpirations::default() {
                        expired.remove(&pending.id);
                    }
                }
            }
            self.expired_count.store(expired.len(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Time::from_unix(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn used(id: Id, secret_number: i64, at: Time) -> Use<'static> {
        Use {
            id,
            secret_number,
            at,
            address: None,
            program: None,
        }
    }

    fn take_all(uses: &Uses) {
        uses.take(uses.pending_ids().into_iter());
    }

    /// The last use of each secret, and the uses and rejections of each day.
    fn shown(uses: &Uses, id: Id) -> (Vec<(i64, i64)>, Vec<(Day, u64, u64)>) {
        let pending = uses.pending_of(id);
        let last = pending.uses.iter();
        let mut last: Vec<_> = last
            .map(|(number, last)| (*number, last.at.unix()))
            .collect();
        let days = pending.days.iter();
        let mut days: Vec<_> = days.map(|day| (day.day, day.uses, day.rejected)).collect();
        last.sort_unstable();
        days.sort_unstable_by_key(|(day, ..)| day.number());
        (last, days)
    }

    #[test]
    fn use_is_visible_while_it_is_being_stored() {
        let (uses, id) = (Uses::new(), Id::random());
        uses.note(used(id, 0, NOW));
        take_all(&uses);
        assert_eq!(shown(&uses, id), (vec![(0, NOW.unix())], vec![]));
        uses.written();
        assert_eq!(shown(&uses, id), (vec![], vec![]));
    }

    #[test]
    fn unstored_use_is_merged_with_later_ones() {
        let (uses, id, other) = (Uses::new(), Id::random(), Id::random());
        let (later, tomorrow) = (NOW.after(Duration::from_secs(1)), NOW.after(DAY));
        uses.note(used(id, 0, NOW));
        uses.note(used(id, 1, NOW));
        uses.note(used(id, 1, tomorrow));
        uses.note_rejected(other, NOW);
        take_all(&uses);
        uses.note(used(id, 1, tomorrow.after(DAY)));
        uses.note(used(id, 1, later));
        uses.restore_unwritten();
        let days = [NOW, tomorrow, tomorrow.after(DAY)].map(Time::day);
        assert_eq!(
            shown(&uses, id),
            (
                vec![(0, NOW.unix()), (1, later.unix())],
                vec![(days[0], 3, 0), (days[1], 1, 0), (days[2], 1, 0)]
            )
        );
        assert_eq!(shown(&uses, other), (vec![], vec![(days[0], 0, 1)]));
    }

    #[test]
    fn seen_expiration_is_kept_until_it_is_stored() {
        let (uses, id) = (Uses::new(), Id::random());
        let own = |own| SeenExpirations {
            own: Some(own),
            previous: None,
        };
        let previous = SeenExpirations {
            own: None,
            previous: Some(3),
        };
        uses.note_expired(id, own(NOW), NOW);
        take_all(&uses);
        uses.note_expired(id, previous, NOW);
        uses.restore_unwritten();
        take_all(&uses);
        let both = SeenExpirations {
            own: Some(NOW),
            previous: Some(3),
        };
        assert_eq!(uses.seen_expired(id), both);
        // It was renewed, and has expired again.
        let again = NOW.after(DAY);
        uses.note_expired(id, own(again), again);
        uses.written();
        assert_eq!(uses.seen_expired(id), own(again));
        take_all(&uses);
        uses.written();
        assert_eq!(uses.seen_expired(id), SeenExpirations::default());
    }

    #[test]
    fn seen_expiration_does_not_wait_for_its_turn() {
        let uses = Uses::new();
        for _ in 0..3 {
            uses.note(used(Id::random(), 0, NOW));
        }
        let mut ids = uses.pending_ids().into_iter();
        uses.take(ids.by_ref().take(1));
        uses.written();
        let own = Some(NOW);
        let expirations = SeenExpirations {
            own,
            previous: None,
        };
        let last = ids.clone().next_back().unwrap();
        uses.note_expired(last, expirations, NOW);
        let taken = uses.take(ids.by_ref().take(1));
        let taken: Vec<Id> = taken.iter().map(|one| one.id).collect();
        assert_eq!(taken.len(), 2);
        assert!(taken.contains(&last));
    }

    #[test]
    fn full_memory_counts_no_more_but_keeps_expirations() {
        let (uses, id) = (Uses::new(), Id::random());
        for _ in 0..PENDING_MAX {
            uses.note_rejected(Id::random(), NOW);
        }
        uses.note(used(id, 0, NOW));
        assert_eq!(shown(&uses, id), (vec![], vec![]));
        let expired = SeenExpirations {
            own: Some(NOW),
            previous: None,
        };
        uses.note_expired(id, expired, NOW);
        assert!(uses.pending_ids().contains(&id));
    }
}
