//! hyper's request to rouille's, and rouille's response back.

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
use super::body::{Body, Part};
use super::settings::{PART_BYTES, PARTS_WAITING_MAX, WHOLE_BYTES_MAX, WRITTEN_HEADERS_MAX};

/// A request as the house reads it. Without a body given (`None`: it was over the limit and not
/// read) its data counts as taken.
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
    let over = body.is_none();
    let body = body.unwrap_or_default();
    let request = if https {
        rouille::Request::fake_https_from(peer, method, target, headers, body)
    } else {
        rouille::Request::fake_http_from(peer, method, target, headers, body)
    };
    if over {
        drop(request.data());
    }
    request
}

/// A header's value; bytes that are not UTF-8 mean nothing here and become U+FFFD.
fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// An answer on its way from the thread that gave it to the connection.
pub enum Answer {
    /// The house's.
    House {
        /// The status.
        status: StatusCode,
        /// Its headers; each was checked when it was made.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// What is sent.
        body: Body,
        /// What comes after `body`'s first part, read by whoever made the answer.
        rest: Option<Rest>,
    },
    /// The transport's own.
    Ours(Response<Body>),
}

/// The part of a long response that is still to be read.
pub struct Rest {
    reader: Box<dyn Read + Send>,
    first: Vec<u8>,
    parts: mpsc::Sender<Part>,
}

/// Why a response of the house's was not sent.
#[derive(Debug)]
pub enum Fault {
    /// Its status is not one of 200 to 599.
    Status(u16),
    /// This header has a character that would end it (CR, LF, NUL) or may not be sent.
    Header(String),
    /// Its body could not be read.
    Body(std::io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "the response has the status {status}"),
            Self::Header(name) => write!(formatter, "the response's header {name:?} is not valid"),
            Self::Body(error) => write!(formatter, "the response's body: {error}"),
        }
    }
}

impl Answer {
    /// Takes a response apart, and reads its body if it is short or its lane has no thread for
    /// reading on.
    pub fn from_house(response: rouille::Response, lane: Lane) -> Result<Self, Fault> {
        let status = StatusCode::from_u16(response.status_code)
            .ok()
            .filter(|status| (200..600).contains(&status.as_u16()))
            .ok_or(Fault::Status(response.status_code))?;
        let mut headers = Vec::with_capacity(response.headers.len());
        for (name, value) in response.headers {
            if let Some(pair) = header(name, value)? {
                headers.push(pair);
            }
        }
        let (reader, size) = response.data.into_reader_and_size();
        let (body, rest) = body(reader, size, lane).map_err(Fault::Body)?;
        Ok(Self::House {
            status,
            headers,
            body,
            rest,
        })
    }

    /// What is still to be read, for the pool's thread.
    pub fn take_rest(&mut self) -> Option<Rest> {
        match self {
            Self::House { rest, .. } => rest.take(),
            Self::Ours(_) => None,
        }
    }

