//! The client's socket: a TCP stream, with or without TLS, or a control connection.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::settings::HEAD_BYTES_MAX;

thread_local! {
    /// The read buffer of all connections of this thread. Bytes that are not passed on at once are copied, so that an
    /// idle connection holds no buffer.
    pub static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 2 * HEAD_BYTES_MAX]);
}

/// The connection, shared by the TLS layer and the code that polls it.
#[derive(Clone)]
pub struct Socket(Rc<RefCell<Connected>>);

enum Connected {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Wraps a connection of a listener.
    pub fn from_tcp(stream: TcpStream) -> Self {
        Self(Rc::new(RefCell::new(Connected::Tcp(stream))))
    }

    /// Wraps a connection of the control socket.
    pub fn from_unix(stream: UnixStream) -> Self {
        Self(Rc::new(RefCell::new(Connected::Unix(stream))))
    }

    /// Returns when the client has sent something, or has left.
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| match &*self.0.borrow() {
            Connected::Tcp(stream) => stream.poll_read_ready(cx),
            Connected::Unix(stream) => stream.poll_read_ready(cx),
        })
        .await
    }

    /// Reads and discards until the client has closed or this many bytes have come.
    pub async fn drain(&self, bytes_max: usize) {
        let mut drained = 0;
        while drained < bytes_max {
            let read = std::future::poll_fn(|cx| {
                SCRATCH.with_borrow_mut(|scratch| {
                    let mut buffer = ReadBuf::new(scratch);
                    let mut socket = self.clone();
                    ready!(Pin::new(&mut socket).poll_read(cx, &mut buffer))?;
                    let count = buffer.filled().len();
                    scratch[..count].fill(0);
                    Poll::Ready(io::Result::Ok(count))
                })
            });
            match read.await {
                Ok(0) | Err(_) => return,
                Ok(count) => drained += count,
            }
        }
    }

    /// Makes the kernel discard pending data for this client on close.
    pub fn abandon(&self) {
        if let Connected::Tcp(stream) = &*self.0.borrow() {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Polls whether the client is still there, without reading.
    pub fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let connected = self.0.borrow();
        // A command waits for its answer, or is killed: its request is carried out in either case.
        let Connected::Tcp(stream) = &*connected else {
            return Poll::Pending;
        };
        match ready!(stream.poll_peek(cx, &mut buffer)) {
            // Another request waits already. From here on, leaving can't be detected.
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
        match &mut *self.0.borrow_mut() {
            Connected::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Connected::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self.0.borrow_mut() {
            Connected::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Connected::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self.0.borrow_mut() {
            Connected::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Connected::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP stream needs no flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.borrow_mut() {
            Connected::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Connected::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The client's stream, with or without TLS.
pub enum ClientStream {
    /// Plain TCP.
    Plain(Socket),
    /// TLS over it.
    Tls(Box<TlsStream<Socket>>),
}

impl ClientStream {
    /// Reads bytes of the client.
    pub fn poll_read(
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
