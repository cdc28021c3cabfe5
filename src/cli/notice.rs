//! Warnings on standard error about credentials that expire soon.

use serde::Deserialize;

use super::client::{ApiList, Client};
use super::expiration_notice::words;
use crate::model::notice::Notice;
use crate::model::time::Time;
use crate::terminal::output::write_stderr;

/// The fields of a list item that a notice needs.
#[derive(Deserialize)]
struct NoticeFields {
    id: String,
    name: String,
    state: String,
    expires_at: Option<String>,
}

/// Reports the items of a list that expire soon. `noun` is the command: `api-key`, `ssh-key`.
pub fn of_list(client: &Client, noun: &str, listed: &ApiList) {
    // The one in use is named with each answer already.
    let in_use = client.connection.credential.as_ref();
    let in_use = in_use.map(|credential| credential.id.as_str());
    let now = client.now();
    for ending in listed.parse::<NoticeFields>().unwrap_or_default() {
        let end = ending
            .expires_at
            .as_deref()
            .and_then(|text| Time::parse(text).ok());
        if ending.state == "active"
            && in_use != Some(ending.id.as_str())
            && let (Some(end), Some(notice)) = (end, Notice::from_expiration(end, now))
        {
            let what = if noun == "ssh-key" {
                "SSH key"
            } else {
                "API key"
            };
            let name = format!("{} ({})", ending.name, ending.id);
            let next = format!("keycroft {noun} edit {} --expires 30d", ending.id);
            write_stderr(&words(what, &name, notice, end, now, &next));
        }
    }
}

/// Names all API keys and SSH keys of one's own that end soon, as far as the credential may see them.
pub fn of_everything(client: &Client) {
    for noun in ["api-key", "ssh-key"] {
        if let Ok(listed) = client.list_items(&format!("/api/v1/{noun}s")) {
            of_list(client, noun, &listed);
        }
    }
}
