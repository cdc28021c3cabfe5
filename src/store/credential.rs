//! The table `credentials` and its uses.

mod ending;
mod new_row;
mod rotation;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::{Row, params};

pub use self::new_row::NewRow;
use super::cache::VerificationSubject;
use super::read::{Page, Select};
use super::row::{id, invalid, optional_id, position, positions, rows, time, unix, width};
use super::user::{USER_COLUMNS, read_user};
use super::write::Write;
use crate::model::address::AllowedAddresses;
use crate::model::credential::{
    Credential, CredentialDeletion, Grace, Kind, LastUse, Owner, OwnerId, Previous, Record,
    SecretSlot, UntilUnused,
};
use crate::model::error::{Error, SecretSent};
use crate::model::host::HostId;
use crate::model::permission::Permissions;
use crate::model::second_factor::SignInMethod;
use crate::model::secret::{Digest, Id, Presented, SecretForm};
use crate::model::service::ServiceId;
use crate::model::time::{Lifetime, Time};
use crate::model::user::{Disabled, UserId};

/// The filter of a list of credentials.
#[derive(Debug, Clone, Copy)]
pub struct CredentialFilter {
    /// `None`: every owner.
    pub owner: Option<OwnerId>,
    /// `None`: every kind.
    pub kind: Option<Kind>,
    /// True: deleted credentials only. False: all others.
    pub is_deleted: bool,
}

const fn owner_columns(owner: OwnerId) -> (Option<i64>, Option<i64>, Option<i64>) {
    match owner {
        OwnerId::User(id) => (Some(id.0), None, None),
        OwnerId::Service(id) => (None, Some(id.0), None),
        OwnerId::Host(id) => (None, None, Some(id.0)),
    }
}

/// The column that names an owner of this kind, and the owner's row.
pub(super) const fn owner_column(owner: OwnerId) -> (&'static str, i64) {
    match owner {
        OwnerId::User(id) => ("user_id", id.0),
        OwnerId::Service(id) => ("service_id", id.0),
        OwnerId::Host(id) => ("host_id", id.0),
    }
}

pub(super) const RECORD_COLUMNS: &str = "c.number, c.id, c.kind, c.user_id, c.service_id, c.host_id, c.name, c.note, c.permissions, c.allowed_addresses, c.created_at, c.created_by, \
    c.expires_at, c.disabled_at, c.expired_seen_at, c.deleted_at, c.deletion_reason, c.rotated_at, c.previous_ends_at, c.user_agent, c.address, \
    c.rotations, c.previous_quiet_seconds, l.at, l.address, l.program, l.previous_at, l.previous_address, l.previous_program, \
    l.earlier_at, l.earlier_address, l.earlier_program, c.created_by_name, c.idle_max_seconds, c.signed_in_with FROM credentials c LEFT JOIN last_uses l ON l.credential_id = c.id";

/// SQL for the root API key of a credential created by `creator`: that API key itself, or the one a token derives from.
pub(super) fn root_api_key(creator: &str) -> String {
    format!(
        "(SELECT CASE kind WHEN 'api-key' THEN id WHEN 'token' THEN root_api_key END FROM credentials WHERE id = {creator})"
    )
}

/// The credential `?1` and all credentials that derive from it, deleted ones included.
const DERIVED: &str = "WITH RECURSIVE made (id) AS (VALUES (?1) \
    UNION SELECT c.id FROM credentials c JOIN made ON c.created_by = made.id OR c.root_api_key = made.id)";

/// The tokens that the credential `?1` created, those that these created, and so on.
const DERIVED_TOKENS: &str = "WITH RECURSIVE made (id) AS (SELECT id FROM credentials WHERE created_by = ?1 AND kind = 'token' \
    UNION SELECT c.id FROM credentials c JOIN made ON c.created_by = made.id WHERE c.kind = 'token')";

fn disabled(at: Option<i64>) -> Disabled {
    Disabled::from(at.is_some())
}

