//! API keys, tokens, sessions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{non_null, nullable, text};
use crate::model::address::AllowedAddresses;
use crate::model::credential::{
    CredentialChange, Kind, LastUse, NewCredential, Record, RequestedGrace, Rotation, UsageDay,
};
use crate::model::error::{Error, FieldErrors};
use crate::model::permission::Permissions;
use crate::model::secret::Id;
use crate::model::text::{parse_name, parse_note};
use crate::model::time::{Lifetime, RequestedExpiration, Time, parse_duration};
use crate::model::user::Disabled;
use crate::model::user_agent::device;

/// A new API key.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeyIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_addresses: Option<Vec<String>>,
}

impl ApiKeyIn {
    pub fn parse(self) -> Result<NewCredential, Error> {
        let mut faults = FieldErrors::default();
        let name = match self.name {
            Some(name) => faults.take("name", parse_name(&name)),
            None => {
                faults.add(
                    "name",
                    "enter a name for the key, such as the program that will use it",
                );
                None
            }
        };
        let note = self
            .note
            .and_then(|note| faults.take("note", parse_note(&note)))
            .flatten();
        let end = requested_expiration(
            &mut faults,
            self.expires_in.as_deref(),
            self.expires_at.as_deref(),
        );
        let permissions = self
            .permissions
            .and_then(|words| faults.take("permissions", Permissions::parse(&words)));
        let allowed_addresses = self.allowed_addresses.and_then(|entries| {
            faults.take("allowed_addresses", AllowedAddresses::parse(&entries))
        });
        faults.check()?;
        Ok(NewCredential {
            kind: Kind::ApiKey,
            name,
            note,
            end,
            permissions,
            allowed_addresses,
        })
    }
}

pub(super) fn requested_expiration(
    faults: &mut FieldErrors,
    expires_in: Option<&str>,
    expires_at: Option<&str>,
) -> RequestedExpiration {
    match RequestedExpiration::parse(expires_in, expires_at) {
        Ok(end) => end,
        Err((field, message)) => {
            faults.add(field, message);
            RequestedExpiration::Unsaid
        }
    }
}

/// The expiration in a patch, where `null` means never.
pub(super) fn changed_end(
    faults: &mut FieldErrors,
    expires_in: Option<Option<String>>,
    expires_at: Option<Option<String>>,
) -> Option<RequestedExpiration> {
    match (expires_in, expires_at) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            faults.add(
                "expires_at",
                "use either expires_in or expires_at, not both",
            );
            None
        }
        (Some(None), None) | (None, Some(None)) => Some(RequestedExpiration::In(Lifetime::Endless)),
        (Some(Some(text)), None) => Some(requested_expiration(faults, Some(&text), None)),
        (None, Some(Some(text))) => Some(requested_expiration(faults, None, Some(&text))),
    }
}

/// A change to an API key. `null` clears a note, the addresses or the expiration.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeyPatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub note: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub expires_in: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub expires_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub allowed_addresses: Option<Option<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub disabled: Option<bool>,
}

impl ApiKeyPatch {
    pub fn parse(self) -> Result<CredentialChange, Error> {
        let mut faults = FieldErrors::default();
        let name = self
            .name
            .and_then(|name| faults.take("name", parse_name(&name)));
        let note = match self.note {
            None => None,
            Some(None) => Some(None),
            Some(Some(note)) => faults.take("note", parse_note(&note)),
        };
        let end = changed_end(&mut faults, self.expires_in, self.expires_at);
        let permissions = self
            .permissions
            .and_then(|words| faults.take("permissions", Permissions::parse(&words)));
        let allowed_addresses = match self.allowed_addresses {
            None => None,
            Some(None) => Some(AllowedAddresses::default()),
            Some(Some(entries)) => {
                faults.take("allowed_addresses", AllowedAddresses::parse(&entries))
            }
        };
        faults.check()?;
        Ok(CredentialChange {
            name,
            note,
            end,
            permissions,
            allowed_addresses,
            disabled: self.disabled.map(Disabled::from),
            version: None,
        })
    }
}

/// A grace period with an early end: the old secret expires once the new one was used and the old one was quiet for a
/// while.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UntilUnusedIn {
    /// How long the old secret has to be quiet: `1h` or longer.
    pub until_unused: String,
    /// Limit of the grace period: up to `7d`.
    pub at_most: String,
}

