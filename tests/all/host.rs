//! Hosts in the API: codes, enrollment, keys, reports, and the limits of the host credential.

use std::sync::Barrier;

use keycroft::model::secret::{Secret, SecretForm};
use keycroft::model::time::Time;
use serde_json::{Value, json};

use crate::fixture::{Answer, Asking, Site, id, secret, unknown_secret};

const ALICES: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf alice";
const BOBS: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGlrJoBX6wu97NBZzY1USoVEfQf430RGyZ/A57sXU9Y bob";
const PRINT: &str = "SHA256:2PCbHJmLR42T0SxXM+lo5Wng3l0I8qiokDz8hAbTKSI";
const KEYS: &str = "/api/v1/hosts/self/authorized-keys";
const CODES: &str = "/api/v1/hosts/enrollment-codes";
const ENROLL: &str = "/api/v1/hosts/enroll";
const LOGINS: &str = "/api/v1/hosts/self/logins";

fn code(site: &Site, body: &Value) -> Value {
    site.asked(&site.alice, "POST", CODES, body, 201)
}

fn enroll(site: &Site, code: &str, name: &str) -> Answer {
    let asking = site.ask("POST", ENROLL).bearer(code);
    asking.json(&json!({ "name": name })).send()
}

/// An enrolled host: its id and its credential.
fn host(site: &Site, name: &str) -> (String, String) {
    let created = enroll(site, &secret(&code(site, &json!({}))), name).expect(201);
    (id(&created.json()), secret(&created.json()))
}

fn add_key(site: &Site, bearer: &str, line: &str, more: &Value) -> String {
    let mut body = json!({"public_key": line, "allow_shared": true});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    id(&site.asked(bearer, "POST", "/api/v1/ssh-keys", &body, 201))
}

/// `login username` of each key for a host.
fn logins(site: &Site, credential: &str, query: &str) -> Vec<String> {
    let path = format!("{KEYS}{query}");
    let answer = site.asked(credential, "GET", &path, &Value::Null, 200);
    let items = answer["items"].as_array().unwrap().clone();
    let word = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    items
        .iter()
        .map(|item| format!("{} {}", word(item, "login"), word(item, "username")))
        .collect()
}

fn encoded(fingerprint: &str) -> String {
    fingerprint.replace('+', "%2B").replace('/', "%2F")
}

