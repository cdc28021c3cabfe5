//! The organization's policy.

use serde::{Deserialize, Serialize};

use super::{non_null, non_null_whole, nullable, text};

use crate::model::error::{Error, FieldErrors};
use crate::model::inventory::Item;
use crate::model::policy::{Policy, PolicyChange, PolicyChoice};
use crate::model::second_factor::SecondFactorRule;
use crate::model::time::{Lifetime, Time};

/// The policy.
#[derive(Debug, Serialize, Deserialize)]
pub struct PolicyOut {
    pub api_key_lifetime_choice: bool,
    pub api_key_lifetimes: Vec<String>,
    pub api_key_lifetime_default: String,
    pub api_key_lifetime_max: String,
    pub token_lifetime_choice: bool,
    pub token_lifetime_default: String,
    pub token_lifetime_max: String,
    pub session_lifetime: String,
    pub session_idle_max: String,
    /// `optional`, `admins` or `everyone`.
    pub second_factor: String,
    /// When that begins; `null`: at once.
    pub second_factor_from: Option<String>,
    pub ssh_key_types: Vec<String>,
    pub ssh_rsa_bits_min: u32,
    pub ssh_key_lifetime_max: String,
    pub api_keys_max: u32,
    pub ssh_keys_max: u32,
}

impl PolicyOut {
    pub fn new(policy: &Policy) -> Self {
        Self {
            api_key_lifetime_choice: policy.api_key.choice == PolicyChoice::Free,
            api_key_lifetimes: policy
                .api_key_lifetimes
                .iter()
                .map(ToString::to_string)
                .collect(),
            api_key_lifetime_default: policy.api_key.default.to_string(),
            api_key_lifetime_max: policy.api_key.max.to_string(),
            token_lifetime_choice: policy.token.choice == PolicyChoice::Free,
            token_lifetime_default: policy.token.default.to_string(),
            token_lifetime_max: policy.token.max.to_string(),
            session_lifetime: policy.session_lifetime.to_string(),
            session_idle_max: policy.session_idle_max.to_string(),
            second_factor: policy.second_factor.as_str().to_owned(),
            second_factor_from: text(policy.second_factor_from),
            ssh_key_types: policy.ssh_key_types.clone(),
            ssh_rsa_bits_min: policy.ssh_rsa_bits_min,
            ssh_key_lifetime_max: policy.ssh_key_lifetime_max.to_string(),
            api_keys_max: policy.api_keys_max,
            ssh_keys_max: policy.ssh_keys_max,
        }
    }
}

/// A change to the policy.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyPatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub api_key_lifetime_choice: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub api_key_lifetimes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub api_key_lifetime_default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub api_key_lifetime_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub token_lifetime_choice: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub token_lifetime_default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub token_lifetime_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub session_lifetime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub session_idle_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub second_factor: Option<String>,
    /// `null`: at once.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub second_factor_from: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub ssh_key_types: Option<Vec<String>>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "non_null_whole"
    )]
    pub ssh_rsa_bits_min: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub ssh_key_lifetime_max: Option<String>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "non_null_whole"
    )]
    pub api_keys_max: Option<u32>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "non_null_whole"
    )]
    pub ssh_keys_max: Option<u32>,
}

impl PolicyPatch {
    pub fn parse(self) -> Result<PolicyChange, Error> {
        let mut faults = FieldErrors::default();
        let mut lifetime = |field: &str, text: Option<String>| {
            text.and_then(|text| faults.take(field, Lifetime::parse(&text)))
        };
        let api_key_lifetime_default =
            lifetime("api_key_lifetime_default", self.api_key_lifetime_default);
        let api_key_lifetime_max = lifetime("api_key_lifetime_max", self.api_key_lifetime_max);
        let token_lifetime_default =
            lifetime("token_lifetime_default", self.token_lifetime_default);
        let token_lifetime_max = lifetime("token_lifetime_max", self.token_lifetime_max);
        let session_lifetime = lifetime("session_lifetime", self.session_lifetime);
        let session_idle_max = lifetime("session_idle_max", self.session_idle_max);
        let ssh_key_lifetime_max = lifetime("ssh_key_lifetime_max", self.ssh_key_lifetime_max);
        let second_factor = self
            .second_factor
            .and_then(|text| faults.take("second_factor", SecondFactorRule::parse(&text)));
        let second_factor_from = match self.second_factor_from {
            Some(Some(text)) => faults
                .take("second_factor_from", Time::parse(&text))
                .map(Some),
            Some(None) => Some(None),
            None => None,
        };
        let lifetimes = |texts: Vec<String>| {
            texts
                .iter()
                .map(|text| Lifetime::parse(text))
                .collect::<Result<Vec<_>, _>>()
        };
        let api_key_lifetimes = self
            .api_key_lifetimes
            .and_then(|texts| faults.take("api_key_lifetimes", lifetimes(texts)));
        faults.check()?;
        Ok(PolicyChange {
            api_key_lifetime_choice: self.api_key_lifetime_choice,
            api_key_lifetimes,
            api_key_lifetime_default,
            api_key_lifetime_max,
            token_lifetime_choice: self.token_lifetime_choice,
            token_lifetime_default,
            token_lifetime_max,
            session_lifetime,
            session_idle_max,
            second_factor,
            second_factor_from,
            ssh_key_types: self.ssh_key_types,
            ssh_rsa_bits_min: self.ssh_rsa_bits_min,
            ssh_key_lifetime_max,
            api_keys_max: self.api_keys_max,
            ssh_keys_max: self.ssh_keys_max,
        })
    }
}

/// The effect of a policy change.
#[derive(Debug, Serialize, Deserialize)]
pub struct PolicyPreviewOut {
    /// The policy after the change.
    pub policy: PolicyOut,
    /// The newest credentials that exceed it; they would stay as they are.
    pub exceeding: Vec<ExceedingOut>,
    /// The number of all that exceed it.
    pub exceeding_total: usize,
}

impl PolicyPreviewOut {
    /// `exceeding`: the item, its owner's name, and the reason.
    pub fn new<'a>(
        policy: &Policy,
        exceeding: impl Iterator<Item = (&'a Item, &'a str, &'a str)>,
        exceeding_total: usize,
    ) -> Self {
        Self {
            policy: PolicyOut::new(policy),
            exceeding: exceeding
                .map(|(item, owner, why)| ExceedingOut::new(item, owner, why))
                .collect(),
            exceeding_total,
        }
    }
}

/// A credential or SSH key that the policy would not permit to create.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExceedingOut {
    /// `api-key`, `token`, `session`, `ssh-key`.
    pub kind: String,
    pub id: String,
    pub name: String,
    pub owner: String,
    pub expires_at: Option<String>,
    /// The rule, as a sentence.
    pub why: String,
}

impl ExceedingOut {
    fn new(item: &Item, owner: &str, why: &str) -> Self {
        Self {
            kind: item.as_str().to_owned(),
            id: item.id().to_string(),
            name: item.name().to_owned(),
            owner: owner.to_owned(),
            expires_at: text(item.expires_at()),
            why: why.to_owned(),
        }
    }
}

/// The result of a sweep.
#[derive(Debug, Serialize, Deserialize)]
pub struct SweptOut {
    pub api_keys: usize,
    pub tokens: usize,
    pub sessions: usize,
    pub codes: usize,
}
