//! Every open connection: limits, which one makes room, and deadlines.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Peer;
use super::settings::{CLOSING_MAX, CONTROL_CONNECTIONS_MAX, Deadlines, Exempt, TransportSettings};

/// The event that a connection waits for, which sets its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The next request.
    Idle = 0,
    /// The end of the TLS handshake.
    Handshake = 1,
    /// The rest of a head.
    Head = 2,
    /// The rest of a body.
    Body = 3,
    /// The client, to take some of the response.
    Write = 4,
    /// The server, which is working on the answer.
    Busy = 5,
}

impl Phase {
    fn from_bits(bits: u64) -> Self {
        match bits {
            0 => Self::Idle,
            1 => Self::Handshake,
            2 => Self::Head,
            3 => Self::Body,
            4 => Self::Write,
            _ => Self::Busy,
        }
    }
}

/// One connection, as other threads see it.
pub struct Slot {
    /// The address of the peer.
    pub peer: SocketAddr,
    /// The peer as far as it was verified.
    pub mark: Peer,
    /// The phase in the low three bits. Above them the time of its start, in milliseconds of the registry.
    state: AtomicU64,
    /// Set when the registry has decided something about this connection.
    attention: AtomicBool,
    closing: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Slot {
    /// The present phase.
    pub fn phase(&self) -> Phase {
        Phase::from_bits(self.state.load(Relaxed) & 7)
    }

    /// Returns whether the connection should act, and clears the mark.
    pub fn take_attention(&self) -> bool {
        self.attention.load(Relaxed) && self.attention.swap(false, Relaxed)
    }

    /// Returns whether the connection was chosen to make room.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Sets the waker. Called once, since a task keeps its waker.
    pub fn wakes(&self, waker: &Waker) {
        if self.waker.get().is_none() {
            let _ = self.waker.set(waker.clone());
        }
    }

    fn alert(&self) {
        self.attention.store(true, Relaxed);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    fn waiting(&self) -> (Phase, u64) {
        let state = self.state.load(Relaxed);
        (Phase::from_bits(state & 7), state >> 3)
    }
}

/// All connections of one server.
pub struct Registry {
    table: Mutex<ConnectionTable>,
    started: Instant,
    deadlines: Deadlines,
    connections_max: usize,
    per_address_max: usize,
    exempt: Exempt,
    /// When the sweeper runs next, in milliseconds.
    next_look: AtomicU64,
    alarm: Notify,
    stopping: AtomicBool,
    emptied: Notify,
    per_worker: Vec<AtomicUsize>,
}

#[derive(Default)]
struct ConnectionTable {
    slots: Vec<Option<Arc<Slot>>>,
    free: Vec<usize>,
    closing: usize,
    per_address: HashMap<IpAddr, usize>,
}

impl ConnectionTable {
    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// The reason why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCapacity {
    /// Connections that must make room are still closing.
    ForAMoment,
    /// Every connection is busy.
    Really,
}

/// A place in the registry, freed on drop.
pub struct RegisteredConnection {
    registry: Arc<Registry>,
    /// The connection as other threads see it.
    pub slot: Arc<Slot>,
    /// The worker of the connection.
    pub worker: usize,
    key: usize,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: &TransportSettings) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            started: Instant::now(),
            deadlines: settings.deadlines,
            connections_max: settings.connections_max.max(1),
            per_address_max: settings.connections_per_address_max.max(1),
            exempt: Arc::clone(&settings.exempt),
            next_look: AtomicU64::new(u64::MAX),
            alarm: Notify::new(),
            stopping: AtomicBool::new(false),
            emptied: Notify::new(),
            per_worker: (0..settings.workers.max(1))
                .map(|_| AtomicUsize::new(0))
                .collect(),
        })
    }

    /// A place for a new connection in this phase, at the worker with the fewest. Fails if the server, or the share of
    /// one address, is full and no connection can make room.
    pub fn enter(
        self: &Arc<Self>,
        peer: SocketAddr,
        phase: Phase,
    ) -> Result<RegisteredConnection, NoCapacity> {
        let address = counted_as(peer);
        let counted = !(self.exempt)(peer.ip().to_canonical());
        let mut table = self.table();
        if counted {
            let mine = table.per_address.get(&address).copied().unwrap_or(0);
            if mine >= self.per_address_max {
                Self::make_room(&mut table, Some(address))?;
            }
        }
        if table.len() - table.closing >= self.connections_max {
            Self::make_room(&mut table, None)?;
        }
        let worker = self.least_busy();
        Ok(self.add(table, peer, Peer::Network, phase, worker))
    }

    /// A place for a control connection, on the first worker. Control connections have a separate budget, so that a
    /// flood from the network never locks out the operator. Without room, the one that is idle longest has to close.
    pub fn enter_control(self: &Arc<Self>, uid: u32) -> Result<RegisteredConnection, NoCapacity> {
        let mut table = self.table();
        let control = |slot: &&Arc<Slot>| slot.mark != Peer::Network;
        let open = table.slots.iter().flatten().filter(control);
        if open.count() >= CONTROL_CONNECTIONS_MAX {
            Self::make_room_among(&mut table, |slot| slot.mark != Peer::Network)?;
            return Err(NoCapacity::ForAMoment);
        }
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mark = Peer::Operator { uid };
        Ok(self.add(table, peer, mark, Phase::Idle, 0))
    }

    fn add(
        self: &Arc<Self>,
        mut table: MutexGuard<'_, ConnectionTable>,
        peer: SocketAddr,
        mark: Peer,
        phase: Phase,
        worker: usize,
    ) -> RegisteredConnection {
        let slot = Arc::new(Slot {
            peer,
            mark,
            state: AtomicU64::new(phase as u64 | self.now() << 3),
            attention: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            waker: OnceLock::new(),
        });
        let key = if let Some(key) = table.free.pop() {
            table.slots[key] = Some(Arc::clone(&slot));
            key
        } else {
            table.slots.push(Some(Arc::clone(&slot)));
            table.slots.len() - 1
        };
        *table.per_address.entry(counted_as(peer)).or_default() += 1;
        drop(table);
        self.per_worker[worker].fetch_add(1, Relaxed);
        self.schedule_look(self.due(phase, self.now()));
        RegisteredConnection {
            registry: Arc::clone(self),
            slot,
            worker,
            key,
        }
    }

    /// Sets the phase of a connection.
    pub fn waits_for(&self, slot: &Slot, phase: Phase) {
        if phase == Phase::Busy {
            // No time is needed: a busy connection has no deadline.
            slot.state.store(Phase::Busy as u64, Relaxed);
            return;
        }
        let now = self.now();
        slot.state.store(phase as u64 | now << 3, Relaxed);
        if phase != Phase::Idle {
            self.schedule_look(self.due(phase, now));
        }
    }

    /// Returns whether the deadline of the connection has passed.
    pub fn is_overdue(&self, slot: &Slot) -> bool {
        let (phase, since) = slot.waiting();
        phase != Phase::Busy && self.due(phase, since) <= self.now()
    }

    /// Closes this many connections, the longest idle first, because the machine has no descriptors left.
    pub fn shed(&self, count: usize) {
        let mut table = self.table();
        for _ in 0..count {
            if Self::make_room(&mut table, None).is_err() {
                return;
            }
        }
    }

    /// Enforces deadlines for ever; sleeps until the earliest.
    pub async fn keep_deadlines(self: Arc<Self>) {
        loop {
            self.next_look.store(u64::MAX, Relaxed);
            let next = self.sweep();
            self.next_look.fetch_min(next, Relaxed);
            let next = self.next_look.load(Relaxed);
            if next == u64::MAX {
                self.alarm.notified().await;
            } else {
                let wait = Duration::from_millis(next.saturating_sub(self.now()).max(1));
                let _ = tokio::time::timeout(wait, self.alarm.notified()).await;
            }
        }
    }

    /// Notifies every connection that the server is stopping.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
        for slot in self.table().slots.iter().flatten() {
            slot.alert();
        }
    }

    /// Returns whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Returns when no connection is left.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.table().len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Notifies every connection whose deadline has passed. Returns when to run again.
    fn sweep(&self) -> u64 {
        let now = self.now();
        let mut next = u64::MAX;
        for slot in self.table().slots.iter().flatten() {
            let (phase, since) = slot.waiting();
            // A busy connection may become idle at any moment, without notice.
            let since = if phase == Phase::Busy { now } else { since };
            let due = self.due(phase, since);
            if due <= now {
                slot.alert();
            } else {
                next = next.min(due);
            }
        }
        next
    }

    /// Closes the connection that is idle longest, or else the one whose client has delayed a request longest.
    fn make_room(table: &mut ConnectionTable, of: Option<IpAddr>) -> Result<(), NoCapacity> {
        Self::make_room_among(table, |slot| {
            slot.mark == Peer::Network && of.is_none_or(|address| counted_as(slot.peer) == address)
        })
    }

    fn make_room_among(
        table: &mut ConnectionTable,
        may_leave: impl Fn(&Slot) -> bool,
    ) -> Result<(), NoCapacity> {
        if table.closing >= CLOSING_MAX {
            return Err(NoCapacity::ForAMoment);
        }
        let chosen = table
            .slots
            .iter()
            .flatten()
            .filter(|slot| !slot.is_closing() && slot.phase() != Phase::Busy)
            .filter(|slot| may_leave(slot))
            .min_by_key(|slot| {
                let (phase, since) = slot.waiting();
                (phase != Phase::Idle, since)
            });
        let slot = chosen.ok_or(NoCapacity::Really)?;
        slot.closing.store(true, Relaxed);
        slot.alert();
        table.closing += 1;
        Ok(())
    }

    fn least_busy(&self) -> usize {
        let counts = self.per_worker.iter().enumerate();
        counts
            .min_by_key(|(_, count)| count.load(Relaxed))
            .map_or(0, |(worker, _)| worker)
    }

    fn leave(&self, place: &RegisteredConnection) {
        let mut table = self.table();
        table.slots[place.key] = None;
        table.free.push(place.key);
        if place.slot.is_closing() {
            table.closing -= 1;
        }
        let address = counted_as(place.slot.peer);
        if let Some(count) = table.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                table.per_address.remove(&address);
            }
        }
        let last = table.len() == 0;
        drop(table);
        self.per_worker[place.worker].fetch_sub(1, Relaxed);
        if last {
            self.emptied.notify_waiters();
        }
    }

    fn schedule_look(&self, due: u64) {
        if due < self.next_look.fetch_min(due, Relaxed) {
            self.alarm.notify_one();
        }
    }

    fn due(&self, phase: Phase, since: u64) -> u64 {
        let allowed = match phase {
            Phase::Idle | Phase::Busy => self.deadlines.idle,
            Phase::Handshake => self.deadlines.handshake,
            Phase::Head => self.deadlines.head,
            Phase::Body => self.deadlines.body,
            Phase::Write => self.deadlines.write,
        };
        since.saturating_add(milliseconds(allowed))
    }

    fn now(&self) -> u64 {
        milliseconds(self.started.elapsed())
    }

    /// A panic under this lock can't leave an inconsistency that matters more than going on.
    fn table(&self) -> MutexGuard<'_, ConnectionTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RegisteredConnection {
    fn drop(&mut self) {
        self.registry.leave(self);
    }
}

/// The address for the limit: an IPv4 address, or the /64 network of one IPv6 client.
fn counted_as(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_client_counts_by_its_network() {
        let counted = |text: &str| counted_as(text.parse().unwrap()).to_string();
        assert_eq!(counted("192.0.2.7:1"), "192.0.2.7");
        assert_eq!(counted("[::ffff:192.0.2.7]:1"), "192.0.2.7");
        assert_eq!(counted("[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1:2::");
    }
}
