//! SSH keys. Inputs have no `Debug`: somebody may have pasted a private key.

use serde::{Deserialize, Serialize};

use super::credential::{changed_end, requested_expiration};
use super::{non_null, nullable, text};
use crate::model::address::AllowedAddresses;
use crate::model::error::{Error, FieldError, FieldErrors};
use crate::model::ssh_key::{
    ForcedCommand, ForwardTarget, ImportRejection, ImportedKey, KeyOptions, KeyRules, NewSshKey,
    OptionError, OptionsChange, SshKey, SshKeyChange, name_from_comment,
};
use crate::model::text::parse_name;
use crate::model::time::{RequestedExpiration, Time};

/// A new SSH key.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SshKeyIn {
    /// The comment of the key if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The line of the `.pub` file. Options in front of it, as in `authorized_keys`, become the fields below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<SshKeyOptionsIn>,
    /// Add the key although another user has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_shared: bool,
}

/// Options of sshd. Absent ones stay as they are, or unset in a new key.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SshKeyOptionsIn {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub restrict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub no_touch_required: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub verify_required: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub command: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub permitopen: Option<Option<Vec<String>>>,
}

impl SshKeyOptionsIn {
    fn parse(self, faults: &mut FieldErrors) -> OptionsChange {
        let command = match self.command {
            Some(Some(text)) => faults
                .take("options.command", ForcedCommand::parse(&text))
                .map(Some),
            other => other.map(|_| None),
        };
        let permitopen = self.permitopen.and_then(|entries| {
            let entries = entries.unwrap_or_default();
            faults.take("options.permitopen", ForwardTarget::parse_list(&entries))
        });
        OptionsChange {
            restrict: self.restrict,
            no_touch_required: self.no_touch_required,
            verify_required: self.verify_required,
            command,
            permitopen,
        }
    }
}

impl From<SshKeyOptionsOut> for SshKeyOptionsIn {
    fn from(options: SshKeyOptionsOut) -> Self {
        Self {
            restrict: Some(options.restrict),
            no_touch_required: Some(options.no_touch_required),
            verify_required: Some(options.verify_required),
            command: Some(options.command),
            permitopen: Some(Some(options.permitopen)),
        }
    }
}

/// The option in front of a key and that of a field: one is enough, and two have to be equal.
fn pasted_or_given<T: PartialEq>(
    faults: &mut FieldErrors,
    field: &str,
    pasted: Option<T>,
    given: Option<T>,
) -> Option<T> {
    if let (Some(pasted), Some(given)) = (&pasted, &given)
        && pasted != given
    {
        faults.add(
            field,
            "this option is also in front of the key, with another value: set it once",
        );
    }
    given.or(pasted)
}

/// The limits in front of a pasted key.
fn pasted_limits(key: &ImportedKey) -> (Option<AllowedAddresses>, Option<KeyOptions>) {
    let addresses = Some(&key.allowed_addresses).filter(|list| !list.is_everywhere());
    let options = Some(&key.options).filter(|options| !options.is_empty());
    (addresses.cloned(), options.cloned())
}

