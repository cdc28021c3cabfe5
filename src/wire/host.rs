//! Hosts: for admins, and for hosts themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SshKeyOptionsOut, non_null, nullable, text, whole_number};
use crate::model::address::AllowedAddresses;
use crate::model::error::{Error, FieldErrors};
use crate::model::group::parse_group_name;
use crate::model::host::{
    AcceptedLogin, CACHE_AGE_MAX, ENROLLMENT_LIFETIME_MAX, ENROLLMENT_USES_MAX, EnrollmentCode,
    HostChange, HostLogin, HostRecord, LoginKey, NewEnrollmentCode, SharedLogin, is_fingerprint,
    parse_host_name,
};
use crate::model::text::sanitize;
use crate::model::time::{Time, parse_duration, short};
use crate::model::user::Username;

/// The header with a host's present time (RFC 3339).
pub const CLOCK_HEADER: &str = "Keycroft-Time";
/// Limit of logins in one report.
pub const LOGINS_MAX: usize = 200;
/// Longest stored login of a report, in characters: sshd may accept logins unknown to Keycroft.
const LOGIN_CHARACTERS_MAX: usize = 64;

/// A host.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostOut {
    pub id: String,
    pub name: String,
    /// Empty: every user may log in under their own name.
    pub groups: Vec<String>,
    /// Shared logins, each with the groups that may use it.
    pub shared_logins: BTreeMap<String, Vec<String>>,
    /// Like `24h`.
    pub cache_age_max: String,
    /// True if it admits nobody.
    pub paused: bool,
    /// Addresses from which its credential is valid; empty: all.
    pub allowed_addresses: Vec<String>,
    /// True if it rotates its credential at the next sync.
    pub rotation_requested: bool,
    pub credential_rotated_at: Option<String>,
    pub created_at: String,
    pub last_contact_at: Option<String>,
    pub last_contact_from: Option<String>,
    /// The reported version of the agent.
    pub version: Option<String>,
    /// When it last fetched or confirmed the keys of all users.
    pub cached_at: Option<String>,
    /// At the last contact; negative: behind; `null`: unknown.
    pub clock_ahead_seconds: Option<i64>,
}

impl HostOut {
    pub fn new(record: &HostRecord) -> Self {
        let mut shared_logins = BTreeMap::<String, Vec<String>>::new();
        for shared in &record.shared_logins {
            let groups = shared_logins.entry(shared.login.to_string()).or_default();
            groups.push(shared.group.clone());
        }
        Self {
            id: record.host.public_id.to_string(),
            name: record.host.name.clone(),
            groups: record.groups.clone(),
            shared_logins,
            cache_age_max: short(record.host.cache_age_max),
            paused: record.host.paused_at.is_some(),
            allowed_addresses: record.allowed_addresses.iter().collect(),
            rotation_requested: record.host.rotation_requested_at.is_some(),
            credential_rotated_at: text(record.credential_rotated_at),
            created_at: record.host.created_at.to_string(),
            last_contact_at: text(record.host.last_contact_at),
            last_contact_from: record.last_contact_from.clone(),
            version: record.version.clone(),
            cached_at: text(record.cached_at),
            clock_ahead_seconds: record.clock_ahead_seconds,
        }
    }
}

/// A login that a user may use on a host.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostLoginOut {
    pub login: String,
    /// The host's name.
    pub host: String,
}

impl HostLoginOut {
    pub fn new(login: &HostLogin) -> Self {
        Self {
            login: login.login.clone(),
            host: login.host.clone(),
        }
    }
}

/// A change to a host.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostPatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub shared_logins: Option<BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub cache_age_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub allowed_addresses: Option<Option<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub rotation_requested: Option<bool>,
}

impl HostPatch {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn parse(self) -> Result<HostChange, Error> {
        let mut faults = FieldErrors::default();
        let name = self
            .name
            .and_then(|name| faults.take("name", parse_host_name(&name)));
        let groups = self
            .groups
            .map(|names| group_names(&mut faults, "groups", names));
        let shared_logins = self
            .shared_logins
            .map(|shared| shared_list(&mut faults, shared));
        let cache_age_max = self.cache_age_max.and_then(|text| {
            // Zero is a valid duration here: never answer from the cache.
            let parsed = if text == "0s" {
                Ok(std::time::Duration::ZERO)
            } else {
                parse_duration(&text)
            };
            let age = faults.take("cache_age_max", parsed)?;
            if age > CACHE_AGE_MAX {
                faults.add("cache_age_max", "expected 0s to 365d");
            }
            Some(age)
        });
        let allowed_addresses = match self.allowed_addresses {
            None => None,
            Some(None) => Some(AllowedAddresses::default()),
            Some(Some(entries)) => {
                faults.take("allowed_addresses", AllowedAddresses::parse(&entries))
            }
        };
        faults.check()?;
        Ok(HostChange {
            name,
            groups,
            shared_logins,
            cache_age_max,
            allowed_addresses,
            paused: self.paused,
            rotation_requested: self.rotation_requested,
            version: None,
        })
    }
}

fn group_names(faults: &mut FieldErrors, field: &str, names: Vec<String>) -> Vec<String> {
    let mut groups = Vec::with_capacity(names.len());
    for name in names {
        groups.extend(faults.take(field, parse_group_name(&name)));
    }
    groups
}

