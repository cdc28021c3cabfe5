//! The app layer directly: data of pages that the API lacks, and checks behind other checks.

use keycroft::app::{
    App, Browser, DownloadScope, EventCondition, Holders, ListExtent, WithDerived,
};
use keycroft::model::caller::Caller;
use keycroft::model::credential::Kind;
use keycroft::model::error::Error;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::inventory::InventoryFilter;
use keycroft::model::list::{List, ListQuery};
use keycroft::model::password::Password;
use keycroft::model::permission::{BuiltinPermission, Permission};
use keycroft::model::policy::PolicyChange;
use keycroft::model::second_factor::NewFactor;
use keycroft::model::secret::{Digest, Id, Presented};
use keycroft::model::ssh_key::{KeyOptions, KeyRules, NewSshKey, PublicKey, SshKeyChange};
use keycroft::model::time::{Lifetime, RequestedExpiration, Time};
use keycroft::model::totp::TotpCode;
use keycroft::model::user::{Disabled, NewUser, Role, User, UserChange, Username};
use serde_json::json;

use crate::fixture::{PASSWORD, Site, secret, unknown_secret};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGlrJoBX6wu97NBZzY1USoVEfQf430RGyZ/A57sXU9Y bob";

fn origin() -> Origin {
    Origin {
        channel: Channel::Api,
        address: Some([127, 0, 0, 1].into()),
        program: None,
        request_id: None,
    }
}

fn caller(site: &Site, secret: &str) -> Caller {
    let presented = Presented::parse(secret).unwrap();
    let now = site.clock.now();
    let caller = site.app().caller(&presented, |_| true, origin(), now);
    caller.unwrap()
}

fn id_of(secret: &str) -> Id {
    Presented::parse(secret).unwrap().id
}

fn name(name: &str) -> Username {
    Username::parse(name).unwrap()
}

fn give_role(site: &Site, user: &str, role: Role) {
    let change = UserChange {
        role: Some(role),
        ..UserChange::default()
    };
    let changed = site
        .app()
        .change_user(&site.app().operator(0), &name(user), change);
    assert_eq!(changed.unwrap().role, role);
}

#[test]
fn setup_link_is_invalid_once_an_admin_exists() {
    let site = Site::empty(&[]);
    site.add_user("bob", Role::Member);
    let link = site.app().setup_code().unwrap().unwrap().reveal();
    give_role(&site, "bob", Role::Admin);
    site.ask("POST", "/api/v1/setup")
        .bearer(&link)
        .json(&json!({"username": "mallory", "password": PASSWORD}))
        .send()
        .expect(401);
}

#[test]
fn setup_creates_an_admin() {
    let site = Site::empty(&[]);
    let link = site.app().setup_code().unwrap().unwrap().reveal();
    let user = NewUser {
        display_name: "Founder".to_owned(),
        username: name("founder"),
        role: Role::Member,
        password: Some(Password::chosen(PASSWORD, "founder").unwrap()),
    };
    let link = Presented::parse(&link).unwrap();
    let created = site.app().set_up(link, user, origin(), site.clock.now());
    assert_eq!(created.unwrap().role, Role::Admin);
}

#[test]
fn event_download_ends_with_its_permission() {
    let site = Site::new();
    site.add_user("carol", Role::Admin);
    let alice = caller(&site, &site.alice);
    let begin = || {
        let scope = DownloadScope::All(None);
        site.app()
            .begin_download(&alice, scope, EventCondition::default())
    };
    let download = begin().unwrap();
    assert!(!download.next_page(None, 10).unwrap().items.is_empty());
    give_role(&site, "alice", Role::Member);
    let rejected = download.next_page(None, 10).err().unwrap();
    let missing = Permission::Builtin(BuiltinPermission::AuditRead);
    assert!(matches!(rejected, Error::Forbidden { missing: one } if one == missing));
}

