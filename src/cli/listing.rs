//! Lists, as the API answers them or as tables.

use serde::de::DeserializeOwned;

use super::client::{ApiList, Client};
use crate::model::time::Time;
use crate::terminal::exit::Failure;
use crate::terminal::output::{self, Cell};

/// Prints the list at `path`: with JSON the answer, else a table with a row for each item, or the sentence `empty`.
/// The command ends with it: the pager may replace the process.
pub fn print_list<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    headings: &[&str],
    row: impl Fn(&T, Time) -> Vec<Cell>,
    empty: &str,
) -> Result<(), Failure> {
    print_list_after(client, path, headings, row, empty, |_| ())
}

/// Prints a list in the same way. `notes` writes notes to standard error, before a table that the pager may show.
pub fn print_list_after<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    headings: &[&str],
    row: impl Fn(&T, Time) -> Vec<Cell>,
    empty: &str,
    notes: impl FnOnce(&ApiList),
) -> Result<(), Failure> {
    let listed = client.list_items(path)?;
    if client.format().is_json() {
        return client.format().print_json(&listed.json());
    }
    notes(&listed);
    let now = client.now();
    let rows: Vec<_> = listed.parse()?.iter().map(|item| row(item, now)).collect();
    output::list_table(client.format(), headings, &rows, empty)
}