fn seconds(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Duration>> {
    let seconds: Option<u32> = row.get(column)?;
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
}

fn sign_in_method(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<SignInMethod>> {
    row.get_ref(column)?
        .as_str_or_null()?
        .map(|text| SignInMethod::parse(text).ok_or_else(|| invalid(column)))
        .transpose()
}

fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Digest>> {
    row.get_ref(column)?
        .as_blob_or_null()?
        .map(|bytes| Digest::from_stored(bytes).ok_or_else(|| invalid(column)))
        .transpose()
}

/// The grace period of a rotation, from its three columns.
fn grace(
    ends_at: Option<Time>,
    quiet_seconds: Option<i64>,
    rotated_at: Option<Time>,
) -> Option<Grace> {
    let quiet = quiet_seconds.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
    Some(Grace {
        ends_at: ends_at?,
        until_unused: quiet
            .zip(rotated_at)
            .map(|(quiet, rotated_at)| UntilUnused { quiet, rotated_at }),
    })
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<Kind> {
    Kind::from_word(row.get_ref(column)?.as_str()?).ok_or_else(|| invalid(column))
}

fn allowed_addresses(row: &Row<'_>, column: usize) -> rusqlite::Result<AllowedAddresses> {
    let text = row.get_ref(column)?.as_str()?;
    if text.is_empty() {
        Ok(AllowedAddresses::default())
    } else {
        AllowedAddresses::from_stored(text).map_err(|_| invalid(column))
    }
}

fn owner_id(row: &Row<'_>, [user, service, host]: [usize; 3]) -> rusqlite::Result<OwnerId> {
    match (row.get(user)?, row.get(service)?, row.get(host)?) {
        (Some(user), None, None) => Ok(OwnerId::User(UserId(user))),
        (None, Some(service), None) => Ok(OwnerId::Service(ServiceId(service))),
        (None, None, Some(host)) => Ok(OwnerId::Host(HostId(host))),
        _ => Err(invalid(user)),
    }
}

pub(super) fn read_record(row: &Row<'_>) -> rusqlite::Result<(i64, Record)> {
    const fn column(name: &str) -> usize {
        position(RECORD_COLUMNS, name)
    }
    const fn columns(names: [&str; 3]) -> [usize; 3] {
        positions(RECORD_COLUMNS, names)
    }
    let address = |at: usize| -> rusqlite::Result<Option<IpAddr>> {
        Ok(row
            .get_ref(at)?
            .as_str_or_null()?
            .and_then(|text| text.parse().ok()))
    };
    let deletion = match (
        time(row, const { column("c.deleted_at") })?,
        row.get::<_, Option<String>>(const { column("c.deletion_reason") })?,
    ) {
        (Some(at), Some(reason)) => Some(CredentialDeletion { at, reason }),
        _ => None,
    };
    let last_use = |[at, from, program]: [usize; 3]| -> rusqlite::Result<Option<LastUse>> {
        Ok(match time(row, at)? {
            Some(at) => Some(LastUse {
                at,
                address: address(from)?,
                program: row.get(program)?,
            }),
            None => None,
        })
    };
    let current_use = last_use(const { columns(["l.at", "l.address", "l.program"]) })?;
    let previous_use =
        last_use(const { columns(["l.previous_at", "l.previous_address", "l.previous_program"]) })?;
    let earlier_use =
        last_use(const { columns(["l.earlier_at", "l.earlier_address", "l.earlier_program"]) })?;
    let rotated_at = time(row, const { column("c.rotated_at") })?;
    let record = Record {
        id: id(row, const { column("c.id") })?,
        kind: kind(row, const { column("c.kind") })?,
        owner: owner_id(
            row,
            const { columns(["c.user_id", "c.service_id", "c.host_id"]) },
        )?,
        name: row.get(const { column("c.name") })?,
        note: row.get(const { column("c.note") })?,
        permissions: Permissions::from_stored(
            row.get_ref(const { column("c.permissions") })?.as_str()?,
        ),
        allowed_addresses: allowed_addresses(row, const { column("c.allowed_addresses") })?,
        created_at: Time::from_unix(row.get(const { column("c.created_at") })?),
        created_by: optional_id(row, const { column("c.created_by") })?,
        created_by_name: row.get(const { column("c.created_by_name") })?,
        expires_at: time(row, const { column("c.expires_at") })?,
        disabled: disabled(row.get(const { column("c.disabled_at") })?),
        seen_expired: time(row, const { column("c.expired_seen_at") })?.is_some(),
        deletion,
        rotated_at,
        rotations: row.get(const { column("c.rotations") })?,
        grace: grace(
            time(row, const { column("c.previous_ends_at") })?,
            row.get(const { column("c.previous_quiet_seconds") })?,
            rotated_at,
        ),
        last_use: LastUse::latest(
            LastUse::latest(current_use.clone(), previous_use.clone()),
            earlier_use,
        ),
        current_use,
        previous_use,
        idle_max: seconds(row, const { column("c.idle_max_seconds") })?,
        signed_in_with: sign_in_method(row, const { column("c.signed_in_with") })?,
        user_agent: row.get(const { column("c.user_agent") })?,
        address: address(const { column("c.address") })?,
    };
    Ok((row.get(const { column("c.number") })?, record))
}

/// The columns of a row of `credentials` called `c` that verification reads.
const LOOKUP_COLUMNS: &str = "c.kind, c.permissions, c.allowed_addresses, c.digest, c.previous_digest, c.previous_ends_at, c.expires_at, c.expired_seen_at, c.disabled_at, c.deleted_at, \
    c.password_at, c.created_at, c.user_id, c.service_id, c.host_id, c.rotations, c.previous_quiet_seconds, c.rotated_at, c.idle_max_seconds, c.confirmed_with";
const LOOKUP_WIDTH: usize = width(LOOKUP_COLUMNS);

/// SQL that reads a credential and its owner in one SELECT.
pub(super) fn lookup_sql() -> &'static str {
    static SQL: OnceLock<String> = OnceLock::new();
    SQL.get_or_init(|| {
        format!("SELECT {LOOKUP_COLUMNS}, {USER_COLUMNS} FROM credentials c LEFT JOIN users u ON u.id = c.user_id WHERE c.id = ?")
    })
}

/// Reads [`LOOKUP_COLUMNS`]. Returns the owner's id and a function that builds the credential from the owner.
fn read_lookup(
    row: &Row<'_>,
    id: Id,
) -> rusqlite::Result<(OwnerId, impl FnOnce(Owner) -> Credential + use<>)> {
    const fn column(name: &str) -> usize {
        position(LOOKUP_COLUMNS, name)
    }
    const fn columns(names: [&str; 3]) -> [usize; 3] {
        positions(LOOKUP_COLUMNS, names)
    }
    let kind = kind(row, const { column("c.kind") })?;
    let permissions =
        Permissions::from_stored(row.get_ref(const { column("c.permissions") })?.as_str()?);
    let allowed_addresses = allowed_addresses(row, const { column("c.allowed_addresses") })?;
    let current = digest(row, const { column("c.digest") })?;
    let previous = match (
        digest(row, const { column("c.previous_digest") })?,
        time(row, const { column("c.previous_ends_at") })?,
    ) {
        (Some(digest), ends_at @ Some(_)) => grace(
            ends_at,
            row.get(const { column("c.previous_quiet_seconds") })?,
            time(row, const { column("c.rotated_at") })?,
        )
        .map(|grace| Previous { digest, grace }),
        _ => None,
    };
    let rotations = row.get(const { column("c.rotations") })?;
    let expires_at = time(row, const { column("c.expires_at") })?;
    let seen_expired = time(row, const { column("c.expired_seen_at") })?.is_some();
    let disabled = disabled(row.get(const { column("c.disabled_at") })?);
    let is_deleted = time(row, const { column("c.deleted_at") })?.is_some();
    let password_at = time(row, const { column("c.password_at") })?;
    let created_at = Time::from_unix(row.get(const { column("c.created_at") })?);
    let idle_max = seconds(row, const { column("c.idle_max_seconds") })?;
    let confirmed_with = sign_in_method(row, const { column("c.confirmed_with") })?;
    let make = move |owner| Credential {
        id,
        kind,
        owner,
        permissions,
        allowed_addresses,
        digest: current,
        previous,
        rotations,
        created_at,
        expires_at,
        disabled,
        is_deleted,
        seen_expired,
        password_at,
        confirmed_with,
        idle_max,
    };
    Ok((
        owner_id(
            row,
            const { columns(["c.user_id", "c.service_id", "c.host_id"]) },
        )?,
        make,
    ))
}

/// Counts in an index of exactly these. With the index of all credentials of a user, SQLite would read each row.
fn api_keys_of_sql(owner: OwnerId) -> String {
    let index = match owner {
        OwnerId::User(_) => "INDEXED BY api_key_names",
        OwnerId::Service(_) | OwnerId::Host(_) => "",
    };
    let (column, _) = owner_column(owner);
    format!(
        "SELECT count(*) FROM credentials {index} WHERE {column} = ? AND kind = 'api-key' AND deleted_at IS NULL"
    )
}

impl Select {
    /// A credential and its owner, as verification needs them.
    pub fn credential(&self, id: Id) -> Result<Option<Credential>, Error> {
        let found = self.one(lookup_sql(), [id.as_str()], |row| {
            let (owner, make) = read_lookup(row, id)?;
            let user = match owner {
                OwnerId::User(_) => Some(Owner::User(Arc::new(read_user(row, LOOKUP_WIDTH)?))),
                OwnerId::Service(_) | OwnerId::Host(_) => None,
            };
            Ok((owner, user, make))
        })?;
        let Some((owner, user, make)) = found else {
            return Ok(None);
        };
        let owner = match user {
            Some(user) => Some(user),
            None => self.owner(owner)?,
        };
        Ok(owner.map(make))
    }

    /// The owner with this id.
    pub(super) fn owner(&self, id: OwnerId) -> Result<Option<Owner>, Error> {
        Ok(match id {
            OwnerId::User(id) => self.user_by_id(id)?.map(Arc::new).map(Owner::User),
            OwnerId::Service(id) => self.service_by_id(id)?.map(Arc::new).map(Owner::Service),
            OwnerId::Host(id) => self.host_by_id(id)?.map(Arc::new).map(Owner::Host),
        })
    }

    /// Last stored use of a credential's present secret.
    pub fn last_used_at(&self, id: Id) -> Result<Option<Time>, Error> {
        let sql = "SELECT at FROM last_uses WHERE credential_id = ?";
        Ok(self.one(sql, [id.as_str()], |row| time(row, 0))?.flatten())
    }

    /// One credential in the form of lists.
    pub fn record(&self, id: Id) -> Result<Option<Record>, Error> {
        let sql = format!("SELECT {RECORD_COLUMNS} WHERE c.id = ?");
        Ok(self
            .one(&sql, [id.as_str()], read_record)?
            .map(|(_, record)| record))
    }

    /// Credentials, newest first; `after` is [`Page::next`] of the previous page.
    pub fn records(
        &self,
        filter: &CredentialFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Record>, Error> {
        let owner = filter.owner.map_or(String::new(), |owner| {
            format!("AND c.{} = ?3 ", owner_column(owner).0)
        });
        let kind = filter.kind.map_or(String::new(), |kind| {
            format!("AND c.kind = '{}' ", kind.as_str())
        });
        let deleted = if filter.is_deleted { "IS NOT" } else { "IS" };
        let sql = format!(
            "SELECT {RECORD_COLUMNS} WHERE c.number < ?1 {owner}{kind}AND c.deleted_at {deleted} NULL ORDER BY c.number DESC LIMIT ?2"
        );
        let after = after.unwrap_or(i64::MAX);
        let found = match filter.owner {
            Some(owner) => self.all(
                &sql,
                params![after, rows(limit), owner_column(owner).1],
                read_record,
            )?,
            None => self.all(&sql, params![after, rows(limit)], read_record)?,
        };
        let page = Page::new(found, limit, |(number, _)| number.to_string());
        Ok(Page {
            items: page.items.into_iter().map(|(_, record)| record).collect(),
            next: page.next,
        })
    }

    /// The unexpired credentials that `creator` created, those that these created, and so on.
    pub fn created_by(&self, creator: Id) -> Result<Vec<Record>, Error> {
        let sql = format!(
            "{DERIVED} SELECT {RECORD_COLUMNS} WHERE c.id IN made AND c.id <> ?1 AND c.deleted_at IS NULL ORDER BY c.number DESC"
        );
        Ok(self
            .all(&sql, [creator.as_str()], read_record)?
            .into_iter()
            .map(|(_, record)| record)
            .collect())
    }

    /// Returns whether a credential derives from `root`: it created the credential, or one in its line of creators.
    pub fn derives_from(&self, id: Id, root: Id) -> Result<bool, Error> {
        let sql = "WITH RECURSIVE above (id) AS (VALUES (?1) \
            UNION SELECT c.created_by FROM credentials c JOIN above ON c.id = above.id \
            UNION SELECT c.root_api_key FROM credentials c JOIN above ON c.id = above.id) \
            SELECT count(*) FROM above WHERE id = ?2 AND id <> ?1";
        Ok(self.count(sql, params![id.as_str(), root.as_str()])? > 0)
    }

    /// Ids and names of a user's SSH keys that `creator` added, directly or through a credential derived from it.
    pub fn ssh_keys_created_by(
        &self,
        creator: Id,
        owner: UserId,
    ) -> Result<Vec<(Id, String)>, Error> {
        let sql = format!(
            "{DERIVED} SELECT id, name FROM ssh_keys WHERE user_id = ?2 AND (created_by IN made OR root_api_key IN made) ORDER BY number DESC"
        );
        self.all(&sql, params![creator.as_str(), owner.0], |row| {
            Ok((id(row, 0)?, row.get(1)?))
        })
    }

    /// The number of API keys of an owner that are not deleted.
    pub fn count_api_keys_of(&self, owner: OwnerId) -> Result<i64, Error> {
        let (_, row) = owner_column(owner);
        let sql = api_keys_of_sql(owner);
        self.count(&sql, [row])
    }

    /// Requires a secret of the credential, current or previous, however old. For credentials that revoke themselves.
    pub(super) fn require_secret(&self, presented: &Presented, _now: Time) -> Result<(), Error> {
        self.which_secret(presented).map(|_| ())
    }

    /// The credential and the slot of a presented secret, by form, id and digest alone.
    pub fn which_secret(&self, presented: &Presented) -> Result<(Credential, SecretSlot), Error> {
        let rejected = || Error::Unauthenticated {
            sent: SecretSent::Yes,
        };
        let credential = self.credential(presented.id)?.ok_or_else(rejected)?;
        if SecretForm::Credential(credential.kind) != presented.form {
            return Err(rejected());
        }
        let which = if credential
            .digest
            .is_some_and(|digest| digest.matches(&presented.digest))
        {
            SecretSlot::Current
        } else if credential
            .previous
            .is_some_and(|previous| previous.digest.matches(&presented.digest))
        {
            SecretSlot::Previous
        } else {
            return Err(rejected());
        };
        Ok((credential, which))
    }

    fn require_free_name(
        &self,
        owner: OwnerId,
        name: &str,
        besides: Option<Id>,
    ) -> Result<(), Error> {
        let (column, row) = owner_column(owner);
        let sql = format!(
            "SELECT count(*) FROM credentials WHERE {column} = ? AND kind = 'api-key' AND name = ? AND deleted_at IS NULL AND id IS NOT ?"
        );
        if self.count(&sql, params![row, name, besides.as_ref().map(Id::as_str)])? > 0 {
            return Err(Error::NameTaken(format!(
                "An API key named \"{name}\" exists; choose another name, or rotate that key."
            )));
        }
        Ok(())
    }
}

impl Write<'_> {
    /// Adds a credential.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the owner has an API key of this name.
    pub fn add_credential(&self, new: &NewRow) -> Result<(), Error> {
        if new.kind == Kind::ApiKey {
            self.require_free_name(new.owner, &new.name, None)?;
        }
        let (user, service, host) = owner_columns(new.owner);
        let sql = format!(
            "INSERT INTO credentials (id, kind, user_id, service_id, host_id, name, note, permissions, allowed_addresses, digest, created_at, created_by, expires_at, password_at, user_agent, address, root_api_key, created_by_name) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?12, ?, ?, ?, ?, {}, (SELECT kind || ' ' || name FROM credentials WHERE id = ?12))",
            root_api_key("?12")
        );
        self.execute_for(
            VerificationSubject::Credential(new.id),
            &sql,
            params![
                new.id.as_str(),
                new.kind.as_str(),
                user,
                service,
                host,
                new.name,
                new.note,
                new.permissions.to_string(),
                new.allowed_addresses.to_string(),
                new.digest.as_bytes(),
                self.now.unix(),
                new.created_by.as_ref().map(Id::as_str),
                unix(new.expires_at),
                unix(new.password_at),
                new.user_agent,
                new.address.map(|address| address.to_string()),
            ],
        )?;
        Ok(())
    }

    /// Writes an edit: name, note, permissions, allowed addresses, expiration. A new expiration clears the mark of an
    /// earlier one that was seen to have passed.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the owner has another API key of this name.
    pub fn edit_credential(&self, record: &Record) -> Result<(), Error> {
        self.require_free_name(record.owner, &record.name, Some(record.id))?;
        let sql = "UPDATE credentials SET name = ?, note = ?, permissions = ?, allowed_addresses = ?, \
                   expired_seen_at = CASE WHEN expires_at IS ?5 THEN expired_seen_at END, expires_at = ?5, \
                   previous_ends_at = CASE WHEN previous_ends_at IS NULL OR ?5 IS NULL THEN previous_ends_at ELSE min(previous_ends_at, ?5) END WHERE id = ?";
        let id = record.id;
        self.execute_for(
            VerificationSubject::Credential(id),
            sql,
            params![
                record.name,
                record.note,
                record.permissions.to_string(),
                record.allowed_addresses.to_string(),
                unix(record.expires_at),
                id.as_str()
            ],
        )?;
        self.shorten_tokens(id, record.expires_at)
    }

    pub fn set_credential_disabled(&self, id: Id, disabled: Disabled) -> Result<(), Error> {
        let at = match disabled {
            Disabled::Yes => Some(self.now.unix()),
            Disabled::No => None,
        };
        self.execute_for(
            VerificationSubject::Credential(id),
            "UPDATE credentials SET disabled_at = ? WHERE id = ?",
            params![at, id.as_str()],
        )
        .map(|_| ())
    }

    /// Shortens the lifetime of derived tokens when their creator expires earlier: a token never outlives its creator.
    pub(super) fn shorten_tokens(&self, creator: Id, end: Option<Time>) -> Result<(), Error> {
        let Some(end) = end else { return Ok(()) };
        let sql = format!(
            "{DERIVED_TOKENS} UPDATE credentials SET expires_at = ?2 WHERE kind = 'token' AND expires_at > ?2 AND id IN made RETURNING id"
        );
        self.execute_returning(&sql, params![creator.as_str(), end.unix()])
            .map(|_| ())
    }

    /// Sets the idle timeout of a session.
    pub fn set_idle_max(&self, id: Id, idle_max: Lifetime) -> Result<(), Error> {
        let seconds = match idle_max {
            Lifetime::For(duration) => i64::try_from(duration.as_secs()).ok(),
            Lifetime::Endless => None,
        };
        let sql = "UPDATE credentials SET idle_max_seconds = ? WHERE id = ?";
        self.execute_for(
            VerificationSubject::Credential(id),
            sql,
            params![seconds, id.as_str()],
        )
        .map(|_| ())
    }

    /// Notes that the holder of a session proved now who they are.
    pub fn set_confirmed(&self, id: Id, with: SignInMethod) -> Result<(), Error> {
        self.execute_for(
            VerificationSubject::Credential(id),
            "UPDATE credentials SET password_at = ?, confirmed_with = ? WHERE id = ?",
            params![self.now.unix(), with.as_str(), id.as_str()],
        )
        .map(|_| ())
    }

    /// Notes how a new session was signed in.
    pub fn set_signed_in_with(&self, id: Id, with: SignInMethod) -> Result<(), Error> {
        self.execute_for(
            VerificationSubject::Credential(id),
            "UPDATE credentials SET signed_in_with = ?1, confirmed_with = ?1 WHERE id = ?2",
            params![with.as_str(), id.as_str()],
        )
        .map(|_| ())
    }
}
