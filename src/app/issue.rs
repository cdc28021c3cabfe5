//! Creating, changing and rotating API keys and tokens. The result never has more power than the caller.

use std::sync::Arc;

use super::App;
use super::credential::{
    CredentialScope, KeyAct, expiration_text, not_found, require_owned, require_present_secret,
    target, user_of,
};
use crate::model::address::AllowedAddresses;
use crate::model::caller::{Caller, Identity};
use crate::model::credential::{
    Credential, CredentialChange, Kind, NewCredential, OwnerId, Record, Rotation, SecretSlot, State,
};
use crate::model::error::{Error, FieldError};
use crate::model::event::{Action, AuditDetails, Origin, Target};
use crate::model::idempotency::IdempotencyKey;
use crate::model::permission::Permissions;
use crate::model::policy::{Policy, is_whole_hours};
use crate::model::secret::{Id, Secret, SecretForm};
use crate::model::text::sanitize;
use crate::model::time::{Lifetime, RequestedExpiration, Time};
use crate::model::user::Disabled;
use crate::store::{NewRow, Power, Write};
/// A credential with its secret, which can be revealed once.
pub struct Issued {
    pub record: Record,
    pub secret: Secret,
}

/// The limits for the owner's credentials inside the transaction.
struct Bounds {
    /// The maximum, if it is less than the caller's permissions.
    limit: Option<Permissions>,
    /// Permissions allowed beyond the caller's: those that the service itself defines.
    defined: Permissions,
}

