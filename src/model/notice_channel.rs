//! Channels of notices, as admins define them.

use std::net::Ipv6Addr;

use super::secret::{Id, random_characters};
use super::time::Time;

/// Longest URL of a channel, in bytes.
const URL_BYTES_MAX: usize = 2_000;

/// The protocol of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// Signed JSON.
    Webhook,
    /// A topic of an ntfy server.
    Ntfy,
    /// An incoming webhook of a chat, Slack-compatible.
    Chat,
    /// E-mail to the confirmed addresses of users.
    Email,
}

impl ChannelKind {
    pub const ALL: [Self; 4] = [Self::Webhook, Self::Ntfy, Self::Chat, Self::Email];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Ntfy => "ntfy",
            Self::Chat => "chat",
            Self::Email => "email",
        }
    }

    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or("expected webhook, ntfy, chat or email")
    }
}

/// The number of a channel's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelNumber(pub i64);

/// A channel.
#[derive(Debug, Clone)]
pub struct NoticeChannel {
    pub number: ChannelNumber,
    pub id: Id,
    pub name: String,
    pub kind: ChannelKind,
    /// `None` for e-mail, whose server is a setting.
    pub url: Option<ChannelUrl>,
    /// Receives notices to users about their own account and credentials.
    pub for_members: bool,
    /// Receives notices about services, hosts and the server.
    pub for_admins: bool,
    pub created_at: Time,
    /// The number of notices that wait for delivery.
    pub waiting: u32,
}

/// A new channel.
#[derive(Debug, Clone)]
pub struct NewNoticeChannel {
    pub name: String,
    pub kind: ChannelKind,
    pub url: Option<ChannelUrl>,
    pub for_members: bool,
    pub for_admins: bool,
}

/// A change to a channel. `None`: unchanged.
#[derive(Debug, Clone, Default)]
pub struct NoticeChannelChange {
    pub name: Option<String>,
    pub url: Option<ChannelUrl>,
    pub for_members: Option<bool>,
    pub for_admins: Option<bool>,
}

/// A new signing key: 40 characters of base62. Its text is the key of the HMAC.
pub fn new_signing_key() -> String {
    let characters: [u8; 40] =
        random_characters(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    characters.iter().map(|byte| char::from(*byte)).collect()
}

/// The URL of a channel. Its path often is a secret of the receiver: no `Display`, and shown only as its origin.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelUrl(String);

impl std::fmt::Debug for ChannelUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl ChannelUrl {
    /// Parses `http://` or `https://` with a host. A username, a fragment and characters beyond ASCII are rejected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "expected a URL such as https://ntfy.lab.example/keys";
        let text = text.trim();
        if text.len() > URL_BYTES_MAX {
            return Err("use at most 2,000 bytes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("use only visible ASCII characters; encode others as %XX");
        }
        if text.contains('#') {
            return Err("remove the fragment after #");
        }
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(FORM);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if authority.contains('@') {
            return Err(
                "remove the username and the password; receivers take a token in the path or the query",
            );
        }
        if !is_authority(authority)
            || behind.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}'])
        {
            return Err(FORM);
        }
        let path = if behind.starts_with('/') { "" } else { "/" };
        let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
        Ok(Self(format!("{scheme}://{authority}{path}{behind}")))
    }

    /// The complete URL, for sending.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[host..]
            .find('/')
            .map_or(self.0.len(), |at| host + at);
        &self.0[..end]
    }

    /// The URL for pages and answers, without the part that may be a secret.
    pub fn shown(&self) -> String {
        let origin = self.origin();
        if self.0.len() == origin.len() + 1 {
            return self.0.clone();
        }
        format!("{origin}/\u{2026}")
    }
}

fn is_authority(text: &str) -> bool {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return fine && address.parse::<Ipv6Addr>().is_ok();
    }
    let (host, port) = text.split_once(':').unwrap_or((text, "80"));
    is_port(port)
        && (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_url_is_parsed_and_shown_without_its_path() {
        for (text, url, shown) in [
            (
                "https://ntfy.example/keys",
                "https://ntfy.example/keys",
                "https://ntfy.example/\u{2026}",
            ),
            (
                "HTTP://Hooks.Example:8080/A?b=C",
                "http://hooks.example:8080/A?b=C",
                "http://hooks.example:8080/\u{2026}",
            ),
            ("https://[::1]:9", "https://[::1]:9/", "https://[::1]:9/"),
            ("http://a/b/c", "http://a/b/c", "http://a/\u{2026}"),
            (
                "https://a.example?x=1",
                "https://a.example/?x=1",
                "https://a.example/\u{2026}",
            ),
        ] {
            let parsed = ChannelUrl::parse(text).unwrap();
            assert_eq!(parsed.reveal(), url);
            assert_eq!(parsed.shown(), shown);
            assert_eq!(format!("{parsed:?}"), shown);
        }
    }

    #[test]
    fn channel_url_with_hostile_parts_is_rejected() {
        for text in [
            "",
            "ntfy.example/keys",
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://user:password@a.example/",
            "https://a.example/#x",
            "https://a.example/\r\nHost: b",
            "https://a.example/\u{e9}",
            "https://a b.example/",
            "https://a.example:0/",
            "https://a.example:99999/",
            "https://[::1/",
            "https://[::1]:0/",
            "https://[::1]x/",
            "https://[::g]/",
            "https://a.example/\"",
            &format!("https://a.example/{}", "x".repeat(2_000)),
        ] {
            assert!(ChannelUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn channel_kind_parses_as_written() {
        for kind in ChannelKind::ALL {
            assert_eq!(ChannelKind::parse(kind.as_str()), Ok(kind));
        }
        assert!(ChannelKind::parse("pager").is_err());
    }

    #[test]
    fn signing_keys_are_long_and_differ() {
        assert_eq!(new_signing_key().len(), 40);
        assert_ne!(new_signing_key(), new_signing_key());
    }

    #[test]
    fn channel_url_may_have_2000_bytes() {
        let longest = format!("https://a.example/{}", "x".repeat(2_000 - 18));
        assert!(ChannelUrl::parse(&longest).is_ok());
        assert!(ChannelUrl::parse(&(longest + "x")).is_err());
    }
}
