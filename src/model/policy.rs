//! The organization's policy: lifetimes, limits per user, SSH key rules.

use super::error::{Error, FieldError};
use super::second_factor::SecondFactorRule;
use super::ssh_key::{KeyRules, KeyType, RSA_BITS_FLOOR, RSA_BITS_MIN_CEILING};
use super::time::{Lifetime, RequestedExpiration, Time};
use super::user::Role;

/// The types of SSH key that a policy may allow, by their names on the wire.
pub const SSH_KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The longest lifetime of a token under any policy.
pub const TOKEN_LIFETIME_MAX: Lifetime = Lifetime::hours(24);
/// The longest lifetime of a session under any policy.
pub const SESSION_LIFETIME_MAX: Lifetime = Lifetime::days(7);
/// The highest limit of API keys per user.
pub const API_KEYS_MAX: u32 = 100_000;
/// The highest limit of SSH keys per user.
pub const SSH_KEYS_MAX: u32 = 10_000;

/// The right of users to choose a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyChoice {
    Free,
    Fixed,
}

impl From<bool> for PolicyChoice {
    fn from(free: bool) -> Self {
        if free { Self::Free } else { Self::Fixed }
    }
}

/// The lifetime rules of one kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifetimeRule {
    pub choice: PolicyChoice,
    pub default: Lifetime,
    pub max: Lifetime,
}

/// The policy. It applies to creating, editing, renewing and rotating; never to verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub api_key: LifetimeRule,
    /// The choices in the console; those beyond the maximum are left out.
    pub api_key_lifetimes: Vec<Lifetime>,
    pub token: LifetimeRule,
    pub session_lifetime: Lifetime,
    /// The idle timeout of sessions.
    pub session_idle_max: Lifetime,
    /// Who must have a second factor.
    pub second_factor: SecondFactorRule,
    /// When that begins; `None`: at once.
    pub second_factor_from: Option<Time>,
    /// A subset of [`SSH_KEY_TYPES`].
    pub ssh_key_types: Vec<String>,
    /// 2048 to 4096.
    pub ssh_rsa_bits_min: u32,
    pub ssh_key_lifetime_max: Lifetime,
    /// API keys that a user may have at once.
    pub api_keys_max: u32,
    /// SSH keys that a user may have at once.
    pub ssh_keys_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            api_key: LifetimeRule {
                choice: PolicyChoice::Free,
                default: Lifetime::days(30),
                max: Lifetime::Endless,
            },
            api_key_lifetimes: [7, 30, 60, 90]
                .map(Lifetime::days)
                .into_iter()
                .chain([Lifetime::Endless])
                .collect(),
            token: LifetimeRule {
                choice: PolicyChoice::Free,
                default: Lifetime::hours(24),
                max: Lifetime::hours(24),
            },
            session_lifetime: Lifetime::days(7),
            session_idle_max: Lifetime::days(3),
            second_factor: SecondFactorRule::Optional,
            second_factor_from: None,
            ssh_key_types: SSH_KEY_TYPES.map(str::to_owned).to_vec(),
            ssh_rsa_bits_min: 3_072,
            ssh_key_lifetime_max: Lifetime::Endless,
            api_keys_max: 10_000,
            ssh_keys_max: 1_000,
        }
    }
}

