//! Making, changing, rotating and ending API keys, tokens and sessions.

use std::sync::Arc;

use super::Desk;
use crate::model::address::Networks;
use crate::model::caller::Caller;
use crate::model::credential::{
    Credential, CredentialChange, Kind, NewCredential, OwnerId, Record, Refusal, Rotation, State,
    UsageDay,
};
use crate::model::error::{Error, FieldError};
use crate::model::event::{Action, Origin, Target, Trace};
use crate::model::idempotency::Once;
use crate::model::permission::{Own, Permissions};
use crate::model::policy::{Policy, is_whole_hours};
use crate::model::secret::{Form, Id, Secret};
use crate::model::service::Service;
use crate::model::text::tame;
use crate::model::time::{Lifetime, Time, WantedEnd};
use crate::model::user::{Disabled, UserId};
use crate::store::Power;
use crate::store::{CredentialFilter, NewRow, Page, Write};

/// A credential and its secret, which can be looked at once.
pub struct Issued {
    pub record: Record,
    pub secret: Secret,
}

/// The permissions that reading and changing credentials of a kind need.
const fn permissions_for(kind: Kind) -> (Own, Own) {
    match kind {
        Kind::ApiKey => (Own::ApiKeysRead, Own::ApiKeysWrite),
        Kind::Token => (Own::TokensRead, Own::TokensWrite),
        Kind::Session => (Own::SessionsRead, Own::SessionsWrite),
        Kind::Host => (Own::HostsRead, Own::HostsWrite),
    }
}

fn target(record: &Record) -> Target {
    Target::new(
        record.kind.word(),
        record.id,
        &record.name,
        user_of(record.owner),
    )
}

const fn user_of(owner: OwnerId) -> Option<UserId> {
    match owner {
        OwnerId::User(user) => Some(user),
        OwnerId::Service(_) | OwnerId::Host(_) => None,
    }
}

pub(super) fn shown_end(end: Option<Time>) -> String {
    end.map_or_else(|| "never".to_owned(), |end| end.to_string())
}

fn not_found(kind: Kind) -> Error {
    Error::NotFound(kind.name())
}

/// Whose credentials somebody deals with, and by which permissions.
#[derive(Clone)]
pub struct Whose {
    pub(super) owner: OwnerId,
    pub(super) read: Own,
    pub(super) write: Own,
}

/// What the owner's credentials may carry, as it is inside the transaction.
struct Bounds {
    /// The most, when that is less than what the caller may do.
    limit: Option<Permissions>,
    /// What they may carry though the caller may not: what the service itself defines.
    defined: Permissions,
}

impl Bounds {
    /// # Errors
    /// [`Error::NotFound`] when the service was deleted meanwhile.
    fn of(write: &Write<'_>, owner: OwnerId) -> Result<Self, Error> {
        match owner {
            OwnerId::Service(id) => {
                let service = write.service_by_id(id)?.ok_or(Error::NotFound("service"))?;
                Ok(Self {
                    limit: Some(service.power()),
                    defined: service.permissions,
                })
            }
            OwnerId::User(_) | OwnerId::Host(_) => Ok(Self {
                limit: None,
                defined: Permissions::none(),
            }),
        }
    }

    /// What a new credential carries when nothing is said: all that the caller may give.
    fn all_of(&self, power: &Permissions) -> Permissions {
        let Some(limit) = &self.limit else {
            return power.clone();
        };
        let mut all = power.intersection(limit);
        all.extend(&self.defined);
        all
    }

    /// Permissions for a new or changed credential: they exist, lie within the limit, and within what the caller may do.
    fn demand(&self, write: &Write<'_>, permissions: &Permissions) -> Result<(), Error> {
        write.demand_defined(permissions, "permissions")?;
        let limit = self.limit.as_ref();
        if let Some(missing) = limit.and_then(|limit| permissions.first_missing_from(limit)) {
            return Err(Error::field(
                "permissions",
                format!("a service's API key can't carry {missing}"),
            ));
        }
        write.demand_within(&permissions.without(&self.defined))
    }

