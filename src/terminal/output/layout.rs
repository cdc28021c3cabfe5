//! The layout of a table: one line for each row, at any width.

use unicode_width::UnicodeWidthStr;

use super::terminal::Style;

/// Spaces between two columns.
const GAP: usize = 2;
/// A column is cut to no less than this: a complete id, the longest brief time.
const WIDTH_MIN: usize = 12;

/// Columns that stay longest when the terminal is narrow, first to last. Other headings go before these, an id first.
const PRIORITIES: [&str; 15] = [
    "name",
    "when",
    "device",
    "setting",
    "check",
    "action",
    "notice",
    "line",
    "state",
    "holds",
    "value",
    "what",
    "expires",
    "last used",
    "role",
];

/// The text of a cell.
pub struct CellText {
    pub shown: String,
    /// A shorter form, for tables that do not fit.
    pub brief: Option<String>,
}

/// Position of a column in the order of importance.
fn rank(heading: &str) -> usize {
    if heading == "id" {
        return usize::MAX;
    }
    let place = PRIORITIES.iter().position(|one| *one == heading);
    place.unwrap_or(PRIORITIES.len())
}

/// The lines of a table: headings, then one line for each row. Without `width` nothing is cut.
pub fn lines(
    headings: &[&str],
    rows: &[Vec<CellText>],
    width: Option<usize>,
    style: &Style,
) -> Vec<String> {
    let full = cells(rows, |text| text.shown.clone());
    let natural = widths(headings, &full);
    let Some(width) = width.filter(|width| total(&natural) > *width) else {
        let all: Vec<usize> = (0..headings.len()).collect();
        return draw(headings, &full, &all, &natural, style);
    };
    let cells = cells(rows, |text| {
        text.brief.as_ref().unwrap_or(&text.shown).clone()
    });
    let natural = widths(headings, &cells);
    let least: Vec<usize> = natural.iter().map(|one| (*one).min(WIDTH_MIN)).collect();
    let kept = kept_columns(headings, &least, width);
    let mut fitted: Vec<usize> = kept.iter().map(|column| natural[*column]).collect();
    while total(&fitted) > width {
        let spare = |place: &usize| fitted[*place].saturating_sub(least[kept[*place]]);
        let widest = (0..fitted.len()).max_by_key(spare);
        match widest {
            Some(place) if fitted[place] > 1 => fitted[place] -= 1,
            _ => break,
        }
    }
    draw(headings, &cells, &kept, &fitted, style)
}

/// The columns that fit with their least widths; at least one.
fn kept_columns(headings: &[&str], least: &[usize], width: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..headings.len()).collect();
    loop {
        let needed: Vec<usize> = kept.iter().map(|column| least[*column]).collect();
        if kept.len() <= 1 || total(&needed) <= width {
            return kept;
        }
        // Of equally important columns the last one goes first.
        let order = |place: &usize| (rank(headings[kept[*place]]), *place);
        if let Some(place) = (0..kept.len()).max_by_key(order) {
            kept.remove(place);
        }
    }
}

fn cells(rows: &[Vec<CellText>], text: impl Fn(&CellText) -> String) -> Vec<Vec<String>> {
    rows.iter()
        .map(|row| row.iter().map(&text).collect())
        .collect()
}

