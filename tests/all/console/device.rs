//! The approval of a login on a device: the person chooses lifetime and permissions.

use super::site::Site;

/// Begins a login of a device. Returns the code to type and the one to poll with.
fn begin(site: &Site, scope: &str) -> (String, String) {
    let body = format!("client_id=keycroft-cli&computer=gpu1&program=keycroft%2F1{scope}");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let mut device = site.browser();
    let answer = device.send("POST", "/oauth/device_authorization", &headers, &body);
    let answer: serde_json::Value = serde_json::from_str(&answer.expect(200).text()).unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("user_code"), text("device_code"))
}

/// Fetches the token of an approved login and returns its permissions and lifetime.
fn fetch(site: &Site, device_code: &str) -> (String, i64) {
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
    let body = format!("client_id=keycroft-cli&grant_type={grant}&device_code={device_code}");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let mut device = site.browser();
    device
        .send("POST", "/oauth/token", &headers, &body)
        .expect(200);
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let sql = "SELECT permissions, expires_at - created_at FROM credentials WHERE kind = 'token' ORDER BY number DESC";
    file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

#[test]
fn approval_gives_the_chosen_permissions_and_lifetime() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for (access, wanted) in [
        (
            "account",
            "account:read account:write api-keys:read api-keys:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write",
        ),
        (
            "read-only",
            "account:read api-keys:read audit:read hosts:read policy:read services:read sessions:read ssh-keys:read tokens:read users:read",
        ),
    ] {
        let (user_code, device_code) = begin(&site, "");
        let form = alice
            .open("/device")
            .form("/device")
            .set("code", &user_code);
        let page = alice.submit(&form).expect(200);
        assert!(
            page.has("Approve a login on") && page.has("gpu1"),
            "{}",
            page.text()
        );
        let form = page.form("/device/approve");
        assert_eq!(form.value("access"), Some("account"), "the default");
        let form = form.set("access", access).set("expires_in", "3h");
        alice.submit(&form).expect(200);
        assert_eq!(fetch(&site, &device_code), (wanted.to_owned(), 3 * 3_600));
    }
}

#[test]
fn approval_never_exceeds_the_request() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let (user_code, device_code) = begin(&site, "&scope=tokens%3Aread+users%3Aread");
    let form = alice
        .open("/device")
        .form("/device")
        .set("code", &user_code);
    let form = alice.submit(&form).expect(200).form("/device/approve");
    let wide = form
        .clone()
        .set("access", "choose")
        .set("permission.users", "read-write");
    let page = alice.submit(&wide).expect(422);
    assert!(
        page.has("only permissions that the device requested"),
        "{}",
        page.text()
    );
    // A button fills rows and approves nothing.
    let page = alice
        .submit(&form.set("fill", "administration none"))
        .expect(200);
    let form = page.form("/device/approve");
    assert_eq!(form.value("permission.users"), Some("none"));
    alice.submit(&form).expect(200);
    assert_eq!(fetch(&site, &device_code).0, "tokens:read");
}
