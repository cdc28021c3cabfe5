//! Bar P7: pages stay small, for any list.

use super::browser::Browser;
use super::site::Site;

/// P7: 25 rows.
const LIST_BYTES_MAX: usize = 30 * 1024;

fn make_keys(browser: &mut Browser<'_>, count: usize) {
    for number in 0..count {
        let form = browser.open("/api-keys/new").form("/api-keys/new");
        let form = form.set("name", &format!("nightly backup of node {number}"));
        let form = form.set(
            "access",
            if number % 3 == 0 {
                "read-only"
            } else {
                "everything"
            },
        );
        let secret = browser.submit(&form).expect(200).secret();
        if number % 2 == 0 {
            let header = format!("Bearer {secret}");
            browser
                .send("GET", "/verify", &[("Authorization", &header)], "")
                .expect(204);
        }
    }
}

#[test]
fn two_hundred_keys_are_listed_in_small_pages() {
    let mut site = Site::new();
    let mut alice = site.signed_in("alice");
    make_keys(&mut alice, 200);
    // Uses are in memory first; once stored, they can be sorted by.
    let cookies = alice.cookies.clone();
    site.reopen();
    let mut alice = site.browser_with(cookies);
    let mut names = Vec::new();
    for sort in [
        "name",
        "-name",
        "status",
        "expires",
        "-expires",
        "last-used",
        "-last-used",
        "created",
        "-created",
        "uses",
        "-uses",
    ] {
        names.clear();
        for number in 1..=8 {
            let page = alice.open(&format!("/api-keys?page={number}&sort={sort}"));
            assert!(
                page.body.len() < LIST_BYTES_MAX,
                "{sort} {number}: {}",
                page.body.len()
            );
            let last = number * 25;
            assert!(page.has(&format!("{}–{last} of 200 API keys", last - 24)));
            let text = page.text();
            let rows = text.split("\">nightly backup of node ").skip(1);
            let rows: Vec<String> = rows
                .map(|rest| rest.split('<').next().unwrap().to_owned())
                .collect();
            assert_eq!(rows.len(), 25);
            names.extend(rows);
        }
        if sort == "name" {
            assert!(names.is_sorted(), "{names:?}");
        } else if sort == "-name" {
            assert!(names.iter().rev().is_sorted(), "{names:?}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 200, "{sort}: each key is on one page");
    }
    let page = alice.open("/api-keys?q=NODE&sort=name&page=3");
    assert!(page.has("51–75 of 200 API keys"), "{}", page.text());
    let page = alice.open("/api-keys?q=NODE%20117&status=active");
    assert!(page.has("node 117") && !page.has("node 118"));
    let inventory = alice.open("/admin/inventory");
    assert!(
        inventory.body.len() < LIST_BYTES_MAX,
        "{}",
        inventory.body.len()
    );
    assert!(
        inventory.has("1–25 of 200 API keys"),
        "{}",
        inventory.text()
    );
}

#[test]
fn other_lists_are_small_too() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for number in 0..30 {
        let form = alice.open("/tokens/new").form("/tokens/new");
        alice
            .submit(&form.set("name", &format!("laptop number {number}")))
            .expect(200);
        let role = keycroft::model::user::Role::Member;
        site.add_user(&format!("user{number}"), role, None);
        if number < 25 {
            site.signed_in("alice");
        }
    }
    for (path, wanted) in [("/tokens", 25), ("/admin/users", 25), ("/sessions", 25)] {
        let page = alice.open(path);
        let text = page.text();
        let rows = text
            .split("<tbody>")
            .nth(1)
            .unwrap()
            .matches("<tr>")
            .count();
        assert_eq!(rows, wanted, "{path}");
        assert!(
            page.body.len() < LIST_BYTES_MAX,
            "{path}: {}",
            page.body.len()
        );
    }
}

#[test]
fn stylesheet_and_script_are_small() {
    let site = Site::new();
    let mut browser = site.browser();
    for (end, most) in [(".css", 10_000), (".js", 4_000), (".svg", 500)] {
        let asset = keycroft::html::assets()
            .iter()
            .find(|asset| asset.path.ends_with(end));
        let page = browser.open(&asset.unwrap().path);
        assert!(page.body.len() <= most, "{end}: {}", page.body.len());
    }
    // Nothing else is loaded: no page refers to another file.
    let page = browser.open("/login");
    for element in super::markup::elements(&page.text()) {
        for attribute in ["src", "href"] {
            let loaded = matches!(element.name.as_str(), "script" | "link" | "img");
            if let Some(path) = element.attribute(attribute).filter(|_| loaded) {
                assert!(path.starts_with("/-/"), "{path}");
                assert_eq!(browser.get(path).status, 200, "{path}");
            }
        }
    }
}
