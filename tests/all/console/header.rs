//! Bar W2: the headers of every answer, errors included.

use keycroft::http::ROUTES;
use keycroft::transport::Rejection;

use super::browser::Page;
use super::site::Site;

#[track_caller]
fn require_headers(page: &Page, https: bool) {
    let what = format!("{} {}", page.status, page.url);
    let policy = page.header("Content-Security-Policy").expect(&what);
    assert!(policy.starts_with("default-src 'none'"), "{what}");
    for part in ["form-action '", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{what}: {part}");
    }
    assert!(!policy.contains("unsafe"), "{what}");
    assert_eq!(
        page.header("X-Content-Type-Options"),
        Some("nosniff"),
        "{what}"
    );
    assert_eq!(
        page.header("Referrer-Policy"),
        Some("same-origin"),
        "{what}"
    );
    let opener = page.header("Cross-Origin-Opener-Policy");
    assert_eq!(opener, Some("same-origin"), "{what}");
    let strict = page.header("Strict-Transport-Security");
    assert_eq!(strict.is_some(), https, "{what}");
    let cache = page.header("Cache-Control");
    let kept = page.url.starts_with("/-/") && page.status == 200;
    let wanted = if kept {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    assert_eq!(cache, Some(wanted), "{what}");
    assert!(page.header("Request-Id").is_some(), "{what}");
    let is_page = page.text().starts_with("<!DOCTYPE html>");
    let content_type = page.header("Content-Type").unwrap_or_default();
    assert_eq!(
        is_page,
        content_type == "text/html; charset=utf-8",
        "{what}"
    );
    if is_page {
        assert!(
            policy.contains("require-trusted-types-for 'script'"),
            "{what}"
        );
    }
}

#[test]
fn every_answer_has_the_security_headers() {
    for url in ["http://127.0.0.1:8420", "https://keys.lab.example"] {
        let https = url.starts_with("https");
        let site = Site::empty(url);
        let mut browsers = vec![site.browser()];
        if !https {
            for (name, role, password) in [
                (
                    "alice",
                    keycroft::model::user::Role::Admin,
                    super::site::ALICE,
                ),
                ("bob", keycroft::model::user::Role::Member, super::site::BOB),
            ] {
                site.add_user(name, role, Some(password));
                browsers.push(site.signed_in(name));
            }
        }
        for browser in &mut browsers {
            for route in ROUTES {
                let path = route.path.replace(['{', '}'], "");
                for path in [path.clone(), format!("{path}?done=account&page=2&after=x")] {
                    require_headers(&browser.send(route.method, &path, &[], ""), https);
                    let headers = [
                        ("Sec-Fetch-Site", "same-origin"),
                        ("Content-Type", "application/x-www-form-urlencoded"),
                    ];
                    let page = browser.send(route.method, &path, &headers, "a=b");
                    require_headers(&page, https);
                }
                require_headers(&browser.send("PATCH", &path, &[], ""), https);
            }
            for path in [
                "/nowhere",
                "/-/app.css",
                "/api/v1/nowhere",
                "/admin/users/../x",
            ] {
                require_headers(&browser.get(path), https);
            }
            for asset in keycroft::html::assets() {
                let page = browser.get(&asset.path);
                require_headers(&page, https);
                assert_eq!(page.header("Content-Type"), Some(asset.content_type));
            }
        }
    }
}

#[test]
fn browser_gets_pages_and_client_gets_problems() {
    let site = Site::new();
    let mut browser = site.browser();
    let page = browser.get("/nowhere");
    assert_eq!(page.status, 404);
    assert!(page.has("<h1>Not found</h1>"), "{}", page.text());
    // Its words are for a person: none about the API.
    assert!(
        page.has("This address has no page.") && !page.has("lists all paths"),
        "{}",
        page.text()
    );
    let page = browser.send("GET", "/nowhere", &[("Accept", "*/*")], "");
    assert_eq!(
        page.header("Content-Type"),
        Some("application/problem+json")
    );
    let page = browser.get("/api/v1/nowhere");
    assert_eq!(
        page.header("Content-Type"),
        Some("application/problem+json")
    );
    // Error pages name the signed-in user, like every page.
    let mut bob = site.signed_in("bob");
    let page = bob.get("/nowhere");
    assert!(page.has("<a class=\"end\" href=\"/account\">bob</a>"));
}

/// So does an answer to a request that the transport rejects.
#[test]
fn rejected_request_gets_the_security_headers() {
    for (url, https) in [
        ("http://127.0.0.1:8420", false),
        ("https://keys.example", true),
    ] {
        let reject = keycroft::http::reject(&Site::empty(url).settings);
        for status in [400, 405, 408, 414, 417, 431, 500, 503, 505] {
            let response = reject(Rejection {
                status,
                detail: "No.",
            });
            assert_eq!(response.status_code, status);
            let headers = response.headers.into_iter();
            let page = Page {
                url: "/rejected".to_owned(),
                status,
                headers: headers
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect(),
                body: Vec::new(),
            };
            require_headers(&page, https);
            assert_eq!(page.header("Allow").is_some(), status == 405);
            assert_eq!(page.header("Retry-After").is_some(), status == 503);
        }
    }
}
