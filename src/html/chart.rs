//! Uses per day as a chart and as a table.

use std::fmt::Write;

use maud::{Markup, html};

use super::when::counted;
use crate::model::credential::UsageDay;
use crate::model::time::{Day, Time};

/// The number of days in a chart.
const DAYS: i64 = 30;

/// The height of the chart in SVG units, each one pixel.
const HEIGHT: u64 = 96;

/// The last 30 days in a table's cell: the sum, and the course when there was any use.
pub(super) fn small(usage: &[UsageDay], now: Time) -> Markup {
    let days = fill(usage, now);
    let sum: u64 = days.iter().map(|day| day.uses).sum();
    html! {
        (sum)
        @if sum > 0 {
            svg aria-hidden="true" { path d=(course(&days, 16, 2, |day| day.uses)) {} }
        }
    }
}

/// The section "Usage" of a page: the last 30 days as bars with a scale, and the same figures as a table.
pub(super) fn section(usage: &[UsageDay], now: Time) -> Markup {
    let days = fill(usage, now);
    let uses: u64 = days.iter().map(|day| day.uses).sum();
    let rejected: u64 = days.iter().map(|day| day.rejected).sum();
    let figures = || days.iter().rev().filter(|day| day.uses + day.rejected > 0);
    let busiest = figures()
        .max_by_key(|day| day.uses)
        .filter(|day| day.uses > 0);
    let label = |day: &UsageDay| day.day.to_string();
    html! {
        section {
            div.head {
                h2 { "Usage" }
                p.muted {
                    (counted(uses, "use")) " in 30 days"
                    @if let Some(day) = busiest { ", busiest on " (day.day) " with " (day.uses) }
                    @if rejected > 0 { "; " (rejected) " rejected" }
                }
            }
            @if uses + rejected > 0 {
                (drawing(&days))
                details {
                    summary { "Daily figures" }
                    table.list {
                        thead { tr { th scope="col" { "Day" } th.num scope="col" { "Uses" } th.num scope="col" { "Rejected" } } }
                        tbody { @for day in figures() { tr { th.name scope="row" { (label(day)) } td.num.when data-label="Uses" { (day.uses) } td.num.when data-label="Rejected" { (day.rejected) } } } }
                    }
                }
            }
        }
    }
}

/// A bar per day between the zero line and the peak, and the first, middle and last day below.
fn drawing(days: &[UsageDay]) -> Markup {
    let peak = days
        .iter()
        .map(|day| day.uses.max(day.rejected))
        .max()
        .unwrap_or(0)
        .max(1);
    let height = |value: u64| {
        let high = u128::from(value) * u128::from(HEIGHT) / u128::from(peak);
        // A day with a single use must be visible.
        high.max(u128::from(value > 0) * 2)
    };
    let first = days
        .first()
        .map(|day| day.day.to_string())
        .unwrap_or_default();
    let middle = days
        .get(days.len() / 2)
        .map(|day| day.day.to_string())
        .unwrap_or_default();
    let last = days
        .last()
        .map(|day| day.day.to_string())
        .unwrap_or_default();
    html! {
        figure.chart {
            svg viewBox="0 0 300 97" preserveAspectRatio="none" role="img" aria-label={ "Uses per day, " (first) " to " (last) ". Peak: " (peak) "." } {
                line x2="300" y1=".5" y2=".5" {}
                line x2="300" y1="48" y2="48" {}
                line x2="300" y1="96.5" y2="96.5" {}
                @for (place, day) in days.iter().enumerate().filter(|(_, day)| day.uses + day.rejected > 0) {
                    @let (used, rejected) = (height(day.uses), height(day.rejected));
                    g {
                        title { (day.day) ": " (day.uses) @if day.rejected > 0 { ", " (day.rejected) " rejected" } }
                        rect x=(place * 10 + 2) y=(u128::from(HEIGHT) - used) width="6" height=(used) {}
                        @if day.rejected > 0 { rect.bad x=(place * 10 + 6) y=(u128::from(HEIGHT) - rejected) width="2" height=(rejected) {} }
                    }
                }
            }
            p { span { (peak) } @if peak > 1 { span { (peak / 2) } } span { "0" } }
            p { span { (first) } span { (middle) } span { (last) } }
        }
    }
}

/// All 30 days up to today, days without a use included.
fn fill(usage: &[UsageDay], now: Time) -> Vec<UsageDay> {
    let today = now.day().number();
    let on = |day: Day| usage.iter().find(|usage| usage.day == day).copied();
    (today - DAYS + 1..=today)
        .map(Day::from_number)
        .map(|day| {
            on(day).unwrap_or(UsageDay {
                day,
                uses: 0,
                rejected: 0,
            })
        })
        .collect()
}

/// An area whose upper edge has one step per day, as an SVG path. Equal neighbors share a step, so that it stays short.
fn course(days: &[UsageDay], height: u64, step: u64, figure: impl Fn(&UsageDay) -> u64) -> String {
    let most = days.iter().map(&figure).max().unwrap_or(0).max(1);
    // A day with a single use must be visible.
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(100 * 86_400);

    fn day(number: i64, uses: u64) -> UsageDay {
        UsageDay {
            day: Day::from_number(number),
            uses,
            rejected: 0,
        }
    }

    #[test]
    fn chart_has_a_step_per_day_and_stays_short() {
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
    fn chart_covers_days_without_a_use_and_past_days() {
        let days = fill(&[day(100, 5), day(71, 1), day(70, 7)], NOW);
        assert_eq!((days.len(), days[0].uses, days[29].uses), (30, 1, 5));
        let markup = small(&[day(100, 5), day(70, 7)], NOW).into_string();
        assert!(markup.starts_with('5'), "{markup}");
        assert_eq!(small(&[], NOW).into_string(), "0");
    }

    #[test]
    fn section_has_the_sum_the_peak_and_both_ends() {
        let markup = section(
            &[
                day(100, 5),
                UsageDay {
                    day: Day::from_number(99),
                    uses: 7,
                    rejected: 2,
                },
            ],
            NOW,
        )
        .into_string();
        for wanted in [
            "12 uses in 30 days, busiest on 1970-04-10 with 7; 2 rejected",
            "Uses per day, 1970-03-13 to 1970-04-11. Peak: 7.",
            "<span>7</span><span>3</span><span>0</span>",
            "<span>1970-03-13</span><span>1970-03-28</span><span>1970-04-11</span>",
            // The bar of the peak has the full height; a single use is still visible.
            "y=\"0\" width=\"6\" height=\"96\"",
            "data-label=\"Uses\">7</td><td class=\"num when\" data-label=\"Rejected\">2</td>",
        ] {
            assert!(markup.contains(wanted), "{wanted}: {markup}");
        }
        let unused = section(&[], NOW).into_string();
        assert!(unused.contains("0 uses in 30 days") && !unused.contains("<svg"));
    }
}
