//! Bar W4: every change comes from a page of the console, by the browser's headers and by a token of these pages.

use keycroft::http::ROUTES;

use super::browser::{Browser, Page};
use super::site::Site;

/// The changing paths of the console, with values for `{…}`.
fn changing() -> Vec<String> {
    let machines = ["/api/", "/oauth/", "/verify"];
    ROUTES
        .iter()
        .filter(|route| route.method == "POST")
        .filter(|route| !machines.iter().any(|start| route.path.starts_with(start)))
        .map(|route| {
            route
                .path
                .replace("{id}", "4k2m9x0q7w1z")
                .replace("{username}", "bob")
                .replace("{name}", "slurm")
        })
        .collect()
}

fn post(browser: &mut Browser<'_>, path: &str, headers: &[(&str, &str)], token: &str) -> Page {
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    let body = format!("form_token={token}&nonce=aaaaaaaaaaaaaaaaaaaa");
    browser.send("POST", path, &all, &body)
}

#[test]
fn cross_site_form_is_rejected() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let token = alice.open("/account").form("/logout");
    let token = token.value("form_token").unwrap().to_owned();
    let paths = changing();
    assert!(paths.len() > 30, "{paths:?}");
    let here = "http://127.0.0.1:8420";
    let foreign: [&[(&str, &str)]; 10] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Sec-Fetch-Site", "")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", here)],
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "http://127.0.0.1:9")],
        &[
            ("Sec-Fetch-Site", "same-origin"),
            ("Origin", "http://evil.example"),
        ],
    ];
    let events = site.count("SELECT count(*) FROM events");
    for path in &paths {
        for headers in foreign {
            let page = post(&mut alice, path, headers, &token);
            assert_eq!(page.status, 403, "{path} {headers:?}: {}", page.text());
            assert!(
                page.has("another site") || page.has("but this server is"),
                "{path}"
            );
            assert!(page.cookie("keycroft-session").is_none(), "{path}");
        }
    }
    assert!(alice.is_signed_in());
    assert_eq!(site.count("SELECT count(*) FROM events"), events);
}

#[test]
fn form_needs_the_token_of_its_session() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let mut second = site.signed_in("alice");
    let token = |browser: &mut Browser<'_>| {
        let form = browser.open("/account").form("/logout");
        form.value("form_token").unwrap().to_owned()
    };
    let (own, other, bobs) = (token(&mut alice), token(&mut second), token(&mut bob));
    let outside = site.browser().open("/login").form("/login");
    let outside = outside.value("form_token").unwrap().to_owned();
    let events = site.count("SELECT count(*) FROM events");
    for path in changing() {
        for token in ["", "f", &other, &bobs, &outside, &own[1..]] {
            let page = post(
                &mut alice,
                &path,
                &[("Sec-Fetch-Site", "same-origin")],
                token,
            );
            assert_eq!(page.status, 403, "{path}: {}", page.text());
        }
    }
    assert!(alice.is_signed_in());
    assert_eq!(site.count("SELECT count(*) FROM events"), events);
    // With the token, and with Origin alone where the browser sends nothing else, it works.
    let origin = [("Origin", "http://127.0.0.1:8420")];
    let page = post(&mut alice, "/account/theme", &origin, &own);
    assert_eq!(page.status, 303, "{}", page.text());
}

#[test]
fn other_host_name_is_not_an_own_origin() {
    // A foreign page may point its own name to this address (DNS rebinding): all its requests then look same-origin.
    let site = Site::new();
    let mut browser = site.browser();
    for (host, origin) in [
        ("evil.example:8420", "http://evil.example:8420"),
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example"),
        (
            "localhost.evil.example:8420",
            "http://localhost.evil.example:8420",
        ),
    ] {
        let headers = [("Host", host), ("Origin", origin)];
        let form = browser.open("/login").form("/login");
        let token = form.value("form_token").unwrap();
        assert_eq!(
            post(&mut browser, "/login", &headers, token).status,
            403,
            "{host}"
        );
        let headers = [
            ("Host", host),
            ("Origin", origin),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        assert_eq!(
            post(&mut browser, "/login", &headers, token).status,
            403,
            "{host}"
        );
    }
    // A configured public URL is the only origin; loopback names do not count.
    let site = Site::empty("https://keys.lab.example");
    let mut browser = site.browser();
    let form = browser.open("/login").form("/login");
    let token = form.value("form_token").unwrap();
    let page = post(
        &mut browser,
        "/login",
        &[("Origin", "http://127.0.0.1:8420")],
        token,
    );
    assert_eq!(page.status, 403);
    let page = post(
        &mut browser,
        "/login",
        &[("Origin", "https://keys.lab.example")],
        token,
    );
    assert_eq!(page.status, 401);
}

#[test]
fn get_request_changes_nothing() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let (id, _) = alice.make_key("key");
    let events = site.count("SELECT count(*) FROM events");
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let path = route.path.replace("{id}", &id).replace("{username}", "bob");
        let page = alice.get(&path.replace("{name}", "slurm"));
        assert!(page.status < 500, "{path}: {}", page.text());
    }
    for path in changing() {
        let page = alice.get(&path);
        assert!(
            [200, 404, 405, 303].contains(&page.status),
            "{path}: {}",
            page.status
        );
    }
    assert_eq!(site.count("SELECT count(*) FROM events"), events);
    assert!(alice.is_signed_in());
}
