//! Between the socket and hyper: hands hyper one checked head at a time and its body after it,
//! and notes what the connection is waiting for.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::StatusCode;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::head::{Found, Scan};
use super::refusal::Refusal;
use super::registry::{Phase, Registry, Slot};
use super::settings::HEAD_BYTES_MAX;

/// What hyper is handed in place of a head that was refused; the service answers the refusal.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\n\r\n";
/// Answers a head that took too long.
const HEAD_TOO_SLOW: Refusal = Refusal::new(
    StatusCode::REQUEST_TIMEOUT,
    "The head of the request took too long.",
);

thread_local! {
    /// Where every connection of this thread reads to. What is not handed on at once is copied, so
    /// that an idle connection holds no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 2 * HEAD_BYTES_MAX]);
}

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
    head_expired: Cell<bool>,
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

/// The TCP connection, for the TLS layer above it and for those who only want to look.
#[derive(Clone)]
pub struct Socket(Rc<RefCell<TcpStream>>);

impl Socket {
    /// Wraps a connected socket.
    pub fn new(stream: TcpStream) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Reads and throws away until the client has closed or this much has come.
    pub async fn drain(&self, bytes_max: usize) {
        let mut drained = 0;
        while drained < bytes_max {
            let read = std::future::poll_fn(|cx| {
                SCRATCH.with_borrow_mut(|scratch| {
                    let mut buffer = ReadBuf::new(scratch);
                    let mut stream = self.0.borrow_mut();
                    ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
                    Poll::Ready(io::Result::Ok(buffer.filled().len()))
                })
            });
            match read.await {
                Ok(0) | Err(_) => return,
                Ok(count) => drained += count,
            }
        }
    }

    /// Lets the kernel forget what it still holds for this client when the socket is closed.
    fn abandon(&self) {
        let _ =
            socket2::SockRef::from(&*self.0.borrow()).set_linger(Some(std::time::Duration::ZERO));
    }

    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        match ready!(self.0.borrow().poll_peek(cx, &mut buffer)) {
            // Another request waits already. Nothing can be told from here on.
            Ok(1..) => Poll::Pending,
            Ok(0) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP stream has nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}

/// The client's end, with or without TLS.
pub enum Client {
    /// Plain TCP.
    Plain(Socket),
    /// TLS over it.
    Tls(Box<TlsStream<Socket>>),
}

impl Client {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

/// Where the reading side is.
#[derive(Clone, Copy)]
enum Stage {
    /// In front of a head, or in it.
    Head,
    /// So many bytes of a checked head are still to be handed to hyper.
    Handing(usize),
    /// hyper has the head, and the service has not said yet what follows it.
    Handed,
    /// So many bytes of body.
    Body(u64),
    /// Whatever comes is the last request's.
    Last,
}

/// The client's end as hyper sees it.
pub struct Stream {
    client: Client,
    watch: Rc<Watch>,
    stage: Stage,
    scan: Scan,
    /// Read and not handed on: part of a head, or what came behind one.
    carry: Vec<u8>,
    /// The client will send no more.
    ended: bool,
}

impl Stream {
    /// A stream at the beginning of a connection.
    pub fn new(client: Client, watch: Rc<Watch>) -> Self {
        Self {
            client,
            watch,
            stage: Stage::Head,
            scan: Scan::default(),
            carry: Vec::new(),
            ended: false,
        }
    }

    /// Hands on a head, as soon as there is a whole one.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        cursor: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.carry.is_empty() && self.hands_carried_head(cursor) {
            return Poll::Ready(Ok(()));
        }
        let expired = self.watch.head_expired.take();
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                if self.ended {
                    return Poll::Ready(Ok(()));
                }
                let mut buffer = ReadBuf::new(scratch);
                match self.client.poll_read(cx, &mut buffer) {
                    Poll::Ready(result) => result?,
                    Poll::Pending if expired => {
                        self.refuse(HEAD_TOO_SLOW, cursor);
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Pending => {
                        self.notes_waiting();
                        return Poll::Pending;
                    }
                }
                let bytes = buffer.filled();
                if bytes.is_empty() {
                    self.ended = true;
                } else if self.carry.is_empty() {
                    if self.hands_head(bytes, cursor) {
                        return Poll::Ready(Ok(()));
                    }
                } else {
                    self.carry.extend_from_slice(bytes);
                    if self.hands_carried_head(cursor) {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        })
    }