#[test]
fn code_enrolls_its_number_of_hosts() {
    let site = Site::new();
    let created = code(&site, &json!({"uses": 2, "expires_in": "1h"}));
    assert_eq!(created["uses_left"], 2);
    assert_eq!(created["expires_at"], "2026-11-22T13:00:00Z");
    let secret = secret(&created);
    assert!(secret.starts_with("kce_"));
    let host = enroll(&site, &secret, "gpu1").expect(201);
    assert_eq!(host.header("Cache-Control"), Some("no-store"));
    let host = host.json();
    assert!(crate::fixture::secret(&host).starts_with("kch_"));
    let listed = site.asked(&site.alice, "GET", CODES, &Value::Null, 200);
    assert_eq!(listed["items"][0]["uses_left"], 1);
    assert!(listed["items"][0].get("secret").is_none());
    // A name that is taken or invalid does not spend the code.
    enroll(&site, &secret, "gpu1").expect(409);
    let answer = enroll(&site, &secret, "GPU 2").expect(422);
    assert_eq!(answer.fields(), ["name"]);
    enroll(&site, &secret, "gpu2").expect(201);
    enroll(&site, &secret, "gpu3").expect(401);
    let hosts = site.asked(&site.alice, "GET", "/api/v1/hosts", &Value::Null, 200);
    let names: Vec<&str> = hosts["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["gpu2", "gpu1"]);
    let actions: Vec<String> = site
        .events()
        .iter()
        .map(|event| event["action"].as_str().unwrap().to_owned())
        .filter(|action| action.starts_with("host."))
        .collect();
    assert_eq!(actions, ["host.enroll", "host.enroll", "host.enroll-code"]);
}

#[test]
fn invalid_code_enrolls_no_host() {
    let site = Site::new();
    let before = site.snapshot();
    let unknown = Secret::generate(SecretForm::Code);
    enroll(&site, &unknown.reveal(), "gpu1").expect(401);
    enroll(&site, &site.alice, "gpu1").expect(401);
    site.ask("POST", ENROLL)
        .json(&json!({"name": "gpu1"}))
        .send()
        .expect(401);
    assert_eq!(site.snapshot(), before);
    // A code for another act.
    let invited = json!({"username": "carol"});
    let invited = site.asked(&site.alice, "POST", "/api/v1/users", &invited, 201);
    let link = invited["invitation"].as_str().unwrap();
    let (_, invitation) = link.split_once("code=").unwrap();
    enroll(&site, invitation, "gpu1").expect(401);
    let deleted = code(&site, &json!({}));
    let path = format!("{CODES}/{}", id(&deleted));
    site.asked(&site.alice, "DELETE", &path, &Value::Null, 204);
    site.asked(&site.alice, "DELETE", &path, &Value::Null, 404);
    enroll(&site, &secret(&deleted), "gpu1").expect(401);
    let short = secret(&code(&site, &json!({"expires_in": "1m"})));
    site.pass(60);
    enroll(&site, &short, "gpu1").expect(401);
    // A code is not a credential anywhere else.
    let valid = secret(&code(&site, &json!({})));
    for path in ["/api/v1/me", "/api/v1/hosts", KEYS, "/verify"] {
        site.ask("GET", path).bearer(&valid).send().expect(401);
    }
}

#[test]
fn invalid_code_or_edit_names_its_field() {
    let site = Site::new();
    let (host, _) = host(&site, "gpu1");
    let host = format!("/api/v1/hosts/{host}");
    for (method, path, body, field) in [
        ("POST", CODES, json!({"uses": 0}), "uses"),
        ("POST", CODES, json!({"uses": 1001}), "uses"),
        ("POST", CODES, json!({"uses": "2"}), "uses"),
        ("POST", CODES, json!({"expires_in": "never"}), "expires_in"),
        ("POST", CODES, json!({"expires_in": "366d"}), "expires_in"),
        ("POST", CODES, json!({"groups": ["none"]}), "groups"),
        ("POST", CODES, json!({"groups": ["A B"]}), "groups"),
        ("POST", CODES, json!({"name": "x"}), "name"),
        ("PATCH", &host, json!({"name": ""}), "name"),
        ("PATCH", &host, json!({"groups": ["none"]}), "groups"),
        (
            "PATCH",
            &host,
            json!({"shared_logins": {"UBUNTU": ["x"]}}),
            "shared_logins",
        ),
        (
            "PATCH",
            &host,
            json!({"shared_logins": {"ubuntu": ["none"]}}),
            "shared_logins",
        ),
        (
            "PATCH",
            &host,
            json!({"cache_age_max": "2y"}),
            "cache_age_max",
        ),
        (
            "PATCH",
            &host,
            json!({"cache_age_max": "soon"}),
            "cache_age_max",
        ),
    ] {
        let asking = site.ask(method, path).bearer(&site.alice).json(&body);
        let answer = asking.send().expect(422);
        assert_eq!(answer.fields(), [field], "{body}");
    }
    for path in ["/api/v1/hosts/zzzzzzzzzzzz", "/api/v1/hosts/x"] {
        site.asked(&site.alice, "GET", path, &Value::Null, 404);
        site.asked(&site.alice, "DELETE", path, &Value::Null, 404);
        site.asked(&site.alice, "PATCH", path, &json!({}), 404);
    }
}

/// Bar S4. `KEYCROFT_TEST_RACES=1000` is the long form.
#[test]
fn simultaneous_enrollments_respect_the_codes_uses() {
    let site = Site::new();
    let rounds = std::env::var("KEYCROFT_TEST_RACES").map_or(10, |number| number.parse().unwrap());
    for round in 0..rounds {
        let uses = 1 + round % 3;
        let code = secret(&code(&site, &json!({"uses": uses})));
        let barrier = Barrier::new(8);
        let enrolled: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|number| {
                    let (site, barrier, code) = (&site, &barrier, &code);
                    let (app_state, settings) = (site.app_state.clone(), site.settings.clone());
                    scope.spawn(move || {
                        let server_state =
                            keycroft::http::ServerState::open(&app_state, &settings).unwrap();
                        barrier.wait();
                        let body = json!({"name": format!("gpu-{round}-{number}")});
                        let asking = Asking::new(&server_state, "POST", ENROLL).bearer(code);
                        let status = asking.json(&body).send().status;
                        assert!(matches!(status, 201 | 401), "{status}");
                        usize::from(status == 201)
                    })
                })
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(enrolled, uses);
    }
}

