//! SSH keys: a person's own, other users' for admins, and those for a login.

use std::path::Path;

use super::credential::expiration_text;
use super::issue::within_creator;
use super::{App, CredentialScope};
use crate::clock::Clock;
use crate::model::address::AllowedAddresses;
use crate::model::caller::{Caller, Permit};
use crate::model::credential::OwnerId;
use crate::model::error::{Error, FieldError};
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::host::HostLogin;
use crate::model::idempotency::IdempotencyKey;
use crate::model::permission::BuiltinPermission;
use crate::model::policy::Policy;
use crate::model::secret::Id;
use crate::model::ssh_key::{
    ImportLine, ImportedKey, KeyRejection, NewSshKey, PublicKey, SshKey, SshKeyChange, free_name,
    name_from_comment, parse_authorized_keys_file,
};
use crate::model::time::{RequestedExpiration, Time};
use crate::model::user::{User, UserId, Username};
use crate::store::{LoginKeys, NewSshKeyRow, OpenError, Page, Power, Read, SeenExpirations, Write};

const NOT_FOUND: Error = Error::NotFound("SSH key");
/// Their name in sentences about lifetimes.
const WHAT: &str = "SSH keys";
/// Characters of the fingerprint, after `SHA256:`, in the name of a key without name and comment.
const NAME_FINGERPRINT_CHARACTERS: usize = 8;

/// An `authorized_keys` file to import.
#[derive(Clone, Copy)]
pub struct ImportRequest<'a> {
    pub text: &'a str,
    /// Allows keys that other users have.
    pub allow_shared: bool,
}

/// The result of one line of an `authorized_keys` file.
pub struct ImportedLine {
    /// Counted from 1.
    pub number: usize,
    pub outcome: ImportOutcome,
}

/// Added, or the reason why not.
pub enum ImportOutcome {
    Added(Box<SshKey>),
    /// The user has this key, under this name.
    Present {
        name: String,
    },
    /// One sentence to act on; no part of the line.
    Rejected(String),
}

/// The keys for `login` now, from the database alone: without a server, a writer, or a full check.
pub fn login_keys_from_database(
    path: &Path,
    clock: &Clock,
    login: &Username,
) -> Result<LoginKeys, OpenError> {
    let read = Read::open_file(path)?;
    read.login_keys(login, clock.now())
        .map_err(|error| OpenError::from_error(path, &error))
}

impl App {
    /// SSH keys, newest first.
    pub fn ssh_keys(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<SshKey>, Error> {
        caller.require(scope.read)?;
        let page = self.read.ssh_keys(user_of(scope)?, after, limit)?;
        let items = page.items.into_iter();
        Ok(Page {
            items: items.map(|key| self.seen(key, caller.now)).collect(),
            next: page.next,
        })
    }

    /// One SSH key.
    pub fn ssh_key(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        id: Id,
    ) -> Result<SshKey, Error> {
        caller.require(scope.read)?;
        self.find_ssh_key(user_of(scope)?, id, caller.now)
    }

    /// The other users with exactly this key, for admins.
    pub fn others_with_ssh_key(&self, caller: &Caller, key: &SshKey) -> Result<Vec<String>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.others_with_ssh_key(key.owner, &key.key)
    }

    /// The hosts and logins that the caller's SSH keys may use now.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotAllowed`] when the caller is not a person.
    pub fn logins(&self, caller: &Caller) -> Result<Vec<HostLogin>, Error> {
        caller.require(BuiltinPermission::SshKeysRead)?;
        self.read.logins_of(caller.user()?.id)
    }

    /// Adds an SSH key.
    ///
    /// # Errors
    /// [`Error::SharedKey`]; [`Error::Conflict`] for a name in use, and for a key that the user has;
    /// [`Error::AgainstPolicy`];
    /// [`Error::NotAllowed`] beyond the caller's own allowed addresses.
    pub fn add_ssh_key(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        new: NewSshKey,
        once: Option<IdempotencyKey>,
    ) -> Result<SshKey, Error> {
        let permit = caller
            .permit_with_password(scope.write, Action::SshKeyAdd)?
            .once(once);
        let owner = user_of(scope)?;
        let id = self.store().write(permit, move |write| {
            let policy = write.policy()?;
            let row = insert(write, &policy, owner, new)?;
            let details = AuditDetails::new(Target::new("ssh-key", row.id, &row.name, Some(owner)))
                .after("fingerprint", row.key.fingerprint())
                .after("networks", &row.allowed_addresses)
                .after("expires", expiration_text(row.expires_at))
                .changed("options", "", &row.options);
            Ok((row.id, details))
        })?;
        self.find_ssh_key(owner, id, caller.now)
    }

