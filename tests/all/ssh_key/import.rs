//! Importing existing files.

use serde_json::{Value, json};

use super::keys::*;
use super::{added, all, policy};
use crate::fixture::{Answer, Site};

fn import(site: &Site, path: &str, bearer: &str, text: &str) -> Answer {
    site.ask("POST", path)
        .bearer(bearer)
        .json(&json!({"text": text}))
        .send()
}

const OWN: &str = "/api/v1/ssh-keys/import";
const BOBS: &str = "/api/v1/users/bob/ssh-keys/import";

#[test]
fn import_reports_each_line_by_number() {
    let site = Site::new();
    added(&site, &site.bob, "laptop", ED25519);
    let text = format!(
        "# my keys\n\n{ED25519} again\n{ECDSA_P256} laptop\nfrom=\"10.0.0.0/8\",expiry-time=\"20270101Z\" {ECDSA_P384} laptop\n\
         {ECDSA_P521}\nno-pty {SK_ED25519}\n{DSA}\nexpiry-time=\"20200101Z\" {SK_ECDSA_P256} old\n{ECDSA_P521} twice"
    );
    let output = import(&site, OWN, &site.bob, &text).expect(200).json();
    let lines: Vec<(u64, &str, Option<&str>)> = output["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["outcome"].as_str().unwrap(),
                line["name"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (3, "present", Some("laptop")),
            (4, "added", Some("laptop (2)")),
            (5, "added", Some("laptop (3)")),
            (6, "added", Some("ecdsa-sha2-nistp521 FMOX8ABW")),
            (7, "refused", None),
            (8, "refused", None),
            (9, "refused", None),
            (10, "present", Some("ecdsa-sha2-nistp521 FMOX8ABW")),
        ]
    );
    let counts = (&output["added"], &output["present"], &output["refused"]);
    assert_eq!(counts, (&json!(3), &json!(2), &json!(3)));
    let message = |line: usize| {
        output["lines"][line]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(message(4).contains("the option no-pty is not supported: use restrict"));
    assert!(message(5).contains("DSA"));
    assert!(message(6).contains("expiry-time of this key is in the past"));
    let keys = all(&site, &site.bob);
    assert_eq!(keys.len(), 4);
    assert_eq!(keys[1]["allowed_addresses"], json!(["10.0.0.0/8"]));
    assert_eq!(keys[1]["expires_at"], "2027-01-01T00:00:01Z");
    assert_eq!(output["lines"][2]["id"], keys[1]["id"]);
    assert_eq!(output["lines"][2]["fingerprint"], keys[1]["fingerprint"]);
    let events = site.events();
    let event = events
        .iter()
        .find(|event| event["action"] == "ssh-key.import")
        .unwrap();
    assert!(
        event["after"]
            .to_string()
            .contains(keys[1]["id"].as_str().unwrap())
    );
}

#[test]
fn import_reports_policy_line_by_line() {
    let site = Site::new();
    policy(
        &site,
        &json!({"ssh_keys_max": 1, "ssh_key_lifetime_max": "30d"}),
    );
    let text =
        format!("expiry-time=\"20280101Z\" {ECDSA_P256} long\n{ED25519} one\n{ECDSA_P384} two");
    let output = import(&site, OWN, &site.bob, &text).expect(200).json();
    let outcomes: Vec<Value> = output["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["refused", "added", "refused"]);
    assert!(
        output["lines"][0]["message"]
            .as_str()
            .unwrap()
            .contains("30d")
    );
    assert!(
        output["lines"][2]["message"]
            .as_str()
            .unwrap()
            .contains("allows 1 SSH keys")
    );
    assert_eq!(
        all(&site, &site.bob)[0]["expires_at"],
        "2026-12-22T12:00:00Z"
    );
}

#[test]
fn admin_imports_only_for_users_of_lesser_power() {
    let site = Site::new();
    let text = format!("{ED25519} old laptop");
    import(&site, BOBS, &site.bob, &text).expect(403);
    let output = import(&site, BOBS, &site.alice, &text).expect(200).json();
    assert_eq!(output["added"], 1);
    assert_eq!(all(&site, &site.bob)[0]["name"], "old laptop");
    let own = site.ask("GET", "/api/v1/events").bearer(&site.bob).send();
    assert!(own.text().contains("ssh-key.import"));
    // A limited admin can't give themselves an admin's login.
    let helper = site.narrow(&site.alice, &["users:read", "users:write"]);
    let alices = "/api/v1/users/alice/ssh-keys/import";
    let rejected = import(&site, alices, &helper, &format!("{ECDSA_P256} x"));
    assert_eq!(rejected.status, 403);
    assert!(all(&site, &site.alice).is_empty());
    let nobodys = "/api/v1/users/nobody/ssh-keys/import";
    import(&site, nobodys, &site.alice, &text).expect(404);
}

#[test]
fn import_of_unsuitable_text_is_rejected() {
    let site = Site::new();
    for body in [
        json!({}),
        json!({"text": 5}),
        json!({"text": "", "name": "x"}),
    ] {
        let answer = site.ask("POST", OWN).bearer(&site.bob).json(&body).send();
        answer.expect(422);
    }
    let output = import(&site, OWN, &site.bob, "# nothing\n")
        .expect(200)
        .json();
    assert_eq!(output["lines"], json!([]));
    let output = import(&site, OWN, &site.bob, "\0\u{1}\n\"quoted")
        .expect(200)
        .json();
    assert_eq!(output["refused"], 2);
}

#[test]
fn imported_options_become_fields() {
    let site = Site::new();
    let text = format!(
        "restrict,command=\"sh -c \\\"id\\\"\" {ED25519} a\nverify-required,permitopen=\"db:1\",permitopen=\"[::1]:*\" {SK_ED25519} b\ncommand=\"a\\\" {ECDSA_P256}"
    );
    let output = import(&site, OWN, &site.bob, &text).expect(200).json();
    assert_eq!(
        (&output["added"], &output["refused"]),
        (&json!(2), &json!(1))
    );
    let keys = all(&site, &site.bob);
    assert_eq!(keys[1]["options"]["command"], "sh -c \"id\"");
    assert_eq!(keys[1]["options"]["restrict"], true);
    assert_eq!(keys[0]["options"]["verify_required"], true);
    assert_eq!(keys[0]["options"]["permitopen"], json!(["db:1", "[::1]:*"]));
}

#[test]
fn imported_shared_key_needs_consent() {
    let site = Site::new();
    added(&site, &site.alice, "hers", ED25519);
    let text = format!("{ED25519} a\n{ECDSA_P256} b");
    let output = import(&site, OWN, &site.bob, &text).expect(200).json();
    assert_eq!(output["lines"][0]["outcome"], "refused");
    assert!(
        output["lines"][0]["message"]
            .as_str()
            .unwrap()
            .contains("another user has this key")
    );
    assert_eq!(output["lines"][1]["outcome"], "added");
    let body = json!({"text": text, "allow_shared": true});
    let output = site
        .ask("POST", OWN)
        .bearer(&site.bob)
        .json(&body)
        .send()
        .expect(200)
        .json();
    assert_eq!(
        (&output["added"], &output["present"]),
        (&json!(1), &json!(1))
    );
    assert!(
        site.events()
            .iter()
            .any(|event| event["action"] == "ssh-key.shared")
    );
}
