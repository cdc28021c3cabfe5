//! Lists, as the API answers them or as tables.

use serde::de::DeserializeOwned;

use super::client::{ApiList, Client};
use crate::model::time::Time;
use crate::terminal::exit::Failure;
use crate::terminal::output::{self, Cell};

/// Prints the list at `path`: with JSON the answer, else a table with a row for each item, or the sentence `empty`.
/// Returns the list after a table, for notes on standard error.
pub fn print_list<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    headings: &[&str],
    row: impl Fn(&T, Time) -> Vec<Cell>,
    empty: &str,
) -> Result<Option<ApiList>, Failure> {
    let listed = client.list_items(path)?;
    if client.format().is_json() {
        client.format().print_json(&listed.json())?;
        return Ok(None);
    }
    let now = client.now();
    let rows: Vec<_> = listed.parse()?.iter().map(|item| row(item, now)).collect();
    output::table(client.format(), headings, &rows, empty)?;
    Ok(Some(listed))
}
