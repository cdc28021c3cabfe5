//! The table `policy`: one row.

use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::read::Select;
use super::row::{invalid, position, time, unix};
use super::write::Write;
use crate::model::error::Error;
use crate::model::policy::{LifetimeRule, Policy, PolicyChoice};
use crate::model::second_factor::SecondFactorRule;
use crate::model::time::Lifetime;

const COLUMNS: &str = "api_key_lifetime_choice, api_key_lifetimes, api_key_lifetime_default, api_key_lifetime_max, token_lifetime_choice, token_lifetime_default, \
    token_lifetime_max, session_lifetime, ssh_key_types, ssh_rsa_bits_min, ssh_key_lifetime_max, api_keys_max, ssh_keys_max, session_idle_max, \
    second_factor, second_factor_from";

fn seconds(lifetime: Lifetime) -> Option<i64> {
    match lifetime {
        Lifetime::For(duration) => Some(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)),
        Lifetime::Endless => None,
    }
}

fn lifetime(row: &Row<'_>, column: usize) -> rusqlite::Result<Lifetime> {
    let seconds: Option<i64> = row.get(column)?;
    Ok(seconds.map_or(Lifetime::Endless, |seconds| {
        Lifetime::For(Duration::from_secs(seconds.unsigned_abs()))
    }))
}

fn choice(row: &Row<'_>, column: usize) -> rusqlite::Result<PolicyChoice> {
    Ok(PolicyChoice::from(row.get::<_, bool>(column)?))
}

/// Replaces the one row.
pub(super) fn insert(connection: &Connection, policy: &Policy) -> rusqlite::Result<()> {
    let lifetimes: Vec<String> = policy
        .api_key_lifetimes
        .iter()
        .map(ToString::to_string)
        .collect();
    let sql = format!(
        "INSERT OR REPLACE INTO policy (id, {COLUMNS}) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    connection.execute(
        &sql,
        params![
            policy.api_key.choice == PolicyChoice::Free,
            lifetimes.join(" "),
            seconds(policy.api_key.default),
            seconds(policy.api_key.max),
            policy.token.choice == PolicyChoice::Free,
            seconds(policy.token.default),
            seconds(policy.token.max),
            seconds(policy.session_lifetime),
            policy.ssh_key_types.join(" "),
            policy.ssh_rsa_bits_min,
            seconds(policy.ssh_key_lifetime_max),
            policy.api_keys_max,
            policy.ssh_keys_max,
            seconds(policy.session_idle_max),
            policy.second_factor.as_str(),
            unix(policy.second_factor_from),
        ],
    )?;
    Ok(())
}

impl Select {
    /// The present policy; it is never cached.
    pub fn policy(&self) -> Result<Policy, Error> {
        const fn column(name: &str) -> usize {
            position(COLUMNS, name)
        }
        let found = self.one(&format!("SELECT {COLUMNS} FROM policy"), [], |row| {
            let lifetimes = row
                .get_ref(const { column("api_key_lifetimes") })?
                .as_str()?
                .split(' ')
                .map(Lifetime::parse)
                .collect::<Result<Vec<_>, _>>();
            Ok(Policy {
                api_key: LifetimeRule {
                    choice: choice(row, const { column("api_key_lifetime_choice") })?,
                    default: lifetime(row, const { column("api_key_lifetime_default") })?,
                    max: lifetime(row, const { column("api_key_lifetime_max") })?,
                },
                api_key_lifetimes: lifetimes
                    .map_err(|_| invalid(const { column("api_key_lifetimes") }))?,
                token: LifetimeRule {
                    choice: choice(row, const { column("token_lifetime_choice") })?,
                    default: lifetime(row, const { column("token_lifetime_default") })?,
                    max: lifetime(row, const { column("token_lifetime_max") })?,
                },
                session_lifetime: lifetime(row, const { column("session_lifetime") })?,
                ssh_key_types: row
                    .get_ref(const { column("ssh_key_types") })?
                    .as_str()?
                    .split(' ')
                    .map(str::to_owned)
                    .collect(),
                ssh_rsa_bits_min: row.get(const { column("ssh_rsa_bits_min") })?,
                ssh_key_lifetime_max: lifetime(row, const { column("ssh_key_lifetime_max") })?,
                api_keys_max: row.get(const { column("api_keys_max") })?,
                ssh_keys_max: row.get(const { column("ssh_keys_max") })?,
                session_idle_max: lifetime(row, const { column("session_idle_max") })?,
                second_factor: SecondFactorRule::parse(
                    row.get_ref(const { column("second_factor") })?.as_str()?,
                )
                .map_err(|_| invalid(const { column("second_factor") }))?,
                second_factor_from: time(row, const { column("second_factor_from") })?,
            })
        })?;
        found.ok_or_else(|| Error::Fault("the database lacks its policy".to_owned()))
    }
}

impl Write<'_> {
    /// Replaces the policy.
    pub fn set_policy(&self, policy: &Policy) -> Result<(), Error> {
        Ok(insert(&self.connection, policy)?)
    }
}