impl SshKeyIn {
    /// # Errors
    /// [`Error::Invalid`] with every field at fault; [`Error::AgainstPolicy`] for a key that another policy would take.
    pub fn parse(self, rules: &KeyRules) -> Result<NewSshKey, Error> {
        let mut faults = FieldErrors::default();
        let is_named = self.name.is_some();
        let name = self
            .name
            .and_then(|name| faults.take("name", parse_name(&name)));
        let given = self.public_key.as_deref().unwrap_or_default();
        let key = parse_key(&mut faults, given, rules);
        let name = match (name, &key) {
            (None, Some(Ok(pasted))) if !is_named => name_from_comment(&pasted.key),
            (name, _) => name,
        };
        if let (None, false, Some(Ok(_))) = (&name, is_named, &key) {
            faults.add("name", "enter a name for the key: it has no usable comment");
        }
        let end = requested_expiration(
            &mut faults,
            self.expires_in.as_deref(),
            self.expires_at.as_deref(),
        );
        let allowed_addresses = self.allowed_addresses.and_then(|entries| {
            faults.take("allowed_addresses", AllowedAddresses::parse(&entries))
        });
        let options = self.options.map(|options| {
            let change = options.parse(&mut faults);
            change.apply(&KeyOptions::default())
        });
        let (allowed_addresses, options) = match &key {
            Some(Ok(pasted)) => {
                let (addresses, pasted) = pasted_limits(pasted);
                (
                    pasted_or_given(
                        &mut faults,
                        "allowed_addresses",
                        addresses,
                        allowed_addresses,
                    ),
                    pasted_or_given(&mut faults, "options", pasted, options),
                )
            }
            _ => (allowed_addresses, options),
        };
        faults.check()?;
        let pasted = key.unwrap_or_else(|| Err(Error::Invalid(Vec::new())))?;
        let name = name.ok_or_else(|| Error::Invalid(Vec::new()))?;
        // The earlier of two expirations counts, as in sshd.
        let (end, expires_by) = match (end, pasted.expires_at) {
            (RequestedExpiration::Unsaid, Some(at)) => (RequestedExpiration::At(at), None),
            (end, expires_by) => (end, expires_by),
        };
        Ok(NewSshKey {
            name,
            key: pasted.key,
            end,
            allowed_addresses,
            options: options.unwrap_or_default(),
            expires_by,
            allow_shared: self.allow_shared,
        })
    }
}

/// A key, or the policy's rejection of it. Returns `None` after recording a fault.
fn parse_key(
    faults: &mut FieldErrors,
    given: &str,
    rules: &KeyRules,
) -> Option<Result<ImportedKey, Error>> {
    match ImportedKey::parse(given, rules) {
        Ok(key) => Some(Ok(key)),
        Err(rejection @ ImportRejection::Key(why)) if why.is_by_policy() => {
            Some(Err(against_policy(rejection)))
        }
        Err(rejection) => {
            faults.add("public_key", rejection.to_string());
            None
        }
    }
}

fn against_policy(rejection: ImportRejection) -> Error {
    Error::AgainstPolicy(FieldError::new("public_key", rejection.to_string()))
}

/// A change to an SSH key. `null` clears the addresses, the options or the expiration.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SshKeyPatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub name: Option<String>,
    /// A replacement for the key.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub expires_in: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub expires_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub allowed_addresses: Option<Option<Vec<String>>>,
    /// Absent members stay.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub options: Option<Option<SshKeyOptionsIn>>,
    /// Accept the new key although another user has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_shared: bool,
}

impl SshKeyPatch {
    pub fn parse(self, rules: &KeyRules) -> Result<SshKeyChange, Error> {
        let mut faults = FieldErrors::default();
        let name = self
            .name
            .and_then(|name| faults.take("name", parse_name(&name)));
        let key = self
            .public_key
            .and_then(|given| parse_key(&mut faults, &given, rules));
        let end = changed_end(&mut faults, self.expires_in, self.expires_at);
        let allowed_addresses = match self.allowed_addresses {
            None => None,
            Some(None) => Some(AllowedAddresses::default()),
            Some(Some(entries)) => {
                faults.take("allowed_addresses", AllowedAddresses::parse(&entries))
            }
        };
        let options = self.options.map(|options| {
            options
                .unwrap_or_else(|| SshKeyOptionsOut::default().into())
                .parse(&mut faults)
        });
        let (mut end, mut allowed_addresses, mut options) = (end, allowed_addresses, options);
        if let Some(Ok(pasted)) = &key {
            let (addresses, in_front) = pasted_limits(pasted);
            let in_front = in_front.map(OptionsChange::from);
            let at = pasted.expires_at.map(RequestedExpiration::At);
            end = pasted_or_given(&mut faults, "expires_at", at, end);
            allowed_addresses = pasted_or_given(
                &mut faults,
                "allowed_addresses",
                addresses,
                allowed_addresses,
            );
            options = pasted_or_given(&mut faults, "options", in_front, options);
        }
        faults.check()?;
        Ok(SshKeyChange {
            name,
            key: key.transpose()?.map(|pasted| pasted.key),
            end,
            allowed_addresses,
            options,
            allow_shared: self.allow_shared,
            version: None,
        })
    }
}

