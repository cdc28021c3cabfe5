//! The caller of a request, and the permits that every write needs.

use std::sync::Arc;

use super::code::Purpose;
use super::credential::{Credential, Kind, SecretSlot};
use super::error::{Error, SecretSent};
use super::event::{Action, Actor, Origin};
use super::idempotency::IdempotencyKey;
use super::passkey::PasskeyAnswer;
use super::permission::{BuiltinPermission, Permission, Permissions};
use super::second_factor::Factor;
use super::secret::{Id, Presented, SecretForm};
use super::time::Time;
use super::user::{User, UserId};

/// The caller of a request, with its present permissions.
#[derive(Clone)]
pub struct Caller {
    pub identity: Identity,
    pub power: Permissions,
    pub origin: Origin,
    /// The one "now" of the request.
    pub now: Time,
}

/// The two kinds of caller.
#[derive(Clone)]
pub enum Identity {
    /// A valid credential, presented by its current or its previous secret.
    Credential(Arc<Credential>, SecretSlot),
    /// The owner of the database, or root on the server, through the control socket or in process.
    Operator { uid: u32 },
}

impl Caller {
    /// The caller with a valid credential.
    pub fn with_credential(
        credential: impl Into<Arc<Credential>>,
        slot: SecretSlot,
        origin: Origin,
        now: Time,
    ) -> Self {
        let credential = credential.into();
        Self {
            power: credential.power(),
            identity: Identity::Credential(credential, slot),
            origin,
            now,
        }
    }

    /// The operator. `origin` gets the uid, for the audit log.
    pub fn operator(uid: u32, origin: Origin, now: Time) -> Self {
        Self {
            power: Permissions::new(&BuiltinPermission::ALL),
            identity: Identity::Operator { uid },
            origin: origin.by_operator(uid),
            now,
        }
    }

    pub const fn is_operator(&self) -> bool {
        matches!(self.identity, Identity::Operator { .. })
    }

    /// The credential, for acts that need one.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for the operator.
    pub fn credential(&self) -> Result<&Credential, Error> {
        match &self.identity {
            Identity::Credential(credential, _) => Ok(credential),
            Identity::Operator { .. } => Err(Error::NotAllowed(
                "The operator has no account; log in as a user for this.".to_owned(),
            )),
        }
    }

    /// The slot of the presented secret.
    pub fn slot(&self) -> Result<SecretSlot, Error> {
        self.credential()?;
        match &self.identity {
            Identity::Credential(_, SecretSlot::Previous) => Ok(SecretSlot::Previous),
            _ => Ok(SecretSlot::Current),
        }
    }

    pub fn credential_id(&self) -> Option<Id> {
        self.credential().ok().map(|credential| credential.id)
    }

    /// The id of the console session, if the caller is one.
    pub fn session_id(&self) -> Option<Id> {
        let credential = self.credential().ok()?;
        (credential.kind == Kind::Session).then_some(credential.id)
    }

    /// The user who owns the credential.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for the operator, a service or a host.
    pub fn user(&self) -> Result<&User, Error> {
        self.credential()?.owner.user().ok_or_else(|| {
            Error::NotAllowed(
                "This credential belongs to a service, which has no account.".to_owned(),
            )
        })
    }

    pub fn require(&self, permission: BuiltinPermission) -> Result<(), Error> {
        let permission = Permission::Builtin(permission);
        if self.power.contains(&permission) {
            Ok(())
        } else {
            Err(Error::Forbidden {
                missing: permission,
            })
        }
    }

    /// A permit for `action`, which needs `permission`.
    pub fn permit(&self, permission: BuiltinPermission, action: Action) -> Result<Permit, Error> {
        self.require(permission)?;
        let right = match &self.identity {
            Identity::Operator { .. } => Right::Operator,
            Identity::Credential(..) => Right::Permission {
                permission,
                holder: Box::new(self.clone()),
            },
        };
        Ok(Permit::new(
            self.actor(),
            right,
            action,
            self.origin.clone(),
            self.now,
        ))
    }

    /// A permit for a dangerous act. Checks the permission first, so that nobody types a password in vain.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::PasswordNeeded`].
    pub fn permit_with_password(
        &self,
        permission: BuiltinPermission,
        action: Action,
    ) -> Result<Permit, Error> {
        let permit = self.permit(permission, action)?;
        self.require_recent_password()?;
        Ok(permit.confirmed())
    }

