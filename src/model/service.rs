//! Services: programs that verify credentials, and may define permissions.

use super::permission::{BuiltinPermission, Permission, Permissions, is_service_name};
use super::time::Time;
use super::user::Role;

/// A service's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceId(pub i64);

/// A program of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub id: ServiceId,
    pub name: String,
    /// The permissions that it defines.
    pub permissions: Permissions,
    pub created_at: Time,
}

impl Service {
    /// The most that its API keys may have: introspection, reading metrics, and its own permissions.
    pub fn power(&self) -> Permissions {
        let mut power =
            Permissions::new(&[BuiltinPermission::Introspect, BuiltinPermission::Metrics]);
        power.extend(&self.permissions);
        power
    }
}

/// The permissions of a service that each role includes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByRole {
    pub member: Permissions,
    pub admin: Permissions,
}

impl ByRole {
    pub const fn for_role(&self, role: Role) -> &Permissions {
        match role {
            Role::Member => &self.member,
            Role::Admin => &self.admin,
        }
    }

    /// The same, limited to `defined`.
    pub fn within(&self, defined: &Permissions) -> Self {
        Self {
            member: self.member.intersection(defined),
            admin: self.admin.intersection(defined),
        }
    }
}

/// A change to a service; `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct ServiceChange {
    /// All permissions that it defines after the change.
    pub permissions: Option<Permissions>,
    /// All permissions of the service that members have after the change.
    pub member: Option<Permissions>,
    /// The same for admins.
    pub admin: Option<Permissions>,
    /// The state that the person saw. The change fails if it differs by now.
    pub seen: Option<(Permissions, ByRole)>,
}

/// Parses a service's name.
pub fn parse_service_name(text: &str) -> Result<String, &'static str> {
    if !is_service_name(text) {
        return Err(
            "use 1 to 32 of a-z, 0-9 and -, beginning with a letter, except Keycroft's own resources (users, tokens, …)",
        );
    }
    Ok(text.to_owned())
}

/// Parses the permissions that the service `name` defines.
pub fn parse_service_permissions<T: AsRef<str>>(
    name: &str,
    words: &[T],
) -> Result<Permissions, String> {
    let permissions = Permissions::parse(words)?;
    let foreign = permissions
        .iter()
        .find(|one| !matches!(one, Permission::Service(own) if own.service() == name));
    match foreign {
        Some(foreign) => Err(format!("{foreign} does not begin with \"{name}:\"")),
        None => Ok(permissions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_defines_permissions_only_under_its_name() {
        assert!(parse_service_permissions("slurm", &["slurm:submit", "slurm:cancel"]).is_ok());
        assert!(parse_service_permissions("slurm", &["zoo:feed"]).is_err());
        assert!(parse_service_permissions("slurm", &["users:write"]).is_err());
        assert!(parse_service_name("slurm").is_ok());
        for bad in ["", "users", "introspect", "Slurm", "a b", "1a"] {
            assert!(parse_service_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn service_power_is_introspect_metrics_and_its_own() {
        let permissions = parse_service_permissions("slurm", &["slurm:submit"]).unwrap();
        let service = Service {
            id: ServiceId(1),
            name: "slurm".into(),
            permissions,
            created_at: Time::from_unix(1),
        };
        assert_eq!(
            service.power().to_string(),
            "introspect metrics slurm:submit"
        );
    }

    #[test]
    fn role_permissions_are_limited_to_defined_ones() {
        let by_role = ByRole {
            member: Permissions::from_stored("slurm:submit"),
            admin: Permissions::from_stored("slurm:cancel slurm:submit"),
        };
        let message = |by_role: &ByRole| {
            [Role::Member, Role::Admin].map(|role| by_role.for_role(role).to_string())
        };
        assert_eq!(
            message(&by_role),
            ["slurm:submit", "slurm:cancel slurm:submit"]
        );
        let within = by_role.within(&Permissions::from_stored("slurm:cancel"));
        assert_eq!(message(&within), ["", "slurm:cancel"]);
    }
}
