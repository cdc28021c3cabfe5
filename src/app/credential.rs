//! Listing and revoking API keys, tokens and sessions.

use std::collections::HashMap;

use super::{App, OwnedItem};
use crate::model::caller::{Caller, Identity};
use crate::model::credential::{Kind, OwnerId, Record, RejectReason, SecretSlot, UsageDay};
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::secret::Id;
use crate::model::service::ServiceId;
use crate::model::time::Time;
use crate::model::user::UserId;
use crate::store::{CredentialFilter, Page, Power, Write};

/// The permissions for reading and changing credentials of a kind.
const fn permissions_for(kind: Kind) -> (BuiltinPermission, BuiltinPermission) {
    match kind {
        Kind::ApiKey => (
            BuiltinPermission::ApiKeysRead,
            BuiltinPermission::ApiKeysWrite,
        ),
        Kind::Token => (
            BuiltinPermission::TokensRead,
            BuiltinPermission::TokensWrite,
        ),
        Kind::Session => (
            BuiltinPermission::SessionsRead,
            BuiltinPermission::SessionsWrite,
        ),
        Kind::Host => (BuiltinPermission::HostsRead, BuiltinPermission::HostsWrite),
    }
}

pub(super) fn target(record: &Record) -> Target {
    Target::new(
        record.kind.as_str(),
        record.id,
        &record.name,
        user_of(record.owner),
    )
}

pub(super) const fn user_of(owner: OwnerId) -> Option<UserId> {
    match owner {
        OwnerId::User(user) => Some(user),
        OwnerId::Service(_) | OwnerId::Host(_) => None,
    }
}

pub(super) fn expiration_text(end: Option<Time>) -> String {
    end.map_or_else(|| "never".to_owned(), |end| end.to_string())
}

pub(super) fn not_found(kind: Kind) -> Error {
    Error::NotFound(kind.name())
}

/// The credentials that a request concerns, with the permissions it needs.
#[derive(Clone)]
pub struct CredentialScope {
    pub(super) owner: OwnerId,
    pub(super) read: BuiltinPermission,
    pub(super) write: BuiltinPermission,
}

impl App {
    /// The caller's own credentials of a kind.
    pub fn own(caller: &Caller, kind: Kind) -> Result<CredentialScope, Error> {
        let (read, write) = permissions_for(kind);
        Ok(CredentialScope {
            owner: OwnerId::User(caller.user()?.id),
            read,
            write,
        })
    }

    /// The caller's own SSH keys.
    pub fn own_ssh_keys(caller: &Caller) -> Result<CredentialScope, Error> {
        let owner = OwnerId::User(caller.user()?.id);
        Ok(CredentialScope {
            owner,
            read: BuiltinPermission::SshKeysRead,
            write: BuiltinPermission::SshKeysWrite,
        })
    }

    /// A service's API keys, for admins.
    pub const fn of_service(service: ServiceId) -> CredentialScope {
        CredentialScope {
            owner: OwnerId::Service(service),
            read: BuiltinPermission::ServicesRead,
            write: BuiltinPermission::ServicesWrite,
        }
    }

    /// Another user's credentials, for admins: to list and revoke, not to create or change.
    pub const fn of_user(user: UserId) -> CredentialScope {
        CredentialScope {
            owner: OwnerId::User(user),
            read: BuiltinPermission::UsersRead,
            write: BuiltinPermission::UsersWrite,
        }
    }

