//! The way of the first admin and of an invited user into the console.

use super::site::Site;

#[test]
fn first_page_explains_the_setup_link_until_an_admin_exists() {
    let site = Site::empty("http://127.0.0.1:8420");
    let page = site.browser().open("/");
    assert!(page.has("No admin exists yet."), "{}", page.text());
    let code = site.app().setup_code().unwrap().unwrap().reveal();
    let mut browser = site.browser();
    browser.get(&format!("/setup?code={}", &*code));
    let form = browser.open("/setup").form("/setup");
    let form = form
        .set("username", "alice")
        .set("display_name", "Alice")
        .set("password", "a long green river bank");
    let page = browser.submit(&form).expect(303);
    assert_eq!(page.header("Location"), Some("/?done=welcome"));
    assert!(browser.is_signed_in());
    assert!(browser.open("/?done=welcome").has("you are signed in"));
    let page = site.browser().get("/");
    assert_eq!(page.header("Location"), Some("/login"));
}

#[test]
fn accepted_invitation_signs_in_and_a_reset_does_not() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let form = alice.open("/admin/new-user").form("/admin/new-user");
    let page = alice.submit(&form.set("username", "carol")).expect(200);
    let link = page.secret();
    let mut carol = site.browser();
    carol.get(link.strip_prefix("http://127.0.0.1:8420").unwrap());
    let form = carol.open("/invitation").form("/invitation");
    let page = carol.submit(&form.set("password", "a long green river bank"));
    assert_eq!(
        page.header("Location"),
        Some("/?done=welcome"),
        "{}",
        page.text()
    );
    assert!(carol.is_signed_in());
    let form = alice
        .open("/admin/users/bob")
        .form("/admin/users/bob/reset-password");
    let link = alice.submit(&form).expect(200).secret();
    let mut bob = site.browser();
    bob.get(link.strip_prefix("http://127.0.0.1:8420").unwrap());
    let form = bob.open("/reset").form("/reset");
    bob.submit(&form.set("password", "a long green river bank"))
        .expect(200);
    assert!(!bob.is_signed_in());
}
