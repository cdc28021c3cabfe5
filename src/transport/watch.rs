//! What the parts of one connection tell each other, all on one thread.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::refusal::Refusal;
use super::registry::{Phase, Registry, Slot};
use super::socket::Socket;

/// What the stream, the service and the connection around them tell each other.
pub struct Watch {
    /// The connection as other threads see it.
    pub slot: Arc<Slot>,
    registry: Arc<Registry>,
    socket: Socket,
    /// The answer to the head that hyper is being handed a stand-in for.
    pub refusal: Cell<Option<Refusal>>,
    /// What follows the head that hyper was handed, as the service saw it.
    pub framing: Cell<Option<Framing>>,
    /// The body's time is up.
    pub body_expired: Cell<bool>,
    /// The head's time is up.
    pub head_expired: Cell<bool>,
    /// The connection was ended while the client may still be sending.
    pub unread: Cell<bool>,
}

/// What follows a head.
#[derive(Clone, Copy)]
pub enum Framing {
    /// So many bytes of body, then another head.
    Length(u64),
    /// Bytes for hyper to sort out, and no other head: the connection ends with this request.
    Last,
}

impl Watch {
    /// The notes of a new connection.
    pub fn new(slot: Arc<Slot>, registry: Arc<Registry>, socket: Socket) -> Rc<Self> {
        Rc::new(Self {
            slot,
            registry,
            socket,
            refusal: Cell::new(None),
            framing: Cell::new(None),
            body_expired: Cell::new(false),
            head_expired: Cell::new(false),
            unread: Cell::new(false),
        })
    }

    /// Says what the connection waits for from now on.
    pub fn waits_for(&self, phase: Phase) {
        self.registry.waits_for(&self.slot, phase);
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.registry.is_stopping()
    }

    /// Acts on a deadline that has passed: true when the connection is to be dropped, false when
    /// it still has an answer to give, or was in time after all.
    pub fn drops_when_overdue(&self) -> bool {
        if !self.registry.is_overdue(&self.slot) {
            return false;
        }
        match self.slot.phase() {
            Phase::Head => self.head_expired.set(true),
            Phase::Body => self.body_expired.set(true),
            Phase::Idle | Phase::Handshake => return true,
            Phase::Write => {
                self.socket.abandon();
                return true;
            }
            Phase::Busy => return false,
        }
        false
    }

    /// Watches a client that waits for an answer: ready with `Ok` when it sends no more (it may
    /// have left, or wait with its half closed), with an error when the connection is broken.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_gone(cx)
    }
}
