//! JSON on standard output: an answer of the API, or with `--field NAME` one value of it, so that scripts need no JSON
//! parser.

use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{OutputArguments, line};
use crate::terminal::exit::{FAILED, Failure, INVALID, USAGE};

/// The name after `--field`.
pub fn parse_field(name: &str) -> Result<String, &'static str> {
    match name {
        "" => Err("--field needs the name of a field"),
        name => Ok(name.to_owned()),
    }
}

impl OutputArguments {
    /// Prints the JSON of an answer, or with `--field` its value: for a list, one line for each item.
    pub fn print_json(&self, json: &str) -> Result<(), Failure> {
        self.print_json_by(json, line)
    }

    /// The same with a value that has no JSON yet.
    pub fn print_value(&self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value)
            .map_err(|error| Failure::new(FAILED, error.to_string()))?;
        self.print_json(&Zeroizing::new(json))
    }

    /// The same with another way to print a line.
    pub fn print_json_by(
        &self,
        json: &str,
        print: impl Fn(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(name) = &self.field else {
            return print(json);
        };
        let value: Value = serde_json::from_str(json).map_err(|_| no_fields())?;
        let print_one =
            |value: &Value| print(&Zeroizing::new(field_text(require_field(value, name)?)));
        match value.get("items").and_then(Value::as_array) {
            Some(items) => items.iter().try_for_each(print_one),
            None => print_one(&value),
        }
    }

    /// Rejects `--field` for a command that prints no JSON.
    pub fn reject_field(&self) -> Result<(), Failure> {
        self.field.as_ref().map_or(Ok(()), |_| Err(no_fields()))
    }
}

fn no_fields() -> Failure {
    Failure::new(USAGE, "this command prints no fields")
}

fn require_field<'v>(value: &'v Value, name: &str) -> Result<&'v Value, Failure> {
    find_field(value, name).ok_or_else(|| {
        let names = value.as_object().map_or_else(String::new, |members| {
            members.keys().cloned().collect::<Vec<_>>().join(", ")
        });
        Failure::new(INVALID, format!("the answer has no field {name}"))
            .hint(format!("one of: {names}"))
    })
}

/// `name`, or `target.name` for one within another.
fn find_field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    name.split('.')
        .try_fold(value, |value, part| value.get(part))
}

/// Texts and numbers unchanged, nothing for null, lists of words separated by spaces.
fn field_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(field_text).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_plain() {
        let value = serde_json::json!({"a": "x y", "n": 3, "none": null, "list": ["p", "q"], "in": {"b": true}});
        let shown = |name: &str| find_field(&value, name).map(field_text);
        assert_eq!(shown("a").as_deref(), Some("x y"));
        assert_eq!(shown("n").as_deref(), Some("3"));
        assert_eq!(shown("none").as_deref(), Some(""));
        assert_eq!(shown("list").as_deref(), Some("p q"));
        assert_eq!(shown("in.b").as_deref(), Some("true"));
        assert_eq!(shown("in.c"), None);
    }
}
