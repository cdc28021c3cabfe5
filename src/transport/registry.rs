//! Every open connection: how many there may be, which one makes room, and whose time is up.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Peer;
use super::settings::{CONTROL_CONNECTIONS_MAX, Deadlines, Exempt, LEAVING_MAX, Settings};

/// What a connection is waiting for, and so how long it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// For a request.
    Idle = 0,
    /// For the end of the TLS handshake.
    Handshake = 1,
    /// For the rest of a head.
    Head = 2,
    /// For the rest of a body.
    Body = 3,
    /// For the client to take some of the response.
    Write = 4,
    /// For us.
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
    /// Who is at the other end of the socket.
    pub peer: SocketAddr,
    /// The same, as far as it was checked.
    pub mark: Peer,
    /// The phase in the low three bits, above them since when: milliseconds of the registry.
    state: AtomicU64,
    /// Something was decided about this connection; it should look.
    attention: AtomicBool,
    leaving: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Slot {
    /// What the connection waits for.
    pub fn phase(&self) -> Phase {
        Phase::from_bits(self.state.load(Relaxed) & 7)
    }

    /// Whether there is something to look at; asking settles it.
    pub fn takes_attention(&self) -> bool {
        self.attention.load(Relaxed) && self.attention.swap(false, Relaxed)
    }

    /// Whether the connection was chosen to make room.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Who to wake; asked once, since a task keeps its waker.
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
    table: Mutex<Table>,
    started: Instant,
    deadlines: Deadlines,
    connections_max: usize,
    per_address_max: usize,
    exempt: Exempt,
    /// When the sweeper looks next, milliseconds.
    next_look: AtomicU64,
    alarm: Notify,
    stopping: AtomicBool,
    emptied: Notify,
    per_worker: Vec<AtomicUsize>,
}

#[derive(Default)]
struct Table {
    slots: Vec<Option<Arc<Slot>>>,
    free: Vec<usize>,
    leaving: usize,
    per_address: HashMap<IpAddr, usize>,
}

impl Table {
    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Connections that were told to make room are still on their way out.
    ForAMoment,
    /// Every connection is being served.
    Really,
}

