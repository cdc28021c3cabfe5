//! The reference of the JSON API: the content of `openapi.json` for people.

use maud::{Markup, html};

use super::layout::{Visitor, either};

/// Operations about one subject.
#[derive(Debug, Clone)]
pub struct ReferenceSubject {
    pub name: String,
    pub description: String,
    pub operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    /// The required permission, as a sentence.
    pub description: String,
    /// A command that can be pasted, with the address of this server.
    pub command: String,
    pub parameters: Vec<ReferenceField>,
    pub body: Vec<ReferenceField>,
    /// Fields of a successful answer.
    pub answer: Vec<ReferenceField>,
    /// Statuses of errors.
    pub errors: Vec<String>,
}

/// One parameter, or one field of a body or an answer.
#[derive(Debug, Clone)]
pub struct ReferenceField {
    pub name: String,
    pub kind: String,
    pub description: String,
    pub is_required: bool,
}

/// The subjects of `/api` and the search that selected them.
#[derive(Debug, Clone)]
pub struct Reference<'a> {
    /// Address of this server.
    pub server: &'a str,
    pub search: &'a str,
    pub subjects: &'a [ReferenceSubject],
}

/// Details of so few results are open.
const OPEN_MAX: usize = 3;

/// `/api`.
pub fn reference_page(visitor: Visitor<'_>, reference: &Reference<'_>) -> Markup {
    let count: usize = reference
        .subjects
        .iter()
        .map(|subject| subject.operations.len())
        .sum();
    let is_search = !reference.search.is_empty();
    let content = html! {
        h1 { "JSON API" }
        p.lead { "Programs can do everything that the console can. Machine-readable: " a href="/openapi.json" { "openapi.json" } "." }
        pre data-copy="the command" { "curl " (reference.server) "/api/v1/me -H \"Authorization: Bearer $KEYCROFT_TOKEN\"" }
        p { "The examples read an API key or a token from " code { "KEYCROFT_TOKEN" } ". Rules for all operations: JSON in UTF-8, times in UTC, "
            "lists with " code { "limit" } " and " code { "after" } ", errors as " code { "application/problem+json" } "." }
        form.bar role="search" method="get" action="/api" {
            .f { label { "Search" input type="search" name="q" value=(reference.search); } }
            button { "Search" }
            @if is_search { a href="/api" { "Show all" } }
        }
        @if is_search {
            p role="status" { (count) " " (if count == 1 { "operation" } else { "operations" }) " for “" (reference.search) "”." }
        } @else {
            p { @for (number, subject) in reference.subjects.iter().enumerate() {
                @if number > 0 { " · " }
                a href={ "#" (anchor(&subject.name)) } { (subject.name) }
            } }
        }
        @for subject in reference.subjects {
            h2 id=(anchor(&subject.name)) { (subject.name) }
            p { (subject.description) }
            @for operation in &subject.operations { (details(operation, is_search && count <= OPEN_MAX)) }
        }
    };
    either(visitor, "JSON API", &content)
}

/// The name of a subject as a fragment of an address.
fn anchor(name: &str) -> String {
    let word = |character: char| {
        if character.is_ascii_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    name.chars().map(word).collect()
}

fn details(operation: &Operation, is_open: bool) -> Markup {
    html! {
        details #(operation.id) open[is_open] {
            summary { (operation.summary) small { code { (operation.method) " " (operation.path) } } }
            @if !operation.description.is_empty() { p { (operation.description) } }
            pre data-copy="the command" { (operation.command) }
            (fields("Parameters", &operation.parameters))
            (fields("Body", &operation.body))
            (fields("Answer", &operation.answer))
            @if !operation.errors.is_empty() { p { b { "Errors" } " " (operation.errors.join(", ")) } }
            p { small { "Operation " code { (operation.id) } } }
        }
    }
}

fn fields(title: &str, fields: &[ReferenceField]) -> Markup {
    html! {
        @if !fields.is_empty() {
            p { b { (title) } }
            dl.facts {
                @for field in fields {
                    dt { code { (field.name) } small { (field.kind) } }
                    dd { @if field.is_required { b { "Required" } " " } (field.description) }
                }
            }
        }
    }
}
