//! The tables `hosts`, `host_groups` and `host_shared_logins`, and the rules for logins on a host.

use std::time::Duration;

use rusqlite::{Row, params};

use super::cache::VerificationSubject;
use super::read::{Page, Select};
use super::row::{id, invalid, position, rows, time, width};
use super::ssh_key::{COLUMNS, COLUMNS_COUNT, TABLES, read_found};
use super::write::Write;
use crate::model::address::AllowedAddresses;
use crate::model::code::Purpose;
use crate::model::credential::{Grace, SecretSlot};
use crate::model::error::{Error, FieldError};
use crate::model::event::{Action, Actor, AuditDetails, Origin};
use crate::model::group::Group;
use crate::model::host::{
    AcceptedLogin, EnrollmentCode, Host, HostId, HostLogin, HostRecord, LoginKey, SharedLogin,
};
use crate::model::secret::{Digest, Id};
use crate::model::time::Time;
use crate::model::user::{UserId, Username};

pub(super) const HOST: &str = "h.id, h.public_id, h.name, h.cache_age_max_seconds, h.created_at, h.last_contact_at, h.paused_at, h.rotation_requested_at";
pub(super) const RECORD: &str = "h.last_contact_from, h.version, h.cached_at, h.clock_ahead_seconds, \
    (SELECT group_concat(g.name, ' ' ORDER BY g.name) FROM host_groups x JOIN groups g ON g.id = x.group_id WHERE x.host_id = h.id) AS groups, \
    (SELECT group_concat(s.login || ' ' || g.name, ' ' ORDER BY s.login, g.name) FROM host_shared_logins s JOIN groups g ON g.id = s.group_id WHERE s.host_id = h.id) AS shared_logins, \
    (SELECT c.allowed_addresses FROM credentials c WHERE c.host_id = h.id) AS allowed_addresses, \
    (SELECT c.rotated_at FROM credentials c WHERE c.host_id = h.id) AS rotated_at";

/// A condition: the cache of host `h` is too old to answer from, or never existed. `now`: a parameter.
pub(super) fn is_silent(now: &str) -> String {
    format!("coalesce({now} - h.cached_at > h.cache_age_max_seconds, 1)")
}

fn words(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let text = row.get_ref(column)?.as_str_or_null()?.unwrap_or_default();
    Ok(text.split_ascii_whitespace().map(str::to_owned).collect())
}

fn read_host(row: &Row<'_>) -> rusqlite::Result<Host> {
    const fn column(name: &str) -> usize {
        position(HOST, name)
    }
    Ok(Host {
        id: HostId(row.get(const { column("h.id") })?),
        public_id: id(row, const { column("h.public_id") })?,
        name: row.get(const { column("h.name") })?,
        cache_age_max: Duration::from_secs(
            row.get::<_, i64>(const { column("h.cache_age_max_seconds") })?
                .unsigned_abs(),
        ),
        created_at: Time::from_unix(row.get(const { column("h.created_at") })?),
        last_contact_at: time(row, const { column("h.last_contact_at") })?,
        paused_at: time(row, const { column("h.paused_at") })?,
        rotation_requested_at: time(row, const { column("h.rotation_requested_at") })?,
    })
}

pub(super) fn read_record(row: &Row<'_>) -> rusqlite::Result<HostRecord> {
    const fn column(name: &str) -> usize {
        width(HOST) + position(RECORD, name)
    }
    let mut shared_logins = Vec::new();
    for pair in words(row, const { column("shared_logins") })?.chunks_exact(2) {
        shared_logins.push(SharedLogin {
            login: Username::parse(&pair[0])
                .map_err(|_| invalid(const { column("shared_logins") }))?,
            group: pair[1].clone(),
        });
    }
    Ok(HostRecord {
        host: read_host(row)?,
        last_contact_from: row.get(const { column("h.last_contact_from") })?,
        version: row.get(const { column("h.version") })?,
        cached_at: time(row, const { column("h.cached_at") })?,
        clock_ahead_seconds: row.get(const { column("h.clock_ahead_seconds") })?,
        groups: words(row, const { column("groups") })?,
        shared_logins,
        // A host whose credential revoked itself has no credential.
        allowed_addresses: match row
            .get_ref(const { column("allowed_addresses") })?
            .as_str_or_null()?
        {
            Some(text) => AllowedAddresses::from_stored(text)
                .map_err(|_| invalid(const { column("allowed_addresses") }))?,
            None => AllowedAddresses::default(),
        },
        credential_rotated_at: time(row, const { column("rotated_at") })?,
    })
}