#[test]
fn operator_reads_events_of_one_user() {
    let site = Site::new();
    site.api_key(&site.bob, &json!({"name": "ci"}));
    let read = |user: Option<&Username>| {
        let page = site.app().all_events(
            &site.app().operator(0),
            user,
            EventCondition::default(),
            None,
            100,
        );
        page.unwrap().items.len()
    };
    let of = ["alice", "bob"].map(|user| read(Some(&name(user))));
    assert!(of.iter().all(|count| *count > 0 && *count < read(None)));
}

#[test]
fn act_of_the_operator_names_the_uid_and_no_address() {
    let site = Site::new();
    let request = site.ask("POST", "/api/v1/groups").by_operator();
    let request = request.from("192.0.2.7").header("User-Agent", "keycroft/0");
    request.json(&json!({"name": "staff"})).send().expect(201);
    let events = site.ask("GET", "/api/v1/events").by_operator();
    let event = &events.send().expect(200).json()["items"][0];
    let of_act = ["action", "channel", "actor", "address", "program"].map(|name| &event[name]);
    assert_eq!(
        of_act,
        [
            &json!("group.add"),
            &json!("cli"),
            &json!("operator"),
            &json!(null),
            &json!("keycroft/0 (uid 0)")
        ]
    );
}

#[test]
fn key_page_lists_events_and_created_credentials() {
    let site = Site::new();
    let parent = site.narrow(
        &site.bob,
        &[
            "account:read",
            "api-keys:read",
            "api-keys:write",
            "ssh-keys:write",
        ],
    );
    let child = site.narrow(&parent, &["account:read"]);
    site.ask("POST", "/api/v1/ssh-keys")
        .bearer(&parent)
        .json(&json!({"public_key": KEY, "name": "laptop"}))
        .send()
        .expect(201);
    let bob = caller(&site, &site.bob);
    let scope = App::own(&bob, Kind::ApiKey).unwrap();
    let (app, made_id) = (site.app(), id_of(&parent));
    let of = |id| app.credential(&bob, &scope, Kind::ApiKey, id).unwrap();
    let days = app
        .usages(&bob, &scope, &[of(made_id), of(id_of(&child))])
        .unwrap();
    let uses = |id| -> u64 { days[&id].iter().map(|day| day.uses).sum() };
    assert_eq!((uses(made_id), uses(id_of(&child))), (2, 0));
    let created = app.created_by(&bob, &scope, Kind::ApiKey, made_id).unwrap();
    let created: Vec<Id> = created.iter().map(|record| record.id).collect();
    assert_eq!(created, [id_of(&child)]);
    let keys = app
        .ssh_keys_created_by(&bob, &scope, Kind::ApiKey, made_id)
        .unwrap();
    assert_eq!(keys[0].1, "laptop");
    let (power, rejection) = app
        .power_of(&bob, &scope, Kind::ApiKey, id_of(&child))
        .unwrap();
    assert!(
        power.contains(&Permission::Builtin(BuiltinPermission::AccountRead)) && rejection.is_none()
    );
    let events = app
        .events_on(&bob, &scope, Kind::ApiKey, made_id, 10)
        .unwrap();
    assert_eq!(events.len(), 1);
    let creators = app.creators(&bob, &scope, [made_id]).unwrap();
    assert_eq!(creators.into_keys().collect::<Vec<_>>(), [made_id]);
    // Credentials of other users are not in the own list, not even an admin's.
    let alice = caller(&site, &site.alice);
    let theirs = App::own(&alice, Kind::ApiKey).unwrap();
    let creators = app.creators(&alice, &theirs, [made_id]);
    assert!(creators.unwrap().is_empty());
    let days = app.usages(&alice, &theirs, &[of(made_id)]).unwrap();
    assert!(days.is_empty());
}

