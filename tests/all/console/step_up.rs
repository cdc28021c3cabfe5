//! Dangerous acts need a password confirmed within ten minutes; the form waits for it.

use keycroft::http::{Needs, ROUTES};
use keycroft::model::time::Time;

use super::browser::{Browser, Page};
use super::markup::Form;
use super::site::{ALICE, BOB, Site};

/// A public key whose private half does not exist any more.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMzEAs5INwZPV+vYBOvAf2vMZp8mWLTGgyioz4OY25eq";

/// Submits a form ten minutes after the last confirmation: the password is required, and then the form continues.
#[track_caller]
fn require_then_go_on(site: &Site, browser: &mut Browser<'_>, form: &Form, password: &str) -> Page {
    site.pass(601);
    let events = site.count("SELECT count(*) FROM events WHERE outcome = 'done'");
    let require = browser.submit(form).expect(403);
    assert!(require.has("Confirm it's you"), "{}", require.text());
    assert_eq!(
        site.count("SELECT count(*) FROM events WHERE outcome = 'done'"),
        events,
        "{}: nothing is done before",
        form.action
    );
    let waiting = require.form(&form.action);
    for (name, value) in &form.fields {
        if name != "form_token" && !name.contains("password") {
            assert!(
                waiting.fields.contains(&(name.clone(), value.clone())),
                "{}: {name} is lost",
                form.action
            );
        }
    }
    let wrong = browser.submit(&waiting.clone().set("current_password", "not what it is"));
    assert_eq!(wrong.status, 422, "{}", form.action);
    assert!(wrong.has("this is not your password"), "{}", wrong.text());
    browser.submit(&wrong.form(&form.action).set("current_password", password))
}

#[test]
fn every_admin_act_needs_a_recent_password() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let mut go = |url: &str, action: &str, fields: &[(&str, &str)]| -> Page {
        let mut form = alice.open(url).form(action);
        for (name, value) in fields {
            form = form.set(name, value);
        }
        let page = require_then_go_on(&site, &mut alice, &form, ALICE);
        assert!(
            matches!(page.status, 200 | 303),
            "{action}: {}",
            page.text()
        );
        page
    };
    go(
        "/admin/new-user",
        "/admin/new-user",
        &[("username", "carol")],
    );
    let edit = [("display_name", "Carol C."), ("role", "member")];
    go("/admin/users/carol", "/admin/users/carol/edit", &edit);
    go(
        "/admin/users/carol",
        "/admin/users/carol/reset-password",
        &[],
    );
    go("/admin/users/carol", "/admin/users/carol/disable", &[]);
    go("/admin/users/carol", "/admin/users/carol/enable", &[]);
    go("/admin/groups", "/admin/groups", &[("name", "gpu")]);
    let carol = [("username", "carol")];
    let members = "/admin/groups/gpu/members/add";
    go(members, members, &carol);
    go(
        "/admin/groups/gpu",
        "/admin/groups/gpu/members/remove",
        &carol,
    );
    go("/admin/groups/gpu/delete", "/admin/groups/gpu/delete", &[]);
    let slurm = [("name", "slurm"), ("permissions", "slurm:submit")];
    go("/admin/new-service", "/admin/new-service", &slurm);
    let more = [("permissions", "slurm:submit slurm:cancel")];
    go(
        "/admin/services/slurm/edit",
        "/admin/services/slurm/edit",
        &more,
    );
    let keys = "/admin/services/slurm/api-keys";
    let new = format!("{keys}/new");
    let page = go(&new, &new, &[("name", "gate")]);
    let id = page.secret()[4..16].to_owned();
    go(
        &format!("{keys}/{id}/edit"),
        &format!("{keys}/{id}/edit"),
        &[("note", "n")],
    );
    go(
        &format!("{keys}/{id}/rotate"),
        &format!("{keys}/{id}/rotate"),
        &[],
    );
    go(
        &format!("{keys}/{id}"),
        &format!("{keys}/{id}/disable"),
        &[],
    );
    go(&format!("{keys}/{id}"), &format!("{keys}/{id}/enable"), &[]);
    go(
        &format!("{keys}/{id}/delete"),
        &format!("{keys}/{id}/delete"),
        &[],
    );
    let confirm = [("confirm", "slurm")];
    go(
        "/admin/services/slurm/delete",
        "/admin/services/slurm/delete",
        &confirm,
    );
    let confirm = [("confirm", "carol")];
    let end = "/admin/users/carol/offboard";
    go(end, end, &confirm);
    go(
        "/admin/users/carol/delete",
        "/admin/users/carol/delete",
        &confirm,
    );
}

