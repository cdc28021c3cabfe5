//! Permissions: Keycroft's closed list, and those that services define.

use std::fmt;

/// Keycroft's own permissions, in alphabetical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BuiltinPermission {
    AccountRead,
    AccountWrite,
    ApiKeysRead,
    ApiKeysWrite,
    AuditRead,
    HostsRead,
    HostsWrite,
    Introspect,
    Metrics,
    PolicyRead,
    PolicyWrite,
    ServicesRead,
    ServicesWrite,
    SessionsRead,
    SessionsWrite,
    SshKeysRead,
    SshKeysWrite,
    TokensRead,
    TokensWrite,
    UsersRead,
    UsersWrite,
}

impl BuiltinPermission {
    /// All of them, in alphabetical order of their words.
    pub const ALL: [Self; 21] = [
        Self::AccountRead,
        Self::AccountWrite,
        Self::ApiKeysRead,
        Self::ApiKeysWrite,
        Self::AuditRead,
        Self::HostsRead,
        Self::HostsWrite,
        Self::Introspect,
        Self::Metrics,
        Self::PolicyRead,
        Self::PolicyWrite,
        Self::ServicesRead,
        Self::ServicesWrite,
        Self::SessionsRead,
        Self::SessionsWrite,
        Self::SshKeysRead,
        Self::SshKeysWrite,
        Self::TokensRead,
        Self::TokensWrite,
        Self::UsersRead,
        Self::UsersWrite,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountRead => "account:read",
            Self::AccountWrite => "account:write",
            Self::ApiKeysRead => "api-keys:read",
            Self::ApiKeysWrite => "api-keys:write",
            Self::AuditRead => "audit:read",
            Self::HostsRead => "hosts:read",
            Self::HostsWrite => "hosts:write",
            Self::Introspect => "introspect",
            Self::Metrics => "metrics",
            Self::PolicyRead => "policy:read",
            Self::PolicyWrite => "policy:write",
            Self::ServicesRead => "services:read",
            Self::ServicesWrite => "services:write",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::SshKeysRead => "ssh-keys:read",
            Self::SshKeysWrite => "ssh-keys:write",
            Self::TokensRead => "tokens:read",
            Self::TokensWrite => "tokens:write",
            Self::UsersRead => "users:read",
            Self::UsersWrite => "users:write",
        }
    }

    /// Returns whether only admins have it by their role.
    pub const fn is_administrative(self) -> bool {
        match self {
            Self::AccountRead
            | Self::AccountWrite
            | Self::ApiKeysRead
            | Self::ApiKeysWrite
            | Self::SessionsRead
            | Self::SessionsWrite
            | Self::SshKeysRead
            | Self::SshKeysWrite
            | Self::TokensRead
            | Self::TokensWrite => false,
            Self::AuditRead
            | Self::HostsRead
            | Self::HostsWrite
            | Self::Introspect
            | Self::Metrics
            | Self::PolicyRead
            | Self::PolicyWrite
            | Self::ServicesRead
            | Self::ServicesWrite
            | Self::UsersRead
            | Self::UsersWrite => true,
        }
    }

    /// Returns whether a user may be given it beyond their role.
    pub const fn is_grantable(self) -> bool {
        matches!(self, Self::Introspect | Self::Metrics)
    }

    /// Returns whether it can create or widen access. A key with such a permission is dangerous.
    pub const fn manages_credentials(self) -> bool {
        matches!(
            self,
            Self::AccountWrite
                | Self::ApiKeysWrite
                | Self::HostsWrite
                | Self::PolicyWrite
                | Self::ServicesWrite
                | Self::SshKeysWrite
                | Self::TokensWrite
                | Self::UsersWrite
        )
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .binary_search_by(|own| own.as_str().cmp(word))
            .ok()
            .map(|place| Self::ALL[place])
    }

    const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// One permission: built-in, or `service:action`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Permission {
    Builtin(BuiltinPermission),
    Service(ServicePermission),
}

