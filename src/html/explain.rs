//! "Why was it refused?": the chain of checks that a credential goes through, and where and for what it is to be asked.

use maud::{Markup, html};

use super::form::{Field, Input};
use super::standing::badge;

/// One link of the chain.
#[derive(Debug, Clone)]
pub struct Link {
    /// `exists`, `not_expired`, …
    pub name: &'static str,
    /// `None`: can't be told, because it was not said where or for what.
    pub holds: Option<bool>,
    /// One sentence.
    pub sentence: String,
}

/// The chain, and what was asked.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    pub links: Vec<Link>,
    /// `address` and `permission`, as they were typed, and what is wrong with them.
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

/// The section of a credential's page. Its form sends `address` and `permission` to `path`, as a question.
pub(super) fn section(path: &str, chain: &Chain) -> Markup {
    html! {
        h2 #why { "Why was it refused?" }
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
