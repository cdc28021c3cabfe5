//! Interrupted forms are saved, stale forms overwrite nothing, foreign forms do no harm.

use keycroft::model::error::Error;
use keycroft::model::event::Origin;
use keycroft::model::permission::Permissions;
use keycroft::model::policy::PolicyChange;
use keycroft::model::secret::Presented;
use keycroft::model::service::{ByRole, ServiceChange};

use super::markup::{self, Form};
use super::site::{ALICE, BOB, Site};

#[test]
fn stale_form_overwrites_nothing() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, _) = bob.make_key("key");
    let edit = format!("/api-keys/{id}/edit");
    let stale = bob
        .open(&edit)
        .form(&edit)
        .set("note", "from the second tab");
    let form = bob
        .open(&edit)
        .form(&edit)
        .set("note", "from the first tab");
    bob.submit_and_follow(&form);
    let page = bob.submit(&stale);
    assert_eq!(page.status, 409, "{}", page.text());
    assert!(
        page.has("Somebody changed this API key meanwhile"),
        "{}",
        page.text()
    );
    assert!(
        bob.open(&format!("/api-keys/{id}"))
            .has("from the first tab")
    );
    // It came back with the typed values and the present version, so it may be saved after a review.
    let again = page.form(&edit);
    assert_eq!(again.value("note"), Some("from the second tab"));
    bob.submit_and_follow(&again);
    assert!(
        bob.open(&format!("/api-keys/{id}"))
            .has("from the second tab")
    );

    let mut alice = site.signed_in("alice");
    let mut pairs = vec![(
        "/admin/users/bob",
        "/admin/users/bob/edit",
        "display_name",
        "Bob One",
        "Bob Two",
    )];
    pairs.push(("/admin/policy", "/admin/policy", "api_keys_max", "11", "12"));
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    alice.submit_and_follow(&service.set("name", "slurm").set("permissions", "slurm:a"));
    pairs.push((
        "/admin/services/slurm/edit",
        "/admin/services/slurm/edit",
        "permissions",
        "slurm:a slurm:b",
        "slurm:a slurm:c",
    ));
    for (page, action, field, one, two) in pairs {
        let stale = alice.open(page).form(action).set(field, two);
        let form = alice.open(page).form(action).set(field, one);
        let mut answer = alice.submit(&form);
        if action == "/admin/policy" {
            let stale_preview = alice.submit(&stale).expect(200).form(action);
            answer = alice.submit(&answer.expect(200).form(action));
            assert_eq!(alice.submit(&stale_preview).status, 409);
        }
        assert_eq!(answer.status, 303, "{}", answer.text());
        let rejected = alice.submit(&stale);
        assert_eq!(rejected.status, 409, "{action}: {}", rejected.text());
        assert!(rejected.has("Somebody changed"), "{action}");
        let now = alice
            .open(page)
            .form(action)
            .value(field)
            .unwrap()
            .to_owned();
        assert_eq!(
            now.split_whitespace().collect::<Vec<_>>().join(" "),
            one,
            "{action}"
        );
        assert_eq!(rejected.form(action).value(field), Some(two), "{action}");
    }
}

#[test]
fn form_of_an_expired_session_is_saved() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    // Used every two days, so that it does not expire by its idle timeout.
    for _ in 0..3 {
        site.pass(2 * 86_400);
        assert!(bob.is_signed_in());
    }
    site.pass(604_000 - 6 * 86_400);
    let form = bob.open("/api-keys/new").form("/api-keys/new");
    let form = form
        .set("name", "a \"quoted\" <name>")
        .set("note", "line one\nline two");
    let form = form
        .set("access", "choose")
        .set("permission.tokens", "read");
    site.pass(800);
    let page = bob.submit(&form).expect(401);
    assert!(page.has("Your session has expired. Sign in to continue with your form."));
    // A wrong password does not lose it either.
    let login = page
        .form("/login")
        .set("username", "bob")
        .set("password", ALICE);
    let page = bob.submit(&login).expect(401);
    let page = bob
        .submit(&page.form("/login").set("password", BOB))
        .expect(200);
    assert!(
        page.has("You are signed in again, and your form is still here."),
        "{}",
        page.text()
    );
    let kept = page.form("/api-keys/new");
    for (name, value) in form.fields.iter().filter(|(name, _)| name != "form_token") {
        assert!(
            kept.fields.contains(&(name.clone(), value.clone())),
            "{name}"
        );
    }
    let secret = bob.submit(&kept).expect(200).secret();
    assert!(
        bob.open(&format!("/api-keys/{}", &secret[4..16]))
            .has("tokens:read")
    );
    // Submitted once more from the earlier page: created once.
    assert_eq!(bob.submit(&kept).status, 409);
}

#[test]
fn saved_form_drops_passwords() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/account").form("/account/password");
    let form = form.set("current", BOB).set("new", "bob likes white tea");
    let mut alice = site.signed_in("alice");
    let add = alice.open("/admin/new-user").form("/admin/new-user");
    let add = add.set("username", "carol").set("how", "password");
    let add = add.set("password", "carol likes cold milk");
    site.pass(604_800);
    for (browser, form, name, password) in [
        (&mut bob, form, "bob", BOB),
        (&mut alice, add, "alice", ALICE),
    ] {
        let page = browser.submit(&form).expect(401);
        let login = page
            .form("/login")
            .set("username", name)
            .set("password", password);
        let after = browser.submit(&login).expect(200);
        for page in [page, after] {
            for secret in [BOB, ALICE, "bob likes white tea", "carol likes cold milk"] {
                assert!(!page.has(secret), "{}", page.text());
            }
        }
    }
}