/// Parses a grace period: a duration, or [`UntilUnusedIn`].
fn parse_grace(given: &Value) -> Result<RequestedGrace, &'static str> {
    const DURATION: &str = "use 0s to revoke the old secret now, or a duration up to 7d";
    const UNTIL: &str = "expected {\"until_unused\": \"2h\", \"at_most\": \"7d\"}: from 1h to 7d, and until_unused within at_most";
    match given {
        Value::String(text) if text == "0s" => Ok(RequestedGrace::NONE),
        Value::String(text) => {
            let grace = parse_duration(text).map_err(|_| DURATION)?;
            RequestedGrace::lasting(grace).ok_or(DURATION)
        }
        Value::Object(_) => {
            let until = UntilUnusedIn::deserialize(given).map_err(|_| UNTIL)?;
            let quiet = parse_duration(&until.until_unused).map_err(|_| UNTIL)?;
            let at_most = parse_duration(&until.at_most).map_err(|_| UNTIL)?;
            RequestedGrace::until_unused(quiet, at_most).ok_or(UNTIL)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(DURATION),
    }
}

/// The rotation of an API key.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotateIn {
    /// Required: `0s`, a duration up to `7d`, or [`UntilUnusedIn`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl RotateIn {
    pub fn parse(&self) -> Result<Rotation, Error> {
        let mut faults = FieldErrors::default();
        let grace = match &self.grace {
            None => Err(
                "choose how long the old secret stays valid: 0s to revoke it now, or a duration up to 7d",
            ),
            Some(grace) => parse_grace(grace),
        };
        let grace = faults.take("grace", grace);
        let end = requested_expiration(
            &mut faults,
            self.expires_in.as_deref(),
            self.expires_at.as_deref(),
        );
        faults.check()?;
        Ok(Rotation {
            grace: grace.unwrap_or(RequestedGrace::NONE),
            end,
        })
    }
}

/// A new token.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_addresses: Option<Vec<String>>,
}

impl TokenIn {
    pub fn parse(self) -> Result<NewCredential, Error> {
        let mut faults = FieldErrors::default();
        let name = self
            .name
            .and_then(|name| faults.take("name", parse_name(&name)));
        let end = requested_expiration(&mut faults, self.expires_in.as_deref(), None);
        let permissions = self
            .permissions
            .and_then(|words| faults.take("permissions", Permissions::parse(&words)));
        let allowed_addresses = self.allowed_addresses.and_then(|entries| {
            faults.take("allowed_addresses", AllowedAddresses::parse(&entries))
        });
        faults.check()?;
        Ok(NewCredential {
            kind: Kind::Token,
            name,
            note: None,
            end,
            permissions,
            allowed_addresses,
        })
    }
}

/// The credential that created another one. Kind and name are present as long as it exists and the caller may see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreatorOut {
    pub id: String,
    pub kind: Option<String>,
    pub name: Option<String>,
}

impl CreatorOut {
    pub fn new(id: Id, record: Option<&Record>) -> Self {
        Self {
            id: id.to_string(),
            kind: record.map(|record| record.kind.as_str().to_owned()),
            name: record.map(|record| match record.kind {
                Kind::Session => device(record.user_agent.as_deref()),
                Kind::ApiKey | Kind::Token | Kind::Host => record.name.clone(),
            }),
        }
    }

    /// In one line: `token ci (4k2m9x0q7w1z)`.
    pub fn line(&self) -> String {
        match (&self.kind, &self.name) {
            (Some(kind), Some(name)) => {
                let kind = Kind::from_word(kind).map_or(kind.clone(), |kind| kind.to_string());
                format!("{kind} {name} ({})", self.id)
            }
            _ => self.id.clone(),
        }
    }
}

/// A change to another user's API key.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DisabledPatch {
    #[serde(default)]
    pub disabled: Option<bool>,
}

impl DisabledPatch {
    pub fn parse(self) -> Result<CredentialChange, Error> {
        let Some(disabled) = self.disabled else {
            return Err(Error::field("disabled", "expected true or false"));
        };
        Ok(CredentialChange {
            disabled: Some(Disabled::from(disabled)),
            ..CredentialChange::default()
        })
    }
}

/// A new token for another user, created by the operator.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorTokenIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
}

impl OperatorTokenIn {
    pub fn parse(self) -> Result<RequestedExpiration, Error> {
        let mut faults = FieldErrors::default();
        let end = requested_expiration(&mut faults, self.expires_in.as_deref(), None);
        faults.check()?;
        Ok(end)
    }
}

