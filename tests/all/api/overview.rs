//! Data of the console's pages in the API: inventory, policy preview, diagnostics, events of one target, logins, use of
//! services.

use keycroft::model::user::Role;
use serde_json::{Value, json};

use super::declared::KEYS;
use crate::fixture::{Site, id, secret};

fn get(site: &Site, path: &str) -> Value {
    let answer = site.ask("GET", path).bearer(&site.alice).send();
    answer.expect(200).json()
}

fn post(site: &Site, bearer: &str, path: &str, body: &Value) -> Value {
    let answer = site.ask("POST", path).bearer(bearer).json(body).send();
    assert!(
        matches!(answer.status, 200 | 201),
        "{path}: {}",
        answer.text()
    );
    answer.json()
}

fn verify(site: &Site, secret: &str) {
    let asked = site.ask("GET", "/verify").bearer(secret);
    asked.send().expect(204);
}

/// The names of a list, in its order.
fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().unwrap()).collect()
}

#[test]
fn inventory_filters_list_the_matching_items() {
    let mut site = Site::new();
    let used = key_of(&site, "used once", "never");
    verify(&site, &secret(&used));
    site.pass(91 * 86_400);
    site.alice = site.token("alice");
    site.bob = site.token("bob");
    let fresh = key_of(&site, "fresh", "never");
    verify(&site, &secret(&fresh));
    key_of(&site, "unused and new", "30d");
    key_of(&site, "ends", "13d");
    post(
        &site,
        &site.bob,
        "/api/v1/ssh-keys",
        &json!({"public_key": KEYS[0], "name": "shared"}),
    );
    post(
        &site,
        &site.alice,
        "/api/v1/ssh-keys",
        &json!({"public_key": KEYS[0], "name": "mine too", "expires_in": "5d", "allow_shared": true}),
    );
    post(
        &site,
        &site.alice,
        "/api/v1/ssh-keys",
        &json!({"public_key": KEYS[1], "name": "sound"}),
    );
    let all = get(&site, "/api/v1/credentials");
    let listed = names(&all);
    for name in [
        "used once",
        "fresh",
        "unused and new",
        "ends",
        "shared",
        "sound",
    ] {
        assert!(listed.contains(&name), "{name}: {listed:?}");
    }
    let show = |word: &str| get(&site, &format!("/api/v1/credentials?show={word}"));
    let only = |word: &str, wanted: &[&str], unwanted: &[&str]| {
        let list = show(word);
        let listed = names(&list);
        for name in wanted {
            assert!(listed.contains(name), "{word} lacks {name}: {listed:?}");
        }
        for name in unwanted {
            assert!(!listed.contains(name), "{word} has {name}: {listed:?}");
        }
    };
    only(
        "unused",
        &["used once"],
        &["fresh", "unused and new", "shared"],
    );
    only(
        "never-used",
        &["unused and new", "ends"],
        &["used once", "fresh", "sound"],
    );
    // Only hosts report uses of SSH keys: without a host, no key counts as unused.
    let code = post(
        &site,
        &site.alice,
        "/api/v1/hosts/enrollment-codes",
        &json!({}),
    );
    post(
        &site,
        &secret(&code),
        "/api/v1/hosts/enroll",
        &json!({"name": "gpu1"}),
    );
    only("never-used", &["unused and new", "ends", "sound"], &[]);
    only(
        "no-expiry",
        &["used once", "fresh", "shared", "sound"],
        &["ends", "mine too"],
    );
    only(
        "expires-soon",
        &["ends", "mine too"],
        &["unused and new", "sound"],
    );
    let weak = show("weak-ssh-key");
    assert_eq!(names(&weak), ["mine too", "shared"]);
    assert_eq!(weak["items"][0]["weakness"], "shared");
    // A stricter policy makes existing keys weak.
    let strict = json!({"ssh_key_types": ["ssh-rsa"]});
    let patch = site.ask("PATCH", "/api/v1/policy").bearer(&site.alice);
    patch.json(&strict).send().expect(200);
    let weak = show("weak-ssh-key");
    assert_eq!(names(&weak).len(), 3);
    assert_eq!(weak["items"][0]["weakness"], "against-policy");
    // An item names its owner and permissions.
    let item = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["name"] == "fresh")
        .unwrap();
    assert_eq!(
        (&item["kind"], &item["owner_kind"], &item["owner"]),
        (&json!("api-key"), &json!("user"), &json!("bob"))
    );
    assert_eq!(item["permissions"], json!(["account:read"]));
    assert_eq!(
        (&item["state"], &item["type"], &item["bits"]),
        (&json!("active"), &Value::Null, &Value::Null)
    );
}

