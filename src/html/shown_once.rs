//! The one place where a secret is written into a page.

use maud::{Markup, html};

use super::layout::Frame;

/// The panel with the secret: a labeled field that one click selects completely, and advice. `what` is "key" or
/// "token". Not a live region, so that no screen reader reads it aloud on its own.
pub(super) fn panel(
    frame: &Frame,
    what: &str,
    secret: &str,
    go_on: &str,
    go_on_words: &str,
) -> Markup {
    let url = &frame.public_url;
    html! {
        div.notice.warn data-once {
            p { b { "This is the only time the " (what) " is shown." } " keycroft keeps a hash of it and cannot show it again." }
            label for="secret" { "Your " (what) }
            input.secret #secret type="text" readonly value=(secret) data-copy=(what) autocomplete="off" spellcheck="false";
            div.choice { input #saved type="checkbox" data-saved; label for="saved" { "I have saved it" } }
            div.actions { a.button.primary href=(go_on) { (go_on_words) } }
        }
        h2 { "Use it" }
        (paste("Environment", "the line for the environment", &format!("export KEYCROFT_TOKEN={secret}")))
        (paste("curl", "the curl line", &format!("curl -H \"Authorization: Bearer $KEYCROFT_TOKEN\" {url}/api/v1/me")))
        (paste("Command line", "the lines for the command line", &format!("export KEYCROFT_SERVER={url}\nkeycroft whoami")))
        (paste("Python", "the lines of Python", &format!(
            "import os, urllib.request\nrequest = urllib.request.Request(\"{url}/api/v1/me\")\nrequest.add_header(\"Authorization\", \"Bearer \" + os.environ[\"KEYCROFT_TOKEN\"])\nprint(urllib.request.urlopen(request).read().decode())"
        )))
    }
}

/// Lines to paste, folded; `name` completes the label "Copy".
pub(super) fn paste(title: &str, name: &str, lines: &str) -> Markup {
    html! { details { summary { (title) } pre data-copy=(name) { (lines) } } }
}

/// The answer to a repeated form.
pub(super) fn already(what: &str, list: &str, thing: Option<(&str, &str)>) -> Markup {
    html! {
        h1 { "Already created" }
        p.lead { "This form was sent before. The " (what) " was created then, and its secret cannot be shown again; no second one was made." }
        p {
            "If you did not save the secret, "
            // Objects with a page can be rotated there; others expire soon.
            @if thing.is_some() { "rotate the " (what) ", which gives it a new one." } @else { "delete the " (what) " and make another." }
        }
        div.actions {
            @if let Some((path, name)) = thing { a.button.primary href=(path) { "Open " bdi { (name) } } }
            a.button href=(list) { "Back to the list" }
        }
    }
}