    /// Changes an SSH key.
    pub fn edit_ssh_key(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        id: Id,
        change: SshKeyChange,
    ) -> Result<SshKey, Error> {
        let permit = caller.permit(scope.write, Action::SshKeyEdit)?;
        let owner = user_of(scope)?;
        self.store().write(permit, move |write| {
            // Faults of the request itself are reported before those of the key.
            let policy = write.policy()?;
            let rule = policy.ssh_key_lifetime();
            let end = change.end.map(|end| rule.end(WHAT, end, write.now)).transpose()?;
            if let Some(key) = &change.key {
                require_allowed(key, &policy)?;
            }
            let allowed_addresses = change.allowed_addresses.map(|list| within_power(write, Some(list)));
            let allowed_addresses = allowed_addresses.transpose()?;
            let found = write.ssh_key(id)?;
            let before = found.filter(|key| key.owner == owner).ok_or(NOT_FOUND)?;
            if change.version.is_some_and(|version| version != before.version()) {
                return Err(Error::Conflict("Somebody changed this meanwhile; review its present state, and save again if you still want to.".to_owned()));
            }
            within_power(write, Some(before.allowed_addresses.clone()))?;
            let after = SshKey {
                name: change.name.unwrap_or_else(|| before.name.clone()),
                key: change.key.unwrap_or_else(|| before.key.clone()),
                expires_at: end.unwrap_or(before.expires_at),
                allowed_addresses: allowed_addresses.unwrap_or_else(|| before.allowed_addresses.clone()),
                options: change.options.unwrap_or_default().apply(&before.options),
                ..before.clone()
            };
            if after.widens_access_of(&before) {
                write.require_confirmation()?;
            }
            // A replaced key counts as new: its expiration must be allowed for a new key.
            let is_other = !after.key.is_same_key(&before.key);
            if is_other && !rule.permits(after.expires_at, write.now) {
                let message = format!(
                    "policy limits {WHAT} to {}; choose an earlier expiration",
                    rule.max
                );
                return Err(Error::AgainstPolicy(FieldError::new("expires_in", message)));
            }
            if is_other && !change.allow_shared {
                require_unshared(write, owner, &after.key)?;
            }
            write.edit_ssh_key(&before, &after)?;
            if is_other {
                report_if_shared(write, &after)?;
            }
            let (old, new) = (before.key.fingerprint(), after.key.fingerprint());
            let details = AuditDetails::new(Target::new("ssh-key", id, &after.name, Some(owner)))
                .changed("name", &before.name, &after.name)
                .changed("fingerprint", old, new)
                .changed("networks", &before.allowed_addresses, &after.allowed_addresses)
                .changed(
                    "expires",
                    expiration_text(before.expires_at),
                    expiration_text(after.expires_at),
                )
                .changed("options", &before.options, &after.options);
            Ok(((), details))
        })?;
        self.find_ssh_key(owner, id, caller.now)
    }

    /// Deletes an SSH key. No further login with it is possible.
    pub fn delete_ssh_key(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        id: Id,
    ) -> Result<(), Error> {
        let permit = if scope.write.is_administrative() {
            caller.permit_with_password(scope.write, Action::SshKeyDelete)?
        } else {
            caller.permit(scope.write, Action::SshKeyDelete)?
        };
        let (is_administrative, by) = (scope.write.is_administrative(), caller.credential_id());
        let owner = user_of(scope)?;
        self.store().write(permit, move |write| {
            let name = write.ssh_key_name(owner, id)?.ok_or(NOT_FOUND)?;
            let key = write.ssh_key(id)?;
            write.delete_ssh_key(id)?;
            if !is_administrative {
                write.resolve_import_notices(owner, by)?;
            }
            let fingerprint = key.map_or_else(String::new, |key| key.key.fingerprint().to_owned());
            let details = AuditDetails::new(Target::new("ssh-key", id, name, Some(owner)))
                .before("fingerprint", fingerprint);
            Ok(((), details))
        })
    }

    /// Imports the caller's own `authorized_keys` file. Returns the result of each line.
    pub fn import_own_ssh_keys(
        &self,
        caller: &Caller,
        import: ImportRequest<'_>,
        once: Option<IdempotencyKey>,
    ) -> Result<Vec<ImportedLine>, Error> {
        let user = caller.user()?.clone();
        let permit = caller
            .permit(BuiltinPermission::SshKeysWrite, Action::SshKeyImport)?
            .once(once);
        self.import_ssh_keys(permit, user, import, false)
    }