    /// Looks for a head in what was just read, with nothing carried over.
    fn hands_head(&mut self, bytes: &[u8], cursor: &mut ReadBufCursor<'_>) -> bool {
        match self.scan.look(bytes) {
            Found::More => self.carry.extend_from_slice(bytes),
            Found::Head(length) if length <= cursor.remaining() => {
                cursor.put_slice(&bytes[..length]);
                self.carry.extend_from_slice(&bytes[length..]);
                self.scan = Scan::default();
                self.stage = Stage::Handed;
                return true;
            }
            Found::Head(length) => {
                self.carry.extend_from_slice(bytes);
                self.hand(length, cursor);
                return true;
            }
            Found::Refused(refusal) => {
                self.refuse(refusal, cursor);
                return true;
            }
        }
        false
    }

    /// Looks for a head in what was carried over.
    fn hands_carried_head(&mut self, cursor: &mut ReadBufCursor<'_>) -> bool {
        match self.scan.look(&self.carry) {
            Found::More => return false,
            Found::Head(length) => self.hand(length, cursor),
            Found::Refused(refusal) => self.refuse(refusal, cursor),
        }
        true
    }

    /// Hands on so many bytes of a checked head, or what hyper has room for.
    fn hand(&mut self, length: usize, cursor: &mut ReadBufCursor<'_>) {
        let now = length.min(cursor.remaining());
        self.hand_carried(now, cursor);
        self.scan = Scan::default();
        self.stage = match length - now {
            0 => Stage::Handed,
            left => Stage::Handing(left),
        };
    }

    fn hand_carried(&mut self, count: usize, cursor: &mut ReadBufCursor<'_>) {
        cursor.put_slice(&self.carry[..count]);
        if count == self.carry.len() {
            // An idle connection holds no memory for what it once sent.
            self.carry = Vec::new();
        } else {
            self.carry.drain(..count);
        }
    }

    fn refuse(&mut self, refusal: Refusal, cursor: &mut ReadBufCursor<'_>) {
        self.watch.refusal.set(Some(refusal));
        self.carry = Vec::new();
        cursor.put_slice(STAND_IN);
        self.stage = Stage::Handed;
    }

    fn notes_waiting(&self) {
        let phase = if self.carry.is_empty() {
            Phase::Idle
        } else {
            Phase::Head
        };
        if self.watch.slot.phase() != phase {
            self.watch.waits_for(phase);
        }
    }

    /// Hands on a body, up to its end.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        cursor: &mut ReadBufCursor<'_>,
        left: u64,
    ) -> Poll<io::Result<usize>> {
        let room = cursor
            .remaining()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        if !self.carry.is_empty() {
            let count = room.min(self.carry.len());
            self.hand_carried(count, cursor);
            return Poll::Ready(Ok(count));
        }
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let room = room.min(scratch.len());
            let mut buffer = ReadBuf::new(&mut scratch[..room]);
            ready!(self.client.poll_read(cx, &mut buffer))?;
            let bytes = buffer.filled();
            cursor.put_slice(bytes);
            self.ended = bytes.is_empty();
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn notes_written<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match (&written, self.watch.slot.phase()) {
            (Poll::Pending, Phase::Write) => {}
            (Poll::Pending, _) => self.watch.waits_for(Phase::Write),
            (Poll::Ready(_), Phase::Write) => self.watch.waits_for(Phase::Busy),
            (Poll::Ready(_), _) => {}
        }
        written
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.stage, Stage::Handed) {
            // hyper saw no end where we did: one of the two is wrong, so nothing is answered.
            let Some(framing) = this.watch.framing.take() else {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            };
            this.stage = match framing {
                Framing::Length(0) => Stage::Head,
                Framing::Length(left) => Stage::Body(left),
                Framing::Last => Stage::Last,
            };
        }
        match this.stage {
            Stage::Head | Stage::Handed => this.poll_head(cx, &mut cursor),
            Stage::Handing(length) => {
                this.hand(length, &mut cursor);
                Poll::Ready(Ok(()))
            }
            Stage::Body(left) => {
                let count = ready!(this.poll_body(cx, &mut cursor, left))?;
                this.stage = match left - count as u64 {
                    0 => Stage::Head,
                    left => Stage::Body(left),
                };
                Poll::Ready(Ok(()))
            }
            Stage::Last => this.poll_body(cx, &mut cursor, u64::MAX).map_ok(drop),
        }
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.client {
            Client::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Client::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        this.notes_written(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.client {
            Client::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Client::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        this.notes_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.client {
            Client::Plain(_) => Poll::Ready(Ok(())),
            Client::Tls(stream) => {
                let flushed = Pin::new(stream).poll_flush(cx);
                this.notes_written(flushed)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.client {
            Client::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Client::Tls(stream) => {
                let shut = Pin::new(stream).poll_shutdown(cx);
                this.notes_written(shut)
            }
        }
    }
}
