//! Writing: possible only inside a transaction, under a permit, and with an event.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::read::Select;
use crate::model::caller::{Identity, Permit, Right};
use crate::model::credential::{Credential, SecretSlot};
use crate::model::error::{Error, SecretSent};
use crate::model::event::AuditDetails;
use crate::model::permission::{BuiltinPermission, Permission, Permissions};
use crate::model::second_factor::SignInMethod;
use crate::model::time::Time;
use crate::model::user::{User, UserId};

/// The changes possible within one act.
pub struct Write<'a> {
    select: &'a Select,
    /// The one "now" of the act.
    pub now: Time,
    /// The permissions of the caller inside this transaction. Operators and codes have no limit.
    pub power: Power,
    /// The user whom the used code concerns.
    pub code_user: Option<UserId>,
    /// How the holder of the password or passkey behind the act proved who they are.
    pub method: Option<SignInMethod>,
    /// The groups that the used code gives.
    pub code_groups: String,
    /// The username of the admin who created the used code; `None`: the operator.
    pub code_creator: Option<String>,
}

/// The limit of the caller's power.
pub enum Power {
    /// The permissions of this credential.
    Credential(Box<Credential>, Permissions),
    Unlimited,
}

impl Deref for Write<'_> {
    type Target = Select;

    fn deref(&self) -> &Select {
        self.select
    }
}

/// Runs `job` completely or without effect. A panic in it counts as an internal error.
pub(super) fn run_in_savepoint<T>(
    select: &Select,
    job: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let connection = &select.connection;
    select.exec_tx("SAVEPOINT job")?;
    let result = catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|_| Err(Error::Fault("a job of the writer panicked".to_owned())));
    // A full disk or an I/O error has rolled back the transaction, including the job.
    if connection.is_autocommit() {
        return Err(result.err().unwrap_or_else(Error::unavailable));
    }
    let undone = match result {
        Ok(_) => Ok(()),
        Err(_) => select.exec_tx("ROLLBACK TO job"),
    };
    if let Err(error) = undone.and_then(|()| select.exec_tx("RELEASE job")) {
        // A half-finished job must never be committed with others: the transaction is rolled back.
        select.roll_back();
        return Err(error);
    }
    result
}

/// Carries out one act and adds its event.
pub(super) fn perform<T>(
    select: &Select,
    permit: Permit,
    job: impl FnOnce(&Write<'_>) -> Result<(T, AuditDetails), Error>,
) -> Result<T, Error> {
    let result = run_in_savepoint(select, || {
        let write = open_write(select, &permit)?;
        if let Some(once) = &permit.once {
            select.require_first_time(once, permit.now)?;
        }
        let (value, details) = job(&write)?;
        let actor = permit_actor(&permit, &write);
        select.add_event(&permit, &actor, &details)?;
        let creator = write.code_creator.as_deref();
        if !select.note_for_owner(&permit, &actor, creator, &details)? {
            select.enqueue_own_act(&permit, &actor, &details)?;
        }
        if let Some(once) = &permit.once {
            select.remember_request(once, &details.target.id, permit.now)?;
        }
        Ok(value)
    });
    if let Err(error) = &result
        && let Some(details) = rejection(error)
        && !select.connection.is_autocommit()
    {
        run_in_savepoint(select, || {
            let (at, action) = (permit.now, permit.action.as_str());
            select.add_rejection(at, action, &permit.actor, &permit.origin, &details)
        })?;
    }
    result
}

/// The event of a rejected act, if it leaves one.
fn rejection(error: &Error) -> Option<AuditDetails> {
    match error {
        Error::Forbidden { missing } => Some(AuditDetails::default().after("missing", missing)),
        Error::NotAllowed(sentence) => Some(AuditDetails::default().after("refused", sentence)),
        Error::AgainstPolicy(error) => {
            Some(AuditDetails::default().after("policy", &error.message))
        }
        Error::Unauthenticated { .. }
        | Error::WrongPassword
        | Error::Locked
        | Error::PasswordNeeded
        | Error::Invalid(_)
        | Error::NotFound(_)
        | Error::NameTaken(_)
        | Error::Conflict(_)
        | Error::ChangedMeanwhile(_)
        | Error::SharedKey
        | Error::AlreadyDone { .. }
        | Error::KeyReused
        | Error::TooMany { .. }
        | Error::Unavailable { .. }
        | Error::DatabaseReplaced
        | Error::StorageFull
        | Error::Fault(_) => None,
    }
}

fn permit_actor(permit: &Permit, write: &Write<'_>) -> crate::model::event::Actor {
    let mut actor = permit.actor.clone();
    if let (None, Some(user)) = (actor.user, write.code_user) {
        actor.user = Some(user);
        if let Ok(Some(user)) = write.user_by_id(user) {
            actor.name = user.username.to_string();
        }
    }
    actor
}

/// Checks the right behind a permit again: a right that was lost meanwhile does not count.
fn open_write<'a>(select: &'a Select, permit: &Permit) -> Result<Write<'a>, Error> {
    let mut write = Write {
        select,
        now: permit.now,
        power: Power::Unlimited,
        code_user: None,
        method: None,
        code_groups: String::new(),
        code_creator: None,
    };
    match &permit.right {
        Right::Operator => {}
        Right::Permission { permission, holder } => {
            let credential = revalidated_credential(select, permit, holder)?;
            let power = credential.power();
            if !power.contains(&Permission::Builtin(*permission)) {
                return Err(Error::Forbidden {
                    missing: Permission::Builtin(*permission),
                });
            }
            if permit.confirmed {
                select.require_confirmed(&credential, permit.now)?;
            }
            write.power = Power::Credential(Box::new(credential), power);
        }
        Right::Host(holder) => {
            let credential = revalidated_credential(select, permit, holder)?;
            write.power = Power::Credential(Box::new(credential), Permissions::none());
        }
        Right::Password { user, hash, factor } => {
            let user = enabled_user(select, *user)?;
            if select.password_hash(user.id)?.as_deref() != Some(hash) {
                return Err(Error::WrongPassword);
            }
            write.method = Some(select.consume_factor(&user, factor, permit.now)?);
        }
        Right::Passkey { user, answer } => {
            let user = enabled_user(select, *user)?;
            write.method = Some(select.consume_passkey(&user, answer, permit.now)?);
        }
        Right::Presented(presented) => select.require_secret(presented, permit.now)?,
        Right::Code { presented, purpose } => {
            let consumed = select.consume_code(presented, *purpose, permit.now)?;
            write.code_user = consumed.user;
            write.code_groups = consumed.groups;
            write.code_creator = consumed.creator;
        }
    }
    Ok(write)
}

