//! Hosts: machines whose sshd gets SSH keys from Keycroft.

use std::net::IpAddr;
use std::time::Duration;

use super::address::AllowedAddresses;
use super::secret::Id;
use super::ssh_key::SshKey;
use super::time::Time;
use super::user::Username;

/// A host's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostId(pub i64);

/// The default of the maximum cache age.
pub const CACHE_AGE_DEFAULT: Duration = Duration::from_secs(86_400);
/// The upper limit of the maximum cache age.
pub const CACHE_AGE_MAX: Duration = Duration::from_secs(365 * 86_400);
/// Tolerated clock difference in seconds. Beyond it a warning appears: keys would expire at the wrong time.
pub const CLOCK_SECONDS_MAX: i64 = 5;
/// The most hosts for one enrollment code.
pub const ENROLLMENT_USES_MAX: u32 = 1_000;
/// The longest lifetime of an enrollment code.
pub const ENROLLMENT_LIFETIME_MAX: Duration = Duration::from_secs(365 * 86_400);

/// A host in the form that verification needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub id: HostId,
    /// Public; also the id of the credential from its enrollment.
    pub public_id: Id,
    pub name: String,
    /// Maximum cache age while the server is unreachable; zero: the host never answers from its cache.
    pub cache_age_max: Duration,
    pub created_at: Time,
    pub last_contact_at: Option<Time>,
    /// When it was paused: it admits nobody.
    pub paused_at: Option<Time>,
    /// When the rotation of its credential was requested.
    pub rotation_requested_at: Option<Time>,
}

/// A host for lists and pages.
#[derive(Debug, Clone)]
pub struct HostRecord {
    pub host: Host,
    /// Names, sorted; empty: every user may log in under their own name.
    pub groups: Vec<String>,
    /// Sorted.
    pub shared_logins: Vec<SharedLogin>,
    pub last_contact_from: Option<String>,
    /// The reported version of the agent.
    pub version: Option<String>,
    /// When it last fetched or confirmed the keys of all users.
    pub cached_at: Option<Time>,
    /// How far its clock was ahead of the server's at the last contact, in seconds; negative: behind. `None`: unknown.
    pub clock_ahead_seconds: Option<i64>,
    /// Addresses from which its credential is valid.
    pub allowed_addresses: AllowedAddresses,
    pub credential_rotated_at: Option<Time>,
}

impl HostRecord {
    /// A value that changes with everything that an edit could overwrite.
    pub fn version(&self) -> String {
        let shared = shared_logins_text(&self.shared_logins);
        let age = self.host.cache_age_max.as_secs().to_be_bytes();
        super::secret::version(&[
            self.host.name.as_bytes(),
            self.groups.join(" ").as_bytes(),
            shared.as_bytes(),
            &age,
            self.allowed_addresses.to_string().as_bytes(),
            &[u8::from(self.host.paused_at.is_some())],
            &[u8::from(self.host.rotation_requested_at.is_some())],
        ])
    }
}

/// A login that several people share, and a group that may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLogin {
    pub login: Username,
    pub group: String,
}

/// A login that a user may use on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLogin {
    pub login: String,
    /// The host's name.
    pub host: String,
    /// The address of its last contact.
    pub address: Option<String>,
}

/// Shared logins for the log: `ubuntu:admins root:ops`.
pub fn shared_logins_text(shared: &[SharedLogin]) -> String {
    let words: Vec<String> = shared
        .iter()
        .map(|one| format!("{}:{}", one.login, one.group))
        .collect();
    words.join(" ")
}

/// A change to a host; `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct HostChange {
    pub name: Option<String>,
    pub groups: Option<Vec<String>>,
    pub shared_logins: Option<Vec<SharedLogin>>,
    pub cache_age_max: Option<Duration>,
    pub allowed_addresses: Option<AllowedAddresses>,
    pub paused: Option<bool>,
    pub rotation_requested: Option<bool>,
    /// [`HostRecord::version`] when the change was made. The change fails if it differs by now.
    pub version: Option<String>,
}

/// The input for a new enrollment code.
#[derive(Debug, Clone)]
pub struct NewEnrollmentCode {
    pub uses: u32,
    pub lifetime: Duration,
    /// Groups that limit the hosts enrolled with it.
    pub groups: Vec<String>,
}

/// A valid enrollment code.
#[derive(Debug, Clone)]
pub struct EnrollmentCode {
    pub id: Id,
    pub uses_left: u32,
    pub created_at: Time,
    pub expires_at: Time,
    pub groups: Vec<String>,
    pub created_by: Option<Id>,
}

/// A key, and a login that it may use on a host.
#[derive(Debug, Clone)]
pub struct LoginKey {
    pub login: String,
    /// The owner of the key.
    pub username: String,
    /// True for a shared login, false for the user's own.
    pub is_shared: bool,
    pub key: SshKey,
}

/// A login that a host's sshd accepted.
#[derive(Debug, Clone)]
pub struct AcceptedLogin {
    pub login: String,
    pub fingerprint: String,
    pub address: Option<IpAddr>,
    pub at: Time,
}

/// Parses a host's name: 1 to 64 of `a-z0-9_.-`, a letter or digit first.
pub fn parse_host_name(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let fits = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let all = bytes.iter().all(|b| fits(b) || b"_.-".contains(b));
    if bytes.len() > 64 || !bytes.first().is_some_and(fits) || !all {
        return Err("use 1 to 64 of a-z, 0-9, _, . and -, beginning with a letter or a digit");
    }
    Ok(text.to_owned())
}

/// Returns whether a text has the form of an SSH key's fingerprint: `SHA256:` and 43 characters of base64.
pub fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix("SHA256:").is_some_and(|digest| {
        digest.len() == 43
            && digest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_name_of_machine_characters_is_accepted() {
        for name in ["gpu1", "login.cluster.example", "0", "a_b-c"] {
            assert_eq!(parse_host_name(name).as_deref(), Ok(name));
        }
        assert!(parse_host_name(&"a".repeat(64)).is_ok());
        let long = "a".repeat(65);
        for name in ["", "GPU1", "-a", ".a", "a b", "a/b", "é", "a\n", &long] {
            assert!(parse_host_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn host_limits_match_the_manual() {
        const DAY: u64 = 24 * 60 * 60;
        assert_eq!(CACHE_AGE_DEFAULT.as_secs(), DAY);
        assert_eq!(CACHE_AGE_MAX.as_secs(), 365 * DAY);
        assert_eq!(ENROLLMENT_LIFETIME_MAX.as_secs(), 365 * DAY);
    }

    #[test]
    fn shared_login_is_shown_with_its_groups() {
        let open = |login: &str, group: &str| SharedLogin {
            login: Username::parse(login).unwrap(),
            group: group.into(),
        };
        assert_eq!(shared_logins_text(&[]), "");
        let shared = [open("ubuntu", "admins"), open("root", "ops")];
        assert_eq!(shared_logins_text(&shared), "ubuntu:admins root:ops");
    }

    #[test]
    fn fingerprint_in_another_form_is_rejected() {
        assert!(is_fingerprint(
            "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        ));
        for text in [
            "",
            "SHA256:",
            "MD5:00:11",
            "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'",
        ] {
            assert!(!is_fingerprint(text), "{text}");
        }
    }
}
