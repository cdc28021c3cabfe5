//! Users, groups and services, for admins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::host::HostLoginOut;
use super::{SecondFactorOut, non_null, nullable, text};
use crate::model::error::{Error, FieldErrors};
use crate::model::group::Group;
use crate::model::password::Password;
use crate::model::permission::Permissions;
use crate::model::service::{ByRole, Service, ServiceChange, parse_service_permissions};
use crate::model::text::parse_name;
use crate::model::time::Time;
use crate::model::user::{Disabled, NewUser, Role, User, UserChange, Username};

/// A new user. Without a password, the answer contains an invitation.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl UserIn {
    pub fn parse(self) -> Result<NewUser, Error> {
        let mut faults = FieldErrors::default();
        let username = match self.username {
            Some(text) => faults.take("username", Username::parse(&text)),
            None => {
                faults.add(
                    "username",
                    "enter a username, which is also the login name on hosts",
                );
                None
            }
        };
        let display_name = self
            .display_name
            .and_then(|name| faults.take("display_name", parse_name(&name)));
        let role = self.role.map_or(Some(Role::Member), |role| {
            faults.take("role", Role::parse(&role))
        });
        let password = match (&self.password, &username) {
            (Some(password), Some(username)) => {
                faults.take("password", Password::chosen(password, username.as_str()))
            }
            _ => None,
        };
        faults.check()?;
        let (Some(username), Some(role)) = (username, role) else {
            return Err(Error::Invalid(Vec::new()));
        };
        let display_name = display_name.unwrap_or_else(|| username.to_string());
        Ok(NewUser {
            username,
            display_name,
            role,
            password,
        })
    }
}

/// A change to a user.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserPatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub disabled: Option<bool>,
    /// All permissions granted beyond the role.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub permissions: Option<Vec<String>>,
}

impl UserPatch {
    pub fn parse(self) -> Result<UserChange, Error> {
        let mut faults = FieldErrors::default();
        let display_name = self
            .display_name
            .and_then(|name| faults.take("display_name", parse_name(&name)));
        let role = self
            .role
            .and_then(|role| faults.take("role", Role::parse(&role)));
        let granted = self
            .permissions
            .and_then(|words| faults.take("permissions", Permissions::parse(&words)));
        faults.check()?;
        Ok(UserChange {
            display_name,
            role,
            disabled: self.disabled.map(Disabled::from),
            granted,
            version: None,
        })
    }
}

/// A user.
#[derive(Debug, Serialize, Deserialize)]
pub struct UserOut {
    pub username: String,
    pub display_name: String,
    pub role: String,
    pub disabled: bool,
    /// The permissions granted beyond the role.
    pub permissions: Vec<String>,
    pub groups: Vec<String>,
    pub created_at: String,
    pub disabled_at: Option<String>,
    /// True if a password is set. Otherwise an invitation is pending.
    pub has_password: bool,
    /// Where one user is read or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<SecondFactorOut>,
    /// Present once, when the user is created without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
}

impl UserOut {
    pub fn new(user: &User) -> Self {
        Self {
            username: user.username.to_string(),
            display_name: user.display_name.clone(),
            role: user.role.to_string(),
            disabled: !user.is_enabled(),
            permissions: user.granted.words().map(str::to_owned).collect(),
            groups: user.groups.clone(),
            created_at: user.created_at.to_string(),
            disabled_at: text(user.disabled_at),
            has_password: user.has_password,
            second_factor: None,
            invitation: None,
        }
    }
}

/// A one-time link.
#[derive(Debug, Serialize, Deserialize)]
pub struct LinkOut {
    pub link: String,
}

/// The credentials that offboarding a user would revoke.
#[derive(Debug, Serialize, Deserialize)]
pub struct OffboardPreviewOut {
    pub api_keys: u32,
    pub tokens: u32,
    pub sessions: u32,
    pub ssh_keys: u32,
    pub groups: Vec<String>,
    /// Logins that their SSH keys may use now.
    pub logins: Vec<HostLoginOut>,
}

/// The credentials that offboarding revoked.
#[derive(Debug, Serialize, Deserialize)]
pub struct OffboardOut {
    pub api_keys: usize,
    pub tokens: usize,
    pub sessions: usize,
    pub ssh_keys: usize,
}

/// A new group.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupIn {
    pub name: String,
}

/// A group.
#[derive(Debug, Serialize, Deserialize)]
pub struct GroupOut {
    pub name: String,
    pub members: Vec<String>,
    pub created_at: String,
}

impl GroupOut {
    pub fn new(group: &Group) -> Self {
        Self {
            name: group.name.clone(),
            members: group.members.clone(),
            created_at: group.created_at.to_string(),
        }
    }
}

/// A new service.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceIn {
    pub name: String,
    #[serde(default)]
    pub permissions: Vec<String>,
}

/// A change to a service.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServicePatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    /// Permissions of the service for each role; a role that is absent keeps its own.
    pub roles: Option<BTreeMap<String, Vec<String>>>,
}

impl ServicePatch {
    /// `name`: the service's name, which starts all its permissions.
    pub fn parse(self, name: &str) -> Result<ServiceChange, Error> {
        let mut faults = FieldErrors::default();
        let mut read = |field: &str, words: Option<Vec<String>>| {
            words.and_then(|words| faults.take(field, parse_service_permissions(name, &words)))
        };
        let mut roles = self.roles.unwrap_or_default();
        let change = ServiceChange {
            permissions: read("permissions", self.permissions),
            member: read("roles.member", roles.remove(Role::Member.as_str())),
            admin: read("roles.admin", roles.remove(Role::Admin.as_str())),
            seen: None,
        };
        for unexpected in roles.keys() {
            let message = "unknown role: use member or admin";
            faults.add(&format!("roles.{unexpected}"), message);
        }
        faults.check()?;
        Ok(change)
    }
}

/// The permissions of a service that each role includes.
#[derive(Debug, Serialize, Deserialize)]
pub struct RolesOut {
    pub member: Vec<String>,
    pub admin: Vec<String>,
}

/// A service.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServiceOut {
    pub name: String,
    pub permissions: Vec<String>,
    pub created_at: String,
    /// The permissions of each role; only where one service is read or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<RolesOut>,
    /// The number of valid API keys; only where one service is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<u32>,
    /// The last use of these keys; likewise, `null` for never.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "nullable"
    )]
    pub last_used_at: Option<Option<String>>,
    /// The number of users' credentials with a permission of the service; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carriers: Option<u32>,
}

impl ServiceOut {
    pub fn new(service: &Service) -> Self {
        Self {
            name: service.name.clone(),
            permissions: service.permissions.words().map(str::to_owned).collect(),
            created_at: service.created_at.to_string(),
            roles: None,
            api_keys: None,
            last_used_at: None,
            carriers: None,
        }
    }

    /// With the permissions of each role.
    pub fn given(self, by_role: &ByRole) -> Self {
        let words = |role: Role| by_role.for_role(role).words().map(str::to_owned).collect();
        Self {
            roles: Some(RolesOut {
                member: words(Role::Member),
                admin: words(Role::Admin),
            }),
            ..self
        }
    }

    /// With the number of API keys and their last use.
    pub fn used(self, api_keys: u32, last_used_at: Option<Time>) -> Self {
        Self {
            api_keys: Some(api_keys),
            last_used_at: Some(text(last_used_at)),
            ..self
        }
    }
}
