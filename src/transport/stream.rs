//! The stream between socket and hyper: passes one checked head at a time and its body to hyper, and records what the
//! connection is waiting for.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncWrite, ReadBuf};

use super::head::{HeadProgress, HeadScan};
use super::registry::Phase;
use super::rejection::Rejection;
use super::socket::{ClientStream, SCRATCH};
use super::watch::{Framing, Watch};

/// Passed to hyper in place of a rejected head; the service answers the rejection.
const PLACEHOLDER_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\n\r\n";
/// The answer to a head that took too long.
const HEAD_TOO_SLOW: Rejection = Rejection::new(408, "The head of the request took too long.");

/// The state of the reading side.
#[derive(Clone, Copy)]
enum Stage {
    /// Before or in a head.
    Head,
    /// This many bytes of a checked head are still to be passed to hyper.
    Handing(usize),
    /// hyper has the head; the service has not reported yet what follows it.
    Handed,
    /// This many bytes of body.
    Body(u64),
    /// All further bytes belong to the last request.
    Last,
}

/// The client's stream as hyper sees it.
pub struct Stream {
    client: ClientStream,
    watch: Rc<Watch>,
    stage: Stage,
    scan: HeadProgress,
    /// Bytes read and not passed on: part of a head, or bytes behind one.
    carry: Vec<u8>,
    /// True when the client sends no more.
    ended: bool,
    /// True if other connections had their turn since the last write.
    let_others: bool,
}

impl Stream {
    /// The stream of a new connection.
    pub fn new(client: ClientStream, watch: Rc<Watch>) -> Self {
        Self {
            client,
            watch,
            stage: Stage::Head,
            scan: HeadProgress::default(),
            carry: Vec::new(),
            ended: false,
            let_others: false,
        }
    }

    /// Passes on a head once it is complete.
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
                        self.reject(HEAD_TOO_SLOW, cursor);
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Pending => {
                        self.notes_waiting();
                        return Poll::Pending;
                    }
                }
                let count = buffer.filled().len();
                let handed = self.takes_head_bytes(&scratch[..count], cursor);
                scratch[..count].fill(0);
                if handed {
                    return Poll::Ready(Ok(()));
                }
            }
        })
    }

    /// Takes new bytes before or in a head. Returns whether a head was passed on.
    fn takes_head_bytes(&mut self, bytes: &[u8], cursor: &mut ReadBufCursor<'_>) -> bool {
        if bytes.is_empty() {
            self.ended = true;
            false
        } else if self.carry.is_empty() {
            self.hands_head(bytes, cursor)
        } else {
            self.carry.extend_from_slice(bytes);
            self.hands_carried_head(cursor)
        }
    }

    /// Scans new bytes for a head, with nothing carried over.
    fn hands_head(&mut self, bytes: &[u8], cursor: &mut ReadBufCursor<'_>) -> bool {
        match self.scan.look(bytes) {
            HeadScan::More => self.carry.extend_from_slice(bytes),
            HeadScan::Head(length) if length <= cursor.remaining() && !self.scan.has_upgrades() => {
                cursor.put_slice(&bytes[..length]);
                self.carry.extend_from_slice(&bytes[length..]);
                self.scan = HeadProgress::default();
                self.stage = Stage::Handed;
                return true;
            }
            HeadScan::Head(length) => {
                self.carry.extend_from_slice(bytes);
                self.hand(length, cursor);
                return true;
            }
            HeadScan::Rejected(rejection) => {
                self.reject(rejection, cursor);
                return true;
            }
        }
        false
    }

    /// Scans carried bytes for a head.
    fn hands_carried_head(&mut self, cursor: &mut ReadBufCursor<'_>) -> bool {
        match self.scan.look(&self.carry) {
            HeadScan::More => return false,
            HeadScan::Head(length) => self.hand(length, cursor),
            HeadScan::Rejected(rejection) => self.reject(rejection, cursor),
        }
        true
    }

    /// Passes on this many bytes of a checked head, or as many as hyper has room for.
    fn hand(&mut self, length: usize, cursor: &mut ReadBufCursor<'_>) {
        let length = self.scan.without_upgrades(&mut self.carry, length);
        let now = length.min(cursor.remaining());
        self.hand_carried(now, cursor);
        self.scan = HeadProgress::default();
        self.stage = match length - now {
            0 => Stage::Handed,
            left => Stage::Handing(left),
        };
    }

    fn hand_carried(&mut self, count: usize, cursor: &mut ReadBufCursor<'_>) {
        cursor.put_slice(&self.carry[..count]);
        if count == self.carry.len() {
            // An idle connection keeps no memory of earlier requests.
            self.carry = Vec::new();
        } else {
            self.carry.drain(..count);
        }
    }

    fn reject(&mut self, rejection: Rejection, cursor: &mut ReadBufCursor<'_>) {
        self.watch.rejection.set(Some(rejection));
        self.carry = Vec::new();
        cursor.put_slice(PLACEHOLDER_HEAD);
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

    /// Passes on a body, up to its end.
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
            let count = buffer.filled().len();
            cursor.put_slice(buffer.filled());
            // A password must not stay here until the next client's bytes.
            scratch[..count].fill(0);
            self.ended = count == 0;
            Poll::Ready(Ok(count))
        })
    }

    /// Returns whether to let the thread's other connections run first, once before each write. Answers to simultaneous
    /// requests then leave together: waking a client on this machine (a proxy) for each costs more than verification.
    fn yields_to_others(&mut self, cx: &Context<'_>) -> bool {
        self.let_others = !self.let_others;
        if self.let_others {
            cx.waker().wake_by_ref();
        }
        self.let_others
    }

    fn notes_written<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Some(phase) = phase_after_write(self.watch.slot.phase(), written.is_pending()) {
            self.watch.waits_for(phase);
        }
        written
    }
}

