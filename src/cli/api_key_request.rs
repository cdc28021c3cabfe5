//! Parts that the commands on API keys and tokens share: the owner, the expiration, the last use, and deletion.

use clap::Args;
use serde::Deserialize;

use super::client::Client;
use super::created::name_created;
use super::deletion::{Consent, Deletion, delete_all};
use super::lookup::{api_keys_path, find_id};
use super::new_secret::post_for_secret;
use crate::model::time::Time;
use crate::terminal::exit::Failure;
use crate::terminal::output::{self, Out, write_stderr};
use crate::wire::ApiKeyOut;

/// Own API keys or those of a service, for acts that another user's keys don't allow.
#[derive(Args, Clone, Debug, Default)]
pub struct OwnOrService {
    /// Service that owns the API key (admin)
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
}

impl OwnOrService {
    pub fn path(&self) -> String {
        api_keys_path(None, self.service.as_deref())
    }
}

/// The last use of an API key or a token.
#[derive(Deserialize)]
struct LastUseFields {
    #[serde(rename = "last_used_at")]
    at: Option<String>,
    #[serde(rename = "last_used_from")]
    from: Option<String>,
    #[serde(rename = "last_used_by")]
    by: Option<String>,
}

/// The last use of an API key or a token in words.
pub fn last_used(client: &Client, path: &str, id: &str) -> String {
    let key = client
        .get(&format!("{path}/{id}"))
        .and_then(|answer| answer.parse::<LastUseFields>());
    match key.ok().and_then(|key| Some((key.at?, key.from, key.by))) {
        None => "no recorded use".to_owned(),
        Some((at, from, by)) => {
            let when =
                Time::parse(&at).map_or(at, |time| output::relative_time(time, client.now()));
            let from = from.map_or_else(String::new, |from| format!(" from {from}"));
            let by = by.map_or_else(String::new, |by| format!(" by {by}"));
            format!("last used {when}{from}{by}")
        }
    }
}

/// `--expires` as the API's two fields.
pub fn end_of(expires: Option<String>) -> (Option<String>, Option<String>) {
    match expires {
        // The key is valid until the end of that day.
        Some(text) if is_date(&text) => (None, Some(format!("{text}T23:59:59Z"))),
        Some(text) if text.contains('T') && text.contains('-') => (None, Some(text)),
        other => (other, None),
    }
}

/// Returns true for the form of a day: 2027-01-31.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-').map(str::len);
    let has_parts = parts.next() == Some(4) && parts.next() == Some(2) && parts.next() == Some(2);
    has_parts && parts.next().is_none() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// A list, or `None` when it is empty.
pub fn non_empty(words: Vec<String>) -> Option<Vec<String>> {
    (!words.is_empty()).then_some(words)
}

/// Permissions that a sentence names one by one.
const PERMISSIONS_NAMED_MAX: usize = 4;

/// The permissions for a sentence: their names, or the number of many.
fn permissions_in_words(permissions: &[String]) -> String {
    match permissions.len() {
        0 => "no permissions".to_owned(),
        1..=PERMISSIONS_NAMED_MAX => permissions.join(" "),
        many => format!("{many} permissions"),
    }
}

/// Sends a request that creates the secret of an API key, and writes the secret to its destination. Notes go to standard error.
pub fn request_api_key<T: serde::Serialize>(
    client: &Client,
    out: &Out,
    path: &str,
    body: &T,
    done: &str,
) -> Result<(), Failure> {
    let take = |key: &mut ApiKeyOut| key.secret.take();
    let lost = |key: &ApiKeyOut| format!("keycroft api-key rotate {} or delete {0}", key.id);
    let Some(key) = post_for_secret(client, out, path, body, take, lost)? else {
        return Ok(());
    };
    write_stderr(&format!(
        "{done} API key {} ({}), {}, {}",
        key.name,
        key.id,
        permissions_in_words(&key.permissions),
        output::lifetime_text(key.expires_at.as_deref(), client.now())
    ));
    let place = out.out.as_ref().map_or_else(
        || "standard output".to_owned(),
        |path| path.display().to_string(),
    );
    write_stderr(&format!(
        "the secret was written to {place} and can't be shown again"
    ));
    Ok(())
}

/// Deletes API keys or tokens of one owner, with what each created if wanted.
pub fn delete_credentials(
    client: &Client,
    path: &str,
    noun: &str,
    given: &[String],
    with_created: bool,
    yes: bool,
) -> Result<(), Failure> {
    let query = if with_created {
        "?with_created=true"
    } else {
        ""
    };
    let mut deletions = Vec::new();
    for name in given {
        let id = find_id(client, path, noun, name)?;
        if !with_created {
            name_created(client, path, &id);
        }
        deletions.push(Deletion {
            label: format!("{name} ({id})"),
            effect: last_used(client, path, &id),
            path: format!("{path}/{id}{query}"),
            done: format!("deleted {noun} {name} ({id}); it is rejected from now on"),
            was_found: client.get(&format!("{path}/{id}")).is_ok(),
        });
    }
    delete_all(client, noun, deletions, &Consent::Yes, yes)
}
