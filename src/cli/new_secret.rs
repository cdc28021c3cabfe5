//! Requests whose answer has a secret.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::client::Client;
use crate::terminal::exit::{FAILED, Failure, USAGE};
use crate::terminal::output::{Out, OutputArguments, SecretDestination};

/// Sends `body`, and writes the secret of the answer alone to its destination. Returns the answer without its secret for
/// notes on standard error, or `None` when it was printed as JSON: with the secret, unless a file has it.
///
/// `take` takes the secret out of the answer. `lost` is the remedy if it can't be written.
pub fn post_for_secret<T: DeserializeOwned + Serialize>(
    client: &Client,
    out: &Out,
    path: &str,
    body: &impl Serialize,
    take: impl FnOnce(&mut T) -> Option<String>,
    lost: impl FnOnce(&T) -> String,
) -> Result<Option<T>, Failure> {
    // Before the secret is created, so that none is lost.
    check_field(client.format(), out)?;
    let place = out.open()?;
    let answer = match client.post(path, body) {
        Ok(answer) => answer,
        Err(failure) => {
            place.forget();
            return Err(failure);
        }
    };
    let created = answer.parse().and_then(|mut parsed: T| {
        let secret = take(&mut parsed)
            .map(Zeroizing::new)
            .ok_or_else(|| Failure::new(FAILED, "the server's answer contains no secret"))?;
        Ok((parsed, secret))
    });
    let (parsed, secret) = match created {
        Ok(created) => created,
        Err(failure) => {
            return Err(write_unread(out, &place, &answer.text, failure));
        }
    };
    let lost = lost(&parsed);
    let format = client.format();
    if format.is_json() && out.out.is_none() {
        format.print_json_by(&answer.text, |text| place.put(text, &lost))?;
        return Ok(None);
    }
    place.put(&secret, &lost)?;
    if format.is_json() {
        format.print_value(&parsed)?;
        return Ok(None);
    }
    Ok(Some(parsed))
}

/// Writes an answer that this version can't read as it is, so that a secret in it is not lost. Returns the failure.
pub fn write_unread(
    out: &Out,
    place: &SecretDestination,
    answer: &str,
    failure: Failure,
) -> Failure {
    if let Err(lost) = place.put(answer, "keycroft status") {
        return lost;
    }
    let place = out.out.as_ref();
    let place = place.map_or_else(|| "standard output".into(), |file| file.to_string_lossy());
    failure.hint(format!(
        "{place} has the answer, with the secret if one was created; keycroft status"
    ))
}

/// Rejects a `--field` that would leave out the new secret, or that has nothing to print.
fn check_field(format: &OutputArguments, out: &Out) -> Result<(), Failure> {
    if out.out.is_none() {
        return require_field(format, "secret", ", or --out FILE for the secret");
    }
    if format.field.as_deref() != Some("secret") {
        return Ok(());
    }
    let message = "--out takes the secret: --field secret has nothing to print";
    Err(Failure::new(USAGE, message).hint("another field, or no --out"))
}

/// Rejects a `--field` other than `name`, which is the part of the answer that is never shown again.
pub fn require_field(
    format: &OutputArguments,
    name: &str,
    alternative: &str,
) -> Result<(), Failure> {
    let Some(field) = format.field.as_ref().filter(|field| *field != name) else {
        return Ok(());
    };
    let message = format!("--field {field} leaves out the {name}, which is shown only once");
    Err(Failure::new(USAGE, message).hint(format!("--field {name}{alternative}")))
}