    /// A credential may be changed or rotated only by one that may do as much.
    fn demand_within_caller(&self, write: &Write<'_>, record: &Record) -> Result<(), Error> {
        write.demand_within(&record.permissions.without(&self.defined))?;
        match &write.power {
            Power::Unlimited => Ok(()),
            Power::Credential(caller, _) => {
                within_maker(Some(record.networks.clone()), caller).map(|_| ())
            }
        }
    }
}

impl Desk {
    /// The caller's own credentials of a kind.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the caller is no person.
    pub fn own(caller: &Caller, kind: Kind) -> Result<Whose, Error> {
        let (read, write) = permissions_for(kind);
        Ok(Whose {
            owner: OwnerId::User(caller.user()?.id),
            read,
            write,
        })
    }

    /// The caller's own SSH keys.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the caller is no person.
    pub fn own_ssh_keys(caller: &Caller) -> Result<Whose, Error> {
        let owner = OwnerId::User(caller.user()?.id);
        Ok(Whose {
            owner,
            read: Own::SshKeysRead,
            write: Own::SshKeysWrite,
        })
    }

    /// A service's API keys, for admins.
    #[must_use]
    pub const fn of_service(service: &Service) -> Whose {
        Whose {
            owner: OwnerId::Service(service.id),
            read: Own::ServicesRead,
            write: Own::ServicesWrite,
        }
    }

    /// Another user's credentials, for admins: to see and to end, not to make or change.
    #[must_use]
    pub const fn of_user(user: UserId) -> Whose {
        Whose {
            owner: OwnerId::User(user),
            read: Own::UsersRead,
            write: Own::UsersWrite,
        }
    }

    /// Credentials of a kind, newest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn credentials(
        &self,
        caller: &Caller,
        whose: &Whose,
        kind: Kind,
        ended: bool,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Record>, Error> {
        caller.demand(whose.read)?;
        self.read.records(
            &CredentialFilter {
                owner: Some(whose.owner),
                kind: Some(kind),
                ended,
            },
            after,
            limit,
        )
    }

    /// Everybody's credentials, for admins.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn inventory(
        &self,
        caller: &Caller,
        kind: Option<Kind>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Record>, Error> {
        caller.demand(Own::UsersRead)?;
        self.read.records(
            &CredentialFilter {
                owner: None,
                kind,
                ended: false,
            },
            after,
            limit,
        )
    }

    /// A credential of whomever, for admins.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`].
    pub fn any_credential(&self, caller: &Caller, id: Id) -> Result<Record, Error> {
        caller.demand(Own::UsersRead)?;
        self.read
            .record(id)?
            .filter(|record| record.ended.is_none())
            .ok_or(Error::NotFound("credential"))
    }

    /// One credential.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for what is somebody else's or was deleted.
    pub fn credential(
        &self,
        caller: &Caller,
        whose: &Whose,
        kind: Kind,
        id: Id,
    ) -> Result<Record, Error> {
        caller.demand(whose.read)?;
        find(self.read.record(id)?, whose.owner, kind)
    }

    /// Uses of one credential in the 30 days up to today, oldest first, days without any included.
    ///
    /// # Errors
    /// As [`Desk::credential`].
    pub fn usage(
        &self,
        caller: &Caller,
        whose: &Whose,
        kind: Kind,
        id: Id,
    ) -> Result<Vec<UsageDay>, Error> {
        self.credential(caller, whose, kind, id)?;
        self.usage_until(id, caller.now)
    }

    fn usage_until(&self, id: Id, now: Time) -> Result<Vec<UsageDay>, Error> {
        const DAYS: i64 = 30;
        let first = crate::model::time::Day::from_number(now.day().number() - DAYS + 1);
        let found = self.read.usage(id, first)?;
        let day = |number| crate::model::time::Day::from_number(number);
        let all = (first.number()..first.number() + DAYS).map(day);
        Ok(all
            .map(|day| {
                found
                    .iter()
                    .find(|one| one.day == day)
                    .copied()
                    .unwrap_or(UsageDay {
                        day,
                        uses: 0,
                        refused: 0,
                    })
            })
            .collect())
    }