fn widths(headings: &[&str], cells: &[Vec<String>]) -> Vec<usize> {
    let of_column = |column: usize| {
        let values = cells.iter().filter_map(|row| row.get(column));
        let widest = values.map(|text| text.width()).max().unwrap_or(0);
        widest.max(headings[column].width())
    };
    (0..headings.len()).map(of_column).collect()
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn draw(
    headings: &[&str],
    cells: &[Vec<String>],
    kept: &[usize],
    widths: &[usize],
    style: &Style,
) -> Vec<String> {
    let line = |values: &[String], headings: &[&str]| {
        let mut line = String::new();
        for (column, width) in kept.iter().zip(widths) {
            let value = values.get(*column).map_or("", String::as_str);
            let value = cut(value, *width, style.ellipsis);
            let padding = width.saturating_sub(value.width()) + GAP;
            let heading = headings.get(*column).copied().unwrap_or_default();
            line.push_str(&style.colored(heading, &value));
            line.push_str(&" ".repeat(padding));
        }
        line.trim_end().to_owned()
    };
    let titles: Vec<String> = headings.iter().map(|one| one.to_uppercase()).collect();
    let mut lines = vec![line(&titles, &[])];
    lines.extend(cells.iter().map(|row| line(row, headings)));
    lines
}

/// A text of at most `width` columns; a longer one ends with an ellipsis.
fn cut(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let ellipsis = if ellipsis.width() < width {
        ellipsis
    } else {
        ""
    };
    let room = width - ellipsis.width();
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if kept.width() > room {
            kept.pop();
            break;
        }
    }
    kept + ellipsis
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        has_color: false,
        ellipsis: "…",
    };
    const HEADINGS: [&str; 7] = [
        "name",
        "id",
        "state",
        "expires",
        "last used",
        "from",
        "permissions",
    ];

    fn text(shown: &str, brief: Option<&str>) -> CellText {
        CellText {
            shown: shown.to_owned(),
            brief: brief.map(str::to_owned),
        }
    }

    fn row(name: &str) -> Vec<CellText> {
        vec![
            text(name, None),
            text("4k2m9x0q7w1z", None),
            text("active", None),
            text("in 30d (2026-12-22)", Some("in 30d")),
            text("5m ago", None),
            text("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", None),
            text("25 permissions", None),
        ]
    }

    #[test]
    fn row_is_one_line_at_any_width() {
        let names = [
            "ci".to_owned(),
            "x".repeat(64),
            "日".repeat(64),
            "تجربة".repeat(12),
        ];
        for name in names {
            for width in 2..200 {
                let lines = lines(&HEADINGS, &[row(&name), row("b")], Some(width), &PLAIN);
                assert_eq!(lines.len(), 3, "{name} {width}");
                for line in &lines {
                    assert!(line.width() <= width, "{name} {width}: {line}");
                }
            }
        }
    }

    #[test]
    fn important_columns_stay() {
        let heading = |width: usize| {
            let rows = [row("nightly backup of the cluster")];
            let lines = lines(&HEADINGS, &rows, Some(width), &PLAIN);
            lines[0].split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            heading(140),
            "NAME ID STATE EXPIRES LAST USED FROM PERMISSIONS"
        );
        assert_eq!(heading(80), "NAME STATE EXPIRES LAST USED FROM PERMISSIONS");
        assert_eq!(heading(60), "NAME STATE EXPIRES LAST USED FROM");
        assert_eq!(heading(40), "NAME STATE EXPIRES LAST USED");
        assert_eq!(heading(39), "NAME STATE EXPIRES");
        assert_eq!(heading(12), "NAME");
    }

    #[test]
    fn long_value_ends_with_an_ellipsis() {
        assert_eq!(cut("nightly", 7, "…"), "nightly");
        assert_eq!(cut("nightly", 6, "…"), "night…");
        assert_eq!(cut("nightly", 6, "..."), "nig...");
        assert_eq!(cut("日本語", 4, "…"), "日…");
        assert_eq!(cut("nightly", 2, "..."), "ni");
        let lines = lines(&HEADINGS, &[row(&"x".repeat(64))], None, &PLAIN);
        assert!(lines[1].starts_with(&"x".repeat(64)), "{lines:?}");
    }

    #[test]
    fn color_does_not_change_the_width() {
        let colored = Style {
            has_color: true,
            ..PLAIN
        };
        let with = lines(&HEADINGS, &[row("ci")], Some(80), &colored);
        assert!(with[1].contains("\u{1b}[32mactive\u{1b}[0m"), "{with:?}");
        let without = with[1].replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert_eq!(without, lines(&HEADINGS, &[row("ci")], Some(80), &PLAIN)[1]);
    }
}