fn key_of(site: &Site, name: &str, end: &str) -> Value {
    let body = json!({"name": name, "expires_in": end, "permissions": ["account:read"]});
    site.api_key(&site.bob, &body)
}

#[test]
fn inventory_pages_are_complete_without_duplicates() {
    let site = Site::new();
    for number in 0..7 {
        key_of(&site, &format!("key {number}"), "30d");
        if number % 2 == 0 {
            site.pass(1);
        }
    }
    for (number, key) in KEYS.iter().enumerate() {
        let body =
            json!({"public_key": key, "name": format!("ssh {number}"), "allow_shared": true});
        post(&site, &site.bob, "/api/v1/ssh-keys", &body);
    }
    let complete = get(&site, "/api/v1/credentials?limit=200");
    assert_eq!(complete["next"], Value::Null);
    let mut parts = Vec::new();
    let mut path = "/api/v1/credentials?limit=3".to_owned();
    loop {
        let part = get(&site, &path);
        parts.extend(part["items"].as_array().unwrap().clone());
        let Some(next) = part["next"].as_str() else {
            break;
        };
        assert_eq!(part["items"].as_array().unwrap().len(), 3);
        path = format!("/api/v1/credentials?limit=3&after={next}");
    }
    assert_eq!(&Value::from(parts), &complete["items"]);
    let times: Vec<&str> = complete["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["created_at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|one, other| one >= other), "{times:?}");
    for bad in [
        "show=old",
        "show=",
        "after=7",
        "after=x-1-1",
        "limit=0",
        "kind=token",
    ] {
        let answer = site
            .ask("GET", &format!("/api/v1/credentials?{bad}"))
            .bearer(&site.alice)
            .send();
        assert_eq!(answer.status, 422, "{bad}");
        assert_eq!(answer.fields(), [bad.split('=').next().unwrap()]);
    }
}

