//! Requests whose answer has a secret.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::client::Client;
use crate::terminal::exit::{FAILED, Failure, USAGE};
use crate::terminal::output::{Out, OutputArguments};

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
            // The server has created something. Its answer is written as it is, so that a secret in it is not lost.
            place.put(&answer.text, "keycroft status")?;
            let place = out.out.as_ref();
            let place =
                place.map_or_else(|| "standard output".into(), |file| file.to_string_lossy());
            return Err(failure.hint(format!(
                "{place} has the answer, with the secret if one was created; keycroft status"
            )));
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

/// Rejects a `--field` that would leave out the new secret, which is never shown again.
fn check_field(format: &OutputArguments, out: &Out) -> Result<(), Failure> {
    let Some(field) = &format.field else {
        return Ok(());
    };
    let (message, hint) = match (out.out.is_some(), field == "secret") {
        (false, true) | (true, false) => return Ok(()),
        (false, false) => (
            format!("--field {field} leaves out the secret, which is shown only once"),
            "--field secret, or --out FILE for the secret",
        ),
        (true, true) => (
            "--out takes the secret: --field secret has nothing to print".to_owned(),
            "another field, or no --out",
        ),
    };
    Err(Failure::new(USAGE, message).hint(hint))
}
