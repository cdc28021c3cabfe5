//! Callers who can change the SSH keys that a host accepts: every administrative route, with each permission alone.

use std::collections::BTreeSet;

use keycroft::model::error::Error;
use keycroft::model::user::{NewUser, Role, Username};
use serde_json::{Value, json};

use super::declared::DECLARED;
use crate::fixture::{Site, id, secret};

/// Public keys whose private halves do not exist any more, one for each user of the lab and some to add.
pub(super) const KEYS: [&str; 8] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMzEAs5INwZPV+vYBOvAf2vMZp8mWLTGgyioz4OY25eq",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL6u7t+asoZzWS8IgELeHSN8tehO0B07hKT4hKgBxExU",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMOGdJkS0zZcrKPAy5Xlxr2kA/gZ/Z8JoBgoijA/g/x6",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8aH+alAh7V1OJ+g7lDlP7rNlKEkJnB02ifB88F6vJU",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA4f/r42ddQzgJ3klBuqzHXxmIS0lPe/L9rp712W7wX7",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOaqXN5iXmL5h7wocR7XnOG/ASCJiPS9ZMz3/rk9j/BN",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE+4UF1TJN1wAQmT1euuluaay7DBqAw2wNdAWTJYjUyw",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHgITEbVu3JWoDYZEfENG5X5+eQ302tYe+1cdxiUioUN",
];

/// mallory acts. newcomer is in no group. gpu1 admits carol. bob shares root on gpu2; eve did, and is disabled. deploy
/// has the name of a login that gpu2 shares.
const USERS: [&str; 6] = ["mallory", "newcomer", "carol", "bob", "eve", "deploy"];
/// staff: gpu1 admits it. ops: gpu2 shares root and deploy with it. pending: a valid enrollment code names it. free:
/// unused.
const GROUPS: [&str; 4] = ["staff", "ops", "pending", "free"];
/// The path of enrollment codes.
const CODES: &str = "/api/v1/hosts/enrollment-codes";

/// One login that one key opens on one host.
type Opening = (String, String, String);

pub(super) struct Lab {
    pub(super) site: Site,
    /// A token of mallory, who is an admin.
    mallory: String,
    /// Names, ids and credentials.
    hosts: Vec<(String, String, String)>,
    code: String,
    pending: String,
}

impl Lab {
    pub(super) fn new() -> Self {
        let site = Site::new();
        for name in ["mallory", "newcomer", "carol", "eve"] {
            let role = if name == "mallory" {
                Role::Admin
            } else {
                Role::Member
            };
            site.add_user(name, role);
        }
        let alice = site.alice.clone();
        let post = |path: &str, body: Value| {
            let answer = site.ask("POST", path).bearer(&alice).json(&body).send();
            answer.expect(201).json()
        };
        let mut hosts = Vec::new();
        for name in ["gpu1", "gpu2", "gpu3"] {
            let code = secret(&post(CODES, json!({})));
            let asking = site.ask("POST", "/api/v1/hosts/enroll").bearer(&code);
            let host = asking
                .json(&json!({"name": name}))
                .send()
                .expect(201)
                .json();
            hosts.push((name.to_owned(), id(&host), secret(&host)));
        }
        for group in GROUPS {
            post("/api/v1/groups", json!({"name": group}));
        }
        for (group, user) in [("staff", "carol"), ("ops", "bob"), ("ops", "eve")] {
            let path = format!("/api/v1/groups/{group}/members/{user}");
            site.asked(&alice, "PUT", &path, &Value::Null, 204);
        }
        let host = |n: usize| format!("/api/v1/hosts/{}", hosts[n].1);
        site.asked(
            &alice,
            "PATCH",
            &host(0),
            &json!({"groups": ["staff"]}),
            200,
        );
        let shared = json!({"shared_logins": {"root": ["ops"], "deploy": ["ops"]}});
        site.asked(&alice, "PATCH", &host(1), &shared, 200);
        // Added after the login was shared, as in a database of an earlier version.
        site.add_user("deploy", Role::Member);
        for (user, key) in USERS.iter().zip(KEYS) {
            let body = json!({"public_key": key, "name": "laptop"});
            site.asked(&site.token(user), "POST", "/api/v1/ssh-keys", &body, 201);
        }
        site.asked(
            &alice,
            "PATCH",
            "/api/v1/users/eve",
            &json!({"disabled": true}),
            200,
        );
        let code = post(CODES, json!({"groups": ["pending"]}));
        let mallory = site.token("mallory");
        let (code, pending) = (id(&code), secret(&code));
        Self {
            site,
            mallory,
            hosts,
            code,
            pending,
        }
    }

