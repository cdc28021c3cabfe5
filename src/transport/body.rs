//! Response bodies: empty, in one piece, or in parts that are sent while they are read.

use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

/// One part of a source, in bytes. A client that never reads costs this beyond the buffer of its connection.
const SOURCE_PART_BYTES: usize = 16 * 1024;

/// A message from the thread that reads a response.
pub enum BodyPart {
    /// Some bytes, never empty.
    Bytes(Bytes),
    /// The response is complete. If the channel closes without this, the response was cut off.
    End,
}

/// The response was cut off. The connection is closed so that the client notices.
#[derive(Debug)]
pub struct TruncatedResponse;

impl std::fmt::Display for TruncatedResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the response was cut off")
    }
}

impl std::error::Error for TruncatedResponse {}

/// A response body for hyper.
pub enum Body {
    /// Empty, or sent completely.
    Empty,
    /// One piece.
    Whole(Bytes),
    /// Parts, each read when the client has taken the one before. Reading must not wait.
    Source {
        reader: Box<dyn Read + Send>,
        /// The number of bytes still to come.
        left: usize,
    },
    /// Parts, from the thread that reads them.
    Parts {
        /// The parts.
        parts: mpsc::Receiver<BodyPart>,
        /// The number of bytes still to come, if known.
        left: Option<u64>,
    },
}

impl Body {
    /// A body in one piece.
    pub fn complete(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        Self::Whole(Bytes::from(bytes))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = TruncatedResponse;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TruncatedResponse>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Source { reader, left } => {
                let mut bytes = vec![0; SOURCE_PART_BYTES.min(*left)];
                if reader.read_exact(&mut bytes).is_err() {
                    return Poll::Ready(Some(Err(TruncatedResponse)));
                }
                *left -= bytes.len();
                if *left == 0 {
                    *self = Self::Empty;
                }
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes)))))
            }
            Self::Parts { parts, left } => match std::task::ready!(parts.poll_recv(cx)) {
                Some(BodyPart::Bytes(bytes)) => {
                    if let Some(left) = left {
                        *left = left.saturating_sub(bytes.len() as u64);
                    }
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Some(BodyPart::End) => {
                    *self = Self::Empty;
                    Poll::Ready(None)
                }
                None => Poll::Ready(Some(Err(TruncatedResponse))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Source { left, .. } => SizeHint::with_exact(*left as u64),
            Self::Parts {
                left: Some(left), ..
            } => SizeHint::with_exact(*left),
            Self::Parts { left: None, .. } => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use hyper::body::Body as _;

    use super::*;

    /// Counts what was read of it.
    struct Counted(Arc<AtomicUsize>);

    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.fetch_add(buffer.len(), Ordering::SeqCst);
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }

    #[test]
    fn source_is_read_one_part_at_a_time() {
        let read = Arc::new(AtomicUsize::new(0));
        let mut body = Body::Source {
            reader: Box::new(Counted(Arc::clone(&read))),
            left: 2 * SOURCE_PART_BYTES + 1,
        };
        assert_eq!(
            body.size_hint().exact(),
            Some(2 * SOURCE_PART_BYTES as u64 + 1)
        );
        assert_eq!(read.load(Ordering::SeqCst), 0);
        let mut context = Context::from_waker(Waker::noop());
        for expected in [SOURCE_PART_BYTES, SOURCE_PART_BYTES, 1] {
            let before = read.load(Ordering::SeqCst);
            let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) else {
                panic!("no part");
            };
            assert_eq!(frame.into_data().unwrap().len(), expected);
            assert_eq!(read.load(Ordering::SeqCst) - before, expected);
        }
        assert!(body.is_end_stream());
    }
}