#[test]
fn host_gets_valid_keys_of_enabled_users() {
    let site = Site::new();
    let (_, credential) = host(&site, "gpu1");
    add_key(
        &site,
        &site.alice,
        ALICES,
        &json!({"expires_in": "1h", "allowed_addresses": ["10.0.0.0/8"]}),
    );
    add_key(&site, &site.bob, BOBS, &json!({}));
    let answer = site.asked(&credential, "GET", KEYS, &Value::Null, 200);
    assert_eq!(answer["cache_age_max"], 86_400);
    assert_eq!(
        answer["items"][0],
        json!({
            "login": "alice", "username": "alice", "shared": false, "type": "ssh-ed25519",
            "key": ALICES.split(' ').nth(1).unwrap(), "fingerprint": PRINT,
            "expires_at": "2026-11-22T13:00:00Z", "allowed_addresses": ["10.0.0.0/8"],
            "options": {"restrict": false, "no_touch_required": false, "verify_required": false, "command": null, "permitopen": []},
        })
    );
    assert_eq!(logins(&site, &credential, ""), ["alice alice", "bob bob"]);
    let one = format!("?username=alice&fingerprint={}", encoded(PRINT));
    assert_eq!(logins(&site, &credential, &one), ["alice alice"]);
    assert_eq!(
        logins(&site, &credential, "?username=alice"),
        ["alice alice"]
    );
    for query in [
        format!("?username=bob&fingerprint={}", encoded(PRINT)),
        "?username=nobody".to_owned(),
        "?username=root".to_owned(),
        "?username=".to_owned(),
        "?username=..%2F".to_owned(),
        "?username=alice%00".to_owned(),
        "?username=%24(id)".to_owned(),
        format!("?username={}", "a".repeat(300)),
        "?username=alice&fingerprint=SHA256:x".to_owned(),
        "?username=alice&fingerprint=MD5:00".to_owned(),
    ] {
        assert_eq!(logins(&site, &credential, &query), [""; 0], "{query}");
    }
    for query in ["?fingerprint=x", "?user=alice", "?username=a&username=b"] {
        site.asked(
            &credential,
            "GET",
            &format!("{KEYS}{query}"),
            &Value::Null,
            422,
        );
    }
    let alice = json!({"disabled": true});
    site.add_user("dora", keycroft::model::user::Role::Admin);
    let dora = site.token("dora");
    site.asked(&dora, "PATCH", "/api/v1/users/alice", &alice, 200);
    assert_eq!(logins(&site, &credential, ""), ["bob bob"]);
    site.asked(
        &dora,
        "PATCH",
        "/api/v1/users/alice",
        &json!({"disabled": false}),
        200,
    );
    assert_eq!(logins(&site, &credential, ""), ["alice alice", "bob bob"]);
    // It expires at the very second of its expiration, and stays expired when the clock is set back.
    site.pass(3_600);
    assert_eq!(logins(&site, &credential, ""), ["bob bob"]);
    site.pass(-3_600);
    assert_eq!(logins(&site, &credential, ""), ["bob bob"]);
    site.asked(&dora, "DELETE", "/api/v1/users/bob", &Value::Null, 204);
    assert_eq!(logins(&site, &credential, ""), [""; 0]);
}

#[test]
fn root_is_never_a_users_own_login() {
    let site = Site::new();
    let (host, credential) = host(&site, "gpu1");
    site.add_user("root", keycroft::model::user::Role::Member);
    add_key(&site, &site.token("root"), ALICES, &json!({}));
    assert_eq!(logins(&site, &credential, ""), [""; 0]);
    assert_eq!(logins(&site, &credential, "?username=root"), [""; 0]);
    add_key(&site, &site.bob, BOBS, &json!({}));
    group(&site, "ops", &["bob"]);
    let body = json!({"shared_logins": {"root": ["ops"]}});
    site.asked(
        &site.alice,
        "PATCH",
        &format!("/api/v1/hosts/{host}"),
        &body,
        200,
    );
    assert_eq!(logins(&site, &credential, "?username=root"), ["root bob"]);
}

fn group(site: &Site, name: &str, members: &[&str]) {
    site.asked(
        &site.alice,
        "POST",
        "/api/v1/groups",
        &json!({ "name": name }),
        201,
    );
    for member in members {
        let path = format!("/api/v1/groups/{name}/members/{member}");
        site.asked(&site.alice, "PUT", &path, &Value::Null, 204);
    }
}

#[test]
fn group_limits_hosts_and_allows_shared_logins() {
    let site = Site::new();
    let (id, credential) = host(&site, "gpu1");
    let (_, other) = host(&site, "gpu2");
    add_key(&site, &site.alice, ALICES, &json!({}));
    add_key(&site, &site.bob, BOBS, &json!({}));
    group(&site, "staff", &["alice"]);
    group(&site, "guests", &["bob"]);
    let path = format!("/api/v1/hosts/{id}");
    let edit = |body: Value, status: u16| site.asked(&site.alice, "PATCH", &path, &body, status);
    let saved = edit(
        json!({"groups": ["staff", "staff"], "shared_logins": {"ubuntu": ["guests", "staff"], "root": ["staff"]}, "cache_age_max": "0s", "name": "gpu9"}),
        200,
    );
    assert_eq!(saved["groups"], json!(["staff"]));
    assert_eq!(
        saved["shared_logins"],
        json!({"ubuntu": ["guests", "staff"], "root": ["staff"]})
    );
    assert_eq!(
        (&saved["cache_age_max"], &saved["name"]),
        (&json!("0s"), &json!("gpu9"))
    );
    assert_eq!(
        logins(&site, &credential, ""),
        ["alice alice", "root alice", "ubuntu alice", "ubuntu bob"]
    );
    assert_eq!(logins(&site, &credential, "?username=bob"), [""; 0]);
    assert_eq!(logins(&site, &credential, "?username=ubuntu").len(), 2);
    assert_eq!(logins(&site, &other, ""), ["alice alice", "bob bob"]);
    // A group that limits a host can't be deleted, or the host would be open to all.
    site.asked(
        &site.alice,
        "DELETE",
        "/api/v1/groups/staff",
        &Value::Null,
        409,
    );
    site.asked(
        &site.alice,
        "DELETE",
        "/api/v1/groups/guests",
        &Value::Null,
        204,
    );
    assert_eq!(
        logins(&site, &credential, "?username=ubuntu"),
        ["ubuntu alice"]
    );
    let path = "/api/v1/groups/staff/members/alice";
    site.asked(&site.alice, "DELETE", path, &Value::Null, 204);
    assert_eq!(logins(&site, &credential, ""), [""; 0]);
    // A user's own login can't be shared; a later user of that name does not get the shared one.
    edit(json!({"shared_logins": {"bob": ["staff"]}}), 409);
    site.add_user("ubuntu", keycroft::model::user::Role::Member);
    edit(json!({"groups": []}), 200);
    add_key(&site, &site.token("ubuntu"), ALICES, &json!({}));
    assert_eq!(logins(&site, &credential, "?username=ubuntu"), [""; 0]);
    edit(json!({"name": "gpu2"}), 409);
}