fn shared_list(
    faults: &mut FieldErrors,
    shared: BTreeMap<String, Vec<String>>,
) -> Vec<SharedLogin> {
    let mut list = Vec::new();
    for (login, groups) in shared {
        let Some(login) = faults.take("shared_logins", Username::parse(&login)) else {
            continue;
        };
        for group in group_names(faults, "shared_logins", groups) {
            let login = login.clone();
            list.push(SharedLogin { login, group });
        }
    }
    list
}

/// A new enrollment code.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrollmentCodeIn {
    /// 1 if absent.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "whole_number"
    )]
    pub uses: Option<u32>,
    /// `24h` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

impl EnrollmentCodeIn {
    pub fn parse(self) -> Result<NewEnrollmentCode, Error> {
        let mut faults = FieldErrors::default();
        let uses = self.uses.unwrap_or(1);
        if !(1..=ENROLLMENT_USES_MAX).contains(&uses) {
            faults.add("uses", format!("expected 1 to {ENROLLMENT_USES_MAX}"));
        }
        let lifetime = parse_duration(self.expires_in.as_deref().unwrap_or("24h"));
        let lifetime = faults.take("expires_in", lifetime).unwrap_or_default();
        if lifetime > ENROLLMENT_LIFETIME_MAX {
            faults.add("expires_in", "the maximum lifetime of a code is 365d");
        }
        let groups = group_names(&mut faults, "groups", self.groups.unwrap_or_default());
        faults.check()?;
        Ok(NewEnrollmentCode {
            uses,
            lifetime,
            groups,
        })
    }
}

/// An enrollment code.
#[derive(Serialize, Deserialize)]
pub struct EnrollmentCodeOut {
    pub id: String,
    /// Present once, when the code is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    pub uses_left: u32,
    pub created_at: String,
    pub expires_at: String,
    pub groups: Vec<String>,
    pub created_by: Option<String>,
}

impl EnrollmentCodeOut {
    pub fn new(code: &EnrollmentCode) -> Self {
        Self {
            id: code.id.to_string(),
            secret: None,
            uses_left: code.uses_left,
            created_at: code.created_at.to_string(),
            expires_at: code.expires_at.to_string(),
            groups: code.groups.clone(),
            created_by: text(code.created_by),
        }
    }
}

/// The name of a new host.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollIn {
    pub name: String,
}

/// An enrolled host. No `Debug`: it holds a secret.
#[derive(Serialize, Deserialize)]
pub struct EnrollOut {
    pub id: String,
    pub name: String,
    pub secret: String,
}

/// The keys for logins on a host.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuthorizedKeysOut {
    pub items: Vec<LoginKeyOut>,
    /// Maximum cache age, in seconds.
    pub cache_age_max: u64,
    /// True if the host should rotate its credential.
    #[serde(default)]
    pub rotate_credential: bool,
}

/// A key, and the login that it may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginKeyOut {
    pub login: String,
    pub username: String,
    /// True for a shared login, false for the user's own.
    pub shared: bool,
    #[serde(rename = "type")]
    pub kind: String,
    /// Base64.
    pub key: String,
    pub fingerprint: String,
    pub expires_at: Option<String>,
    pub allowed_addresses: Vec<String>,
    #[serde(default)]
    pub options: SshKeyOptionsOut,
}

impl LoginKeyOut {
    pub fn new(found: &LoginKey) -> Self {
        Self {
            login: found.login.clone(),
            username: found.username.clone(),
            shared: found.is_shared,
            kind: found.key.key.kind().to_string(),
            key: found.key.key.base64(),
            fingerprint: found.key.key.fingerprint().to_owned(),
            expires_at: text(found.key.expires_at),
            allowed_addresses: found.key.allowed_addresses.iter().collect(),
            options: SshKeyOptionsOut::new(&found.key.options),
        }
    }
}

/// A login that a host's sshd accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LoginIn {
    pub login: String,
    pub fingerprint: String,
    pub address: String,
    pub at: String,
}

impl LoginIn {
    pub fn parse_all(logins: &[Self]) -> Result<Vec<AcceptedLogin>, Error> {
        let mut faults = FieldErrors::default();
        if logins.len() > LOGINS_MAX {
            faults.add("", format!("send at most {LOGINS_MAX} logins at once"));
        }
        let mut parsed = Vec::with_capacity(logins.len());
        for (number, login) in logins.iter().enumerate() {
            let field = |name: &str| format!("[{number}].{name}");
            if !is_fingerprint(&login.fingerprint) {
                faults.add(&field("fingerprint"), "expected SHA256: and 43 characters");
            }
            let address = match login.address.as_str() {
                "" => None,
                text => {
                    let parsed = text.parse::<std::net::IpAddr>();
                    let parsed = parsed.map_err(|_| "expected an IP address");
                    faults.take(&field("address"), parsed)
                }
            };
            let at = faults.take(&field("at"), Time::parse(&login.at));
            if let Some(at) = at {
                parsed.push(AcceptedLogin {
                    login: sanitize(&login.login, LOGIN_CHARACTERS_MAX),
                    fingerprint: login.fingerprint.clone(),
                    address,
                    at,
                });
            }
        }
        faults.check()?;
        Ok(parsed)
    }
}