    /// Everything that every host would accept now.
    pub(super) fn openings(&self) -> BTreeSet<Opening> {
        let mut all = BTreeSet::new();
        for (name, _, credential) in &self.hosts {
            let path = "/api/v1/hosts/self/authorized-keys";
            let answer = self.site.ask("GET", path).bearer(credential).send();
            if answer.status == 401 {
                continue; // The host was deleted.
            }
            for item in answer.expect(200).json()["items"].as_array().unwrap() {
                let word = |field: &str| item[field].as_str().unwrap().to_owned();
                all.insert((name.clone(), word("login"), word("fingerprint")));
            }
        }
        all
    }

    fn send(&self, bearer: &str, attempt: &Attempt) -> (u16, Value) {
        let asking = self.site.ask(attempt.method, &attempt.path).bearer(bearer);
        let answer = if attempt.body.is_null() {
            asking.send()
        } else {
            asking.json(&attempt.body).send()
        };
        let body = if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        };
        (answer.status, body)
    }

    /// The keys that a host enrolled with the pending code would accept for the first time.
    fn enroll_pending(&self) -> BTreeSet<Opening> {
        let asking = self
            .site
            .ask("POST", "/api/v1/hosts/enroll")
            .bearer(&self.pending);
        let answer = asking.json(&json!({"name": "gpu4"})).send();
        if answer.status != 201 {
            return BTreeSet::new();
        }
        let credential = secret(&answer.json());
        let path = "/api/v1/hosts/self/authorized-keys";
        let answer = self.site.asked(&credential, "GET", path, &Value::Null, 200);
        let items = answer["items"].as_array().unwrap().iter();
        let word = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        items
            .map(|item| {
                (
                    "gpu4".to_owned(),
                    word(item, "login"),
                    word(item, "fingerprint"),
                )
            })
            .collect()
    }

    /// Every administrative route with every possible path, and bodies that would widen access.
    fn attempts(&self) -> Vec<Attempt> {
        let mut all = Vec::new();
        let administrative = DECLARED.iter().filter(|row| {
            row.method != "GET" && row.needs_permission() && row.path.starts_with("/api/v1/")
        });
        for row in administrative {
            for path in self.paths(row.path) {
                all.push(Attempt {
                    method: row.method,
                    path,
                    body: (row.body)(),
                });
            }
        }
        let mut add = |method, path: String, body| all.push(Attempt { method, path, body });
        for name in [
            "ubuntu",
            "postgres",
            "git",
            "daemon",
            "sshd",
            "root",
            "systemd-network",
            "_chrony",
            "oscar",
        ] {
            add("POST", "/api/v1/users".into(), json!({"username": name}));
            add(
                "POST",
                "/api/v1/users".into(),
                json!({"username": name, "password": crate::fixture::PASSWORD}),
            );
        }
        for user in USERS {
            let path = format!("/api/v1/users/{user}");
            for body in [
                json!({"disabled": false}),
                json!({"role": "admin"}),
                json!({"permissions": []}),
            ] {
                add("PATCH", path.clone(), body);
            }
            add(
                "POST",
                format!("{path}/ssh-keys/import"),
                json!({"text": KEYS[7]}),
            );
        }
        for (_, id, _) in &self.hosts {
            for body in [
                json!({"groups": []}),
                json!({"groups": ["free"]}),
                json!({"shared_logins": {"root": ["free"]}}),
                json!({"shared_logins": {}}),
            ] {
                add("PATCH", format!("/api/v1/hosts/{id}"), body);
            }
        }
        all
    }

    fn paths(&self, pattern: &str) -> Vec<String> {
        let mut paths = vec![pattern.to_owned()];
        let mut put = |name: &str, values: &[&str]| {
            paths = paths
                .iter()
                .flat_map(|path| -> Vec<String> {
                    if path.contains(name) {
                        values
                            .iter()
                            .map(|value| path.replace(name, value))
                            .collect()
                    } else {
                        vec![path.clone()]
                    }
                })
                .collect();
        };
        let is_of_groups = pattern.starts_with("/api/v1/groups");
        let users: &[&str] = if is_of_groups {
            &USERS
        } else {
            &["bob", "eve", "deploy"]
        };
        put("{username}", users);
        let names: &[&str] = if is_of_groups { &GROUPS } else { &["lab"] };
        put("{name}", names);
        let ids: Vec<&str> = if pattern.starts_with("/api/v1/hosts/enroll") {
            vec![&self.code]
        } else {
            self.hosts.iter().map(|(_, id, _)| id.as_str()).collect()
        };
        put("{id}", &ids);
        assert!(
            paths.iter().all(|path| !path.contains('{')),
            "{pattern}: say what stands for it"
        );
        paths
    }
}

