//! Requests that the transport rejects. The application creates the answers.

use std::sync::Arc;

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::body::Body;
use super::convert::HandlerAnswer;

/// A request that the transport rejects, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status of the answer.
    pub status: u16,
    /// One sentence.
    pub detail: &'static str,
}

/// Creates the answer to a rejected request.
pub type Reject = Arc<dyn Fn(Rejection) -> rouille::Response + Send + Sync>;

impl Rejection {
    /// A rejection with this status and sentence.
    pub const fn new(status: u16, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// 400: malformed request.
    pub const fn malformed(detail: &'static str) -> Self {
        Self::new(400, detail)
    }

    /// 503: the server is full.
    pub const fn full(detail: &'static str) -> Self {
        Self::new(503, detail)
    }

    /// The answer.
    pub fn answer(self, reject: &Reject) -> Response<Body> {
        HandlerAnswer::of_rejection(reject(self)).into_response()
    }

    /// The answer as bytes, for a connection that hyper never sees.
    pub fn bytes(self, reject: &Reject) -> Vec<u8> {
        let (parts, body) = self.answer(reject).into_parts();
        let body = match body {
            Body::Whole(bytes) => bytes,
            Body::Empty | Body::Source { .. } | Body::Parts { .. } => Bytes::new(),
        };
        let (status, length) = (parts.status, body.len());
        let mut bytes =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n")
                .into_bytes();
        for (name, value) in &parts.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        bytes
    }
}

/// Marks the answer as the last of the connection.
pub fn close(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// The request id of an answer, for the log.
pub fn request_id(response: &rouille::Response) -> &str {
    let found = response
        .headers
        .iter()
        .find(|(name, _)| name == "Request-Id");
    found.map_or("-", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejection_bytes_are_a_complete_answer() {
        let reject: Reject = Arc::new(|rejection| {
            let answer = rouille::Response::text(rejection.detail);
            answer.with_status_code(rejection.status)
        });
        let text = String::from_utf8(Rejection::full("Full.").bytes(&reject)).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 5\r\n\
             content-type: text/plain; charset=utf-8\r\n\r\nFull."
        );
    }

    /// The last place that rejects them is the conversion, which these bytes pass as well.
    #[test]
    fn rejection_with_a_line_end_in_a_header_loses_all_headers() {
        let reject: Reject = Arc::new(|rejection| {
            let answer = rouille::Response::text(rejection.detail);
            answer.with_unique_header("Request-Id", "a\r\nSet-Cookie: b")
        });
        let text = String::from_utf8(Rejection::full("Full.").bytes(&reject)).unwrap();
        assert!(text.starts_with("HTTP/1.1 500 "), "{text:?}");
        assert!(!text.contains("Set-Cookie"), "{text:?}");
    }
}
