//! "Why was it rejected?": the checks of a credential, one by one.

use std::net::IpAddr;

use super::{App, CredentialScope};
use crate::model::caller::Caller;
use crate::model::credential::{self, Credential, Kind, Record, RejectReason};
use crate::model::error::{Error, FieldError};
use crate::model::permission::Permission;
use crate::model::secret::Id;
use crate::model::time::Time;

/// Circumstances of the rejected request.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// The client address.
    pub address: Option<IpAddr>,
    /// The required permission.
    pub permission: Option<Permission>,
}

impl Circumstances {
    /// Parses typed values.
    pub fn parse(address: Option<&str>, permission: Option<&str>) -> Result<Self, Vec<FieldError>> {
        let mut faults = Vec::new();
        let address = address.map(str::parse::<IpAddr>).and_then(|parsed| {
            let printed = FieldError::new("address", "expected an address such as 10.0.0.7");
            parsed.map_err(|_| faults.push(printed)).ok()
        });
        let permission = permission.map(Permission::parse).and_then(|parsed| {
            parsed
                .map_err(|message| faults.push(FieldError::new("permission", message)))
                .ok()
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            address: address.map(|address| address.to_canonical()),
            permission,
        })
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedCheck {
    pub name: &'static str,
    /// `None`: unknown, because it depends on a missing address or permission.
    pub holds: Option<bool>,
    /// One sentence.
    pub sentence: String,
}

/// All checks, in the order of verification.
#[derive(Debug, Clone)]
pub struct Explanation {
    pub record: Record,
    pub checks: Vec<ExplainedCheck>,
}

impl Explanation {
    /// The first failed check.
    pub fn failed(&self) -> Option<&ExplainedCheck> {
        self.checks.iter().find(|check| check.holds == Some(false))
    }
}

impl App {
    /// Explains why a credential is rejected. Works for deleted ones as long as their rows are kept.
    pub fn explain(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
        circumstances: &Circumstances,
    ) -> Result<Explanation, Error> {
        caller.require(scope.read)?;
        let not_found = Error::NotFound(kind.name());
        let record = self
            .record(id)?
            .filter(|record| record.owner == scope.owner && record.kind == kind);
        let (Some(record), Some(credential)) = (record, self.read.credential(id)?) else {
            return Err(not_found);
        };
        let seen = self.store().uses.seen_expired(id).own;
        let seen_expired =
            credential.seen_expired || (seen.is_some() && seen == credential.expires_at);
        let credential = Credential {
            seen_expired,
            ..credential
        };
        let mut checks: Vec<ExplainedCheck> = credential
            .checks(caller.now, circumstances.address)
            .into_iter()
            .map(|one| ExplainedCheck {
                name: name(one.reason),
                holds: one.holds,
                sentence: sentence(one, &credential, &record, caller.now, circumstances.address),
            })
            .collect();
        checks.push(permission_held(
            &credential,
            circumstances.permission.as_ref(),
        ));
        Ok(Explanation { record, checks })
    }
}

fn check(
    name: &'static str,
    holds: impl Into<Option<bool>>,
    sentence: impl Into<String>,
) -> ExplainedCheck {
    ExplainedCheck {
        name,
        holds: holds.into(),
        sentence: sentence.into(),
    }
}

/// The name of a check on the wire.
const fn name(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Deleted => "exists",
        RejectReason::Disabled => "enabled",
        RejectReason::Expired => "not_expired",
        RejectReason::Address => "address_allowed",
        RejectReason::OwnerDisabled => "owner_enabled",
    }
}

fn sentence(
    check: credential::Check,
    credential: &Credential,
    record: &Record,
    now: Time,
    address: Option<IpAddr>,
) -> String {
    let holds = check.holds == Some(true);
    match check.reason {
        RejectReason::Deleted => match &record.deletion {
            Some(deletion) => format!("It was deleted at {} ({}).", deletion.at, deletion.reason),
            None => "It exists.".to_owned(),
        },
        RejectReason::Disabled if holds => "It is enabled.".to_owned(),
        RejectReason::Disabled => "It is disabled; enable it to use it again.".to_owned(),
        RejectReason::Expired => match credential.expires_at {
            None => "It never expires.".to_owned(),
            Some(end) if holds => format!("It expires at {end}."),
            Some(end) if end <= now => format!("It expired at {end}."),
            Some(end) => format!(
                "It has expired. Its expiration {end} is in the future only because the clock was set back."
            ),
        },
        RejectReason::Address => {
            let allowed = &credential.allowed_addresses;
            match address {
                _ if allowed.is_everywhere() => "It is valid from every address.".to_owned(),
                None => {
                    format!(
                        "It is valid only from {allowed}; add the address from which it was used (address)."
                    )
                }
                Some(address) if holds => format!("{address} is allowed by {allowed}."),
                Some(address) => {
                    format!("It is valid only from {allowed}, and {address} is not among them.")
                }
            }
        }
        RejectReason::OwnerDisabled => {
            let state = if holds { "enabled" } else { "disabled" };
            format!("Its owner, {}, is {state}.", credential.owner.name())
        }
    }
}

fn permission_held(credential: &Credential, permission: Option<&Permission>) -> ExplainedCheck {
    const NAME: &str = "permission_held";
    let Some(permission) = permission else {
        return check(
            NAME,
            None,
            "Add the permission that the request needed (permission) to check this.",
        );
    };
    if credential.power().contains(permission) {
        return check(
            NAME,
            true,
            format!("It carries {permission}, and its owner has it."),
        );
    }
    if credential.permissions.contains(permission) {
        return check(
            NAME,
            false,
            format!("It carries {permission}, but its owner does not have it now."),
        );
    }
    check(NAME, false, format!("It does not carry {permission}."))
}
