//! Lists of users, groups, services and hosts.

use super::super::group::{GROUP_COLUMNS, read_group};
use super::super::host::{HOST, RECORD, is_silent, read_record};
use super::super::read::Select;
use super::super::service::{SERVICE_COLUMNS, read_service};
use super::super::user::{USER_COLUMNS, read_user};
use super::{ListExtent, ListSource};
use crate::model::error::Error;
use crate::model::group::{Group, GroupId};
use crate::model::host::HostRecord;
use crate::model::list::{Column, ListQuery, Listed, Status};
use crate::model::service::Service;
use crate::model::time::Time;
use crate::model::user::User;

/// The users of a group, or all others.
#[derive(Debug, Clone, Copy)]
pub enum Membership {
    Inside(GroupId),
    Outside(GroupId),
}

/// The number of live credentials of an owner; `kind` and `owner` are conditions on `x`.
fn live_count_sql(conditions: &str, now: &str) -> String {
    format!(
        "(SELECT count(*) FROM credentials x WHERE {conditions} AND x.deleted_at IS NULL AND x.disabled_at IS NULL \
         AND x.expired_seen_at IS NULL AND (x.expires_at IS NULL OR x.expires_at > {now}))"
    )
}

/// When a credential of an owner was last used; `owner` is a condition on `c`.
fn last_used(owner: &str) -> String {
    format!("(SELECT max(c.last_used_at) FROM credentials c WHERE {owner})")
}

impl Select {
    /// Users; with `membership`, only those in or outside of a group.
    pub fn list_users(
        &self,
        query: &ListQuery,
        membership: Option<Membership>,
        now: Time,
        extent: ListExtent,
    ) -> Result<Listed<User>, Error> {
        let mut source = ListSource::new("users u");
        source.require("u.deleted_at IS NULL");
        if let Some(membership) = membership {
            let (group, not) = match membership {
                Membership::Inside(group) => (group, ""),
                Membership::Outside(group) => (group, "NOT "),
            };
            let group = source.bind(group.0);
            source.require(format!(
                "{not}EXISTS (SELECT 1 FROM group_members m WHERE m.group_id = {group} AND m.user_id = u.id)"
            ));
        }
        match query.status {
            Some(Status::Active) => {
                source.require("u.disabled_at IS NULL AND u.password_hash IS NOT NULL");
            }
            Some(Status::Invited) => {
                source.require("u.disabled_at IS NULL AND u.password_hash IS NULL");
            }
            Some(Status::NoSecondFactor) => source.require(
                "u.disabled_at IS NULL AND NOT EXISTS (SELECT 1 FROM totp t WHERE t.user_id = u.id) \
                 AND NOT EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id)",
            ),
            Some(Status::Disabled) => source.require("u.disabled_at IS NOT NULL"),
            _ => {}
        }
        let columns = "u.username, u.display_name";
        source.search(&query.text, columns, None);
        source.end_conditions();
        let held = |source: &mut ListSource, kind: &str| {
            let now = source.bind(now.unix());
            live_count_sql(&format!("x.user_id = u.id AND x.kind = '{kind}'"), &now)
        };
        let key = match query.order.column {
            Column::Status => "CASE WHEN u.disabled_at IS NOT NULL THEN 2 WHEN u.password_hash IS NULL THEN 1 ELSE 0 END".to_owned(),
            Column::Role => "u.role".to_owned(),
            Column::ApiKeys => held(&mut source, "api-key"),
            Column::Tokens => held(&mut source, "token"),
            Column::Sessions => held(&mut source, "session"),
            Column::SshKeys => {
                "(SELECT count(*) FROM ssh_keys x WHERE x.user_id = u.id)".to_owned()
            }
            Column::LastUsed => last_used("c.user_id = u.id"),
            Column::Created => "u.id".to_owned(),
            _ => "u.username".to_owned(),
        };
        source.order_by(&key, query.order, "u.id", false);
        self.list(&source, query.page, extent, USER_COLUMNS, |row| {
            read_user(row, 0)
        })
    }