/// A connection's place in the registry; dropping it gives the place back.
pub struct Place {
    registry: Arc<Registry>,
    /// The connection as other threads see it.
    pub slot: Arc<Slot>,
    /// The worker that the connection belongs to.
    pub worker: usize,
    key: usize,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: &Settings) -> Arc<Self> {
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

    /// A place for a new connection in this phase, with the worker that has the fewest; none when
    /// the server, or what one address may have of it, is full and nobody can make room.
    pub fn enter(self: &Arc<Self>, peer: SocketAddr, phase: Phase) -> Result<Place, Full> {
        let address = counted_as(peer);
        let counted = !(self.exempt)(peer.ip().to_canonical());
        let mut table = self.table();
        if counted {
            let mine = table.per_address.get(&address).copied().unwrap_or(0);
            if mine >= self.per_address_max {
                Self::make_room(&mut table, Some(address))?;
            }
        }
        if table.len() - table.leaving >= self.connections_max {
            Self::make_room(&mut table, None)?;
        }
        let worker = self.least_busy();
        Ok(self.add(table, peer, Peer::Network, phase, worker))
    }

    /// A place for a control connection, on the first worker. They have a budget of their own: whatever the network does,
    /// the operator gets in. Without room the longest idle one is told to leave.
    pub fn enter_control(self: &Arc<Self>, uid: u32) -> Result<Place, Full> {
        let mut table = self.table();
        let control = |slot: &&Arc<Slot>| slot.mark != Peer::Network;
        let open = table.slots.iter().flatten().filter(control);
        if open.count() >= CONTROL_CONNECTIONS_MAX {
            Self::make_room_among(&mut table, |slot| slot.mark != Peer::Network)?;
            return Err(Full::ForAMoment);
        }
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mark = Peer::Operator { uid };
        Ok(self.add(table, peer, mark, Phase::Idle, 0))
    }

    fn add(
        self: &Arc<Self>,
        mut table: MutexGuard<'_, Table>,
        peer: SocketAddr,
        mark: Peer,
        phase: Phase,
        worker: usize,
    ) -> Place {
        let slot = Arc::new(Slot {
            peer,
            mark,
            state: AtomicU64::new(phase as u64 | self.now() << 3),
            attention: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
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
        self.look_by(self.due(phase, self.now()));
        Place {
            registry: Arc::clone(self),
            slot,
            worker,
            key,
        }
    }

    /// Says what the connection waits for from now on.
    pub fn waits_for(&self, slot: &Slot, phase: Phase) {
        if phase == Phase::Busy {
            // No time is read for it: nothing is due while it is our turn.
            slot.state.store(Phase::Busy as u64, Relaxed);
            return;
        }
        let now = self.now();
        slot.state.store(phase as u64 | now << 3, Relaxed);
        if phase != Phase::Idle {
            self.look_by(self.due(phase, now));
        }
    }

    /// Whether the connection's time is up.
    pub fn is_overdue(&self, slot: &Slot) -> bool {
        let (phase, since) = slot.waiting();
        phase != Phase::Busy && self.due(phase, since) <= self.now()
    }

    /// So many connections make room, the longest idle first, because the machine has none left.
    pub fn shed(&self, count: usize) {
        let mut table = self.table();
        for _ in 0..count {
            if Self::make_room(&mut table, None).is_err() {
                return;
            }
        }
    }

    /// Looks after deadlines for ever: asleep until the earliest.
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

    /// Tells every connection that the server is stopping.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
        for slot in self.table().slots.iter().flatten() {
            slot.alert();
        }
    }

    /// Whether the server is stopping.
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

    /// Tells every connection whose time is up; returns when to look again.
    fn sweep(&self) -> u64 {
        let now = self.now();
        let mut next = u64::MAX;
        for slot in self.table().slots.iter().flatten() {
            let (phase, since) = slot.waiting();
            // Who is busy now may be idle in a moment, without telling.
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

    /// The longest idle connection, else the one whose client keeps us waiting longest in the
    /// middle of something, is told to leave.
    fn make_room(table: &mut Table, of: Option<IpAddr>) -> Result<(), Full> {
        Self::make_room_among(table, |slot| {
            slot.mark == Peer::Network && of.is_none_or(|address| counted_as(slot.peer) == address)
        })
    }

    fn make_room_among(table: &mut Table, may_leave: impl Fn(&Slot) -> bool) -> Result<(), Full> {
        if table.leaving >= LEAVING_MAX {
            return Err(Full::ForAMoment);
        }
        let chosen = table
            .slots
            .iter()
            .flatten()
            .filter(|slot| !slot.is_leaving() && slot.phase() != Phase::Busy)
            .filter(|slot| may_leave(slot))
            .min_by_key(|slot| {
                let (phase, since) = slot.waiting();
                (phase != Phase::Idle, since)
            });
        let slot = chosen.ok_or(Full::Really)?;
        slot.leaving.store(true, Relaxed);
        slot.alert();
        table.leaving += 1;
        Ok(())
    }

    fn least_busy(&self) -> usize {
        let counts = self.per_worker.iter().enumerate();
        counts
            .min_by_key(|(_, count)| count.load(Relaxed))
            .map_or(0, |(worker, _)| worker)
    }

    fn leave(&self, place: &Place) {
        let mut table = self.table();
        table.slots[place.key] = None;
        table.free.push(place.key);
        if place.slot.is_leaving() {
            table.leaving -= 1;
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

    fn look_by(&self, due: u64) {
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

    /// A panic while the table was locked cannot have left it half changed in a way that matters
    /// more than going on.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.leave(self);
    }
}

/// What a peer counts as: its IPv4 address, or the network of 64 bits that one IPv6 client has to
/// itself.
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
    fn an_ipv6_client_counts_by_its_network() {
        let counted = |text: &str| counted_as(text.parse().unwrap()).to_string();
        assert_eq!(counted("192.0.2.7:1"), "192.0.2.7");
        assert_eq!(counted("[::ffff:192.0.2.7]:1"), "192.0.2.7");
        assert_eq!(counted("[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1:2::");
    }
}
