//! Times, lifetimes and days, in seconds.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// A point in time: Unix seconds, from 1970 to the end of the year 9999 (the range of RFC 3339).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The last time, 9999-12-31T23:59:59Z.
    pub const LAST: Self = Self(253_402_300_799);

    /// From Unix seconds; clamped to the range.
    pub const fn from_unix(seconds: i64) -> Self {
        if seconds < 0 {
            Self(0)
        } else if seconds > Self::LAST.0 {
            Self::LAST
        } else {
            Self(seconds)
        }
    }

    /// Unix seconds.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 in UTC; cuts off fractions of a second.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str =
            "expected a time in UTC such as 2027-01-31T15:04:05Z, between 1970 and 9999";
        let parsed = humantime::parse_rfc3339(text).map_err(|_| FORM)?;
        let since = parsed.duration_since(UNIX_EPOCH).map_err(|_| FORM)?;
        let seconds = i64::try_from(since.as_secs()).map_err(|_| FORM)?;
        if seconds > Self::LAST.0 {
            Err(FORM)
        } else {
            Ok(Self(seconds))
        }
    }

    /// This time plus `duration`; never past [`Time::LAST`].
    pub fn after(self, duration: Duration) -> Self {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Self::from_unix(self.0.saturating_add(seconds))
    }

    /// This time minus `duration`; never before 1970.
    pub fn before(self, duration: Duration) -> Self {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Self::from_unix(self.0.saturating_sub(seconds))
    }

    /// The time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Returns whether this time lies within the last `window` before `now`, and not in the future.
    pub fn is_within_last(self, window: Duration, now: Self) -> bool {
        self <= now && now.since(self) <= window
    }

    /// The UTC day of this time.
    pub const fn day(self) -> Day {
        Day(self.0 / Day::SECONDS)
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_secs(u64::try_from(self.0).unwrap_or(0));
        humantime::format_rfc3339_seconds(UNIX_EPOCH + since).fmt(f)
    }
}

/// A day in UTC: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    const SECONDS: i64 = 86_400;

    /// Days since 1970-01-01.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Day {
    /// `2026-11-22`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Time::from_unix(self.0.saturating_mul(Self::SECONDS)).to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

/// A lifetime. `Endless` is longer than every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifetime {
    For(Duration),
    Endless,
}

impl Lifetime {
    /// The longest finite lifetime: 100 years of 365 days.
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

    /// This many days.
    pub const fn days(days: u64) -> Self {
        Self::For(Duration::from_secs(days * 86_400))
    }

    /// This many hours.
    pub const fn hours(hours: u64) -> Self {
        Self::For(Duration::from_secs(hours * 3_600))
    }

    /// Parses `humantime` text (`30d`, `12h`) or `never`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "never" {
            return Ok(Self::Endless);
        }
        parse_duration(text).map(Self::For)
    }

    /// The first second at which a lifetime that starts at `now` has ended; `None` for endless.
    pub fn end(self, now: Time) -> Option<Time> {
        match self {
            Self::For(duration) => Some(now.after(duration)),
            Self::Endless => None,
        }
    }
}

/// Parses a `humantime` duration of 1 second to 100 years.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "expected a duration such as 30d, 12h or 15m, from 1 second to 100 years";
    let duration = humantime::parse_duration(text).map_err(|_| FORM)?;
    if duration.subsec_nanos() != 0 || duration.is_zero() || duration > Lifetime::LONGEST {
        return Err(FORM);
    }
    Ok(duration)
}

impl fmt::Display for Lifetime {
    /// `never`, or the duration in the form of [`short`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(duration) => f.write_str(&short(*duration)),
            Self::Endless => f.write_str("never"),
        }
    }
}

/// A duration in its largest exact unit: `90s`, `15m`, `24h`, `30d`. A single day is written `24h`.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 2 * 86_400 && seconds.is_multiple_of(86_400) {
        format!("{}d", seconds / 86_400)
    } else if seconds >= 3_600 && seconds.is_multiple_of(3_600) {
        format!("{}h", seconds / 3_600)
    } else if seconds >= 60 && seconds.is_multiple_of(60) {
        format!("{}m", seconds / 60)
    } else {
        format!("{seconds}s")
    }
}

/// A requested expiration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedExpiration {
    /// Nothing was requested.
    Unsaid,
    In(Lifetime),
    At(Time),
}

