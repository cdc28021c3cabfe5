//! Lists of API keys, tokens and sessions.

use std::time::Duration;

use rusqlite::Row;

use super::super::credential::owner_column;
use super::super::read::Select;
use super::super::row::invalid;
use super::{ListExtent, ListSource, MergedTable, nearest};
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::Error;
use crate::model::inventory::{SOON, UNUSED};
use crate::model::list::{Column, Expiration, ListQuery, Listed, SOON_TOKEN, Status, Used};
use crate::model::secret::Id;
use crate::model::time::Time;

const FROM: &str = "credentials c";
/// Credentials of one user. By itself, SQLite may prefer an index of everybody's credentials.
const FROM_USER: &str = "credentials c INDEXED BY credentials_by_user";
/// Credentials by owner, and the name of the owner.
const BY_OWNER: [MergedTable; 2] = [
    (
        "users o CROSS JOIN credentials c",
        "c.user_id = o.id",
        "o.username",
    ),
    (
        "services o CROSS JOIN credentials c",
        "c.service_id = o.id",
        "o.name",
    ),
];
/// Credentials by the sum of their stored uses; NULL for those that were never used.
const BY_USES: [MergedTable; 2] = [
    (
        "last_uses l CROSS JOIN credentials c",
        "c.id = l.credential_id AND c.last_used_at IS NOT NULL",
        "l.uses",
    ),
    ("credentials c", "c.last_used_at IS NULL", "c.last_used_at"),
];
/// Used within so long, something is called recently used.
const RECENT: Duration = Duration::from_secs(30 * 86_400);

/// A condition: `c` has expired at the time `now`, a place in the statement.
pub(in crate::store) fn expired(kind: Kind, now: &str) -> String {
    format!("coalesce({}, 0)", expired_or_null(kind, now))
}

/// The same, but NULL where something has no expiration and was not seen expired.
fn expired_or_null(kind: Kind, now: &str) -> String {
    format!("(c.expired_seen_at IS NOT NULL OR {} <= {now})", end(kind))
}

/// When `c` expires if it is not used again; the same as [`Record::ends_at`](crate::model::credential::Record::ends_at).
const fn end(kind: Kind) -> &'static str {
    match kind {
        Kind::Session => {
            "coalesce(min(c.expires_at, max(c.created_at, coalesce(c.last_used_at, 0)) + c.idle_max_seconds), c.expires_at)"
        }
        Kind::ApiKey | Kind::Token | Kind::Host => "c.expires_at",
    }
}

/// The number of the status of `c`, what needs attention first. The same order of checks as [`Status::from_record`].
fn status(kind: Kind, is_deleted: bool, now: &str) -> String {
    if is_deleted {
        return "CASE WHEN c.deleted_at IS NOT NULL THEN 5 END".to_owned();
    }
    let soon = match kind {
        Kind::Token => SOON_TOKEN,
        Kind::ApiKey => SOON,
        Kind::Session | Kind::Host => Duration::ZERO,
    };
    let rotating = if kind == Kind::ApiKey {
        // As `Grace::is_over`. A subquery reads the rest from the row, and only during a grace period.
        format!(
            "c.previous_ends_at > {now} AND NOT EXISTS (SELECT 1 FROM credentials g JOIN last_uses l ON l.credential_id = g.id \
             WHERE g.number = c.number AND l.at IS NOT NULL AND max(coalesce(l.previous_at, 0), g.rotated_at) + g.previous_quiet_seconds <= {now})"
        )
    } else {
        "0".to_owned()
    };
    let expired = expired_or_null(kind, now);
    format!(
        "CASE WHEN {expired} THEN 0 WHEN c.disabled_at IS NOT NULL THEN 4 \
         WHEN {rotating} THEN 2 WHEN c.expires_at <= {now} + {} THEN 1 ELSE 3 END",
        soon.as_secs()
    )
}

/// The number of the urgency of `c`: expired and still presented, expiring, rotating, expired within 14 days, fine,
/// disabled, expired long ago.
fn urgency(kind: Kind, is_deleted: bool, now: &str) -> String {
    let (status, soon) = (status(kind, is_deleted, now), SOON.as_secs());
    let presented = format!(
        "EXISTS (SELECT 1 FROM usage_days d WHERE d.credential_id = c.id AND d.refused > 0 \
         AND d.day >= (max(c.expires_at, {now} - {soon})) / 86400)"
    );
    format!(
        "CASE {status} WHEN 0 THEN CASE WHEN {presented} THEN 0 WHEN c.expires_at > {now} - {soon} THEN 3 ELSE 6 END \
         WHEN 1 THEN 1 WHEN 2 THEN 2 WHEN 3 THEN 4 ELSE 5 END"
    )
}