impl Bounds {
    fn load(write: &Write<'_>, owner: OwnerId) -> Result<Self, Error> {
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

    /// The default permissions of a new credential: everything that the caller may give.
    fn all_of(&self, power: &Power) -> Permissions {
        let mut all = match (power, &self.limit) {
            (Power::Credential(_, power), None) => return power.clone(),
            (Power::Credential(_, power), Some(limit)) => power.intersection(limit),
            (Power::Unlimited, limit) => limit.clone().unwrap_or_else(Permissions::none),
        };
        all.extend(&self.defined);
        all
    }

    /// Requires that permissions exist and lie within the limit and the caller's power.
    fn require(&self, write: &Write<'_>, permissions: &Permissions) -> Result<(), Error> {
        write.require_defined(permissions, "permissions")?;
        let limit = self.limit.as_ref();
        if let Some(missing) = limit.and_then(|limit| permissions.first_missing_from(limit)) {
            return Err(Error::field(
                "permissions",
                format!("a service's API key can't carry {missing}"),
            ));
        }
        write.require_within(&permissions.without(&self.defined))
    }

    /// Only a caller with at least the power of a credential may change or rotate it.
    fn require_within_caller(&self, write: &Write<'_>, record: &Record) -> Result<(), Error> {
        write.require_within(&record.permissions.without(&self.defined))?;
        match &write.power {
            Power::Unlimited => Ok(()),
            Power::Credential(caller, _) => {
                within_creator(Some(record.allowed_addresses.clone()), caller).map(|_| ())
            }
        }
    }
}

impl App {
    /// Creates an API key or a token.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it would have more power than the caller, [`Error::AgainstPolicy`],
    /// [`Error::Conflict`] for a name in use.
    pub fn issue(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        wanted: NewCredential,
        once: Option<IdempotencyKey>,
    ) -> Result<Issued, Error> {
        let action = match wanted.kind {
            Kind::ApiKey => Action::ApiKeyCreate,
            Kind::Token => Action::TokenCreate,
            Kind::Session | Kind::Host => {
                return Err(Error::NotAllowed(
                    "Sessions and host credentials are created by signing in and by enrolling."
                        .to_owned(),
                ));
            }
        };
        let mut permit = caller.permit(scope.write, action)?.once(once);
        let asked = wanted.permissions.as_ref().unwrap_or(&caller.power);
        if scope.write.is_administrative() || asked.manage_credentials() {
            caller.require_recent_password()?;
            permit = permit.confirmed();
        }
        let (scope, origin) = (scope.clone(), caller.origin.clone());
        let presented = caller.identity.clone();
        let (secret, record) = self.store().write(permit, move |write| {
            let creator = match &write.power {
                Power::Credential(creator, _) => Some(creator),
                Power::Unlimited => None,
            };
            let bounds = Bounds::load(write, scope.owner)?;
            let permissions = match wanted.permissions {
                Some(permissions) => permissions,
                None => bounds.all_of(&write.power),
            };
            bounds.require(write, &permissions)?;
            let allowed_addresses = match creator {
                Some(creator) => within_creator(wanted.allowed_addresses, creator)?,
                None => wanted.allowed_addresses.unwrap_or_default(),
            };
            let policy = write.policy()?;
            let expires_at = match (wanted.kind, creator) {
                (Kind::Token, Some(creator)) => {
                    let end = token_end(&policy, wanted.end, creator, write.now)?;
                    // Tokens created with the previous secret expire with that secret, not with the key.
                    let previous = creator.previous.filter(|_| is_previous(&presented));
                    let previous = previous.map(|previous| previous.grace.earliest_end(write.now));
                    match (end, previous) {
                        (Some(end), Some(previous)) => Some(end.min(previous)),
                        (end, previous) => end.or(previous),
                    }
                }
                (Kind::Token, None) => policy.token.end("tokens", wanted.end, write.now)?,
                (Kind::ApiKey | Kind::Session | Kind::Host, _) => {
                    policy.api_key.end("API keys", wanted.end, write.now)?
                }
            };
            if wanted.kind == Kind::ApiKey
                && write.count_api_keys_of(scope.owner)? >= i64::from(policy.api_keys_max)
            {
                let message = format!(
                    "policy allows {} API keys per user; delete one that is not needed",
                    policy.api_keys_max
                );
                return Err(Error::AgainstPolicy(FieldError::new("name", message)));
            }
            let secret = Secret::generate(SecretForm::Credential(wanted.kind));
            let name = wanted.name.unwrap_or_else(|| name_after(&origin));
            let row = NewRow {
                id: secret.id(),
                kind: wanted.kind,
                owner: scope.owner,
                name: name.clone(),
                note: wanted.note,
                permissions,
                allowed_addresses,
                digest: secret.digest(),
                created_by: creator.map(|creator| creator.id),
                expires_at,
                password_at: None,
                user_agent: None,
                address: None,
            };
            write.add_credential(&row)?;
            let target = Target::new(row.kind.as_str(), row.id, &row.name, user_of(row.owner));
            let details = AuditDetails::new(target)
                .after("permissions", &row.permissions)
                .after("networks", &row.allowed_addresses)
                .after("expires", expiration_text(row.expires_at));
            Ok(((secret, row.record(write.now)), details))
        })?;
        Ok(Issued { record, secret })
    }

