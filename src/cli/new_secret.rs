//! Requests whose answer has a secret.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::client::Client;
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::Out;

/// Sends `body`, and writes the secret of the answer alone to its destination. Returns the answer without its secret for
/// notes on standard error, or `None` when it was printed as JSON: with the secret, unless a file has it.
///
/// `take` takes the secret out of the answer; without one, nothing is written. `lost` is the remedy if it can't be written.
pub fn post_for_secret<T: DeserializeOwned + Serialize>(
    client: &Client,
    out: &Out,
    path: &str,
    body: &impl Serialize,
    take: impl FnOnce(&mut T) -> Result<Option<String>, Failure>,
    lost: impl FnOnce(&T) -> String,
) -> Result<Option<T>, Failure> {
    // Before the secret is created, so that none is lost.
    let place = out.open()?;
    let requested = client.post(path, body).and_then(|answer| {
        let mut parsed: T = answer.parse()?;
        let secret = take(&mut parsed)?.map(Zeroizing::new);
        Ok((answer, parsed, secret))
    });
    let (answer, parsed, secret) = match requested {
        Ok(created) => created,
        Err(failure) => {
            place.forget();
            return Err(failure);
        }
    };
    let lost = lost(&parsed);
    let format = client.format();
    if format.is_json() && out.out.is_none() {
        if let Err(failure) = format.check_field(&answer.text) {
            // The secret is never shown again, so a wrong name prints all of the answer.
            place.put(&answer.text, &lost)?;
            return Err(failure);
        }
        format.print_json_by(&answer.text, |text| place.put(text, &lost))?;
        return Ok(None);
    }
    match secret {
        Some(secret) => place.put(&secret, &lost)?,
        None => place.forget(),
    }
    if format.is_json() {
        format.print_value(&parsed)?;
        return Ok(None);
    }
    Ok(Some(parsed))
}

/// The secret of an answer that always has one.
pub fn required(secret: Option<String>) -> Result<Option<String>, Failure> {
    match secret {
        None => Err(Failure::new(
            FAILED,
            "the server's answer contains no secret",
        )),
        secret => Ok(secret),
    }
}
