//! Requests that the transport rejects. The application creates the answers.

use std::io::Read;
use std::sync::Arc;

use hyper::Response;
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
        let response = reject(self);
        let (mut reader, _) = response.data.into_reader_and_size();
        let mut body = Vec::new();
        // From memory.
        let _ = reader.read_to_end(&mut body);
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.status,
            hyper::StatusCode::from_u16(self.status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or_default(),
            body.len()
        );
        for (name, value) in &response.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.append(&mut body);
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
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 5\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nFull."
        );
    }
}
