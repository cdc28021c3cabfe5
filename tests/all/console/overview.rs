//! `/`: some rows of each kind, and what needs the attention of an admin.

use super::site::Site;

#[test]
fn overview_shows_five_rows_of_each_kind_and_all_counts() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    for number in 0..7 {
        bob.make_key(&format!("key {number}"));
    }
    let form = bob.open("/tokens/new").form("/tokens/new");
    bob.submit(&form.set("name", "shell")).expect(200);
    let page = bob.open("/");
    for wanted in [
        "API keys</a> <span class=\"muted\">7</span>",
        "Tokens</a> <span class=\"muted\">1</span>",
        "SSH keys</a> <span class=\"muted\">0</span>",
        "Sessions</a> <span class=\"muted\">1</span>",
        "This device",
        "href=\"/api-keys/new\"",
    ] {
        assert!(page.has(wanted), "{wanted}: {}", page.text());
    }
    assert_eq!(page.text().matches(">key ").count(), 5);
    assert!(page.has("<a href=\"/api-keys\">All 7</a>"));
    assert_eq!(page.text().matches(">All ").count(), 1, "{}", page.text());
    // Members see nothing of others.
    assert!(!page.has("Needs attention"), "{}", page.text());
    assert_eq!(
        site.browser().get("/").header("Location"),
        Some("/login"),
        "a visitor signs in first"
    );
}

/// An unknown device shows by its use, not by its age.
#[test]
fn overview_shows_the_last_used_sessions() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    for _ in 0..6 {
        site.pass(60);
        site.signed_in("bob");
    }
    site.pass(60);
    let page = bob.open("/");
    assert!(page.has(">All 7</a>"), "{}", page.text());
    let place = |words: &str| page.text().find(words).unwrap();
    assert!(
        place("This device") < place(">1 minute ago"),
        "{}",
        page.text()
    );
    assert!(place(">1 minute ago") < place(">4 minutes ago"));
    assert!(!page.has(">5 minutes ago"), "{}", page.text());
}

#[test]
fn attention_counts_equal_its_linked_lists() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let mut bob = site.signed_in("bob");
    for (name, expires) in [("soon", "7d"), ("late", "90d"), ("later", "never")] {
        let form = bob.open("/api-keys/new").form("/api-keys/new");
        let form = form.set("name", name).set("expires_in", expires);
        bob.submit(&form).expect(200);
    }
    let page = alice.open("/");
    for (count, words, path) in [
        (
            "1",
            "API key expires within 14 days",
            "/admin/inventory?kind=api-key&amp;expires=soon",
        ),
        (
            "3",
            "API keys never used",
            "/admin/inventory?kind=api-key&amp;use=never",
        ),
        (
            "2",
            "users without a second factor",
            "/admin/users?status=no-second-factor",
        ),
    ] {
        let start = format!("<a href=\"{path}\">");
        assert!(page.has(&start), "{path}: {}", page.text());
        assert!(
            page.has(&format!(">{count}</b> {words}</a>")),
            "{}",
            page.text()
        );
        let listed = alice.open(&path.replace("&amp;", "&"));
        assert!(
            listed.has(&format!("{count} ")),
            "{path}: {}",
            listed.text()
        );
        assert!(
            !listed.has("Nothing matches") && !listed.has("is ignored"),
            "{path}"
        );
    }
    assert!(!page.has("without a backup"), "{}", page.text());
    site.pass(8 * 86_400);
    let page = site.signed_in("alice").open("/");
    assert!(page.has("</b> days without a backup"), "{}", page.text());
    // The key for 7 days is expired by now.
    assert!(!page.has("expires within 14 days"), "{}", page.text());
}

#[test]
fn overview_lists_actionable_items_before_old_expired_ones() {
    const DAY: i64 = 86_400;
    let mut site = Site::new();
    let make = |site: &Site, name: &str, expires: &str| {
        let mut bob = site.signed_in("bob");
        let form = bob.open("/api-keys/new").form("/api-keys/new");
        let form = form.set("name", name).set("expires_in", expires);
        bob.submit(&form).expect(200).secret()
    };
    for name in ["old", "older", "forgotten"] {
        make(&site, name, "7d");
    }
    site.pass(60 * DAY);
    let secret = make(&site, "failing", "7d");
    for (name, expires) in [
        ("fine", "never"),
        ("later", "90d"),
        ("soon", "30d"),
        ("lapsed", "7d"),
    ] {
        make(&site, name, expires);
    }
    site.pass(20 * DAY);
    let header = format!("Bearer {secret}");
    let rejected = site
        .browser()
        .send("GET", "/verify", &[("Authorization", &header)], "");
    assert_eq!(rejected.status, 401);
    site.reopen();
    let page = site.signed_in("bob").open("/");
    let text = page.text();
    let list = text.split("API keys</a> <span").nth(1).unwrap();
    let list = list.split("</section>").next().unwrap();
    let names: Vec<&str> = list
        .split("<bdi>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(names, ["failing", "soon", "lapsed", "later", "fine"]);
}
