//! The terminal of standard output: its size, and the style that it can show.

use std::io::IsTerminal;

use crate::terminal::environment::variable;

/// Width of a terminal that does not report one.
const WIDTH: usize = 80;

/// The terminal of standard output, or another destination.
pub struct Terminal {
    /// `None` without a terminal: nothing is cut.
    pub width: Option<usize>,
    /// `None` without a terminal, or when it can't be paged.
    pub height: Option<usize>,
    pub style: Style,
}

/// Colors and characters that the destination can show.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub has_color: bool,
    /// The mark of a cut value.
    pub ellipsis: &'static str,
}

impl Terminal {
    /// Reads size, variables and locale.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let columns = size.map(|(width, _)| usize::from(width.0));
        let rows = size.map(|(_, height)| usize::from(height.0));
        let is_dumb = variable("TERM").is_none_or(|term| term == "dumb");
        Self {
            width: is_terminal.then(|| columns.filter(|width| *width > 0).unwrap_or(WIDTH)),
            height: rows.filter(|height| is_terminal && !is_dumb && *height > 0),
            style: Style {
                has_color: has_color(is_terminal && !is_dumb, variable),
                ellipsis: ellipsis(variable),
            },
        }
    }
}

/// Colors are for terminals. `NO_COLOR` and `CLICOLOR=0` turn them off, `CLICOLOR_FORCE` turns them on elsewhere.
fn has_color(by_default: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    if variable("NO_COLOR").is_some() {
        return false;
    }
    if variable("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    by_default && variable("CLICOLOR").is_none_or(|value| value != "0")
}

/// The ellipsis of the locale.
fn ellipsis(variable: impl Fn(&str) -> Option<String>) -> &'static str {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    let locale = locale.unwrap_or_default().to_ascii_uppercase();
    if locale.contains("UTF-8") || locale.contains("UTF8") {
        "…"
    } else {
        "..."
    }
}

impl Style {
    /// The value of a state in its color; any other value unchanged.
    pub fn colored(&self, heading: &str, text: &str) -> String {
        if !self.has_color || !["state", "status", "holds"].contains(&heading) {
            return text.to_owned();
        }
        let code = match text {
            "active" | "enabled" | "ok" | "yes" => 32,
            "expired" | "deleted" | "no" | "silent" | "failed" | "BAD" => 31,
            "disabled" | "paused" | "stale" | "warn" => 33,
            _ => return text.to_owned(),
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'v>(pairs: &'v [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'v {
        |name| {
            let pair = pairs.iter().find(|(one, _)| *one == name);
            pair.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn color_follows_the_variables() {
        assert!(has_color(true, set(&[])));
        assert!(!has_color(false, set(&[])));
        assert!(!has_color(true, set(&[("CLICOLOR", "0")])));
        assert!(has_color(true, set(&[("CLICOLOR", "1")])));
        assert!(has_color(false, set(&[("CLICOLOR_FORCE", "1")])));
        assert!(!has_color(false, set(&[("CLICOLOR_FORCE", "0")])));
        let both = [("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")];
        assert!(!has_color(true, set(&both)));
    }

    #[test]
    fn ellipsis_is_ascii_without_utf8() {
        assert_eq!(ellipsis(set(&[("LANG", "de_DE.UTF-8")])), "…");
        assert_eq!(ellipsis(set(&[("LANG", "C.utf8")])), "…");
        let c_locale = [("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")];
        assert_eq!(ellipsis(set(&c_locale)), "...");
        assert_eq!(ellipsis(set(&[])), "...");
    }
}
