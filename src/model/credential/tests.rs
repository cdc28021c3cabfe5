//! Credentials: checks, names, power, expiration, addresses.

use super::*;
use crate::model::permission::BuiltinPermission;
use crate::model::user::{Role, Username};
use proptest::prelude::*;

const NOW: Time = Time::from_unix(1_000_000);
const LATER: Time = Time::from_unix(1_000_001);

/// A record of an API key without expiration, never used.
pub(crate) fn record() -> Record {
    Record {
        id: Id::random(),
        kind: Kind::ApiKey,
        owner: OwnerId::User(UserId(1)),
        name: "ci".into(),
        note: None,
        permissions: Permissions::none(),
        allowed_addresses: AllowedAddresses::default(),
        created_at: NOW,
        created_by: None,
        created_by_name: None,
        expires_at: None,
        disabled: Disabled::No,
        seen_expired: false,
        deletion: None,
        rotated_at: None,
        rotations: 0,
        grace: None,
        last_use: None,
        current_use: None,
        previous_use: None,
        idle_max: None,
        signed_in_with: None,
        user_agent: None,
        address: None,
    }
}

fn credential() -> Credential {
    Credential {
        id: Id::random(),
        kind: Kind::ApiKey,
        owner: Owner::User(Arc::new(User {
            id: UserId(1),
            subject: "s".into(),
            username: Username::parse("alice").unwrap(),
            display_name: "Alice".into(),
            role: Role::Member,
            granted: Permissions::none(),
            granted_by_role: Permissions::none(),
            groups: Vec::new(),
            disabled_at: None,
            created_at: NOW,
            has_password: true,
        })),

        permissions: Permissions::new(&[
            BuiltinPermission::AccountRead,
            BuiltinPermission::UsersRead,
        ]),
        allowed_addresses: AllowedAddresses::default(),
        digest: Some(Digest::new(b"current")),
        previous: Some(Previous {
            digest: Digest::new(b"previous"),
            grace: Grace {
                ends_at: LATER,
                until_unused: None,
            },
        }),
        rotations: 1,
        created_at: NOW,
        expires_at: Some(LATER),
        disabled: Disabled::No,
        is_deleted: false,
        seen_expired: false,
        password_at: None,
        idle_max: None,
        confirmed_with: None,
    }
}

#[test]
fn each_failed_check_rejects() {
    assert_eq!(credential().check(NOW, None), Ok(()));
    assert_eq!(credential().check(LATER, None), Err(RejectReason::Expired));
    let mut seen = credential();
    seen.seen_expired = true;
    assert_eq!(seen.check(NOW, None), Err(RejectReason::Expired));
    let mut disabled = credential();
    disabled.disabled = Disabled::Yes;
    assert_eq!(disabled.check(NOW, None), Err(RejectReason::Disabled));
    let mut deleted = credential();
    deleted.digest = None;
    assert_eq!(deleted.check(NOW, None), Err(RejectReason::Deleted));
    let mut limited = credential();
    limited.allowed_addresses = AllowedAddresses::parse(&["10.0.0.0/8"]).unwrap();
    assert_eq!(limited.check(NOW, None), Err(RejectReason::Address));
    assert_eq!(
        limited.check(NOW, "11.0.0.1".parse().ok()),
        Err(RejectReason::Address)
    );
    assert_eq!(limited.check(NOW, "10.0.0.1".parse().ok()), Ok(()));
    let mut left = credential();
    if let Owner::User(user) = &mut left.owner {
        Arc::make_mut(user).disabled_at = Some(NOW);
    }
    assert_eq!(left.check(NOW, None), Err(RejectReason::OwnerDisabled));
}

#[test]
fn previous_secret_is_valid_until_the_grace_period_ends() {
    let credential = credential();
    assert_eq!(
        credential.which(&Digest::new(b"current"), NOW),
        Some(SecretSlot::Current)
    );
    assert_eq!(
        credential.which(&Digest::new(b"previous"), NOW),
        Some(SecretSlot::Previous)
    );
    assert_eq!(credential.which(&Digest::new(b"previous"), LATER), None);
    assert_eq!(credential.which(&Digest::new(b"another"), NOW), None);
}

#[test]
fn credential_kind_has_its_names_and_bearer_flag() {
    let table = [
        (b'a', "api-key", "API key", true),
        (b't', "token", "token", true),
        (b's', "session", "session", false),
        (b'h', "host", "host credential", false),
    ];
    for (kind, (letter, word, name, bearer)) in Kind::ALL.into_iter().zip(table) {
        assert_eq!(kind.letter(), letter);
        assert_eq!(kind.as_str(), word);
        assert_eq!(Kind::from_word(word), Some(kind));
        assert_eq!(kind.to_string(), name);
        assert_eq!(kind.is_bearer(), bearer, "{name}");
    }
}