/// An API key.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiKeyOut {
    pub id: String,
    pub name: String,
    pub note: Option<String>,
    pub permissions: Vec<String>,
    pub allowed_addresses: Vec<String>,
    pub state: String,
    pub created_at: String,
    /// The id of the credential that created it.
    pub created_by: Option<String>,
    /// The same with kind and name.
    pub creator: Option<CreatorOut>,
    pub expires_at: Option<String>,
    pub last_used_at: Option<String>,
    pub last_used_from: Option<String>,
    pub last_used_by: Option<String>,
    pub rotated_at: Option<String>,
    /// The latest end of the grace period.
    pub previous_ends_at: Option<String>,
    /// The old secret expires earlier, once the new one was used and the old one was quiet for this long.
    pub previous_quiet_for: Option<String>,
    pub current_last_used_at: Option<String>,
    pub previous_last_used_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_reason: Option<String>,
    /// Present once, when the key is created or rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl ApiKeyOut {
    pub fn new(record: &Record, creator: Option<CreatorOut>, now: Time) -> Self {
        let last = record.last_use.as_ref();
        let at = |last: &Option<LastUse>| text(last.as_ref().map(|last| last.at));
        let grace = record.grace(now);
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            note: record.note.clone(),
            permissions: record.permissions.words().map(str::to_owned).collect(),
            allowed_addresses: record.allowed_addresses.iter().collect(),
            state: record.state(now).as_str().to_owned(),
            created_at: record.created_at.to_string(),
            created_by: record.created_by.map(|id| id.to_string()),
            creator,
            expires_at: text(record.expires_at),
            last_used_at: text(last.map(|last| last.at)),
            last_used_from: text(last.and_then(|last| last.address)),
            last_used_by: last.and_then(|last| last.program.clone()),
            rotated_at: text(record.rotated_at),
            previous_ends_at: text(grace.map(|grace| grace.ends_at)),
            previous_quiet_for: grace.and_then(|grace| {
                let until = grace.until_unused?;
                Some(Lifetime::For(until.quiet).to_string())
            }),
            current_last_used_at: at(&record.current_use),
            previous_last_used_at: at(&record.previous_use),
            deleted_at: text(record.deletion.as_ref().map(|deletion| deletion.at)),
            deletion_reason: record
                .deletion
                .as_ref()
                .map(|deletion| deletion.reason.clone()),
            secret: None,
        }
    }

    /// With its new secret.
    pub fn with_secret(self, secret: &str) -> Self {
        Self {
            secret: Some(secret.to_owned()),
            ..self
        }
    }
}

/// A token.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenOut {
    pub id: String,
    pub name: String,
    pub permissions: Vec<String>,
    pub allowed_addresses: Vec<String>,
    pub state: String,
    pub created_at: String,
    /// The id of the credential that created it.
    pub created_by: Option<String>,
    /// The same with kind and name.
    pub creator: Option<CreatorOut>,
    pub expires_at: Option<String>,
    pub last_used_at: Option<String>,
    pub last_used_from: Option<String>,
    pub last_used_by: Option<String>,
    /// Present once, when the token is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl TokenOut {
    pub fn new(record: &Record, creator: Option<CreatorOut>, now: Time) -> Self {
        let key = ApiKeyOut::new(record, creator, now);
        Self {
            id: key.id,
            name: key.name,
            permissions: key.permissions,
            allowed_addresses: key.allowed_addresses,
            state: key.state,
            created_at: key.created_at,
            created_by: key.created_by,
            creator: key.creator,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            last_used_from: key.last_used_from,
            last_used_by: key.last_used_by,
            secret: None,
        }
    }

    /// With its new secret.
    pub fn with_secret(self, secret: &str) -> Self {
        Self {
            secret: Some(secret.to_owned()),
            ..self
        }
    }
}

/// A session.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionOut {
    pub id: String,
    pub device: String,
    pub user_agent: Option<String>,
    pub address: Option<String>,
    pub created_at: String,
    pub last_active_at: Option<String>,
    /// Client address of the last use; `address` is that of the sign-in.
    pub last_active_from: Option<String>,
    pub expires_at: Option<String>,
    /// `password`, `password-totp`, `password-recovery-code`, `password-passkey` or `passkey`; `null`: unknown.
    pub signed_in_with: Option<String>,
    pub current: bool,
}

impl SessionOut {
    /// `current`: the caller's credential.
    pub fn new(record: &Record, current: Option<Id>) -> Self {
        let last = record.last_use.as_ref();
        Self {
            id: record.id.to_string(),
            device: device(record.user_agent.as_deref()),
            user_agent: record.user_agent.clone(),
            address: text(record.address),
            created_at: record.created_at.to_string(),
            last_active_at: text(last.map(|last| last.at)),
            last_active_from: text(last.and_then(|last| last.address)),
            expires_at: text(record.expires_at),
            signed_in_with: record.signed_in_with.map(|with| with.as_str().to_owned()),
            current: Some(record.id) == current,
        }
    }
}

/// Uses by day.
#[derive(Debug, Serialize, Deserialize)]
pub struct UsageOut {
    pub days: Vec<UsageDayOut>,
}

/// One day.
#[derive(Debug, Serialize, Deserialize)]
pub struct UsageDayOut {
    pub day: String,
    pub uses: u64,
    pub refused: u64,
}

impl UsageOut {
    pub fn new(days: &[UsageDay]) -> Self {
        Self {
            days: days
                .iter()
                .map(|day| UsageDayOut {
                    day: day.day.to_string(),
                    uses: day.uses,
                    refused: day.rejected,
                })
                .collect(),
        }
    }
}
