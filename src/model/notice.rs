//! Warnings before an expiration: within 14 days, 7 days or a day.

use std::time::Duration;

use super::time::Time;

const DAY: u64 = 86_400;

/// How soon something expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    Fortnight,
    Week,
    Day,
}

impl Notice {
    /// The latest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Fortnight];

    /// The days before the expiration.
    pub const fn days(self) -> u32 {
        match self {
            Self::Fortnight => 14,
            Self::Week => 7,
            Self::Day => 1,
        }
    }

    /// The notice for something that expires at `end`; `None` if it has expired, or expires later than in 14 days, or
    /// never.
    pub fn from_expiration(end: Option<Time>, now: Time) -> Option<Self> {
        let end = end.filter(|end| *end > now)?;
        let left = end.since(now);
        let within = |days| left <= Duration::from_secs(days * DAY);
        match () {
            () if within(1) => Some(Self::Day),
            () if within(7) => Some(Self::Week),
            () if within(14) => Some(Self::Fortnight),
            () => None,
        }
    }

    /// "expires …", for a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fortnight => "within 14 days",
            Self::Week => "within 7 days",
            Self::Day => "within a day",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notice_starts_to_the_second_and_ends_at_expiration() {
        let now = Time::from_unix(1_000_000);
        let at =
            |seconds| Notice::from_expiration(Some(Time::from_unix(now.unix() + seconds)), now);
        for (seconds, notice) in [
            (14 * 86_400 + 1, None),
            (14 * 86_400, Some(Notice::Fortnight)),
            (7 * 86_400 + 1, Some(Notice::Fortnight)),
            (7 * 86_400, Some(Notice::Week)),
            (86_401, Some(Notice::Week)),
            (86_400, Some(Notice::Day)),
            (1, Some(Notice::Day)),
            (0, None),
            (-1, None),
        ] {
            assert_eq!(at(seconds), notice, "{seconds}");
        }
        assert_eq!(Notice::from_expiration(None, now), None);
    }
}
