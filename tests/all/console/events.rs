//! Events at the console: one sentence a row, found by action, person, text, outcome and time.

use super::browser::{Browser, Page};
use super::site::Site;

/// The sentences of a page, without markup and details.
fn sentences(page: &Page) -> Vec<String> {
    let text = page.text();
    let rows = text.split("<td class=\"name\">").skip(1);
    rows.map(|row| {
        let sentence = row.split("<details>").next().unwrap();
        let mut words = String::new();
        let mut within = false;
        for character in sentence.chars() {
            match character {
                '<' => within = true,
                '>' => within = false,
                other if !within => words.push(other),
                _ => {}
            }
        }
        words.trim().to_owned()
    })
    .collect()
}

#[track_caller]
fn message(browser: &mut Browser<'_>, path: &str) -> Vec<String> {
    sentences(&browser.open(path))
}

/// Writes events as an earlier version of the schema left them.
fn add_earlier(site: &Site, events: &[(&str, &str, &str)]) {
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let sql = "INSERT INTO events (number, at, action, outcome, channel, actor, target_kind, target_id, target_name, before, after, hash) \
               SELECT max(number) + 1, max(at), ?1, 'done', 'api', 'carol', ?2, ?3, '', '', '', zeroblob(32) FROM events";
    for (action, kind, id) in events {
        file.execute(sql, [action, kind, id]).unwrap();
    }
}

#[test]
fn events_are_found_by_action_person_text_outcome_and_time() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, _) = bob.make_key("nightly backup");
    let path = format!("/api-keys/{id}/rotate");
    let form = bob.open(&path).form(&path).set("how", "leaked");
    bob.submit(&form).expect(200);
    site.browser().sign_in("bob", "wrong").expect(401);
    site.pass(3 * 86_400);
    let mut alice_later = site.signed_in("alice");
    let all = "/admin/events";
    let rotated = "bob rotated API key nightly backup";
    assert_eq!(
        message(&mut alice_later, &format!("{all}?action=api-key.rotate")),
        [rotated]
    );
    assert_eq!(
        message(&mut alice_later, &format!("{all}?action=api-key&user=bob")),
        [rotated, "bob created API key nightly backup"]
    );
    assert!(
        message(
            &mut alice_later,
            &format!("{all}?action=api-key&user=alice")
        )
        .is_empty()
    );
    assert_eq!(
        message(
            &mut alice_later,
            &format!("{all}?q=NIGHTLY+backup&action=api-key.rotate")
        ),
        [rotated]
    );
    assert_eq!(
        message(&mut alice_later, &format!("{all}?outcome=refused")).len(),
        1
    );
    assert_eq!(
        message(&mut alice_later, &format!("{all}?range=24h")).len(),
        1,
        "the sign-in"
    );
    assert!(message(&mut alice_later, &format!("{all}?range=7d")).len() > 5);
    assert!(
        message(
            &mut alice_later,
            &format!("{all}?user=operator&action=user")
        )
        .len()
            >= 2
    );
    // Each filter has its count, its links and its downloads.
    let page = alice_later.open(&format!("{all}?action=api-key&user=bob"));
    assert!(
        page.has("2 events")
            && page.has("/admin/events/export?action=api-key&amp;user=bob&amp;format=csv")
    );
    assert!(
        page.has(&format!("href=\"/admin/users/bob/api-keys/{id}\"")),
        "{}",
        page.text()
    );
    assert!(page.has("22 November 2026"), "{}", page.text());
    let csv = alice_later
        .open("/admin/events/export?action=api-key&user=bob&format=csv")
        .text();
    assert_eq!(csv.matches(",api-key.").count(), 2, "{csv}");
    assert!(csv.starts_with("number,at,action,"));
    // A member has links to what is theirs, and none to admins' pages.
    let mut bob = site.signed_in("bob");
    let page = bob.open("/events?action=api-key");
    assert!(
        page.has(&format!("href=\"/api-keys/{id}\"")) && !page.has("/admin/"),
        "{}",
        page.text()
    );
}

