//! Forms: a rejected form comes back filled in, with its faults.

use super::browser::Browser;
use super::markup::{self, Form};
use super::site::{BOB, Site};

/// Submits a form that must be rejected for `fields`, and come back with all typed values.
#[track_caller]
fn require_rejected(browser: &mut Browser<'_>, form: &Form, status: u16, fields: &[&str]) -> Form {
    let page = browser.submit(form);
    let what = format!("{} {:?}: {}", form.action, form.fields, page.text());
    assert_eq!(page.status, status, "{what}");
    assert_eq!(markup::errors(&page.text()), fields, "{what}");
    assert!(page.has("<title>Error: "), "{what}");
    assert_eq!(page.text().matches("role=\"alert\"").count(), 1, "{what}");
    for field in fields {
        assert!(
            page.has(&format!("id=\"{field}-error\"")),
            "{field}: {what}"
        );
    }
    let again = page.form(&form.action);
    for (name, value) in &form.fields {
        let came_back = again
            .fields
            .iter()
            .any(|(own, sent)| own == name && sent == value);
        let is_password = name.contains("password") || name == "current" || name == "new";
        // A choice that is not offered can't be shown as chosen.
        let choices = [
            "expires_in",
            "grace",
            "access",
            "role",
            "how",
            "api_key_lifetimes",
            "ssh_rsa_bits_min",
        ];
        let is_choice = choices.contains(&name.as_str());
        if is_password {
            assert!(
                !value.is_empty() && !page.has(value) || value.is_empty(),
                "{name}: {what}"
            );
        } else if !is_choice && name != "expires_at" {
            assert!(came_back, "{name} was lost: {what}");
        }
    }
    again
}

const LONG: &str = "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww";

#[test]
fn every_fault_of_a_new_key_names_its_field() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    bob.make_key("taken");
    let form = bob.open("/api-keys/new").form("/api-keys/new");
    let form = form
        .set("name", "fine")
        .set("note", "a note")
        .set("allowed_addresses", "10.0.0.0/8");
    assert_eq!(LONG.len(), 65);
    let bad: [(u16, &str, &str, &str); 21] = [
        (422, "name", "name", ""),
        (422, "name", "name", "   "),
        (422, "name", "name", LONG),
        (422, "name", "name", "a\nb"),
        (422, "name", "name", "a\0b"),
        (422, "name", "name", "a\u{202e}b"),
        (422, "name", "name", "a\u{200b}b"),
        (409, "name", "name", "taken"),
        (422, "note", "note", "a\u{202e}b"),
        (
            422,
            "allowed_addresses",
            "allowed_addresses",
            "not an address",
        ),
        (422, "allowed_addresses", "allowed_addresses", "10.0.0.0/33"),
        (422, "expires_in", "expires_in", "1x"),
        (422, "expires_in", "expires_in", "0s"),
        (422, "expires_in", "expires_in", "11d"),
        (422, "expires_at", "expires_at", "2020-01-01T00:00"),
        (422, "expires_at", "expires_at", "10000-01-01T00:00"),
        (422, "expires_at", "expires_at", "2026-13-40T00:00"),
        (422, "expires_at", "expires_at", ""),
        (422, "expires_at", "expires_at", "tomorrow"),
        (422, "permissions", "access", "whatever"),
        (422, "permissions", "permissions", "nonsense"),
    ];
    let mut created = site.count("SELECT count(*) FROM credentials");
    for (status, field, set, value) in bad {
        if set == "expires_in" && value == "11d" {
            // Not offered, but within the policy: as valid as the same by its date.
            let page = bob.submit(&form.clone().set(set, value).set("name", "eleven"));
            assert_eq!(page.status, 200, "{}", page.text());
            created += 1;
            continue;
        }
        let mut form = form.clone().set(set, value);
        if set == "expires_at" {
            form = form.set("expires_in", "custom");
        }
        if set == "permissions" {
            form = form.set("access", "choose");
        }
        // The accepted form has spent the nonce.
        let fresh = bob.open("/api-keys/new").form("/api-keys/new");
        form = form.set("nonce", fresh.value("nonce").unwrap());
        if value == "nonsense" {
            // Browsers never send this value, so no field shows it.
            let page = bob.submit(&form).expect(422);
            assert_eq!(markup::errors(&page.text()), ["permissions"]);
            continue;
        }
        require_rejected(&mut bob, &form, status, &[field]);
    }
    assert_eq!(site.count("SELECT count(*) FROM credentials"), created);
    // Several at once.
    let fresh = bob.open("/api-keys/new").form("/api-keys/new");
    let form = fresh
        .set("name", "")
        .set("allowed_addresses", "x")
        .set("note", "\u{202e}");
    let page = bob.submit(&form).expect(422);
    let mut named = markup::errors(&page.text());
    named.sort();
    assert_eq!(named, ["allowed_addresses", "name", "note"]);
}

