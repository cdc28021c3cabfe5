//! One request, and the server state of its thread.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use rouille::Request;

use super::problem::Problem;
use super::settings::HttpSettings;
use crate::app::{App, AppState};
use crate::model::address::untrusted_forwarder_advice;
use crate::model::error::Error;
use crate::model::event::{Channel, Origin};
use crate::model::secret::{Id, hide_secrets, random_characters};
use crate::model::text::{sanitize, truncate};
use crate::model::time::Time;
use crate::transport::Peer;
use crate::wire::FORWARDING_HEADERS;

/// Longest stored `User-Agent`, in characters.
const PROGRAM_CHARACTERS_MAX: usize = 200;

/// The state that answers requests; one per thread.
pub struct ServerState {
    pub app: App,
    pub settings: Arc<HttpSettings>,
    request_ids: RequestIds,
    /// When a foreign origin was last logged, in Unix seconds.
    origin_warned_at: Cell<i64>,
}

impl ServerState {
    pub fn open(app_state: &AppState, settings: &Arc<HttpSettings>) -> Result<Self, Error> {
        Ok(Self {
            app: app_state.app()?,
            settings: Arc::clone(settings),
            request_ids: RequestIds::default(),
            origin_warned_at: Cell::new(i64::MIN),
        })
    }

    /// Returns whether to log a foreign origin: once a minute, since anybody can send any number of them.
    pub fn may_warn_of_origin(&self, now: Time) -> bool {
        let last = self.origin_warned_at.get();
        let due = now.unix() < last || now.unix().saturating_sub(last) >= 60;
        if due {
            self.origin_warned_at.set(now.unix());
        }
        due
    }

    pub fn request_id(&self) -> String {
        self.request_ids.next()
    }
}

/// Creates request ids: 12 characters, of which the first seven belong to this source.
pub struct RequestIds {
    prefix: [u8; 7],
    count: AtomicU32,
}

impl RequestIds {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    pub fn next(&self) -> String {
        let mut rest = self.count.fetch_add(1, Relaxed);
        let mut id = String::with_capacity(12);
        id.extend(self.prefix.iter().map(|byte| char::from(*byte)));
        for _ in 0..5 {
            id.push(char::from(Self::DIGITS[(rest % 36) as usize]));
            rest /= 36;
        }
        id
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self {
            prefix: random_characters(Self::DIGITS),
            count: AtomicU32::new(0),
        }
    }
}

/// One request.
pub struct RequestContext<'a> {
    pub request: &'a Request,
    pub peer: Peer,
    pub server_state: &'a ServerState,
    /// The path without the query.
    pub path: &'a str,
    /// The values of the route's `{…}`.
    pub parameters: Vec<&'a str>,
    pub request_id: String,
    /// The one "now" of the request.
    pub now: Time,
    /// Returns whether a path is that of a page for signed-in users.
    pub is_page: fn(&str) -> bool,
}

impl RequestContext<'_> {
    pub const fn app(&self) -> &App {
        &self.server_state.app
    }

    /// The client address: the peer, or behind a trusted proxy the rightmost untrusted address in `X-Forwarded-For`. If
    /// all are trusted, the rightmost one: the client could have written those to its left. `None` without the header,
    /// and for an entry that cannot be parsed.
    pub fn address(&self) -> Option<IpAddr> {
        let peer = self.request.remote_addr().ip().to_canonical();
        let settings = &self.server_state.settings;
        if !settings.trusts(peer) {
            self.note_untrusted_forwarder(peer);
            return Some(peer);
        }
        let lines: Vec<&str> = self
            .request
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"))
            .map(|(_, value)| value)
            .collect();
        let mut rightmost = None;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let address = parse_forwarded(entry.trim())?;
            if !settings.trusts(address) {
                return Some(address);
            }
            rightmost = rightmost.or(Some(address));
        }
        rightmost
    }

    /// Warns once per start about forwarding headers from an untrusted peer: most likely a proxy, whose clients then
    /// all seem to have its address.
    fn note_untrusted_forwarder(&self, peer: IpAddr) {
        let first = &self.server_state.settings.untrusted_forwarder;
        if first.get().is_some() || !self.is_forwarded() || first.set(peer).is_err() {
            return;
        }
        log::warn!("{}", untrusted_forwarder_advice(&peer.to_string()));
        self.app().note_untrusted_forwarder(peer);
    }

    /// Returns true when the request carries forwarding headers.
    pub fn is_forwarded(&self) -> bool {
        self.request.headers().any(|(name, _)| {
            FORWARDING_HEADERS
                .iter()
                .any(|one| one.eq_ignore_ascii_case(name))
        })
    }

    /// The reported user agent, made safe to store and show.
    pub fn program(&self) -> Option<Cow<'_, str>> {
        let header = self.request.header("User-Agent")?;
        let plain = header.len() <= PROGRAM_CHARACTERS_MAX
            && header.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && matches!(hide_secrets(header), Cow::Borrowed(_));
        let program = if plain {
            Cow::Borrowed(header)
        } else {
            Cow::Owned(sanitize(header, PROGRAM_CHARACTERS_MAX))
        };
        (!program.is_empty()).then_some(program)
    }

    /// The path for the log, with hints in place of secrets.
    pub fn shown_path(&self) -> Cow<'_, str> {
        hide_secrets(self.path)
    }

    /// The path for the log, cut to `most` characters.
    pub fn logged_path(&self, most: usize) -> String {
        truncate(&self.shown_path(), most)
    }

    /// The origin of the request, for the audit log.
    pub fn origin(&self, channel: Channel) -> Origin {
        Origin {
            channel,
            address: self.address(),
            program: self.program().map(Cow::into_owned),
            request_id: Some(self.request_id.clone()),
        }
    }

    /// The id in the path; not found if it does not have the form of an id.
    pub fn id(&self, what: &'static str) -> Result<Id, Problem> {
        let text = self.parameters.last().copied().unwrap_or_default();
        Ok(Id::parse(text).ok_or(Error::NotFound(what))?)
    }

    /// The value of the route's `number`th `{…}`, counted from 0.
    pub fn parameter(&self, number: usize) -> &str {
        self.parameters.get(number).copied().unwrap_or_default()
    }
}

/// An address in `X-Forwarded-For`, with or without a port or brackets.
fn parse_forwarded(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Some(socket.ip().to_canonical());
    }
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .and_then(|text| text.parse::<IpAddr>().ok())
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_address_with_port_or_brackets_is_parsed() {
        for text in [
            "10.0.0.1",
            "10.0.0.1:80",
            "::ffff:10.0.0.1",
            "[::ffff:10.0.0.1]",
            "[::ffff:10.0.0.1]:80",
        ] {
            assert_eq!(parse_forwarded(text), "10.0.0.1".parse().ok(), "{text}");
        }
        for text in ["", "unknown", "10.0.0.1:x", "[10.0.0.1"] {
            assert_eq!(parse_forwarded(text), None, "{text}");
        }
    }
}
