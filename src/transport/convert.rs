//! Conversion of hyper's requests to rouille's, and of rouille's responses to hyper's.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;

use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use super::Lane;
use super::body::{Body, BodyPart};
use super::settings::{PART_BYTES, PARTS_WAITING_MAX, WHOLE_BYTES_MAX};

/// Values of headers that a thread remembers as checked: those of verification and its errors, which come first.
const STATIC_VALUES_MAX: usize = 16;

/// A request for the handler. Without a body (`None`: too long, so not read) its data counts as taken.
pub fn request(
    parts: &Parts,
    peer: SocketAddr,
    https: bool,
    body: Option<Vec<u8>>,
) -> rouille::Request {
    let target = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let method = parts.method.as_str();
    let mut headers = Vec::with_capacity(parts.headers.len());
    for (name, value) in &parts.headers {
        headers.push((name.as_str().to_owned(), text(value)));
    }
    let is_empty = body.is_none();
    let body = body.unwrap_or_default();
    let request = if https {
        rouille::Request::fake_https_from(peer, method, target, headers, body)
    } else {
        rouille::Request::fake_http_from(peer, method, target, headers, body)
    };
    if is_empty {
        drop(request.data());
    }
    request
}

/// The value of a header. Bytes that are not UTF-8 mean nothing here and become U+FFFD.
fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
    }
}

/// An answer on its way from the handler's thread to the connection.
pub struct HandlerAnswer {
    response: Response<Body>,
    /// The rest after the first part of the body; the thread that answered reads it.
    rest: Option<RemainingBody>,
}

/// The part of a long response that is still to be read.
pub struct RemainingBody {
    reader: Box<dyn Read + Send>,
    first: Vec<u8>,
    parts: mpsc::Sender<BodyPart>,
}

/// The reason why a response of the handler was not sent.
#[derive(Debug)]
pub enum ResponseFault {
    /// Its status is not one of 200 to 599.
    Status(u16),
    /// This header contains CR, LF or NUL, or must not be sent.
    Header(String),
    /// Its body could not be read.
    Body(std::io::Error),
}

impl fmt::Display for ResponseFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "the response has the status {status}"),
            Self::Header(name) => write!(formatter, "the response's header {name:?} is not valid"),
            Self::Body(error) => write!(formatter, "the response's body: {error}"),
        }
    }
}

impl HandlerAnswer {
    /// Converts a response. Reads its body if it is short or its lane has no thread to go on reading. `headers`: an
    /// emptied map for reuse.
    pub fn from_handler(
        response: rouille::Response,
        lane: Lane,
        mut headers: HeaderMap,
    ) -> Result<Self, ResponseFault> {
        let status = StatusCode::from_u16(response.status_code)
            .ok()
            .filter(|status| (200..600).contains(&status.as_u16()))
            .ok_or(ResponseFault::Status(response.status_code))?;
        headers.clear();
        headers.reserve(response.headers.len());
        for (name, value) in response.headers {
            if let Some((name, value)) = header(name, value)? {
                headers.append(name, value);
            }
        }
        let (reader, size) = response.data.into_reader_and_size();
        let (body, rest) = body(reader, size, lane).map_err(ResponseFault::Body)?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(Self { response, rest })
    }

    /// The answer of the application to a rejected request; empty if that is faulty, too.
    pub fn of_rejection(response: rouille::Response) -> Self {
        Self::from_handler(response, Lane::Quick, HeaderMap::new()).unwrap_or_else(|fault| {
            log::error!("the answer to a rejected request: {fault}");
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            let rest = None;
            Self { response, rest }
        })
    }

    /// The rest of the body, for a thread of the pool.
    pub const fn take_rest(&mut self) -> Option<RemainingBody> {
        self.rest.take()
    }

    /// The response for hyper.
    pub fn into_response(self) -> Response<Body> {
        self.response
    }
}

impl RemainingBody {
    /// Reads on and sends, as fast as the client takes it. Stops when the client has gone.
    pub fn send(mut self) {
        let mut part = self.first;
        loop {
            if !part.is_empty()
                && self
                    .parts
                    .blocking_send(BodyPart::Bytes(part.into()))
                    .is_err()
            {
                return;
            }
            part = Vec::with_capacity(PART_BYTES);
            let read = self
                .reader
                .by_ref()
                .take(PART_BYTES as u64)
                .read_to_end(&mut part);
            if let Err(error) = read {
                // Without an end mark the connection is cut off, so that the client notices.
                log::error!("a response was cut off: {error}");
                return;
            }
            if part.is_empty() {
                let _ = self.parts.blocking_send(BodyPart::End);
                return;
            }
        }
    }
}

