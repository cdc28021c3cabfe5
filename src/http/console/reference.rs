//! The reference of the JSON API: reads `openapi.json` for people.

use serde_json::Value;

use super::{Answer, frame, outside, page_response, query, signed_in};
use crate::html::layout::Visitor;
use crate::html::reference::{
    Operation, Reference, ReferenceField, ReferenceSubject, reference_page,
};
use crate::http::context::RequestContext;
use crate::model::error::Error;
use crate::wire::OPENAPI;

/// The address in the commands of `openapi.json`.
const EXAMPLE_SERVER: &str = "https://keys.lab.example";
/// So many values of an enumeration are listed.
const VALUES_MAX: usize = 8;

/// `GET /api`, signed in or not.
pub fn read(context: &RequestContext<'_>) -> Answer {
    let document = serde_json::from_str(OPENAPI)
        .map_err(|error| Error::Fault(format!("openapi.json: {error}")))?;
    let server = &context.server_state.settings.public_url;
    let search = query(context, "q").unwrap_or_default();
    let mut subjects = read_subjects(&document, server);
    retain_matches(&mut subjects, &search);
    let reference = Reference {
        server,
        search: search.trim(),
        subjects: &subjects,
    };
    match signed_in(context)? {
        Some(caller) => page_response(reference_page(
            Visitor::SignedIn(&frame(context, &caller)),
            &reference,
        )),
        None => page_response(reference_page(
            Visitor::Outside(&outside(context, "")),
            &reference,
        )),
    }
}

/// Keeps the operations that have every word of `search` in their names, paths or fields.
fn retain_matches(subjects: &mut Vec<ReferenceSubject>, search: &str) {
    let search = search.to_lowercase();
    let words: Vec<&str> = search.split_whitespace().collect();
    for subject in subjects.iter_mut() {
        let name = &subject.name;
        subject.operations.retain(|operation| {
            let fields = operation.parameters.iter().chain(&operation.body);
            let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
            let text = format!(
                "{name} {} {} {} {} {} {}",
                operation.id,
                operation.method,
                operation.path,
                operation.summary,
                operation.description,
                fields.join(" ")
            )
            .to_lowercase();
            words.iter().all(|word| text.contains(word))
        });
    }
    subjects.retain(|subject| !subject.operations.is_empty());
}

/// The operations by subject, both in the order of reading.
fn read_subjects(document: &Value, server: &str) -> Vec<ReferenceSubject> {
    let read = |tag: &Value| ReferenceSubject {
        name: text(&tag["name"]),
        description: text(&tag["description"]),
        operations: read_operations(document, &tag["name"], server),
    };
    items(&document["tags"]).map(read).collect()
}

fn read_operations(document: &Value, tag: &Value, server: &str) -> Vec<Operation> {
    const METHODS: [&str; 7] = ["get", "post", "patch", "put", "delete", "head", "options"];
    let mut found = Vec::new();
    for (path, methods) in entries(&document["paths"]) {
        for method in METHODS {
            let operation = &methods[method];
            if operation["tags"][0] == *tag {
                found.push(read_operation(
                    document,
                    path,
                    method,
                    &methods["parameters"],
                    operation,
                    server,
                ));
            }
        }
    }
    found
}

fn read_operation(
    document: &Value,
    path: &str,
    method: &str,
    shared: &Value,
    operation: &Value,
    server: &str,
) -> Operation {
    let parameters = items(shared).chain(items(&operation["parameters"]));
    let success = entries(&operation["responses"]).find(|(status, _)| status.starts_with('2'));
    let mut parameters: Vec<ReferenceField> = parameters
        .map(|parameter| resolve(document, parameter))
        .map(|parameter| ReferenceField {
            name: text(&parameter["name"]),
            kind: type_name(document, &parameter["schema"]),
            description: describe(parameter, resolve(document, &parameter["schema"])),
            is_required: parameter["required"] == true,
        })
        .collect();
    required_first(&mut parameters);
    let mut answer = success.map_or_else(Vec::new, |(_, answer)| {
        read_fields(document, &resolve(document, answer)["content"])
    });
    // The mark would be on nearly every field of an answer.
    for field in &mut answer {
        field.is_required = false;
    }
    let errors = entries(&operation["responses"]).filter(|(status, _)| !status.starts_with('2'));
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        // The backticks are Markdown's.
        description: text(&operation["description"]).replace('`', ""),
        command: text(&operation["x-codeSamples"][0]["source"]).replace(EXAMPLE_SERVER, server),
        parameters,
        body: read_fields(document, &operation["requestBody"]["content"]),
        answer,
        errors: errors.map(|(status, _)| status.clone()).collect(),
    }
}

