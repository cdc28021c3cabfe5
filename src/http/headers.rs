//! Headers of all answers, and helpers for answers.

use rouille::{Response, ResponseBody};
use serde::Serialize;

use super::settings::HttpSettings;

/// Nothing on the JSON side may be run, framed or styled.
const CSP_NOTHING: &str =
    "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Initial sizes: enough for most answers.
const USUAL_BYTES: usize = 512;
const USUAL_HEADERS: usize = 10;

/// Returns whether `response` already has a header of this name.
fn has_header(response: &Response, name: &str) -> bool {
    response
        .headers
        .iter()
        .any(|(own, _)| own.eq_ignore_ascii_case(name))
}

/// Adds the headers of every answer to `response`.
pub fn finish(mut response: Response, request_id: String, settings: &HttpSettings) -> Response {
    let bare = response.headers.is_empty();
    let default = |response: &Response, name: &str| bare || !has_header(response, name);
    let csp = default(&response, "Content-Security-Policy");
    let cache = default(&response, "Cache-Control");
    let headers = &mut response.headers;
    if csp {
        headers.push(("Content-Security-Policy".into(), CSP_NOTHING.into()));
    }
    if cache {
        headers.push(("Cache-Control".into(), "no-store".into()));
    }
    headers.push(("X-Content-Type-Options".into(), "nosniff".into()));
    headers.push(("Referrer-Policy".into(), "same-origin".into()));
    headers.push(("Cross-Origin-Opener-Policy".into(), "same-origin".into()));
    if settings.is_https() {
        headers.push((
            "Strict-Transport-Security".into(),
            "max-age=31536000".into(),
        ));
    }
    headers.push(("Request-Id".into(), request_id.into()));
    response
}

/// An answer without a body.
pub fn empty_response(status: u16) -> Response {
    Response {
        status_code: status,
        headers: Vec::new(),
        data: ResponseBody::empty(),
        upgrade: None,
    }
}

/// `value` as JSON.
pub fn json<T: Serialize>(content_type: &'static str, status: u16, value: &T) -> Response {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, value)
        .expect("our own shapes have only string keys and can be written");
    bytes_of(content_type, status, bytes)
}

/// `bytes` unchanged.
pub fn bytes_of(content_type: &'static str, status: u16, bytes: Vec<u8>) -> Response {
    let mut headers = Vec::with_capacity(USUAL_HEADERS);
    headers.push(("Content-Type".into(), content_type.into()));
    Response {
        status_code: status,
        headers,
        data: ResponseBody::from_data(bytes),
        upgrade: None,
    }
}