    pub fn list_groups(
        &self,
        query: &ListQuery,
        extent: ListExtent,
    ) -> Result<Listed<Group>, Error> {
        let mut source = ListSource::new("groups g");
        source.search(&query.text, "g.name", None);
        source.end_conditions();
        let key = match query.order.column {
            Column::Members => "(SELECT count(*) FROM group_members m WHERE m.group_id = g.id)",
            Column::Created => "g.id",
            _ => "g.name",
        };
        source.order_by(key, query.order, "g.id", false);
        self.list(&source, query.page, extent, GROUP_COLUMNS, read_group)
    }

    pub fn list_services(
        &self,
        query: &ListQuery,
        now: Time,
        extent: ListExtent,
    ) -> Result<Listed<Service>, Error> {
        const PERMISSIONS: &str = "(SELECT group_concat(permission, ' ') FROM service_permissions p WHERE p.service_id = s.id)";
        let mut source = ListSource::new("services s");
        let columns = format!("s.name, {PERMISSIONS}");
        source.search(&query.text, &columns, None);
        source.end_conditions();
        let key = match query.order.column {
            Column::Permissions => PERMISSIONS.to_owned(),
            Column::ApiKeys => {
                let now = source.bind(now.unix());
                live_count_sql("x.service_id = s.id", &now)
            }
            Column::LastUsed => last_used("c.service_id = s.id"),
            Column::Created => "s.id".to_owned(),
            _ => "s.name".to_owned(),
        };
        source.order_by(&key, query.order, "s.id", false);
        self.list(&source, query.page, extent, SERVICE_COLUMNS, read_service)
    }

    pub fn list_hosts(
        &self,
        query: &ListQuery,
        now: Time,
        extent: ListExtent,
    ) -> Result<Listed<HostRecord>, Error> {
        let mut source = ListSource::new("hosts h");
        match query.status {
            Some(Status::Paused) => source.require("h.paused_at IS NOT NULL"),
            Some(Status::Silent) => {
                let now = source.bind(now.unix());
                source.require(format!("h.paused_at IS NULL AND {}", is_silent(&now)));
            }
            Some(Status::Active) => {
                let now = source.bind(now.unix());
                source.require(format!("h.paused_at IS NULL AND NOT {}", is_silent(&now)));
            }
            _ => {}
        }
        source.search(&query.text, "h.name", Some("h.public_id = {}"));
        source.end_conditions();
        let key = match query.order.column {
            Column::Status => {
                let now = source.bind(now.unix());
                format!(
                    "CASE WHEN h.paused_at IS NOT NULL THEN 1 WHEN {} THEN 0 ELSE 2 END",
                    is_silent(&now)
                )
            }
            Column::LastUsed => "h.last_contact_at".to_owned(),
            Column::Cached => "h.cached_at".to_owned(),
            Column::Version => "h.version".to_owned(),
            Column::Created => "h.id".to_owned(),
            _ => "h.name COLLATE NOCASE".to_owned(),
        };
        source.order_by(&key, query.order, "h.id", false);
        let columns = format!("{HOST}, {RECORD}");
        self.list(&source, query.page, extent, &columns, read_record)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::schema::SCHEMA;

    /// For 500 users with 10,000 API keys, another index costs a hundred times as much.
    #[test]
    fn credentials_of_each_user_are_counted_in_an_index_alone() {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch(SCHEMA).unwrap();
        let count = live_count_sql("x.user_id = u.id AND x.kind = 'api-key'", "5");
        for key in [count, last_used("c.user_id = u.id")] {
            let sql = format!("EXPLAIN QUERY PLAN SELECT u.id FROM users u ORDER BY {key}");
            let mut statement = file.prepare(&sql).unwrap();
            let steps = statement.query_map([], |row| row.get(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let is_alone = |step: &String| {
                step.contains(" COVERING INDEX credentials_by_user") && step.contains("(user_id=?")
            };
            assert!(steps.iter().any(is_alone), "{steps:?}");
        }
    }
}