#[test]
fn code_for_a_deleted_group_enrolls_no_host() {
    let site = Site::new();
    group(&site, "staff", &["alice"]);
    let limited = secret(&code(&site, &json!({"groups": ["staff"], "uses": 2})));
    let credential = secret(&enroll(&site, &limited, "gpu1").expect(201).json());
    add_key(&site, &site.alice, ALICES, &json!({}));
    add_key(&site, &site.bob, BOBS, &json!({}));
    assert_eq!(logins(&site, &credential, ""), ["alice alice"]);
    let hosts = site.asked(&site.alice, "GET", "/api/v1/hosts", &Value::Null, 200);
    let path = format!(
        "/api/v1/hosts/{}",
        hosts["items"][0]["id"].as_str().unwrap()
    );
    site.asked(&site.alice, "DELETE", &path, &Value::Null, 204);
    site.asked(
        &site.alice,
        "DELETE",
        "/api/v1/groups/staff",
        &Value::Null,
        204,
    );
    enroll(&site, &limited, "gpu1").expect(409);
}

#[test]
fn invalid_code_is_rejected_before_the_request_is_read() {
    let site = Site::new();
    let valid = secret(&code(&site, &json!({})));
    let unknown = Secret::generate(SecretForm::Code).reveal();
    enroll(&site, &valid, "").expect(422);
    enroll(&site, &unknown, "").expect(401);
}

#[test]
fn repeated_key_request_is_answered_not_modified() {
    let site = Site::new();
    let (id, credential) = host(&site, "gpu1");
    let key = add_key(&site, &site.alice, ALICES, &json!({"expires_in": "1h"}));
    let get = |tag: &str| {
        let asking = site.ask("GET", KEYS).bearer(&credential);
        asking.header("If-None-Match", tag).send()
    };
    let tag = get("\"other\"")
        .expect(200)
        .header("ETag")
        .unwrap()
        .to_owned();
    let same = get(&tag).expect(304);
    assert_eq!(
        (same.body.len(), same.header("ETag")),
        (0, Some(tag.as_str()))
    );
    get(&format!("W/{tag}, \"x\"")).expect(304);
    // Other changes do not affect keys.
    site.api_key(&site.bob, &json!({"name": "ci"}));
    get(&tag).expect(304);
    let changed = |what: &str, tag: &str| {
        let answer = get(tag);
        assert_eq!(answer.status, 200, "{what}");
        answer.header("ETag").unwrap().to_owned()
    };
    let path = format!("/api/v1/hosts/{id}");
    site.asked(
        &site.alice,
        "PATCH",
        &path,
        &json!({"cache_age_max": "1h"}),
        200,
    );
    let tag = changed("another age", &tag);
    let path = format!("/api/v1/ssh-keys/{key}");
    site.asked(
        &site.alice,
        "PATCH",
        &path,
        &json!({"allowed_addresses": ["::1"]}),
        200,
    );
    let tag = changed("other addresses", &tag);
    add_key(&site, &site.bob, BOBS, &json!({}));
    let tag = changed("another key", &tag);
    site.pass(3_600);
    let tag = changed("the end of a key", &tag);
    get(&tag).expect(304);
    site.pass(-10);
    get(&tag).expect(304);
}

#[test]
fn expired_key_is_never_reported_as_unchanged() {
    let site = Site::new();
    let (_, credential) = host(&site, "gpu1");
    add_key(&site, &site.alice, ALICES, &json!({"expires_in": "1h"}));
    let get = |tag: &str| {
        let asking = site.ask("GET", KEYS).bearer(&credential);
        asking.header("If-None-Match", tag).send()
    };
    let output = get("\"other\"").expect(200);
    let tag = output.header("ETag").unwrap();
    site.pass(3_599);
    get(tag).expect(304);
    site.pass(3_600);
    let now = get(tag).expect(200).json();
    assert_eq!(now["items"], json!([]));
}

#[test]
fn reported_host_clock_is_stored() {
    let mut site = Site::new();
    let (host, credential) = host(&site, "gpu1");
    let path = format!("/api/v1/hosts/{host}");
    for (message, ahead) in [
        (Some("2026-11-22T12:00:00Z"), json!(0)),
        (Some("2026-11-22T12:01:30Z"), json!(90)),
        (Some("2026-11-22T11:00:00Z"), json!(-3600)),
        (Some("noon"), Value::Null),
        (Some("2026-11-22T12:00:05Z"), json!(5)),
        // Only the last contact counts.
        (None, Value::Null),
    ] {
        let asking = site.ask("GET", KEYS);
        let mut asking = asking.bearer(&credential);
        if let Some(message) = message {
            asking = asking.header("Keycroft-Time", message);
        }
        asking.send().expect(200);
        site.reopen();
        let known = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
        assert_eq!(known["clock_ahead_seconds"], ahead, "{message:?}");
    }
}