/// A permission that a service defines, `slurm:submit`: the service's name and an action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePermission(String);

impl ServicePermission {
    /// The service's name.
    pub fn service(&self) -> &str {
        self.0.split_once(':').map_or("", |(service, _)| service)
    }
}

impl Permission {
    /// Parses a permission. The store checks whether a service defines it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(own) = BuiltinPermission::from_word(text) {
            return Ok(Self::Builtin(own));
        }
        let shown = super::text::sanitize(text, 70);
        let Some((service, action)) = text.split_once(':') else {
            return Err(format!("unknown permission \"{shown}\""));
        };
        if !is_service_name(service) || !is_word(action, b"-_.") {
            return Err(format!("unknown permission \"{shown}\""));
        }
        Ok(Self::Service(ServicePermission(text.to_owned())))
    }

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Builtin(builtin) => builtin.as_str(),
            Self::Service(service) => &service.0,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<BuiltinPermission> for Permission {
    fn from(own: BuiltinPermission) -> Self {
        Self::Builtin(own)
    }
}

/// Returns whether `name` can be a service's name: 1 to 32 of `a-z0-9-`, a letter first, and not a built-in resource.
pub fn is_service_name(name: &str) -> bool {
    let ours = BuiltinPermission::ALL
        .iter()
        .any(|own| own.as_str().split(':').next() == Some(name));
    !ours && is_word(name, b"-")
}

fn is_word(word: &str, besides: &[u8]) -> bool {
    let bytes = word.as_bytes();
    bytes.len() <= 32
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || besides.contains(b))
}

/// A set of permissions. Built-in ones are bits, since verification intersects them on every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    own: u32,
    /// Sorted, without repetition.
    service: Vec<ServicePermission>,
}

/// Length of most names with a space, in bytes.
const USUAL_NAME_BYTES: usize = 20;

impl Permissions {
    /// The empty set.
    pub const fn none() -> Self {
        Self {
            own: 0,
            service: Vec::new(),
        }
    }

    /// Bytes on the heap, for caches with a limit.
    pub fn heap_bytes(&self) -> usize {
        let words = self
            .service
            .iter()
            .map(|one| one.0.len() + size_of::<String>());
        words.sum()
    }

    /// A set of built-in permissions.
    pub fn new(list: &[BuiltinPermission]) -> Self {
        Self {
            own: list.iter().fold(0, |bits, own| bits | own.bit()),
            service: Vec::new(),
        }
    }

    /// The built-in permissions for which `choose` returns true.
    pub fn own_where(choose: impl Fn(BuiltinPermission) -> bool) -> Self {
        Self {
            own: BuiltinPermission::ALL
                .iter()
                .filter(|own| choose(**own))
                .fold(0, |bits, own| bits | own.bit()),
            service: Vec::new(),
        }
    }

    /// Parses a list of names.
    pub fn parse<T: AsRef<str>>(words: &[T]) -> Result<Self, String> {
        let mut permissions = Self::none();
        for word in words {
            permissions.insert(Permission::parse(word.as_ref())?);
        }
        Ok(permissions)
    }

    /// Parses the result of `to_string`. Skips unknown names (a database of another version): they have no effect.
    pub fn from_stored(text: &str) -> Self {
        let mut permissions = Self::none();
        for word in text.split_ascii_whitespace() {
            if let Ok(permission) = Permission::parse(word) {
                permissions.insert(permission);
            }
        }
        permissions
    }