    /// Requires a recently confirmed password for a dangerous act in the console.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`] when it was not confirmed lately, or in the future.
    pub fn require_recent_password(&self) -> Result<(), Error> {
        let Identity::Credential(credential, _) = &self.identity else {
            return Ok(());
        };
        match credential.kind {
            Kind::Session => {
                if credential.is_recently_confirmed(self.now) {
                    Ok(())
                } else {
                    Err(Error::PasswordNeeded)
                }
            }
            Kind::ApiKey | Kind::Token | Kind::Host => Ok(()),
        }
    }

    /// The caller as an actor in the audit log.
    pub fn actor(&self) -> Actor {
        match &self.identity {
            Identity::Operator { .. } => Actor::operator(),
            Identity::Credential(credential, _) => Actor {
                name: credential.owner.name().to_owned(),
                user: credential.owner.user().map(|user| user.id),
                credential: Some(credential.id),
            },
        }
    }
}

/// The authorization behind a permit. The list is closed: nothing can be written without one of these.
pub(crate) enum Right {
    /// A valid credential with a permission; both are checked again inside the transaction.
    Permission {
        permission: BuiltinPermission,
        holder: Box<Caller>,
    },
    /// A valid host credential, checked again inside the transaction, for reports of a host.
    Host(Box<Caller>),
    /// A password that was right, with the second factor that comes with it. The user and the hash are read again inside
    /// the transaction, which also decides whether the factor is enough and consumes it.
    Password {
        user: UserId,
        hash: String,
        factor: Factor,
    },
    /// A passkey that verifies its user; checked and consumed inside the transaction.
    Passkey {
        user: UserId,
        answer: Box<PasskeyAnswer>,
    },
    /// A presented secret, identified by form, id and digest alone: it may revoke itself.
    Presented(Presented),
    /// A code, consumed inside the transaction.
    Code {
        presented: Presented,
        purpose: Purpose,
    },
    /// The owner of the database, on the command line or at the start of the server.
    Operator,
}

/// A one-time authorization to write. The store records it as an event in the same transaction.
pub struct Permit {
    pub(crate) actor: Actor,
    pub(crate) right: Right,
    pub(crate) action: Action,
    pub(crate) origin: Origin,
    pub(crate) now: Time,
    pub(crate) once: Option<IdempotencyKey>,
    /// Requires a confirmation of the session within the last 10 minutes, with the factors that its user must have.
    pub(crate) confirmed: bool,
}

impl Permit {
    const fn new(actor: Actor, right: Right, action: Action, origin: Origin, now: Time) -> Self {
        Self {
            actor,
            right,
            action,
            origin,
            now,
            once: None,
            confirmed: false,
        }
    }

    /// The same permit for a dangerous act: inside the transaction, a session must be confirmed.
    pub const fn confirmed(mut self) -> Self {
        self.confirmed = true;
        self
    }

