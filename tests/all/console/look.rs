//! The frame of every page: theme, navigation, focus.

use super::site::Site;

#[test]
fn theme_button_sets_the_theme_and_stays_on_the_page() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let page = alice.open("/api-keys?sort=name");
    assert!(page.has("<meta name=\"color-scheme\" content=\"light dark\">"));
    let form = page.form("/account/theme");
    let fields = super::markup::encode(&form.set("theme", "dark").fields);
    let own = "http://127.0.0.1:8420";
    let mut press = |referer: &str| {
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Referer", referer),
        ];
        let answer = alice.send("POST", "/account/theme", &headers, &fields);
        assert_eq!(answer.status, 303, "{referer}");
        answer.header("Location").unwrap().to_owned()
    };
    assert_eq!(
        press(&format!("{own}/api-keys?sort=name")),
        "/api-keys?sort=name"
    );
    // A page that answered a form, another site, and a path that is not a page.
    for referer in [
        &format!("{own}/device/approve"),
        "https://evil.example/api-keys",
        &format!("{own}//evil.example"),
        &format!("{own}.evil.example/api-keys"),
        own,
        "",
    ] {
        assert_eq!(press(referer), "/account", "{referer}");
    }
    let page = alice.open("/api-keys");
    assert!(page.has("<meta name=\"color-scheme\" content=\"dark\">"));
    assert!(page.has("value=\"dark\" aria-pressed=\"true\""));
}

#[test]
fn message_names_its_object_only_with_a_seal() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, _) = bob.make_key("nightly <b>");
    let path = format!("/api-keys/{id}/delete");
    let form = bob.open(&path).form(&path);
    let page = bob.submit(&form).expect(303);
    let location = page.header("Location").unwrap().to_owned();
    let page = bob.open(&location);
    assert!(
        page.has("API key nightly &lt;b&gt; deleted. It is rejected"),
        "{}",
        page.text()
    );
    // A link from elsewhere puts no words on a page.
    for forged in [
        location.replace("nightly", "Send+your+password,"),
        location.replace("done=deleted-credential", "done=added"),
        "/api-keys?done=added&object=x&seal=".to_owned(),
        "/api-keys?done=added&object=x".to_owned(),
    ] {
        let page = bob.open(&forged);
        let words = ["nightly", "password,", "x added"];
        assert!(!words.iter().any(|word| page.has(word)), "{forged}");
    }
}
