//! The credentials that a credential created.

use serde::Deserialize;

use super::client::Client;
use crate::terminal::output::write_stderr;

/// A credential of a list, as far as its creator is concerned.
#[derive(Deserialize)]
struct Created {
    id: String,
    name: String,
    #[serde(rename = "created_by")]
    creator: Option<String>,
}

/// Names the credentials that the one with this id created, directly or through others, before it is deleted without
/// them. `path`: of a list of its owner's, like `/api/v1/users/bob/tokens`.
pub fn name_created(client: &Client, path: &str, id: &str) {
    let owner = path.rsplit_once('/').map_or(path, |(owner, _)| owner);
    let mut all = Vec::new();
    for (noun, list) in [("API key", "api-keys"), ("token", "tokens")] {
        // A service has no tokens.
        let listed = client
            .list_items(&format!("{owner}/{list}"))
            .and_then(|listed| listed.parse::<Created>());
        all.extend(
            listed
                .unwrap_or_default()
                .into_iter()
                .map(|one| (noun, one)),
        );
    }
    let mut creators = vec![id.to_owned()];
    let mut names = Vec::new();
    while let Some(creator) = creators.pop() {
        for (noun, one) in &all {
            if one.creator.as_ref() == Some(&creator) {
                names.push(format!("{noun} {} ({})", one.name, one.id));
                creators.push(one.id.clone());
            }
        }
    }
    if !names.is_empty() {
        write_stderr(&format!(
            "it created {}; pass --with-created to delete them, too",
            names.join(", ")
        ));
    }
}
