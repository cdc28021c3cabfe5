//! The one place where a secret is written into a page.

use maud::{Markup, html};

use super::layout::Frame;
use super::permission::brief;
use super::when::end_in_line;
use crate::model::credential::Record;
use crate::model::permission::Permissions;

/// The limits of a new credential in one line.
pub(super) fn facts(frame: &Frame, record: &Record, offered: &Permissions) -> Markup {
    html! {
        p.lead {
            @if record.expires_at.is_some() { "Expires " (end_in_line(record.expires_at, frame.now)) } @else { "No expiration" }
            " · " (brief(&record.permissions, offered)) " · "
            @if record.allowed_addresses.is_everywhere() { "any address" } @else { (record.allowed_addresses.iter().collect::<Vec<_>>().join(", ")) }
        }
    }
}

/// A labeled field with a secret; the script adds Copy as the primary button beside it. `name` completes that button's
/// label. Not a live region, so that no screen reader reads it aloud on its own.
pub(super) fn field(label: &str, name: &str, secret: &str) -> Markup {
    html! {
        div.field {
            label for="secret" { (label) }
            div.actions { input.secret.mono #secret readonly value=(secret) data-copy=(name) autocomplete="off" spellcheck="false"; }
        }
    }
}

/// The panel with a credential's secret, and lines to paste. `what` is "API key" or "token".
pub(super) fn panel(frame: &Frame, what: &str, secret: &str, done: &str) -> Markup {
    let url = &frame.public_url;
    let host = &frame.site;
    html! {
        section.notice.warn data-once aria-label="Secret" {
            p { b { "Copy the secret now. It is shown once." } " Keycroft stores only its hash." }
            (field("Secret", what, secret))
        }
        div.actions { a.button href=(done) { "Done" } }
        section {
            h2 { "Use it" }
            details name="use" open { summary { "Environment" } (lines("the line for the environment", &format!("export KEYCROFT_TOKEN={secret}"))) }
            (paste("curl", "the curl line", &format!("curl -H \"Authorization: Bearer $KEYCROFT_TOKEN\" {url}/api/v1/me")))
            (paste("Command line", "the login line", &format!("printf %s \"$KEYCROFT_TOKEN\" | keycroft login {url} --with-token")))
            (paste("Python", "the lines of Python", &format!(
                "import os, urllib.request\nrequest = urllib.request.Request(\"{url}/api/v1/me\")\nrequest.add_header(\"Authorization\", \"Bearer \" + os.environ[\"KEYCROFT_TOKEN\"])\nprint(urllib.request.urlopen(request).read().decode())"
            )))
            (paste(".netrc", "the line of .netrc", &format!("machine {} login x password {secret}", host.split(':').next().unwrap_or(host))))
        }
    }
}

fn lines(name: &str, lines: &str) -> Markup {
    html! { pre data-copy=(name) { (lines) } }
}

/// Lines to paste, folded; `name` completes the label "Copy".
pub(super) fn paste(title: &str, name: &str, text: &str) -> Markup {
    html! { details name="use" { summary { (title) } (lines(name, text)) } }
}

/// The answer to a repeated form.
pub(super) fn already(what: &str, list: &str, item: Option<(&str, &str)>) -> Markup {
    html! {
        h1 { "Already created" }
        p.lead { "This form was sent before. The " (what) " was created then. Its secret cannot be shown again, and no second one was created." }
        p {
            "If you did not save the secret, "
            // Objects with a page can be rotated there; others expire soon.
            @if item.is_some() { "rotate the " (what) " to get a new one." } @else { "delete the " (what) " and create another." }
        }
        div.actions {
            @if let Some((path, name)) = item { a.button.primary href=(path) { "Open " bdi { (name) } } }
            a.button href=(list) { "Back to the list" }
        }
    }
}