    /// What a credential made and that still lives.
    ///
    /// # Errors
    /// As [`Desk::credential`].
    pub fn made_by(
        &self,
        caller: &Caller,
        whose: &Whose,
        kind: Kind,
        id: Id,
    ) -> Result<Vec<Record>, Error> {
        self.credential(caller, whose, kind, id)?;
        self.read.made_by(id)
    }

    /// Makes an API key or a token.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it would do more than the caller, [`Error::AgainstPolicy`], [`Error::Conflict`] for a name in use.
    pub fn issue(
        &self,
        caller: &Caller,
        whose: &Whose,
        wanted: NewCredential,
        once: Option<Once>,
    ) -> Result<Issued, Error> {
        let action = match wanted.kind {
            Kind::ApiKey => Action::ApiKeyCreate,
            Kind::Token => Action::TokenCreate,
            Kind::Session | Kind::Host => {
                return Err(Error::NotAllowed(
                    "These are made by signing in and by enrolling.".to_owned(),
                ));
            }
        };
        let permit = caller.permit(whose.write, action)?.once(once);
        let asked = wanted.permissions.as_ref().unwrap_or(&caller.power);
        if whose.write.is_administrative() || asked.manage_credentials() {
            caller.demand_recent_password()?;
        }
        let (whose, origin) = (whose.clone(), caller.origin.clone());
        let (secret, id) = self.store().write(permit, move |write| {
            let Power::Credential(maker, power) = &write.power else {
                return Err(Error::Fault("an API key without a maker".to_owned()));
            };
            let bounds = Bounds::of(write, whose.owner)?;
            let permissions = match wanted.permissions {
                Some(permissions) => permissions,
                None => bounds.all_of(power),
            };
            bounds.demand(write, &permissions)?;
            let networks = within_maker(wanted.networks, maker)?;
            let policy = write.policy()?;
            let expires_at = match wanted.kind {
                Kind::Token => token_end(&policy, wanted.end, maker, write.now)?,
                Kind::ApiKey | Kind::Session | Kind::Host => {
                    policy.api_key.end("API keys", wanted.end, write.now)?
                }
            };
            if wanted.kind == Kind::ApiKey
                && write.api_keys_of(whose.owner)? >= i64::from(policy.api_keys_max)
            {
                let message = format!(
                    "your organisation allows {} API keys; delete one that is no longer needed",
                    policy.api_keys_max
                );
                return Err(Error::AgainstPolicy(FieldError::new("name", message)));
            }
            let secret = Secret::generate(Form::Credential(wanted.kind));
            let name = wanted.name.unwrap_or_else(|| name_after(&origin));
            let row = NewRow {
                id: secret.id(),
                kind: wanted.kind,
                owner: whose.owner,
                name: name.clone(),
                note: wanted.note,
                permissions,
                networks,
                digest: secret.digest(),
                made_by: Some(maker.id),
                expires_at,
                password_at: None,
                user_agent: None,
                address: None,
            };
            write.add_credential(&row)?;
            let target = Target::new(row.kind.word(), row.id, &row.name, user_of(row.owner));
            let trace = Trace::of(target)
                .after("permissions", &row.permissions)
                .after("networks", &row.networks)
                .after("expires", shown_end(row.expires_at));
            Ok(((secret, row.id), trace))
        })?;
        Ok(Issued {
            record: self
                .read
                .record(id)?
                .ok_or_else(|| not_found(Kind::ApiKey))?,
            secret,
        })
    }

