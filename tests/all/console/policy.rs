//! The form of the policy: durations of two fields, saving at once or after a preview.

use super::site::Site;

const PATH: &str = "/admin/policy";

#[test]
fn duration_of_number_and_unit_is_saved() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let form = alice.open(PATH).form(PATH);
    assert_eq!(form.value("api_key_lifetime_max_unit"), Some("never"));
    let form = form
        .set("api_key_lifetime_max", "9000")
        .set("api_key_lifetime_max_unit", "d")
        .set("session_idle_max", "90")
        .set("session_idle_max_unit", "m");
    alice.submit(&form.set("save", "yes")).expect(303);
    let form = alice.open(PATH).form(PATH);
    for (name, value) in [
        ("api_key_lifetime_max", "9000"),
        ("api_key_lifetime_max_unit", "d"),
        ("session_idle_max", "90"),
        ("session_idle_max_unit", "m"),
    ] {
        assert_eq!(form.value(name), Some(value), "{name}");
    }
    let endless = form.clone().set("api_key_lifetime_max", "");
    let endless = endless.set("api_key_lifetime_max_unit", "never");
    alice.submit(&endless.set("save", "yes")).expect(303);
    // A number without a unit, and a unit without a number, are ambiguous.
    for (number, unit) in [("30", "never"), ("", "d")] {
        let form = alice.open(PATH).form(PATH);
        let form = form
            .set("api_key_lifetime_max", number)
            .set("api_key_lifetime_max_unit", unit);
        let page = alice.submit(&form.set("save", "yes")).expect(422);
        assert_eq!(
            super::markup::errors(&page.text()),
            ["api_key_lifetime_max"]
        );
    }
}

#[test]
fn policy_that_a_credential_exceeds_is_previewed_before_saving() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (id, _) = bob.make_key("thirty days");
    let saved =
        |site: &Site| site.count("SELECT count(*) FROM events WHERE action = 'policy.edit'");
    let before = saved(&site);
    let form = alice
        .open(PATH)
        .form(PATH)
        .set("api_key_lifetime_default", "7");
    let form = form
        .set("api_key_lifetime_max", "7")
        .set("api_key_lifetime_max_unit", "d");
    let page = alice.submit(&form.set("save", "yes")).expect(200);
    assert!(
        page.has("1 credential exceeds this policy"),
        "{}",
        page.text()
    );
    assert!(page.has(&format!("/admin/users/bob/api-keys/{id}")));
    assert_eq!(saved(&site), before);
    let shown = page.form(PATH);
    // Another preview, or other values than shown, do not save it.
    let again = alice
        .submit(&shown.clone().set("preview", "yes"))
        .expect(200);
    assert!(again.has("1 credential exceeds this policy"));
    let other = shown.clone().set("api_key_lifetime_max", "8");
    let other = alice.submit(&other.set("save", "yes")).expect(200);
    assert!(other.has("maximum API key lifetime no limit to 8 days"));
    assert_eq!(saved(&site), before);
    alice.submit(&shown.set("save", "yes")).expect(303);
    assert_eq!(saved(&site), before + 1);
}