impl Policy {
    /// Checks consistency: defaults within the maximum, tokens and sessions within the limits of every policy.
    pub fn check(&self) -> Result<(), Error> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, field: &str, message: &str| {
            // One fault per field is enough.
            if !holds && !faults.iter().any(|fault: &FieldError| fault.field == field) {
                faults.push(FieldError::new(field, message));
            }
        };
        require(
            self.api_key.default <= self.api_key.max,
            "api_key_lifetime_default",
            "the default must not exceed api_key_lifetime_max",
        );
        require(
            self.token.max <= TOKEN_LIFETIME_MAX && is_whole_hours(self.token.max),
            "token_lifetime_max",
            "choose full hours from 1h to 24h",
        );
        require(
            is_whole_hours(self.token.default),
            "token_lifetime_default",
            "choose full hours from 1h to 24h",
        );
        require(
            self.token.default <= self.token.max,
            "token_lifetime_default",
            "the default must not exceed token_lifetime_max",
        );
        let least = Lifetime::For(std::time::Duration::from_secs(300));
        for (lifetime, field) in [
            (self.session_lifetime, "session_lifetime"),
            (self.session_idle_max, "session_idle_max"),
        ] {
            let fits = lifetime >= least && lifetime <= SESSION_LIFETIME_MAX;
            require(fits, field, "choose 5m to 7d");
        }
        require(
            !self.api_key_lifetimes.is_empty() && self.api_key_lifetimes.len() <= 12,
            "api_key_lifetimes",
            "offer 1 to 12 lifetimes",
        );
        require(
            !self.ssh_key_types.is_empty(),
            "ssh_key_types",
            "allow at least one type of SSH key",
        );
        require(
            self.ssh_key_types
                .iter()
                .all(|name| SSH_KEY_TYPES.contains(&name.as_str())),
            "ssh_key_types",
            "choose from the types of ssh-keygen, such as ssh-ed25519",
        );
        require(
            (2_048..=4_096).contains(&self.ssh_rsa_bits_min),
            "ssh_rsa_bits_min",
            "choose 2048 to 4096",
        );
        require(
            (1..=API_KEYS_MAX).contains(&self.api_keys_max),
            "api_keys_max",
            "choose 1 to 100000",
        );
        require(
            (1..=SSH_KEYS_MAX).contains(&self.ssh_keys_max),
            "ssh_keys_max",
            "choose 1 to 10000",
        );
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(faults))
        }
    }

    /// Returns whether a user with this role must have a second factor now.
    pub fn requires_second_factor(&self, role: Role, now: Time) -> bool {
        self.second_factor.covers(role) && self.second_factor_from.is_none_or(|from| from <= now)
    }

    /// The rules for a new SSH key.
    pub fn ssh_key_rules(&self) -> KeyRules {
        let kinds = self
            .ssh_key_types
            .iter()
            .filter_map(|name| KeyType::from_name(name));
        let bits_min = self
            .ssh_rsa_bits_min
            .clamp(RSA_BITS_FLOOR, RSA_BITS_MIN_CEILING);
        KeyRules::new(kinds, bits_min).unwrap_or_default()
    }

    /// The lifetime rule of SSH keys; the maximum is also the default.
    pub const fn ssh_key_lifetime(&self) -> LifetimeRule {
        LifetimeRule {
            choice: PolicyChoice::Free,
            default: self.ssh_key_lifetime_max,
            max: self.ssh_key_lifetime_max,
        }
    }

    /// The lifetimes that the console offers.
    pub fn offered(&self) -> impl Iterator<Item = Lifetime> + '_ {
        self.api_key_lifetimes
            .iter()
            .copied()
            .filter(|lifetime| *lifetime <= self.api_key.max)
    }
}

/// A change to the policy; `None` leaves a value as it is.
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
    pub session_idle_max: Option<Lifetime>,
    pub second_factor: Option<SecondFactorRule>,
    /// `Some(None)`: at once.
    pub second_factor_from: Option<Option<Time>>,
    pub ssh_key_types: Option<Vec<String>>,
    pub ssh_rsa_bits_min: Option<u32>,
    pub ssh_key_lifetime_max: Option<Lifetime>,
    pub api_keys_max: Option<u32>,
    pub ssh_keys_max: Option<u32>,
}