    /// Changes an API key.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it may or would do more than the caller; [`Error::AgainstPolicy`]; [`Error::Conflict`].
    pub fn edit(
        &self,
        caller: &Caller,
        whose: &Whose,
        id: Id,
        change: CredentialChange,
    ) -> Result<Record, Error> {
        let only = change.is_only_disabling();
        let action = match (change.disabled, change.is_only_enabling_or_disabling()) {
            (Some(Disabled::Yes), true) => Action::ApiKeyDisable,
            (Some(Disabled::No), true) => Action::ApiKeyEnable,
            (Some(_) | None, _) => Action::ApiKeyEdit,
        };
        let permit = caller.permit(whose.write, action)?;
        if caller.demand_recent_password().is_err()
            && (whose.write.is_administrative() || self.opens_more(id, &change)?)
        {
            return Err(Error::PasswordNeeded);
        }
        let owner = whose.owner;
        self.store().write(permit, move |write| {
            // What is wrong whatever the key is comes before whether there is one.
            let bounds = Bounds::of(write, owner)?;
            if let Some(permissions) = &change.permissions {
                bounds.demand(write, permissions)?;
            }
            let networks = match (change.networks, &write.power) {
                (Some(networks), Power::Credential(maker, _)) => {
                    Some(within_maker(Some(networks), maker)?)
                }
                (networks, _) => networks,
            };
            let rule = write.policy()?.api_key;
            let end = change.end.map(|end| rule.end("API keys", end, write.now));
            let end = end.transpose()?;
            let before = find(write.record(id)?, owner, Kind::ApiKey)?;
            if change
                .version
                .as_ref()
                .is_some_and(|version| *version != before.version())
            {
                return Err(Error::changed_meanwhile("this"));
            }
            if !only {
                bounds.demand_within_caller(write, &before)?;
            }
            let mut record = before.clone();
            record.name = change.name.unwrap_or(record.name);
            record.note = change.note.unwrap_or(record.note);
            record.permissions = change.permissions.unwrap_or(record.permissions);
            record.networks = networks.unwrap_or(record.networks);
            record.expires_at = end.unwrap_or(record.expires_at);
            if !only {
                write.edit_credential(&record)?;
            }
            if let Some(disabled) = change.disabled {
                write.set_credential_disabled(id, disabled)?;
            }
            let word = |disabled: Disabled| {
                if disabled == Disabled::Yes {
                    "yes"
                } else {
                    "no"
                }
            };
            let trace = Trace::of(target(&record))
                .changed("name", &before.name, &record.name)
                .changed(
                    "note",
                    before.note.as_deref().unwrap_or_default(),
                    record.note.as_deref().unwrap_or_default(),
                )
                .changed("permissions", &before.permissions, &record.permissions)
                .changed("networks", &before.networks, &record.networks)
                .changed(
                    "expires",
                    shown_end(before.expires_at),
                    shown_end(record.expires_at),
                )
                .changed(
                    "disabled",
                    word(before.disabled),
                    word(change.disabled.unwrap_or(before.disabled)),
                );
            Ok(((), trace))
        })?;
        find(self.read.record(id)?, owner, Kind::ApiKey)
    }

    /// Whether a change would let a key manage credentials that could not before, or let one that can be used for longer,
    /// from elsewhere, or at all.
    fn opens_more(&self, id: Id, change: &CredentialChange) -> Result<bool, Error> {
        let Some(before) = self.read.record(id)? else {
            return Ok(false);
        };
        let permissions = change.permissions.as_ref().unwrap_or(&before.permissions);
        if permissions
            .without(&before.permissions)
            .manage_credentials()
        {
            return Ok(true);
        }
        let networks = change.networks.as_ref().unwrap_or(&before.networks);
        let opens = change.end.is_some()
            || *networks != before.networks
            || change.disabled == Some(Disabled::No);
        Ok(opens && permissions.manage_credentials())
    }

    /// What a credential may do now, and why it would be refused now from any address; `None` when it is good.
    ///
    /// # Errors
    /// As [`Desk::credential`].
    pub fn power_of(
        &self,
        caller: &Caller,
        whose: &Whose,
        kind: Kind,
        id: Id,
    ) -> Result<(Permissions, Option<Refusal>), Error> {
        self.credential(caller, whose, kind, id)?;
        let credential = self.read.credential(id)?.ok_or_else(|| not_found(kind))?;
        let from = credential.networks.first_address();
        let refusal = credential.check(caller.now, from).err();
        Ok((credential.power(), refusal))
    }

