//! The help page: short, and the same for everyone.

use maud::{Markup, html};

use super::layout::{Visitor, either};

/// `/help`.
pub fn help_page(visitor: Visitor<'_>) -> Markup {
    let content = html! {
        h1 { "Help" }
        p.lead { "Keycroft manages the credentials of this lab: owners, permissions and expirations." }
        h2 { "Which one do I need?" }
        dl.facts {
            dt { "API key" } dd { "For a program that runs without you: a script, a service, a notebook. Shown once; you choose the lifetime." }
            dt { "Token" } dd { "For you at a command line, for at most a day. " code { "keycroft login" } " creates one." }
            dt { "SSH key" } dd { "Your public key. Every host that admits you accepts it from the next login on." }
            dt { "Session" } dd { "A browser in which you are signed in. It expires after a week at the latest." }
        }
        h2 { "A secret leaked" }
        p { "Delete it or rotate it now: it is rejected from the next request on. Possession of a secret is enough to revoke it:" }
        pre { "keycroft revoke < file-with-the-secret" }
        h2 { "I lost a secret" }
        p { "It cannot be shown again: Keycroft stores only its hash. Rotate the key to get a new secret under the same name." }
        h2 { "A request is rejected" }
        p { "The page of a key shows if it is valid, or which check fails: deleted, disabled, expired, its owner disabled. The response names a missing permission." }
        h2 { "I can't sign in" }
        p { "Ask an admin for a reset link. After too many wrong passwords, wait a minute." }
        h2 { "For programs" }
        p { a href="/api" { "The JSON API" } " can do everything that the console can." }
    };
    either(visitor, "Help", &content)
}
