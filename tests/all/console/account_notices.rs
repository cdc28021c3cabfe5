//! The banner about acts of others on the account.

use super::site::{BOB, Site};

#[test]
fn banner_stays_on_every_page_until_confirmed() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let form = alice.open("/admin/users/bob");
    alice
        .submit(&form.form("/admin/users/bob/reset-password"))
        .expect(200);
    let sentence = "Admin alice created a link that resets your password.";
    for path in [
        "/api-keys",
        "/tokens",
        "/ssh-keys/new",
        "/sessions",
        "/account",
        "/api-keys/new",
    ] {
        let page = bob.open(path);
        assert!(page.has(sentence), "{path}: {}", page.text());
        assert!(page.has("2026-11-22 12:00"), "{path}: the time is missing");
        assert!(!alice.open(path).has(sentence), "{path}");
    }
    // In another browser too.
    let mut other = site.browser();
    assert_eq!(other.sign_in("bob", BOB).status, 303);
    assert!(other.open("/tokens").has(sentence));
    let text = bob.open("/tokens").text();
    let start = text.find("/account/notices/").unwrap();
    let action = text[start..].split('"').next().unwrap().to_owned();
    let form = bob.open("/tokens").form(&action);
    // Nobody else can confirm it.
    let mut foreign = alice.open("/account").form("/logout");
    foreign.action.clone_from(&action);
    assert_eq!(alice.submit(&foreign).status, 404);
    // The browser returns to the page whose banner was used, without the message of an earlier act.
    let answer = bob.send(
        "POST",
        &action,
        &[
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Referer", "http://127.0.0.1:8420/tokens?done=revoked"),
        ],
        &super::markup::encode(&form.fields),
    );
    assert_eq!(answer.status, 303);
    let location = answer.header("Location").unwrap().to_owned();
    assert_eq!(location, "/tokens?done=confirmed");
    let page = bob.open(&location);
    assert!(page.has("Confirmed."), "{}", page.text());
    assert!(!page.has(sentence), "{}", page.text());
    // The account page still shows it.
    let page = bob.open("/account");
    assert!(
        page.has(sentence) && !page.has("Not confirmed."),
        "{}",
        page.text()
    );
}

#[test]
fn many_notices_are_confirmed_at_once() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    for _ in 0..5 {
        for act in ["disable", "enable"] {
            let form = alice.open("/admin/users/bob");
            alice.submit_and_follow(&form.form(&format!("/admin/users/bob/{act}")));
        }
    }
    let page = bob.open("/tokens");
    assert!(page.has("All 10 notices"), "{}", page.text());
    let page = bob.open("/account");
    bob.submit_and_follow(&page.form("/account/notices/acknowledge"));
    assert!(!bob.open("/tokens").has("Admin alice"));
}