/// An SSH key.
#[derive(Debug, Serialize, Deserialize)]
pub struct SshKeyOut {
    pub id: String,
    pub name: String,
    /// `TYPE BASE64 COMMENT`.
    pub public_key: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub bits: u32,
    pub fingerprint: String,
    pub comment: String,
    pub allowed_addresses: Vec<String>,
    #[serde(default)]
    pub options: SshKeyOptionsOut,
    /// `active` or `expired`.
    pub state: String,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub last_looked_up_at: Option<String>,
    pub last_used_at: Option<String>,
    pub last_used_host: Option<String>,
    /// Other users with the same key; for admins alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<Vec<String>>,
}

impl SshKeyOut {
    pub fn new(key: &SshKey, now: Time) -> Self {
        let state = if key.is_expired(now) {
            "expired"
        } else {
            "active"
        };
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            public_key: key.public_line(),
            kind: key.key.kind().to_string(),
            bits: key.key.bits(),
            fingerprint: key.key.fingerprint().to_owned(),
            comment: key.key.comment().to_owned(),
            allowed_addresses: key.allowed_addresses.iter().collect(),
            options: SshKeyOptionsOut::new(&key.options),
            state: state.to_owned(),
            created_at: key.created_at.to_string(),
            expires_at: text(key.expires_at),
            last_looked_up_at: text(key.looked_up.as_ref().map(|found| found.at)),
            last_used_at: text(key.used.as_ref().map(|found| found.at)),
            last_used_host: key.used.as_ref().map(|found| found.host.clone()),
            shared_with: None,
        }
    }
}

/// The sshd options of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKeyOptionsOut {
    pub restrict: bool,
    pub no_touch_required: bool,
    pub verify_required: bool,
    pub command: Option<String>,
    /// `HOST:PORT`.
    pub permitopen: Vec<String>,
}

impl SshKeyOptionsOut {
    pub fn new(options: &KeyOptions) -> Self {
        Self {
            restrict: options.restrict,
            no_touch_required: options.no_touch_required,
            verify_required: options.verify_required,
            command: options.command.as_ref().map(ToString::to_string),
            permitopen: options.permitopen.iter().map(ToString::to_string).collect(),
        }
    }

    /// Parses the options again.
    ///
    /// # Errors
    /// When any option is invalid: the key must not be served without it.
    pub fn parse(&self) -> Result<KeyOptions, OptionError> {
        let command = self.command.as_deref().map(ForcedCommand::parse);
        Ok(KeyOptions {
            restrict: self.restrict,
            no_touch_required: self.no_touch_required,
            verify_required: self.verify_required,
            command: command.transpose()?,
            permitopen: ForwardTarget::parse_list(&self.permitopen)?,
        })
    }
}

/// A complete `authorized_keys` file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportIn {
    pub text: String,
    /// Add keys although other users have them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_shared: bool,
}

/// The result of an import, line by line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportOut {
    pub added: usize,
    /// The number of keys that existed already.
    pub present: usize,
    pub refused: usize,
    pub lines: Vec<ImportLineOut>,
}

/// The result of one line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportLineOut {
    /// Counted from 1; empty lines and comments are left out.
    pub line: usize,
    /// `added`, `present` or `refused`.
    pub outcome: String,
    /// The id of an added key.
    pub id: Option<String>,
    /// The name of the added or existing key.
    pub name: Option<String>,
    pub fingerprint: Option<String>,
    /// The reason for the rejection.
    pub message: Option<String>,
}