/// The filter of a host's request for keys.
#[derive(Debug, Clone, Default)]
pub struct HostKeyFilter {
    /// `None`: every login.
    pub login: Option<Username>,
    /// `None`: every key.
    pub fingerprint: Option<String>,
    /// True: answer even if the host is paused.
    pub even_if_paused: bool,
}

/// SQL for the logins on host `?1`, as a table `logins (login, user_id, username, shared)`. Users get their own login,
/// unless the host is limited to groups without them or shares that login. Members of groups get the logins shared with
/// the group. `root` belongs to nobody: it has to be shared.
fn logins(one: bool, even_if_paused: bool) -> String {
    let active = if even_if_paused {
        ""
    } else {
        "AND NOT EXISTS (SELECT 1 FROM hosts p WHERE p.id = ?1 AND p.paused_at IS NOT NULL)"
    };
    let (own, shared) = if one {
        ("AND u.username = ?2", "AND s.login = ?2")
    } else {
        ("AND ?2 IS NULL", "AND ?2 IS NULL")
    };
    format!(
        "WITH logins (login, user_id, username, shared) AS (SELECT u.username, u.id, u.username, 0 FROM users u \
         WHERE u.disabled_at IS NULL AND u.deleted_at IS NULL AND u.username <> 'root' {own} {active} \
         AND (NOT EXISTS (SELECT 1 FROM host_groups x WHERE x.host_id = ?1) OR EXISTS \
         (SELECT 1 FROM host_groups x JOIN group_members m ON m.group_id = x.group_id WHERE x.host_id = ?1 AND m.user_id = u.id)) \
         AND NOT EXISTS (SELECT 1 FROM host_shared_logins s WHERE s.host_id = ?1 AND s.login = u.username) \
         UNION SELECT s.login, u.id, u.username, 1 FROM host_shared_logins s JOIN group_members m ON m.group_id = s.group_id \
         JOIN users u ON u.id = m.user_id WHERE s.host_id = ?1 AND u.disabled_at IS NULL AND u.deleted_at IS NULL {shared} {active})"
    )
}

/// A condition: the use of SSH key `k` would be recorded, because an active host admits its owner (the rules of
/// [`Select::host_keys`]). A workstation that reads the database reports no use. `enrolled_before`: a bound value, for
/// hosts that reported since then.
pub(super) fn is_use_recorded(enrolled_before: Option<&str>) -> String {
    let since = enrolled_before.map_or_else(String::new, |at| format!("AND h.created_at < {at}"));
    let active = format!("h.paused_at IS NULL {since}");
    let own = "u.username <> 'root' AND NOT EXISTS (SELECT 1 FROM host_shared_logins s WHERE s.host_id = h.id AND s.login = u.username)";
    format!(
        "k.user_id IN (SELECT u.id FROM users u WHERE EXISTS (SELECT 1 FROM hosts h WHERE {active} \
         AND h.id NOT IN (SELECT host_id FROM host_groups) AND {own}) \
         UNION ALL SELECT u.id FROM host_groups x JOIN hosts h ON h.id = x.host_id JOIN group_members m ON m.group_id = x.group_id \
         JOIN users u ON u.id = m.user_id WHERE {active} AND {own} \
         UNION ALL SELECT m.user_id FROM host_shared_logins s JOIN hosts h ON h.id = s.host_id \
         JOIN group_members m ON m.group_id = s.group_id WHERE {active})"
    )
}

impl Select {
    /// A host as verification needs it.
    pub(super) fn host_by_id(&self, id: HostId) -> Result<Option<Host>, Error> {
        let sql = format!("SELECT {HOST} FROM hosts h WHERE h.id = ?");
        self.one(&sql, [id.0], read_host)
    }

