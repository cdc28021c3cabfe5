//! The organization's policy.

use super::App;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::permission::BuiltinPermission;
use crate::model::policy::{Policy, PolicyChange, PolicyChoice};
use crate::store::Write;

/// The policy as names and values, for the audit log.
fn words(policy: &Policy) -> Vec<(&'static str, String)> {
    let choice = |choice: PolicyChoice| {
        if choice == PolicyChoice::Free {
            "free"
        } else {
            "fixed"
        }
        .to_owned()
    };
    let lifetimes: Vec<String> = policy
        .api_key_lifetimes
        .iter()
        .map(ToString::to_string)
        .collect();
    vec![
        ("api_key_lifetime_choice", choice(policy.api_key.choice)),
        ("api_key_lifetimes", lifetimes.join(" ")),
        (
            "api_key_lifetime_default",
            policy.api_key.default.to_string(),
        ),
        ("api_key_lifetime_max", policy.api_key.max.to_string()),
        ("token_lifetime_choice", choice(policy.token.choice)),
        ("token_lifetime_default", policy.token.default.to_string()),
        ("token_lifetime_max", policy.token.max.to_string()),
        ("session_lifetime", policy.session_lifetime.to_string()),
        ("session_idle_max", policy.session_idle_max.to_string()),
        ("second_factor", policy.second_factor.as_str().to_owned()),
        (
            "second_factor_from",
            policy
                .second_factor_from
                .map_or_else(|| "now".to_owned(), |at| at.to_string()),
        ),
        ("ssh_key_types", policy.ssh_key_types.join(" ")),
        ("ssh_rsa_bits_min", policy.ssh_rsa_bits_min.to_string()),
        (
            "ssh_key_lifetime_max",
            policy.ssh_key_lifetime_max.to_string(),
        ),
        ("api_keys_max", policy.api_keys_max.to_string()),
        ("ssh_keys_max", policy.ssh_keys_max.to_string()),
    ]
}

impl App {
    /// The policy, for callers who may read it.
    pub fn policy(&self, caller: &Caller) -> Result<Policy, Error> {
        caller.require(BuiltinPermission::PolicyRead)?;
        self.read.policy()
    }

    /// The policy, for pages and operators that show the allowed choices.
    pub fn present_policy(&self) -> Result<Policy, Error> {
        self.read.policy()
    }

    /// Changes the policy.
    pub fn change_policy(&self, caller: &Caller, change: PolicyChange) -> Result<Policy, Error> {
        self.store().write(
            caller.permit_with_password(BuiltinPermission::PolicyWrite, Action::PolicyEdit)?,
            |write| change_policy(write, change),
        )
    }

    /// Changes the policy, unless it differs from `seen` by now.
    pub fn change_policy_from(
        &self,
        caller: &Caller,
        seen: Policy,
        change: PolicyChange,
    ) -> Result<Policy, Error> {
        self.store().write(
            caller.permit_with_password(BuiltinPermission::PolicyWrite, Action::PolicyEdit)?,
            move |write| {
                if write.policy()? != seen {
                    return Err(Error::ChangedMeanwhile("the policy"));
                }
                change_policy(write, change)
            },
        )
    }
}

fn change_policy(write: &Write<'_>, change: PolicyChange) -> Result<(Policy, AuditDetails), Error> {
    let before = write.policy()?;
    let after = change.apply(&before)?;
    write.set_policy(&after)?;
    let mut details = AuditDetails::new(Target::new("policy", "policy", "", None));
    for ((word, old), (_, new)) in words(&before).into_iter().zip(words(&after)) {
        details = details.changed(word, old, new);
    }
    Ok((after, details))
}