const fn number(status: Status) -> Option<u8> {
    match status {
        Status::Expired => Some(0),
        Status::Expiring => Some(1),
        Status::Rotating => Some(2),
        Status::Active => Some(3),
        Status::Disabled => Some(4),
        Status::Deleted
        | Status::Weak
        | Status::Shared
        | Status::Invited
        | Status::NoSecondFactor
        | Status::Silent
        | Status::Paused => None,
    }
}

impl Select {
    /// The user or service of this name.
    pub fn owner_named(&self, name: &str) -> Result<Option<OwnerId>, Error> {
        let sql = "SELECT 0, id FROM users WHERE username = ?1 AND deleted_at IS NULL \
                   UNION ALL SELECT 1, id FROM services WHERE name = ?1 LIMIT 1";
        self.one(sql, [name], |row| {
            let id = row.get(1)?;
            Ok(match row.get::<_, i64>(0)? {
                0 => OwnerId::User(crate::model::user::UserId(id)),
                _ => OwnerId::Service(crate::model::service::ServiceId(id)),
            })
        })
    }

    /// The rows of credentials of `kind`: of one owner, or of everybody.
    pub fn list_credentials(
        &self,
        owner: Option<OwnerId>,
        kind: Kind,
        query: &ListQuery,
        now: Time,
        extent: ListExtent,
    ) -> Result<Listed<i64>, Error> {
        let source = source(owner, kind, query, now);
        self.list(&source, query.page, extent, "c.number", |row| row.get(0))
    }
}

pub(super) fn read_id(row: &Row<'_>) -> rusqlite::Result<Id> {
    Id::parse(row.get_ref(0)?.as_str()?).ok_or_else(|| invalid(0))
}