#[test]
fn list_of_everybody_has_the_uses_of_each_key() {
    let site = Site::new();
    let [used, unused] = [(); 2].map(|()| site.narrow(&site.bob, &["account:read"]));
    for _ in 0..2 {
        site.ask("GET", "/verify").bearer(&used).send().expect(204);
    }
    let alice = caller(&site, &site.alice);
    let (app, query) = (site.app(), ListQuery::new(List::ApiKeys));
    let listed = app.list_items(&alice, Holders::Everybody, &query, ListExtent::Page);
    let days = app.usages_of(&alice, &listed.unwrap().rows).unwrap();
    let uses = |secret: &str| -> u64 { days[&id_of(secret)].iter().map(|day| day.uses).sum() };
    assert_eq!((uses(&used), uses(&unused)), (2, 0));
}

#[test]
fn user_list_counts_credentials() {
    let site = Site::new();
    site.narrow(&site.bob, &["account:read"]);
    site.set_password("bob");
    for _ in 0..2 {
        site.sign_in("bob");
    }
    let tokens = [(); 2].map(|()| site.token("bob"));
    site.ask("POST", "/api/v1/ssh-keys")
        .bearer(&tokens[0])
        .json(&json!({"public_key": KEY}))
        .send()
        .expect(201);
    let alice = caller(&site, &site.alice);
    let bob = site.app().user(&alice, &name("bob")).unwrap();
    let counts = &site.app().counts_of(&alice, &[bob]).unwrap()[0];
    assert_eq!(
        (
            counts.api_keys,
            counts.tokens,
            counts.sessions,
            counts.ssh_keys
        ),
        (1, 3, 2, 1)
    );
}

#[test]
fn only_the_last_admin_is_protected() {
    let site = Site::new();
    let user = |of: &str| -> User { site.app().user(&site.app().operator(0), &name(of)).unwrap() };
    let may_lose = |of: &str| site.app().may_lose(&user(of)).unwrap();
    assert!(may_lose("bob") && !may_lose("alice"));
    give_role(&site, "bob", Role::Admin);
    assert!(may_lose("bob") && may_lose("alice"));
    let change = UserChange {
        disabled: Some(Disabled::Yes),
        ..UserChange::default()
    };
    let disabled = site
        .app()
        .change_user(&site.app().operator(0), &name("bob"), change);
    assert!(!disabled.unwrap().is_enabled());
    assert!(may_lose("bob") && !may_lose("alice"));
}

#[test]
fn attention_counts_whole_days() {
    const DAY: i64 = 86_400;
    let site = Site::new();
    let attention = |seconds: i64| {
        let end = Time::from_unix(site.clock.now().unix() + seconds);
        let alice = caller(&site, &site.token("alice"));
        site.app().attention(&alice, Some(end)).unwrap()
    };
    for (seconds, days) in [
        (14 * DAY + 1, None),
        (14 * DAY, Some(14)),
        (3 * DAY - 1, Some(2)),
        (DAY - 1, Some(1)),
        (-1, Some(1)),
    ] {
        let shown = attention(seconds).days_of_certificate;
        assert_eq!(shown, days, "{seconds}");
    }
    site.pass(7 * DAY);
    assert_eq!(attention(0).days_without_backup, None);
    site.pass(DAY);
    assert_eq!(attention(0).days_without_backup, Some(8));
}

#[test]
fn grantable_permissions_are_listed() {
    let grantable = Site::new().app().grantable().unwrap();
    assert!(grantable.contains(&Permission::Builtin(BuiltinPermission::Introspect)));
    assert!(!grantable.contains(&Permission::Builtin(BuiltinPermission::UsersWrite)));
}

#[test]
fn policy_change_by_the_operator_is_audited_and_applies() {
    let site = Site::new();
    let max = Lifetime::hours(11);
    let change = PolicyChange {
        token_lifetime_default: Some(Lifetime::hours(7)),
        token_lifetime_max: Some(max),
        ..PolicyChange::default()
    };
    let message = site
        .app()
        .change_policy(&site.app().operator(0), change)
        .unwrap();
    assert_eq!(message.token.max, max);
    let alice = caller(&site, &site.alice);
    assert_eq!(site.app().policy(&alice).unwrap().token.max, max);
}

