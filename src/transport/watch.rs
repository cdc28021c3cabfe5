//! State shared by the parts of one connection, all on one thread.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::registry::{Phase, Registry, Slot};
use super::rejection::Rejection;
use super::socket::Socket;

/// State shared by the stream, the service and the connection around them.
pub struct Watch {
    /// The connection as other threads see it.
    pub slot: Arc<Slot>,
    registry: Arc<Registry>,
    socket: Socket,
    /// The answer to a rejected head, for which hyper gets a stand-in.
    pub rejection: Cell<Option<Rejection>>,
    /// The body that follows the head, as the service determined it.
    pub framing: Cell<Option<Framing>>,
    /// Set when the body's deadline has passed.
    pub body_expired: Cell<bool>,
    /// Set when the head's deadline has passed.
    pub head_expired: Cell<bool>,
    /// Set when the connection was ended while the client may still be sending.
    pub unread: Cell<bool>,
}

/// The bytes that follow a head.
#[derive(Clone, Copy)]
pub enum Framing {
    /// This many bytes of body, then another head.
    Length(u64),
    /// Bytes for hyper alone, and no other head: the connection ends with this request.
    Last,
}

impl Watch {
    /// The state of a new connection.
    pub fn new(slot: Arc<Slot>, registry: Arc<Registry>, socket: Socket) -> Rc<Self> {
        Rc::new(Self {
            slot,
            registry,
            socket,
            rejection: Cell::new(None),
            framing: Cell::new(None),
            body_expired: Cell::new(false),
            head_expired: Cell::new(false),
            unread: Cell::new(false),
        })
    }

    /// Sets the phase of the connection.
    pub fn waits_for(&self, phase: Phase) {
        self.registry.waits_for(&self.slot, phase);
    }

    /// Returns whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.registry.is_stopping()
    }

    /// Acts on a passed deadline. Returns true if the connection is to be dropped, false if an answer is still to be
    /// sent, or the deadline was met after all.
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

    /// Polls a client that waits for an answer. Ready with `Ok` when it sends no more (it left, or waits half-closed),
    /// with an error when the connection is broken.
    pub fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_disconnect(cx)
    }
}
