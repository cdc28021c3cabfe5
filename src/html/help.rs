//! The help page: short, and the same for everyone.

use maud::{Markup, html};

use super::layout::{Visitor, either};

/// `/help`.
pub fn show(visitor: Visitor<'_>) -> Markup {
    let content = html! {
        h1 { "Help" }
        p.lead { "keycroft keeps the credentials of this lab: who has which, what each may do, when each ends." }
        h2 { "Which one do I need?" }
        dl.facts {
            dt { "API key" } dd { "For a program that runs without you: a script, a service, a notebook. Shown once, lives as long as you choose." }
            dt { "Token" } dd { "For you at a command line, for at most a day. " code { "keycroft login" } " makes one." }
            dt { "SSH key" } dd { "Your public key. It opens your login on every host, at the next login." }
            dt { "Session" } dd { "A browser in which you are signed in. It ends after a week at the latest." }
        }
        h2 { "A secret leaked" }
        p { "Delete it or rotate it now: it is rejected from the next request on. Possession of a secret is enough to revoke it:" }
        pre { "keycroft revoke < file-with-the-secret" }
        h2 { "I lost a secret" }
        p { "Nobody can show it again: keycroft keeps only a hash. Rotate the key, which gives it a new secret under the same name." }
        h2 { "Something is refused" }
        p { "The page of a key shows if it is valid, or which check fails: deleted, disabled, expired, its owner disabled. A missing permission is named in the answer itself." }
        h2 { "I can't sign in" }
        p { "Ask an admin for a reset link. After too many wrong passwords, wait a minute." }
        h2 { "For programs" }
        p { a href="/api" { "The JSON API" } " can do everything that these pages can." }
    };
    either(visitor, "Help", &content)
}