#[test]
fn policy_preview_respects_its_limit() {
    let site = Site::new();
    for _ in 0..3 {
        site.narrow(&site.bob, &["account:read"]);
    }
    let alice = caller(&site, &site.alice);
    let preview = || PolicyChange {
        api_key_lifetimes: Some(vec![Lifetime::days(1)]),
        api_key_lifetime_default: Some(Lifetime::days(1)),
        api_key_lifetime_max: Some(Lifetime::days(1)),
        ..PolicyChange::default()
    };
    for limit in [1, 2] {
        let preview = site.app().preview_policy(&alice, preview(), limit);
        assert_eq!(preview.unwrap().named().count(), limit);
    }
}

#[test]
fn inventory_pages_follow_one_another() {
    let site = Site::new();
    for _ in 0..3 {
        site.narrow(&site.bob, &["account:read"]);
    }
    let alice = caller(&site, &site.alice);
    let (app, show) = (site.app(), InventoryFilter::Everything);
    let complete = app.inventory_after(&alice, show, None, 100).unwrap();
    let count = complete.items.len();
    assert!(count >= 5 && complete.next.is_none());
    let exact = app.inventory_after(&alice, show, None, count).unwrap();
    assert!(exact.next.is_none());
    let part = app.inventory_after(&alice, show, None, count - 1).unwrap();
    assert!(part.next.is_some());
}

#[test]
fn expired_ssh_key_is_valid_again_with_a_later_expiration() {
    let site = Site::new();
    let key = secret(&site.api_key(&site.bob, &json!({"name": "ci", "expires_in": "1h"})));
    site.pass(3_600);
    let presented = Presented::parse(&key).unwrap();
    let now = site.clock.now();
    let rejected = site.app().caller(&presented, |_| true, origin(), now);
    assert!(rejected.is_err());
    let path = format!("/api/v1/api-keys/{}", id_of(&key));
    site.ask("PATCH", &path)
        .bearer(&site.bob)
        .json(&json!({"expires_in": "2h"}))
        .send()
        .expect(200);
    let path = format!("/api/v1/api-keys/{}/explain", id_of(&key));
    let message = site.ask("GET", &path).bearer(&site.bob).send().expect(200);
    let message = message.json();
    assert_eq!(message["valid"], true, "{message}");
}

#[test]
fn concurrent_ssh_key_change_is_rejected() {
    let site = Site::new();
    let added = site
        .ask("POST", "/api/v1/ssh-keys")
        .bearer(&site.bob)
        .json(&json!({"public_key": KEY, "name": "laptop"}))
        .send()
        .expect(201)
        .json();
    let bob = caller(&site, &site.bob);
    let scope = App::own_ssh_keys(&bob).unwrap();
    let id = Id::parse(added["id"].as_str().unwrap()).unwrap();
    let edit = |name: &str, version: Option<String>| {
        let change = SshKeyChange {
            name: Some(name.to_owned()),
            version,
            ..SshKeyChange::default()
        };
        site.app().edit_ssh_key(&bob, &scope, id, change)
    };
    let seen = edit("one", None).unwrap().version();
    let changed = edit("two", Some(seen.clone())).unwrap();
    let rejected = edit("three", Some(seen)).err().unwrap();
    assert!(matches!(rejected, Error::Conflict(_)));
    edit("three", Some(changed.version())).unwrap();
}

#[test]
fn sweep_is_audited_with_its_counts() {
    let site = Site::new();
    let swept = site.app().sweep(&site.app().operator(0)).unwrap();
    let event = &site.events()[1];
    assert_eq!(
        (&event["action"], &event["target"]["kind"]),
        (&json!("sweep"), &json!("sweep"))
    );
    let tokens = swept.tokens.to_string();
    assert!(event.to_string().contains(&format!("\"{tokens}\"")));
}

#[test]
fn closed_app_state_rejects_writes() {
    let site = Site::new();
    site.app_state.close();
    site.ask("POST", "/api/v1/api-keys")
        .bearer(&site.bob)
        .json(&json!({"name": "late"}))
        .send()
        .expect(503);
}

