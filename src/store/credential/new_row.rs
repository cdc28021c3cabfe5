//! New rows of the table `credentials`.

use std::net::IpAddr;

use crate::model::address::AllowedAddresses;
use crate::model::credential::{Kind, OwnerId, Record};
use crate::model::permission::Permissions;
use crate::model::secret::{Digest, Id};
use crate::model::time::Time;
use crate::model::user::Disabled;

/// A new row.
pub struct NewRow {
    pub id: Id,
    pub kind: Kind,
    pub owner: OwnerId,
    pub name: String,
    pub note: Option<String>,
    pub permissions: Permissions,
    pub allowed_addresses: AllowedAddresses,
    pub digest: Digest,
    pub created_by: Option<Id>,
    pub expires_at: Option<Time>,
    pub password_at: Option<Time>,
    pub user_agent: Option<String>,
    pub address: Option<IpAddr>,
}

impl NewRow {
    /// The row in the form of lists, as added at `now`, without another read of the database.
    pub fn record(self, now: Time) -> Record {
        Record {
            id: self.id,
            kind: self.kind,
            owner: self.owner,
            name: self.name,
            note: self.note,
            permissions: self.permissions,
            allowed_addresses: self.allowed_addresses,
            created_at: now,
            created_by: self.created_by,
            created_by_name: None,
            expires_at: self.expires_at,
            disabled: Disabled::No,
            seen_expired: false,
            deletion: None,
            rotated_at: None,
            rotations: 0,
            grace: None,
            last_use: None,
            current_use: None,
            previous_use: None,
            idle_max: None,
            signed_in_with: None,
            user_agent: self.user_agent,
            address: self.address,
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::api_keys_of_sql;
    use super::*;
    use crate::model::user::UserId;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let schema = include_str!("../../../schema.sql");
        connection.execute_batch(schema).unwrap();
        connection
    }

    /// The steps of SQLite's query plan.
    fn steps(sql: &str) -> Vec<String> {
        let connection = connection();
        let mut statement = connection.prepare(&format!("EXPLAIN {sql}")).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get("opcode"));
        steps.map(Result::unwrap).collect()
    }

    /// Bar P3 of docs/guarantees.md: the cost of a new key must not grow with the number of keys.
    #[test]
    fn api_key_count_reads_only_an_index() {
        let steps = steps(&api_keys_of_sql(OwnerId::User(UserId(1))));
        assert!(steps.contains(&"SeekGE".to_owned()), "{steps:?}");
        assert!(!steps.contains(&"Column".to_owned()), "{steps:?}");
    }

    /// Bar P3: for a CHECK with three or more words behind IN, SQLite builds a table each time.
    #[test]
    fn insert_creates_no_temporary_table() {
        for table in ["credentials", "events"] {
            let steps = steps(&format!("INSERT INTO {table} DEFAULT VALUES"));
            let has = |step: &str| steps.iter().any(|one| one == step);
            assert!(has("Insert"), "{table}: {steps:?}");
            assert!(!has("OpenEphemeral"), "{table}: {steps:?}");
        }
    }
}
