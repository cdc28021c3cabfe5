//! "Why was it rejected?" on the page of an API key.

use super::site::Site;

#[test]
fn key_page_names_the_failed_check() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let (id, _) = alice.make_key("ci");
    let path = format!("/api-keys/{id}");
    let page = alice.open(&path);
    for words in [
        "Would be accepted",
        "Not expired",
        "Its owner, alice, is enabled.",
        "Add the permission",
    ] {
        assert!(page.has(words), "{words}: {}", page.text());
    }
    // No check fails, and checks without input have no result.
    assert!(!page.text().contains(">Fail</b>") && page.has("Not checked"));

    let held = alice.open(&format!("{path}?address=10.0.0.7&permission=account:read"));
    assert!(held.has("It carries account:read"), "{}", held.text());
    let not = alice.open(&format!("{path}?permission=slurm:submit"));
    assert!(not.has("It does not carry slurm:submit.") && not.text().contains(">Fail</b>"));
    let wrong = alice.open(&format!("{path}?address=%3Cb%3E&permission=everything"));
    assert!(
        wrong.has("expected an address such as 10.0.0.7"),
        "{}",
        wrong.text()
    );
    assert!(
        wrong.text().contains("value=\"&lt;b&gt;\""),
        "{}",
        wrong.text()
    );
    assert!(!wrong.has("Would be accepted"), "{}", wrong.text());

    let form = page.form(&format!("{path}/disable"));
    alice.submit_and_follow(&form);
    let disabled = alice.open(&path);
    assert!(disabled.has("It is disabled; enable it to use it again."));
    let form = alice
        .open(&format!("{path}/delete"))
        .form(&format!("{path}/delete"));
    alice.submit_and_follow(&form);
    // A deleted key has no page; the list shows when and why it was revoked.
    assert_eq!(alice.get(&path).status, 404);
    assert!(alice.open("/api-keys").has("/api-keys?status=deleted"));
    assert!(alice.open("/api-keys?status=deleted").has(">Deleted</b>"));
}

#[test]
fn key_of_another_user_is_not_explained() {
    let site = Site::new();
    let (id, _) = site.signed_in("alice").make_key("ci");
    let mut bob = site.signed_in("bob");
    assert_eq!(
        bob.get(&format!("/api-keys/{id}?permission=account:read"))
            .status,
        404
    );
}

/// A key for some addresses is not called accepted before an address is known.
#[test]
fn check_without_a_needed_address_promises_nothing() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let (id, _) = alice.make_key("ci");
    let edit = format!("/api-keys/{id}/edit");
    let form = alice
        .open(&edit)
        .form(&edit)
        .set("allowed_addresses", "10.0.0.0/8");
    alice.submit_and_follow(&form);
    for (query, result) in [
        ("", "Depends on the address"),
        ("?address=10.0.0.7", "Would be accepted"),
        ("?address=192.0.2.1", "Would be rejected"),
    ] {
        let page = alice.open(&format!("/api-keys/{id}{query}"));
        let results = [
            "Depends on the address",
            "Would be accepted",
            "Would be rejected",
        ];
        let shown: Vec<&str> = results.into_iter().filter(|one| page.has(one)).collect();
        assert_eq!(shown, [result], "{query}: {}", page.text());
    }
}