#[test]
fn lifetime_beyond_policy_is_not_offered_and_rejected() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let policy = alice.open("/admin/policy").form("/admin/policy");
    let policy = policy
        .set("api_key_lifetime_max", "30d")
        .set("api_key_lifetimes", "7d 30d");
    let preview = alice.submit(
        &policy
            .set("token_lifetime_max", "8h")
            .set("token_lifetime_default", "8h"),
    );
    alice.submit_and_follow(&preview.expect(200).form("/admin/policy"));
    let page = bob.open("/api-keys/new");
    assert!(!page.has("value=\"never\"") && !page.has("value=\"60d\"") && page.has("value=\"7d\""));
    let form = page.form("/api-keys/new").set("name", "key");
    require_rejected(
        &mut bob,
        &form.clone().set("expires_in", "never"),
        422,
        &["expires_in"],
    );
    require_rejected(
        &mut bob,
        &form.clone().set("expires_in", "60d"),
        422,
        &["expires_in"],
    );
    let late = form
        .clone()
        .set("expires_in", "custom")
        .set("expires_at", "2027-06-01T00:00");
    require_rejected(&mut bob, &late, 422, &["expires_at"]);
    let page = bob.open("/tokens/new");
    assert!(!page.has("value=\"9h\"") && page.has("value=\"8h\""));
    let token = page.form("/tokens/new");
    require_rejected(
        &mut bob,
        &token.clone().set("expires_in", "9h"),
        422,
        &["expires_in"],
    );
    require_rejected(
        &mut bob,
        &token.set("expires_in", "90m"),
        422,
        &["expires_in"],
    );
    // No choice at all: a sentence instead, and the default for any input.
    let policy = alice.open("/admin/policy").form("/admin/policy");
    let preview = alice.submit(&policy.set("api_key_lifetime_choice", "false"));
    alice.submit_and_follow(&preview.expect(200).form("/admin/policy"));
    let page = bob.open("/api-keys/new");
    assert!(page.has("set by policy"), "{}", page.text());
    let fixed = page.form("/api-keys/new").set("name", "fixed");
    assert_eq!(fixed.value("expires_in"), None);
    let page = bob.submit(&fixed.clone().set("expires_in", "7d"));
    assert_eq!(page.status, 422, "{}", page.text());
    markup::errors(&page.text());
    bob.submit(&fixed).expect(200).secret();
}

#[test]
fn rejected_edit_rotate_and_delete_forms_are_kept() {
    let mut site = Site::new();
    let mut bob = site.signed_in("bob");
    bob.make_key("taken");
    let (id, secret) = bob.make_key("key");
    let edit = format!("/api-keys/{id}/edit");
    let form = bob.open(&edit).form(&edit).set("note", "a new note");
    require_rejected(&mut bob, &form.clone().set("name", "taken"), 409, &["name"]);
    require_rejected(&mut bob, &form.clone().set("name", ""), 422, &["name"]);
    require_rejected(
        &mut bob,
        &form.clone().set("allowed_addresses", "x"),
        422,
        &["allowed_addresses"],
    );
    require_rejected(
        &mut bob,
        &form.clone().set("expires_in", "1y1x"),
        422,
        &["expires_in"],
    );
    let rotate = format!("/api-keys/{id}/rotate");
    let form = bob.open(&rotate).form(&rotate);
    let form = form.set("how", "planned");
    require_rejected(&mut bob, &form.clone().set("grace", "8d"), 422, &["grace"]);
    require_rejected(&mut bob, &form.set("how", "later"), 422, &["how"]);
    // A key in use is deleted after its name is typed.
    let header = format!("Bearer {secret}");
    site.browser()
        .send("GET", "/verify", &[("Authorization", &header)], "");
    // The use is in memory first, and stored a little later.
    let cookies = bob.cookies.clone();
    site.reopen();
    let mut bob = site.browser_with(cookies);
    let delete = format!("/api-keys/{id}/delete");
    let form = bob.open(&delete).form(&delete);
    require_rejected(
        &mut bob,
        &form.clone().set("confirm", "keys"),
        422,
        &["confirm"],
    );
    let page = bob.submit_and_follow(&form.set("confirm", "key"));
    assert!(page.has("API key key deleted. It is rejected from the next request on."));
    let status = site
        .browser()
        .send("GET", "/verify", &[("Authorization", &header)], "")
        .status;
    assert_eq!(status, 401);
    // Deleted: neither its page nor its forms exist.
    for path in ["", "/edit", "/rotate", "/delete"] {
        assert_eq!(bob.get(&format!("/api-keys/{id}{path}")).status, 404);
    }
    // An expired form has advice.
    let form = bob.open("/api-keys/new").form("/api-keys/new");
    let page = bob.submit(&form.set("name", "short").set("expires_in", "1h"));
    let short = page.expect(200).secret()[4..16].to_owned();
    let rotate = format!("/api-keys/{short}/rotate");
    let form = bob.open(&rotate).form(&rotate);
    site.pass(3_600);
    let form = bob.submit(&form).expect(403).form(&rotate);
    let page = bob.submit(&form.set("current_password", BOB));
    assert_eq!(page.status, 409, "{}", page.text());
    assert!(
        page.has("This API key has expired; set a new expiration first, or create another key.")
    );
}

