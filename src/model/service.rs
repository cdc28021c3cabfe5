//! Services: programs that ask whether a credential is good, and may define permissions of their own.

use super::permission::{BuiltinPermission, Permission, Permissions, is_service_name};
use super::time::Time;
use super::user::Role;

/// A service's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceId(pub i64);

/// A program in the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub id: ServiceId,
    pub name: String,
    /// What it defines.
    pub permissions: Permissions,
    pub created_at: Time,
}

impl Service {
    /// What its API keys may at most carry: asking about credentials, reading figures, and its own permissions.
    pub fn power(&self) -> Permissions {
        let mut power =
            Permissions::of(&[BuiltinPermission::Introspect, BuiltinPermission::Metrics]);
        power.extend(&self.permissions);
        power
    }
}

/// What everybody of a role has of a service's permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByRole {
    pub member: Permissions,
    pub admin: Permissions,
}

impl ByRole {
    pub const fn of(&self, role: Role) -> &Permissions {
        match role {
            Role::Member => &self.member,
            Role::Admin => &self.admin,
        }
    }

    /// The same, without what is not in `defined`.
    pub fn within(&self, defined: &Permissions) -> Self {
        Self {
            member: self.member.intersection(defined),
            admin: self.admin.intersection(defined),
        }
    }
}

/// A change to a service; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ServiceChange {
    /// All that it defines from now on.
    pub permissions: Option<Permissions>,
    /// All that members have of it by their role.
    pub member: Option<Permissions>,
    /// The same for admins.
    pub admin: Option<Permissions>,
    /// What was there when who changes it looked; nothing newer is overwritten.
    pub seen: Option<(Permissions, ByRole)>,
}

/// Reads a service's name.
pub fn parse_service_name(text: &str) -> Result<String, &'static str> {
    if !is_service_name(text) {
        return Err(
            "use 1 to 32 of a-z, 0-9 and -, beginning with a letter, and none of Keycroft's own words (users, tokens, …)",
        );
    }
    Ok(text.to_owned())
}

/// Reads the permissions that the service `name` defines.
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
    fn a_service_defines_permissions_under_its_own_name_alone() {
        assert!(parse_service_permissions("slurm", &["slurm:submit", "slurm:cancel"]).is_ok());
        assert!(parse_service_permissions("slurm", &["zoo:feed"]).is_err());
        assert!(parse_service_permissions("slurm", &["users:write"]).is_err());
        assert!(parse_service_name("slurm").is_ok());
        for bad in ["", "users", "introspect", "Slurm", "a b", "1a"] {
            assert!(parse_service_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_service_asks_reads_figures_and_carries_what_it_defines() {
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
    fn each_role_has_its_own_and_nothing_that_is_not_defined() {
        let by_role = ByRole {
            member: Permissions::from_stored("slurm:submit"),
            admin: Permissions::from_stored("slurm:cancel slurm:submit"),
        };
        let said =
            |by_role: &ByRole| [Role::Member, Role::Admin].map(|role| by_role.of(role).to_string());
        assert_eq!(
            said(&by_role),
            ["slurm:submit", "slurm:cancel slurm:submit"]
        );
        let within = by_role.within(&Permissions::from_stored("slurm:cancel"));
        assert_eq!(said(&within), ["", "slurm:cancel"]);
    }
}
