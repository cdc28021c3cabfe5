//! The inventory: credentials and SSH keys of all owners, read in few statements.

use std::collections::HashMap;
use std::fmt::Display;

use rusqlite::{params, params_from_iter};

use super::credential::{RECORD_COLUMNS, read_record};
use super::host::is_use_recorded;
use super::list::credential::expired;
use super::read::Select;
use super::row::{id, invalid, rows, time};
use super::ssh_key::{COLUMNS, TABLES, read_found};
use crate::model::credential::{Kind, OwnerId, Record, UsageDay};
use crate::model::error::Error;
use crate::model::inventory::{InventoryFilter, InventoryPlace, SOON, UNUSED};
use crate::model::policy::Policy;
use crate::model::secret::Id;
use crate::model::ssh_key::SshKey;
use crate::model::time::{Day, Time};
use crate::model::user::UserId;

/// An item of the inventory: its row, and facts known before it is read completely.
#[derive(Debug, Clone, Copy)]
pub struct ListedItem {
    pub place: InventoryPlace,
    pub id: Id,
    /// True for an SSH key that several users have.
    pub is_shared: bool,
}

/// One credential of an owner, as far as counting needs it.
#[derive(Debug, Clone, Copy)]
pub struct OwnedCredential {
    /// The owner's row number.
    pub owner: i64,
    pub id: Id,
    pub kind: Kind,
    /// True if it is neither expired nor disabled.
    pub is_live: bool,
    pub last_used_at: Option<Time>,
}

/// A list for `json_each`, of what needs no escapes: numbers, ids, names of types.
pub(super) fn json<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = items
        .into_iter()
        .map(|item| format!("\"{item}\""))
        .collect();
    format!("[{}]", quoted.join(","))
}

fn number_list(items: impl IntoIterator<Item = i64>) -> String {
    let plain: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", plain.join(","))
}

/// A condition: another user has the key `k` too.
pub(super) const SHARED: &str = "EXISTS (SELECT 1 FROM ssh_keys o WHERE o.fingerprint = k.fingerprint AND o.user_id <> k.user_id)";

/// The conditions on credentials `c` and on SSH keys `k`, each with its uses as `l`. `?1` is now; `?2` the types
/// allowed by policy, `?3` the minimum of RSA bits.
fn conditions(show: InventoryFilter) -> (String, String) {
    let weak = format!(
        "(k.type NOT IN (SELECT value FROM json_each(?2)) OR (k.type = 'ssh-rsa' AND k.bits < ?3) OR {SHARED})"
    );
    // Every statement names all three, whether it uses them or not.
    let named = "?1 IS NOT NULL AND ?2 IS NOT NULL AND ?3 IS NOT NULL";
    let both = |credential: String, key: String| {
        (
            format!("{named} AND c.deleted_at IS NULL AND {credential}"),
            format!("{named} AND {key}"),
        )
    };
    let (unused, soon) = (UNUSED.as_secs(), SOON.as_secs());
    let recorded = is_use_recorded(None);
    let recorded_since = is_use_recorded(Some(&format!("?1 - {unused}")));
    match show {
        InventoryFilter::Everything => both("1".to_owned(), "1".to_owned()),
        InventoryFilter::Unused => both(
            format!("coalesce(c.last_used_at, c.created_at) < ?1 - {unused}"),
            format!(
                "{recorded_since} AND coalesce(l.used_at, l.looked_up_at, k.created_at) < ?1 - {unused}"
            ),
        ),
        InventoryFilter::NeverUsed => both(
            "c.last_used_at IS NULL".to_owned(),
            format!("{recorded} AND l.used_at IS NULL AND l.looked_up_at IS NULL"),
        ),
        InventoryFilter::NoExpiry => both(
            "c.expires_at IS NULL".to_owned(),
            "k.expires_at IS NULL".to_owned(),
        ),
        InventoryFilter::ExpiresSoon => both(
            format!("c.expires_at > ?1 AND c.expires_at <= ?1 + {soon}"),
            format!("k.expires_at > ?1 AND k.expires_at <= ?1 + {soon}"),
        ),
        InventoryFilter::WeakSshKey => both("0".to_owned(), weak),
    }
}

