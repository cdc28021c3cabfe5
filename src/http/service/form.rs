//! Forms as OAuth sends them.

use crate::model::error::Error;

/// Names and values in order.
pub type Form = [(String, String)];

/// The one value of a parameter; OAuth says that none may be given twice (RFC 6749, 3.1).
///
/// # Errors
/// [`Error::Invalid`] when it is.
pub fn only(form: &Form, name: &str) -> Result<Option<String>, Error> {
    let mut values = form
        .iter()
        .filter(|(one, _)| one == name)
        .map(|(_, value)| value.clone());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Error::field(name, "give this once")),
    }
}
