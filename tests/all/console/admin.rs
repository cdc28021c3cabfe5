//! Admins' pages: closed to members, and their acts.

use keycroft::http::ROUTES;

use super::markup::Form;
use super::site::{BOB, Site};

fn admin_paths(method: &str) -> Vec<String> {
    ROUTES
        .iter()
        .filter(|route| route.method == method && route.path.starts_with("/admin/"))
        .map(|route| {
            let path = route.path.replace("{username}", "alice");
            path.replace("{name}", "slurm")
                .replace("{id}", "4k2m9x0q7w1z")
        })
        .collect()
}

#[test]
fn member_sees_the_missing_permission_on_admin_pages() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let pages = admin_paths("GET");
    assert!(pages.len() > 15, "{pages:?}");
    for path in pages {
        let page = bob.get(&path);
        assert_eq!(page.status, 403, "{path}: {}", page.text());
        assert!(
            page.has("<h1>Forbidden</h1>") && page.has(":read") | page.has(":write"),
            "{path}"
        );
        assert!(
            page.has("<a class=\"end\" href=\"/account\">bob</a>"),
            "{path}"
        );
        assert!(!page.has("Administration"), "{path}");
    }
}

#[test]
fn form_of_a_member_changes_nothing_and_leaves_an_event() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    alice.submit_and_follow(&service.set("name", "slurm").set("permissions", "slurm:a"));
    let group = alice.open("/admin/groups").form("/admin/groups");
    alice.submit_and_follow(&group.set("name", "slurm"));
    let mut bob = site.signed_in("bob");
    let own = bob.open("/account").form("/logout");
    let nonce = format!("{}-aaaaaaaaaaaaaaaaaaaa", site.clock.now().unix());
    let done = "SELECT count(*) FROM events WHERE outcome = 'done'";
    let rejected = "SELECT count(*) FROM events WHERE outcome = 'refused'";
    let (before, mut count) = (site.count(done), site.count(rejected));
    for path in admin_paths("POST") {
        let form = Form {
            action: path.clone(),
            ..own.clone()
        };
        let form = form
            .set("nonce", &nonce)
            .set("name", "x")
            .set("username", "bob");
        let form = form.set("confirm", "alice").set("pick", "4k2m9x0q7w1z");
        // Refusals of one caller within a minute are one event.
        site.pass(60);
        let page = bob.submit(&form);
        assert_eq!(page.status, 403, "{path}: {}", page.text());
        assert!(site.count(rejected) > count, "{path} left no event");
        count = site.count(rejected);
    }
    assert_eq!(site.count(done), before);
    assert!(alice.is_signed_in());
    let page = alice.open("/admin/events");
    assert!(
        page.has("POST /admin/users/alice/disable"),
        "{}",
        page.text()
    );
}

#[test]
fn admin_revokes_but_never_takes_over_credentials() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (id, secret) = bob.make_key("bobs key");
    let page = alice.open("/admin/users/bob");
    assert!(page.has("bobs key") && page.has("Firefox on Linux") && !page.has(&secret[17..]));
    // His keys are reachable neither below her own pages nor below a service's.
    for act in ["", "/edit", "/rotate", "/delete"] {
        assert_eq!(alice.get(&format!("/api-keys/{id}{act}")).status, 404);
    }
    let own = alice.open("/account").form("/logout");
    let form = Form {
        action: format!("/admin/users/bob/api-keys/{id}/delete"),
        ..own
    };
    let page = alice.submit_and_follow(&form);
    assert!(page.has("API key bobs key deleted."), "{}", page.text());
    assert!(!alice.open("/admin/users/bob").has("bobs key"));
    let header = format!("Bearer {secret}");
    let page = alice.send("GET", "/verify", &[("Authorization", &header)], "");
    assert_eq!(page.status, 401);
}

