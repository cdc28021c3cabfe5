//! The one place where a secret is written into a page.

use maud::{Markup, html};

use super::layout::Frame;

/// The panel with the secret: a labelled field that one click selects whole, and what to do with it. `what` is "key"
/// or "token". No live region, so that no screen reader reads it aloud unasked.
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

/// Lines to paste, closed until wanted; `name` is what the copy button says after "Copy".
pub(super) fn paste(title: &str, name: &str, lines: &str) -> Markup {
    html! { details { summary { (title) } pre data-copy=(name) { (lines) } } }
}

/// What a form sent a second time gets.
pub(super) fn already(what: &str, list: &str, thing: Option<(&str, &str)>) -> Markup {
    html! {
        h1 { "Already created" }
        p.lead { "This form was sent before. The " (what) " was created then, and its secret cannot be shown again; no second one was made." }
        p {
            "If you did not save the secret, "
            // What has a page of its own can be rotated there; the others live shortly.
            @if thing.is_some() { "rotate the " (what) ", which gives it a new one." } @else { "delete the " (what) " and make another." }
        }
        div.actions {
            @if let Some((path, name)) = thing { a.button.primary href=(path) { "Open " bdi { (name) } } }
            a.button href=(list) { "Back to the list" }
        }
    }
}