#[test]
fn saved_form_is_sent_only_to_this_site() {
    let site = Site::new();
    for bad in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ] {
        let mut browser = site.browser();
        let form = browser.open("/login").form("/login");
        let form = form.set("kept", bad).set("kept.name", "x");
        let page = browser.submit(&form.set("username", "bob").set("password", BOB));
        assert_eq!(page.header("Location"), Some("/"), "{bad}");
    }
}

#[test]
fn form_of_another_site_changes_nothing() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let token = bob.open("/account").form("/logout");
    let token = token.value("form_token").unwrap().to_owned();
    let same = ("Sec-Fetch-Site", "same-origin");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (kind, body, status) in [
        ("text/plain", format!("form_token={token}"), 415),
        ("multipart/form-data; boundary=x", "--x--".to_owned(), 415),
        ("application/json", "{}".to_owned(), 415),
        (form.1, "%ff%00=%".to_owned(), 403),
        (
            form.1,
            format!("form_token={token}&{}", "a=b&".repeat(20_000)),
            413,
        ),
    ] {
        let headers = [same, ("Content-Type", kind)];
        let page = bob.send("POST", "/api-keys/new", &headers, &body);
        let shown = &body[..body.len().min(60)];
        assert_eq!(page.status, status, "{kind} {shown}: {}", page.text());
    }
    for path in [
        "/api-keys/zzzzzzzzzzzz/delete",
        "/api-keys/ZZZZ/delete",
        "/api-keys/'%20or%201=1/delete",
        "/tokens/zzzzzzzzzzzz/delete",
    ] {
        let page = bob.send("POST", path, &[same, form], &format!("form_token={token}"));
        assert_eq!(page.status, 404, "{path}");
    }
    for path in [
        "/api-keys?page=0",
        "/api-keys?page=99999999999999999999",
        "/api-keys?page=-1&sort=x&status=y&q=%ff%00%3Cscript%3E",
        "/api-keys?page=1000000000&sort=-uses&status=rotating&use=unused&expires=soon",
        "/tokens?page=1000000000&sort=role",
        "/ssh-keys?status=rotating&use=%F0%9F%92%A9&q=%25%27%22%5C",
        "/events?after=x&since=never&until=%00&action=%F0%9F%92%A9",
        "/events?after=-9223372036854775808",
        "/api-keys/new?from=x&expires=never&permissions=a,b&name=%3Cb%3E",
        "/login?next=%ff",
    ] {
        let page = bob.get(path);
        assert!(
            [200, 303, 422].contains(&page.status),
            "{path}: {}",
            page.status
        );
        assert!(!page.has("<script>") && !page.has("<b>"), "{path}");
        markup::errors(&page.text());
    }
}

#[test]
fn objects_of_another_user_are_not_found() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (id, _) = alice.make_key("alices");
    let form = alice.open("/tokens/new").form("/tokens/new");
    let token = alice.submit(&form).secret()[4..16].to_owned();
    let own = bob.open("/account").form("/logout");
    for (real, never) in [
        (
            format!("/api-keys/{id}"),
            "/api-keys/4k2m9x0q7w1z".to_owned(),
        ),
        (format!("/tokens/{token}"), "/tokens/4k2m9x0q7w1z".into()),
    ] {
        for act in ["", "/edit", "/rotate", "/delete"] {
            let bare = |page: super::browser::Page| {
                let id = page.header("Request-Id").unwrap().to_owned();
                (page.status, page.text().replace(&id, "ID"))
            };
            let (one, two) = (format!("{real}{act}"), format!("{never}{act}"));
            let (seen, unseen) = (bare(bob.get(&one)), bare(bob.get(&two)));
            assert_eq!((&seen, seen.0), (&unseen, 404), "{one}");
        }
        for act in ["/edit", "/rotate", "/delete", "/disable", "/enable"] {
            let page = bob.submit(&Form {
                action: format!("{real}{act}"),
                ..own.clone()
            });
            assert!(
                [404, 405].contains(&page.status),
                "{real}{act}: {}",
                page.status
            );
        }
    }
    let page = bob.get(&format!("/api-keys/new?from={id}"));
    assert_eq!(page.status, 404);
}

#[test]
fn concurrent_change_is_not_overwritten() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    let service = service.set("name", "slurm").set("permissions", "slurm:a");
    alice.submit_and_follow(&service);
    let session = Presented::parse(&alice.cookies["keycroft-session"]).unwrap();
    let (app, origin) = (site.app(), Origin::operator());
    let caller = app.caller(&session, |_| true, origin, site.clock.now());
    let caller = caller.unwrap();
    let seen = app.policy(&caller).unwrap();
    let fewer = |api_keys_max| PolicyChange {
        api_keys_max: Some(api_keys_max),
        ..PolicyChange::default()
    };
    app.change_policy_from(&caller, seen.clone(), fewer(5))
        .unwrap();
    let late = app.change_policy_from(&caller, seen, fewer(6));
    assert!(matches!(late, Err(Error::ChangedMeanwhile(_))));
    assert_eq!(app.policy(&caller).unwrap().api_keys_max, 5);
    let edit = |word: &str, seen: Option<&str>| {
        let one = |word| Permissions::parse(&[word]).unwrap();
        let change = ServiceChange {
            permissions: Some(one(word)),
            seen: seen.map(|seen| (one(seen), ByRole::default())),
            ..ServiceChange::default()
        };
        app.edit_service(&caller, "slurm".into(), change)
    };
    edit("slurm:b", Some("slurm:a")).unwrap();
    let late = edit("slurm:c", Some("slurm:a"));
    assert!(matches!(late, Err(Error::ChangedMeanwhile(_))));
    edit("slurm:d", None).unwrap();
}