#[test]
fn grace_is_limited_to_7_days_and_quiet_time_to_1_hour() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let second = Duration::from_secs(1);
    let less = |duration: Duration| duration.saturating_sub(second);
    assert!(RequestedGrace::lasting(hours(7 * 24)).is_some());
    assert!(RequestedGrace::lasting(hours(7 * 24) + second).is_none());
    assert_eq!(
        RequestedGrace::lasting(Duration::ZERO),
        Some(RequestedGrace::NONE)
    );
    for (quiet, at_most, is_valid) in [
        (hours(1), hours(1), true),
        (hours(1), hours(7 * 24), true),
        (hours(7 * 24), hours(7 * 24), true),
        (less(hours(1)), hours(2), false),
        (hours(2), less(hours(2)), false),
        (hours(1), hours(7 * 24) + second, false),
    ] {
        let wanted = RequestedGrace::until_unused(quiet, at_most);
        assert_eq!(wanted.is_some(), is_valid, "{quiet:?} {at_most:?}");
    }
}

#[test]
fn grace_starts_now_and_ends_with_the_key() {
    let wanted =
        RequestedGrace::until_unused(Duration::from_secs(3_600), Duration::from_secs(7_200));
    let wanted = wanted.unwrap();
    let until_unused = Some(UntilUnused {
        quiet: Duration::from_secs(3_600),
        rotated_at: NOW,
    });
    for (expires_at, ends_at) in [
        (None, NOW.after(Duration::from_secs(7_200))),
        (Some(LATER), LATER),
    ] {
        let grace = Grace {
            ends_at,
            until_unused,
        };
        assert_eq!(wanted.starting(NOW, expires_at), Some(grace));
    }
    assert_eq!(RequestedGrace::NONE.starting(NOW, None), None);
}

#[test]
fn grace_until_unused_ends_by_use_and_quiet_time() {
    let at = |seconds: i64| Time::from_unix(NOW.unix() + seconds);
    let grace = Grace {
        ends_at: at(20_000),
        until_unused: Some(UntilUnused {
            quiet: Duration::from_secs(3_600),
            rotated_at: NOW,
        }),
    };
    for (now, current, previous, has_ended) in [
        // The new secret was never used.
        (19_999, None, None, false),
        (20_000, None, None, true),
        // The old one was last used before the rotation.
        (3_599, Some(0), Some(-90_000), false),
        (3_600, Some(0), Some(-90_000), true),
        (3_600, Some(0), None, true),
        // It was used in the grace period.
        (3_699, Some(50), Some(100), false),
        (3_700, Some(50), Some(100), true),
        // The new one was used first after the quiet time.
        (9_000, Some(9_000), None, true),
        // The clock was set back.
        (10, Some(50), Some(100), false),
        (20_000, Some(19_999), Some(19_999), true),
    ] {
        let expired = grace.has_ended(at(now), current.map(at), previous.map(at));
        assert_eq!(expired, has_ended, "{now} {current:?} {previous:?}");
    }
    assert_eq!(grace.earliest_end(at(100)), at(3_700));
    assert_eq!(grace.earliest_end(at(19_000)), at(20_000));
}

#[test]
fn state_is_the_first_that_applies() {
    let active = Record {
        expires_at: Some(LATER),
        rotations: 1,
        grace: Some(Grace {
            ends_at: LATER,
            until_unused: None,
        }),
        ..record()
    };
    assert_eq!(active.state(NOW), State::Active);
    assert_eq!(active.grace_ends_at(NOW), Some(LATER));
    assert_eq!(active.grace_ends_at(LATER), None);
    let disabled = Record {
        disabled: Disabled::Yes,
        ..active
    };
    assert_eq!(disabled.state(NOW), State::Disabled);
    assert_eq!(disabled.state(LATER), State::Expired);
    // A credential that was seen expired stays so when the clock is set back.
    let seen = Record {
        seen_expired: true,
        ..disabled
    };
    assert_eq!(seen.state(NOW), State::Expired);
    let deleted = Record {
        deletion: Some(CredentialDeletion {
            at: NOW,
            reason: "deleted".into(),
        }),
        ..seen
    };
    assert_eq!(deleted.state(NOW), State::Deleted);
    let endless = Record {
        expires_at: None,
        seen_expired: false,
        disabled: Disabled::No,
        deletion: None,
        ..deleted
    };
    assert_eq!(endless.state(Time::LAST), State::Active);
    let idle = Record {
        idle_max: Some(Duration::from_secs(60)),
        ..endless
    };
    assert_eq!(
        idle.state(NOW.after(Duration::from_secs(59))),
        State::Active
    );
    assert_eq!(
        idle.state(NOW.after(Duration::from_secs(60))),
        State::Expired
    );
}

#[test]
fn power_shrinks_with_the_owners_permissions() {
    assert_eq!(
        credential().power(),
        Permissions::new(&[BuiltinPermission::AccountRead])
    );
    let mut session = credential();
    session.kind = Kind::Session;
    assert_eq!(session.power(), Role::Member.permissions());
    let mut host = credential();
    host.kind = Kind::Host;
    assert!(host.power().is_empty());
}

