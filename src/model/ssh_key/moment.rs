//! Moments in sshd's form `YYYYMMDDHHMMSS`, within the range of [`Time`].

use crate::model::time::Time;

/// The 14 digits of a moment.
pub(super) fn digits(moment: Time) -> String {
    let mut digits = moment.to_string();
    digits.retain(|c| c.is_ascii_digit());
    digits
}

/// Parses 8, 12 or 14 digits; `None` if they are not a time.
pub(super) fn from_digits(text: &str) -> Option<Time> {
    if !matches!(text.len(), 8 | 12 | 14) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let all = format!("{text:0<14}");
    let part = |start: usize, end: usize| all.get(start..end).unwrap_or_default();
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    // A leap second is accepted, and becomes another second.
    Time::parse(&written)
        .ok()
        .filter(|time| digits(*time) == all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_of_known_moments_parse() {
        let known = [
            (0, "19700101000000"),
            (951_782_399, "20000228235959"),
            (951_782_400, "20000229000000"),
            (1_709_164_800, "20240229000000"),
            (4_107_542_400, "21000301000000"),
            (Time::LAST.unix(), "99991231235959"),
        ];
        for (seconds, text) in known {
            assert_eq!(digits(Time::from_unix(seconds)), text);
            assert_eq!(from_digits(text), Some(Time::from_unix(seconds)));
        }
        let day = Time::from_unix(1_709_164_800);
        assert_eq!(from_digits("20240229"), Some(day));
        assert_eq!(
            from_digits("202402290001").map(Time::unix),
            Some(1_709_164_860)
        );
    }

    #[test]
    fn digits_without_a_valid_time_are_rejected() {
        let texts = [
            "",
            "2024",
            "20230229",
            "20240230",
            "20241301",
            "20240001",
            "20240100",
            "2024010112",
            "2024010124",
            "202401012400",
            "202401012360",
            "20240101000060",
            "20161231235960",
            "+2024010",
            "2024-1-1",
            "２０２４",
            "202401010000000",
            "19691231",
        ];
        for text in texts {
            assert_eq!(from_digits(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn moment_is_written_in_14_digits(seconds in 0..=Time::LAST.unix()) {
            let time = Time::from_unix(seconds);
            prop_assert_eq!(from_digits(&digits(time)), Some(time));
        }
    }
}