    /// The credential that made another, if it is still known and the caller's own.
    ///
    /// # Errors
    /// Faults of ours.
    pub fn maker(&self, caller: &Caller, id: Id) -> Result<Option<Record>, Error> {
        Ok(self
            .read
            .record(id)?
            .filter(|record| record.owner == caller.credential.owner.id()))
    }

    /// Gives an API key a new secret.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it has expired; [`Error::Forbidden`] when it may do more than the caller; [`Error::AgainstPolicy`].
    pub fn rotate(
        &self,
        caller: &Caller,
        whose: &Whose,
        id: Id,
        rotation: Rotation,
        once: Option<Once>,
    ) -> Result<Issued, Error> {
        let permit = caller.permit(whose.write, Action::ApiKeyRotate)?.once(once);
        let is_dangerous = || -> Result<bool, Error> {
            let record = self.read.record(id)?;
            let manages = record.is_some_and(|record| record.permissions.manage_credentials());
            Ok(manages || whose.write.is_administrative())
        };
        if caller.demand_recent_password().is_err() && is_dangerous()? {
            return Err(Error::PasswordNeeded);
        }
        let (owner, uses) = (whose.owner, Arc::clone(&self.store().uses));
        let secret = self.store().write(permit, move |write| {
            let bounds = Bounds::of(write, owner)?;
            let rule = write.policy()?.api_key;
            let wanted = match rotation.end {
                WantedEnd::Unsaid => None,
                wanted => Some(rule.end("API keys", wanted, write.now)?),
            };
            let record = find(write.record(id)?, owner, Kind::ApiKey)?;
            bounds.demand_within_caller(write, &record)?;
            let seen = uses.seen_expired(id).own;
            let is_over = seen.is_some() && seen == record.expires_at;
            if record.state(write.now) == State::Expired || is_over {
                return Err(Error::Conflict("This API key has expired; give it a new end first, or make a new one.".to_owned()));
            }
            let expires_at = match wanted {
                Some(end) => end,
                None if rule.permits(record.expires_at, write.now) => record.expires_at,
                None => {
                    let message = format!("your organisation lets API keys live {} at the longest, and this one ends later; give a new end", rule.max);
                    return Err(Error::AgainstPolicy(FieldError::new("expires_in", message)));
                }
            };
            let grace_end = write.now.after(rotation.grace);
            let previous_ends_at = (!rotation.grace.is_zero()).then(|| record.expires_at.map_or(grace_end, |end| end.min(grace_end)));
            let secret = Secret::generate_for(Form::Credential(record.kind), id);
            write.rotate_credential(id, &secret.digest(), previous_ends_at, expires_at)?;
            uses.rotated(id);
            let trace = Trace::of(target(&record))
                .changed("expires", shown_end(record.expires_at), shown_end(expires_at))
                .after("previous ends", previous_ends_at.map_or_else(|| "now".to_owned(), |end| end.to_string()));
            Ok((secret, trace))
        })?;
        Ok(Issued {
            record: self
                .read
                .record(id)?
                .ok_or_else(|| not_found(Kind::ApiKey))?,
            secret,
        })
    }

