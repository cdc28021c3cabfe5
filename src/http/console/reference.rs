//! The reference of the JSON API, rendered from `openapi.json`.

use serde_json::Value;

use super::{Answer, frame, outside, show, signed_in};
use crate::html::layout::Visitor;
use crate::html::reference::{self, Call, Part, Subject};
use crate::http::context::RequestContext;
use crate::model::error::Error;
use crate::wire::OPENAPI;

/// `GET /api`, for users and visitors.
pub fn read(context: &RequestContext<'_>) -> Answer {
    let document = serde_json::from_str(OPENAPI)
        .map_err(|error| Error::Fault(format!("openapi.json: {error}")))?;
    let subjects = subjects(&document);
    match signed_in(context)? {
        Some(caller) => show(reference::show(
            Visitor::SignedIn(&frame(context, &caller)),
            &subjects,
        )),
        None => show(reference::show(
            Visitor::Outside(&outside(context, "")),
            &subjects,
        )),
    }
}

/// The operations by subject, sorted by path.
fn subjects(document: &Value) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = Vec::new();
    for (path, methods) in entries(&document["paths"]) {
        let calls = entries(methods).filter(|(_, call)| call["operationId"].is_string());
        for (method, call) in calls {
            let name = text(&call["tags"][0]);
            let call = read_call(document, path, method, &methods["parameters"], call);
            match subjects.iter_mut().find(|subject| subject.name == name) {
                Some(subject) => subject.calls.push(call),
                None => subjects.push(Subject {
                    name,
                    calls: vec![call],
                }),
            }
        }
    }
    subjects
}

fn read_call(document: &Value, path: &str, method: &str, shared: &Value, call: &Value) -> Call {
    let parameters = items(shared).chain(items(&call["parameters"]));
    let good = entries(&call["responses"]).find(|(status, _)| status.starts_with('2'));
    Call {
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: text(&call["summary"]),
        // Backticks are Markdown.
        description: text(&call["description"]).replace('`', ""),
        parameters: parameters
            .map(|parameter| resolve(document, parameter))
            .map(|parameter| Part {
                name: text(&parameter["name"]),
                description: description_of(parameter, &parameter["schema"]),
                is_required: parameter["required"] == true,
            })
            .collect(),
        body: fields(document, &call["requestBody"]["content"]),
        answer: good
            .map(|(_, answer)| fields(document, &resolve(document, answer)["content"]))
            .into_iter()
            .flatten()
            // Every answer has it, so it is left out.
            .map(|part| Part {
                is_required: false,
                ..part
            })
            .collect(),
    }
}

/// The fields of a body, of its first media type; for a list, of its items.
fn fields(document: &Value, content: &Value) -> Vec<Part> {
    let Some((_, media)) = entries(content).next() else {
        return Vec::new();
    };
    let mut schema = resolve(document, &media["schema"]);
    let listed = [
        &schema["items"],
        &resolve(document, &schema["properties"]["items"])["items"],
    ];
    if let Some(items) = listed.into_iter().find(|items| items.is_object()) {
        schema = resolve(document, items);
    }
    let required: Vec<String> = items(&schema["required"]).map(text).collect();
    entries(&schema["properties"])
        .map(|(name, property)| Part {
            name: name.clone(),
            description: description_of(property, resolve(document, property)),
            is_required: required.contains(name),
        })
        .collect()
}

/// The description of a part, or else its type.
fn description_of(part: &Value, schema: &Value) -> String {
    let said = text(&part["description"]);
    if !said.is_empty() {
        return said.replace('`', "");
    }
    match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(some) => some.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

/// The target of a `$ref` (RFC 6901); other values are returned as they are.
fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    value["$ref"]
        .as_str()
        .and_then(|path| document.pointer(path.strip_prefix('#')?))
        .unwrap_or(value)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_listed_with_its_fields() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let subjects = subjects(&document);
        let calls: Vec<&Call> = subjects.iter().flat_map(|one| &one.calls).collect();
        assert_eq!(
            calls.len(),
            OPENAPI.matches("\"operationId\"").count(),
            "none is left out"
        );
        for call in &calls {
            assert!(!call.summary.is_empty(), "{} {}", call.method, call.path);
        }
        let is_make = |call: &&&Call| call.method == "POST" && call.path == "/api/v1/api-keys";
        let make = calls.iter().find(is_make).unwrap();
        let names = |parts: &[Part]| -> Vec<String> {
            parts.iter().map(|part| part.name.clone()).collect()
        };
        assert!(names(&make.body).contains(&"allowed_addresses".to_owned()));
        assert!(names(&make.answer).contains(&"secret".to_owned()));
        assert_eq!(names(&make.parameters), ["Idempotency-Key"]);
        let is_list = |call: &&&Call| call.method == "GET" && call.path == "/api/v1/api-keys";
        let list = calls.iter().find(is_list).unwrap();
        assert!(
            names(&list.answer).contains(&"created_by".to_owned()),
            "{:?}",
            list.answer
        );
    }
}
