//! Times and durations in words.

use std::fmt::Display;
use std::time::Duration;

use maud::{Markup, html};

use crate::model::time::{Lifetime, Time};

/// `2026-11-22 15:04 UTC`.
pub fn utc(time: Time) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

/// `2026-11-22`.
pub fn day(time: Time) -> String {
    time.day().to_string()
}

/// `15:04`, in UTC.
pub fn hour(time: Time) -> String {
    time.to_string().get(11..16).unwrap_or_default().to_owned()
}

/// `Today, 22 November`, `Yesterday, 21 November`, `20 November 2026`.
pub fn date(time: Time, now: Time) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let text = day(time);
    let mut parts = text
        .split('-')
        .map(|part| part.parse::<usize>().unwrap_or_default());
    let (year, month, number) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let month = MONTHS
        .get(month.wrapping_sub(1))
        .copied()
        .unwrap_or_default();
    match now.day().number() - time.day().number() {
        0 => format!("Today, {number} {month}"),
        1 => format!("Yesterday, {number} {month}"),
        _ => format!("{number} {month} {year}"),
    }
}

/// `2026-11-22 15:04`: UTC, as the foot of each page notes.
#[must_use]
pub fn minute(time: Time) -> String {
    utc(time).trim_end_matches(" UTC").to_owned()
}

/// `in 40 days`, `3 minutes ago`, `just now`; days up to 120 of them.
pub fn relative(time: Time, now: Time) -> String {
    let seconds = time.unix() - now.unix();
    if seconds.abs() < 30 {
        "just now".to_owned()
    } else if seconds > 0 {
        format!("in {}", span(seconds))
    } else {
        format!("{} ago", span(-seconds))
    }
}

/// A duration in its largest fitting unit, rounded. Must match the script.
fn span(seconds: i64) -> String {
    let rounded = |unit: i64| (seconds + unit / 2) / unit;
    let days = rounded(86_400);
    let months = (days * 10 + 152) / 304;
    if rounded(60) < 60 {
        counted(rounded(60).max(1), "minute")
    } else if rounded(3_600) < 36 {
        counted(rounded(3_600), "hour")
    } else if days <= 120 {
        counted(days, "day")
    } else if months < 24 {
        counted(months, "month")
    } else {
        counted((days * 2 + 365) / 730, "year")
    }
}

/// `1 day`, `2 days`.
pub fn counted<N: From<u8> + PartialEq + Display>(count: N, word: &str) -> String {
    if count == N::from(1) {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}

/// `30 days`, `12 hours`, `no expiration`.
pub fn lifetime(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::For(duration) => length(duration),
        Lifetime::Endless => "no expiration".to_owned(),
    }
}

/// A duration exactly, in its largest full unit: `30 days`, `24 hours`, `90 seconds`.
pub fn length(duration: Duration) -> String {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let is_multiple = |unit: i64| seconds >= unit && seconds % unit == 0;
    if seconds > 86_400 && is_multiple(86_400) {
        counted(seconds / 86_400, "day")
    } else if is_multiple(3_600) {
        counted(seconds / 3_600, "hour")
    } else if is_multiple(60) {
        counted(seconds / 60, "minute")
    } else {
        counted(seconds, "second")
    }
}

/// A time in relative words, with the exact time on hover and in the markup.
pub fn time(time: Time, now: Time) -> Markup {
    html! { time datetime=(time) title=(utc(time)) { (relative(time, now)) } }
}

/// An optional time.
pub fn time_or_never(at: Option<Time>, now: Time) -> Markup {
    at.map_or_else(|| html! { "Never" }, |at| time(at, now))
}

/// An exact time, as text; the script adds the local time as its title.
pub fn exact(time: Time) -> Markup {
    html! { time datetime=(time) data-abs { (utc(time)) } }
}

/// An expiration: relative, and below it exactly, so that it needs no title.
pub fn end(end: Option<Time>, now: Time) -> Markup {
    let Some(end) = end else {
        return html! { "No expiration" };
    };
    html! { time datetime=(end) { (relative(end, now)) } small { (utc(end)) } }
}

/// An expiration in one sentence: `in 30 days (2026-12-22 15:04 UTC)`.
pub fn end_in_line(end: Option<Time>, now: Time) -> Markup {
    let Some(end) = end else {
        return html! { "no expiration" };
    };
    html! { (time(end, now)) " (" (utc(end)) ")" }
}

/// An expiration as part of a sentence: `expires in 30 days (…)`.
pub fn expiry(end: Option<Time>, now: Time) -> Markup {
    html! { @if end.is_some() { "expires " } (end_in_line(end, now)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_largest_fitting_unit() {
        let now = Time::from_unix(100_000_000);
        let day = 86_400;
        let cases = [
            (0, "just now"),
            (29, "just now"),
            (-31, "1 minute ago"),
            (90, "in 2 minutes"),
            (59 * 60, "in 59 minutes"),
            (3_600, "in 1 hour"),
            (-35 * 3_600, "35 hours ago"),
            (36 * 3_600, "in 2 days"),
            (30 * day - 1, "in 30 days"),
            (40 * day, "in 40 days"),
            (120 * day, "in 120 days"),
            (122 * day, "in 4 months"),
            (-400 * day, "13 months ago"),
            (3 * 365 * day, "in 3 years"),
        ];
        for (seconds, words) in cases {
            let time = Time::from_unix(now.unix() + seconds);
            assert_eq!(relative(time, now), words, "{seconds}");
        }
    }

    #[test]
    fn dates_are_shown_in_everyday_form() {
        let now = Time::parse("2026-11-22T00:30:00Z").unwrap();
        for (time, words) in [
            ("2026-11-22T00:29:59Z", "Today, 22 November"),
            ("2026-11-21T23:59:59Z", "Yesterday, 21 November"),
            ("2025-02-01T12:00:00Z", "1 February 2025"),
            ("2026-11-23T00:00:00Z", "23 November 2026"),
        ] {
            assert_eq!(date(Time::parse(time).unwrap(), now), words);
        }
    }

    #[test]
    fn lengths_are_exact() {
        assert_eq!(lifetime(Lifetime::days(30)), "30 days");
        assert_eq!(lifetime(Lifetime::hours(24)), "24 hours");
        assert_eq!(lifetime(Lifetime::Endless), "no expiration");
        assert_eq!(length(Duration::from_secs(90)), "90 seconds");
        assert_eq!(length(Duration::from_secs(60)), "1 minute");
    }

    #[test]
    fn exact_time_is_in_the_markup() {
        let time_then = Time::from_unix(1_798_902_840);
        let markup = time(time_then, Time::from_unix(1_798_902_840 - 40 * 86_400)).into_string();
        assert_eq!(
            markup,
            "<time datetime=\"2027-01-02T15:14:00Z\" title=\"2027-01-02 15:14 UTC\">in 40 days</time>"
        );
    }
}