#[test]
fn hosts_and_ssh_keys_of_others_need_a_recent_password() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    bob.submit_and_follow(&form.set("public_key", KEY).set("name", "laptop"));
    let mut alice = site.signed_in("alice");
    let mut go = |url: &str, action: &str| {
        let mut form = alice.open(url).form(action);
        if url.contains("/hosts/") && url.ends_with("/delete") {
            form = form.set("confirm", "gpu1");
        }
        let page = require_then_go_on(&site, &mut alice, &form, ALICE);
        assert!(matches!(page.status, 200 | 303), "{action}");
        page
    };
    let code = go("/admin/hosts/enroll", "/admin/hosts/enroll").secret();
    assert_eq!(super::host::enroll(&site, &code, "gpu1"), 201);
    let id = |column: &str, table: &str| site.text(&format!("SELECT {column} FROM {table}"));
    let host = format!("/admin/hosts/{}", id("public_id", "hosts"));
    go(&host, &host);
    let delete = format!("{host}/delete");
    go(&delete, &delete);
    let key = format!("/admin/users/bob/ssh-keys/{}", id("id", "ssh_keys"));
    go(&key, &format!("{key}/delete"));
    assert_eq!(site.count("SELECT count(*) FROM ssh_keys"), 0);
}

#[test]
fn policy_save_needs_a_password_and_preview_does_not() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    site.pass(601);
    let form = alice.open("/admin/policy").form("/admin/policy");
    let preview = alice.submit(&form.set("api_keys_max", "7")).expect(200);
    let page = require_then_go_on(&site, &mut alice, &preview.form("/admin/policy"), ALICE);
    assert_eq!(page.header("Location"), Some("/admin/policy?done=policy"));
    let form = alice.open("/admin/policy").form("/admin/policy");
    assert_eq!(form.value("api_keys_max"), Some("7"));
}

#[test]
fn revoking_others_credentials_needs_a_password() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (key, _) = bob.make_key("bobs");
    let form = bob.open("/tokens/new").form("/tokens/new");
    let token = bob.submit(&form).secret()[4..16].to_owned();
    let session = bob.cookies["keycroft-session"][4..16].to_owned();
    for (kind, id) in [("api-keys", key), ("tokens", token), ("sessions", session)] {
        let action = format!("/admin/users/bob/{kind}/{id}/delete");
        let token = alice.open("/account").form("/logout");
        let form = Form {
            action,
            fields: vec![(
                "form_token".into(),
                token.value("form_token").unwrap().into(),
            )],
        };
        let page = require_then_go_on(&site, &mut alice, &form, ALICE);
        assert_eq!(page.status, 303, "{}", page.text());
    }
    assert!(!bob.is_signed_in());
}

