//! Names in place of ids: found in the list, when they are unambiguous.

use serde::Deserialize;

use super::client::Client;
use crate::model::secret::Id;
use crate::model::text::{is_same_name, percent_encode};
use crate::terminal::exit::{FORBIDDEN, Failure, INVALID, NOT_FOUND};

/// The path of the list of API keys: the caller's own, a user's or a service's.
pub fn api_keys_path(user: Option<&str>, service: Option<&str>) -> String {
    match (user, service) {
        (_, Some(service)) => format!("/api/v1/services/{}/api-keys", percent_encode(service)),
        (Some(user), None) => format!("/api/v1/users/{}/api-keys", percent_encode(user)),
        (None, None) => "/api/v1/api-keys".to_owned(),
    }
}

/// The fields of every listed object.
#[derive(Deserialize)]
struct ListedName {
    id: String,
    #[serde(default)]
    name: String,
}

/// The id of `given` in the list at `path`: an id (also as shown, `kca_4k2m9x0q7w1z_…`), or an unambiguous name.
pub fn find_id(client: &Client, path: &str, what: &str, given: &str) -> Result<String, Failure> {
    if let Some(id) = id_in(given) {
        match client.get(&format!("{path}/{id}")) {
            Ok(_) => return Ok(id.to_string()),
            // Without the permission to read, or without a path to one object, the next request reports the error.
            Err(failure) if failure.code == FORBIDDEN => return Ok(id.to_string()),
            Err(failure)
                if failure.code == NOT_FOUND
                    || failure.code == crate::terminal::exit::FAILED
                    || failure.code == INVALID => {}
            Err(failure) => return Err(failure),
        }
    }
    let all: Vec<ListedName> = client.list_items(path)?.parse()?;
    if let Some(found) = all
        .iter()
        .find(|one| id_in(given).is_some_and(|id| id.as_str() == one.id))
    {
        return Ok(found.id.clone());
    }
    let mut found = all.iter().filter(|one| is_same_name(&one.name, given));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.id.clone()),
        (Some(one), Some(other)) => {
            let message = format!(
                "more than one {what} has the name {given:?}: {}, {} …",
                one.id, other.id
            );
            Err(Failure::new(INVALID, message).hint("pass the id instead of the name"))
        }
        (None, _) => Err(Failure::new(
            NOT_FOUND,
            format!("no {what} has the name or id {given:?}"),
        )
        .hint(list_command(what))),
    }
}

/// The command that lists such objects: `keycroft api-key list` for "API key".
fn list_command(what: &str) -> String {
    format!(
        "keycroft {} list",
        what.to_ascii_lowercase().replace(' ', "-")
    )
}

/// An id, alone or in the form that lists show.
fn id_in(given: &str) -> Option<Id> {
    let bare = given
        .strip_prefix("kc")
        .and_then(|rest| rest.get(1..))
        .and_then(|rest| rest.strip_prefix('_'));
    let bare = bare.map_or(given, |rest| rest.split('_').next().unwrap_or(rest));
    Id::parse(bare)
}

#[cfg(test)]
mod tests {
    use super::id_in;

    #[test]
    fn id_is_accepted_in_each_shown_form() {
        for given in [
            "4k2m9x0q7w1z",
            "kca_4k2m9x0q7w1z_…",
            "kct_4k2m9x0q7w1z",
            "kca_4k2m9x0q7w1z_...",
        ] {
            assert_eq!(
                id_in(given).map(|id| id.to_string()).as_deref(),
                Some("4k2m9x0q7w1z"),
                "{given}"
            );
        }
        for name in [
            "ci",
            "kca_ci",
            "4K2M9X0Q7W1Z",
            "4k2m9x0q7w1z1",
            "é",
            "kcé_4k2m9x0q7w1z",
        ] {
            assert!(id_in(name).is_none(), "{name}");
        }
    }
}