    /// Changes an API key.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it has or would get more power than the caller; [`Error::AgainstPolicy`];
    /// [`Error::Conflict`].
    pub fn edit(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        id: Id,
        change: CredentialChange,
    ) -> Result<Record, Error> {
        let only = change.is_only_disabling();
        let action = match (change.disabled, change.is_only_enabling_or_disabling()) {
            (Some(Disabled::Yes), true) => Action::ApiKeyDisable,
            (Some(Disabled::No), true) => Action::ApiKeyEnable,
            (Some(_) | None, _) => Action::ApiKeyEdit,
        };
        let mut permit = caller.permit(scope.write, action)?;
        if scope.write.is_administrative() || self.widens_access(id, &change)? {
            caller.require_recent_password()?;
            permit = permit.confirmed();
        }
        let (owner, identity) = (scope.owner, caller.identity.clone());
        self.store().write(permit, move |write| {
            let act = if only { KeyAct::End } else { KeyAct::Change };
            require_present_secret(write, &identity, id, act)?;
            // Faults of the request itself are reported before a missing key.
            let bounds = Bounds::load(write, owner)?;
            if let Some(permissions) = &change.permissions {
                bounds.require(write, permissions)?;
            }
            let allowed_addresses = match (change.allowed_addresses, &write.power) {
                (Some(allowed_addresses), Power::Credential(creator, _)) => {
                    Some(within_creator(Some(allowed_addresses), creator)?)
                }
                (allowed_addresses, _) => allowed_addresses,
            };
            let rule = write.policy()?.api_key;
            let end = change.end.map(|end| rule.end("API keys", end, write.now));
            let end = end.transpose()?;
            let before = require_owned(write.record(id)?, owner, Kind::ApiKey)?;
            if change
                .version
                .as_ref()
                .is_some_and(|version| *version != before.version())
            {
                return Err(Error::ChangedMeanwhile("this"));
            }
            if !only {
                bounds.require_within_caller(write, &before)?;
            }
            let mut record = before.clone();
            record.name = change.name.unwrap_or(record.name);
            record.note = change.note.unwrap_or(record.note);
            record.permissions = change.permissions.unwrap_or(record.permissions);
            record.allowed_addresses = allowed_addresses.unwrap_or(record.allowed_addresses);
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
            let details = AuditDetails::new(target(&record))
                .changed("name", &before.name, &record.name)
                .changed(
                    "note",
                    before.note.as_deref().unwrap_or_default(),
                    record.note.as_deref().unwrap_or_default(),
                )
                .changed("permissions", &before.permissions, &record.permissions)
                .changed(
                    "networks",
                    &before.allowed_addresses,
                    &record.allowed_addresses,
                )
                .changed(
                    "expires",
                    expiration_text(before.expires_at),
                    expiration_text(record.expires_at),
                )
                .changed(
                    "disabled",
                    word(before.disabled),
                    word(change.disabled.unwrap_or(before.disabled)),
                );
            Ok(((), details))
        })?;
        require_owned(self.record(id)?, owner, Kind::ApiKey)
    }

    /// Returns whether a change lets a key manage credentials, or lets one that can do so be used longer, from other
    /// addresses, or again.
    fn widens_access(&self, id: Id, change: &CredentialChange) -> Result<bool, Error> {
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
        let allowed_addresses = change
            .allowed_addresses
            .as_ref()
            .unwrap_or(&before.allowed_addresses);
        let opens = change.end.is_some()
            || *allowed_addresses != before.allowed_addresses
            || change.disabled == Some(Disabled::No);
        Ok(opens && permissions.manage_credentials())
    }

