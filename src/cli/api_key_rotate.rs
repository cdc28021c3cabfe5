//! `keycroft api-key rotate`.

use clap::Args;
use serde_json::{Value, json};

use super::api_key_request::{OwnOrService, end_of, last_used, request_api_key};
use super::client::Client;
use super::completion::CompletedNames;
use super::lookup::find_id;
use crate::terminal::exit::{Failure, USAGE};
use crate::terminal::output::Out;
use crate::terminal::prompt::{is_interactive, prompt_line};
use crate::wire::RotateIn;

#[derive(Args)]
pub struct RotateApiKey {
    /// Name or id
    #[arg(add = CompletedNames::ApiKeys.completer())]
    key: String,
    /// Grace period of the old secret, such as 24h; up to 7d [default: prompt on a terminal]
    #[arg(long, value_name = "DURATION")]
    grace: Option<String>,
    /// Revoke the old secret immediately, such as after a leak
    #[arg(long, conflicts_with_all = ["grace", "until_unused"])]
    now: bool,
    /// Revoke the old secret once the new one is used and the old one unused for this long; at least 1h
    #[arg(long, value_name = "DURATION", conflicts_with = "grace")]
    until_unused: Option<String>,
    /// With --until-unused: maximum grace period
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "7d",
        requires = "until_unused"
    )]
    at_most: String,
    /// New expiration: 30d, 12h, never, a date, or a time such as 2027-01-31T15:04:05Z [default: unchanged]
    #[arg(short, long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    owner: OwnOrService,
}

/// `keycroft api-key rotate`.
pub fn rotate_key(client: &Client, rotate: RotateApiKey) -> Result<(), Failure> {
    let path = rotate.owner.path();
    let given = match (rotate.grace, rotate.until_unused) {
        (Some(grace), _) => Some(json!(grace)),
        (None, Some(quiet)) => Some(json!({"until_unused": quiet, "at_most": rotate.at_most})),
        (None, None) => rotate.now.then(|| json!(REVOKE_NOW)),
    };
    if given.is_none() && !is_interactive() {
        let what = "missing grace period of the old secret: pass --grace DURATION, --until-unused DURATION or --now";
        return Err(Failure::new(USAGE, what).hint(format!(
            "keycroft api-key rotate {} --grace 24h",
            rotate.key
        )));
    }
    let id = find_id(client, &path, "API key", &rotate.key)?;
    let grace = match given {
        Some(grace) => grace,
        None => choose_grace(client, &path, &id, &rotate.key)?,
    };
    let (expires_in, expires_at) = end_of(rotate.expires);
    request_api_key(
        client,
        &rotate.out,
        &format!("{path}/{id}/rotate"),
        &RotateIn {
            grace: Some(grace),
            expires_in,
            expires_at,
        },
        "rotated",
    )
}

/// The grace period that revokes the old secret.
const REVOKE_NOW: &str = "0s";
/// The grace period of a planned rotation, when nothing else is typed.
const PLANNED: &str = "24h";

/// Asks on the terminal how long the old secret stays valid.
fn choose_grace(client: &Client, path: &str, id: &str, given: &str) -> Result<Value, Failure> {
    let used = last_used(client, path, id);
    let question = format!(
        "Rotate {given} ({id}; {used}). How long does the old secret stay valid?\n\
         A duration up to 7d, or \"now\" to revoke it [{PLANNED}]: "
    );
    Ok(match prompt_line(&question)?.trim() {
        "" => json!(PLANNED),
        "now" => json!(REVOKE_NOW),
        duration => json!(duration),
    })
}