#[test]
fn events_under_earlier_names_are_found_by_present_ones() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    add_earlier(
        &site,
        &[
            ("user.end-everything", "user", "bob"),
            ("credential.burn", "api-key", "4k2m9x0q7w1z"),
            ("host.enrol-code", "enrollment-code", "5k2m9x0q7w1z"),
            ("host.delete-enrol-code", "enrollment-code", "6k2m9x0q7w1z"),
            ("totp.later", "user", "bob"),
        ],
    );
    for (action, sentence) in [
        ("user.offboard", "carol offboarded user bob"),
        ("user.end-everything", "carol offboarded user bob"),
        ("credential.revoke", "carol revoked api-key 4k2m9x0q7w1z"),
        ("credential", "carol revoked api-key 4k2m9x0q7w1z"),
        (
            "host.enroll-code",
            "carol created enrollment code 5k2m9x0q7w1z",
        ),
        (
            "host.delete-enroll-code",
            "carol deleted enrollment code 6k2m9x0q7w1z",
        ),
        // An action without a sentence is shown by its name.
        ("totp", "carol totp.later user bob"),
    ] {
        let found = message(&mut alice, &format!("/admin/events?action={action}"));
        assert_eq!(found, [sentence], "{action}");
    }
    let found = message(&mut alice, "/admin/events?action=user&user=carol");
    assert_eq!(found, ["carol offboarded user bob"]);
    assert_eq!(message(&mut alice, "/admin/events?action=host").len(), 2);
    assert!(
        message(&mut alice, "/admin/events?action=hos").is_empty(),
        "no group"
    );
    // The API has the same filter.
    let header = format!("Bearer {}", site.token("alice"));
    let path = "/api/v1/events?all=true&action=user.offboard";
    let page = alice.send("GET", path, &[("Authorization", &header)], "");
    assert!(page.has("user.end-everything"), "{}", page.text());
}

#[test]
fn event_search_continues_after_the_searched_part() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    alice.make_key("needle");
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let sql = "WITH RECURSIVE n (x) AS (SELECT 1 + (SELECT max(number) FROM events) UNION ALL SELECT x + 1 FROM n WHERE x < ?1) \
               INSERT INTO events (number, at, action, outcome, channel, actor, target_kind, target_id, target_name, before, after, hash) \
               SELECT x, 1795000000, 'sweep', 'done', 'cli', 'operator', 'sweep', 'sweep', '', '', '', zeroblob(32) FROM n";
    file.execute(sql, [100_500]).unwrap();
    let page = alice.open("/admin/events?q=needle");
    assert!(sentences(&page).is_empty());
    assert!(
        page.has("Nothing matches in this part of the log."),
        "{}",
        page.text()
    );
    let text = page.text();
    let older = text.split("rel=\"next\" href=\"").nth(1).unwrap();
    let older = older.split('"').next().unwrap().replace("&amp;", "&");
    assert_eq!(
        message(&mut alice, &older),
        ["alice created API key needle"]
    );
    assert!(alice.open("/admin/events").has("More than 1,000 events"));
    assert!(alice.open("/admin/events?action=api-key").has("1 event<"));
}

#[test]
fn unknown_filters_get_a_page() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for query in [
        "action=%F0%9F%92%A9",
        "action=.",
        "action=api-key.",
        "action=%25",
        "outcome=maybe&range=forever",
        "user=%2E%2E%2F%00&q=%00%ff%27",
        "after=9223372036854775807&q=x",
        "after=-9223372036854775808&q=x",
        "since=2026-11-22T12:00&until=2026-11-22T12:00",
        "target=%3Cscript%3E",
    ] {
        for page in ["/events", "/admin/events"] {
            alice.open(&format!("{page}?{query}"));
            alice.open(&format!("{page}/export?{query}"));
        }
    }
    let page = alice.get("/admin/events?since=yesterday");
    assert_eq!(page.status, 422);
    assert!(
        page.has("href=\"#since\"") && page.has("id=\"since\""),
        "{}",
        page.text()
    );
}

#[test]
fn quick_range_keeps_the_other_filters() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let page = alice.open("/admin/events?action=api-key&range=24h");
    assert!(page.has("<button name=\"range\" value=\"7d\">7 d</button>"));
    assert!(page.has("<button name=\"range\" value=\"24h\" aria-current=\"true\">24 h</button>"));
    // Enter in the search box presses the first button.
    assert!(page.has("<button name=\"range\" value=\"24h\">Filter</button>"));
    // Dates would win over a range, so that a link drops them.
    let page = alice.open("/admin/events?action=api-key&since=2026-11-22T12:00");
    assert!(page.has("href=\"/admin/events?action=api-key&amp;range=7d\""));
}

/// The own log has no filter by person: it would tell who exists.
#[test]
fn own_events_are_equal_for_any_named_user() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let all = sentences(&bob.open("/events"));
    assert!(!all.is_empty());
    for name in ["alice", "nobody", "bob"] {
        let page = bob.open(&format!("/events?user={name}"));
        assert_eq!(sentences(&page), all, "{name}");
    }
}

/// The number above the list counts the same events as the list contains.
#[test]
fn number_of_own_events_leaves_out_those_of_others() {
    let site = Site::new();
    let (_alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let page = bob.open("/events");
    let own = sentences(&page).len();
    let all = site.count("SELECT count(*) FROM events");
    assert!(i64::try_from(own).unwrap() < all);
    assert!(page.has(&format!(">{own} events<")), "{}", page.text());
}

/// A search compares the composed form, in which names are stored.
#[test]
fn event_search_finds_a_name_in_decomposed_form() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/api-keys/new").form("/api-keys/new");
    bob.submit(&form.set("name", "Zo\u{eb}")).expect(200);
    let found = sentences(&bob.open("/events?q=zoe%CC%88"));
    assert_eq!(found.len(), 1, "{found:?}");
}
