//! Uses per day as a drawing, with the same figures as words.

use std::fmt::Write;

use maud::{Markup, html};

use super::when::some;
use crate::model::credential::UsageDay;
use crate::model::time::{Day, Time};

/// How many days are shown.
const DAYS: i64 = 30;

/// The last 30 days in a table's cell: the sum in words, and its course when there is any. The stylesheet stretches it.
pub(super) fn small(usage: &[UsageDay], now: Time) -> Markup {
    let days = fill(usage, now);
    let sum: u64 = days.iter().map(|day| day.uses).sum();
    html! {
        (sum)
        @if sum > 0 { svg aria-hidden="true" { path d=(course(&days, 9, 2, |day| day.uses)) {} } }
    }
}

/// The last 30 days over a page's width, with a table of the figures.
pub(super) fn large(usage: &[UsageDay], now: Time) -> Markup {
    let days = fill(usage, now);
    let uses: u64 = days.iter().map(|day| day.uses).sum();
    let refused: u64 = days.iter().map(|day| day.refused).sum();
    let figures = || days.iter().rev().filter(|day| day.uses + day.refused > 0);
    html! {
        p {
            (count(uses, "use")) " in the last 30 days"
            @if refused > 0 { ", and " (refused) " refused" }
            @if let Some(most) = figures().max_by_key(|day| day.uses) { "; most on " (most.day) " (" (most.uses) ")" }
            "."
        }
        @if uses + refused > 0 {
            svg.chart viewBox="0 0 600 90" preserveAspectRatio="none" aria-hidden="true" {
                path d=(bars(&days)) {}
                path.r d=(course_refused(&days)) {}
            }
            details {
                summary { "Figures" }
                table {
                    thead { tr { th { "Day" } th { "Uses" } th { "Refused" } } }
                    tbody { @for day in figures() { tr { th { (day.day) } td data-l="Uses" { (day.uses) } td data-l="Refused" { (day.refused) } } } }
                }
            }
        }
    }
}

fn count(count: u64, word: &str) -> String {
    some(i64::try_from(count).unwrap_or(i64::MAX), word)
}

/// All 30 days up to today, also those without a use.
fn fill(usage: &[UsageDay], now: Time) -> Vec<UsageDay> {
    let today = now.day().number();
    let on = |day: Day| usage.iter().find(|usage| usage.day == day).copied();
    (today - DAYS + 1..=today)
        .map(Day::from_number)
        .map(|day| {
            on(day).unwrap_or(UsageDay {
                day,
                uses: 0,
                refused: 0,
            })
        })
        .collect()
}

/// An area whose upper edge is a step a day, as an SVG path. Equal neighbours share a step, so that it stays short.
fn course(days: &[UsageDay], height: u64, step: u64, figure: impl Fn(&UsageDay) -> u64) -> String {
    let most = days.iter().map(&figure).max().unwrap_or(0).max(1);
    // A day with a single use must be seen.
    let level = |value: u64| {
        let high = u128::from(value) * u128::from(height) / u128::from(most);
        u128::from(height) - high.max(u128::from(value > 0))
    };
    let mut path = format!("M0 {height}");
    let bottom = u128::from(height);
    let mut before = bottom;
    let mut days = days.iter().map(|day| level(figure(day))).peekable();
    while let Some(here) = days.next() {
        let mut width = step;
        while days.next_if_eq(&here).is_some() {
            width += step;
        }
        if here != before {
            let _ = write!(path, "V{here}");
        }
        let _ = write!(path, "h{width}");
        before = here;
    }
    if before != bottom {
        let _ = write!(path, "V{height}");
    }
    path.push('z');
    path
}

/// A bar a day, as an SVG path.
fn bars(days: &[UsageDay]) -> String {
    columns(
        days,
        days.iter().map(|day| day.uses).max().unwrap_or(0),
        0,
        14,
        |day| day.uses,
    )
}

fn course_refused(days: &[UsageDay]) -> String {
    let most = days
        .iter()
        .map(|day| day.uses.max(day.refused))
        .max()
        .unwrap_or(0);
    columns(days, most, 14, 4, |day| day.refused)
}

fn columns(
    days: &[UsageDay],
    most: u64,
    offset: usize,
    width: u64,
    figure: impl Fn(&UsageDay) -> u64,
) -> String {
    let mut path = String::new();
    for (place, day) in days.iter().enumerate().filter(|(_, day)| figure(day) > 0) {
        let height = (u128::from(figure(day)) * 90 / u128::from(most.max(1))).clamp(2, 90);
        let _ = write!(path, "M{} 90v-{height}h{width}V90z", place * 20 + offset);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(100 * 86_400);

    fn day(number: i64, uses: u64) -> UsageDay {
        UsageDay {
            day: Day::from_number(number),
            uses,
            refused: 0,
        }
    }

    #[test]
    fn the_course_has_a_step_a_day_and_stays_short() {
        assert_eq!(
            course(&[day(1, 0), day(2, 9), day(3, 9), day(4, 3)], 9, 2, |day| {
                day.uses
            }),
            "M0 9h2V0h4V6h2V9z"
        );
        assert_eq!(
            course(&[day(1, u64::MAX), day(2, 1)], 9, 2, |day| day.uses),
            "M0 9V0h2V8h2V9z"
        );
    }

    #[test]
    fn days_without_a_use_and_days_long_past_are_known() {
        let days = fill(&[day(100, 5), day(71, 1), day(70, 7)], NOW);
        assert_eq!((days.len(), days[0].uses, days[29].uses), (30, 1, 5));
        let markup = small(&[day(100, 5), day(70, 7)], NOW).into_string();
        assert!(markup.starts_with('5'), "{markup}");
        assert_eq!(small(&[], NOW).into_string(), "0");
    }

    #[test]
    fn the_large_one_says_the_same_figures_as_words() {
        let markup = large(
            &[
                day(100, 5),
                UsageDay {
                    day: Day::from_number(99),
                    uses: 7,
                    refused: 2,
                },
            ],
            NOW,
        )
        .into_string();
        assert!(
            markup.contains("12 uses in the last 30 days, and 2 refused; most on 1970-04-10 (7)."),
            "{markup}"
        );
        assert!(markup.contains("<td data-l=\"Refused\">2</td>"));
    }
}
