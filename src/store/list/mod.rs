//! Pages of lists: SQLite filters, sorts and cuts, so that the cost of a page does not grow with memory.

mod credential;
mod directory;
mod ssh_key;

pub use directory::Membership;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::read::Select;
use super::search::fold;
use crate::model::error::Error;
use crate::model::inventory::COUNT_MAX;
use crate::model::list::{Direction, Listed, Order, ROWS, pages};

/// Rows that a download contains at most.
const DOWNLOAD_ROWS_MAX: usize = 100_000;

/// Which rows of a list are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The page of the query.
    Page,
    /// All pages, for a download.
    All,
    /// None: only how many there are, at most [`COUNT_MAX`].
    Count,
}

/// A SELECT in the making.
struct Source {
    from: &'static str,
    /// A table joined as `l`, in statements that name a column of it.
    uses: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
    /// How many of the values the conditions use; the rest belongs to the order.
    condition_values: usize,
    order: String,
}

impl Source {
    fn new(from: &'static str, uses: &'static str) -> Self {
        Self {
            from,
            uses,
            conditions: vec!["1".to_owned()],
            values: Vec::new(),
            condition_values: 0,
            order: String::new(),
        }
    }

    /// The place of a value in the statement.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn require(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// Rows in which a column contains `text` or `id` is `text`; upper and lower case are the same.
    fn search(&mut self, text: &str, columns: &str, id: &str) {
        if text.is_empty() {
            return;
        }
        let text = self.bind(fold(text));
        self.require(format!(
            "(matches_text({columns}, {text}) OR {id} = {text})"
        ));
    }

    /// Sorts by `key`, then by `row` in the same direction, so that an index may serve both. With `unset_is_last`, NULL is
    /// the greatest value.
    fn order_by(&mut self, key: &str, order: Order, row: &str, unset_is_last: bool) {
        let (direction, nulls) = match (order.direction, unset_is_last) {
            (Direction::Ascending, true) => ("ASC", " NULLS LAST"),
            (Direction::Ascending, false) => ("ASC", ""),
            (Direction::Descending, true) => ("DESC", " NULLS FIRST"),
            (Direction::Descending, false) => ("DESC", ""),
        };
        self.order = format!("{key} {direction}{nulls}, {row} {direction}");
    }

    /// The tables that a statement needs: a join that nothing reads costs a look-up for each row.
    fn tables(&self, expressions: &str) -> String {
        let needs_uses = expressions.contains("(l.") || expressions.contains(" l.");
        format!("{}{}", self.from, if needs_uses { self.uses } else { "" })
    }

    /// Ends the conditions: values bound from here on belong to the order.
    fn end_conditions(&mut self) {
        self.condition_values = self.values.len();
    }
}

impl Select {
    /// The rows of one page, or of all, and how many there are.
    fn list<T>(
        &self,
        source: &Source,
        page: usize,
        extent: Extent,
        columns: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Listed<T>, Error> {
        let conditions = source.conditions.join(" AND ");
        let counted = params_from_iter(&source.values[..source.condition_values]);
        let from = source.tables(&conditions);
        let sql = match extent {
            Extent::Page | Extent::All => {
                format!("SELECT count(*) FROM {from} WHERE {conditions}")
            }
            Extent::Count => format!(
                "SELECT count(*) FROM (SELECT 1 FROM {from} WHERE {conditions} LIMIT {COUNT_MAX})"
            ),
        };
        let total = usize::try_from(self.count(&sql, counted)?).unwrap_or_default();
        let (page, limit) = match extent {
            Extent::Page => (page.clamp(1, pages(total)), ROWS),
            Extent::All => (1, DOWNLOAD_ROWS_MAX),
            Extent::Count => {
                return Ok(Listed {
                    rows: Vec::new(),
                    total,
                    page: 1,
                });
            }
        };
        let mut values = source.values.clone();
        let place = values.len();
        let integer = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        values.extend([integer(limit), integer((page - 1) * ROWS)]);
        let from = source.tables(&format!("{conditions} {}", source.order));
        let sql = format!(
            "SELECT {columns} FROM {from} WHERE {conditions} ORDER BY {} LIMIT ?{} OFFSET ?{}",
            source.order,
            place + 1,
            place + 2
        );
        let rows = self.all(&sql, params_from_iter(values), read)?;
        Ok(Listed { rows, total, page })
    }
}
