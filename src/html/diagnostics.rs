//! The state of the installation: facts, and a text without secrets to pass on.

use maud::{Markup, html};

use super::layout::{Frame, Section, page};
use super::status_badge::badge;

/// One fact.
#[derive(Debug, Clone)]
pub struct Fact {
    pub name: String,
    pub value: String,
    /// The remedy for a problem.
    pub advice: Option<String>,
}

/// Facts on one subject.
#[derive(Debug, Clone)]
pub struct FactGroup {
    pub title: String,
    pub facts: Vec<Fact>,
}

/// `/admin/diagnostics`.
pub fn diagnostics_page(frame: &Frame, groups: &[FactGroup]) -> Markup {
    let content = html! {
        h1 { "Diagnostics" }
        @for group in groups {
            h2 { (group.title) }
            dl.facts {
                @for fact in &group.facts {
                    dt { (fact.name) }
                    dd { (fact.value) @if let Some(advice) = &fact.advice { " " (badge("warn", "Warning")) small { (advice) } } }
                }
            }
        }
        h2 { "Support text" }
        p.lead { "The same as text, for a support request. It contains no secrets." }
        pre data-copy="the support text" { (text(groups)) }
    };
    page(frame, Section::Diagnostics, "Diagnostics", &content)
}

fn text(groups: &[FactGroup]) -> String {
    let line = |fact: &Fact| format!("{}: {}\n", fact.name, fact.value);
    let group = |group: &FactGroup| {
        format!(
            "{}\n{}",
            group.title,
            group.facts.iter().map(line).collect::<String>()
        )
    };
    groups.iter().map(group).collect::<Vec<_>>().join("\n")
}
