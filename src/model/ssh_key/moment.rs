//! Moments as sshd writes them, `YYYYMMDDHHMMSS`, in the proleptic Gregorian calendar without leap
//! seconds (POSIX time).

/// The end of the year 9999 in Unix seconds: the last moment that four digits of a year can say.
pub(super) const LAST_SECONDS: i64 = 253_402_300_799;

const DAY_SECONDS: i64 = 86_400;

/// The 14 digits of a moment; `None` outside the years 0 to 9999.
pub(super) fn digits(unix_seconds: i64) -> Option<String> {
    let (day, second) = (
        unix_seconds.div_euclid(DAY_SECONDS),
        unix_seconds.rem_euclid(DAY_SECONDS),
    );
    let (year, month, day) = date(day);
    if !(0..=9999).contains(&year) {
        return None;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!(
        "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"
    ))
}

/// The moment that 8, 12 or 14 digits say; `None` when they say none.
pub(super) fn from_digits(text: &str) -> Option<i64> {
    if !matches!(text.len(), 8 | 12 | 14) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |start: usize, end: usize| match text.get(start..end) {
        Some(digits) => digits.parse::<i64>().ok(),
        None => Some(0),
    };
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) {
        return None;
    }
    let days = days(year, month, day);
    // A day that the month has not comes back as another date.
    (date(days) == (year, month, day))
        .then_some(days * DAY_SECONDS + hour * 3600 + minute * 60 + second)
}

/// Year, month and day of a day that is counted from 1970-01-01. Years are counted from March, in
/// eras of 400, so that the leap day is the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day, counted from 1970-01-01, of a date with a month from 1 to 12.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        let known = [
            (0, "19700101000000"),
            (951_782_399, "20000228235959"),
            (951_782_400, "20000229000000"),
            (1_709_164_800, "20240229000000"),
            (4_107_542_400, "21000301000000"),
            (LAST_SECONDS, "99991231235959"),
        ];
        for (seconds, text) in known {
            assert_eq!(digits(seconds).as_deref(), Some(text));
            assert_eq!(from_digits(text), Some(seconds));
        }
        assert_eq!(from_digits("20240229"), Some(1_709_164_800));
        assert_eq!(from_digits("202402290001"), Some(1_709_164_860));
        assert_eq!(digits(LAST_SECONDS + 1), None);
        assert_eq!(digits(i64::MAX), None);
        assert_eq!(digits(i64::MIN), None);
    }

    #[test]
    fn what_is_no_moment() {
        let texts = [
            "",
            "2024",
            "20230229",
            "20240230",
            "20241301",
            "20240001",
            "20240100",
            "2024010124",
            "202401012400",
            "202401012360",
            "20240101000060",
            "+2024010",
            "2024-1-1",
            "２０２４",
            "202401010000000",
        ];
        for text in texts {
            assert_eq!(from_digits(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn digits_say_the_moment(seconds in -60_000_000_000..=LAST_SECONDS) {
            prop_assert_eq!(from_digits(&digits(seconds).unwrap()), Some(seconds));
        }
    }
}
