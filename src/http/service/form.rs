//! Forms of OAuth requests.

use std::borrow::Cow;

use crate::model::error::Error;

/// Names and values in order.
pub type FormFields<'a> = [(Cow<'a, str>, Cow<'a, str>)];

/// Parses a form; values without escapes are not copied.
pub fn read(bytes: &[u8]) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(bytes).collect()
}

/// The single value of a parameter; OAuth forbids repetition (RFC 6749, 3.1).
pub fn single_value<'a>(form: &'a FormFields<'_>, name: &str) -> Result<Option<&'a str>, Error> {
    let mut values = form
        .iter()
        .filter(|(one, _)| one == name)
        .map(|(_, value)| value.as_ref());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Error::field(name, "set this once")),
    }
}