    /// Credentials of a kind, newest first.
    pub fn credentials(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        is_deleted: bool,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Record>, Error> {
        caller.require(scope.read)?;
        self.records(
            &CredentialFilter {
                owner: Some(scope.owner),
                kind: Some(kind),
                is_deleted,
            },
            after,
            limit,
        )
    }

    /// One credential.
    pub fn credential(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
    ) -> Result<Record, Error> {
        caller.require(scope.read)?;
        require_owned(self.record(id)?, scope.owner, kind)
    }

    /// Uses of one credential in the last 30 days, oldest first, days without uses included.
    pub fn usage(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
    ) -> Result<Vec<UsageDay>, Error> {
        self.credential(caller, scope, kind, id)?;
        let mut usages = self.usages_until(&[id], caller.now)?;
        Ok(usages.remove(&id).unwrap_or_default())
    }

    /// The same for many credentials from [`App::credentials`].
    pub fn usages(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        records: &[Record],
    ) -> Result<HashMap<Id, Vec<UsageDay>>, Error> {
        caller.require(scope.read)?;
        let ids: Vec<Id> = records
            .iter()
            .filter(|record| record.owner == scope.owner)
            .map(|record| record.id)
            .collect();
        self.usages_until(&ids, caller.now)
    }

    /// The same of the credentials in a list of everybody's.
    pub fn usages_of(
        &self,
        caller: &Caller,
        rows: &[OwnedItem],
    ) -> Result<HashMap<Id, Vec<UsageDay>>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        let ids: Vec<Id> = rows
            .iter()
            .filter_map(OwnedItem::record)
            .map(|one| one.id)
            .collect();
        self.usages_until(&ids, caller.now)
    }

    /// The valid credentials that a credential created, directly or through others.
    pub fn created_by(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
    ) -> Result<Vec<Record>, Error> {
        self.credential(caller, scope, kind, id)?;
        let created = self.read.created_by(id)?.into_iter();
        Ok(created.map(|record| self.with_pending(record)).collect())
    }

    /// Ids and names of the SSH keys that a credential added, directly or through one derived from it.
    pub fn ssh_keys_created_by(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
    ) -> Result<Vec<(Id, String)>, Error> {
        self.credential(caller, scope, kind, id)?;
        match scope.owner {
            OwnerId::User(user) => self.read.ssh_keys_created_by(id, user),
            OwnerId::Service(_) | OwnerId::Host(_) => Ok(Vec::new()),
        }
    }

    /// A credential's present permissions, and the reason why it is invalid from every address; `None` if it is valid.
    pub fn power_of(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
    ) -> Result<(Permissions, Option<RejectReason>), Error> {
        self.credential(caller, scope, kind, id)?;
        let credential = self.read.credential(id)?.ok_or_else(|| not_found(kind))?;
        let from = credential.allowed_addresses.first_address();
        let rejection = credential.check(caller.now, from).err();
        Ok((credential.power(), rejection))
    }

    /// The creators of credentials, by id. Only those that still exist and that the caller may read: the caller's own,
    /// or those of the owner whose credentials are listed.
    pub fn creators(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        ids: impl IntoIterator<Item = Id>,
    ) -> Result<HashMap<Id, Record>, Error> {
        let ids: Vec<Id> = ids.into_iter().collect();
        let mut found = self.read.records_of(&ids)?;
        let own = caller
            .credential()
            .ok()
            .map(|credential| credential.owner.id());
        found.retain(|_, record| Some(record.owner) == own || record.owner == scope.owner);
        Ok(found)
    }