    /// Sets a new secret of an API key.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it has expired; [`Error::Forbidden`] when it has more power than the caller;
    /// [`Error::AgainstPolicy`].
    pub fn rotate(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        id: Id,
        rotation: Rotation,
        once: Option<IdempotencyKey>,
    ) -> Result<Issued, Error> {
        let mut permit = caller.permit(scope.write, Action::ApiKeyRotate)?.once(once);
        let is_dangerous = || -> Result<bool, Error> {
            let record = self.read.record(id)?;
            let manages = record.is_some_and(|record| record.permissions.manage_credentials());
            Ok(manages || scope.write.is_administrative())
        };
        if is_dangerous()? {
            caller.require_recent_password()?;
            permit = permit.confirmed();
        }
        let (owner, uses) = (scope.owner, Arc::clone(&self.store().uses));
        let identity = caller.identity.clone();
        let secret = self.store().write(permit, move |write| {
            require_present_secret(write, &identity, id, KeyAct::Change)?;
            let bounds = Bounds::load(write, owner)?;
            let rule = write.policy()?.api_key;
            let wanted = match rotation.end {
                RequestedExpiration::Unsaid => None,
                wanted => Some(rule.end("API keys", wanted, write.now)?),
            };
            let record = require_owned(write.record(id)?, owner, Kind::ApiKey)?;
            bounds.require_within_caller(write, &record)?;
            let seen = uses.seen_expired(id).own;
            let has_expired = seen.is_some() && seen == record.expires_at;
            if record.state(write.now) == State::Expired || has_expired {
                return Err(Error::Conflict(
                    "This API key has expired; set a new expiration first, or create another key."
                        .to_owned(),
                ));
            }
            let expires_at = match wanted {
                Some(end) => end,
                None if rule.permits(record.expires_at, write.now) => record.expires_at,
                None => {
                    let message = format!(
                        "policy limits API keys to {}; choose an earlier expiration",
                        rule.max
                    );
                    return Err(Error::AgainstPolicy(FieldError::new("expires_in", message)));
                }
            };
            let grace = rotation.grace.starting(write.now, record.expires_at);
            let secret = Secret::generate_for(SecretForm::Credential(record.kind), id);
            write.rotate_credential(id, &secret.digest(), grace, expires_at)?;
            let details = AuditDetails::new(target(&record))
                .changed(
                    "expires",
                    expiration_text(record.expires_at),
                    expiration_text(expires_at),
                )
                .after(
                    "previous ends",
                    grace.map_or_else(|| "now".to_owned(), |grace| grace.ends_at.to_string()),
                );
            let details = match grace.and_then(|grace| grace.until_unused) {
                Some(until) => {
                    details.after("previous ends unused for", Lifetime::For(until.quiet))
                }
                None => details,
            };
            Ok((secret, details))
        })?;
        Ok(Issued {
            record: self.record(id)?.ok_or_else(|| not_found(Kind::ApiKey))?,
            secret,
        })
    }
}

impl CredentialChange {
    fn is_only_enabling_or_disabling(&self) -> bool {
        self.name.is_none()
            && self.note.is_none()
            && self.end.is_none()
            && self.permissions.is_none()
            && self.allowed_addresses.is_none()
    }

