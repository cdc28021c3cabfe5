//! The organisation's rules.

use super::Desk;
use crate::model::caller::{Caller, Permit};
use crate::model::error::Error;
use crate::model::event::{Action, Target, Trace};
use crate::model::permission::Own;
use crate::model::policy::{Choice, Policy};
use crate::model::time::Lifetime;
use crate::store::Write;

/// A change to the policy; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct PolicyChange {
    pub api_key_lifetime_choice: Option<bool>,
    pub api_key_lifetimes: Option<Vec<Lifetime>>,
    pub api_key_lifetime_default: Option<Lifetime>,
    pub api_key_lifetime_max: Option<Lifetime>,
    pub token_lifetime_choice: Option<bool>,
    pub token_lifetime_default: Option<Lifetime>,
    pub token_lifetime_max: Option<Lifetime>,
    pub session_lifetime: Option<Lifetime>,
    pub ssh_key_types: Option<Vec<String>>,
    pub ssh_rsa_bits_min: Option<u32>,
    pub ssh_key_lifetime_max: Option<Lifetime>,
    pub api_keys_max: Option<u32>,
    pub ssh_keys_max: Option<u32>,
}

impl PolicyChange {
    /// The policy that this makes of `policy`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that does not hold together.
    pub fn apply(self, policy: &Policy) -> Result<Policy, Error> {
        let mut new = policy.clone();
        set(&mut new.api_key.choice, self.api_key_lifetime_choice.map(Choice::from));
        set(&mut new.api_key_lifetimes, self.api_key_lifetimes);
        set(&mut new.api_key.default, self.api_key_lifetime_default);
        set(&mut new.api_key.max, self.api_key_lifetime_max);
        set(&mut new.token.choice, self.token_lifetime_choice.map(Choice::from));
        set(&mut new.token.default, self.token_lifetime_default);
        set(&mut new.token.max, self.token_lifetime_max);
        set(&mut new.session_lifetime, self.session_lifetime);
        set(&mut new.ssh_key_types, self.ssh_key_types);
        set(&mut new.ssh_rsa_bits_min, self.ssh_rsa_bits_min);
        set(&mut new.ssh_key_lifetime_max, self.ssh_key_lifetime_max);
        set(&mut new.api_keys_max, self.api_keys_max);
        set(&mut new.ssh_keys_max, self.ssh_keys_max);
        new.check()?;
        Ok(new)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// The policy as words, for the log.
fn words(policy: &Policy) -> Vec<(&'static str, String)> {
    let choice = |choice: Choice| if choice == Choice::Free { "free" } else { "fixed" }.to_owned();
    let lifetimes: Vec<String> = policy.api_key_lifetimes.iter().map(ToString::to_string).collect();
    vec![
        ("api_key_lifetime_choice", choice(policy.api_key.choice)),
        ("api_key_lifetimes", lifetimes.join(" ")),
        ("api_key_lifetime_default", policy.api_key.default.to_string()),
        ("api_key_lifetime_max", policy.api_key.max.to_string()),
        ("token_lifetime_choice", choice(policy.token.choice)),
        ("token_lifetime_default", policy.token.default.to_string()),
        ("token_lifetime_max", policy.token.max.to_string()),
        ("session_lifetime", policy.session_lifetime.to_string()),
        ("ssh_key_types", policy.ssh_key_types.join(" ")),
        ("ssh_rsa_bits_min", policy.ssh_rsa_bits_min.to_string()),
        ("ssh_key_lifetime_max", policy.ssh_key_lifetime_max.to_string()),
        ("api_keys_max", policy.api_keys_max.to_string()),
        ("ssh_keys_max", policy.ssh_keys_max.to_string()),
    ]
}

impl Desk {
    /// The policy, for whoever may read it.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn policy(&self, caller: &Caller) -> Result<Policy, Error> {
        caller.demand(Own::PolicyRead)?;
        self.read.policy()
    }

    /// The policy, as pages and the file's owner need it to say what may be chosen.
    ///
    /// # Errors
    /// Faults of ours.
    pub fn present_policy(&self) -> Result<Policy, Error> {
        self.read.policy()
    }

    /// Changes the policy.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the whole does not hold together; [`Error::Forbidden`].
    pub fn change_policy(&self, caller: &Caller, change: PolicyChange) -> Result<Policy, Error> {
        caller.demand_recent_password()?;
        self.store().write(caller.permit(Own::PolicyWrite, Action::PolicyEdit)?, |write| change_policy(write, change))
    }

    /// The same for the file's owner.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the whole does not hold together.
    pub fn change_policy_as_operator(&self, change: PolicyChange) -> Result<Policy, Error> {
        self.store().write(Permit::by_operator(Action::PolicyEdit, self.now()), |write| change_policy(write, change))
    }
}

fn change_policy(write: &Write<'_>, change: PolicyChange) -> Result<(Policy, Trace), Error> {
    let before = write.policy()?;
    let after = change.apply(&before)?;
    write.set_policy(&after)?;
    let mut trace = Trace::of(Target::new("policy", "policy", "", None));
    for ((word, old), (_, new)) in words(&before).into_iter().zip(words(&after)) {
        trace = trace.changed(word, old, new);
    }
    Ok((after, trace))
}