fn sources(show: InventoryFilter) -> (String, String) {
    let (credentials, keys) = conditions(show);
    (
        format!("FROM credentials c WHERE {credentials}"),
        format!("{TABLES} WHERE {keys}"),
    )
}

impl Select {
    /// A part of the inventory behind `after`, newest first.
    ///
    /// # Errors
    /// [`Error::Fault`] when the file can't be read.
    pub fn inventory(
        &self,
        show: InventoryFilter,
        policy: &Policy,
        now: Time,
        after: Option<InventoryPlace>,
        limit: usize,
    ) -> Result<Vec<ListedItem>, Error> {
        let (credentials, keys) = sources(show);
        let sql = format!(
            "SELECT * FROM (SELECT c.created_at AS at, 0 AS tbl, c.number AS number, c.id, 0 {credentials} \
             UNION ALL SELECT k.created_at, 1, k.number, k.id, {SHARED} {keys}) \
             WHERE ?4 IS NULL OR (at, tbl, number) < (?4, ?5, ?6) ORDER BY at DESC, tbl DESC, number DESC LIMIT ?7"
        );
        let with = params![
            now.unix(),
            json(&policy.ssh_key_types),
            policy.ssh_rsa_bits_min,
            after.map(|after| after.created_at.unix()),
            after.map(|after| after.is_ssh_key),
            after.map(|after| after.number),
            rows(limit),
        ];
        self.all(&sql, with, |row| {
            Ok(ListedItem {
                place: InventoryPlace {
                    created_at: Time::from_unix(row.get(0)?),
                    is_ssh_key: row.get(1)?,
                    number: row.get(2)?,
                },
                id: id(row, 3)?,
                is_shared: row.get(4)?,
            })
        })
    }

    /// Credentials by their ids; those that are gone are left out.
    pub fn records_of(&self, ids: &[Id]) -> Result<HashMap<Id, Record>, Error> {
        let sql = format!("SELECT {RECORD_COLUMNS} WHERE c.id IN (SELECT value FROM json_each(?))");
        let found = self.all(&sql, [json(ids)], read_record)?;
        Ok(found
            .into_iter()
            .map(|(_, record)| (record.id, record))
            .collect())
    }

    /// Credentials by row; deleted ones are left out.
    pub fn records_numbered(&self, numbers: &[i64]) -> Result<HashMap<i64, Record>, Error> {
        let sql =
            format!("SELECT {RECORD_COLUMNS} WHERE c.number IN (SELECT value FROM json_each(?))");
        let list = number_list(numbers.iter().copied());
        Ok(self.all(&sql, [list], read_record)?.into_iter().collect())
    }

    /// SSH keys by row; deleted or damaged ones are left out.
    pub fn ssh_keys_numbered(&self, numbers: &[i64]) -> Result<HashMap<i64, SshKey>, Error> {
        let sql =
            format!("SELECT {COLUMNS} {TABLES} WHERE k.number IN (SELECT value FROM json_each(?))");
        let found = self.all(&sql, [number_list(numbers.iter().copied())], read_found)?;
        let complete = |(number, key): (i64, Option<SshKey>)| key.map(|key| (number, key));
        Ok(found.into_iter().filter_map(complete).collect())
    }

    /// SSH keys by id; deleted or damaged ones are left out.
    pub fn ssh_keys_by_id(&self, ids: &[Id]) -> Result<HashMap<Id, SshKey>, Error> {
        let sql =
            format!("SELECT {COLUMNS} {TABLES} WHERE k.id IN (SELECT value FROM json_each(?))");
        let found = self.all(&sql, [json(ids)], read_found)?;
        Ok(found
            .into_iter()
            .filter_map(|(_, key)| key.map(|key| (key.id, key)))
            .collect())
    }

    /// Uses by day since `since`, of many credentials; days without uses are left out.
    pub fn usages(&self, ids: &[Id], since: Day) -> Result<HashMap<Id, Vec<UsageDay>>, Error> {
        let sql = "SELECT credential_id, day, uses, refused FROM usage_days \
                   WHERE credential_id IN (SELECT value FROM json_each(?)) AND day >= ?";
        let found = self.all(sql, params![json(ids), since.number()], |row| {
            let number = |column: usize| -> rusqlite::Result<u64> {
                Ok(row.get::<_, i64>(column)?.unsigned_abs())
            };
            let day = UsageDay {
                day: Day::from_number(row.get(1)?),
                uses: number(2)?,
                rejected: number(3)?,
            };
            Ok((id(row, 0)?, day))
        })?;
        let mut usages = HashMap::<Id, Vec<UsageDay>>::new();
        for (id, day) in found {
            usages.entry(id).or_default().push(day);
        }
        Ok(usages)
    }

