//! Readable names for user agents: "Firefox on Linux".

use super::text::sanitize;

/// Longest name of a program in characters.
const PROGRAM_CHARACTERS_MAX: usize = 32;

/// The first mark in a `User-Agent` that identifies a browser. Order counts: most browsers also name those they descend
/// from.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
];

/// A name for the device of a session: browser and system if known, else the name of the program.
pub fn device(user_agent: Option<&str>) -> String {
    let Some(text) = user_agent.filter(|text| !text.trim().is_empty()) else {
        return "Unknown device".to_owned();
    };
    let find = |signs: &[(&'static str, &'static str)]| {
        signs
            .iter()
            .find(|(sign, _)| text.contains(sign))
            .map(|(_, name)| *name)
    };
    if !text.starts_with("Mozilla/") {
        return program(text);
    }
    let safari = text.contains("Safari/").then_some("Safari");
    let chromium = text.contains("HeadlessChrome/").then_some("Chrome");
    let browser = find(&BROWSERS)
        .or(chromium)
        .or(safari)
        .unwrap_or("A browser");
    match find(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

/// A short name for a program that used a credential: `curl/8.5.0`, or as [`device`] for browsers.
pub fn short(user_agent: &str) -> String {
    device(Some(user_agent))
}

/// The first word, at most 32 characters, without invisible ones.
fn program(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or("");
    let name = sanitize(word, PROGRAM_CHARACTERS_MAX);
    if name.is_empty() {
        "Unknown device".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agent_yields_browser_and_system() {
        let cases = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/130.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("Mozilla/5.0 (compatible; unheard-of)", "A browser"),
            ("curl/8.5.0", "curl/8.5.0"),
            ("python-requests/2.32 (x; y)", "python-requests/2.32"),
            ("", "Unknown device"),
            ("\u{202e}\u{200b}", "Unknown device"),
        ];
        for (text, name) in cases {
            assert_eq!(device(Some(text)), name);
        }
        assert_eq!(device(None), "Unknown device");
    }

    #[test]
    fn hostile_user_agent_is_sanitized() {
        assert_eq!(short(&"x".repeat(300)).len(), 32);
        assert_eq!(short("a\u{202e}b/1"), "ab/1");
    }
}
