//! A person's own account.

use serde::{Deserialize, Serialize};

use super::event::TargetOut;
use super::{non_null, text};
use crate::model::account_notice::AccountNotice;
use crate::model::caller::Caller;
use crate::model::credential::Credential;
use crate::model::second_factor::SecondFactors;

/// The owner and the present permissions of a credential.
#[derive(Debug, Serialize, Deserialize)]
pub struct MeOut {
    pub username: Option<String>,
    pub display_name: String,
    pub role: Option<String>,
    pub kind: String,
    pub id: String,
    pub permissions: Vec<String>,
    pub expires_at: Option<String>,
    /// The second factors of the user; `null` for a service.
    #[serde(default)]
    pub second_factor: Option<SecondFactorOut>,
    /// The confirmed e-mail address, or the one that waits for its confirmation; needs `account:read`.
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub email_confirmed: bool,
    /// The service, if a service owns the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Unconfirmed acts of others on the account, newest first; needs `account:read`.
    #[serde(default)]
    pub notices: Vec<NoticeOut>,
}

/// The second factors of a user.
#[derive(Debug, Serialize, Deserialize)]
pub struct SecondFactorOut {
    pub totp: bool,
    pub passkeys: u32,
    pub recovery_codes_left: u32,
}

impl SecondFactorOut {
    pub const fn new(factors: &SecondFactors) -> Self {
        Self {
            totp: factors.totp,
            passkeys: factors.passkeys,
            recovery_codes_left: factors.recovery_codes_left,
        }
    }

    /// One line for people.
    pub fn words(&self) -> String {
        let passkeys = match self.passkeys {
            0 => None,
            1 => Some("1 passkey".to_owned()),
            more => Some(format!("{more} passkeys")),
        };
        let app = self.totp.then(|| "authenticator app".to_owned());
        let factors: Vec<String> = app.into_iter().chain(passkeys).collect();
        if factors.is_empty() {
            return "none".to_owned();
        }
        let left = self.recovery_codes_left;
        let noun = if left == 1 { "code" } else { "codes" };
        format!("{}; {left} recovery {noun} left", factors.join(", "))
    }
}

/// An act of an admin or the operator on the caller's account.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoticeOut {
    pub id: String,
    pub at: String,
    /// As in events.
    pub action: String,
    /// The admin's username, or `operator`.
    pub actor: String,
    /// One sentence for the person.
    pub text: String,
    pub target: TargetOut,
    pub acknowledged_at: Option<String>,
}

impl NoticeOut {
    pub fn new(notice: &AccountNotice) -> Self {
        Self {
            id: notice.id.to_string(),
            at: notice.at.to_string(),
            action: notice.action.clone(),
            actor: notice.actor.clone(),
            text: notice.sentence(),
            target: TargetOut {
                kind: notice.target_kind.clone(),
                id: notice.target_id.clone(),
                name: notice.target_name.clone(),
            },
            acknowledged_at: text(notice.acknowledged_at),
        }
    }
}

impl MeOut {
    pub fn new(caller: &Caller, credential: &Credential) -> Self {
        let owner = &credential.owner;
        let user = owner.user();
        Self {
            username: text(user.map(|user| &user.username)),
            display_name: owner.display_name().to_owned(),
            role: text(user.map(|user| user.role)),
            kind: credential.kind.as_str().to_owned(),
            id: credential.id.to_string(),
            permissions: caller.power.words().map(str::to_owned).collect(),
            expires_at: text(credential.expires_at),
            notices: Vec::new(),
            second_factor: None,
            email: None,
            email_confirmed: false,
            service: user.is_none().then(|| owner.name().to_owned()),
        }
    }
}

/// A change to one's own account.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeIn {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub display_name: Option<String>,
}

/// A new password, with the present one.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordIn {
    pub current: String,
    pub new: String,
    /// Of an authenticator app, or a recovery code: required with a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A password, set with an invitation or a reset link.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordByCodeIn {
    pub password: String,
}

/// The first admin.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetUpIn {
    pub username: String,
    #[serde(default)]
    pub display_name: Option<String>,
    pub password: String,
}