    /// One host.
    pub fn host(&self, id: Id) -> Result<Option<HostRecord>, Error> {
        let sql = format!("SELECT {HOST}, {RECORD} FROM hosts h WHERE h.public_id = ?");
        self.one(&sql, [id.as_str()], read_record)
    }

    /// Hosts, newest first; `after` is [`Page::next`] of the previous page.
    pub fn hosts(&self, after: Option<i64>, limit: usize) -> Result<Page<HostRecord>, Error> {
        let sql = format!(
            "SELECT {HOST}, {RECORD} FROM hosts h WHERE h.id < ? ORDER BY h.id DESC LIMIT ?"
        );
        let with = params![after.unwrap_or(i64::MAX), rows(limit)];
        let hosts = self.all(&sql, with, read_record)?;
        Ok(Page::new(hosts, limit, |one| one.host.id.0.to_string()))
    }

    /// Enrollment codes that are valid at `now`, newest first.
    pub fn enrollment_codes(&self, now: Time) -> Result<Vec<EnrollmentCode>, Error> {
        const CODE: &str = "id, uses_left, created_at, expires_at, groups, created_by";
        const fn column(name: &str) -> usize {
            position(CODE, name)
        }
        let sql = format!(
            "SELECT {CODE} FROM codes WHERE purpose = 'enrollment' AND uses_left > 0 AND expires_at > ? ORDER BY created_at DESC, id"
        );
        self.all(&sql, [now.unix()], |row| {
            let created_by: Option<String> = row.get(const { column("created_by") })?;
            Ok(EnrollmentCode {
                id: id(row, const { column("id") })?,
                uses_left: row.get(const { column("uses_left") })?,
                created_at: Time::from_unix(row.get(const { column("created_at") })?),
                expires_at: Time::from_unix(row.get(const { column("expires_at") })?),
                groups: words(row, const { column("groups") })?,
                created_by: created_by.as_deref().and_then(Id::parse),
            })
        })
    }

    /// The number of the last event: every change to who may log in where leaves one.
    pub fn last_event_number(&self) -> Result<i64, Error> {
        self.count("SELECT coalesce(max(number), 0) FROM events", [])
    }

    /// Hosts and logins that a user may use now: the rules of [`Select::host_keys`], from the user's side.
    pub fn logins_of(&self, user: UserId) -> Result<Vec<HostLogin>, Error> {
        let sql = "SELECT h.name AS host, u.username AS login, h.last_contact_from FROM users u JOIN hosts h \
                   WHERE u.id = ?1 AND h.paused_at IS NULL AND u.disabled_at IS NULL AND u.deleted_at IS NULL AND u.username <> 'root' \
                   AND (NOT EXISTS (SELECT 1 FROM host_groups x WHERE x.host_id = h.id) OR EXISTS \
                   (SELECT 1 FROM host_groups x JOIN group_members m ON m.group_id = x.group_id WHERE x.host_id = h.id AND m.user_id = u.id)) \
                   AND NOT EXISTS (SELECT 1 FROM host_shared_logins s WHERE s.host_id = h.id AND s.login = u.username) \
                   UNION SELECT h.name, s.login, h.last_contact_from FROM host_shared_logins s JOIN hosts h ON h.id = s.host_id \
                   JOIN group_members m ON m.group_id = s.group_id JOIN users u ON u.id = m.user_id \
                   WHERE u.id = ?1 AND h.paused_at IS NULL AND u.disabled_at IS NULL AND u.deleted_at IS NULL ORDER BY host, login";
        self.all(sql, [user.0], |row| {
            Ok(HostLogin {
                host: row.get(0)?,
                login: row.get(1)?,
                address: row.get(2)?,
            })
        })
    }