fn permissions() -> impl Strategy<Value = Permissions> {
    let words = ["slurm:cancel", "slurm:submit", "wiki:edit"];
    let own = proptest::collection::vec(
        proptest::sample::select(BuiltinPermission::ALL.to_vec()),
        0..21,
    );
    let service = proptest::sample::subsequence(words.to_vec(), 0..=words.len());
    (own, service).prop_map(|(own, service)| {
        let mut permissions = Permissions::parse(&service).unwrap();
        permissions.extend(&Permissions::new(&own));
        permissions
    })
}

proptest! {
    /// No credential has a permission that its owner lacks, nor, except sessions, one that it was not given.
    #[test]
    fn power_never_exceeds_given_permissions_or_the_owner(
        given in permissions(),
        granted in permissions(),
        admin in any::<bool>(),
        kind in proptest::sample::select(Kind::ALL.to_vec()),
    ) {
        let mut credential = credential();
        credential.kind = kind;
        credential.permissions = given.clone();
        if let Owner::User(user) = &mut credential.owner {
            let user = Arc::make_mut(user);
            user.role = if admin { Role::Admin } else { Role::Member };
            user.granted = granted;
        }
        let (power, owner) = (credential.power(), credential.owner.permissions());
        prop_assert!(power.lie_within(&owner));
        prop_assert!(kind == Kind::Session || power.lie_within(&given));
        let holds_both = |one: &crate::model::permission::Permission| given.contains(one) && owner.contains(one);
        if kind.is_bearer() {
            prop_assert_eq!(given.iter().filter(holds_both).count(), power.iter().count());
        }
    }

    /// Valid before its expiration, expired at that very second and ever after.
    #[test]
    fn expiration_is_exact_to_the_second(end in 0..=Time::LAST.unix(), away in -100_000_000..100_000_000_i64) {
        let mut credential = credential();
        credential.expires_at = Some(Time::from_unix(end));
        for now in [end - 1, end, end + 1, end + away].map(Time::from_unix) {
            let has_ended = now.unix() >= end;
            prop_assert_eq!(credential.check(now, None).is_err(), has_ended);
            prop_assert_eq!(credential.is_expired(now), has_ended);
            credential.previous = Some(Previous { digest: Digest::new(b"previous"), grace: Grace { ends_at: Time::from_unix(end), until_unused: None } });
            prop_assert_eq!(credential.which(&Digest::new(b"previous"), now).is_none(), has_ended);
        }
    }

    /// A limit to addresses rejects all others, and unknown addresses.
    #[test]
    fn unlisted_address_is_rejected(address in any::<IpAddr>(), network in any::<IpAddr>(), bits in 0..=32_u8) {
        let mut credential = credential();
        let network = ipnet::IpNet::new(network, bits).unwrap().trunc();
        credential.allowed_addresses = AllowedAddresses::parse(&[network.to_string()]).unwrap();
        let expected = credential.allowed_addresses.allow(address);
        prop_assert_eq!(credential.check(NOW, Some(address)).is_ok(), expected);
        prop_assert_eq!(credential.check(NOW, None), Err(RejectReason::Address));
    }
}

#[test]
fn each_reject_reason_has_its_sentence() {
    let all = [
        RejectReason::Deleted,
        RejectReason::Disabled,
        RejectReason::Expired,
        RejectReason::Address,
        RejectReason::OwnerDisabled,
    ];
    let sentences: std::collections::HashSet<_> = all.map(RejectReason::sentence).into();
    assert_eq!(sentences.len(), all.len());
    assert!(sentences.iter().all(|one| one.ends_with('.')));
}

#[test]
fn unused_session_is_idle_to_the_second() {
    let session = Credential {
        kind: Kind::Session,
        idle_max: Some(Duration::from_secs(60)),
        ..credential()
    };
    let later = |seconds: i64| Time::from_unix(NOW.unix() + seconds);
    assert!(!session.is_idle(None, later(59)) && session.is_idle(None, later(60)));
    assert!(!session.is_idle(Some(later(10)), later(69)));
    assert!(session.is_idle(Some(later(10)), later(70)));
    assert!(
        !session.is_idle(Some(later(-500)), later(59)),
        "created since"
    );
    assert!(!credential().is_idle(None, later(1_000_000)), "no limit");
}

#[test]
fn second_of_two_uses_in_one_second_is_the_latest() {
    let last_use = |seconds, program: &str| {
        Some(LastUse {
            at: Time::from_unix(seconds),
            address: None,
            program: Some(program.to_owned()),
        })
    };
    for (one, other, latest) in [
        (last_use(2, "one"), last_use(1, "other"), "one"),
        (last_use(1, "one"), last_use(1, "other"), "other"),
        (last_use(1, "one"), last_use(2, "other"), "other"),
        (last_use(1, "one"), None, "one"),
        (None, last_use(1, "other"), "other"),
    ] {
        let found = LastUse::latest(one, other).unwrap();
        assert_eq!(found.program.as_deref(), Some(latest));
    }
    assert!(LastUse::latest(None, None).is_none());
}
