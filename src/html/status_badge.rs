//! The status of a credential: one word in a box, never color alone.

use maud::{Markup, html};

use super::list::status_label;
use crate::model::credential::Record;
use crate::model::list::Status;
use crate::model::time::Time;

const fn class(status: Status) -> &'static str {
    match status {
        Status::Active => "ok",
        Status::Expiring
        | Status::Rotating
        | Status::Shared
        | Status::Invited
        | Status::NoSecondFactor
        | Status::Paused => "warn",
        Status::Expired | Status::Weak | Status::Silent => "bad",
        Status::Disabled | Status::Deleted => "dim",
    }
}

/// The status of a credential in a box.
pub(super) fn pill(record: &Record, now: Time) -> Markup {
    let status = Status::from_record(record, now);
    badge(class(status), status_label(status))
}

/// A word in a box; `class` is ok, warn, bad or dim.
pub(super) fn badge(class: &str, word: &str) -> Markup {
    html! { b class={ "pill " (class) } { (word) } }
}