/// The phase that begins with the result of a write, if any does.
const fn phase_after_write(phase: Phase, is_pending: bool) -> Option<Phase> {
    match (phase, is_pending) {
        // The deadline of a body stays while `100 Continue` waits for the client: nothing would set it again.
        (Phase::Write | Phase::Body, true) => None,
        (_, true) => Some(Phase::Write),
        (Phase::Write, false) => Some(Phase::Busy),
        (_, false) => None,
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
            // hyper found no end where this code did: one of them is wrong, so nothing is answered.
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
        if this.yields_to_others(cx) {
            return Poll::Pending;
        }
        let written = match &mut this.client {
            ClientStream::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            ClientStream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        this.notes_written(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An answer without a body: the plain call is cheaper for the kernel.
        if let [slice] = slices {
            return self.poll_write(cx, slice);
        }
        let this = self.get_mut();
        if this.yields_to_others(cx) {
            return Poll::Pending;
        }
        let written = match &mut this.client {
            ClientStream::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            ClientStream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        this.notes_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.client {
            ClientStream::Plain(_) => Poll::Ready(Ok(())),
            ClientStream::Tls(stream) => {
                let flushed = Pin::new(stream).poll_flush(cx);
                this.notes_written(flushed)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.client {
            ClientStream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            ClientStream::Tls(stream) => {
                let shut = Pin::new(stream).poll_shutdown(cx);
                this.notes_written(shut)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tokio::net::UnixStream;
    use tokio::runtime::Builder;

    use super::super::registry::Registry;
    use super::super::settings::TransportSettings;
    use super::super::socket::Socket;
    use super::*;

    const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// Reads like hyper: the available bytes.
    async fn read(stream: &mut Stream) -> io::Result<String> {
        poll_fn(|cx| {
            let mut bytes = [0; 1_024];
            let mut buffer = hyper::rt::ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *stream).poll_read(cx, buffer.unfilled()))?;
            Poll::Ready(Ok(String::from_utf8_lossy(buffer.filled()).into_owned()))
        })
        .await
    }

    /// If hyper reads on without a request for the service, the scan and hyper disagree about the end of the head.
    #[test]
    fn bytes_behind_a_head_wait_for_the_service() {
        let runtime = Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (client, server) = UnixStream::pair().unwrap();
            let registry = Registry::new(&TransportSettings::default());
            let place = registry.enter_control(0).ok().unwrap();
            let socket = Socket::from_unix(server);
            let watch = Watch::new(Arc::clone(&place.slot), registry, socket.clone());
            let mut stream = Stream::new(ClientStream::Plain(socket), Rc::clone(&watch));
            client.try_write(HEAD.repeat(3).as_bytes()).unwrap();
            assert_eq!(read(&mut stream).await.unwrap(), HEAD);
            watch.framing.set(Some(Framing::Length(0)));
            assert_eq!(read(&mut stream).await.unwrap(), HEAD);
            let error = read(&mut stream).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        });
    }

    /// A body without a deadline would keep its place for ever.
    #[test]
    fn body_keeps_its_deadline_while_a_write_waits() {
        for (phase, is_pending, next) in [
            (Phase::Body, true, None),
            (Phase::Body, false, None),
            (Phase::Write, true, None),
            (Phase::Write, false, Some(Phase::Busy)),
            (Phase::Busy, true, Some(Phase::Write)),
            (Phase::Busy, false, None),
            (Phase::Head, true, Some(Phase::Write)),
        ] {
            assert_eq!(
                phase_after_write(phase, is_pending),
                next,
                "{phase:?} {is_pending}"
            );
        }
    }
}
