//! Request bodies: bounded by the transport, read completely, parsed strictly.

use std::io::Read;

use serde::de::DeserializeOwned;

use super::context::RequestContext;
use super::problem::Problem;
use super::query;
use crate::model::error::{Error, FieldError};
use crate::model::text::sanitize;

/// Initial size of the buffer: enough for most bodies.
const USUAL_BYTES: usize = 512;

/// A body as bytes.
pub fn bytes(context: &RequestContext<'_>) -> Result<Vec<u8>, Problem> {
    let mut data = context.request.data().ok_or(Problem::BodyTooLong)?;
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    data.read_to_end(&mut bytes)
        .map_err(|error| Error::Fault(format!("a body could not be read: {error}")))?;
    Ok(bytes)
}

/// A JSON object. An empty body without `Content-Type` is `{}`. The query has to be empty.
pub fn json<T: DeserializeOwned>(context: &RequestContext<'_>) -> Result<T, Problem> {
    json_with_bytes(context).map(|(value, _)| value)
}

/// A JSON list, by the same rules.
pub fn json_list<T: DeserializeOwned>(context: &RequestContext<'_>) -> Result<Vec<T>, Problem> {
    let bytes = bytes(context)?;
    match context.request.header("Content-Type") {
        Some(kind) if is_type(kind, "application/json") => {}
        Some(_) | None => return Err(Problem::MediaType("application/json")),
    }
    let value = parse_as(&bytes, b"[", "the body must be a JSON list")?;
    query::reject_parameters(context)?;
    Ok(value)
}

/// As [`json`], also returning the bytes.
pub fn json_with_bytes<T: DeserializeOwned>(
    context: &RequestContext<'_>,
) -> Result<(T, Vec<u8>), Problem> {
    let bytes = bytes(context)?;
    let content_type = context.request.header("Content-Type");
    let text: &[u8] = match content_type {
        None if bytes.is_empty() => b"{}",
        Some(kind) if is_type(kind, "application/json") => &bytes,
        Some(_) | None => return Err(Problem::MediaType("application/json")),
    };
    let value = parse(text)?;
    query::reject_parameters(context)?;
    Ok((value, bytes))
}

/// The bytes of a form (`application/x-www-form-urlencoded`).
pub fn form(context: &RequestContext<'_>) -> Result<Vec<u8>, Problem> {
    form_bytes_beside(context, "")
}

/// The fields of a form whose URL may have exactly this query, in order.
pub fn form_beside(
    context: &RequestContext<'_>,
    query: &str,
) -> Result<Vec<(String, String)>, Problem> {
    let bytes = form_bytes_beside(context, query)?;
    Ok(form_urlencoded::parse(&bytes)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect())
}

fn form_bytes_beside(context: &RequestContext<'_>, query: &str) -> Result<Vec<u8>, Problem> {
    let bytes = bytes(context)?;
    match context.request.header("Content-Type") {
        None if bytes.is_empty() => {}
        Some(kind) if is_type(kind, "application/x-www-form-urlencoded") => {}
        Some(_) | None => return Err(Problem::MediaType("application/x-www-form-urlencoded")),
    }
    if context.request.raw_query_string() != query {
        query::reject_parameters(context)?;
    }
    Ok(bytes)
}

/// Returns whether a `Content-Type` is `wanted`, in UTF-8 if it names a character set (RFC 9110, 8.3.1).
fn is_type(content_type: &str, wanted: &str) -> bool {
    if content_type == wanted {
        return true;
    }
    let mut parts = content_type.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))
    {
        return false;
    }
    parts
        .filter(|part| !part.is_empty())
        .all(|part| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            Some(_) => true,
            None => false,
        })
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    parse_as(text, b"{", "the body must be a JSON object")
}

