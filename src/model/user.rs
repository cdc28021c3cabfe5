//! Users: people, their names and roles.

use std::fmt;

use super::permission::{BuiltinPermission, Permissions};
use super::time::Time;

/// A user's row number; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserId(pub i64);

/// A username, which is also the login name on hosts (POSIX portable names, within the length limit of `useradd`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Parses `[a-z_][a-z0-9_.-]{0,31}` without a dot at the end.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let bytes = text.as_bytes();
        let first = bytes
            .first()
            .is_some_and(|b| b.is_ascii_lowercase() || *b == b'_');
        let rest = bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(b));
        if !first || !rest || bytes.len() > 32 || bytes.ends_with(b".") {
            return Err(
                "use 1 to 32 of a-z, 0-9, _, . and -, beginning with a letter or _ and not ending in a dot",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// The intended username: without spaces around it, and in lower case, since phones add both.
    pub fn normalize(typed: &str) -> String {
        typed.trim().to_lowercase()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The role of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Member,
    Admin,
}

impl Role {
    pub const ALL: [Self; 2] = [Self::Member, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or("a role is member or admin")
    }

    /// The built-in permissions of the role.
    pub fn permissions(self) -> Permissions {
        match self {
            Self::Member => Permissions::own_where(|own| !own.is_administrative()),
            Self::Admin => Permissions::new(&BuiltinPermission::ALL),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Stable and never reused: `sub` of RFC 7662.
    pub subject: String,
    pub username: Username,
    pub display_name: String,
    pub role: Role,
    /// The permissions granted beyond the role.
    pub granted: Permissions,
    /// The permissions of services that the role includes.
    pub granted_by_role: Permissions,
    /// Names of groups, sorted.
    pub groups: Vec<String>,
    pub disabled_at: Option<Time>,
    pub created_at: Time,
    /// True if a password is set.
    pub has_password: bool,
}

impl User {
    pub const fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }

    /// A value that changes with everything that an edit could overwrite.
    pub fn version(&self) -> String {
        let granted = self.granted.to_string();
        super::secret::version(&[
            self.display_name.as_bytes(),
            self.role.as_str().as_bytes(),
            granted.as_bytes(),
        ])
    }

    /// All present permissions of the user.
    pub fn permissions(&self) -> Permissions {
        let mut permissions = self.role.permissions();
        permissions.extend(&self.granted);
        permissions.extend(&self.granted_by_role);
        permissions
    }
}

/// The input for a new user.
pub struct NewUser {
    pub username: Username,
    pub display_name: String,
    pub role: Role,
    /// Without one, the user gets an invitation.
    pub password: Option<super::password::Password>,
}

/// A change to a user; `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub display_name: Option<String>,
    pub role: Option<Role>,
    pub disabled: Option<Disabled>,
    /// All permissions granted beyond the role.
    pub granted: Option<Permissions>,
    /// [`User::version`] when the change was made. The change fails if it differs by now.
    pub version: Option<String>,
}

/// The disabled state of an account or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabled {
    Yes,
    No,
}

impl From<bool> for Disabled {
    fn from(disabled: bool) -> Self {
        if disabled { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn username_is_a_valid_login_name() {
        for valid in ["a", "_", "alice", "a.b-c_d9", &"a".repeat(32), "alice-"] {
            assert!(Username::parse(valid).is_ok(), "{valid}");
        }
        for bad in [
            "",
            "Alice",
            "1a",
            "-x",
            ".a",
            "a.",
            "a b",
            "a/b",
            "../x",
            "$(id)",
            "ä",
            "a\n",
            "a\0",
            &"a".repeat(33),
        ] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn admin_has_all_permissions_and_member_own_ones() {
        assert_eq!(
            Role::Admin.permissions(),
            Permissions::new(&BuiltinPermission::ALL)
        );
        let member = "account:read account:write api-keys:read api-keys:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write";
        assert_eq!(Role::Member.permissions().to_string(), member);
    }

    #[test]
    fn version_changes_with_every_editable_field() {
        let user = User {
            id: UserId(1),
            subject: "s".into(),
            username: Username::parse("alice").unwrap(),
            display_name: "Alice".into(),
            role: Role::Member,
            granted: Permissions::none(),
            granted_by_role: Permissions::none(),
            groups: Vec::new(),
            disabled_at: None,
            created_at: Time::from_unix(1),
            has_password: true,
        };
        let changes: [fn(&mut User); 3] = [
            |user| user.display_name = "Alice B".into(),
            |user| user.role = Role::Admin,
            |user| user.granted = Permissions::new(&[BuiltinPermission::Metrics]),
        ];
        let mut seen = vec![user.version()];
        for change in changes {
            let mut changed = user.clone();
            change(&mut changed);
            seen.push(changed.version());
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        assert_eq!(user.version(), user.clone().version());
        assert_eq!(user.role.to_string(), "member");
        assert_eq!(Role::Admin.to_string(), "admin");
    }
}