#[test]
fn seen_expiration_is_listed_after_a_clock_change() {
    let site = Site::new();
    let key = secret(&site.api_key(&site.bob, &json!({"name": "ci", "expires_in": "1h"})));
    let state = || {
        let path = format!("/api/v1/api-keys/{}", id_of(&key));
        let shown = site.ask("GET", &path).bearer(&site.bob).send().expect(200);
        shown.json()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "active");
    site.pass(3_600);
    let presented = Presented::parse(&key).unwrap();
    let now = site.clock.now();
    let rejected = site.app().caller(&presented, |_| true, origin(), now);
    assert!(rejected.is_err());
    site.pass(-60);
    assert_eq!(state(), "expired");
}

#[test]
fn event_distinguishes_disabling_from_enabling() {
    let site = Site::new();
    let key = site.narrow(&site.bob, &["account:read"]);
    let path = format!("/api/v1/api-keys/{}", id_of(&key));
    let bob = caller(&site, &site.bob);
    let scope = App::own(&bob, Kind::ApiKey).unwrap();
    for (disabled, message) in [(true, "yes"), (false, "no")] {
        site.ask("PATCH", &path)
            .bearer(&site.bob)
            .json(&json!({ "disabled": disabled }))
            .send()
            .expect(200);
        let events = site
            .app()
            .events_on(&bob, &scope, Kind::ApiKey, id_of(&key), 1)
            .unwrap();
        let after = &events[0].after;
        assert!(
            after.contains("disabled") && after.contains(message),
            "{after}"
        );
    }
}

#[test]
fn deleting_reports_counts_and_edit_logs_expirations() {
    let site = Site::new();
    let may = ["account:read", "api-keys:read", "api-keys:write"];
    let parent = site.narrow(&site.bob, &may);
    for _ in 0..2 {
        site.narrow(&parent, &["account:read"]);
    }
    let bob = caller(&site, &site.bob);
    let scope = App::own(&bob, Kind::ApiKey).unwrap();
    site.ask("PATCH", &format!("/api/v1/api-keys/{}", id_of(&parent)))
        .bearer(&site.bob)
        .json(&json!({"expires_in": "2h"}))
        .send()
        .expect(200);
    let events = site
        .app()
        .events_on(&bob, &scope, Kind::ApiKey, id_of(&parent), 1)
        .unwrap();
    assert!(events[0].before.contains("20") && events[0].before.contains("T12:00:00Z"));
    assert!(events[0].after.contains("2026-11-22T14:00:00Z"));
    let ended = site
        .app()
        .end(&bob, &scope, Kind::ApiKey, id_of(&parent), WithDerived::Yes);
    assert_eq!(ended.unwrap(), 3);
}

/// The policy may change between check and commit.
#[test]
fn ssh_key_obeys_the_policy_at_commit_time() {
    let site = Site::new();
    let bob = caller(&site, &site.bob);
    let scope = App::own_ssh_keys(&bob).unwrap();
    let key = PublicKey::parse(KEY, &KeyRules::default()).unwrap();
    let add = |name: &str| {
        let new = NewSshKey {
            name: name.to_owned(),
            key: key.clone(),
            end: RequestedExpiration::Unsaid,
            allowed_addresses: None,
            options: KeyOptions::default(),
            expires_by: None,
            allow_shared: false,
        };
        site.app().add_ssh_key(&bob, &scope, new, None)
    };
    let only = |kind: &str| {
        let change = PolicyChange {
            ssh_key_types: Some(vec![kind.to_owned()]),
            ..PolicyChange::default()
        };
        site.app()
            .change_policy(&site.app().operator(0), change)
            .unwrap()
    };
    only("ssh-rsa");
    let rejected = add("laptop").err().unwrap();
    assert!(matches!(rejected, Error::AgainstPolicy(_)));
    only("ssh-ed25519");
    let added = add("laptop").unwrap();
    only("ssh-rsa");
    let change = SshKeyChange {
        key: Some(key.clone()),
        ..SshKeyChange::default()
    };
    let rejected = site.app().edit_ssh_key(&bob, &scope, added.id, change);
    assert!(matches!(rejected.err().unwrap(), Error::AgainstPolicy(_)));
}