#[test]
fn managing_key_needs_a_password_and_others_do_not() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let key = |bob: &mut Browser<'_>, name: &str, access: &str| {
        let form = bob.open("/api-keys/new").form("/api-keys/new");
        form.set("name", name).set("access", access)
    };
    let form = key(&mut bob, "all", "everything");
    let page = require_then_go_on(&site, &mut bob, &form, BOB);
    let all = page.secret()[4..16].to_owned();
    // A token can create more, like a key.
    let form = bob.open("/tokens/new").form("/tokens/new");
    require_then_go_on(&site, &mut bob, &form, BOB).secret();
    let rotate = format!("/api-keys/{all}/rotate");
    let form = bob.open(&rotate).form(&rotate);
    require_then_go_on(&site, &mut bob, &form, BOB).secret();
    site.pass(601);
    let form = key(&mut bob, "reader", "read-only");
    let reader = bob.submit(&form).expect(200).secret()[4..16].to_owned();
    let form = bob.open("/tokens/new").form("/tokens/new");
    bob.submit(&form.set("access", "read-only"))
        .expect(200)
        .secret();
    let edit = format!("/api-keys/{reader}/edit");
    let form = bob.open(&edit).form(&edit);
    bob.submit_and_follow(
        &form
            .clone()
            .set("note", "still a reader")
            .set("expires_in", "30d"),
    );
    let form = bob.open(&edit).form(&edit).set("access", "everything");
    assert_eq!(require_then_go_on(&site, &mut bob, &form, BOB).status, 303);
    // Allowed addresses and lifetime of a managing key count; its name does not.
    site.pass(601);
    let form = bob.open(&edit).form(&edit).set("name", "a manager");
    bob.submit_and_follow(&form);
    for (field, value) in [("allowed_addresses", "10.0.0.0/8"), ("expires_in", "90d")] {
        let form = bob.open(&edit).form(&edit).set(field, value);
        assert_eq!(
            require_then_go_on(&site, &mut bob, &form, BOB).status,
            303,
            "{field}"
        );
    }
    site.pass(601);
    let page = bob.open(&format!("/api-keys/{reader}"));
    let page = bob.submit_and_follow(&page.form(&format!("/api-keys/{reader}/disable")));
    let form = page.form(&format!("/api-keys/{reader}/enable"));
    assert_eq!(require_then_go_on(&site, &mut bob, &form, BOB).status, 303);
    // Revoking never needs a password: it has to be quick.
    site.pass(601);
    let delete = format!("/api-keys/{all}/delete");
    let form = bob.open(&delete).form(&delete);
    bob.submit_and_follow(&form);
    let mut other = site.signed_in("bob");
    let form = bob.open("/sessions").form("/sessions/delete-others");
    bob.submit_and_follow(&form);
    assert!(!other.is_signed_in());
}

/// An SSH key can log in on every host. Adding, replacing, prolonging and widening one needs a password, and so do
/// options that allow more. Narrowing, renaming and deleting does not.
#[test]
fn ssh_key_that_widens_access_needs_a_password() {
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL6u7t+asoZzWS8IgELeHSN8tehO0B07hKT4hKgBxExU";
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    let form = form
        .set("public_key", KEY)
        .set("name", "laptop")
        .set("expires_in", "30d")
        .set("allowed_addresses", "10.0.0.0/8");
    let added = require_then_go_on(&site, &mut bob, &form, BOB);
    assert_eq!(added.status, 303, "{}", added.text());
    let path = added
        .header("Location")
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    let page = bob.open(&path);
    assert!(
        page.has("laptop") && page.has("10.0.0.0/8"),
        "{}",
        page.text()
    );
    let edit = format!("{path}/edit");
    for (field, value) in [
        ("public_key", OTHER),
        ("expires_in", "90d"),
        ("expires_in", "never"),
        ("allowed_addresses", "10.0.0.0/8 192.168.0.0/16"),
        ("allowed_addresses", ""),
    ] {
        let form = bob.open(&edit).form(&edit).set(field, value);
        let saved = require_then_go_on(&site, &mut bob, &form, BOB);
        assert_eq!(saved.status, 303, "{field} {value}: {}", saved.text());
    }
    assert!(
        bob.open(&edit)
            .form(&edit)
            .value("public_key")
            .unwrap()
            .contains("IL6u7t")
    );
    site.pass(601);
    let strict = bob.open(&edit).form(&edit);
    let strict = strict
        .set("options.restrict", "yes")
        .set("options.command", "/usr/bin/rsync --server")
        .set("options.permitopen", "db.lab.example:5432");
    assert_eq!(bob.submit(&strict).status, 303);
    for (field, value) in [
        ("options.command", ""),
        ("options.command", "sh"),
        ("options.permitopen", ""),
        ("options.permitopen", "db.lab.example:5432 *:*"),
        ("options.restrict", "no"),
    ] {
        let form = bob.open(&edit).form(&edit).set(field, value);
        let saved = require_then_go_on(&site, &mut bob, &form, BOB);
        assert_eq!(saved.status, 303, "{field} {value}: {}", saved.text());
        // Any other command may be dangerous, also the previous one.
        let again = bob.open(&edit).form(&edit);
        let strict = strict
            .clone()
            .set("version", again.value("version").unwrap());
        assert_eq!(bob.submit(&strict).status, 303, "{field} {value}, back");
    }
    site.pass(601);
    for (field, value) in [
        ("name", "desktop"),
        ("allowed_addresses", "10.0.0.0/8"),
        ("allowed_addresses", "10.1.0.0/16"),
        ("expires_in", "7d"),
    ] {
        let form = bob.open(&edit).form(&edit).set(field, value);
        let saved = bob.submit(&form);
        assert_eq!(saved.status, 303, "{field} {value}: {}", saved.text());
    }
    let delete = format!("{path}/delete");
    let form = bob.open(&delete).form(&delete);
    assert_eq!(bob.submit(&form).status, 303);
}