/// A header for hyper; `None` for those that belong to the transport. This is the last place where CR, LF or NUL could
/// get into a head, and it rejects them.
fn header(
    name: Cow<'static, str>,
    value: Cow<'static, str>,
) -> Result<Option<(HeaderName, HeaderValue)>, ResponseFault> {
    let known = known_name(&name).or_else(|| HeaderName::from_bytes(name.as_bytes()).ok());
    let Some(parsed) = known else {
        return Err(ResponseFault::Header(name.into_owned()));
    };
    if matches!(
        parsed,
        header::CONNECTION
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::TRAILER
            | header::UPGRADE
    ) {
        return Ok(None);
    }
    let value = match value {
        Cow::Borrowed(value) => static_value(value),
        Cow::Owned(value) => HeaderValue::from_maybe_shared(Bytes::from(value)).ok(),
    };
    match value {
        Some(value) => Ok(Some((parsed, value))),
        None => Err(ResponseFault::Header(name.into_owned())),
    }
}

/// A value that is part of the program, checked once per thread: it is found again by its address. Saves 3 % of a
/// verification (docs/performance.md).
fn static_value(value: &'static str) -> Option<HeaderValue> {
    thread_local! {
        static CHECKED: RefCell<Vec<HeaderValue>> = const { RefCell::new(Vec::new()) };
    }
    CHECKED.with_borrow_mut(|checked| {
        let is_it = |known: &&HeaderValue| std::ptr::eq(known.as_bytes(), value.as_bytes());
        if let Some(known) = checked.iter().find(is_it) {
            return Some(known.clone());
        }
        let parsed = HeaderValue::from_maybe_shared(Bytes::from_static(value.as_bytes())).ok()?;
        if checked.len() < STATIC_VALUES_MAX {
            checked.push(parsed.clone());
        }
        Some(parsed)
    })
}

/// The names of headers in answers to verification, as constants; other names are parsed each time. Saves 12 % of a
/// verification (docs/performance.md).
fn known_name(name: &str) -> Option<HeaderName> {
    Some(match name {
        "Remote-User" => const { HeaderName::from_static("remote-user") },
        "Remote-Name" => const { HeaderName::from_static("remote-name") },
        "Remote-Groups" => const { HeaderName::from_static("remote-groups") },
        "Keycroft-Credential" => const { HeaderName::from_static("keycroft-credential") },
        "Keycroft-Kind" => const { HeaderName::from_static("keycroft-kind") },
        "Keycroft-Permissions" => const { HeaderName::from_static("keycroft-permissions") },
        "Keycroft-Expires" => const { HeaderName::from_static("keycroft-expires") },
        "Content-Type" => header::CONTENT_TYPE,
        "Content-Security-Policy" => header::CONTENT_SECURITY_POLICY,
        "Cache-Control" => header::CACHE_CONTROL,
        "X-Content-Type-Options" => header::X_CONTENT_TYPE_OPTIONS,
        "Referrer-Policy" => header::REFERRER_POLICY,
        "Cross-Origin-Opener-Policy" => {
            const { HeaderName::from_static("cross-origin-opener-policy") }
        }
        "Strict-Transport-Security" => header::STRICT_TRANSPORT_SECURITY,
        "Request-Id" => const { HeaderName::from_static("request-id") },
        _ => return None,
    })
}

fn body(
    mut reader: Box<dyn Read + Send>,
    size: Option<usize>,
    lane: Lane,
) -> std::io::Result<(Body, Option<RemainingBody>)> {
    if size == Some(0) {
        return Ok((Body::Empty, None));
    }
    if let (Lane::Quick, Some(left)) = (lane, size.filter(|size| *size > PART_BYTES)) {
        // Its bytes are the program's own. A copy for each connection could fill the memory.
        return Ok((Body::Source { reader, left }, None));
    }
    let is_short = matches!(lane, Lane::Quick) || size.is_some_and(|size| size <= WHOLE_BYTES_MAX);
    if is_short {
        let mut bytes = Vec::with_capacity(size.unwrap_or(0));
        reader.read_to_end(&mut bytes)?;
        return Ok((Body::complete(bytes), None));
    }
    let mut first = Vec::with_capacity(PART_BYTES);
    let limit = WHOLE_BYTES_MAX as u64;
    reader.by_ref().take(limit).read_to_end(&mut first)?;
    if first.len() < WHOLE_BYTES_MAX {
        return Ok((Body::complete(first), None));
    }
    let (sender, receiver) = mpsc::channel(PARTS_WAITING_MAX);
    let body = Body::Parts {
        parts: receiver,
        left: size.map(|size| size as u64),
    };
    let rest = RemainingBody {
        reader,
        first,
        parts: sender,
    };
    Ok((body, Some(rest)))
}