impl RequestedExpiration {
    /// Combines both ways to request it.
    pub fn parse(
        expires_in: Option<&str>,
        expires_at: Option<&str>,
    ) -> Result<Self, (&'static str, &'static str)> {
        match (expires_in, expires_at) {
            (None, None) => Ok(Self::Unsaid),
            (Some(_), Some(_)) => Err((
                "expires_at",
                "use either expires_in or expires_at, not both",
            )),
            (Some(text), None) => Lifetime::parse(text)
                .map(Self::In)
                .map_err(|message| ("expires_in", message)),
            (None, Some(text)) => Time::parse(text)
                .map(Self::At)
                .map_err(|message| ("expires_at", message)),
        }
    }

    /// The field that the person would have to change.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Unsaid | Self::In(_) => "expires_in",
            Self::At(_) => "expires_at",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_parsed_and_written_in_utc_seconds() {
        let time = Time::parse("2026-11-22T15:04:05Z").unwrap();
        assert_eq!(time.to_string(), "2026-11-22T15:04:05Z");
        assert_eq!(Time::parse("2026-11-22T15:04:05.999Z").unwrap(), time);
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22T15:04:05",
            "2026-11-22T15:04:05+01:00",
            "10000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(Time::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Time::LAST.to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Time::from_unix(i64::MAX), Time::LAST);
        assert_eq!(Time::LAST.after(Duration::from_secs(1)), Time::LAST);
    }

    #[test]
    fn window_excludes_future_and_earlier_times() {
        let now = Time::from_unix(1_000);
        let window = Duration::from_secs(600);
        assert!(Time::from_unix(400).is_within_last(window, now));
        assert!(now.is_within_last(window, now));
        assert!(!Time::from_unix(399).is_within_last(window, now));
        assert!(!Time::from_unix(1_001).is_within_last(window, now));
    }

    #[test]
    fn lifetime_is_written_in_its_largest_exact_unit() {
        assert!(Lifetime::Endless > Lifetime::days(36_500));
        for (text, written) in [
            ("30d", "30d"),
            ("1d", "24h"),
            ("12h", "12h"),
            ("90s", "90s"),
            ("90m", "90m"),
            ("25h", "25h"),
            ("1m", "1m"),
            ("never", "never"),
            ("1w", "7d"),
        ] {
            assert_eq!(Lifetime::parse(text).unwrap().to_string(), written);
        }
        for bad in ["", "0s", "1ms", "-1d", "101y", "30", "soon", "Never"] {
            assert!(Lifetime::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_requested_expirations_are_rejected() {
        assert_eq!(
            RequestedExpiration::parse(None, None),
            Ok(RequestedExpiration::Unsaid)
        );
        assert_eq!(
            RequestedExpiration::parse(Some("1h"), Some("2027-01-01T00:00:00Z"))
                .unwrap_err()
                .0,
            "expires_at"
        );
        assert_eq!(
            RequestedExpiration::parse(Some("x"), None).unwrap_err().0,
            "expires_in"
        );
        for (end, field) in [
            (RequestedExpiration::Unsaid, "expires_in"),
            (RequestedExpiration::In(Lifetime::Endless), "expires_in"),
            (RequestedExpiration::At(Time::LAST), "expires_at"),
        ] {
            assert_eq!(end.field(), field);
        }
    }

    #[test]
    fn day_is_written_as_a_date() {
        assert_eq!(
            Time::parse("2026-11-22T23:59:59Z")
                .unwrap()
                .day()
                .to_string(),
            "2026-11-22"
        );
    }

    #[test]
    fn out_of_range_time_is_clamped() {
        assert_eq!(Time::from_unix(-1).unix(), 0);
        assert_eq!(Time::from_unix(i64::MIN).unix(), 0);
        assert_eq!(Time::from_unix(1).unix(), 1);
        assert_eq!(Time::from_unix(i64::MAX), Time::LAST);
    }

    #[test]
    fn lifetime_above_100_years_is_rejected() {
        assert_eq!(Lifetime::parse("36500d"), Ok(Lifetime::days(36_500)));
        assert!(Lifetime::parse("36501d").is_err());
        assert_eq!(Lifetime::parse("48h"), Ok(Lifetime::days(2)));
    }
}