    /// The keys for logins on a host, expired ones included, by login and in the order in which they were added.
    /// Damaged rows are left out.
    pub fn host_keys(&self, host: HostId, wanted: &HostKeyFilter) -> Result<Vec<LoginKey>, Error> {
        let sql = format!(
            "{} SELECT {COLUMNS}, o.login, o.username, o.shared {TABLES} JOIN logins o ON o.user_id = k.user_id \
             WHERE {} ORDER BY o.login, k.number",
            logins(wanted.login.is_some(), wanted.even_if_paused),
            if wanted.fingerprint.is_some() {
                "k.fingerprint = ?3"
            } else {
                "?3 IS NULL"
            },
        );
        let login = wanted.login.as_ref().map(Username::as_str);
        let found = self.all(&sql, params![host.0, login, wanted.fingerprint], |row| {
            let (_, key) = read_found(row)?;
            let (login, username) = (row.get(COLUMNS_COUNT)?, row.get(COLUMNS_COUNT + 1)?);
            let is_shared = row.get(COLUMNS_COUNT + 2)?;
            Ok(key.map(|key| LoginKey {
                login,
                username,
                is_shared,
                key,
            }))
        })?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl Select {
    /// Returns whether a host admits the group, shares a login with it, or will do so through a valid enrollment code.
    /// The members of such a group are a limit on that host.
    pub fn group_opens_hosts(&self, group: &Group, now: Time) -> Result<bool, Error> {
        let sql = "SELECT (SELECT count(*) FROM host_groups WHERE group_id = ?1) \
                   + (SELECT count(*) FROM host_shared_logins WHERE group_id = ?1) \
                   + (SELECT count(*) FROM codes WHERE purpose = ?2 AND uses_left > 0 AND expires_at > ?3 \
                   AND instr(' ' || groups || ' ', ' ' || ?4 || ' ') > 0)";
        let purpose = Purpose::Enrollment.as_str();
        let with = params![group.id.0, purpose, now.unix(), group.name];
        Ok(self.count(sql, with)? > 0)
    }

    /// Returns whether any host shares this login with a group.
    pub fn is_shared_login(&self, login: &Username) -> Result<bool, Error> {
        let sql = "SELECT count(*) FROM host_shared_logins WHERE login = ?";
        Ok(self.count(sql, [login.as_str()])? > 0)
    }
}

fn seconds(age: Duration) -> i64 {
    i64::try_from(age.as_secs()).unwrap_or(i64::MAX)
}

fn no_group(field: &str, name: &str) -> Error {
    Error::Invalid(vec![FieldError::new(
        field,
        format!("unknown group {name}"),
    )])
}

impl Write<'_> {
    /// Adds a host.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a name in use, and when a group that limits the host was deleted: without it the host
    /// would be open to all.
    pub fn add_host(
        &self,
        id: Id,
        name: &str,
        cache_age_max: Duration,
        groups: &[String],
    ) -> Result<HostId, Error> {
        self.require_free_host_name(name, None)?;
        let sql = "INSERT INTO hosts (public_id, name, cache_age_max_seconds, created_at) VALUES (?, ?, ?, ?)";
        let age = seconds(cache_age_max);
        self.execute_for(
            VerificationSubject::NewRow,
            sql,
            params![id.as_str(), name, age, self.now.unix()],
        )?;
        let host = self
            .host(id)?
            .ok_or_else(|| Error::Fault("a new host has no row".to_owned()))?;
        match self.limit_host(host.host.id, groups)? {
            None => Ok(host.host.id),
            Some(deleted) => Err(Error::Conflict(format!(
                "The group {deleted}, to which this code limits hosts, was deleted; request a new code."
            ))),
        }
    }

    /// Writes an edit: name, cache age, pause, groups, shared logins, allowed addresses.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a name in use; [`Error::Invalid`] for an unknown group.
    pub fn edit_host(&self, after: &HostRecord) -> Result<(), Error> {
        let host = after.host.id;
        self.require_free_host_name(&after.host.name, Some(host))?;
        let sql = "UPDATE hosts SET name = ?, cache_age_max_seconds = ?, paused_at = ?, rotation_requested_at = ? WHERE id = ?";
        let unix = |time: Option<Time>| time.map(Time::unix);
        self.execute(
            sql,
            params![
                after.host.name,
                seconds(after.host.cache_age_max),
                unix(after.host.paused_at),
                unix(after.host.rotation_requested_at),
                host.0
            ],
        )?;
        let sql = "UPDATE credentials SET name = ?, allowed_addresses = ? WHERE host_id = ?";
        self.execute(
            sql,
            params![after.host.name, after.allowed_addresses.to_string(), host.0],
        )?;
        self.execute("DELETE FROM host_groups WHERE host_id = ?", [host.0])?;
        if let Some(deleted) = self.limit_host(host, &after.groups)? {
            return Err(no_group("groups", &deleted));
        }
        self.execute("DELETE FROM host_shared_logins WHERE host_id = ?", [host.0])?;
        for shared in &after.shared_logins {
            let group = self
                .group(&shared.group)?
                .ok_or_else(|| no_group("shared_logins", &shared.group))?;
            let sql = "INSERT OR IGNORE INTO host_shared_logins (host_id, login, group_id) VALUES (?, ?, ?)";
            self.execute(sql, params![host.0, shared.login.as_str(), group.id.0])?;
        }
        Ok(())
    }

    /// Sets a new secret of a host's credential. The presented secret stays valid until `previous_ends_at`. After the
    /// answer of an earlier rotation got lost, that is the previous one.
    pub fn rotate_host_credential(
        &self,
        host: &Host,
        which: SecretSlot,
        digest: &Digest,
        previous_ends_at: Time,
    ) -> Result<(), Error> {
        let id = host.public_id;
        match which {
            SecretSlot::Current => {
                let grace = Grace {
                    ends_at: previous_ends_at,
                    until_unused: None,
                };
                self.rotate_credential(id, digest, Some(grace), None)?;
            }
            SecretSlot::Previous => {
                let sql = "UPDATE credentials SET digest = ?, rotated_at = ? WHERE id = ?";
                let now = self.now.unix();
                self.execute(sql, params![digest.as_bytes(), now, id.as_str()])?;
            }
        }
        let sql = "UPDATE hosts SET rotation_requested_at = NULL WHERE id = ?";
        self.execute(sql, [host.id.0]).map(|_| ())
    }

    /// Deletes a host and its credential.
    pub fn delete_host(&self, host: HostId) -> Result<(), Error> {
        self.execute("DELETE FROM credentials WHERE host_id = ?", [host.0])?;
        self.execute("DELETE FROM hosts WHERE id = ?", [host.0])
            .map(|_| ())
    }

    /// Deletes an enrollment code. Returns whether it existed and was valid.
    pub fn delete_enrollment_code(&self, id: Id) -> Result<bool, Error> {
        let sql = "DELETE FROM codes WHERE id = ? AND purpose = ? AND expires_at > ?";
        let word = Purpose::Enrollment.as_str();
        Ok(self.execute(sql, params![id.as_str(), word, self.now.unix()])? > 0)
    }

    /// Records a login that a host reports, unless a later one is stored.
    pub fn note_login(&self, key: Id, host: &str, login: &AcceptedLogin) -> Result<(), Error> {
        let sql = "INSERT INTO ssh_key_uses (ssh_key_id, used_at, used_host) VALUES (?1, ?2, ?3) \
                   ON CONFLICT DO UPDATE SET used_at = excluded.used_at, used_host = excluded.used_host \
                   WHERE used_at IS NULL OR used_at <= excluded.used_at";
        self.execute(sql, params![key.as_str(), login.at.unix(), host])
            .map(|_| ())
    }

    /// Adds the event of one reported login.
    pub fn add_login_event(
        &self,
        actor: &Actor,
        origin: &Origin,
        details: &AuditDetails,
    ) -> Result<(), Error> {
        let action = Action::HostLogin;
        self.add_done(self.now, action, actor, origin, details)
    }

    /// Limits a host to groups. Returns the first unknown name.
    fn limit_host(&self, host: HostId, groups: &[String]) -> Result<Option<String>, Error> {
        for name in groups {
            let Some(group) = self.group(name)? else {
                return Ok(Some(name.clone()));
            };
            let sql = "INSERT OR IGNORE INTO host_groups (host_id, group_id) VALUES (?, ?)";
            self.execute(sql, params![host.0, group.id.0])?;
        }
        Ok(None)
    }

    fn require_free_host_name(&self, name: &str, besides: Option<HostId>) -> Result<(), Error> {
        let sql = "SELECT count(*) FROM hosts WHERE name = ? AND id IS NOT ?";
        if self.count(sql, params![name, besides.map(|host| host.0)])? > 0 {
            return Err(Error::NameTaken(format!(
                "A host named {name} exists; choose another name, or delete that host first."
            )));
        }
        Ok(())
    }
}
