//! The reference of the JSON API, from `openapi.json`.

use maud::{Markup, html};

use super::layout::{Visitor, either};

/// The operations on one subject.
#[derive(Debug, Clone)]
pub struct Subject {
    pub name: String,
    pub calls: Vec<Call>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub summary: String,
    /// Details, such as the required permission.
    pub description: String,
    /// Parameters of the query, and headers.
    pub parameters: Vec<Part>,
    /// The fields of the body.
    pub body: Vec<Part>,
    /// The fields of a successful answer.
    pub answer: Vec<Part>,
}

/// One parameter, or one field of a body or an answer.
#[derive(Debug, Clone)]
pub struct Part {
    pub name: String,
    pub description: String,
    pub is_required: bool,
}

/// `/api`.
pub fn show(visitor: Visitor<'_>, subjects: &[Subject]) -> Markup {
    let content = html! {
        h1 { "The JSON API" }
        p.lead { "Everything that these pages can do, for programs. The same for machines: " a href="/openapi.json" { "openapi.json" } "." }
        pre { "curl -H \"Authorization: Bearer $KEYCROFT_TOKEN\" …/api/v1/me" }
        @for subject in subjects {
            h2 { (subject.name) }
            @for call in &subject.calls { (one(call)) }
        }
    };
    either(visitor, "The JSON API", &content)
}

fn one(call: &Call) -> Markup {
    html! {
        details {
            summary { code { (call.method) " " (call.path) } " " small { (call.summary) } }
            @if !call.description.is_empty() { p { (call.description) } }
            (parts("Parameters", &call.parameters))
            (parts("Body", &call.body))
            (parts("Answer", &call.answer))
        }
    }
}

fn parts(title: &str, parts: &[Part]) -> Markup {
    html! {
        @if !parts.is_empty() {
            p { b { (title) } }
            dl.facts {
                @for part in parts {
                    dt { code { (part.name) } }
                    dd { @if part.is_required { "Required. " } (part.description) }
                }
            }
        }
    }
}