fn source(owner: Option<OwnerId>, kind: Kind, query: &ListQuery, now: Time) -> ListSource {
    let mut source = ListSource::new(match owner {
        Some(OwnerId::User(_)) => FROM_USER,
        Some(OwnerId::Service(_) | OwnerId::Host(_)) | None => FROM,
    });
    if let Some(owner) = owner {
        let (column, row) = owner_column(owner);
        let row = source.bind(row);
        source.require(format!("c.{column} = {row}"));
    }
    source.require(format!("c.kind = '{}'", kind.as_str()));
    let is_deleted = query.status == Some(Status::Deleted);
    source.require(if is_deleted {
        "c.deleted_at IS NOT NULL"
    } else {
        "c.deleted_at IS NULL"
    });
    let unix = now.unix();
    if let Some(wanted) = query.status.and_then(number) {
        let at = source.bind(unix);
        // The cheaper condition is implied by the status, and usually false.
        let implied = match query.status {
            Some(Status::Expiring) => format!("c.expires_at <= {at} + {} AND ", SOON.as_secs()),
            Some(Status::Rotating) => "c.previous_ends_at IS NOT NULL AND ".to_owned(),
            Some(Status::Disabled) => "c.disabled_at IS NOT NULL AND ".to_owned(),
            _ => String::new(),
        };
        let status = status(kind, is_deleted, &at);
        source.require(format!("{implied}{status} = {wanted}"));
        // Most are active: to count them and to sort the first is cheaper than to sort them all.
        source.scans_rows = query.status != Some(Status::Active);
    } else if matches!(kind, Kind::Token | Kind::Session) {
        // They expire every day: expired ones are shown when they are asked for.
        let at = source.bind(unix);
        source.require(format!("NOT {}", expired(kind, &at)));
    }
    match query.used {
        None => {}
        Some(Used::Never) => source.require("c.last_used_at IS NULL"),
        Some(Used::Unused) => {
            let since = source.bind(now.before(UNUSED).unix());
            source.require(format!("coalesce(c.last_used_at, c.created_at) < {since}"));
        }
        Some(Used::Recently) => {
            let since = source.bind(now.before(RECENT).unix());
            source.require(format!("c.last_used_at >= {since}"));
        }
    }
    match query.expires {
        None => {}
        Some(Expiration::Never) => source.require("c.expires_at IS NULL"),
        Some(Expiration::Soon) => {
            let (from, to) = (source.bind(unix), source.bind(now.after(SOON).unix()));
            source.require(format!("c.expires_at > {from} AND c.expires_at <= {to}"));
        }
    }
    let columns = match kind {
        Kind::Session => "c.user_agent, c.address",
        Kind::ApiKey => "c.name, c.note",
        Kind::Token | Kind::Host => "c.name",
    };
    // A number, since indices have no ids.
    let id_condition = "c.number = (SELECT number FROM credentials WHERE id = {})";
    source.search(&query.text, columns, Some(id_condition));
    source.end_conditions();
    let key = match query.order.column {
        Column::Urgency => {
            let at = source.bind(unix);
            nearest(&urgency(kind, is_deleted, &at), end(kind), &at)
        }
        Column::Name if kind == Kind::Session => "c.user_agent COLLATE NOCASE".to_owned(),
        Column::Name => "c.name COLLATE NOCASE".to_owned(),
        Column::Owner => {
            source.merged = owner.is_none().then_some(BY_OWNER);
            "coalesce((SELECT o.username FROM users o WHERE o.id = c.user_id), (SELECT o.name FROM services o WHERE o.id = c.service_id))".to_owned()
        }
        Column::Status => {
            let at = source.bind(unix);
            status(kind, is_deleted, &at)
        }
        Column::LastUsed if kind == Kind::Session => {
            "coalesce(c.last_used_at, c.created_at)".to_owned()
        }
        Column::LastUsed => "c.last_used_at".to_owned(),
        Column::Uses => {
            source.merged = owner.is_none().then_some(BY_USES);
            "(SELECT l.uses FROM last_uses l WHERE l.credential_id = c.id AND c.last_used_at IS NOT NULL)".to_owned()
        }
        Column::Created => "c.number".to_owned(),
        _ => end(kind).to_owned(),
    };
    let is_expiration = query.order.column == Column::Expires;
    source.order_by(&key, query.order, "c.number", is_expiration);
    source
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params_from_iter};

    use super::super::MERGED_MIN;
    use super::*;
    use crate::model::list::{Direction, List, Order};
    use crate::model::user::UserId;
    use crate::store::schema::SCHEMA;

    /// How SQLite carries out the statements of one page.
    fn plan(order: Order) -> Vec<String> {
        plan_of_query(
            None,
            &ListQuery {
                order,
                ..ListQuery::new(List::ApiKeys)
            },
        )
    }

    fn plan_of_query(owner: Option<OwnerId>, query: &ListQuery) -> Vec<String> {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch(SCHEMA).unwrap();
        let source = source(owner, Kind::ApiKey, query, Time::from_unix(1_795_000_000));
        let conditions = source.conditions.join(" AND ");
        let counted = format!("SELECT count(*) FROM {} WHERE {conditions}", source.from);
        let page = source.select_ordered("c.number", MERGED_MIN, false) + " LIMIT 25";
        let mut steps = Vec::new();
        for (sql, values) in [
            (counted, &source.values[..source.condition_values]),
            (page, &source.values),
        ] {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let mut statement = file.prepare(&sql).unwrap();
            let rows = statement
                .query_map(params_from_iter(values), |row| row.get(3))
                .unwrap();
            steps.extend(rows.map(|row| row.unwrap()).collect::<Vec<String>>());
        }
        steps
    }

    /// With the rows, 10,000 of them cost five times as much.
    #[test]
    fn orders_that_sort_everything_read_an_index_alone() {
        for column in [Column::Status, Column::Created] {
            let steps = plan(column.usually());
            let of_rows = steps.iter().filter(|step| step.starts_with("SEARCH c "));
            for step in of_rows {
                assert!(step.contains(" COVERING INDEX "), "{column:?}: {steps:?}");
            }
        }
    }

    #[test]
    fn filters_by_use_read_an_index_alone() {
        for used in [Used::Recently, Used::Unused, Used::Never] {
            let query = ListQuery {
                used: Some(used),
                ..ListQuery::new(List::ApiKeys)
            };
            let steps = plan_of_query(None, &query);
            let mut of_rows = steps.iter().filter(|step| step.starts_with("SEARCH c "));
            let is_alone = of_rows.all(|step| step.contains(" COVERING INDEX "));
            assert!(is_alone, "{used:?}: {steps:?}");
        }
    }

    #[test]
    fn list_of_a_user_reads_no_rows_of_others() {
        let queries = [Used::Recently, Used::Unused, Used::Never].map(|used| ListQuery {
            used: Some(used),
            ..ListQuery::new(List::ApiKeys)
        });
        let orders = [
            Column::Name,
            Column::LastUsed,
            Column::Uses,
            Column::Expires,
        ]
        .map(|column| ListQuery {
            order: column.usually(),
            ..ListQuery::new(List::ApiKeys)
        });
        for query in queries.iter().chain(&orders) {
            let steps = plan_of_query(Some(OwnerId::User(UserId(1))), query);
            let mut of_rows = steps.iter().filter(|step| step.starts_with("SEARCH c "));
            assert!(of_rows.all(|step| step.contains("(user_id=?")), "{steps:?}");
        }
    }

    #[test]
    fn owners_and_uses_are_merged_in_order_without_a_sort_of_all_rows() {
        for column in [Column::Owner, Column::Uses] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let steps = plan(Order { column, direction });
                assert!(steps.contains(&"MERGE (UNION ALL)".to_owned()), "{steps:?}");
                let sorts = steps.iter().filter(|step| step.contains("TEMP B-TREE"));
                let mut of_equal_rows = sorts.map(|step| step.contains("LAST TERM OF ORDER BY"));
                assert!(of_equal_rows.all(|one| one), "{column:?}: {steps:?}");
            }
        }
    }

    #[test]
    fn merged_orders_equal_sorted_ones() {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch(SCHEMA).unwrap();
        file.execute_batch(
            "PRAGMA foreign_keys = OFF;
             WITH n (n) AS (VALUES (1), (2), (3))
             INSERT INTO users (id, subject, username, display_name, role, created_at) SELECT n, printf('%012d', n), 'user' || (4 - n), '', 'member', 0 FROM n;
             INSERT INTO services (id, name, created_at) VALUES (1, 'user11', 0);
             WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 40)
             INSERT INTO credentials (id, kind, user_id, service_id, name, permissions, allowed_addresses, digest, created_at)
             SELECT printf('%012d', n), 'api-key', nullif(n % 4, 0), iif(n % 4 = 0, 1, NULL), n, '', '', zeroblob(32), 0 FROM n;
             INSERT INTO last_uses (credential_id, at, uses) SELECT id, 1, number * 7 % 5 FROM credentials WHERE number % 3;
             INSERT INTO last_uses (credential_id) SELECT id FROM credentials WHERE number = 3;",
        )
        .unwrap();
        let read = |source: &ListSource, sql: String| -> Vec<i64> {
            let mut statement = file.prepare(&sql).unwrap();
            let rows = statement.query_map(params_from_iter(&source.values), |row| row.get(0));
            rows.unwrap().map(Result::unwrap).collect()
        };
        for column in [Column::Owner, Column::Uses] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let query = ListQuery {
                    order: Order { column, direction },
                    ..ListQuery::new(List::ApiKeys)
                };
                let source = source(None, Kind::ApiKey, &query, Time::from_unix(0));
                for is_reverse in [false, true] {
                    let rows = |total| {
                        read(
                            &source,
                            source.select_ordered("c.number", total, is_reverse),
                        )
                    };
                    let merged = rows(MERGED_MIN);
                    assert_eq!(merged.len(), 40);
                    assert_eq!(merged, rows(40), "{column:?} {direction:?} {is_reverse}");
                }
            }
        }
    }

    #[test]
    fn usual_orders_are_read_from_an_index() {
        for column in [
            Column::Expires,
            Column::Name,
            Column::Created,
            Column::LastUsed,
        ] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let steps = plan(Order { column, direction });
                for step in &steps {
                    let is_index = step.starts_with("SEARCH c USING");
                    let is_sort = step.starts_with("USE TEMP B-TREE");
                    assert!(is_index || is_sort, "{column:?}: {steps:?}");
                }
                let complete = |step: &&String| step.contains("FOR ORDER BY");
                let is_read = column != Column::Created;
                assert!(
                    !is_read || !steps.iter().any(|step| complete(&step)),
                    "{steps:?}"
                );
            }
        }
    }
}