    /// For reports of a host.
    pub fn by_host(caller: &Caller, action: Action) -> Result<Self, Error> {
        match caller.credential()?.kind {
            Kind::Host => Ok(Self::new(
                caller.actor(),
                Right::Host(Box::new(caller.clone())),
                action,
                caller.origin.clone(),
                caller.now,
            )),
            Kind::ApiKey | Kind::Token | Kind::Session => Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            }),
        }
    }

    /// For a user whose password was just found to match `hash`; `factor` comes with it.
    pub fn by_password(
        user: &User,
        hash: String,
        factor: Factor,
        action: Action,
        origin: Origin,
        now: Time,
    ) -> Self {
        let actor = Actor {
            name: user.username.to_string(),
            user: Some(user.id),
            credential: None,
        };
        Self::new(
            actor,
            Right::Password {
                user: user.id,
                hash,
                factor,
            },
            action,
            origin,
            now,
        )
    }

    /// For a user who shows a passkey alone.
    pub fn by_passkey(
        user: &User,
        answer: PasskeyAnswer,
        action: Action,
        origin: Origin,
        now: Time,
    ) -> Self {
        let actor = Actor {
            name: user.username.to_string(),
            user: Some(user.id),
            credential: None,
        };
        let right = Right::Passkey {
            user: user.id,
            answer: Box::new(answer),
        };
        Self::new(actor, right, action, origin, now)
    }

    /// For the revocation of a presented secret.
    pub fn by_presented(presented: Presented, origin: Origin, now: Time) -> Result<Self, Error> {
        match presented.form {
            SecretForm::Code | SecretForm::Calendar => Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            }),
            SecretForm::Credential(_) => {
                let actor = Actor {
                    credential: Some(presented.id),
                    ..Actor::nobody()
                };
                Ok(Self::new(
                    actor,
                    Right::Presented(presented),
                    Action::Revoke,
                    origin,
                    now,
                ))
            }
        }
    }

    /// For a code, which the act consumes.
    pub fn by_code(
        presented: Presented,
        purpose: Purpose,
        action: Action,
        origin: Origin,
        now: Time,
    ) -> Result<Self, Error> {
        match presented.form {
            SecretForm::Credential(_) | SecretForm::Calendar => Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            }),
            SecretForm::Code => {
                let actor = Actor {
                    credential: Some(presented.id),
                    ..Actor::nobody()
                };
                Ok(Self::new(
                    actor,
                    Right::Code { presented, purpose },
                    action,
                    origin,
                    now,
                ))
            }
        }
    }

    /// For the operator.
    pub fn by_operator(action: Action, now: Time) -> Self {
        Self::new(
            Actor::operator(),
            Right::Operator,
            action,
            Origin::operator(),
            now,
        )
    }

    /// The same permit for a request with an `Idempotency-Key`.
    pub const fn once(mut self, once: Option<IdempotencyKey>) -> Self {
        self.once = once;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::AllowedAddresses;
    use crate::model::credential::Owner;
    use crate::model::secret::Secret;
    use crate::model::service::{Service, ServiceId};
    use crate::model::user::Disabled;

    const NOW: Time = Time::from_unix(1_000_000);

    fn presented(form: SecretForm) -> Presented {
        Presented::parse(&Secret::generate(form).reveal()).unwrap()
    }

    fn caller(kind: Kind, password_at: Option<Time>) -> Caller {
        let service = Service {
            id: ServiceId(1),
            name: "slurm".into(),
            permissions: Permissions::none(),
            created_at: NOW,
        };
        let secret = presented(SecretForm::Credential(kind));
        Caller {
            identity: Identity::Credential(
                Arc::new(Credential {
                    id: secret.id,
                    kind,
                    owner: Owner::Service(service.into()),
                    permissions: Permissions::none(),
                    allowed_addresses: AllowedAddresses::default(),
                    digest: Some(secret.digest),
                    previous: None,
                    rotations: 0,
                    created_at: NOW,
                    expires_at: None,
                    disabled: Disabled::No,
                    is_deleted: false,
                    seen_expired: false,
                    password_at,
                    idle_max: None,
                    confirmed_with: None,
                }),
                SecretSlot::Current,
            ),
            power: Permissions::new(&[BuiltinPermission::Metrics]),
            origin: Origin::operator(),
            now: NOW,
        }
    }

    #[test]
    fn permit_names_the_code_or_credential_behind_it() {
        let origin = Origin::operator;
        let code = presented(SecretForm::Code);
        let id = code.id;
        let permit = Permit::by_code(code, Purpose::SetUp, Action::UserAdd, origin(), NOW);
        assert_eq!(permit.ok().unwrap().actor.credential, Some(id));
        for kind in Kind::ALL {
            let secret = presented(SecretForm::Credential(kind));
            let id = secret.id;
            let permit = Permit::by_presented(secret, origin(), NOW).ok().unwrap();
            assert_eq!(permit.actor.credential, Some(id));
            let secret = presented(SecretForm::Credential(kind));
            let permit = Permit::by_code(secret, Purpose::SetUp, Action::UserAdd, origin(), NOW);
            assert!(matches!(permit, Err(Error::Unauthenticated { .. })));
            let by_host = Permit::by_host(&caller(kind, None), Action::HostLogin);
            assert_eq!(by_host.is_ok(), kind == Kind::Host, "{kind}");
        }
        let permit = Permit::by_presented(presented(SecretForm::Code), origin(), NOW);
        assert!(matches!(permit, Err(Error::Unauthenticated { .. })));
    }

    #[test]
    fn permit_needs_permission_and_recent_console_password() {
        let at = |away: i64| Some(Time::from_unix(NOW.unix() + away));
        let ask = |kind, password_at| {
            caller(kind, password_at)
                .permit_with_password(BuiltinPermission::Metrics, Action::Sweep)
                .map(|permit| permit.actor.name)
        };
        for valid in [at(0), at(-600)] {
            assert_eq!(ask(Kind::Session, valid).as_deref(), Ok("slurm"));
        }
        for bad in [None, at(-601), at(1)] {
            let rejected = ask(Kind::Session, bad);
            assert!(matches!(rejected, Err(Error::PasswordNeeded)), "{bad:?}");
        }
        // An API key has no password to confirm.
        assert_eq!(ask(Kind::ApiKey, None).as_deref(), Ok("slurm"));
        let missing =
            caller(Kind::ApiKey, None).permit(BuiltinPermission::UsersWrite, Action::UserAdd);
        let expected = Permission::Builtin(BuiltinPermission::UsersWrite);
        assert!(matches!(missing, Err(Error::Forbidden { missing }) if missing == expected));
    }
}
