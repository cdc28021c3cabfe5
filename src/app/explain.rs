//! "Why was it refused?": the chain of checks that a credential goes through, link by link.

use std::net::IpAddr;

use super::{App, Scope};
use crate::model::caller::Caller;
use crate::model::credential::{Credential, Kind, Record};
use crate::model::error::{Error, FieldError};
use crate::model::permission::Permission;
use crate::model::secret::Id;
use crate::model::time::Time;
use crate::model::user::Disabled;

/// What is asked besides.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Where it was used.
    pub address: Option<IpAddr>,
    /// What was demanded.
    pub permission: Option<Permission>,
}

impl Circumstances {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// A sentence for each of `address` and `permission` that is none.
    pub fn parse(address: Option<&str>, permission: Option<&str>) -> Result<Self, Vec<FieldError>> {
        let mut faults = Vec::new();
        let address = address.map(str::parse::<IpAddr>).and_then(|parsed| {
            let said = FieldError::new("address", "write an address like 10.0.0.7");
            parsed.map_err(|_| faults.push(said)).ok()
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

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    /// `None`: can't be told, because it was not said where or for what.
    pub holds: Option<bool>,
    /// One sentence.
    pub sentence: String,
}

/// All links, in the order in which verification goes through them.
#[derive(Debug, Clone)]
pub struct Explanation {
    pub record: Record,
    pub checks: Vec<Check>,
}

impl Explanation {
    /// The first link that fails.
    #[must_use]
    pub fn failed(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.holds == Some(false))
    }
}

impl App {
    /// Why a credential is refused, or would be. Also of what was deleted, as long as its row is kept.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for what is somebody else's; [`Error::Forbidden`].
    pub fn explain(
        &self,
        caller: &Caller,
        scope: &Scope,
        kind: Kind,
        id: Id,
        circumstances: &Circumstances,
    ) -> Result<Explanation, Error> {
        caller.demand(scope.read)?;
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
        let checks = vec![
            exists(&record),
            enabled(&credential),
            not_expired(&credential, seen_expired, caller.now),
            address_allowed(&credential, circumstances.address),
            owner_enabled(&credential),
            permission_held(&credential, circumstances.permission.as_ref()),
        ];
        Ok(Explanation { record, checks })
    }
}

fn check(name: &'static str, holds: impl Into<Option<bool>>, sentence: impl Into<String>) -> Check {
    Check {
        name,
        holds: holds.into(),
        sentence: sentence.into(),
    }
}

fn exists(record: &Record) -> Check {
    match &record.ended {
        None => check("exists", true, "It exists."),
        Some(ending) => check(
            "exists",
            false,
            format!("It was ended at {} ({}).", ending.at, ending.reason),
        ),
    }
}

fn enabled(credential: &Credential) -> Check {
    match credential.disabled {
        Disabled::No => check("enabled", true, "It is enabled."),
        Disabled::Yes => check(
            "enabled",
            false,
            "It is disabled; enable it to use it again.",
        ),
    }
}

fn not_expired(credential: &Credential, seen_expired: bool, now: Time) -> Check {
    const NAME: &str = "not_expired";
    match credential.expires_at {
        None => check(NAME, true, "It never expires."),
        Some(end) if end <= now => check(NAME, false, format!("It expired at {end}.")),
        Some(end) if seen_expired => check(
            NAME,
            false,
            format!("It was seen expired; its end {end} lies ahead because the clock went back."),
        ),
        Some(end) => check(NAME, true, format!("It expires at {end}.")),
    }
}

fn address_allowed(credential: &Credential, address: Option<IpAddr>) -> Check {
    const NAME: &str = "address_allowed";
    let allowed_addresses = &credential.allowed_addresses;
    match address {
        _ if allowed_addresses.is_everywhere() => {
            check(NAME, true, "It may be used from everywhere.")
        }
        None => check(
            NAME,
            None,
            format!(
                "It may be used from {allowed_addresses}; say from where it was used (address)."
            ),
        ),
        Some(address) if allowed_addresses.allow(address) => check(
            NAME,
            true,
            format!("{address} lies within {allowed_addresses}."),
        ),
        Some(address) => check(
            NAME,
            false,
            format!("It may be used from {allowed_addresses}, and {address} lies outside."),
        ),
    }
}

fn owner_enabled(credential: &Credential) -> Check {
    let name = credential.owner.name();
    if credential.owner.is_enabled() {
        return check(
            "owner_enabled",
            true,
            format!("Its owner, {name}, is enabled."),
        );
    }
    check(
        "owner_enabled",
        false,
        format!("Its owner, {name}, is disabled."),
    )
}

fn permission_held(credential: &Credential, permission: Option<&Permission>) -> Check {
    const NAME: &str = "permission_held";
    let Some(permission) = permission else {
        return check(
            NAME,
            None,
            "Say what it was to do (permission) to have this looked at.",
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
    check(NAME, false, format!("It was not given {permission}."))
}