#[test]
fn password_window_is_10_minutes_and_not_the_future() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    site.pass(600);
    let form = alice.open("/admin/new-user").form("/admin/new-user");
    let added = alice.submit(&form.set("username", "carol"));
    assert_eq!(added.status, 200, "{}", added.text());
    let page = alice.open("/admin/users/carol");
    site.clock
        .turn_to(Time::parse("2026-11-22T11:59:59Z").unwrap());
    let page = alice.submit(&page.form("/admin/users/carol/disable"));
    assert_eq!(page.status, 403, "the clock went back");
    assert!(page.has("Confirm it's you"));
}

#[test]
fn password_of_a_new_user_is_never_saved() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let form = alice.open("/admin/new-user").form("/admin/new-user");
    let form = form.set("username", "carol").set("how", "password");
    site.pass(601);
    let require = alice.submit(&form.set("password", "carol likes cold milk"));
    assert_eq!(require.status, 403);
    assert!(!require.has("carol likes cold milk"));
    // So the password is required again, with the rest of the form as it was.
    let form = require
        .form("/admin/new-user")
        .set("current_password", ALICE);
    let page = alice.submit(&form);
    assert_eq!(page.status, 422, "{}", page.text());
    let form = page.form("/admin/new-user");
    assert_eq!(form.value("username"), Some("carol"));
    assert_eq!(form.value("how"), Some("password"));
    let page = alice.submit_and_follow(&form.set("password", "carol likes cold milk"));
    assert!(page.has("User carol added."));
    assert_eq!(
        site.browser()
            .sign_in("carol", "carol likes cold milk")
            .status,
        303
    );
}

/// Nobody types a password in vain.
#[test]
fn missing_permission_is_reported_before_a_password() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    site.pass(601);
    let form_token = bob.open("/account").form("/logout");
    let form_token = form_token.value("form_token").unwrap().to_owned();
    let forms = ROUTES
        .iter()
        .filter(|route| matches!(route.needs, Needs::Form(_)) && route.path.starts_with("/admin/"));
    let mut asked = 0;
    for route in forms {
        let action = route
            .path
            .split('/')
            .map(|part| match part {
                "{username}" => "alice",
                _ if part.starts_with('{') => "000000000000",
                _ => part,
            })
            .collect::<Vec<_>>()
            .join("/");
        let form = Form {
            action: action.clone(),
            fields: vec![
                ("form_token".into(), form_token.clone()),
                (
                    "nonce".into(),
                    format!("{}-{}", site.app().now().unix(), "a".repeat(20)),
                ),
            ],
        };
        let page = bob.submit(&form);
        assert!(!page.has("Confirm it's you"), "{action}");
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
}