#[test]
fn lookup_and_reported_login_are_distinguished() {
    let mut site = Site::new();
    let (host, credential) = host(&site, "gpu1");
    let key = add_key(&site, &site.alice, ALICES, &json!({}));
    let asking = site.ask("GET", &format!("{KEYS}?username=alice"));
    let asking = asking
        .bearer(&credential)
        .header("User-Agent", "keycroft-host/1");
    asking.send().expect(200);
    site.reopen();
    let path = format!("/api/v1/ssh-keys/{key}");
    let seen = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    assert_eq!(seen["last_looked_up_at"], "2026-11-22T12:00:00Z");
    assert_eq!(seen["last_used_at"], Value::Null);
    let path = format!("/api/v1/hosts/{host}");
    let known = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    assert_eq!(known["last_contact_at"], "2026-11-22T12:00:00Z");
    assert_eq!(known["last_contact_from"], "127.0.0.1");
    assert_eq!(known["version"], "keycroft-host/1");
    assert_eq!(known["cached_at"], Value::Null);
    assert_eq!(known["clock_ahead_seconds"], Value::Null);
    site.pass(60);
    logins(&site, &credential, "");
    site.reopen();
    let known = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    assert_eq!(known["cached_at"], "2026-11-22T12:01:00Z");

    let login = |login: &str, print: &str, at: &str| json!({"login": login, "fingerprint": print, "address": "10.0.0.7", "at": at});
    let report = json!([
        login("alice", PRINT, "2026-11-22T12:00:30Z"),
        login("bob", PRINT, "2026-11-22T12:00:40Z"),
        login("alice", PRINT, "2027-01-01T00:00:00Z"),
    ]);
    site.asked(&credential, "POST", LOGINS, &report, 204);
    let path = format!("/api/v1/ssh-keys/{key}");
    let seen = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    // A report from the future counts as now at the latest.
    assert_eq!(seen["last_used_at"], "2026-11-22T12:01:00Z");
    assert_eq!(seen["last_used_host"], "gpu1");
    let own = "/api/v1/events?action=host.login";
    let own = site.asked(&site.alice, "GET", own, &Value::Null, 200);
    assert_eq!(own["items"].as_array().unwrap().len(), 2);
    let all = "/api/v1/events?action=host.login&all=true";
    let all = site.asked(&site.alice, "GET", all, &Value::Null, 200);
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    site.asked(&credential, "POST", LOGINS, &json!([]), 204);
    for (body, field) in [
        (
            json!([login("alice", "x", "2026-11-22T12:00:30Z")]),
            "[0].fingerprint",
        ),
        (json!([login("alice", PRINT, "yesterday")]), "[0].at"),
        (
            json!([login("alice", PRINT, "2026-11-22T12:00:30Z"), {"login": "x"}]),
            "fingerprint",
        ),
        (json!({}), ""),
    ] {
        let asking = site.ask("POST", LOGINS).bearer(&credential).json(&body);
        assert_eq!(asking.send().expect(422).fields(), [field], "{body}");
    }
    let many = Value::Array(vec![login("alice", PRINT, "2026-11-22T12:00:30Z"); 201]);
    site.asked(&credential, "POST", LOGINS, &many, 422);
    assert_eq!(
        Time::parse("2026-11-22T12:01:00Z").unwrap(),
        site.clock.now()
    );
}

#[test]
fn reported_login_counts_for_its_key_alone() {
    let site = Site::new();
    let (_, credential) = host(&site, "gpu1");
    let used = add_key(&site, &site.alice, ALICES, &json!({"name": "used"}));
    let other = add_key(&site, &site.alice, BOBS, &json!({"name": "other"}));
    let report = json!([{"login": "alice", "fingerprint": PRINT, "address": "10.0.0.7", "at": "2026-11-22T12:00:00Z"}]);
    site.asked(&credential, "POST", LOGINS, &report, 204);
    for (key, at) in [
        (&used, json!("2026-11-22T12:00:00Z")),
        (&other, Value::Null),
    ] {
        let path = format!("/api/v1/ssh-keys/{key}");
        let shown = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
        assert_eq!(shown["last_used_at"], at, "{}", shown["name"]);
    }
    let path = "/api/v1/events?action=host.login";
    let events = site.asked(&site.alice, "GET", path, &Value::Null, 200);
    let event = &events["items"][0];
    assert_eq!(event["target"]["id"], json!(used), "{event}");
    assert_eq!(event["after"]["fingerprint"], PRINT, "{event}");
}