    /// Present and recent credentials of many owners of one kind; `column` names them.
    fn held(&self, column: &str, owners: String, now: Time) -> Result<Vec<OwnedCredential>, Error> {
        let sql = format!(
            "SELECT c.{column}, c.id, c.kind, c.deleted_at IS NULL AND c.disabled_at IS NULL AND NOT {}, c.last_used_at \
             FROM credentials c WHERE c.{column} IN (SELECT value FROM json_each(?1))",
            // Only sessions have an idle timeout: the condition of sessions holds for all kinds.
            expired(Kind::Session, "?2")
        );
        self.all(&sql, params![owners, now.unix()], |row| {
            Ok(OwnedCredential {
                owner: row.get(0)?,
                id: id(row, 1)?,
                kind: Kind::from_word(row.get_ref(2)?.as_str()?).ok_or_else(|| invalid(2))?,
                is_live: row.get(3)?,
                last_used_at: time(row, 4)?,
            })
        })
    }

    /// Present and recent credentials of many users.
    pub fn held_by_users(
        &self,
        users: &[UserId],
        now: Time,
    ) -> Result<Vec<OwnedCredential>, Error> {
        self.held("user_id", number_list(users.iter().map(|user| user.0)), now)
    }

    /// Present and recent credentials of many services, given by row number.
    pub fn held_by_services(
        &self,
        services: &[i64],
        now: Time,
    ) -> Result<Vec<OwnedCredential>, Error> {
        self.held("service_id", number_list(services.iter().copied()), now)
    }

    /// The number of SSH keys valid at `now`, by user; users without keys are left out.
    pub fn count_ssh_keys_of(
        &self,
        users: &[UserId],
        now: Time,
    ) -> Result<HashMap<UserId, u32>, Error> {
        let sql = "SELECT user_id, count(*) FROM ssh_keys WHERE user_id IN (SELECT value FROM json_each(?)) \
                   AND expired_seen_at IS NULL AND (expires_at IS NULL OR expires_at > ?) GROUP BY user_id";
        let users = number_list(users.iter().map(|user| user.0));
        let found = self.all(sql, params![users, now.unix()], |row| {
            Ok((UserId(row.get(0)?), row.get(1)?))
        })?;
        Ok(found.into_iter().collect())
    }

    /// The names of many owners; deleted ones are left out.
    pub fn owner_names(&self, owners: &[OwnerId]) -> Result<HashMap<OwnerId, String>, Error> {
        let mut lists: [Vec<i64>; 3] = Default::default();
        for owner in owners {
            match owner {
                OwnerId::User(id) => lists[0].push(id.0),
                OwnerId::Service(id) => lists[1].push(id.0),
                OwnerId::Host(id) => lists[2].push(id.0),
            }
        }
        let sql = "SELECT 0, id, username FROM users WHERE id IN (SELECT value FROM json_each(?)) \
                   UNION ALL SELECT 1, id, name FROM services WHERE id IN (SELECT value FROM json_each(?)) \
                   UNION ALL SELECT 2, id, name FROM hosts WHERE id IN (SELECT value FROM json_each(?))";
        let found = self.all(sql, params_from_iter(lists.map(number_list)), |row| {
            let (kind, id): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((kind, id, row.get::<_, String>(2)?))
        })?;
        let known: HashMap<(i64, i64), String> = found
            .into_iter()
            .map(|(kind, id, name)| ((kind, id), name))
            .collect();
        let name = |owner: &OwnerId| {
            let key = match owner {
                OwnerId::User(id) => (0, id.0),
                OwnerId::Service(id) => (1, id.0),
                OwnerId::Host(id) => (2, id.0),
            };
            known.get(&key).map(|name| (*owner, name.clone()))
        };
        Ok(owners.iter().filter_map(name).collect())
    }
}
