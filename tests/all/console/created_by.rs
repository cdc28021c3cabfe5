//! Credentials created by a token: their pages name the token, and deleting the token offers to delete them too.

use super::browser::Browser;
use super::site::Site;

/// Creates a credential by the API. Returns its secret.
fn create(browser: &mut Browser<'_>, bearer: &str, path: &str, body: &str) -> String {
    let authorization = format!("Bearer {bearer}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let answer = browser
        .send("POST", path, &headers, body)
        .expect(201)
        .text();
    let start = answer.find("\"secret\":\"").unwrap() + 10;
    answer[start..].split('"').next().unwrap().to_owned()
}

#[test]
fn key_names_its_creator_and_is_deleted_with_it() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let mut program = site.browser();
    let operators = site.token("bob");
    let (mut keys, mut tokens) = (Vec::new(), Vec::new());
    for name in ["first", "second"] {
        let body = format!("{{\"name\": \"shell-{name}\"}}");
        let token = create(&mut program, &operators, "/api/v1/tokens", &body);
        let body = format!("{{\"name\": \"{name}\", \"expires_in\": \"never\"}}");
        let key = create(&mut program, &token, "/api/v1/api-keys", &body);
        keys.push(format!("/api-keys/{}", &key[4..16]));
        tokens.push(format!("/tokens/{}/delete", &token[4..16]));
    }
    // Without what it created: the key stays and still names its creator.
    let page = bob.open(&tokens[0]);
    assert!(
        page.has("It created other credentials") && page.has("first"),
        "{}",
        page.text()
    );
    bob.submit_and_follow(&page.form(&tokens[0]));
    let page = bob.open(&keys[0]);
    assert!(page.has("token shell-first"), "{}", page.text());
    // With what it created.
    let form = bob.open(&tokens[1]).form(&tokens[1]).set("made", "end");
    bob.submit_and_follow(&form);
    assert_eq!(bob.get(&keys[1]).status, 404);
}

#[test]
fn deleted_creator_is_named_without_a_link() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let creator = create(
        &mut site.browser(),
        &site.token("bob"),
        "/api/v1/api-keys",
        r#"{"name": "parent", "permissions": ["account:read", "api-keys:write"]}"#,
    );
    let body = r#"{"name": "child", "permissions": ["account:read"]}"#;
    let child = create(&mut site.browser(), &creator, "/api/v1/api-keys", body);
    let (creator, child) = (&creator[4..16], format!("/api-keys/{}", &child[4..16]));
    let link = format!("href=\"/api-keys/{creator}\"");
    assert!(bob.open(&child).has(&link));
    let delete = format!("/api-keys/{creator}/delete");
    let form = bob.open(&delete).form(&delete).set("confirm", "parent");
    bob.submit_and_follow(&form);
    let page = bob.open(&child);
    assert!(page.has("<bdi>parent</bdi> (deleted)"), "{}", page.text());
    assert!(!page.has(&link));
}