    /// Adds one.
    pub fn insert(&mut self, permission: Permission) {
        match permission {
            Permission::Builtin(own) => self.own |= own.bit(),
            Permission::Service(service) => {
                if let Err(place) = self.service.binary_search(&service) {
                    self.service.insert(place, service);
                }
            }
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.own |= other.own;
        for service in &other.service {
            if let Err(place) = self.service.binary_search(service) {
                self.service.insert(place, service.clone());
            }
        }
    }

    pub fn contains(&self, permission: &Permission) -> bool {
        match permission {
            Permission::Builtin(own) => self.own & own.bit() != 0,
            Permission::Service(service) => self.service.binary_search(service).is_ok(),
        }
    }

    /// The built-in ones among them.
    pub const fn own_alone(&self) -> Self {
        Self {
            own: self.own,
            service: Vec::new(),
        }
    }

    /// The permissions in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let service = self
            .service
            .iter()
            .filter(|one| other.service.binary_search(one).is_ok())
            .cloned()
            .collect();
        Self {
            own: self.own & other.own,
            service,
        }
    }

    /// The permissions of this set that `other` lacks.
    pub fn without(&self, other: &Self) -> Self {
        let service = self
            .service
            .iter()
            .filter(|one| other.service.binary_search(one).is_err())
            .cloned()
            .collect();
        Self {
            own: self.own & !other.own,
            service,
        }
    }

    /// The first permission, in alphabetical order, that `outer` lacks; `None` if `outer` contains this set.
    pub fn first_missing_from(&self, outer: &Self) -> Option<Permission> {
        self.without(outer).iter().next()
    }

    pub fn lie_within(&self, outer: &Self) -> bool {
        self.own & !outer.own == 0
            && self
                .service
                .iter()
                .all(|one| outer.service.binary_search(one).is_ok())
    }

    pub fn is_empty(&self) -> bool {
        self.own == 0 && self.service.is_empty()
    }

    /// Returns whether any of them can create or change credentials.
    pub fn manage_credentials(&self) -> bool {
        BuiltinPermission::ALL
            .iter()
            .any(|own| own.manages_credentials() && self.own & own.bit() != 0)
    }

    /// Each, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = Permission> + '_ {
        self.words().filter_map(|word| Permission::parse(word).ok())
    }

    /// The names separated by spaces, usually in one allocation: every verification needs them.
    pub fn joined(&self) -> String {
        let count = self.own.count_ones() as usize + self.service.len();
        let mut text = String::with_capacity(count * USUAL_NAME_BYTES);
        for word in self.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// Each name, in alphabetical order.
    pub fn words(&self) -> impl Iterator<Item = &str> + '_ {
        let mut own = BuiltinPermission::ALL
            .iter()
            .filter(|own| self.own & own.bit() != 0)
            .map(|own| own.as_str())
            .peekable();
        let mut service = self.service.iter().map(|one| one.0.as_str()).peekable();
        std::iter::from_fn(move || match (own.peek(), service.peek()) {
            (Some(ours), Some(theirs)) if theirs < ours => service.next(),
            (Some(_), _) => own.next(),
            (None, _) => service.next(),
        })
    }
}

impl fmt::Display for Permissions {
    /// The names, sorted, separated by spaces (as `scope` in RFC 6749, 3.3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_permissions_are_sorted_and_parse_back() {
        assert!(BuiltinPermission::ALL.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        for (place, own) in BuiltinPermission::ALL.iter().enumerate() {
            assert_eq!(*own as usize, place);
            assert_eq!(
                Permission::parse(own.as_str()),
                Ok(Permission::Builtin(*own))
            );
        }
    }

    #[test]
    fn service_permission_under_a_builtin_name_is_rejected() {
        assert!(Permission::parse("slurm:submit").is_ok());
        for bad in [
            "",
            ":",
            "api-keys:delete",
            "users:",
            "users:all",
            "introspect:x",
            "Slurm:submit",
            "slurm:sub mit",
            "slurm:a:b",
            "slurm",
            "1s:a",
            "account:read\n",
        ] {
            assert!(Permission::parse(bad).is_err(), "{bad:?}");
        }
        assert!(!is_service_name("users"));
        assert!(!is_service_name("metrics"));
    }

