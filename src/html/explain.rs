//! The checks of a credential: one line with the result, which unfolds to each check and a form for the circumstances.

use maud::{Markup, html};

use super::form::{Field, Input};

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

impl Chain {
    /// Returns whether a circumstance was sent.
    fn is_asked(&self) -> bool {
        self.input.values.iter().any(|(_, value)| !value.is_empty())
    }
}

fn words(name: &str) -> &str {
    match name {
        "exists" => "Exists",
        "enabled" => "Enabled",
        "not_expired" => "Not expired",
        "address_allowed" => "Address allowed",
        "owner_enabled" => "Owner enabled",
        "permission_held" => "Permission granted",
        other => other,
    }
}

/// The section of a credential's page. Its form sends `address` and `permission` to `path`.
pub(super) fn section(path: &str, chain: &Chain) -> Markup {
    let passed = chain.links.iter().filter(|link| link.holds == Some(true));
    let failed = chain.links.iter().find(|link| link.holds == Some(false));
    let needs_address = chain
        .links
        .iter()
        .any(|link| link.name == "address_allowed" && link.holds.is_none());
    let is_open = chain.is_asked() || !chain.input.errors.is_empty();
    html! {
        section {
            details #why open[is_open] {
                summary {
                    @match failed {
                        Some(_) => b.bad { "Would be rejected" },
                        None if !chain.input.errors.is_empty() => b { "Not checked" },
                        None if needs_address => b { "Depends on the address" },
                        None => b.ok { "Would be accepted" },
                    }
                    " " span.muted {
                        @match failed {
                            Some(link) => (link.sentence),
                            None => { (passed.count()) " checks pass" (circumstances(&chain.input)) },
                        }
                    }
                }
                dl.facts {
                    @for link in &chain.links {
                        dt { (words(link.name)) }
                        dd {
                            @match link.holds {
                                Some(true) => b.ok { "Pass" },
                                Some(false) => b.bad { "Fail" },
                                None => b { "Not checked" },
                            }
                            " " span.muted { (link.sentence) }
                        }
                    }
                }
                (super::form::summary(&chain.input))
                form.bar method="get" action={ (path) "#why" } {
                    (Field::text("address").label("Address").show(&chain.input))
                    (Field::text("permission").label("Permission").show(&chain.input))
                    button { "Check" }
                }
            }
        }
    }
}

/// ` for 10.0.3.5 and slurm:submit`; empty without circumstances.
fn circumstances(input: &Input) -> String {
    let typed = |name| input.value(name).filter(|value| !value.is_empty());
    let given: Vec<&str> = ["address", "permission"]
        .into_iter()
        .filter_map(typed)
        .collect();
    if given.is_empty() {
        String::new()
    } else {
        format!(" for {}", given.join(" and "))
    }
}
