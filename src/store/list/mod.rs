//! Pages of lists: SQLite filters, sorts and cuts, so that the cost of a page does not grow with memory.

pub(super) mod credential;
mod directory;
mod ssh_key;

pub use directory::Membership;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::read::Select;
use super::search::fold;
use crate::model::error::Error;
use crate::model::list::{Direction, Listed, Order, ROWS, pages};
use crate::model::secret::Id;

/// Rows that a download contains at most.
const DOWNLOAD_ROWS_MAX: usize = 100_000;
/// From this many rows on, an order is read from indices where possible; fewer rows are sorted.
const MERGED_MIN: usize = 1_000;

/// Which rows of a list are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListExtent {
    /// The page of the query.
    Page,
    /// All pages, for a download.
    All,
    /// None: only how many there are, at most this many.
    Count(usize),
}

/// Tables in place of `from`, the condition of their rows, and an indexed column. SQLite merges them in the order of these
/// columns, column 2 of the statement, and sorts only rows that are equal in it.
type MergedTable = (&'static str, &'static str, &'static str);

/// A SELECT in the making.
struct ListSource {
    from: &'static str,
    /// A table joined in statements that name a column of it, and how these names begin.
    join: Option<(&'static str, &'static str)>,
    /// How to read the same order of many rows from indices.
    merged: Option<[MergedTable; 2]>,
    conditions: Vec<String>,
    values: Vec<Value>,
    /// How many of the values the conditions use; the rest belongs to the order.
    condition_values: usize,
    order: String,
    direction: Direction,
    /// The same rows the other way round.
    reverse: String,
    /// True if no index gives the rows, so that a statement looks at every row.
    scans_rows: bool,
}

impl ListSource {
    fn new(from: &'static str) -> Self {
        Self {
            from,
            join: None,
            merged: None,
            conditions: vec!["1".to_owned()],
            values: Vec::new(),
            condition_values: 0,
            order: String::new(),
            direction: Direction::Ascending,
            reverse: String::new(),
            scans_rows: false,
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

    /// Rows with `text` in one of the columns, in any case. If it has the form of an id, also the row that meets
    /// `id_condition`, in which `{}` stands for the text.
    fn search(&mut self, text: &str, columns: &str, id_condition: Option<&str>) {
        if text.is_empty() {
            return;
        }
        self.scans_rows = true;
        let text = fold(text);
        let id_condition = id_condition.filter(|_| Id::parse(&text).is_some());
        let text = self.bind(text);
        let or = id_condition.map_or(String::new(), |condition| {
            format!(" OR {}", condition.replace("{}", &text))
        });
        self.require(format!("(matches_text({text}, {columns}){or})"));
    }

    /// Sorts by `key`, then by `row` in the same direction, so that an index may serve both. With `unset_is_last`, NULL is
    /// the greatest value.
    fn order_by(&mut self, key: &str, order: Order, row: &str, unset_is_last: bool) {
        let by = |direction| {
            let (direction, nulls) = match (direction, unset_is_last) {
                (Direction::Ascending, true) => ("ASC", " NULLS LAST"),
                (Direction::Ascending, false) => ("ASC", ""),
                (Direction::Descending, true) => ("DESC", " NULLS FIRST"),
                (Direction::Descending, false) => ("DESC", ""),
            };
            format!("{key} {direction}{nulls}, {row} {direction}")
        };
        self.direction = order.direction;
        self.order = by(order.direction);
        self.reverse = by(order.direction.opposite());
    }

    /// The tables that a statement needs: a join that nothing reads costs a look-up for each row.
    fn tables(&self, expressions: &str) -> String {
        let is_named = |(_, name): &(&str, &str)| {
            expressions.contains(&format!("({name}")) || expressions.contains(&format!(" {name}"))
        };
        let join = self.join.filter(is_named).map_or("", |(join, _)| join);
        format!("{}{join}", self.from)
    }

    /// The statement up to its order.
    fn select(&self, columns: &str) -> String {
        let conditions = self.conditions.join(" AND ");
        let from = self.tables(&format!("{conditions} {}", self.order));
        format!("SELECT {columns} FROM {from} WHERE {conditions} ORDER BY")
    }

    /// The statement of a page of `total` rows, up to its limit.
    fn select_ordered(&self, columns: &str, total: usize, is_reverse: bool) -> String {
        let order = if is_reverse {
            &self.reverse
        } else {
            &self.order
        };
        let tables = match self.merged {
            // A few rows are sorted. With the plus no index gives the order, so that one gives the few.
            _ if total < MERGED_MIN => return format!("{} +{order}", self.select(columns)),
            None => return format!("{} {order}", self.select(columns)),
            Some(tables) => tables,
        };
        let conditions = self.conditions.join(" AND ");
        let rows = tables.map(|(from, condition, key)| {
            format!("SELECT {columns}, {key} FROM {from} WHERE {condition} AND {conditions}")
        });
        let direction = match (self.direction, is_reverse) {
            (Direction::Ascending, false) | (Direction::Descending, true) => "ASC",
            (Direction::Descending, false) | (Direction::Ascending, true) => "DESC",
        };
        let rows = rows.join(" UNION ALL ");
        format!("{rows} ORDER BY 2 {direction}, 1 {direction}")
    }

    /// Ends the conditions: values bound from here on belong to the order.
    fn end_conditions(&mut self) {
        self.condition_values = self.values.len();
    }
}

/// A key for sorting by `urgency`, and within one by the `end` that is nearest to `now`; without an end last.
fn nearest(urgency: &str, end: &str, now: &str) -> String {
    const MOST: i64 = 100_000_000_000;
    format!("({urgency}) * {MOST} + min(coalesce(abs({end} - {now}), {MOST}), {MOST} - 1)")
}

impl Select {
    /// The rows of one page, or of all, and how many there are.
    fn list<T>(
        &self,
        source: &ListSource,
        page: usize,
        extent: ListExtent,
        columns: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Listed<T>, Error> {
        let conditions = source.conditions.join(" AND ");
        if source.scans_rows && extent == ListExtent::Page {
            // Each row is looked at once: to count them first would look at each twice.
            let sql = format!("{} {}", source.select(columns), source.order);
            let mut rows = self.all(&sql, params_from_iter(&source.values), read)?;
            let total = rows.len();
            let page = page.clamp(1, pages(total));
            rows.drain(..(page - 1) * ROWS);
            rows.truncate(ROWS);
            return Ok(Listed { rows, total, page });
        }
        let counted = source.tables(&conditions);
        let sql = match extent {
            ListExtent::Page | ListExtent::All => {
                format!("SELECT count(*) FROM {counted} WHERE {conditions}")
            }
            ListExtent::Count(limit) => format!(
                "SELECT count(*) FROM (SELECT 1 FROM {counted} WHERE {conditions} LIMIT {limit})"
            ),
        };
        let with = params_from_iter(&source.values[..source.condition_values]);
        let total = usize::try_from(self.count(&sql, with)?).unwrap_or_default();
        let (page, limit) = match extent {
            ListExtent::Page => (page.clamp(1, pages(total)), ROWS),
            ListExtent::All => (1, DOWNLOAD_ROWS_MAX),
            ListExtent::Count(_) => {
                return Ok(Listed {
                    rows: Vec::new(),
                    total,
                    page: 1,
                });
            }
        };
        let first = (page - 1) * ROWS;
        // The rows before a page are passed over: behind the middle there are fewer from the other end.
        let is_reverse = first > total / 2;
        let (first, limit) = if is_reverse {
            let count = limit.min(total - first);
            (total - first - count, count)
        } else {
            (first, limit)
        };
        let ordered = source.select_ordered(columns, total, is_reverse);
        let place = source.values.len();
        let sql = format!("{ordered} LIMIT ?{} OFFSET ?{}", place + 1, place + 2);
        let integer = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        let mut values = source.values.clone();
        values.extend([integer(limit), integer(first)]);
        let mut rows = self.all(&sql, params_from_iter(values), read)?;
        if is_reverse {
            rows.reverse();
        }
        Ok(Listed { rows, total, page })
    }
}
