//! `--field NAME`: one value of the answer of the API, so that scripts need no JSON parser.
//!
//! The command runs again in a new process with `--json` in place of `--field`. So it works for every command with
//! `--json`, and prints exactly the same value.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use serde_json::Value;
use zeroize::Zeroizing;

use crate::terminal::exit::{FAILED, Failure, INVALID, USAGE};
use crate::terminal::output;

const FLAG: &str = "--field";

/// Runs the command when `--field` is among its arguments, and returns its result.
pub fn run_if_requested(arguments: &[OsString]) -> Option<Result<(), Failure>> {
    let (name, rest) = match take_field_flag(arguments)? {
        Ok(taken) => taken,
        Err(failure) => return Some(Err(failure)),
    };
    Some(run_with_field(&name, &rest))
}

/// The name after `--field`, and the other arguments with `--json`. Arguments after `--` are not flags.
fn take_field_flag(arguments: &[OsString]) -> Option<Result<(String, Vec<OsString>), Failure>> {
    let end = arguments.iter().position(|one| one == "--");
    let (flags, behind) = arguments.split_at(end.unwrap_or(arguments.len()));
    let place = flags.iter().position(|one| {
        one.to_str()
            .is_some_and(|one| one == FLAG || one.starts_with("--field="))
    })?;
    let written = flags[place].to_string_lossy();
    let (name, used) = match written.split_once('=') {
        Some((_, name)) => (Some(name.to_owned()), 1),
        None => (flags.get(place + 1)?.to_str().map(str::to_owned), 2),
    };
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Some(Err(Failure::new(
            USAGE,
            "--field needs the name of a field",
        )));
    };
    let mut rest: Vec<OsString> = flags[1..place].to_vec();
    rest.extend_from_slice(&flags[place + used..]);
    if rest.iter().all(|one| one != "--json") {
        rest.push("--json".into());
    }
    rest.extend_from_slice(behind);
    Some(Ok((name, rest)))
}

fn run_with_field(name: &str, arguments: &[OsString]) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::new(FAILED, format!("this program: {error}"));
    let done = Command::new(std::env::current_exe().map_err(fail)?)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(fail)?;
    let message = Zeroizing::new(done.stdout);
    if !done.status.success() {
        let code = done.status.code().and_then(|code| u8::try_from(code).ok());
        return Err(Failure::quiet(code.unwrap_or(FAILED)));
    }
    // A list prints one value, an export one a line, and some commands none.
    for value in serde_json::Deserializer::from_slice(&message).into_iter::<Value>() {
        let value = value.map_err(|_| Failure::new(USAGE, "this command prints no fields"))?;
        match value.get("items").and_then(Value::as_array) {
            Some(items) => items.iter().try_for_each(|item| print_field(item, name))?,
            None => print_field(&value, name)?,
        }
    }
    Ok(())
}

fn print_field(value: &Value, name: &str) -> Result<(), Failure> {
    let Some(found) = find_field(value, name) else {
        let names = value.as_object().map_or_else(String::new, |members| {
            members.keys().cloned().collect::<Vec<_>>().join(", ")
        });
        return Err(
            Failure::new(INVALID, format!("the answer has no field {name}"))
                .hint(format!("one of: {names}")),
        );
    };
    output::line(&field_text(found))
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

    fn taken(line: &str) -> Option<(String, String)> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let (name, rest) = take_field_flag(&arguments)?.ok()?;
        let rest: Vec<&str> = rest.iter().map(|one| one.to_str().unwrap()).collect();
        Some((name, rest.join(" ")))
    }

    #[test]
    fn field_flag_is_found_only_before_the_end_of_flags() {
        let some = |name: &str, rest: &str| Some((name.to_owned(), rest.to_owned()));
        let with = taken("keycroft whoami --field id");
        assert_eq!(with, some("id", "whoami --json"));
        let with = taken("keycroft --field=target.id event list --json");
        assert_eq!(with, some("target.id", "event list --json"));
        let with = taken("keycroft token create --field id -- --field");
        assert_eq!(with, some("id", "token create --json -- --field"));
        assert_eq!(taken("keycroft whoami"), None);
        assert_eq!(taken("keycroft authorized-keys -- --field x"), None);
        assert_eq!(taken("keycroft whoami --field"), None);
    }

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
