//! The status of a credential as a word with a border, never by color alone.

use std::time::Duration;

use maud::{Markup, html};

use super::when::relative;
use crate::model::credential::{Kind, Record, State};
use crate::model::notice::Notice;
use crate::model::time::Time;

/// A token is marked this long before its expiration: it never lives longer than a day.
const SOON_TOKEN: Duration = Duration::from_secs(3_600);

/// The status in lists, which is also a filter: finer than [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayStatus {
    Active,
    Soon,
    Rotating,
    Expired,
    Disabled,
    Ended,
}

impl DisplayStatus {
    /// The statuses of credentials that are not deleted.
    pub const LIVE: [Self; 5] = [
        Self::Active,
        Self::Soon,
        Self::Rotating,
        Self::Expired,
        Self::Disabled,
    ];

    /// Of `record` at `now`.
    pub fn new(record: &Record, now: Time) -> Self {
        match record.state(now) {
            State::Ended => Self::Ended,
            State::Expired => Self::Expired,
            State::Disabled => Self::Disabled,
            State::Active if record.grace_ends_at(now).is_some() => Self::Rotating,
            State::Active if soon(record.kind, record.expires_at, now).is_some() => Self::Soon,
            State::Active => Self::Active,
        }
    }

    /// The name in `?state=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Soon => "soon",
            Self::Rotating => "rotating",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Ended => "ended",
        }
    }

    /// Parses the name of a filter.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::LIVE
            .into_iter()
            .find(|standing| standing.as_str() == word)
    }

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Soon => "Expires soon",
            Self::Rotating => "Rotating",
            Self::Expired => "Expired",
            Self::Disabled => "Disabled",
            Self::Ended => "Ended",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Active => "ok",
            Self::Soon | Self::Rotating => "warn",
            Self::Expired => "bad",
            Self::Disabled | Self::Ended => "dim",
        }
    }
}

/// How soon something of `kind` expires, in words, if it is marked for that.
fn soon(kind: Kind, end: Option<Time>, now: Time) -> Option<String> {
    match kind {
        Kind::ApiKey => soon_words(end, now),
        Kind::Token => {
            let is_soon = end.is_some_and(|end| end.since(now) <= SOON_TOKEN);
            is_soon.then(|| "Ends within an hour".to_owned())
        }
        Kind::Session | Kind::Host => None,
    }
}

/// How soon an API key or an SSH key expires: within 14 days, 7 days or a day.
pub(super) fn soon_words(end: Option<Time>, now: Time) -> Option<String> {
    Notice::from_expiration(end, now).map(|notice| format!("Ends {}", notice.words()))
}

/// The label with its border.
pub(super) fn pill(record: &Record, now: Time) -> Markup {
    let standing = DisplayStatus::new(record, now);
    match soon(record.kind, record.expires_at, now) {
        Some(words) if standing == DisplayStatus::Soon => badge(standing.class(), &words),
        _ => badge(standing.class(), standing.label()),
    }
}

/// A word with a border; `class` is ok, warn, bad or dim.
pub(super) fn badge(class: &str, word: &str) -> Markup {
    html! { b class={ "pill " (class) } { (word) } }
}

/// The label, and the expiration of the old secret.
pub(super) fn cell(record: &Record, now: Time) -> Markup {
    html! {
        (pill(record, now))
        @if let Some(end) = record.grace_ends_at(now) { small { "old secret expires " (relative(end, now)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_three_has_its_words() {
        const DAY: i64 = 86_400;
        let now = Time::from_unix(1_000_000);
        let said = |kind, seconds| soon(kind, Some(Time::from_unix(now.unix() + seconds)), now);
        for (seconds, words) in [
            (15 * DAY, None),
            (14 * DAY, Some("Ends within 14 days")),
            (7 * DAY, Some("Ends within 7 days")),
            (DAY, Some("Ends within a day")),
        ] {
            assert_eq!(said(Kind::ApiKey, seconds).as_deref(), words, "{seconds}");
        }
        assert_eq!(said(Kind::Token, 3_601), None);
        assert_eq!(
            said(Kind::Token, 3_600).as_deref(),
            Some("Ends within an hour")
        );
    }
}
