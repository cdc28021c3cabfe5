//! Conversion of forms to the shapes of the JSON API, so that both interfaces parse by the same rules.

use super::{STEP_UP, require_same_origin};
use crate::html::form::Input;
use crate::html::permission::{self, Presets};
use crate::http::body;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::error::Error;
use crate::model::permission::Permissions;

/// Reads a form of the console.
pub fn read(context: &RequestContext<'_>) -> Result<Input, Problem> {
    require_same_origin(context)?;
    Ok(Input {
        values: body::form_beside(context, STEP_UP)?,
        errors: Vec::new(),
    })
}

/// A field that may be empty.
pub fn filled(input: &Input, name: &str) -> Option<String> {
    input
        .value(name)
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

/// The expiration in a form: `expires_in`, or with `custom` the field for an exact time, in UTC.
pub fn end(input: &Input) -> Result<(Option<String>, Option<String>), Error> {
    match filled(input, "expires_in").as_deref() {
        Some("custom") => {
            let at = filled(input, "expires_at")
                .ok_or_else(|| Error::field("expires_at", "choose a date and a time"))?;
            Ok((None, Some(utc(&at))))
        }
        other => Ok((other.map(str::to_owned), None)),
    }
}

/// The value of a `datetime-local` field, as RFC 3339.
pub fn utc(text: &str) -> String {
    match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

/// The entries of a list, separated by lines, commas or spaces.
pub fn entries(input: &Input, name: &str) -> Vec<String> {
    let text = input.value(name).unwrap_or_default();
    text.split(|c: char| c.is_whitespace() || c == ',')
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The names of the chosen permissions.
pub fn permissions(
    input: &Input,
    offered: &Permissions,
    presets: Presets,
) -> Result<Vec<String>, Error> {
    let chosen = permission::chosen(input, offered, presets)
        .map_err(|message| Error::field("permissions", message))?;
    Ok(chosen.words().map(str::to_owned).collect())
}

/// Returns whether a button that fills rows of permissions was pressed, with the rows filled.
pub fn is_filled(input: &mut Input, offered: &Permissions) -> bool {
    permission::fill(input, offered);
    input.value(permission::FILL).is_some()
}
