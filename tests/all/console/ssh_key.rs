//! SSH keys in the console: options, shared keys, and the key as text.

use super::site::Site;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf";

/// The path of the only key.
fn own(browser: &mut super::browser::Browser<'_>) -> String {
    let page = browser.open("/ssh-keys").text();
    let (_, rest) = page
        .split_once(" scope=\"row\"><a href=\"/ssh-keys/")
        .unwrap();
    let (id, _) = rest.split_once('"').unwrap();
    format!("/ssh-keys/{id}")
}

#[test]
fn options_are_set_shown_and_edited() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    let form = form
        .set("name", "laptop")
        .set("public_key", KEY)
        .set("options.restrict", "yes")
        .set("options.command", "echo \"<b>\"")
        .set("options.permitopen", "db:5432\n[::1]:*");
    bob.submit(&form).expect(303);
    let path = own(&mut bob);
    let page = bob.open(&path);
    assert!(page.has("<code>restrict</code>") && page.has("permitopen=&quot;[::1]:*&quot;"));
    assert!(page.has("command=&quot;echo \\&quot;&lt;b&gt;\\&quot;&quot;"));
    assert!(page.has("permitopen has no effect"));
    assert!(bob.open("/ssh-keys").has("restrict, command, permitopen"));
    // The form has the present values; submitted unchanged, it changes nothing.
    let edit = format!("{path}/edit");
    let form = bob.open(&edit).form(&edit);
    assert_eq!(form.value("options.command"), Some("echo \"<b>\""));
    assert_eq!(form.value("options.restrict"), Some("yes"));
    bob.submit(&form).expect(303);
    assert_eq!(
        site.count(
            "SELECT count(*) FROM ssh_keys WHERE restrict AND permitopen = 'db:5432 [::1]:*'"
        ),
        1
    );
    // A form without these fields leaves them alone.
    let old = [
        "with_options",
        "options.restrict",
        "options.command",
        "options.permitopen",
    ];
    let form = old.iter().fold(form, |form, name| form.without(name));
    bob.submit(&form).expect(303);
    assert_eq!(
        site.count("SELECT count(*) FROM ssh_keys WHERE restrict AND command IS NOT NULL"),
        1
    );
    let form = bob.open(&edit).form(&edit);
    let form = form.without("options.restrict").set("options.command", "");
    bob.submit(&form).expect(303);
    assert_eq!(site.count("SELECT count(*) FROM ssh_keys WHERE NOT restrict AND command IS NULL AND permitopen <> ''"), 1);
    // A form that was opened before another change overwrites nothing.
    let stale = bob.open(&edit).form(&edit).set("name", "late");
    let form = bob.open(&edit).form(&edit).set("name", "early");
    bob.submit(&form).expect(303);
    let page = bob.submit(&stale).expect(409);
    assert!(page.has("Somebody changed this SSH key meanwhile"));
    assert!(bob.open(&path).has("early"));
    // An invalid option comes back with its error.
    let form = bob.open(&edit).form(&edit).set("options.command", "a\\");
    let page = bob.submit(&form).expect(422);
    assert!(page.has("id=\"options.command-error\"") && page.has("backslash"));
}

#[test]
fn pasted_options_survive_an_error_and_become_limits() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let pasted = format!("restrict,from=\"10.0.0.0/8\",command=\"x y\" {KEY} me");
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    let page = bob
        .submit(&form.set("public_key", &pasted).set("name", "\u{202e}"))
        .expect(422);
    let form = page.form("/ssh-keys/new");
    assert_eq!(form.value("public_key"), Some(&*pasted));
    bob.submit(&form.set("name", "")).expect(303);
    let page = bob.open("/ssh-keys").text();
    assert!(page.contains("restrict, command"), "{page}");
    let path = own(&mut bob);
    assert!(bob.open(&path).has("10.0.0.0/8"));
    // The key as text, without scripts, for every type.
    let text = bob.open(&format!("{path}.pub"));
    assert_eq!(text.text(), format!("{KEY} me\n"));
    assert!(bob.open("/ssh-keys").has(&format!("href=\"{path}.pub\"")));
}

#[test]
fn shared_key_is_added_after_a_confirmation() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let form = alice.open("/ssh-keys/new").form("/ssh-keys/new");
    alice
        .submit(&form.set("name", "hers").set("public_key", KEY))
        .expect(303);
    let mut bob = site.signed_in("bob");
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    assert_eq!(form.value("allow_shared"), None);
    let form = form.set("name", "mine").set("public_key", KEY);
    let page = bob.submit(&form).expect(409);
    assert!(page.has("id=\"allow_shared-error\"") && page.has("another user has the same key"));
    assert!(!page.has("alice"));
    let form = page.form("/ssh-keys/new");
    assert_eq!(form.value("public_key"), Some(KEY));
    bob.submit(&form).expect(409);
    bob.submit(&form.set("allow_shared", "yes")).expect(303);
    assert_eq!(
        site.count("SELECT count(*) FROM events WHERE action = 'ssh-key.shared'"),
        1
    );
    assert!(
        alice
            .open("/admin/inventory?kind=ssh-key&status=shared")
            .has(">Shared</b>")
    );
}
