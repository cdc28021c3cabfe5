//! The transport's own answers: RFC 9457 problems with the security headers.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Body;

/// Methods of the server; a resource may support fewer.
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// Value of `Retry-After` when the server is full, in seconds.
const RETRY_AFTER_SECONDS: &str = "1";
/// The alphabet of a request id: RFC 4648 base32 in lower case.
const ID_ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_CHARACTERS: usize = 12;

/// Headers of every answer of the transport; independent of the request.
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

/// A request that the transport rejects, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status of the answer.
    pub status: StatusCode,
    /// One sentence, without characters that JSON escapes.
    pub detail: &'static str,
}

impl Rejection {
    /// A rejection with this status and sentence.
    pub const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// 400: malformed request.
    pub const fn malformed(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 503: the server is full.
    pub const fn full(detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The answer; the connection goes on.
    pub fn answer(self) -> Response<Body> {
        self.answer_with_id(&request_id())
    }

    /// The answer with a request id that is also in the log.
    pub fn answer_with_id(self, id: &str) -> Response<Body> {
        let (headers, body) = self.parts(id);
        let mut response = Response::new(Body::whole(body.into_bytes()));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    /// The answer; the connection ends.
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

    /// The type of the problem (RFC 9457), equal to `wire::ProblemType`, which this layer cannot use.
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

    /// Headers and body of every answer of the transport.
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

/// Marks the answer as the last of the connection.
pub fn close(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// A request id for finding log lines, not a secret: twelve characters, different for each answer.
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
    fn request_ids_have_12_characters_and_differ() {
        let (one, other) = (request_id(), request_id());
        assert_eq!(one.len(), ID_CHARACTERS);
        assert_ne!(one, other);
    }

    #[test]
    fn rejection_bytes_are_a_complete_answer() {
        let text = String::from_utf8(Rejection::full("Full.").bytes()).unwrap();
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