/// The SSH keys that filters of unused ones list: in the inventory of the API and of the console, with its download.
fn unused_ssh_keys(site: &Site, word: &str) -> Vec<String> {
    let path = format!("/api/v1/credentials?show={word}");
    let list = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    let items = list["items"].as_array().unwrap().iter();
    let keys = items.filter(|item| item["kind"] == "ssh-key");
    let mut names: Vec<String> = keys
        .map(|key| key["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    let used = word.trim_end_matches("-used");
    let session = site.sign_in("alice");
    let path = format!("/admin/inventory?kind=ssh-key&use={used}&sort=name");
    for format in ["", "&format=csv"] {
        let asking = site.ask("GET", &format!("{path}{format}"));
        let page = asking
            .header("Cookie", &format!("keycroft-session={session}"))
            .send()
            .expect(200)
            .text();
        for name in ["of alice", "of bob"] {
            let row = if format.is_empty() {
                format!(">{name}</a>")
            } else {
                format!(",{name},")
            };
            let is_listed = page.contains(&row);
            assert_eq!(
                is_listed,
                names.contains(&name.to_owned()),
                "{word} {format} {name}: {page}"
            );
        }
    }
    names
}

#[test]
fn ssh_key_is_unused_only_where_its_use_is_recorded() {
    let mut site = Site::new();
    site.set_password("alice");
    let day = 86_400;
    add_key(&site, &site.alice, ALICES, &json!({"name": "of alice"}));
    add_key(&site, &site.bob, BOBS, &json!({"name": "of bob"}));
    let renew = |site: &mut Site| site.alice = site.token("alice");
    site.pass(91 * day);
    renew(&mut site);
    // A workstation alone: it reads the database and records nothing.
    assert_eq!(unused_ssh_keys(&site, "never-used"), [""; 0]);
    assert_eq!(unused_ssh_keys(&site, "unused"), [""; 0]);
    // A host for staff: it would record the use of alice's key; bob's may be in use on the workstation.
    group(&site, "staff", &["alice"]);
    let (staffs, credential) = host(&site, "gpu1");
    let only = |site: &Site, body: Value| edit_host(site, &staffs, &body);
    only(&site, json!({"groups": ["staff"]}));
    assert_eq!(unused_ssh_keys(&site, "never-used"), ["of alice"]);
    // Nobody knows of the 90 days before the host.
    assert_eq!(unused_ssh_keys(&site, "unused"), [""; 0]);
    site.pass(91 * day);
    renew(&mut site);
    assert_eq!(unused_ssh_keys(&site, "unused"), ["of alice"]);
    // A shared login is a use too; a paused host records none; a login that is shared is not one's own.
    for (body, expected) in [
        (json!({"paused": true}), &[][..]),
        (
            json!({"paused": false, "groups": []}),
            &["of alice", "of bob"],
        ),
        (
            json!({"groups": ["staff"], "shared_logins": {"ubuntu": ["staff"]}}),
            &["of alice"],
        ),
    ] {
        only(&site, body.clone());
        assert_eq!(unused_ssh_keys(&site, "never-used"), expected, "{body}");
        assert_eq!(unused_ssh_keys(&site, "unused"), expected, "{body}");
    }
    group(&site, "guests", &["bob"]);
    only(&site, json!({"shared_logins": {"ubuntu": ["guests"]}}));
    assert_eq!(unused_ssh_keys(&site, "never-used"), ["of alice", "of bob"]);
    // A host for everybody: a recorded use counts, in all of them.
    only(&site, json!({"groups": [], "shared_logins": {}}));
    let login = json!([{"login": "alice", "fingerprint": PRINT, "address": "10.0.0.7", "at": "2027-05-23T12:00:00Z"}]);
    site.asked(&credential, "POST", LOGINS, &login, 204);
    assert_eq!(unused_ssh_keys(&site, "never-used"), ["of bob"]);
    assert_eq!(unused_ssh_keys(&site, "unused"), ["of bob"]);
    // Without the host, nothing says that a key is unused, and what was recorded is still shown.
    let path = format!("/api/v1/hosts/{staffs}");
    site.asked(&site.alice, "DELETE", &path, &Value::Null, 204);
    site.pass(91 * day);
    renew(&mut site);
    assert_eq!(unused_ssh_keys(&site, "never-used"), [""; 0]);
    assert_eq!(unused_ssh_keys(&site, "unused"), [""; 0]);
    let session = site.sign_in("alice");
    let asking = site.ask("GET", "/admin/inventory?kind=ssh-key");
    let page = asking
        .header("Cookie", &format!("keycroft-session={session}"))
        .send()
        .expect(200)
        .text();
    assert!(
        page.contains("gpu1") && page.contains("Not recorded"),
        "{page}"
    );
    // A workstation records no use: the list never claims that a key was not used.
    assert!(
        page.contains(">No recorded use</option>") && !page.contains("Never used"),
        "{page}"
    );
}

#[test]
fn host_credential_works_only_at_host_endpoints() {
    let site = Site::new();
    let (host, credential) = host(&site, "gpu1");
    for (method, path) in [
        ("GET", "/verify"),
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/hosts"),
        ("GET", "/api/v1/ssh-keys"),
        ("GET", "/api/v1/users"),
        ("POST", CODES),
        ("POST", ENROLL),
        ("POST", "/oauth/introspect"),
    ] {
        let answer = site.ask(method, path).bearer(&credential).send();
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    let introspect = site.ask("POST", "/oauth/introspect").bearer(&site.alice);
    let answer = introspect
        .form(&[("token", &credential)])
        .send()
        .expect(200);
    assert_eq!(answer.text(), "{\"active\":false}");
    let others = [
        site.alice.clone(),
        unknown_secret(keycroft::model::credential::Kind::Host),
        secret(&code(&site, &json!({}))),
    ];
    for other in &others {
        site.ask("GET", KEYS).bearer(other).send().expect(401);
        let asking = site.ask("POST", LOGINS).bearer(other).json(&json!([]));
        asking.send().expect(401);
    }
    site.ask("GET", KEYS).send().expect(401);
    logins(&site, &credential, "");
    let path = format!("/api/v1/hosts/{host}");
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 403);
    site.asked(&site.alice, "DELETE", &path, &Value::Null, 204);
    site.ask("GET", KEYS).bearer(&credential).send().expect(401);
    site.asked(&site.alice, "DELETE", &path, &Value::Null, 404);
    let revoked = self::host(&site, "gpu1").1;
    site.ask("POST", "/oauth/revoke")
        .form(&[("token", &revoked)])
        .send()
        .expect(200);
    site.ask("GET", KEYS).bearer(&revoked).send().expect(401);
}

fn edit_host(site: &Site, id: &str, body: &Value) -> Value {
    let path = format!("/api/v1/hosts/{id}");
    site.asked(&site.alice, "PATCH", &path, body, 200)
}

#[test]
fn paused_host_rejects_logins_and_stays_enrolled() {
    let site = Site::new();
    let (id, credential) = host(&site, "gpu1");
    add_key(&site, &site.alice, ALICES, &json!({}));
    group(&site, "staff", &["alice"]);
    let body = json!({"shared_logins": {"ubuntu": ["staff"]}});
    assert_eq!(edit_host(&site, &id, &body)["paused"], false);
    let get = |tag: &str| {
        let asking = site.ask("GET", KEYS).bearer(&credential);
        asking.header("If-None-Match", tag).send()
    };
    let answer = get("x").expect(200);
    let tag = answer.header("ETag").unwrap().to_owned();
    assert_eq!(
        edit_host(&site, &id, &json!({"paused": true}))["paused"],
        true
    );
    // The next sync empties the cache.
    assert_eq!(get(&tag).expect(200).json()["items"], json!([]));
    for query in ["?username=alice", "?username=ubuntu"] {
        assert_eq!(logins(&site, &credential, query), [""; 0], "{query}");
    }
    let places = site.asked(
        &site.alice,
        "GET",
        "/api/v1/ssh-keys/logins",
        &Value::Null,
        200,
    );
    assert_eq!(places["items"], json!([]));
    // A login from before is still recorded as a use of the key.
    let login = json!([{"login": "alice", "fingerprint": PRINT, "address": "10.0.0.7", "at": "2026-11-22T11:59:00Z"}]);
    site.asked(&credential, "POST", LOGINS, &login, 204);
    let keys = site.asked(&site.alice, "GET", "/api/v1/ssh-keys", &Value::Null, 200);
    assert_eq!(keys["items"][0]["last_used_host"], "gpu1");
    assert_eq!(
        edit_host(&site, &id, &json!({"paused": false}))["paused"],
        false
    );
    assert_eq!(
        logins(&site, &credential, ""),
        ["alice alice", "ubuntu alice"]
    );
}

#[test]
fn shared_login_is_marked_in_key_lists() {
    let site = Site::new();
    let (id, credential) = host(&site, "gpu1");
    add_key(&site, &site.alice, ALICES, &json!({}));
    group(&site, "staff", &["alice"]);
    edit_host(&site, &id, &json!({"shared_logins": {"root": ["staff"]}}));
    let answer = site.asked(&credential, "GET", KEYS, &Value::Null, 200);
    let shared: Vec<(&str, bool)> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["login"].as_str().unwrap(),
                item["shared"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(shared, [("alice", false), ("root", true)]);
}

#[test]
fn host_credential_is_valid_only_from_its_addresses() {
    let site = Site::new();
    let (id, credential) = host(&site, "gpu1");
    add_key(&site, &site.alice, ALICES, &json!({}));
    let body = json!({"allowed_addresses": ["10.1.0.0/16", "fd00::/8"]});
    let saved = edit_host(&site, &id, &body);
    assert_eq!(
        saved["allowed_addresses"],
        json!(["10.1.0.0/16", "fd00::/8"])
    );
    let from = |peer: &str| {
        site.ask("GET", KEYS)
            .bearer(&credential)
            .from(peer)
            .send()
            .status
    };
    assert_eq!(from("10.1.2.3"), 200);
    assert_eq!(from("fd00::1"), 200);
    for peer in ["10.2.0.1", "127.0.0.1", "2001:db8::1"] {
        assert_eq!(from(peer), 401, "{peer}");
        for path in [LOGINS, ROTATE] {
            let body = if path == LOGINS { json!([]) } else { json!({}) };
            let asking = site.ask("POST", path).bearer(&credential).from(peer);
            asking.json(&body).send().expect(401);
        }
    }
    let path = format!("/api/v1/hosts/{id}");
    for bad in [
        json!(["10.0.0.1/8"]),
        json!(["nowhere"]),
        json!("10.0.0.0/8"),
    ] {
        let asking = site.ask("PATCH", &path).bearer(&site.alice);
        let body = json!({"allowed_addresses": bad});
        assert_eq!(
            asking.json(&body).send().expect(422).fields(),
            ["allowed_addresses"]
        );
    }
    let cleared = edit_host(&site, &id, &json!({"allowed_addresses": null}));
    assert_eq!(cleared["allowed_addresses"], json!([]));
    assert_eq!(from("10.2.0.1"), 200);
}

const ROTATE: &str = "/api/v1/hosts/self/rotate";

fn rotate(site: &Site, credential: &str) -> String {
    secret(&site.asked(credential, "POST", ROTATE, &json!({}), 200))
}

#[test]
fn rotated_host_credential_replaces_the_old_one_once_it_is_used() {
    let site = Site::new();
    let (id, old) = host(&site, "gpu1");
    let new = rotate(&site, &old);
    assert_ne!(new, old);
    assert!(new.starts_with(&format!("kch_{id}_")), "the id stays");
    // Nothing is lost if the host could not store it: the old secret works, and rotates again.
    let answer = site.asked(&old, "GET", KEYS, &Value::Null, 200);
    assert_eq!(answer["rotate_credential"], true);
    let newer = rotate(&site, &old);
    site.ask("GET", KEYS).bearer(&new).send().expect(401);
    logins(&site, &old, "");
    // A lookup with the new secret revokes nothing: other processes of the host may still use the old one.
    logins(&site, &newer, "?username=alice");
    logins(&site, &old, "?username=alice");
    logins(&site, &newer, "");
    site.ask("GET", KEYS).bearer(&old).send().expect(401);
    site.ask("POST", ROTATE)
        .bearer(&old)
        .json(&json!({}))
        .send()
        .expect(401);
    logins(&site, &newer, "");
    let rotations = site
        .events()
        .iter()
        .filter(|event| event["action"] == "host.rotate")
        .count();
    assert_eq!(rotations, 3);
}

#[test]
fn old_host_credential_expires_a_day_after_a_rotation() {
    let site = Site::new();
    let (_, old) = host(&site, "gpu1");
    rotate(&site, &old);
    site.pass(86_399);
    logins(&site, &old, "");
    // A rotation with the old secret does not prolong it.
    let new = rotate(&site, &old);
    site.pass(1);
    site.ask("GET", KEYS).bearer(&old).send().expect(401);
    logins(&site, &new, "");
}

#[test]
fn requested_rotation_is_sent_until_it_happens() {
    let site = Site::new();
    let (id, old) = host(&site, "gpu1");
    let get = |credential: &str, tag: &str| {
        let asking = site.ask("GET", KEYS).bearer(credential);
        asking.header("If-None-Match", tag).send()
    };
    let answer = get(&old, "x").expect(200);
    assert_eq!(answer.json()["rotate_credential"], false);
    let saved = edit_host(&site, &id, &json!({"rotation_requested": true}));
    assert_eq!(saved["rotation_requested"], true);
    for _ in 0..2 {
        let answer = get(&old, answer.header("ETag").unwrap()).expect(200);
        assert_eq!(answer.json()["rotate_credential"], true);
        // A request for one login has no time for a rotation.
        let one = format!("{KEYS}?username=alice");
        let one = site.asked(&old, "GET", &one, &Value::Null, 200);
        assert_eq!(one["rotate_credential"], false);
        get(&old, answer.header("ETag").unwrap()).expect(200);
    }
    let new = rotate(&site, &old);
    assert_eq!(
        get(&new, "x").expect(200).json()["rotate_credential"],
        false
    );
    let path = format!("/api/v1/hosts/{id}");
    let shown = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    assert_eq!(shown["rotation_requested"], false);
    assert_eq!(shown["credential_rotated_at"], "2026-11-22T12:00:00Z");
}

/// Bar S4. Two processes of one host rotate at once: the host goes on with one of their secrets.
#[test]
fn simultaneous_rotations_leave_a_valid_credential() {
    let site = Site::new();
    let (_, old) = host(&site, "gpu1");
    let barrier = Barrier::new(2);
    let secrets: Vec<Option<String>> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..2)
            .map(|_| {
                let (site, barrier, old) = (&site, &barrier, &old);
                let state = site.open_state();
                scope.spawn(move || {
                    barrier.wait();
                    let asking = Asking::new(&state, "POST", ROTATE).bearer(old);
                    let answer = asking.json(&json!({})).send();
                    (answer.status == 200).then(|| secret(&answer.json()))
                })
            })
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let works = |secret: &&String| {
        let answer = site
            .ask("GET", &format!("{KEYS}?username=alice"))
            .bearer(secret)
            .send();
        answer.status == 200
    };
    assert!(secrets.iter().flatten().filter(works).count() >= 1);
}
