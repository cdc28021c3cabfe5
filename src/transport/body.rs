//! Response bodies: empty, in one piece, or in parts that are sent while they are read.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

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
            Self::Parts {
                left: Some(left), ..
            } => SizeHint::with_exact(*left),
            Self::Parts { left: None, .. } => SizeHint::default(),
        }
    }
}