#[test]
fn offboarding_revokes_everything_in_one_act() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (_, secret) = bob.make_key("key");
    let path = "/admin/users/bob/offboard";
    let page = alice.open(path);
    assert!(
        page.has("Credentials to revoke <span class=\"muted\">2</span>"),
        "{}",
        page.text()
    );
    let events = site.count("SELECT count(*) FROM events");
    alice.submit_and_follow(&page.form(path).set("confirm", "bob"));
    assert_eq!(site.count("SELECT count(*) FROM events"), events + 1);
    assert!(!bob.is_signed_in());
    let header = format!("Bearer {secret}");
    let page = alice.send("GET", "/verify", &[("Authorization", &header)], "");
    assert_eq!(page.status, 401);
    assert_eq!(site.browser().sign_in("bob", BOB).status, 401);
}

#[test]
fn offboarding_shows_that_not_all_credentials_are_listed() {
    let mut site = Site::new();
    site.signed_in("bob").make_key("key");
    site.reopen_after(|connection| {
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) \
            INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at) \
            SELECT printf('%012d', i), c.kind, c.user_id, c.name || i, c.permissions, c.allowed_addresses, randomblob(32), c.created_at \
            FROM n JOIN credentials c ON c.name = 'key'";
        connection.execute(sql, []).unwrap();
    });
    let mut alice = site.signed_in("alice");
    let page = alice.open("/admin/users/bob/offboard");
    assert!(
        page.has("Credentials to revoke <span class=\"muted\">201+</span>")
            && page.has("Not all are listed."),
        "200 keys and a session: {}",
        page.text()
    );
}

#[test]
fn users_are_listed_with_the_sessions_that_are_valid() {
    let site = Site::new();
    site.signed_in("bob");
    // Unused for longer than the idle timeout, but not at the end of its lifetime.
    site.pass(4 * 86_400);
    site.signed_in("bob");
    let page = site.signed_in("alice").open("/admin/users");
    let row = page
        .text()
        .split("href=\"/admin/users/bob\"")
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let row = row.split("</tr>").next().unwrap_or_default();
    assert!(row.contains("kind=session&amp;owner=bob\">1</a>"), "{row}");
}

#[test]
fn signing_a_user_out_is_confirmed_by_name_and_device() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let id = site.text("SELECT c.id FROM credentials c JOIN users u ON u.id = c.user_id WHERE c.kind = 'session' AND u.username = 'bob'");
    let page = alice.open("/admin/users/bob");
    let mut form = page.form("/admin/users/bob");
    form.action = format!("/admin/users/bob/sessions/{id}/delete");
    let done = alice.submit_and_follow(&form);
    assert!(
        done.has("bob on ") && done.has(" signed out.") && !done.has("deleted."),
        "{}",
        done.text()
    );
    assert!(!bob.is_signed_in());
}

#[test]
fn inventory_deletes_after_the_typed_number() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    for name in ["one", "two", "three"] {
        let form = bob.open("/api-keys/new").form("/api-keys/new");
        bob.submit(&form.set("name", name).set("expires_in", "never"))
            .expect(200);
    }
    let (soon, _) = bob.make_key("ends in thirty days");
    let page = alice.open("/admin/inventory?expires=never");
    assert!(
        page.has("three") && !page.has("ends in thirty"),
        "{}",
        page.text()
    );
    let page = alice.open("/admin/inventory");
    let mut references: Vec<String> = super::markup::elements(&page.text())
        .iter()
        .filter(|element| element.attribute("name") == Some("pick"))
        .filter_map(|element| element.attribute("value").map(str::to_owned))
        .filter(|value| *value != soon)
        .collect();
    assert_eq!(references.len(), 3);
    let mut form = page.form("/admin/inventory/delete");
    form.fields.retain(|(name, _)| name == "form_token");
    // Selected twice, it still counts once.
    references.push(references[0].clone());
    for reference in &references {
        form.fields.push(("pick".into(), reference.clone()));
    }
    let page = alice.submit(&form).expect(200);
    assert_eq!(
        site.count("SELECT count(*) FROM credentials WHERE deleted_at IS NOT NULL"),
        0
    );
    let question = page.form("/admin/inventory/delete");
    let wrong = alice
        .submit(&question.clone().set("confirm", "4"))
        .expect(422);
    let question = wrong.form("/admin/inventory/delete");
    alice.submit_and_follow(&question.set("confirm", "3"));
    assert_eq!(
        site.count("SELECT count(*) FROM credentials WHERE deleted_at IS NOT NULL"),
        3
    );
    assert!(alice.open("/admin/inventory").has("ends in thirty"));
}

