//! SSH keys. What comes in has no `Debug`: somebody may have pasted a private key.

use serde::{Deserialize, Serialize};

use super::credential::{changed_end, end};
use super::{given, present, text};
use crate::model::address::AllowedAddresses;
use crate::model::error::{Error, Faults, FieldError};
use crate::model::ssh_key::{
    KeyRefusal, KeyRules, NewSshKey, PublicKey, SshKey, SshKeyChange, name_from_comment,
};
use crate::model::text::parse_name;
use crate::model::time::Time;

/// A new SSH key.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SshKeyIn {
    /// The key's comment, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The line of the `.pub` file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_addresses: Option<Vec<String>>,
}

impl SshKeyIn {
    /// # Errors
    /// [`Error::Invalid`] with every field at fault; [`Error::AgainstPolicy`] for a key that another policy would take.
    pub fn parse(self, rules: &KeyRules) -> Result<NewSshKey, Error> {
        let mut faults = Faults::default();
        let is_named = self.name.is_some();
        let name = self
            .name
            .and_then(|name| faults.take("name", parse_name(&name)));
        let given = self.public_key.as_deref().unwrap_or_default();
        let key = parse_key(&mut faults, given, rules);
        let name = match (name, &key) {
            (None, Some(Ok(key))) if !is_named => name_from_comment(key),
            (name, _) => name,
        };
        if let (None, false, Some(Ok(_))) = (&name, is_named, &key) {
            faults.add(
                "name",
                "give the key a name: it has no comment that could be one",
            );
        }
        let end = end(
            &mut faults,
            self.expires_in.as_deref(),
            self.expires_at.as_deref(),
        );
        let allowed_addresses = self.allowed_addresses.and_then(|entries| {
            faults.take("allowed_addresses", AllowedAddresses::parse(&entries))
        });
        faults.check()?;
        let key = key.unwrap_or_else(|| Err(Error::Invalid(Vec::new())))?;
        let name = name.ok_or_else(|| Error::Invalid(Vec::new()))?;
        Ok(NewSshKey {
            name,
            key,
            end,
            allowed_addresses,
        })
    }
}

/// A key, the policy's refusal of one, or a fault noted: `None`.
fn parse_key(
    faults: &mut Faults,
    given: &str,
    rules: &KeyRules,
) -> Option<Result<PublicKey, Error>> {
    match PublicKey::parse(given, rules) {
        Ok(key) => Some(Ok(key)),
        Err(refusal) if refusal.is_by_policy() => Some(Err(against_policy(refusal))),
        Err(refusal) => {
            faults.add("public_key", refusal.to_string());
            None
        }
    }
}

fn against_policy(refusal: KeyRefusal) -> Error {
    Error::AgainstPolicy(FieldError::new("public_key", refusal.to_string()))
}

/// A change to an SSH key. `null` clears the addresses or the end.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SshKeyPatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub name: Option<String>,
    /// Another key in its place.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub expires_in: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub expires_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub allowed_addresses: Option<Option<Vec<String>>>,
}

impl SshKeyPatch {
    /// # Errors
    /// As [`SshKeyIn::parse`].
    pub fn parse(self, rules: &KeyRules) -> Result<SshKeyChange, Error> {
        let mut faults = Faults::default();
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
        faults.check()?;
        Ok(SshKeyChange {
            name,
            key: key.transpose()?,
            end,
            allowed_addresses,
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
    /// `active` or `expired`.
    pub state: String,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub last_looked_up_at: Option<String>,
    pub last_used_at: Option<String>,
    pub last_used_host: Option<String>,
    /// Other users who have the same key: told to admins alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<Vec<String>>,
}

impl SshKeyOut {
    #[must_use]
    pub fn of(key: &SshKey, now: Time) -> Self {
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

/// A whole `authorized_keys` file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportIn {
    pub text: String,
}

/// What became of a file, line by line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportOut {
    pub added: usize,
    /// Keys that were there already.
    pub present: usize,
    pub refused: usize,
    pub lines: Vec<ImportLineOut>,
}

/// What became of one line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportLineOut {
    /// Counted from 1; empty lines and comments are left out.
    pub line: usize,
    /// `added`, `present` or `refused`.
    pub outcome: String,
    /// The key, when it was added.
    pub id: Option<String>,
    /// Under which name it was added, or is there.
    pub name: Option<String>,
    pub fingerprint: Option<String>,
    /// Why it was refused.
    pub message: Option<String>,
}