    /// Imports keys of another user, by an admin. The user must not have more power than the admin, since a key allows
    /// logins.
    pub fn import_ssh_keys_of(
        &self,
        caller: &Caller,
        name: &Username,
        import: ImportRequest<'_>,
        once: Option<IdempotencyKey>,
    ) -> Result<Vec<ImportedLine>, Error> {
        let user = self.user_for_change(caller, name)?;
        let permit = caller
            .permit_with_password(BuiltinPermission::UsersWrite, Action::SshKeyImport)?
            .once(once);
        self.import_ssh_keys(permit, user, import, true)
    }

    fn import_ssh_keys(
        &self,
        permit: Permit,
        user: User,
        import: ImportRequest<'_>,
        is_other: bool,
    ) -> Result<Vec<ImportedLine>, Error> {
        let rules = self.read.policy()?.ssh_key_rules();
        let lines = parse_authorized_keys_file(import.text, &rules)
            .map_err(|rejection| Error::field("text", rejection.to_string()))?;
        let allow_shared = import.allow_shared;
        self.store().write(permit, move |write| {
            if is_other {
                let present = write.user_by_id(user.id)?.ok_or(Error::NotFound("user"))?;
                write.require_within(&present.permissions())?;
            }
            let policy = write.policy()?;
            let lines = lines.into_iter();
            let imported: Vec<ImportedLine> = lines
                .map(|line| import_line(write, &policy, user.id, line, allow_shared))
                .collect::<Result<_, Error>>()?;
            let added: Vec<&SshKey> = imported.iter().filter_map(ImportedLine::added).collect();
            let ids: Vec<&str> = added.iter().map(|key| key.id.as_str()).collect();
            let names = added
                .iter()
                .map(|key| format!("{} ({})", key.name, key.key.fingerprint()));
            let names: Vec<String> = names.collect();
            let target = Target::new("user", &user.username, &user.display_name, Some(user.id));
            let details = AuditDetails::new(target)
                .after("added", ids.join(" "))
                .after("lines", imported.len());
            let details = if names.is_empty() {
                details
            } else {
                details.after("keys", names.join(", "))
            };
            Ok((imported, details))
        })
    }

    fn find_ssh_key(&self, owner: UserId, id: Id, now: Time) -> Result<SshKey, Error> {
        let found = self.read.ssh_key(id)?;
        let key = found.filter(|key| key.owner == owner).ok_or(NOT_FOUND)?;
        Ok(self.seen(key, now))
    }

    /// Marks an expired key as seen expired: in memory at once, in the database soon after.
    pub(super) fn seen(&self, mut key: SshKey, now: Time) -> SshKey {
        let uses = &self.store().uses;
        let seen = uses.seen_expired(key.id).own;
        key.seen_expired = key.seen_expired || (seen.is_some() && seen == key.expires_at);
        if key.is_expired(now) && !key.seen_expired {
            let ends = SeenExpirations {
                own: key.expires_at,
                previous: None,
            };
            uses.note_expired(key.id, ends, now);
        }
        key
    }
}

impl ImportedLine {
    fn added(&self) -> Option<&SshKey> {
        match &self.outcome {
            ImportOutcome::Added(key) => Some(key),
            ImportOutcome::Present { .. } | ImportOutcome::Rejected(_) => None,
        }
    }
}

fn user_of(scope: &CredentialScope) -> Result<UserId, Error> {
    match scope.owner {
        OwnerId::User(user) => Ok(user),
        OwnerId::Service(_) | OwnerId::Host(_) => Err(NOT_FOUND),
    }
}

fn require_allowed(key: &PublicKey, policy: &Policy) -> Result<(), Error> {
    let reject = |rejection: KeyRejection| {
        Error::AgainstPolicy(FieldError::new("public_key", rejection.to_string()))
    };
    key.check(&policy.ssh_key_rules()).map_err(reject)
}

/// Allowed addresses of a new or changed key; by default those of the caller, and never beyond them.
fn within_power(
    write: &Write<'_>,
    wanted: Option<AllowedAddresses>,
) -> Result<AllowedAddresses, Error> {
    match &write.power {
        Power::Credential(creator, _) => within_creator(wanted, creator),
        Power::Unlimited => Ok(wanted.unwrap_or_default()),
    }
}

