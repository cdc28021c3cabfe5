//! The pages of notices: channels for admins, the address, wanted notices and the calendar of a person.

use keycroft::model::notice_kind::NoticeKind;

use crate::console::site::Site;

/// Adds a channel with the form. Returns the answer.
fn add_channel(site: &Site, kind: &str, name: &str, url: &str) -> String {
    let mut alice = site.signed_in("alice");
    let mut form = alice.open("/admin/notices/new").form("/admin/notices/new");
    form = form.set("name", name);
    form = form.set("kind", kind);
    form = form.set("url", url);
    let page = alice.submit(&form);
    assert!(matches!(page.status, 200 | 303), "{}", page.text());
    page.text()
}

#[test]
fn channel_is_added_tested_changed_and_deleted() {
    let site = Site::new();
    let page = add_channel(&site, "webhook", "tickets", "http://127.0.0.1:9/s3cr3t");
    let start = page
        .find("value=\"")
        .map(|_| page.matches("Copy the signing key now").count());
    assert_eq!(start, Some(1));
    let mut alice = site.signed_in("alice");
    let list = alice.open("/admin/notices");
    assert!(
        list.has("tickets") && list.has("http://127.0.0.1:9/\u{2026}"),
        "{}",
        list.text()
    );
    assert!(!list.has("s3cr3t"));
    let text = list.text();
    let at = text.find("href=\"/admin/notices/").unwrap();
    let ids = text[at..].split("href=\"/admin/notices/").skip(1);
    let id = ids
        .map(|rest| &rest[..12])
        .find(|id| !id.starts_with("new"))
        .unwrap()
        .to_owned();
    let path = format!("/admin/notices/{id}");
    let page = alice.submit_and_follow(&list.form(&format!("{path}/test")));
    assert!(page.has("The test notice is on its way"), "{}", page.text());
    let sent = "SELECT count(*) FROM notices WHERE kind = 'test'";
    assert_eq!(site.count(sent), 1);
    let mut form = alice.open(&path).form(&path);
    form = form.set("name", "helpdesk");
    let page = alice.submit_and_follow(&form);
    assert!(
        page.has("helpdesk") && page.has("Channel helpdesk saved."),
        "{}",
        page.text()
    );
    let kept = "SELECT count(*) FROM notice_channels WHERE url = 'http://127.0.0.1:9/s3cr3t'";
    assert_eq!(site.count(kept), 1, "an empty URL keeps the present one");
    let delete = format!("{path}/delete");
    let page = alice.open(&delete);
    let page = alice.submit_and_follow(&page.form(&delete));
    assert!(page.has("No channels yet"), "{}", page.text());
    assert_eq!(site.count("SELECT count(*) FROM notices"), 0);
}

#[test]
fn rejected_channel_form_keeps_its_values_and_shows_faults() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let mut form = alice.open("/admin/notices/new").form("/admin/notices/new");
    form = form.set("name", "phone");
    form = form.set("kind", "ntfy");
    form = form.set("url", "ftp://a/");
    let page = alice.submit(&form);
    assert_eq!(page.status, 422);
    assert!(page.has("<a href=\"#url\">URL</a>"), "{}", page.text());
    // A form that was sent twice creates one channel.
    form = page.form("/admin/notices/new");
    form = form.set("url", "http://127.0.0.1:9/x");
    assert_eq!(alice.submit(&form).status, 303);
    assert!(alice.submit(&form).has("Already created"));
    assert_eq!(site.count("SELECT count(*) FROM notice_channels"), 1);
}

#[test]
fn member_sees_no_channels_of_admins() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    for path in ["/admin/notices", "/admin/notices/new"] {
        assert_eq!(bob.get(path).status, 403, "{path}");
    }
    assert!(!bob.open("/account").has("/admin/notices"));
}

#[test]
fn wanted_notices_are_chosen_and_security_stays() {
    let site = Site::new();
    add_channel(&site, "ntfy", "phone", "http://127.0.0.1:9/x");
    let mut bob = site.signed_in("bob");
    let page = bob.open("/account/notices");
    assert_eq!(
        page.text().matches("name=\"want\"").count(),
        6,
        "{}",
        page.text()
    );
    let mut form = page.form("/account/notices");
    form.fields
        .retain(|(_, value)| !value.starts_with("api-key.expires="));
    let page = bob.submit_and_follow(&form);
    assert!(page.has("Notice preferences saved."), "{}", page.text());
    assert_eq!(site.count("SELECT count(*) FROM notice_opt_outs"), 1);
    let mut form = page.form("/account/notices");
    form.fields.retain(|(name, _)| name != "want");
    let page = bob.submit(&form);
    assert_eq!(page.status, 422);
    assert!(
        page.has("keep it on at least one channel"),
        "{}",
        page.text()
    );
    assert_eq!(site.count("SELECT count(*) FROM notice_opt_outs"), 1);
}