    fn is_only_disabling(&self) -> bool {
        self.disabled == Some(Disabled::Yes) && self.is_only_enabling_or_disabling()
    }
}

const fn is_previous(identity: &Identity) -> bool {
    matches!(identity, Identity::Credential(_, SecretSlot::Previous))
}

/// Allowed addresses of a new or changed credential; by default those of the caller.
pub(super) fn within_creator(
    wanted: Option<AllowedAddresses>,
    creator: &Credential,
) -> Result<AllowedAddresses, Error> {
    let allowed_addresses = wanted.unwrap_or_else(|| creator.allowed_addresses.clone());
    if !allowed_addresses.lie_within(&creator.allowed_addresses) {
        return Err(Error::NotAllowed("A credential that is limited to addresses can't create or change one that is valid elsewhere.".to_owned()));
    }
    Ok(allowed_addresses)
}

/// The default name of a token: the program that requested it.
fn name_after(origin: &Origin) -> String {
    let program = sanitize(origin.program.as_deref().unwrap_or_default(), 64);
    match program.trim() {
        "" => "token".to_owned(),
        program => program.to_owned(),
    }
}

/// The expiration of a new token: full hours within the policy, and never after its creator's.
pub(super) fn token_end(
    policy: &Policy,
    wanted: RequestedExpiration,
    creator: &Credential,
    now: Time,
) -> Result<Option<Time>, Error> {
    match wanted {
        RequestedExpiration::In(lifetime)
            if !is_whole_hours(lifetime) || lifetime > Lifetime::hours(24) =>
        {
            Err(Error::field(
                "expires_in",
                "choose full hours from 1h to 24h",
            ))
        }
        RequestedExpiration::At(_) => Err(Error::field(
            "expires_at",
            "the lifetime of tokens is in full hours: set expires_in, from 1h to 24h",
        )),
        RequestedExpiration::In(_) | RequestedExpiration::Unsaid => {
            let end = policy.token.end("tokens", wanted, now)?;
            Ok(match (end, creator.expires_at) {
                (Some(end), Some(creator)) => Some(end.min(creator)),
                (end, creator) => end.or(creator),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::credential::Owner;
    use crate::model::secret::Digest;
    use crate::model::service::{Service, ServiceId};

    const NOW: Time = Time::from_unix(1_000_000);

    fn creator(expires_at: Option<Time>, allowed_addresses: AllowedAddresses) -> Credential {
        Credential {
            id: Id::random(),
            kind: Kind::ApiKey,
            owner: Owner::Service(Arc::new(Service {
                id: ServiceId(1),
                name: "slurm".into(),
                permissions: Permissions::none(),
                created_at: NOW,
            })),
            permissions: Permissions::none(),
            allowed_addresses,
            digest: Some(Digest::new(b"maker")),
            previous: None,
            rotations: 0,
            created_at: NOW,
            expires_at,
            disabled: Disabled::No,
            is_deleted: false,
            seen_expired: false,
            password_at: None,
            idle_max: None,
            confirmed_with: None,
        }
    }

    #[test]
    fn limited_caller_creates_nothing_beyond_its_addresses() {
        let allowed_addresses = |list: &[&str]| AllowedAddresses::parse(list).unwrap();
        let limited = creator(None, allowed_addresses(&["10.0.0.0/8"]));
        let unsaid = within_creator(None, &limited).unwrap();
        assert_eq!(unsaid, limited.allowed_addresses);
        let narrower = allowed_addresses(&["10.1.0.0/16"]);
        assert_eq!(
            within_creator(Some(narrower.clone()), &limited),
            Ok(narrower)
        );
        for beyond in [&[][..], &["0.0.0.0/0"], &["10.0.0.0/8", "::1"]] {
            let rejected = within_creator(Some(allowed_addresses(beyond)), &limited);
            assert!(matches!(rejected, Err(Error::NotAllowed(_))), "{beyond:?}");
        }
    }

    proptest! {
        /// For every request and policy: within a day, within the policy, and within its creator's lifetime.
        #[test]
        fn token_never_outlives_its_creator(
            default in 1..=24_u64,
            max in 1..=24_u64,
            wanted in proptest::option::of(prop_oneof![
                4 => (1..=30_u64).prop_map(|hours| hours * 3_600),
                1 => 1..200_000_u64,
            ]),
            creator_expiration in proptest::option::of(NOW.unix() + 1..NOW.unix() + 200_000),
        ) {
            let mut policy = Policy::default();
            policy.token.default = Lifetime::hours(default.min(max));
            policy.token.max = Lifetime::hours(max);
            let creator_expiration = creator_expiration.map(Time::from_unix);
            let asked = wanted.map_or(RequestedExpiration::Unsaid, |seconds| {
                RequestedExpiration::In(Lifetime::For(Duration::from_secs(seconds)))
            });
            match token_end(&policy, asked, &creator(creator_expiration, AllowedAddresses::default()), NOW) {
                Ok(end) => {
                    let end = end.expect("a token has an end");
                    prop_assert!(end > NOW);
                    prop_assert!(end <= NOW.after(Duration::from_secs(max * 3_600)));
                    prop_assert!(creator_expiration.is_none_or(|creators| end <= creators));
                    let seconds = wanted.unwrap_or(default.min(max) * 3_600);
                    let last = NOW.after(Duration::from_secs(seconds));
                    prop_assert_eq!(end, creator_expiration.map_or(last, |creators| creators.min(last)));
                }
                Err(error) => {
                    let seconds = wanted.expect("the default is always given");
                    let is_whole = seconds % 3_600 == 0 && seconds <= 24 * 3_600;
                    match error {
                        Error::Invalid(_) => prop_assert!(!is_whole),
                        Error::AgainstPolicy(_) => prop_assert!(seconds > max * 3_600),
                        other => prop_assert!(false, "{other}"),
                    }
                }
            }
        }
    }
}