#[test]
fn policy_event_has_choices_and_fixed_values() {
    let site = Site::new();
    for (choice, before, after) in [(false, "free", "fixed"), (true, "fixed", "free")] {
        let change = PolicyChange {
            api_key_lifetime_choice: Some(choice),
            ..PolicyChange::default()
        };
        site.app()
            .change_policy(&site.app().operator(0), change)
            .unwrap();
        let events = site.events();
        let event = events.iter().find(|event| event["action"] == "policy.edit");
        let event = event.unwrap();
        assert_eq!(event["before"]["api_key_lifetime_choice"], before);
        assert_eq!(event["after"]["api_key_lifetime_choice"], after);
    }
}

#[test]
fn process_counters_count_acts() {
    let site = Site::new();
    site.set_password("bob");
    let counted = || {
        let figures = site.app().figures(site.clock.now()).unwrap();
        [
            figures.valid,
            figures.invalid,
            figures.signed_in,
            figures.failed_sign_ins,
        ]
    };
    let sign_in = |password: &str| {
        let password = Password::typed(password).unwrap();
        let now = site.clock.now();
        site.app().sign_in("bob", &password, None, origin(), now)
    };
    let start = counted();
    let more = |expected: [u64; 4]| {
        let now = counted();
        let grown: Vec<u64> = now.iter().zip(start).map(|(now, old)| now - old).collect();
        assert_eq!(grown, expected);
    };
    caller(&site, &site.bob);
    more([1, 0, 0, 0]);
    let unknown = unknown_secret(Kind::Token);
    let presented = Presented::parse(&unknown).unwrap();
    let now = site.clock.now();
    let rejected = site.app().caller(&presented, |_| true, origin(), now);
    assert!(rejected.is_err());
    more([1, 1, 0, 0]);
    sign_in(PASSWORD).unwrap();
    more([1, 1, 1, 0]);
    assert!(sign_in("not the password").is_err());
    more([1, 1, 1, 1]);
}

#[test]
fn requests_sweep_once_a_minute() {
    let site = Site::new();
    // After both tokens have expired.
    let end = site.clock.now().unix() + 86_400;
    let tokens_after = |second: i64| {
        site.app().sweep_sometimes(Time::from_unix(second));
        // A write waits for earlier ones.
        let unchanged = PolicyChange::default();
        site.app()
            .change_policy(&site.app().operator(0), unchanged)
            .unwrap();
        let rows = site.dump(|table| table == "credentials");
        rows.matches(" token ").count()
    };
    assert_eq!(tokens_after(end - 30), 2);
    assert_eq!(tokens_after(end), 2, "thirty seconds later");
    assert_eq!(tokens_after(end + 29), 2);
    assert_eq!(tokens_after(end + 30), 0);
    site.token("bob");
    assert_eq!(tokens_after(end + 30), 1, "at the same second");
    assert_eq!(tokens_after(end + 89), 1);
    assert_eq!(tokens_after(end + 29), 0, "the clock was set back");
}

#[test]
fn setup_link_expires_with_the_first_admin() {
    let site = Site::empty(&[]);
    let links = || {
        site.dump(|table| table == "codes")
            .matches("set-up")
            .count()
    };
    site.app().setup_code().unwrap().unwrap();
    assert_eq!(links(), 1);
    site.add_user("bob", Role::Member);
    assert_eq!(links(), 1);
    site.add_user("alice", Role::Admin);
    assert_eq!(links(), 0);
}

