//! Names in place of ids: found in the list, when they mean one thing alone.

use serde::Deserialize;

use super::client::Client;
use super::exit::{Failure, INVALID, NOT_FOUND, REFUSED};
use crate::model::secret::Id;
use crate::model::text::is_same_name;

/// What every listed thing has.
#[derive(Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    name: String,
}

/// The id that `given` means in the list at `path`: an id (also as it is shown, `kca_4k2m9x0q7w1z_…`), or a name that one thing alone has.
pub fn find_id(client: &Client, path: &str, what: &str, given: &str) -> Result<String, Failure> {
    if let Some(id) = id_in(given) {
        match client.get(&format!("{path}/{id}")) {
            Ok(_) => return Ok(id.to_string()),
            // Without the permission to read, or where one can't be shown alone, what follows will say what is wrong with it.
            Err(failure) if failure.code == REFUSED => return Ok(id.to_string()),
            Err(failure)
                if failure.code == NOT_FOUND
                    || failure.code == super::exit::FAILED
                    || failure.code == INVALID => {}
            Err(failure) => return Err(failure),
        }
    }
    let all: Vec<Named> = client.list(path)?.parse()?;
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
                "more than one {what} is called {given:?}: {}, {} …",
                one.id, other.id
            );
            Err(Failure::new(INVALID, message).hint("the id instead of the name"))
        }
        (None, _) => Err(
            Failure::new(NOT_FOUND, format!("there is no {what} {given:?}"))
                .hint("the list shows what there is"),
        ),
    }
}

/// An id, bare or as it is shown.
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
    fn ids_are_taken_as_they_are_shown() {
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