    #[test]
    fn permission_set_is_sorted_and_parses_back() {
        let set = Permissions::parse(&[
            "users:read",
            "slurm:submit",
            "account:read",
            "zoo:feed",
            "slurm:submit",
        ])
        .unwrap();
        assert_eq!(
            set.to_string(),
            "account:read slurm:submit users:read zoo:feed"
        );
        assert_eq!(Permissions::from_stored(&set.to_string()), set);
        assert_eq!(
            Permissions::from_stored("nonsense users:read"),
            Permissions::new(&[BuiltinPermission::UsersRead])
        );
    }

    #[test]
    fn write_permission_does_not_contain_read() {
        let write = Permissions::new(&[BuiltinPermission::UsersWrite]);
        assert!(!write.contains(&BuiltinPermission::UsersRead.into()));
        assert_eq!(
            Permissions::new(&[BuiltinPermission::UsersRead]).first_missing_from(&write),
            Some(BuiltinPermission::UsersRead.into())
        );
    }

    #[test]
    fn intersection_and_difference_partition_a_set() {
        let a = Permissions::parse(&["account:read", "slurm:submit", "zoo:feed"]).unwrap();
        let b = Permissions::parse(&["account:read", "account:write", "zoo:feed"]).unwrap();
        assert_eq!(a.intersection(&b).to_string(), "account:read zoo:feed");
        assert_eq!(a.without(&b).to_string(), "slurm:submit");
        assert!(a.intersection(&b).lie_within(&a) && a.intersection(&b).lie_within(&b));
        assert!(!a.lie_within(&b));
    }

    #[test]
    fn set_manages_credentials_if_any_member_does() {
        for own in BuiltinPermission::ALL {
            let alone = Permissions::new(&[own]);
            assert_eq!(
                alone.manage_credentials(),
                own.manages_credentials(),
                "{alone}"
            );
        }
        assert!(
            Permissions::new(&[BuiltinPermission::UsersRead, BuiltinPermission::UsersWrite])
                .manage_credentials()
        );
        assert!(!Permissions::none().manage_credentials());
        assert!(!Permissions::from_stored("slurm:submit").manage_credentials());
    }

    #[test]
    fn only_introspect_and_metrics_are_grantable() {
        let given = Permissions::own_where(BuiltinPermission::is_grantable);
        assert_eq!(given.to_string(), "introspect metrics");
    }

    #[test]
    fn inserting_a_permission_twice_changes_nothing() {
        let twice = Permissions::new(&[BuiltinPermission::Metrics, BuiltinPermission::Metrics]);
        assert_eq!(twice.to_string(), "metrics");
        let mixed = Permissions::from_stored("metrics slurm:submit");
        assert_eq!(mixed.own_alone(), twice);
        assert_eq!(mixed.joined(), "metrics slurm:submit");
        let [first, second] = mixed.iter().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(first.to_string(), "metrics");
        assert_eq!(second.to_string(), "slurm:submit");
    }

    #[test]
    fn service_name_may_have_digits_and_dashes() {
        for valid in ["s3", "job-2", "a", &"a".repeat(32)] {
            assert!(is_service_name(valid), "{valid}");
        }
        for bad in ["", "3s", "-a", "a_b", "A", &"a".repeat(33)] {
            assert!(!is_service_name(bad), "{bad}");
        }
    }

    #[test]
    fn permissions_that_manage_credentials_are_the_writing_ones() {
        let all = Permissions::own_where(BuiltinPermission::manages_credentials);
        assert_eq!(
            all.to_string(),
            "account:write api-keys:write hosts:write policy:write services:write ssh-keys:write tokens:write users:write"
        );
    }

    #[test]
    fn heap_bytes_grow_with_each_permission_of_a_service() {
        assert_eq!(Permissions::from_stored("users:read").heap_bytes(), 0);
        let set = Permissions::from_stored("slurm:submit users:read zoo:feed");
        let names = "slurm:submit".len() + "zoo:feed".len();
        assert_eq!(set.heap_bytes(), names + 2 * size_of::<String>());
    }
}