fn insert(
    write: &Write<'_>,
    policy: &Policy,
    owner: UserId,
    new: NewSshKey,
) -> Result<NewSshKeyRow, Error> {
    require_allowed(&new.key, policy)?;
    let allowed_addresses = within_power(write, new.allowed_addresses)?;
    let mut expires_at = policy.ssh_key_lifetime().end(WHAT, new.end, write.now)?;
    if let Some(by) = new.expires_by {
        if by <= write.now {
            return Err(Error::field(
                "public_key",
                "the expiry-time in front of this key is in the past",
            ));
        }
        expires_at = Some(expires_at.map_or(by, |end| end.min(by)));
    }
    if write.count_ssh_keys_of_user(owner)? >= i64::from(policy.ssh_keys_max) {
        let message = format!(
            "policy allows {} SSH keys per user; delete one that is not needed",
            policy.ssh_keys_max
        );
        return Err(Error::AgainstPolicy(FieldError::new("public_key", message)));
    }
    let created_by = match &write.power {
        Power::Credential(creator, _) => Some(creator.id),
        Power::Unlimited => None,
    };
    if !new.allow_shared {
        require_unshared(write, owner, &new.key)?;
    }
    let row = NewSshKeyRow {
        id: Id::random(),
        owner,
        name: new.name,
        key: new.key,
        allowed_addresses,
        options: new.options,
        created_by,
        expires_at,
    };
    write.add_ssh_key(&row)?;
    let found = write.ssh_key(row.id)?;
    report_if_shared(write, &found.ok_or(NOT_FOUND)?)?;
    Ok(row)
}

/// Rejects a key that another user has, unless the owner has it already, which is another conflict.
fn require_unshared(write: &Write<'_>, owner: UserId, key: &PublicKey) -> Result<(), Error> {
    let is_own = write.ssh_key_named_with(owner, key, None)?.is_some();
    if is_own || write.others_with_ssh_key(owner, key)?.is_empty() {
        return Ok(());
    }
    Err(Error::SharedKey)
}

fn report_if_shared(write: &Write<'_>, key: &SshKey) -> Result<(), Error> {
    let mut users = write.others_with_ssh_key(key.owner, &key.key)?;
    if users.is_empty() {
        return Ok(());
    }
    if let Some(owner) = write.user_by_id(key.owner)? {
        users.push(owner.username.to_string());
    }
    users.sort_unstable();
    write.report_shared_ssh_key(key.id, &key.key, &users.join(" "))
}

/// Imports one line. Its faults do not affect other lines.
fn import_line(
    write: &Write<'_>,
    policy: &Policy,
    owner: UserId,
    line: ImportLine,
    allow_shared: bool,
) -> Result<ImportedLine, Error> {
    let number = line.number;
    let outcome = match line.outcome {
        Ok(key) => import_key(write, policy, owner, key, allow_shared)?,
        Err(rejection) => ImportOutcome::Rejected(rejection.to_string()),
    };
    Ok(ImportedLine { number, outcome })
}

fn import_key(
    write: &Write<'_>,
    policy: &Policy,
    owner: UserId,
    imported: ImportedKey,
    allow_shared: bool,
) -> Result<ImportOutcome, Error> {
    let key = imported.key;
    if let Some(name) = write.ssh_key_named_with(owner, &key, None)? {
        return Ok(ImportOutcome::Present { name });
    }
    let wanted = name_from_comment(&key).unwrap_or_else(|| name_from_fingerprint(&key));
    let name = free_name(&wanted, |name| {
        write.ssh_key_name_is_taken(owner, name, None)
    })?;
    let new = NewSshKey {
        name,
        key,
        end: imported
            .expires_at
            .map_or(RequestedExpiration::Unsaid, RequestedExpiration::At),
        allowed_addresses: Some(imported.allowed_addresses)
            .filter(|allowed_addresses| !allowed_addresses.is_everywhere()),
        options: imported.options,
        expires_by: None,
        allow_shared,
    };
    let rejected = |message: String| Ok(ImportOutcome::Rejected(message));
    let row = match insert(write, policy, owner, new) {
        Ok(row) => row,
        Err(Error::AgainstPolicy(error)) => return rejected(error.message),
        Err(Error::Invalid(_)) => {
            return rejected("the expiry-time of this key is in the past".to_owned());
        }
        Err(Error::NotAllowed(sentence)) => return rejected(sentence),
        Err(Error::SharedKey) => {
            return rejected("another user has this key: allow shared keys to add it".to_owned());
        }
        Err(other) => return Err(other),
    };
    let added = write.ssh_key(row.id)?.ok_or(NOT_FOUND)?;
    Ok(ImportOutcome::Added(Box::new(added)))
}

fn name_from_fingerprint(key: &PublicKey) -> String {
    let digest = key.fingerprint().trim_start_matches("SHA256:");
    let start: String = digest.chars().take(NAME_FINGERPRINT_CHARACTERS).collect();
    format!("{} {start}", key.kind())
}