    /// Ends a credential at the next request, and what it made if `with_made`; how many were ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for what is somebody else's.
    pub fn end(
        &self,
        caller: &Caller,
        whose: &Whose,
        kind: Kind,
        id: Id,
        with_made: WithMade,
    ) -> Result<usize, Error> {
        let action = match kind {
            Kind::ApiKey => Action::ApiKeyDelete,
            Kind::Token => Action::TokenDelete,
            Kind::Session => Action::SessionDelete,
            Kind::Host => Action::HostDelete,
        };
        let permit = if whose.write.is_administrative() {
            caller.permit_with_password(whose.write, action)?
        } else {
            caller.permit(whose.write, action)?
        };
        let owner = whose.owner;
        self.store().write(permit, move |write| {
            let record = find(write.record(id)?, owner, kind)?;
            let made = match with_made {
                WithMade::Yes => write
                    .made_by(id)?
                    .into_iter()
                    .filter(|made| made.owner == owner)
                    .collect(),
                WithMade::No => Vec::new(),
            };
            for made in &made {
                write.end_credential(made.id, made.kind, "deleted")?;
            }
            write.end_credential(id, kind, "deleted")?;
            let names: Vec<String> = made.iter().map(|made| made.id.to_string()).collect();
            let trace = Trace::of(target(&record));
            let trace = if names.is_empty() {
                trace
            } else {
                trace.after("with", names.join(" "))
            };
            Ok((made.len() + 1, trace))
        })
    }

    /// Ends all sessions of the caller but the one that is `kept`; how many.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn end_sessions(&self, caller: &Caller, kept: Option<Id>) -> Result<usize, Error> {
        let user = caller.user()?.id;
        let name = caller.user()?.username.to_string();
        let permit = caller.permit(Own::SessionsWrite, Action::SessionDeleteOthers)?;
        self.store().write(permit, move |write| {
            let ended = write.end_sessions(user, kept)?;
            Ok((
                ended,
                Trace::of(Target::new("user", &name, "", Some(user))).after("ended", ended),
            ))
        })
    }
}

/// Whether what a credential made is ended with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithMade {
    Yes,
    No,
}

impl CredentialChange {
    fn is_only_enabling_or_disabling(&self) -> bool {
        self.name.is_none()
            && self.note.is_none()
            && self.end.is_none()
            && self.permissions.is_none()
            && self.networks.is_none()
    }

    fn is_only_disabling(&self) -> bool {
        self.disabled == Some(Disabled::Yes) && self.is_only_enabling_or_disabling()
    }
}

fn find(record: Option<Record>, owner: OwnerId, kind: Kind) -> Result<Record, Error> {
    record
        .filter(|record| record.owner == owner && record.kind == kind && record.ended.is_none())
        .ok_or_else(|| not_found(kind))
}

/// Networks for a new or changed credential: those of the caller when nothing was said.
pub(super) fn within_maker(
    wanted: Option<Networks>,
    maker: &Credential,
) -> Result<Networks, Error> {
    let networks = wanted.unwrap_or_else(|| maker.networks.clone());
    if !networks.lie_within(&maker.networks) {
        return Err(Error::NotAllowed("A credential that is limited to networks can't make or change one that reaches beyond them.".to_owned()));
    }
    Ok(networks)
}

/// What a token is called that was given no name: after the program that asked for it.
fn name_after(origin: &Origin) -> String {
    let program = tame(origin.program.as_deref().unwrap_or_default(), 64);
    match program.trim() {
        "" => "token".to_owned(),
        program => program.to_owned(),
    }
}

/// The end of a new token: whole hours within policy, and never after what made it.
pub(super) fn token_end(
    policy: &Policy,
    wanted: WantedEnd,
    maker: &Credential,
    now: Time,
) -> Result<Option<Time>, Error> {
    match wanted {
        WantedEnd::In(lifetime) if !is_whole_hours(lifetime) || lifetime > Lifetime::hours(24) => {
            Err(Error::field(
                "expires_in",
                "choose whole hours from 1h to 24h",
            ))
        }
        WantedEnd::At(_) => Err(Error::field(
            "expires_at",
            "tokens live for whole hours: give expires_in, from 1h to 24h",
        )),
        WantedEnd::In(_) | WantedEnd::Unsaid => {
            let end = policy.token.end("tokens", wanted, now)?;
            Ok(match (end, maker.expires_at) {
                (Some(end), Some(maker)) => Some(end.min(maker)),
                (end, maker) => end.or(maker),
            })
        }
    }
}