/// The fields of the first media type; of a list, those of its items. Required ones come first.
fn read_fields(document: &Value, content: &Value) -> Vec<ReferenceField> {
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
    let mut fields: Vec<ReferenceField> = entries(&schema["properties"])
        .map(|(name, property)| ReferenceField {
            name: name.clone(),
            kind: type_name(document, property),
            description: describe(property, resolve(document, property)),
            is_required: required.contains(name),
        })
        .collect();
    required_first(&mut fields);
    fields
}

fn required_first(fields: &mut [ReferenceField]) {
    fields.sort_by_key(|field| !field.is_required);
}

/// The type of a schema in words: `string or null`, `list of strings`, the name of an object.
fn type_name(document: &Value, schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let target = resolve(document, schema);
        return if target["type"] == "object" {
            name.to_owned()
        } else {
            type_name(document, target)
        };
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    let values: Vec<String> = items(&schema["enum"]).map(Value::to_string).collect();
    if !values.is_empty() && values.len() <= VALUES_MAX {
        return values.join(", ");
    }
    let of_one = |kind: &str| match kind {
        "array" => format!("list of {}", type_name(document, &schema["items"])),
        other => other.to_owned(),
    };
    let mut names: Vec<String> = match &schema["type"] {
        Value::String(kind) => vec![of_one(kind)],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).map(of_one).collect(),
        _ => items(&schema["anyOf"])
            .map(|one| type_name(document, one))
            .collect(),
    };
    names.dedup();
    names.join(" or ")
}

/// The description of a field, or else of its schema.
fn describe(field: &Value, schema: &Value) -> String {
    let own = text(&field["description"]);
    let described = if own.is_empty() {
        text(&schema["description"])
    } else {
        own
    };
    described.replace('`', "")
}

/// The target of a `$ref` (RFC 6901), or the value itself.
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

    fn all() -> Vec<ReferenceSubject> {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        read_subjects(&document, "http://127.0.0.1:8420")
    }

    fn names(fields: &[ReferenceField]) -> Vec<String> {
        fields.iter().map(|field| field.name.clone()).collect()
    }

    #[test]
    fn every_operation_is_listed_with_its_fields() {
        let subjects = all();
        let operations: Vec<&Operation> = subjects.iter().flat_map(|one| &one.operations).collect();
        assert_eq!(
            operations.len(),
            OPENAPI.matches("\"operationId\"").count(),
            "an operation has a tag that is not in `tags`"
        );
        for operation in &operations {
            let place = format!("{} {}", operation.method, operation.path);
            assert!(!operation.summary.is_empty(), "{place}");
            let server = "curl http://127.0.0.1:8420/";
            let command = operation.command.replace("-X ", "").replace("--head ", "");
            let command = command.replace(&format!("curl {} ", operation.method), "curl ");
            assert!(command.starts_with(server), "{place}: {command}");
            let fields = operation.body.iter().chain(&operation.answer);
            for field in fields.chain(&operation.parameters) {
                assert!(!field.kind.is_empty(), "{place}: {}", field.name);
            }
        }
        let find = |id: &str| *operations.iter().find(|one| one.id == id).unwrap();
        let create = find("createApiKey");
        assert_eq!(create.body[0].name, "name", "required fields come first");
        assert!(create.body[0].is_required);
        assert!(names(&create.body).contains(&"allowed_addresses".to_owned()));
        assert!(names(&create.answer).contains(&"secret".to_owned()));
        assert_eq!(names(&create.parameters), ["Idempotency-Key"]);
        assert!(names(&find("listApiKeys").answer).contains(&"created_by".to_owned()));
    }

    #[test]
    fn reference_names_types_in_words() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let field = |schema: &str, name: &str| {
            let schema = &document["components"]["schemas"][schema]["properties"][name];
            type_name(&document, schema)
        };
        assert_eq!(field("ApiKey", "note"), "string or null");
        assert_eq!(field("ApiKey", "permissions"), "list of string");
        assert_eq!(field("ApiKey", "creator"), "Creator or null");
        assert_eq!(field("User", "role"), "\"member\", \"admin\"");
        assert_eq!(field("Rotation", "grace"), "string or UntilUnused");
    }

    #[test]
    fn search_needs_every_word() {
        let find = |search: &str| {
            let mut subjects = all();
            retain_matches(&mut subjects, search);
            let operations = subjects.into_iter().flat_map(|one| one.operations);
            operations.map(|one| one.id).collect::<Vec<_>>()
        };
        assert_eq!(find("rotate GRACE service"), ["rotateServiceApiKey"]);
        assert!(find("").len() > 90);
        assert!(find("until_nothing").is_empty());
    }
}
