//! "Why was it rejected?": the checks of a credential, with a form for the circumstances.

use maud::{Markup, html};

use super::form::{Field, Input};
use super::standing::badge;

/// One check.
#[derive(Debug, Clone)]
pub struct Link {
    /// `exists`, `not_expired`, …
    pub name: &'static str,
    /// `None`: unknown, because the address or the permission is missing.
    pub holds: Option<bool>,
    /// One sentence.
    pub sentence: String,
}

/// The checks, and their circumstances.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    pub links: Vec<Link>,
    /// `address` and `permission` as typed, with their faults.
    pub input: Input,
}

fn words(name: &str) -> &str {
    match name {
        "exists" => "Exists",
        "enabled" => "Enabled",
        "not_expired" => "Not expired",
        "address_allowed" => "Address allowed",
        "owner_enabled" => "Owner enabled",
        "permission_held" => "Permission held",
        other => other,
    }
}

/// The section of a credential's page. Its form sends `address` and `permission` to `path`.
pub(super) fn section(path: &str, chain: &Chain) -> Markup {
    html! {
        h2 #why { "Why was it rejected?" }
        table.list {
            thead { tr { th { "Check" } th { "Holds" } th { "Why" } } }
            tbody {
                @for link in &chain.links {
                    tr {
                        th.name scope="row" { (words(link.name)) }
                        td data-label="Holds" {
                            @match link.holds {
                                Some(true) => (badge("ok", "Yes")),
                                Some(false) => (badge("bad", "No")),
                                None => (badge("warn", "Not asked")),
                            }
                        }
                        td data-label="Why" { (link.sentence) }
                    }
                }
            }
        }
        (super::form::summary(&chain.input))
        form.bar method="get" action={ (path) "#why" } {
            (Field::text("address").label("Used from (address)").show(&chain.input))
            (Field::text("permission").label("To do (permission)").show(&chain.input))
            button { "Look" }
        }
    }
}