#[test]
fn rejected_admin_forms_are_kept() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let form = alice.open("/admin/new-user").form("/admin/new-user");
    let form = form.set("display_name", "Some Body");
    for name in ["", "Alice", "-x", "x.", "a b", LONG] {
        require_rejected(
            &mut alice,
            &form.clone().set("username", name),
            422,
            &["username"],
        );
    }
    require_rejected(
        &mut alice,
        &form.clone().set("username", "bob"),
        409,
        &["username"],
    );
    let form = form.set("username", "carol");
    require_rejected(
        &mut alice,
        &form.clone().set("display_name", "a\u{202e}b"),
        422,
        &["display_name"],
    );
    require_rejected(
        &mut alice,
        &form.clone().set("role", "king"),
        422,
        &["role"],
    );
    let with = form.set("how", "password");
    require_rejected(
        &mut alice,
        &with.clone().set("password", "short"),
        422,
        &["password"],
    );
    require_rejected(&mut alice, &with.set("password", ""), 422, &["password"]);
    let own = alice.open("/account").form("/account/name");
    require_rejected(
        &mut alice,
        &own.clone().set("display_name", ""),
        422,
        &["display_name"],
    );
    require_rejected(
        &mut alice,
        &own.set("display_name", LONG),
        422,
        &["display_name"],
    );
    let edit = alice
        .open("/admin/users/alice")
        .form("/admin/users/alice/edit");
    require_rejected(&mut alice, &edit.set("role", "member"), 409, &["role"]);
    let group = alice.open("/admin/groups").form("/admin/groups");
    require_rejected(
        &mut alice,
        &group.clone().set("name", "Not A Name"),
        422,
        &["name"],
    );
    alice.submit_and_follow(&group.clone().set("name", "gpu"));
    require_rejected(&mut alice, &group.set("name", "gpu"), 409, &["name"]);
    let members = "/admin/groups/gpu/members/add";
    let add = alice.open(members).form(members);
    for name in ["nobody", "No Body"] {
        let page = alice.submit(&add.clone().set("username", name));
        assert_eq!(page.status, 422, "{}", page.text());
        assert!(page.has("role=\"alert\""));
    }
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    require_rejected(
        &mut alice,
        &service.clone().set("name", "Slurm"),
        422,
        &["name"],
    );
    let service = service.set("name", "slurm");
    require_rejected(
        &mut alice,
        &service.clone().set("permissions", "other:submit"),
        422,
        &["permissions"],
    );
    alice.submit_and_follow(&service.set("permissions", "slurm:submit"));
    for (field, value) in [
        ("api_key_lifetime_max", "soon"),
        ("api_key_lifetimes", "7d soon"),
        ("api_key_lifetime_default", "400000d"),
        ("token_lifetime_max", "48h"),
        ("token_lifetime_default", "90m"),
        ("session_lifetime", "8d"),
        ("session_idle_max", "8d"),
        ("ssh_rsa_bits_min", "many"),
        ("ssh_rsa_bits_min", "1024"),
        ("ssh_key_lifetime_max", "x"),
        ("api_keys_max", "-1"),
        ("ssh_keys_max", "0"),
    ] {
        let policy = alice.open("/admin/policy").form("/admin/policy");
        require_rejected(&mut alice, &policy.set(field, value), 422, &[field]);
    }
    for (page, action) in [
        ("/admin/users/bob/delete", "/admin/users/bob/delete"),
        ("/admin/users/bob/offboard", "/admin/users/bob/offboard"),
        (
            "/admin/services/slurm/delete",
            "/admin/services/slurm/delete",
        ),
    ] {
        let form = alice.open(page).form(action).set("confirm", "bobby");
        require_rejected(&mut alice, &form, 422, &["confirm"]);
    }
    // The last admin is protected in every form.
    for act in ["delete", "offboard"] {
        let path = format!("/admin/users/alice/{act}");
        let form = alice.open(&path).form(&path).set("confirm", "alice");
        require_rejected(&mut alice, &form, 409, &["confirm"]);
    }
    assert!(alice.is_signed_in());
}

#[test]
fn read_only_names_administration_where_it_is_included() {
    let site = Site::new();
    for (name, is_named) in [("alice", true), ("bob", false)] {
        let page = site.signed_in(name).open("/api-keys/new");
        assert!(page.has("All read permissions you have"), "{name}");
        let is_found = page.has("you have, including administration.");
        assert_eq!(is_found, is_named, "{name}");
    }
}
