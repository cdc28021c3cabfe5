//! Admins' pages of hosts: a code shown once, enrollment, logins, deletion.

use keycroft::http::respond;
use rouille::Request;

use super::site::Site;

/// A machine uses a code. Returns the status.
pub fn enroll(site: &Site, code: &str, name: &str) -> u16 {
    let headers = vec![
        ("Authorization".to_owned(), format!("Bearer {code}")),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ];
    let body = format!("{{\"name\":\"{name}\"}}").into_bytes();
    let peer = "127.0.0.1:40000".parse().unwrap();
    let request = Request::fake_http_from(
        peer,
        "POST",
        "/api/v1/hosts/enroll".to_owned(),
        headers,
        body,
    );
    respond(&site.server_state, &request).status_code
}

#[test]
fn host_is_enrolled_changed_and_deleted() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let group = alice.open("/admin/groups").form("/admin/groups");
    alice.submit_and_follow(&group.set("name", "staff"));
    assert!(alice.open("/admin/hosts").has("No hosts yet"));
    let form = alice
        .open("/admin/hosts/enroll")
        .form("/admin/hosts/enroll");
    let wrong = alice.submit(&form.clone().set("uses", "many"));
    assert_eq!(wrong.status, 422);
    assert!(wrong.has("enter a number"), "{}", wrong.text());
    let created = alice.submit(&form.clone().set("uses", "2")).expect(200);
    let code = created.secret();
    assert!(code.starts_with("kce_"), "{code}");
    assert_eq!(created.header("Cache-Control"), Some("no-store"));
    // The instructions are complete: the program, the code, sshd and timers, what to do without systemd, and the check.
    let url = &site.settings.public_url;
    let commands = [
        "install -m 755 keycroft /usr/local/bin/keycroft".to_owned(),
        "install -m 600 /dev/null keycroft-code &amp;&amp; cat &gt; keycroft-code &lt;&lt;'END'"
            .to_owned(),
        code.clone(),
        "END".to_owned(),
        format!("keycroft host enroll {url} --code-file keycroft-code &amp;&amp; rm keycroft-code"),
        "keycroft host check".to_owned(),
    ];
    for words in [
        &format!(">{}</pre>", commands.join("\n")),
        "starts the timers that refresh the cache and report logins",
        "<code>keycroft host sync</code> and <code>keycroft host report-logins</code>",
        "<code>--ca-file ca.pem</code>",
        &format!("keycroft host enroll {url} --code-file /etc/keycroft/code"),
    ] {
        assert!(created.has(words), "{words}: {}", created.text());
    }
    // A repeated form creates and shows no second code.
    let again = alice.submit(&form.set("uses", "2"));
    assert_eq!(again.status, 409);
    assert!(!again.text().contains("kce_"), "{}", again.text());
    assert_eq!(
        site.count("SELECT count(*) FROM codes WHERE purpose = 'enrollment'"),
        1
    );
    assert!(!alice.open("/admin/hosts").text().contains(&code));

    assert_eq!(enroll(&site, &code, "gpu1"), 201);
    let page = alice.open("/admin/hosts");
    assert!(
        page.has("gpu1") && page.has("every user") && page.has("1 left"),
        "{}",
        page.text()
    );
    let codes = page.text();
    let (_, rest) = codes.split_once("/admin/hosts/codes/").unwrap();
    let delete = format!("/admin/hosts/codes/{}/delete", &rest[..12]);
    alice.submit_and_follow(&page.form(&delete));
    assert_eq!(enroll(&site, &code, "gpu2"), 401);

    let id = codes
        .split("href=\"/admin/hosts/")
        .map(|rest| &rest[..rest.len().min(12)])
        .find(|id| {
            id.len() == 12
                && id
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
        .unwrap()
        .to_owned();
    for (text, is_found) in [(id.as_str(), true), ("000000000000", false)] {
        let found = alice.open(&format!("/admin/hosts?q={text}"));
        assert_eq!(found.has("<bdi>gpu1</bdi>"), is_found, "{}", found.text());
    }
    let path = format!("/admin/hosts/{id}");
    let form = alice.open(&path).form(&path);
    let stale = form.clone();
    let bad = alice.submit(&form.clone().set("shared_logins", "ubuntu"));
    assert_eq!(bad.status, 422);
    assert!(bad.has("such as ubuntu: admins"), "{}", bad.text());
    let saved = alice.submit_and_follow(
        &form
            .set("groups", "staff")
            .set("shared_logins", "ubuntu: staff")
            .set("cache_age_max", "1h"),
    );
    assert!(
        saved.has("Host gpu1 saved.") && saved.has("ubuntu: staff") && saved.has("1h"),
        "{}",
        saved.text()
    );
    assert_eq!(site.count("SELECT count(*) FROM host_groups"), 1);
    assert!(alice.open("/admin/groups/staff").has("Hosts: gpu1"));
    // A concurrent change is not overwritten.
    let late = alice.submit(&stale.clone().set("cache_age_max", "2h"));
    assert_eq!(late.status, 409);
    // Nor after a typo, with which the page is shown again.
    let late = alice.submit(&stale.set("cache_age_max", "2 hours"));
    assert_eq!(late.status, 409);
    assert_eq!(site.count("SELECT cache_age_max_seconds FROM hosts"), 3_600);

    // A requested rotation is not withdrawn by a form from before.
    let before = alice.open(&path).form(&path);
    let request = before.clone().set("rotation_requested", "yes");
    alice.submit_and_follow(&request);
    assert_eq!(alice.submit(&before.set("name", "gpu9")).status, 409);
    assert_eq!(
        site.count("SELECT count(rotation_requested_at) FROM hosts"),
        1
    );

    let delete = format!("{path}/delete");
    let form = alice.open(&delete).form(&delete);
    let unsure = alice.submit(&form.clone().set("confirm", "gpu"));
    assert_eq!(unsure.status, 422);
    alice.submit_and_follow(&form.set("confirm", "gpu1"));
    assert_eq!(site.count("SELECT count(*) FROM hosts"), 0);
    assert_eq!(
        site.count("SELECT count(*) FROM credentials WHERE kind = 'host'"),
        0
    );
}

#[test]
fn page_of_a_host_says_what_to_do_without_a_valid_cache() {
    let mut site = Site::new();
    let mut alice = site.signed_in("alice");
    let path = "/admin/hosts/enroll";
    let form = alice.open(path).form(path);
    let code = alice.submit(&form).expect(200).secret();
    assert_eq!(enroll(&site, &code, "gpu1"), 201);
    let id = site.text("SELECT public_id FROM hosts");
    let now = "(SELECT max(created_at) FROM hosts)";
    for (cached, paused, status, is_advised) in [
        ("NULL".to_owned(), "NULL", "No cache yet", true),
        (
            format!("{now} - cache_age_max_seconds"),
            "NULL",
            "Active",
            false,
        ),
        (
            format!("{now} - cache_age_max_seconds - 1"),
            "NULL",
            "Cache too old",
            true,
        ),
        ("NULL".to_owned(), now, "Paused", false),
    ] {
        site.reopen_after(|file| {
            let sql = format!("UPDATE hosts SET cached_at = {cached}, paused_at = {paused}");
            assert_eq!(file.execute(&sql, []).unwrap(), 1);
        });
        let page = site.signed_in("alice").open(&format!("/admin/hosts/{id}"));
        assert!(page.has(status), "{status}: {}", page.text());
        let advised = page.has("<code>keycroft host check</code>");
        assert_eq!(advised, is_advised, "{status}: {}", page.text());
    }
}