struct Attempt {
    method: &'static str,
    path: String,
    body: Value,
}

/// The openings that an attempt added, except the caller's own login and that of a newly created user.
fn widened(
    lab: &Lab,
    before: &BTreeSet<Opening>,
    attempt: &Attempt,
    answer: &Value,
) -> Vec<Opening> {
    let created = answer["username"]
        .as_str()
        .filter(|_| attempt.method == "POST" && attempt.path == "/api/v1/users");
    if let Some(name) = created {
        let body = json!({"public_key": KEYS[7], "name": "laptop"});
        lab.site.asked(
            &lab.site.token(name),
            "POST",
            "/api/v1/ssh-keys",
            &body,
            201,
        );
    }
    let mut after = lab.openings();
    after.extend(lab.enroll_pending());
    let own = |login: &str| login == "mallory" || (created == Some(login) && login == "oscar");
    after
        .difference(before)
        .filter(|(_, login, _)| !own(login))
        .cloned()
        .collect()
}

/// All permissions of an admin.
fn permissions(site: &Site) -> Vec<String> {
    let me = site.asked(&site.alice, "GET", "/api/v1/me", &Value::Null, 200);
    let words = me["permissions"].as_array().unwrap().iter();
    words
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn only_hosts_write_widens_what_hosts_accept() {
    let (mut successes, mut widened_by_hosts_write) = (0, 0);
    let mut violations = Vec::new();
    let permissions = permissions(&Site::new());
    for permission in permissions {
        let mut number = 0;
        // A new lab after each attempt that succeeds: none builds on another.
        'lab: loop {
            let lab = Lab::new();
            let key = lab.site.narrow(&lab.mallory, &[permission.as_str()]);
            let before = lab.openings();
            let attempts = lab.attempts();
            while number < attempts.len() {
                let attempt = &attempts[number];
                number += 1;
                let (status, answer) = lab.send(&key, attempt);
                if !(200..300).contains(&status) {
                    continue;
                }
                successes += 1;
                let widened = widened(&lab, &before, attempt, &answer);
                if permission == "hosts:write" {
                    widened_by_hosts_write += widened.len();
                } else if !widened.is_empty() {
                    let Attempt { method, path, body } = attempt;
                    violations.push(format!(
                        "{permission}: {method} {path} {body} adds {widened:?}"
                    ));
                }
                continue 'lab;
            }
            assert_eq!(lab.openings(), before, "{permission}");
            break;
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(successes > 60, "{successes}");
    assert!(widened_by_hosts_write > 0, "the comparison notices nothing");
}

#[test]
fn reserved_login_needs_hosts_write_operator_or_setup() {
    let lab = Lab::new();
    let site = &lab.site;
    let users_write = site.narrow(&site.alice, &["users:read", "users:write"]);
    let both = site.narrow(&site.alice, &["users:write", "hosts:write"]);
    let reserved = [
        "ubuntu",
        "postgres",
        "git",
        "daemon",
        "sshd",
        "root",
        "systemd-resolve",
        "_apt",
        "ec2-user",
    ];
    let before = site.snapshot();
    for name in reserved {
        for body in [
            json!({"username": name}),
            json!({"username": name, "password": crate::fixture::PASSWORD}),
        ] {
            let answer = site
                .ask("POST", "/api/v1/users")
                .bearer(&users_write)
                .json(&body)
                .send();
            let challenge = answer
                .header("WWW-Authenticate")
                .unwrap_or_default()
                .to_owned();
            assert!(
                challenge.contains("scope=\"hosts:write\""),
                "{name}: {challenge}"
            );
            let message = answer.expect(403).json();
            assert!(
                message["detail"].as_str().unwrap().contains("hosts:write"),
                "{message}"
            );
        }
    }
    // A login that a host shares is not free either.
    let free = json!({"shared_logins": {"build": ["free"]}});
    let host = format!("/api/v1/hosts/{}", lab.hosts[2].1);
    assert_eq!(site.snapshot(), before);
    site.asked(&site.alice, "PATCH", &host, &free, 200);
    site.asked(
        &users_write,
        "POST",
        "/api/v1/users",
        &json!({"username": "build"}),
        403,
    );
    for name in reserved {
        site.asked(
            &both,
            "POST",
            "/api/v1/users",
            &json!({"username": name}),
            201,
        );
    }
    site.add_user("www-data", Role::Member);
    // Existing users keep working; only hosts:write restores access that disabling removed: by a reserved login, a shared
    // login, or a group that a host admits.
    let me = site.token("www-data");
    site.asked(&me, "GET", "/api/v1/me", &Value::Null, 200);
    // Of several groups one is enough, the first or the last.
    for group in ["a-group", "z-group"] {
        let body = json!({ "name": group });
        site.asked(&site.alice, "POST", "/api/v1/groups", &body, 201);
        let member = format!("/api/v1/groups/{group}/members/carol");
        site.asked(&site.alice, "PUT", &member, &Value::Null, 204);
    }
    for (name, status) in [
        ("www-data", 403),
        ("deploy", 403),
        ("carol", 403),
        ("newcomer", 200),
    ] {
        let path = format!("/api/v1/users/{name}");
        let set = |key: &str, body: Value, status| site.asked(key, "PATCH", &path, &body, status);
        set(&users_write, json!({"display_name": "W"}), 200);
        set(&users_write, json!({"disabled": true}), 200);
        set(&users_write, json!({"disabled": false}), status);
        set(&both, json!({"disabled": false}), 200);
    }
    let empty = Site::empty(&[]);
    let code = empty.app().setup_code().unwrap().unwrap().reveal();
    let first = json!({"username": "admin", "password": crate::fixture::PASSWORD});
    empty.asked(&code, "POST", "/api/v1/setup", &first, 201);
}

#[test]
fn group_of_a_host_needs_hosts_write() {
    let lab = Lab::new();
    let site = &lab.site;
    let users_write = site.narrow(&site.alice, &["users:write"]);
    let hosts_write = site.narrow(&site.alice, &["hosts:write"]);
    let both = site.narrow(&site.alice, &["users:write", "hosts:write"]);
    let member = |group: &str| format!("/api/v1/groups/{group}/members/newcomer");
    for group in ["staff", "ops", "pending"] {
        site.asked(&users_write, "PUT", &member(group), &Value::Null, 403);
        site.asked(
            &users_write,
            "DELETE",
            &format!("/api/v1/groups/{group}"),
            &Value::Null,
            403,
        );
        site.asked(&hosts_write, "PUT", &member(group), &Value::Null, 403);
        site.asked(&both, "PUT", &member(group), &Value::Null, 204);
        // Removing a member only narrows.
        site.asked(&users_write, "DELETE", &member(group), &Value::Null, 204);
    }
    site.asked(&users_write, "PUT", &member("free"), &Value::Null, 204);
    // A group that an enrollment code names and that is created again is the same group to the code.
    site.asked(&both, "DELETE", "/api/v1/groups/pending", &Value::Null, 204);
    site.asked(
        &users_write,
        "POST",
        "/api/v1/groups",
        &json!({"name": "pending"}),
        201,
    );
    site.asked(&users_write, "PUT", &member("pending"), &Value::Null, 403);
    // From the first use by a host on.
    let host = format!("/api/v1/hosts/{}", lab.hosts[2].1);
    site.asked(
        &hosts_write,
        "PATCH",
        &host,
        &json!({"groups": ["free"]}),
        200,
    );
    site.asked(&users_write, "PUT", &member("free"), &Value::Null, 403);
}

/// Checked again inside the transaction of the write.
#[test]
fn hosts_write_lost_before_commit_rejects_the_change() {
    let lab = Lab::new();
    let site = &lab.site;
    let key = site.narrow(&site.alice, &["users:write", "hosts:write"]);
    let caller = super::lost_rights::caller(site, &key);
    let path = format!("/api/v1/api-keys/{}", crate::fixture::id_of(&key));
    site.asked(
        &site.alice,
        "PATCH",
        &path,
        &json!({"permissions": ["users:write"]}),
        200,
    );
    let newcomer = Username::parse("newcomer").unwrap();
    let before = site.snapshot();
    let added = site
        .app()
        .add_group_member(&caller, "ops".to_owned(), newcomer);
    assert!(matches!(added, Err(Error::Forbidden { .. })), "{added:?}");
    let deleted = site.app().delete_group(&caller, "ops".to_owned());
    assert!(
        matches!(deleted, Err(Error::Forbidden { .. })),
        "{deleted:?}"
    );
    let user = NewUser {
        username: Username::parse("ubuntu").unwrap(),
        display_name: "U".to_owned(),
        role: Role::Member,
        password: None,
    };
    let created = site.app().add_user(&caller, user, None).map(|_| ());
    assert!(
        matches!(created, Err(Error::Forbidden { .. })),
        "{created:?}"
    );
    assert_eq!(site.snapshot(), before);
}

/// Group names are ASCII, in the rules and in the schema, so none differ only by case or Unicode form (NFC, NFKC).
#[test]
fn group_name_in_another_unicode_form_is_rejected() {
    let lab = Lab::new();
    let site = &lab.site;
    for name in [
        "caf\u{e9}",
        "cafe\u{301}",
        "op\u{17f}",
        "\u{ff4f}ps",
        "ops\u{200b}",
        "\u{212a}ops",
        "Ops",
    ] {
        site.asked(
            &site.alice,
            "POST",
            "/api/v1/groups",
            &json!({"name": name}),
            422,
        );
        let file = rusqlite::Connection::open(site.path()).unwrap();
        let sql = "INSERT INTO groups (name, created_at) VALUES (?, 1)";
        assert!(file.execute(sql, [name]).is_err(), "{name:?}");
    }
}

#[test]
fn group_named_twice_counts_once() {
    let lab = Lab::new();
    let (site, twice) = (&lab.site, json!({"groups": ["staff", "free", "staff"]}));
    let once = json!(["free", "staff"]);
    let code = site.asked(&site.alice, "POST", CODES, &twice, 201);
    let host = format!("/api/v1/hosts/{}", lab.hosts[2].1);
    site.asked(&site.alice, "PATCH", &host, &twice, 200);
    let shown = site.asked(&site.alice, "GET", &host, &Value::Null, 200);
    assert_eq!(shown["groups"], once);
    assert_eq!(code["groups"], once);
}