impl PolicyChange {
    /// The policy after this change to `policy`.
    pub fn apply(self, policy: &Policy) -> Result<Policy, Error> {
        let mut new = policy.clone();
        set(
            &mut new.api_key.choice,
            self.api_key_lifetime_choice.map(PolicyChoice::from),
        );
        set(&mut new.api_key_lifetimes, self.api_key_lifetimes);
        set(&mut new.api_key.default, self.api_key_lifetime_default);
        set(&mut new.api_key.max, self.api_key_lifetime_max);
        set(
            &mut new.token.choice,
            self.token_lifetime_choice.map(PolicyChoice::from),
        );
        set(&mut new.token.default, self.token_lifetime_default);
        set(&mut new.token.max, self.token_lifetime_max);
        set(&mut new.session_lifetime, self.session_lifetime);
        set(&mut new.session_idle_max, self.session_idle_max);
        set(&mut new.second_factor, self.second_factor);
        set(&mut new.second_factor_from, self.second_factor_from);
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

/// Returns true for 1 h, 2 h, and so on.
pub fn is_whole_hours(lifetime: Lifetime) -> bool {
    matches!(lifetime, Lifetime::For(duration) if duration.as_secs() >= 3_600 && duration.as_secs().is_multiple_of(3_600))
}

impl LifetimeRule {
    /// The expiration for `wanted`, if the rule permits it; `None` for never.
    ///
    /// # Errors
    /// [`Error::AgainstPolicy`] when it lies beyond the maximum, or is chosen although the default is fixed;
    /// [`Error::Invalid`] when it lies in the past.
    pub fn end(
        &self,
        what: &str,
        wanted: RequestedExpiration,
        now: Time,
    ) -> Result<Option<Time>, Error> {
        let reject = |message: String| {
            Err(Error::AgainstPolicy(FieldError::new(
                wanted.field(),
                message,
            )))
        };
        let end = match wanted {
            RequestedExpiration::Unsaid => self.default.end(now),
            RequestedExpiration::In(lifetime) => lifetime.end(now),
            RequestedExpiration::At(time) => Some(time),
        };
        if let Some(end) = end
            && end <= now
        {
            return Err(Error::field(wanted.field(), "choose a time in the future"));
        }
        let is_default = wanted == RequestedExpiration::Unsaid
            || wanted == RequestedExpiration::In(self.default);
        if self.choice == PolicyChoice::Fixed && !is_default {
            return reject(format!(
                "policy sets the lifetime of {what} ({}); leave this out",
                self.default
            ));
        }
        if !self.permits(end, now) {
            return reject(format!(
                "policy limits {what} to {}; choose an earlier expiration",
                self.max
            ));
        }
        Ok(end)
    }

    /// Returns whether a credential created, renewed or rotated at `now` may expire at `end`.
    pub fn permits(&self, end: Option<Time>, now: Time) -> bool {
        match (end, self.max.end(now)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(end), Some(last)) => end <= last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time::from_unix(1_000_000);

    #[test]
    fn default_policy_is_consistent() {
        assert_eq!(Policy::default().check(), Ok(()));
    }

    #[test]
    fn policy_key_types_equal_the_readable_types() {
        assert_eq!(SSH_KEY_TYPES, KeyType::ALL.map(KeyType::name));
        assert_eq!(Policy::default().ssh_key_rules(), KeyRules::default());
        let strict = Policy {
            ssh_key_types: vec!["ssh-rsa".into()],
            ssh_rsa_bits_min: 4_096,
            ..Policy::default()
        };
        assert_eq!(
            Some(strict.ssh_key_rules()),
            KeyRules::new([KeyType::Rsa], 4_096)
        );
    }

    #[test]
    fn inconsistent_policy_is_rejected_with_every_field() {
        let mut policy = Policy::default();
        policy.api_key.max = Lifetime::days(7);
        policy.token.max = Lifetime::hours(25);
        policy.ssh_rsa_bits_min = 1_024;
        policy.ssh_key_types = vec!["ssh-dss".into()];
        let Err(Error::Invalid(faults)) = policy.check() else {
            panic!("it was accepted")
        };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "api_key_lifetime_default",
                "token_lifetime_max",
                "ssh_key_types",
                "ssh_rsa_bits_min"
            ]
        );
    }

    #[test]
    fn expiration_limit_is_exact_to_the_second() {
        let rule = LifetimeRule {
            choice: PolicyChoice::Free,
            default: Lifetime::days(30),
            max: Lifetime::days(90),
        };
        let last = Lifetime::days(90).end(NOW).unwrap();
        assert_eq!(
            rule.end("API keys", RequestedExpiration::Unsaid, NOW),
            Ok(Lifetime::days(30).end(NOW))
        );
        assert_eq!(
            rule.end("API keys", RequestedExpiration::At(last), NOW),
            Ok(Some(last))
        );
        let late = Time::from_unix(last.unix() + 1);
        assert!(matches!(
            rule.end("API keys", RequestedExpiration::At(late), NOW),
            Err(Error::AgainstPolicy(_))
        ));
        assert!(matches!(
            rule.end("API keys", RequestedExpiration::In(Lifetime::Endless), NOW),
            Err(Error::AgainstPolicy(_))
        ));
        assert!(matches!(
            rule.end("API keys", RequestedExpiration::At(NOW), NOW),
            Err(Error::Invalid(_))
        ));
    }

    #[test]
    fn fixed_lifetime_allows_only_the_default() {
        let rule = LifetimeRule {
            choice: PolicyChoice::Fixed,
            default: Lifetime::days(30),
            max: Lifetime::Endless,
        };
        assert!(
            rule.end("API keys", RequestedExpiration::In(Lifetime::days(30)), NOW)
                .is_ok()
        );
        assert!(matches!(
            rule.end("API keys", RequestedExpiration::In(Lifetime::days(7)), NOW),
            Err(Error::AgainstPolicy(_))
        ));
    }

    #[test]
    fn policy_change_leaves_other_fields() {
        let old = Policy::default();
        assert_eq!(PolicyChange::default().apply(&old), Ok(old.clone()));
        let change = PolicyChange {
            api_key_lifetime_choice: Some(false),
            api_key_lifetimes: Some(vec![Lifetime::days(1)]),
            api_key_lifetime_default: Some(Lifetime::days(2)),
            api_key_lifetime_max: Some(Lifetime::days(3)),
            token_lifetime_choice: Some(false),
            token_lifetime_default: Some(Lifetime::hours(4)),
            token_lifetime_max: Some(Lifetime::hours(5)),
            session_lifetime: Some(Lifetime::hours(6)),
            session_idle_max: Some(Lifetime::hours(3)),
            second_factor: Some(SecondFactorRule::Admins),
            second_factor_from: Some(Some(NOW)),
            ssh_key_types: Some(vec!["ssh-ed25519".into()]),
            ssh_rsa_bits_min: Some(4_096),
            ssh_key_lifetime_max: Some(Lifetime::days(7)),
            api_keys_max: Some(8),
            ssh_keys_max: Some(9),
        };
        let rule = |default, max| LifetimeRule {
            choice: PolicyChoice::Fixed,
            default,
            max,
        };
        let new = Policy {
            api_key: rule(Lifetime::days(2), Lifetime::days(3)),
            api_key_lifetimes: vec![Lifetime::days(1)],
            token: rule(Lifetime::hours(4), Lifetime::hours(5)),
            session_lifetime: Lifetime::hours(6),
            session_idle_max: Lifetime::hours(3),
            second_factor: SecondFactorRule::Admins,
            second_factor_from: Some(NOW),
            ssh_key_types: vec!["ssh-ed25519".into()],
            ssh_rsa_bits_min: 4_096,
            ssh_key_lifetime_max: Lifetime::days(7),
            api_keys_max: 8,
            ssh_keys_max: 9,
        };
        assert_eq!(change.apply(&old), Ok(new));
    }

    #[test]
    fn full_hours_have_no_remainder() {
        let seconds = |seconds| Lifetime::For(std::time::Duration::from_secs(seconds));
        for complete in [3_600, 7_200, 86_400] {
            assert!(is_whole_hours(seconds(complete)), "{complete}");
        }
        for other in [0, 1, 3_599, 3_601, 5_400, 86_399] {
            assert!(!is_whole_hours(seconds(other)), "{other}");
        }
        assert!(!is_whole_hours(Lifetime::Endless));
    }

    fn lifetime() -> impl Strategy<Value = Lifetime> {
        prop_oneof![
            4 => (1..100_000_u64).prop_map(|seconds| Lifetime::For(std::time::Duration::from_secs(seconds))),
            1 => Just(Lifetime::Endless),
        ]
    }

    proptest! {
        /// For every request and rule: an expiration lies in the future and within the maximum.
        #[test]
        fn expiration_is_never_past_or_beyond_the_maximum(
            (default, max) in (lifetime(), lifetime()).prop_map(|(a, b)| (a.min(b), a.max(b))),
            free in any::<bool>(),
            wanted in prop_oneof![
                Just(RequestedExpiration::Unsaid),
                lifetime().prop_map(RequestedExpiration::In),
                (-100_000..100_000_i64).prop_map(|away| RequestedExpiration::At(Time::from_unix(NOW.unix() + away))),
            ],
        ) {
            let rule = LifetimeRule { choice: PolicyChoice::from(free), default, max };
            let Ok(end) = rule.end("API keys", wanted, NOW) else {
                return Ok(());
            };
            prop_assert!(end.is_none_or(|end| end > NOW));
            prop_assert!(rule.permits(end, NOW));
            match max.end(NOW) {
                Some(last) => prop_assert!(end.is_some_and(|end| end <= last)),
                None => prop_assert!(max == Lifetime::Endless),
            }
            prop_assert!(free || end == default.end(NOW), "nothing may be chosen");
        }
    }

    #[test]
    fn offered_lifetimes_are_permitted() {
        let mut policy = Policy::default();
        let all: Vec<Lifetime> = policy.offered().collect();
        assert_eq!(all, policy.api_key_lifetimes);
        policy.api_key.max = all[0];
        assert_eq!(policy.offered().collect::<Vec<_>>(), [all[0]]);
    }

    #[test]
    fn session_and_offered_lifetimes_have_both_limits() {
        let faulty = |change: &dyn Fn(&mut Policy)| {
            let mut policy = Policy::default();
            change(&mut policy);
            match policy.check() {
                Ok(()) => None,
                Err(Error::Invalid(faults)) => Some(faults[0].field.clone()),
                Err(other) => panic!("{other}"),
            }
        };
        let session = Some("session_lifetime".to_owned());
        assert_eq!(faulty(&|p| p.session_lifetime = minutes(4)), session);
        assert_eq!(faulty(&|p| p.session_lifetime = minutes(5)), None);
        assert_eq!(faulty(&|p| p.session_lifetime = Lifetime::days(7)), None);
        assert_eq!(faulty(&|p| p.session_lifetime = Lifetime::days(8)), session);
        let idle = Some("session_idle_max".to_owned());
        assert_eq!(faulty(&|p| p.session_idle_max = minutes(4)), idle);
        assert_eq!(faulty(&|p| p.session_idle_max = minutes(5)), None);
        assert_eq!(faulty(&|p| p.session_idle_max = Lifetime::days(8)), idle);
        let offer = Some("api_key_lifetimes".to_owned());
        assert_eq!(faulty(&|p| p.api_key_lifetimes.clear()), offer);
        let day = Lifetime::days(1);
        assert_eq!(faulty(&|p| p.api_key_lifetimes = vec![day; 12]), None);
        assert_eq!(faulty(&|p| p.api_key_lifetimes = vec![day; 13]), offer);
    }

    #[test]
    fn second_factor_is_required_from_its_time_on() {
        let policy = |second_factor, second_factor_from| Policy {
            second_factor,
            second_factor_from,
            ..Policy::default()
        };
        let later = Time::from_unix(NOW.unix() + 1);
        let everyone = SecondFactorRule::Everyone;
        for (policy, required) in [
            (policy(everyone, None), true),
            (policy(everyone, Some(NOW)), true),
            (policy(everyone, Some(later)), false),
            (policy(SecondFactorRule::Admins, None), false),
            (policy(SecondFactorRule::Optional, None), false),
        ] {
            assert_eq!(policy.requires_second_factor(Role::Member, NOW), required);
        }
    }

    fn minutes(count: u64) -> Lifetime {
        Lifetime::For(std::time::Duration::from_secs(count * 60))
    }
}