#[test]
fn policy_preview_lists_exceeding_and_changes_nothing() {
    let site = Site::new();
    let endless = key_of(&site, "endless", "never");
    key_of(&site, "a year", "365d");
    key_of(&site, "a month", "30d");
    post(
        &site,
        &site.bob,
        "/api/v1/ssh-keys",
        &json!({"public_key": KEYS[0], "name": "endless ssh"}),
    );
    let preview = |body: Value| post(&site, &site.alice, "/api/v1/policy/preview", &body);
    let exceeding = |preview: &Value| -> Vec<String> {
        let list = preview["exceeding"].as_array().unwrap().iter();
        list.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = site.snapshot();
    let events = site.dump(|table| table == "events");
    let nothing = preview(json!({}));
    assert_eq!(
        (exceeding(&nothing).len(), &nothing["exceeding_total"]),
        (0, &json!(0))
    );
    let policy = get(&site, "/api/v1/policy");
    assert_eq!(nothing["policy"], policy);
    let shorter =
        preview(json!({"api_key_lifetime_max": "60d", "api_key_lifetimes": ["30d", "60d"]}));
    assert_eq!(exceeding(&shorter), ["a year", "endless"]);
    assert_eq!(shorter["policy"]["api_key_lifetime_max"], "60d");
    assert_eq!(
        shorter["exceeding"][1],
        json!({"kind": "api-key", "id": id(&endless), "name": "endless", "owner": "bob", "expires_at": null, "why": "Policy limits API keys to 60d."})
    );
    let sessions = preview(json!({"token_lifetime_max": "1h", "token_lifetime_default": "1h"}));
    // The tokens of alice and bob, created by the operator for a day.
    assert_eq!(sessions["exceeding_total"], 2);
    let ssh = preview(json!({"ssh_key_lifetime_max": "30d"}));
    assert_eq!(exceeding(&ssh), ["endless ssh"]);
    assert_eq!(ssh["exceeding"][0]["kind"], "ssh-key");
    let types = preview(json!({"ssh_key_types": ["ssh-rsa"]}));
    assert_eq!(types["exceeding"][0]["why"], "ssh-ed25519 is not allowed.");
    let wrong = site
        .ask("POST", "/api/v1/policy/preview")
        .bearer(&site.alice);
    let wrong = wrong.json(&json!({"session_lifetime": "8d"})).send();
    assert_eq!(
        (wrong.status, wrong.fields()),
        (422, vec!["session_lifetime".to_owned()])
    );
    assert_eq!(site.snapshot(), before);
    assert_eq!(site.dump(|table| table == "events"), events);
    assert_eq!(get(&site, "/api/v1/policy"), policy);
}

#[test]
fn diagnostics_describe_the_installation() {
    let site = Site::new();
    let found = get(&site, "/api/v1/diagnostics");
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(found["now"], "2026-11-22T12:00:00Z");
    assert_eq!(found["path"], site.path().display().to_string());
    assert_eq!(
        (&found["writing"], &found["users"], &found["encrypted"]),
        (&json!(true), &json!(2), &json!(false))
    );
    assert!(found["bytes"].as_u64().unwrap() > 0);
    assert_eq!(
        (&found["address"], &found["peer"]),
        (&json!("127.0.0.1"), &json!("127.0.0.1"))
    );
    let about: Vec<&str> = found["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["about"].as_str().unwrap())
        .collect();
    assert_eq!(about, ["last_backup_at"]);
    assert_eq!(found["trusted_proxies"], json!([]));
    // Behind an untrusted proxy.
    let forwarded = site
        .ask("GET", "/api/v1/diagnostics")
        .bearer(&site.alice)
        .header("X-Forwarded-For", "192.0.2.7");
    let found = forwarded.send().expect(200).json();
    assert_eq!(found["address"], "127.0.0.1");
    let advice = found["advice"].as_array().unwrap().iter();
    let advice: Vec<&Value> = advice.filter(|one| one["about"] == "peer").collect();
    assert!(
        advice[0]["message"]
            .as_str()
            .unwrap()
            .contains("--behind-proxy 127.0.0.1"),
        "{advice:?}"
    );
    // Behind a proxy without X-Forwarded-For, in a network with more than proxies.
    let site = Site::behind(&["10.0.0.0/8"]);
    let asked = site
        .ask("GET", "/api/v1/diagnostics")
        .bearer(&site.alice)
        .from("10.0.0.9");
    let found = asked.send().expect(200).json();
    assert_eq!(
        (&found["address"], &found["peer"]),
        (&Value::Null, &json!("10.0.0.9"))
    );
    assert!(
        found["advice"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["about"] == "address")
    );
    assert_eq!(found["trusted_proxies"], json!(["10.0.0.0/8"]));
    let wide = found["advice"].as_array().unwrap().iter();
    let wide = wide.filter(|one| one["about"] == "trusted_proxies");
    assert_eq!(wide.count(), 1);
}

#[test]
fn events_of_a_target_are_found_by_id_or_name() {
    let site = Site::new();
    let key = key_of(&site, "ci", "30d");
    let other = key_of(&site, "other", "30d");
    let path = format!("/api/v1/api-keys/{}", id(&key));
    let patch = |body: Value| {
        site.ask("PATCH", &path)
            .bearer(&site.bob)
            .json(&body)
            .send()
            .expect(200);
    };
    patch(json!({"note": "n"}));
    site.ask(
        "DELETE",
        &format!("/api/v1/users/bob/api-keys/{}", id(&key)),
    )
    .bearer(&site.alice)
    .send()
    .expect(204);
    let actions = |bearer: &str, query: &str| -> Vec<String> {
        let answer = site
            .ask("GET", &format!("/api/v1/events?{query}"))
            .bearer(bearer)
            .send()
            .expect(200);
        let items = answer.json()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|event| event["action"].as_str().unwrap().to_owned())
            .collect()
    };
    let on_key = format!("target={}", id(&key));
    let all = ["api-key.delete", "api-key.edit", "api-key.create"];
    // Bob sees acts on his key, those of alice included.
    assert_eq!(actions(&site.bob, &on_key), all);
    assert_eq!(actions(&site.alice, &format!("{on_key}&all=true")), all);
    assert_eq!(actions(&site.alice, &format!("{on_key}&user=bob")), all);
    // alice's own events have only her acts.
    assert_eq!(actions(&site.alice, &on_key), ["api-key.delete"]);
    assert_eq!(
        actions(&site.bob, &format!("{on_key}&action=api-key.edit")),
        ["api-key.edit"]
    );
    assert_eq!(
        actions(&site.bob, &format!("target={}", id(&other))),
        ["api-key.create"]
    );
    assert!(actions(&site.bob, "target=000000000000").is_empty());
    post(
        &site,
        &site.alice,
        "/api/v1/groups",
        &json!({"name": "gpu"}),
    );
    assert_eq!(actions(&site.alice, "target=gpu&all=true"), ["group.add"]);
    // Page by page.
    let path = format!("/api/v1/events?{on_key}&limit=2");
    let first = site
        .ask("GET", &path)
        .bearer(&site.bob)
        .send()
        .expect(200)
        .json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let rest = actions(
        &site.bob,
        &format!("{on_key}&after={}", first["next"].as_str().unwrap()),
    );
    assert_eq!(rest, ["api-key.create"]);
}

#[test]
fn service_shows_its_use_and_carriers() {
    let site = Site::new();
    post(
        &site,
        &site.alice,
        "/api/v1/services",
        &json!({"name": "slurm", "permissions": ["slurm:submit"]}),
    );
    let created = post(
        &site,
        &site.alice,
        "/api/v1/services/slurm/api-keys",
        &json!({"name": "gate"}),
    );
    let before = get(&site, "/api/v1/services/slurm");
    assert_eq!(
        (
            &before["api_keys"],
            &before["last_used_at"],
            &before["carriers"]
        ),
        (&json!(1), &Value::Null, &json!(0))
    );
    verify(&site, &secret(&created));
    let patch = site.ask("PATCH", "/api/v1/users/bob").bearer(&site.alice);
    patch
        .json(&json!({"permissions": ["slurm:submit"]}))
        .send()
        .expect(200);
    site.api_key(
        &site.token("bob"),
        &json!({"name": "jobs", "permissions": ["slurm:submit"]}),
    );
    // The key, and the token that made it.
    let after = get(&site, "/api/v1/services/slurm");
    assert_eq!(
        (&after["last_used_at"], &after["carriers"]),
        (&json!("2026-11-22T12:00:00Z"), &json!(2))
    );
    // A list leaves out the details.
    let listed = get(&site, "/api/v1/services");
    assert_eq!(listed["items"][0].as_object().unwrap().len(), 3);
    site.ask("GET", "/api/v1/services/nobody")
        .bearer(&site.alice)
        .send()
        .expect(404);
}

#[test]
fn session_shows_its_last_client_address() {
    let site = Site::new();
    site.set_password("alice");
    let session = site.sign_in("alice");
    let listed = get(&site, "/api/v1/sessions");
    assert_eq!(listed["items"][0]["last_active_from"], Value::Null);
    let cookie = format!("keycroft-session={session}");
    site.ask("GET", "/account")
        .header("Cookie", &cookie)
        .from("10.0.0.7")
        .send()
        .expect(200);
    let listed = get(&site, "/api/v1/sessions");
    assert_eq!(listed["items"][0]["last_active_from"], "10.0.0.7");
    assert_eq!(listed["items"][0]["address"], "127.0.0.1");
    assert_eq!(listed["items"][0]["last_active_at"], "2026-11-22T12:00:00Z");
}

/// The user's view and the hosts' view agree.
#[test]
fn logins_list_the_hosts_that_admit_the_user() {
    let site = Site::new();
    for (name, role) in [
        ("carol", Role::Member),
        ("root", Role::Member),
        ("gone", Role::Member),
    ] {
        site.add_user(name, role);
    }
    let people = ["alice", "bob", "carol", "root", "gone"];
    for (name, key) in people
        .iter()
        .zip([KEYS[0], KEYS[1], KEYS[2], KEYS[0], KEYS[1]])
    {
        post(
            &site,
            &site.token(name),
            "/api/v1/ssh-keys",
            &json!({"public_key": key, "name": "k", "allow_shared": true}),
        );
    }
    for (group, members) in [("gpu", &["alice", "carol"][..]), ("ops", &["bob", "root"])] {
        post(
            &site,
            &site.alice,
            "/api/v1/groups",
            &json!({"name": group}),
        );
        for member in members {
            let path = format!("/api/v1/groups/{group}/members/{member}");
            site.ask("PUT", &path)
                .bearer(&site.alice)
                .send()
                .expect(204);
        }
    }
    let mut hosts = Vec::new();
    for (name, change) in [
        ("open", json!({})),
        ("gpu1", json!({"groups": ["gpu"]})),
        (
            "shared",
            json!({"shared_logins": {"ubuntu": ["ops", "gpu"], "root": ["ops"]}}),
        ),
        (
            "both",
            json!({"groups": ["ops"], "shared_logins": {"ubuntu": ["gpu"]}}),
        ),
    ] {
        let code = secret(&post(
            &site,
            &site.alice,
            "/api/v1/hosts/enrollment-codes",
            &json!({}),
        ));
        let host = post(&site, &code, "/api/v1/hosts/enroll", &json!({"name": name}));
        let path = format!("/api/v1/hosts/{}", id(&host));
        site.ask("PATCH", &path)
            .bearer(&site.alice)
            .json(&change)
            .send()
            .expect(200);
        hosts.push((name, secret(&host)));
    }
    let removed = site.token("gone");
    let patch = site.ask("PATCH", "/api/v1/users/gone").bearer(&site.alice);
    patch.json(&json!({"disabled": true})).send().expect(200);
    site.ask("GET", "/api/v1/ssh-keys/logins")
        .bearer(&removed)
        .send()
        .expect(401);
    let mut by_hosts: Vec<(String, String, String)> = Vec::new();
    for (name, secret) in &hosts {
        let asked = site
            .ask("GET", "/api/v1/hosts/self/authorized-keys")
            .bearer(secret);
        for item in asked.send().expect(200).json()["items"].as_array().unwrap() {
            let text = |field: &str| item[field].as_str().unwrap().to_owned();
            by_hosts.push((text("username"), (*name).to_owned(), text("login")));
        }
    }
    let mut by_people: Vec<(String, String, String)> = Vec::new();
    for person in ["alice", "bob", "carol", "root"] {
        let asked = site
            .ask("GET", "/api/v1/ssh-keys/logins")
            .bearer(&site.token(person));
        for item in asked.send().expect(200).json()["items"].as_array().unwrap() {
            let text = |field: &str| item[field].as_str().unwrap().to_owned();
            by_people.push((person.to_owned(), text("host"), text("login")));
        }
    }
    by_hosts.sort();
    by_people.sort();
    assert_eq!(by_people, by_hosts);
    assert!(by_people.len() > 10, "{by_people:?}");
    assert!(by_people.contains(&("root".into(), "shared".into(), "root".into())));
    assert!(!by_people.contains(&("alice".into(), "both".into(), "alice".into())));
}