#[test]
fn limited_caller_disables_but_never_enables_users() {
    let site = Site::new();
    let body = json!({
        "name": "near", "permissions": ["users:read", "users:write"], "allowed_addresses": ["127.0.0.1"],
    });
    let near = caller(&site, &secret(&site.api_key(&site.alice, &body)));
    let turn = |by: &Caller, disabled: Disabled| {
        let change = UserChange {
            disabled: Some(disabled),
            ..UserChange::default()
        };
        site.app().change_user(by, &name("bob"), change)
    };
    // The state that exists already needs no permission.
    assert!(turn(&near, Disabled::No).unwrap().is_enabled());
    assert!(!turn(&near, Disabled::Yes).unwrap().is_enabled());
    let rejected = turn(&near, Disabled::No).err().unwrap();
    assert!(matches!(rejected, Error::NotAllowed(_)));
    let alice = caller(&site, &site.alice);
    assert!(turn(&alice, Disabled::No).unwrap().is_enabled());
}

#[test]
fn browser_stays_recognized_for_a_year() {
    const YEAR_SECONDS: i64 = 31_536_000;
    let site = Site::new();
    site.set_password("bob");
    let browser = Browser {
        digest: Digest::new(b"bob's browser"),
        session: None,
    };
    let sign_in = |password: &str, browser: Option<&Browser>| {
        let password = Password::typed(password).unwrap();
        let now = site.clock.now();
        let app = site.app();
        app.sign_in("bob", &password, browser, origin(), now).err()
    };
    let rejected = |error: Option<Error>| matches!(error, Some(Error::TooMany { .. }));
    assert!(sign_in(PASSWORD, Some(&browser)).is_none());
    site.pass(YEAR_SECONDS - 1);
    // Uses up the attempts for the name.
    while !rejected(sign_in("not the password", None)) {}
    assert!(rejected(sign_in(PASSWORD, None)));
    let known = sign_in("not the password", Some(&browser));
    assert_eq!(known, Some(Error::WrongPassword));
    site.pass(1);
    assert!(rejected(sign_in(PASSWORD, Some(&browser))));
}

/// Second factors are managed in sessions, which can be confirmed: no API key reaches them, with any permissions.
#[test]
fn second_factors_are_out_of_reach_of_api_keys() {
    let site = Site::new();
    let bob = caller(&site, &site.bob);
    let (app, id) = (site.app(), Id::random());
    for rejected in [
        app.create_recovery_codes(&bob).map(|_| ()),
        app.remove_totp(&bob),
        app.rename_passkey(&bob, id, "mine".to_owned()),
        app.delete_passkey(&bob, id),
        app.add_second_factor(&bob, new_totp(&site)).map(|_| ()),
    ] {
        assert!(
            matches!(rejected, Err(Error::NotAllowed(_))),
            "{rejected:?}"
        );
    }
    assert!(app.users_without_second_factor(&bob).is_err());
    assert!(app.second_factors_of(&bob, bob.user().unwrap()).is_err());
    let narrow = caller(&site, &site.narrow(&site.bob, &["account:read"]));
    for rejected in [
        app.require_confirmation(&narrow),
        app.require_no_totp(&narrow),
        // Before the password, which is wrong.
        app.change_password(
            &narrow,
            &Password::typed("not the password").unwrap(),
            "bob likes cold milk",
            None,
            None,
        ),
    ] {
        assert!(
            matches!(rejected, Err(Error::Forbidden { .. })),
            "{rejected:?}"
        );
    }
}

fn new_totp(site: &Site) -> NewFactor {
    let seed = site.app().totp_seed("subject", "session", "nonce");
    NewFactor::Totp(seed, TotpCode::parse("123456").unwrap())
}

#[test]
fn first_factor_needs_a_confirmed_session() {
    let site = Site::new();
    site.set_password("bob");
    let session = site.sign_in("bob");
    site.pass(601);
    let bob = caller(&site, &session);
    let rejected = site.app().add_second_factor(&bob, new_totp(&site)).err();
    assert_eq!(rejected, Some(Error::PasswordNeeded));
}
