//! The credentials that a credential created.

use serde::Deserialize;

use super::client::Client;
use crate::terminal::output::say;

/// A credential of a list, as far as its creator is concerned.
#[derive(Deserialize)]
struct Created {
    id: String,
    name: String,
    #[serde(rename = "created_by")]
    creator: Option<String>,
}

/// Names the credentials that the one with this id created, before it is deleted without them.
pub fn name_created(client: &Client, id: &str) {
    let mut names = Vec::new();
    for (noun, path) in [("API key", "/api/v1/api-keys"), ("token", "/api/v1/tokens")] {
        let listed = client
            .list(path)
            .and_then(|listed| listed.parse::<Created>());
        for one in listed.unwrap_or_default() {
            if one.creator.as_deref() == Some(id) {
                names.push(format!("{noun} {} ({})", one.name, one.id));
            }
        }
    }
    if !names.is_empty() {
        say(&format!(
            "it created {}; pass --with-created to delete them, too",
            names.join(", ")
        ));
    }
}