#[test]
fn inventory_deletion_is_all_or_nothing() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (key, _) = bob.make_key("bobs");
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    alice.submit_and_follow(&service.set("name", "slurm").set("permissions", "slurm:a"));
    let new = "/admin/services/slurm/api-keys/new";
    let form = alice.open(new).form(new).set("name", "gate");
    let gate = alice.submit(&form).expect(200).secret()[4..16].to_owned();
    let own = alice.open("/account").form("/logout");
    let mut form = Form {
        action: "/admin/inventory/delete".into(),
        ..own
    };
    for id in [&key, &gate] {
        form.fields.push(("pick".into(), id.clone()));
    }
    let deleted = "SELECT count(*) FROM credentials WHERE deleted_at IS NOT NULL";
    let mut unknown = form.clone();
    unknown.fields.push(("pick".into(), "4k2m9x0q7w1z".into()));
    assert_eq!(alice.submit(&unknown.set("confirm", "3")).status, 404);
    assert_eq!(site.count(deleted), 0);
    let done = alice.submit_and_follow(&form.set("confirm", "2"));
    assert!(done.has("2 API keys deleted."), "{}", done.text());
    assert_eq!(site.count(deleted), 2);
}

#[test]
fn service_permission_is_granted_by_services_write() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    let service = service.set("name", "slurm");
    alice.submit_and_follow(&service.set("permissions", "slurm:submit"));
    assert!(!bob.open("/api-keys/new").has("slurm:submit"));
    let form = alice.open("/admin/users/bob").form("/admin/users/bob/edit");
    alice.submit_and_follow(&form.set("permissions", "slurm:submit"));
    assert!(bob.open("/api-keys/new").has("slurm:submit"));
    // She can still let him choose a new password.
    let form = alice
        .open("/admin/users/bob")
        .form("/admin/users/bob/reset-password");
    alice.submit(&form).expect(200).secret();
    let form = alice.open("/admin/users/bob").form("/admin/users/bob/edit");
    alice.submit_and_follow(&form.without("permissions"));
    assert!(!bob.open("/api-keys/new").has("slurm:submit"));
}

#[test]
fn role_includes_permissions_of_a_service() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    let service = service.set("name", "slurm");
    alice.submit_and_follow(&service.set("permissions", "slurm:submit\r\nslurm:cancel"));
    let at = "/admin/services/slurm/edit";
    let stale = alice.open(at).form(at);
    let form = alice.open(at).form(at);
    let page = alice.submit_and_follow(&form.set("roles.member", "slurm:submit"));
    assert!(page.has("Every member has"), "{}", page.text());
    assert!(bob.open("/api-keys/new").has("slurm:submit"));
    assert!(!bob.open("/api-keys/new").has("slurm:cancel"));
    // A stale form overwrites nothing; one with an undefined permission names its field.
    alice.submit(&stale).expect(409);
    let form = alice.open(at).form(at);
    let page = alice.submit(&form.clone().set("roles.admin", "slurm:hold"));
    assert!(page.has(">Every admin has</a>: the service does not"));
    assert!(
        page.status == 422 && page.has("does not define slurm:hold"),
        "{}",
        page.text()
    );
    // An undefined permission need not be removed from each field by hand.
    alice.submit_and_follow(&form.set("permissions", "slurm:cancel"));
    assert!(!bob.open("/api-keys/new").has("slurm:submit"));
    let form = alice.open(at).form(at);
    assert_eq!(form.value("roles.member"), Some(""));
}