    /// Revokes a credential from the next request on; with `with_created` also those derived from it. Returns how many
    /// were revoked.
    pub fn end(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
        with_created: WithDerived,
    ) -> Result<usize, Error> {
        let action = match kind {
            Kind::ApiKey => Action::ApiKeyDelete,
            Kind::Token => Action::TokenDelete,
            Kind::Session => Action::SessionDelete,
            Kind::Host => Action::HostDelete,
        };
        let permit = if scope.write.is_administrative() {
            caller.permit_with_password(scope.write, action)?
        } else {
            caller.permit(scope.write, action)?
        };
        let (owner, identity) = (scope.owner, caller.identity.clone());
        self.store().write(permit, move |write| {
            if kind == Kind::ApiKey {
                require_present_secret(write, &identity, id, KeyAct::End)?;
            }
            let record = require_owned(write.record(id)?, owner, kind)?;
            let created = match with_created {
                WithDerived::Yes => write
                    .created_by(id)?
                    .into_iter()
                    .filter(|created| created.owner == owner)
                    .collect(),
                WithDerived::No => Vec::new(),
            };
            let ssh_keys = match (with_created, owner) {
                (WithDerived::Yes, OwnerId::User(user)) => write.ssh_keys_created_by(id, user)?,
                _ => Vec::new(),
            };
            for (ssh_key, _) in &ssh_keys {
                write.delete_ssh_key(*ssh_key)?;
            }
            for created in &created {
                write.revoke_credential(created.id, created.kind, "deleted")?;
            }
            write.revoke_credential(id, kind, "deleted")?;
            let created = created.iter().map(|created| created.id);
            let ssh_keys = ssh_keys.iter().map(|(id, _)| *id);
            let names: Vec<String> = created.chain(ssh_keys).map(|id| id.to_string()).collect();
            let details = AuditDetails::new(target(&record));
            let details = if names.is_empty() {
                details
            } else {
                details.after("with", names.join(" "))
            };
            Ok((names.len() + 1, details))
        })
    }

    /// Revokes all sessions of the caller except `kept`. Returns how many.
    pub fn revoke_sessions(&self, caller: &Caller, kept: Option<Id>) -> Result<usize, Error> {
        let user = caller.user()?.id;
        let name = caller.user()?.username.to_string();
        let permit = caller.permit(
            BuiltinPermission::SessionsWrite,
            Action::SessionDeleteOthers,
        )?;
        self.store().write(permit, move |write| {
            let revoked = write.revoke_sessions(user, kept)?;
            Ok((
                revoked,
                AuditDetails::new(Target::new("user", &name, "", Some(user)))
                    .after("sessions revoked", revoked),
            ))
        })
    }
}

/// The choice to revoke the credentials derived from a revoked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithDerived {
    Yes,
    No,
}

impl From<bool> for WithDerived {
    fn from(with: bool) -> Self {
        if with { Self::Yes } else { Self::No }
    }
}

/// An act on an API key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAct {
    /// Changing, enabling or rotating it.
    Change,
    /// Disabling or deleting it.
    End,
}

/// Rejects acts on an API key by its previous secret: a thief could prolong it, or lock out the holder of the new one.
/// The previous secret may also have created credentials: those that derive from a rotated key never change it. They end
/// it only after the grace period, like each other credential with the permission.
pub(super) fn require_present_secret(
    write: &Write<'_>,
    identity: &Identity,
    id: Id,
    act: KeyAct,
) -> Result<(), Error> {
    let (Identity::Credential(presented, slot), Power::Credential(now, _)) =
        (identity, &write.power)
    else {
        return Ok(());
    };
    if presented.id != id {
        let Some(key) = write.credential(id)? else {
            return Ok(());
        };
        let previous_end = key
            .previous
            .map(|previous| previous.grace.earliest_end(write.now));
        let is_protected = match act {
            KeyAct::Change => key.rotations > 0,
            KeyAct::End => previous_end.is_some_and(|end| end > write.now),
        };
        if is_protected && write.derives_from(presented.id, id)? {
            return Err(Error::NotAllowed(
                "A credential that derives from an API key can't change that key after a rotation; use the key itself, or the console.".to_owned(),
            ));
        }
        return Ok(());
    }
    // The present secret of the request may be the previous one by now.
    let which = presented
        .digest
        .and_then(|digest| now.which(&digest, write.now));
    if (*slot, which) == (SecretSlot::Current, Some(SecretSlot::Current)) {
        Ok(())
    } else {
        Err(Error::NotAllowed(
            "This is the secret from before the last rotation; use the new one.".to_owned(),
        ))
    }
}

pub(super) fn require_owned(
    record: Option<Record>,
    owner: OwnerId,
    kind: Kind,
) -> Result<Record, Error> {
    record
        .filter(|record| record.owner == owner && record.kind == kind && record.deletion.is_none())
        .ok_or_else(|| not_found(kind))
}
