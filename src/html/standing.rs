//! How a credential stands, in one word with a border: never by colour alone.

use std::time::Duration;

use maud::{Markup, html};

use super::when::relative;
use crate::model::credential::{Kind, Record, State};
use crate::model::time::Time;

/// From when on before its end a credential is marked.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// The same for tokens, which never live longer than a day.
const SOON_TOKEN: Duration = Duration::from_secs(3_600);

/// What a list says of a credential, and what it can be filtered by: finer than [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Active,
    Soon,
    Rotating,
    Expired,
    Disabled,
    Ended,
}

impl Standing {
    /// Those that a list of live credentials can be filtered by.
    pub const LIVE: [Self; 5] = [
        Self::Active,
        Self::Soon,
        Self::Rotating,
        Self::Expired,
        Self::Disabled,
    ];

    /// Of `record` at `now`.
    #[must_use]
    pub fn of(record: &Record, now: Time) -> Self {
        match record.state(now) {
            State::Ended => Self::Ended,
            State::Expired => Self::Expired,
            State::Disabled => Self::Disabled,
            State::Active if record.grace_ends_at(now).is_some() => Self::Rotating,
            State::Active if is_soon(record.kind, record.expires_at, now) => Self::Soon,
            State::Active => Self::Active,
        }
    }

    /// The word in `?state=`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Soon => "soon",
            Self::Rotating => "rotating",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Ended => "ended",
        }
    }

    /// Reads the word of a filter.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::LIVE
            .into_iter()
            .find(|standing| standing.word() == word)
    }

    /// What people read.
    #[must_use]
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

    /// What needs a person's attention comes first in a list: smaller is first.
    #[must_use]
    pub const fn urgency(self) -> u8 {
        match self {
            Self::Expired => 0,
            Self::Soon => 1,
            Self::Rotating => 2,
            Self::Active => 3,
            Self::Disabled => 4,
            Self::Ended => 5,
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

/// Whether something of `kind` that ends at `end` is marked as ending soon.
fn is_soon(kind: Kind, end: Option<Time>, now: Time) -> bool {
    let window = match kind {
        Kind::ApiKey => SOON,
        Kind::Token => SOON_TOKEN,
        Kind::Session | Kind::Host => return false,
    };
    end.is_some_and(|end| end.since(now) <= window)
}

/// Whether an SSH key that ends at `end` is marked as ending soon.
pub(super) fn is_soon_for_ssh_key(end: Option<Time>, now: Time) -> bool {
    is_soon(Kind::ApiKey, end, now)
}

/// The word in its border.
pub(super) fn pill(standing: Standing) -> Markup {
    badge(standing.class(), standing.label())
}

/// A word in a border; `class` is ok, warn, bad or dim.
pub(super) fn badge(class: &str, word: &str) -> Markup {
    html! { b class=(class) { (word) } }
}

/// The word, and what belongs to it: until when the old secret is good.
pub(super) fn cell(record: &Record, now: Time) -> Markup {
    html! {
        (pill(Standing::of(record, now)))
        @if let Some(end) = record.grace_ends_at(now) { small { "old secret ends " (relative(end, now)) } }
    }
}