fn parse_as<T: DeserializeOwned>(
    text: &[u8],
    begins_with: &[u8],
    form: &'static str,
) -> Result<T, Problem> {
    // First without the types, so that "not JSON" is never reported as "wrong JSON".
    serde_json::from_slice::<serde::de::IgnoredAny>(text).map_err(|_| Problem::NotJson)?;
    if std::str::from_utf8(text).is_err() {
        return Err(Problem::NotJson);
    }
    if !text.trim_ascii_start().starts_with(begins_with) {
        return Err(Error::Invalid(vec![FieldError::new("", form)]).into());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        Error::Invalid(vec![field_error(&path, &message)]).into()
    })
}

/// Rewords serde's error: its text can quote the request, which may contain a secret.
fn field_error(path: &str, message: &str) -> FieldError {
    let quoted = |prefix: &str| {
        message
            .strip_prefix(prefix)
            .and_then(|rest| rest.split('`').next())
            .map(|name| sanitize(name, 64))
    };
    if let Some(field) = quoted("unknown field `") {
        return FieldError::new(&field, "unknown field");
    }
    if let Some(field) = quoted("missing field `") {
        return FieldError::new(&field, "this is needed");
    }
    if let Some(field) = quoted("duplicate field `") {
        return FieldError::new(&field, "set this once");
    }
    let expected = message
        .rsplit_once(", expected ")
        .map(|(_, rest)| rest.split(" at line ").next().unwrap_or(rest));
    let path = if path == "." { "" } else { path };
    // serde's terms, in everyday words.
    let expected = expected.map(|word| match word {
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        word if word.starts_with("struct") => "an object",
        word => word,
    });
    match expected {
        Some(expected)
            if expected
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || " _-".contains(c)) =>
        {
            FieldError::new(path, format!("this has the wrong type: send {expected}"))
        }
        _ => FieldError::new(path, "this has the wrong type or a value out of range"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ApiKeyIn, ApiKeyPatch};

    fn fault<T: DeserializeOwned>(text: &str) -> Option<(String, String)> {
        match parse::<T>(text.as_bytes()) {
            Err(Problem::App(Error::Invalid(errors))) => errors
                .into_iter()
                .next()
                .map(|error| (error.field, error.message)),
            _ => None,
        }
    }

    #[test]
    fn not_json_is_distinguished_from_wrong_json() {
        for bad in [
            "",
            "{",
            "nonsense",
            "{\"a\":1}x",
            "\u{0}",
            "{\"name\": \"\\ud800\"}x",
        ] {
            assert!(
                matches!(parse::<ApiKeyIn>(bad.as_bytes()), Err(Problem::NotJson)),
                "{bad:?}"
            );
        }
        for (wrong, field) in [
            ("[]", ""),
            ("5", ""),
            ("{\"name\": 5}", "name"),
            ("{\"nam\": \"x\"}", "nam"),
            ("{\"permissions\": [1]}", "permissions[0]"),
            ("{\"name\":\"a\",\"name\":\"b\"}", "name"),
        ] {
            assert_eq!(
                fault::<ApiKeyIn>(wrong).map(|(field, _)| field).as_deref(),
                Some(field),
                "{wrong}"
            );
        }
    }

    #[test]
    fn field_error_never_quotes_the_request() {
        let (_, message) = fault::<ApiKeyIn>("{\"permissions\": \"kca_secretsecret\"}").unwrap();
        assert_eq!(message, "this has the wrong type: send a list");
    }

    #[test]
    fn null_in_a_patch_differs_from_absent() {
        let patch: ApiKeyPatch = parse(b"{\"note\": null}").unwrap();
        assert_eq!(patch.note, Some(None));
        assert_eq!(patch.expires_at, None);
    }

    #[test]
    fn content_type_is_compared_without_parameters() {
        assert!(is_type("application/json", "application/json"));
        assert!(is_type(
            "Application/JSON; charset=\"UTF-8\"",
            "application/json"
        ));
        assert!(!is_type(
            "application/json; charset=latin1",
            "application/json"
        ));
        assert!(!is_type("application/jsonx", "application/json"));
        assert!(!is_type("text/plain", "application/json"));
    }
}