    /// hyper's response, in a map that may have been used before.
    pub fn into_response(self, mut map: HeaderMap) -> Response<Body> {
        let (status, headers, body) = match self {
            Self::Ours(response) => return response,
            Self::House {
                status,
                headers,
                body,
                ..
            } => (status, headers, body),
        };
        map.clear();
        map.reserve(headers.len());
        for (name, value) in headers {
            map.append(name, value);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = map;
        response
    }
}

impl Rest {
    /// Reads on and sends, as fast as the client takes it; ends early when the client has gone.
    pub fn send(mut self) {
        let mut part = self.first;
        loop {
            if !part.is_empty() && self.parts.blocking_send(Part::Bytes(part.into())).is_err() {
                return;
            }
            part = Vec::with_capacity(PART_BYTES);
            let read = self
                .reader
                .by_ref()
                .take(PART_BYTES as u64)
                .read_to_end(&mut part);
            if let Err(error) = read {
                // Without an end the connection is cut off, so that the client knows.
                log::error!("a response was cut off: {error}");
                return;
            }
            if part.is_empty() {
                let _ = self.parts.blocking_send(Part::End);
                return;
            }
        }
    }
}

/// A header for hyper; none for those that are the transport's alone. This is the lowest place
/// where CR, LF or NUL could get into a head, and they do not pass it.
fn header(
    name: Cow<'static, str>,
    value: Cow<'static, str>,
) -> Result<Option<(HeaderName, HeaderValue)>, Fault> {
    let parsed = match (&name, &value) {
        (Cow::Borrowed(name), Cow::Borrowed(value)) => {
            written(name, |header| header.value_of(value))
        }
        (Cow::Borrowed(name), Cow::Owned(_)) => {
            written(name, |header| Some((header.parsed.clone(), None)))
        }
        (Cow::Owned(name), _) => HeaderName::from_bytes(name.as_bytes())
            .ok()
            .map(|name| (name, None)),
    };
    let Some((parsed, known)) = parsed else {
        return Err(Fault::Header(name.into_owned()));
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
    let value = known.map_or_else(|| parse_value(value), Some);
    match value {
        Some(value) => Ok(Some((parsed, value))),
        None => Err(Fault::Header(name.into_owned())),
    }
}

fn parse_value(value: Cow<'static, str>) -> Option<HeaderValue> {
    let bytes = match value {
        Cow::Borrowed(value) => Bytes::from_static(value.as_bytes()),
        Cow::Owned(value) => Bytes::from(value),
    };
    HeaderValue::from_maybe_shared(bytes).ok()
}

/// A header that some line of this program writes: read once by each thread.
struct Written {
    name: &'static str,
    parsed: HeaderName,
    /// The value that was last written beside it, as far as it is written in the program too.
    value: Option<(&'static str, HeaderValue)>,
}

impl Written {
    fn value_of(&mut self, text: &'static str) -> Option<(HeaderName, Option<HeaderValue>)> {
        let known = self.value.as_ref();
        // A text at the same place is the same text.
        let value = match known.filter(|(own, _)| std::ptr::eq(*own, text)) {
            Some((_, value)) => value.clone(),
            None => {
                let value = parse_value(Cow::Borrowed(text))?;
                self.value = Some((text, value.clone()));
                value
            }
        };
        Some((self.parsed.clone(), Some(value)))
    }
}

/// Does something with the header called `name`; `None` when that is no name.
fn written<T>(name: &'static str, act: impl FnOnce(&mut Written) -> Option<T>) -> Option<T> {
    thread_local! {
        /// The headers, and which one was asked for last: answers of one kind have theirs in the same order.
        static KNOWN: RefCell<(Vec<Written>, usize)> = const { RefCell::new((Vec::new(), 0)) };
    }
    KNOWN.with_borrow_mut(|(known, last)| {
        let is_it = |header: &Written| std::ptr::eq(header.name, name);
        let next = (*last + 1) % known.len().max(1);
        let found = if known.get(next).is_some_and(is_it) {
            Some(next)
        } else {
            known.iter().position(is_it)
        };
        if let Some(place) = found {
            *last = place;
            return act(&mut known[place]);
        }
        let mut new = Written {
            name,
            parsed: HeaderName::from_bytes(name.as_bytes()).ok()?,
            value: None,
        };
        let done = act(&mut new);
        if known.len() < WRITTEN_HEADERS_MAX {
            known.push(new);
        }
        done
    })
}

fn body(
    mut reader: Box<dyn Read + Send>,
    size: Option<usize>,
    lane: Lane,
) -> std::io::Result<(Body, Option<Rest>)> {
    if size == Some(0) {
        return Ok((Body::Empty, None));
    }
    let whole = matches!(lane, Lane::Quick) || size.is_some_and(|size| size <= WHOLE_BYTES_MAX);
    if whole {
        let mut bytes = Vec::with_capacity(size.unwrap_or(0));
        reader.read_to_end(&mut bytes)?;
        return Ok((Body::whole(bytes), None));
    }
    let mut first = Vec::with_capacity(PART_BYTES);
    let limit = WHOLE_BYTES_MAX as u64;
    reader.by_ref().take(limit).read_to_end(&mut first)?;
    if first.len() < WHOLE_BYTES_MAX {
        return Ok((Body::whole(first), None));
    }
    let (sender, receiver) = mpsc::channel(PARTS_WAITING_MAX);
    let body = Body::Parts {
        parts: receiver,
        left: size.map(|size| size as u64),
    };
    let rest = Rest {
        reader,
        first,
        parts: sender,
    };
    Ok((body, Some(rest)))
}