/// The link shows a button and uses up nothing; the form in that person's session confirms.
#[test]
fn address_is_confirmed_by_the_button_behind_the_link() {
    let site = Site::new();
    add_channel(&site, "email", "mail", "");
    let mut bob = site.signed_in("bob");
    let mut form = bob.open("/account/notices").form("/account/notices/email");
    form = form.set("email", "Bob@LAB.example");
    let page = bob.submit_and_follow(&form);
    assert!(
        page.has("A mail with a link is on its way"),
        "{}",
        page.text()
    );
    assert!(page.has("Bob@lab.example"));
    let now = site.clock.now();
    let notices = site.app().due_notices(now, &[]).unwrap();
    let mails = notices
        .iter()
        .filter(|one| one.kind == NoticeKind::AddressConfirmation);
    let mail = mails.clone().next().unwrap();
    let user = mail.user.unwrap();
    let code = site
        .app()
        .confirmation_code(user, mail.address.as_deref().unwrap(), now)
        .unwrap()
        .unwrap()
        .reveal();
    let link = format!("/account/notices/confirm?code={}", *code);
    // Somebody else, who is signed in: no button, and the code stays.
    let mut alice = site.signed_in("alice");
    alice.get(&link).expect(303);
    let page = alice.get("/account/notices/confirm");
    assert_eq!(page.status, 404);
    assert!(!page.has("Confirm the address"), "{}", page.text());
    // Signed out: the sign-in comes first. Opening it uses up nothing.
    let mut other = site.browser();
    let page = other.get(&link).expect(303);
    assert_eq!(page.header("Location"), Some("/account/notices/confirm"));
    let page = other.get("/account/notices/confirm").expect(303);
    assert_eq!(
        page.header("Location"),
        Some("/login?next=%2Faccount%2Fnotices%2Fconfirm")
    );
    for _ in 0..2 {
        bob.get(&link).expect(303);
    }
    let page = bob.open("/account/notices/confirm");
    assert!(page.has("Bob@lab.example"), "{}", page.text());
    assert_eq!(
        site.count("SELECT count(*) FROM email_addresses WHERE address IS NOT NULL"),
        0
    );
    let form = page.form("/account/notices/confirm");
    let page = bob.submit_and_follow(&form);
    assert!(
        page.has("The e-mail address is confirmed."),
        "{}",
        page.text()
    );
    assert_eq!(
        site.count("SELECT count(*) FROM email_addresses WHERE address = 'Bob@lab.example'"),
        1
    );
    assert_eq!(
        site.count("SELECT count(*) FROM codes WHERE purpose = 'email-confirmation'"),
        0
    );
    // Once.
    assert_eq!(bob.submit(&form).status, 404);
    let page = bob.open("/account/notices");
    let page = bob.submit_and_follow(&page.form("/account/notices/email/remove"));
    assert!(
        page.has("The e-mail address is removed."),
        "{}",
        page.text()
    );
}

#[test]
fn calendar_link_reads_expirations_until_it_is_revoked() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    bob.make_key("ci; nightly, x");
    let page = bob.open("/account/notices");
    let page = bob
        .submit(&page.form("/account/notices/calendar"))
        .expect(200);
    let text = page.text();
    let at = text.find("/calendar/kcf_").unwrap();
    let link = text[at..].split('"').next().unwrap().to_owned();
    let mut program = site.browser();
    let calendar = program.get(&link).expect(200);
    assert_eq!(
        calendar.header("Content-Type"),
        Some("text/calendar; charset=utf-8")
    );
    assert!(
        calendar.has("SUMMARY:API key ci\\; nightly\\, x expires\r\n"),
        "{}",
        calendar.text()
    );
    assert!(!calendar.has("kca_") && !calendar.has("kcf_"));
    // The secret opens nothing else.
    let secret = link
        .trim_start_matches("/calendar/")
        .trim_end_matches(".ics");
    let bearer = format!("Bearer {secret}");
    let header: &[(&str, &str)] = &[("Authorization", &bearer)];
    assert_eq!(program.send("GET", "/api/v1/me", header, "").status, 401);
    assert_eq!(program.send("GET", "/verify", header, "").status, 401);
    let count = "SELECT count(*) FROM events WHERE before || after || target_id || target_name LIKE '%' || ?1 || '%'";
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let found: i64 = file
        .query_row(count, [&secret[17..]], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 0, "the audit log has only the id");
    // A new link revokes the old one; then none is left.
    let page = bob.open("/account/notices");
    let page = bob
        .submit(&page.form("/account/notices/calendar"))
        .expect(200);
    let text = page.text();
    let at = text.find("/calendar/kcf_").unwrap();
    let second = text[at..].split('"').next().unwrap().to_owned();
    assert_eq!(program.get(&link).status, 404);
    assert_eq!(program.get(&second).status, 200);
    let page = bob.open("/account/notices");
    bob.submit(&page.form("/account/notices/calendar/delete"));
    assert_eq!(program.get(&second).status, 404);
    for wrong in ["/calendar/x.ics", "/calendar/.ics", "/calendar/kcf_x.ics"] {
        assert_eq!(program.get(wrong).status, 404, "{wrong}");
    }
}
