//! The answers that the transport gives by itself: RFC 9457 problems with the security headers.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Body;

/// What the server knows to answer at all; a resource may know less.
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// Seconds after which a client that found the server full may come again.
const RETRY_AFTER_SECONDS: &str = "1";
/// The alphabet of a request id: RFC 4648 base32 in lower case.
const ID_ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_CHARACTERS: usize = 12;

/// Headers of every answer that is made here; none of them depends on the request.
const SECURITY: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_TYPE, "application/problem+json"),
];

/// A request that the transport answers itself, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// One sentence, without a character that JSON would have to escape.
    pub detail: &'static str,
}

impl Refusal {
    /// A refusal with this status and sentence.
    pub const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// 400: the request is not one.
    pub const fn malformed(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 503: come again soon.
    pub const fn full(detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The answer, and the connection goes on.
    pub fn answer(self) -> Response<Body> {
        self.answer_with_id(&request_id())
    }

    /// The answer under an id that is also in the log.
    pub fn answer_with_id(self, id: &str) -> Response<Body> {
        let (headers, body) = self.parts(id);
        let mut response = Response::new(Body::whole(body.into_bytes()));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    /// The answer, and nothing more is read from the connection.
    pub fn answer_and_close(self) -> Response<Body> {
        let mut response = self.answer();
        close(response.headers_mut());
        response
    }

    /// The answer as bytes, for a connection that hyper never sees.
    pub fn bytes(self) -> Vec<u8> {
        let (headers, body) = self.parts(&request_id());
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.status.as_str(),
            self.title(),
            body.len()
        )
        .into_bytes();
        for (name, value) in &headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }

    /// The type of the problem (RFC 9457), as in `wire::ProblemType`: this layer names no other.
    const fn kind(self) -> &'static str {
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => "urn:keycroft:problem:method-not-allowed",
            StatusCode::REQUEST_TIMEOUT => "urn:keycroft:problem:timeout",
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                "urn:keycroft:problem:too-large"
            }
            StatusCode::SERVICE_UNAVAILABLE => "urn:keycroft:problem:unavailable",
            StatusCode::INTERNAL_SERVER_ERROR => "urn:keycroft:problem:internal",
            _ => "urn:keycroft:problem:malformed",
        }
    }

    fn title(self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// The one place where an answer of the transport is made.
    fn parts(self, id: &str) -> (HeaderMap, String) {
        let mut headers = HeaderMap::with_capacity(10);
        for (name, value) in SECURITY {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(HeaderName::from_static("request-id"), id);
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from_static(RETRY_AFTER_SECONDS),
            );
        }
        let (member, value) = if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            ("request_id", id)
        } else {
            ("detail", self.detail)
        };
        let body = format!(
            r#"{{"type":"{}","title":"{}","status":{},"{member}":"{value}"}}"#,
            self.kind(),
            self.title(),
            self.status.as_str(),
        );
        (headers, body)
    }
}

/// Says that the connection ends with this answer.
pub fn close(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Twelve characters that differ from answer to answer: for finding a log line, not for guarding
/// anything.
pub fn request_id() -> String {
    thread_local! {
        static NEXT: RefCell<(RandomState, u64)> = RefCell::new((RandomState::new(), 0));
    }
    let mut bits = NEXT.with_borrow_mut(|(state, count)| {
        *count += 1;
        state.hash_one(*count)
    });
    let mut id = String::with_capacity(ID_CHARACTERS);
    for _ in 0..ID_CHARACTERS {
        id.push(char::from(ID_ALPHABET[(bits % 32) as usize]));
        bits /= 32;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_twelve_characters_and_differ() {
        let (one, other) = (request_id(), request_id());
        assert_eq!(one.len(), ID_CHARACTERS);
        assert_ne!(one, other);
    }

    #[test]
    fn bytes_are_a_whole_answer() {
        let text = String::from_utf8(Refusal::full("Full.").bytes()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n"));
        assert!(head.contains("\r\nretry-after: 1"));
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
        assert_eq!(
            body,
            r#"{"type":"urn:keycroft:problem:unavailable","title":"Service Unavailable","status":503,"detail":"Full."}"#
        );
    }
}