fn enabled_user(select: &Select, user: UserId) -> Result<User, Error> {
    select
        .user_by_id(user)?
        .filter(User::is_enabled)
        .ok_or(Error::WrongPassword)
}

/// The present state of the credential behind a permit, if it is still valid.
fn revalidated_credential(
    select: &Select,
    permit: &Permit,
    holder: &crate::model::caller::Caller,
) -> Result<Credential, Error> {
    let rejected = || Error::Unauthenticated {
        sent: SecretSent::Yes,
    };
    let Identity::Credential(presented, slot) = &holder.identity else {
        return Err(rejected());
    };
    let credential = select.credential(presented.id)?.ok_or_else(rejected)?;
    credential
        .check(permit.now, permit.origin.address)
        .map_err(|_| rejected())?;
    if has_same_secret(&credential, presented, *slot, holder.now) {
        Ok(credential)
    } else {
        Err(rejected())
    }
}

/// Returns whether the presented secret still belongs to the credential.
fn has_same_secret(
    credential: &Credential,
    presented: &Credential,
    slot: SecretSlot,
    now: Time,
) -> bool {
    let matches = |digest: crate::model::secret::Digest| credential.which(&digest, now).is_some();
    match slot {
        SecretSlot::Current => presented.digest.is_some_and(matches),
        SecretSlot::Previous => presented
            .previous
            .is_some_and(|previous| matches(previous.digest)),
    }
}

/// The part of `permissions` that has to lie within `power` to give them to a user. Callers who may change services may
/// also give the permissions of services.
fn grantable(power: &Permissions, permissions: &Permissions) -> Permissions {
    if power.contains(&BuiltinPermission::ServicesWrite.into()) {
        permissions.own_alone()
    } else {
        permissions.clone()
    }
}

/// Returns whether `power` is enough to give a user `permissions`.
pub(super) fn may_give(power: &Permissions, permissions: &Permissions) -> bool {
    grantable(power, permissions).lie_within(power)
}

impl Write<'_> {
    /// As [`Write::require_within`], for permissions that a user is given or has. Callers who may change services may
    /// also give the permissions of services: before the first time, nobody has them.
    pub fn require_grantable(&self, permissions: &Permissions) -> Result<(), Error> {
        match &self.power {
            Power::Unlimited => Ok(()),
            Power::Credential(_, power) => self.require_within(&grantable(power, permissions)),
        }
    }

    /// Rejects callers limited to allowed addresses. Accounts, links to passwords and hosts' credentials work from
    /// every
    /// address: such a caller could otherwise reach beyond the limit by creating one.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the caller is limited to allowed addresses.
    pub fn require_any_address(&self) -> Result<(), Error> {
        match &self.power {
            Power::Credential(credential, _) if !credential.allowed_addresses.is_everywhere() => {
                Err(Error::NotAllowed("A credential that is limited to addresses can't create access without that limit: an account, a role, a link, a host. Use one without the limit.".to_owned()))
            }
            Power::Credential(..) | Power::Unlimited => Ok(()),
        }
    }

    /// Required for acts that let another person's SSH key log in on a host.
    pub fn require_hosts_write(&self) -> Result<(), Error> {
        self.require_within(&Permissions::new(&[BuiltinPermission::HostsWrite]))
    }

    pub fn require_within(&self, permissions: &Permissions) -> Result<(), Error> {
        match &self.power {
            Power::Unlimited => Ok(()),
            Power::Credential(_, power) => permissions
                .first_missing_from(power)
                .map_or(Ok(()), |missing: Permission| {
                    Err(Error::Forbidden { missing })
                }),
        }
    }
}
