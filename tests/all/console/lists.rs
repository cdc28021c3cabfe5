//! Lists: filters, order, pages, deletion, and unknown filters.

use keycroft::model::user::Role;

use super::browser::{Browser, Page};
use super::markup::{self, Form};
use super::site::{ALICE, Site};

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBpqyW1fvacRHCtkye3PKhpS+qYgMZZJBwd2sqCr8Lq";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf";

const DAY: i64 = 86_400;

/// The names of a list's rows, in their order.
fn names(page: &Page) -> Vec<String> {
    let text = page.text();
    let rows = text.split("<th class=\"name\" scope=\"row\">").skip(1);
    rows.map(|row| {
        let cell = row.split("<small>").next().unwrap();
        let end = cell.find("</").unwrap();
        let start = cell[..end].rfind('>').map_or(0, |at| at + 1);
        cell[start..end].to_owned()
    })
    .collect()
}

#[track_caller]
fn listed(browser: &mut Browser<'_>, path: &str) -> Vec<String> {
    names(&browser.open(path))
}

/// The form of a page's rows, with these boxes ticked.
fn pick(page: &Page, action: &str, ids: &[&str]) -> Form {
    let mut form = page.form(action);
    for id in ids {
        form.fields.push(("pick".into(), (*id).to_owned()));
    }
    form
}

fn make(browser: &mut Browser<'_>, name: &str, expires_in: &str) -> (String, String) {
    let form = browser.open("/api-keys/new").form("/api-keys/new");
    let form = form.set("name", name).set("expires_in", expires_in);
    let secret = browser.submit(&form).expect(200).secret();
    (secret[4..16].to_owned(), secret)
}

fn press(browser: &mut Browser<'_>, path: &str, fields: &[(&str, &str)]) {
    let mut form = browser.open("/account").form("/logout");
    path.clone_into(&mut form.action);
    for (name, value) in fields {
        form = form.set(name, value);
    }
    let page = browser.submit(&form);
    assert!([200, 303].contains(&page.status), "{path}: {}", page.text());
}

/// API keys in every state of a list, seen 40 days after they were created.
fn in_every_state(site: &mut Site) -> Browser<'_> {
    let mut bob = site.signed_in("bob");
    make(&mut bob, "Über-Schlüssel", "never");
    make(&mut bob, "expired", "30d");
    let (expiring, secret) = make(&mut bob, "expiring", "never");
    let (disabled, _) = make(&mut bob, "disabled", "never");
    let (rotating, _) = make(&mut bob, "rotating", "never");
    let (deleted, _) = make(&mut bob, "deleted", "never");
    let verified = bob.send(
        "GET",
        "/verify",
        &[("Authorization", &format!("Bearer {secret}"))],
        "",
    );
    assert_eq!(verified.status, 204);
    press(&mut bob, &format!("/api-keys/{disabled}/disable"), &[]);
    press(&mut bob, &format!("/api-keys/{deleted}/delete"), &[]);
    site.reopen();
    site.pass(40 * DAY);
    let mut bob = site.signed_in("bob");
    let end = "2027-01-10T12:00";
    let path = format!("/api-keys/{expiring}/edit");
    let form = bob.open(&path).form(&path);
    let form = form.set("expires_in", "custom").set("expires_at", end);
    bob.submit_and_follow(&form);
    let path = format!("/api-keys/{rotating}/rotate");
    let form = bob.open(&path).form(&path);
    let form = form.set("how", "planned").set("grace", "24h");
    bob.submit(&form).expect(200);
    bob
}

#[test]
fn each_filter_shows_the_keys_it_names() {
    let mut site = Site::new();
    let mut bob = in_every_state(&mut site);
    for (query, expected) in [
        (
            "",
            vec![
                "expired",
                "expiring",
                "Über-Schlüssel",
                "disabled",
                "rotating",
            ],
        ),
        ("?status=active", vec!["Über-Schlüssel"]),
        ("?status=expiring", vec!["expiring"]),
        ("?status=rotating", vec!["rotating"]),
        ("?status=disabled", vec!["disabled"]),
        ("?status=expired", vec!["expired"]),
        ("?use=recent", vec![]),
        (
            "?use=never",
            vec!["expired", "Über-Schlüssel", "disabled", "rotating"],
        ),
        ("?expires=soon", vec!["expiring"]),
        (
            "?expires=never",
            vec!["Über-Schlüssel", "disabled", "rotating"],
        ),
        ("?q=%C3%BCBER", vec!["Über-Schlüssel"]),
        ("?q=no+such+key", vec![]),
        (
            "?q=ed&status=disabled&use=never&expires=never",
            vec!["disabled"],
        ),
        (
            "?sort=name",
            vec![
                "disabled",
                "expired",
                "expiring",
                "rotating",
                "Über-Schlüssel",
            ],
        ),
        (
            "?sort=-name",
            vec![
                "Über-Schlüssel",
                "rotating",
                "expiring",
                "expired",
                "disabled",
            ],
        ),
        (
            "?sort=status",
            vec![
                "expired",
                "expiring",
                "rotating",
                "Über-Schlüssel",
                "disabled",
            ],
        ),
        (
            "?sort=-created",
            vec![
                "rotating",
                "disabled",
                "expiring",
                "expired",
                "Über-Schlüssel",
            ],
        ),
    ] {
        assert_eq!(
            listed(&mut bob, &format!("/api-keys{query}")),
            expected,
            "{query}"
        );
    }
    assert_eq!(listed(&mut bob, "/api-keys?sort=-last-used")[0], "expiring");
    assert_eq!(
        listed(&mut bob, "/api-keys?sort=-uses")[4],
        "Über-Schlüssel"
    );
    // The word in each row is the one that it is filtered by.
    for (word, label) in [
        ("active", "Active"),
        ("expiring", "Expiring"),
        ("rotating", "Rotating"),
    ] {
        let page = bob.open(&format!("/api-keys?status={word}"));
        assert!(page.has(&format!(">{label}</b>")), "{}", page.text());
        assert!(page.has("1 API key<"), "{word}");
    }
    let page = bob.open("/api-keys?q=no+such+key");
    assert!(
        page.has("Nothing matches. <a href=\"/api-keys\">"),
        "{}",
        page.text()
    );
}

#[test]
fn key_unused_for_90_days_is_listed_as_unused() {
    let mut site = Site::new();
    let mut bob = site.signed_in("bob");
    let (_, secret) = make(&mut bob, "used", "never");
    make(&mut bob, "unused", "never");
    let header = format!("Bearer {secret}");
    for (days, unused, recent) in [
        (0, vec![], vec!["used"]),
        (91, vec!["unused", "used"], vec![]),
    ] {
        site.pass(days * DAY);
        if days == 0 {
            let mut bob = site.signed_in("bob");
            bob.send("GET", "/verify", &[("Authorization", &header)], "")
                .expect(204);
            site.reopen();
        }
        let mut bob = site.signed_in("bob");
        assert_eq!(
            listed(&mut bob, "/api-keys?use=unused&sort=name"),
            unused,
            "{days}"
        );
        assert_eq!(listed(&mut bob, "/api-keys?use=recent"), recent, "{days}");
    }
}

#[test]
fn every_column_sorts_both_ways_and_pages_hold_each_row_once() {
    let mut site = Site::new();
    let mut alice = site.signed_in("alice");
    for number in 0..30 {
        let name = format!("user{number:02}");
        site.add_user(&name, Role::Member, None);
        let form = alice.open("/admin/groups").form("/admin/groups");
        alice.submit_and_follow(&form.set("name", &format!("group{number:02}")));
        let form = alice.open("/admin/new-service").form("/admin/new-service");
        alice.submit_and_follow(&form.set("name", &format!("service{number:02}")));
        make(&mut alice, &format!("key {number:02}"), "30d");
    }
    // Stores the uses: in the middle of the lists, the order by last use would change between two pages.
    let cookies = alice.cookies.clone();
    site.reopen();
    let mut alice = site.browser_with(cookies);
    let mut checked = 0;
    for list in [
        "/api-keys",
        "/admin/users",
        "/admin/groups",
        "/admin/services",
        "/admin/inventory",
        "/admin/inventory?kind=session",
    ] {
        let text = alice.open(list).text();
        let head = text.split("<thead>").nth(1).unwrap();
        let head = head.split("</thead>").next().unwrap();
        let links: Vec<String> = markup::elements(head)
            .iter()
            .filter_map(|one| one.attribute("href").map(str::to_owned))
            .collect();
        assert!(links.len() > 2, "{list}");
        let is_picked_from = text.contains("name=\"pick\"");
        let has_header = head.contains("<th class=\"pick\" aria-label=\"Select\">");
        assert_eq!(has_header, is_picked_from, "{list}");
        for link in links {
            let first = alice.open(&link);
            let head = first.text();
            let head = head.split("</thead>").next().unwrap();
            assert_eq!(head.matches("aria-sort=").count(), 1, "{link}");
            assert!(head.contains('↑') || head.contains('↓'), "{link}");
            let sign = if link.contains('?') { '&' } else { '?' };
            let mut all = names(&first);
            all.extend(listed(&mut alice, &format!("{link}{sign}page=2")));
            let count = all.len();
            all.sort();
            all.dedup();
            assert!(
                list.contains("session") || (all.len() == count && count >= 30),
                "{link}: {count}"
            );
            checked += 1;
        }
    }
    assert!(checked > 25, "{checked}");
    assert_eq!(
        listed(&mut alice, "/admin/users?sort=name&page=2")[0],
        "user23"
    );
    assert_eq!(listed(&mut alice, "/admin/users?sort=-name")[0], "user29");
    assert_eq!(
        listed(&mut alice, "/admin/users?sort=-api-keys")[0],
        "alice"
    );
    assert_eq!(
        listed(&mut alice, "/admin/groups?q=GROUP1&sort=-created")[0],
        "group19"
    );
}

#[test]
fn unknown_filters_get_a_message_and_a_page() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    make(&mut alice, "ci", "30d");
    let wide = "%E8%AE%AD".repeat(64);
    for list in [
        "/api-keys?",
        "/tokens?",
        "/ssh-keys?",
        "/sessions?",
        "/admin/users?",
        "/admin/groups?",
        "/admin/services?",
        "/admin/hosts?",
        "/admin/inventory?",
        "/admin/inventory?kind=ssh-key&",
        "/admin/inventory?kind=token&",
        "/admin/inventory?kind=session&",
    ] {
        for query in [
            "page=1000000000",
            "page=-1",
            "page=18446744073709551616",
            "sort=no-such-column",
            "sort=-",
            "status=no-such-status",
            "use=daily&expires=tomorrow",
            "q=%00%ff%27%22%3B--",
            "q=%25_%5C",
            "owner=%2E%2E%2F",
            "owner=nobody",
        ] {
            alice.open(&format!("{list}{query}"));
        }
        alice.open(&format!(
            "{list}q={wide}&owner={wide}&sort={wide}&page={wide}"
        ));
    }
    let page = alice.open("/api-keys?sort=no-such-column&status=sleeping");
    assert!(
        page.has("Unknown column &quot;no-such-column&quot;"),
        "{}",
        page.text()
    );
    assert!(page.has("status: sleeping") && page.has(">ci<"));
    assert_eq!(listed(&mut alice, "/api-keys?page=1000000000"), ["ci"]);
    assert!(
        alice
            .open("/admin/inventory?kind=spaceship")
            .has("Unknown kind of credential")
    );
    // A secret in the search box stands neither in the page nor in its links.
    let (_, secret) = make(&mut alice, "pasted", "30d");
    let page = alice.open(&format!("/api-keys?q={secret}"));
    assert_eq!(names(&page), ["pasted"]);
    assert!(!page.has(&secret[17..]));
}

#[test]
fn several_keys_are_deleted_by_their_number() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let ids: Vec<String> = ["one", "two", "three"]
        .iter()
        .map(|name| make(&mut bob, name, "30d").0)
        .collect();
    let (others, _) = make(&mut site.signed_in("alice"), "alices", "30d");
    let page = bob.open("/api-keys");
    let action = "/api-keys/delete";
    let none = bob.submit_and_follow(&pick(&page, action, &[]));
    assert!(none.has("Nothing was selected"), "{}", none.text());
    // An id of another user is not found, and none of the others is deleted.
    for wrong in [others.as_str(), "4k2m9x0q7w1z", "../../../etc"] {
        let form = pick(&page, action, &[&ids[0], wrong]).set("confirm", "2");
        assert_eq!(bob.submit(&form).status, 404, "{wrong}");
    }
    // Nor is an SSH key an API key.
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    bob.submit_and_follow(&form.set("name", "laptop").set("public_key", ED25519));
    let key = bob.open("/ssh-keys").text();
    let key = key.split("name=\"pick\" value=\"").nth(1).unwrap();
    let form = pick(&page, action, &[&key[..12]]).set("confirm", "1");
    assert_eq!(bob.submit(&form).status, 404);
    assert_eq!(site.count("SELECT count(*) FROM ssh_keys"), 1);
    let many: Vec<String> = (0..501).map(|number| format!("{number:0>12}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(bob.submit(&pick(&page, action, &many)).status, 422);
    let question = bob
        .submit(&pick(&page, action, &[&ids[0], &ids[1]]))
        .expect(200);
    assert!(question.has("Delete 2 API keys?") && question.has("<bdi>one</bdi>"));
    assert!(question.has("Type 2 to confirm"), "{}", question.text());
    let form = question.form(action);
    let again = bob.submit(&form.clone().set("confirm", "3")).expect(422);
    assert!(again.has("type 2 to confirm"), "{}", again.text());
    assert_eq!(listed(&mut bob, "/api-keys").len(), 3);
    let done = bob.submit_and_follow(&again.form(action).set("confirm", "2"));
    assert!(done.has("2 API keys deleted."), "{}", done.text());
    assert_eq!(names(&done), ["three"]);
    let deleted = bob.open("/api-keys?status=deleted&sort=name");
    assert_eq!(names(&deleted), ["one", "two"]);
    // The id of a deleted key leads to it.
    let path = format!("/api-keys?q={}", ids[0]);
    let link = format!("{path}&amp;status=deleted");
    assert!(bob.open(&path).has(&link), "{link}");
    assert_eq!(names(&bob.open(&link.replace("&amp;", "&"))), ["one"]);
    assert!(!deleted.has("/rotate") && deleted.has(">Deleted</b>"));
    assert_eq!(
        listed(&mut site.signed_in("alice"), "/api-keys"),
        ["alices"]
    );
    assert_eq!(
        site.count("SELECT count(*) FROM events WHERE action = 'api-key.delete'"),
        2
    );
}

#[test]
fn all_matching_keys_are_deleted_and_the_filter_is_kept() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    make(&mut alice, "of alice", "30d");
    for name in ["one", "two", "three"] {
        make(&mut bob, name, "30d");
    }
    make(&mut bob, "kept", "never");
    let action = "/admin/inventory/delete";
    let all = |page: &Page, action| {
        let mut form = page.form(action);
        form.fields.push(("all".into(), "yes".into()));
        form
    };
    let without = alice.open("/admin/inventory");
    assert!(!without.has("Delete all matching"), "no filter, no button");
    let page = alice.open("/admin/inventory?owner=bob&use=never&expires=soon");
    assert!(!page.has("Delete all matching"), "nothing matches");
    let page = alice.open("/admin/inventory?owner=bob&q=o&sort=-name");
    assert_eq!(names(&page), ["two", "one"]);
    assert!(page.has("Delete all matching"), "{}", page.text());
    let question = alice.submit(&all(&page, action)).expect(200);
    assert!(question.has("Delete 2 API keys?"), "{}", question.text());
    // Nothing is deleted that no page listed.
    let unseen = alice.submit_and_follow(&all(&page, action).set("confirm", "2"));
    assert!(unseen.has("Nothing was selected"), "{}", unseen.text());
    // Only those on the page are deleted, even if more match by now.
    make(&mut bob, "fourth one", "30d");
    let form = question.form(action).set("confirm", "2");
    let done = alice.submit_and_follow(&form);
    assert!(done.has("2 API keys deleted."), "{}", done.text());
    assert_eq!(names(&done), ["fourth one"], "the filter is still there");
    let left = ["fourth one", "kept", "of alice", "three"];
    assert_eq!(listed(&mut alice, "/admin/inventory?sort=name"), left);
    // Keys of services, too; deleted ones stay.
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    alice.submit_and_follow(&service.set("name", "slurm").set("permissions", "slurm:a"));
    let new = "/admin/services/slurm/api-keys/new";
    let form = alice.open(new).form(new).set("name", "gate one");
    alice.submit(&form.set("expires_in", "30d")).expect(200);
    let page = alice.open("/admin/inventory?q=one");
    let question = alice.submit(&all(&page, action));
    assert!(question.has("Delete 2 API keys?") && question.has("gate one"));
    let deleted = alice.open("/admin/inventory?owner=bob&status=deleted");
    assert!(names(&deleted).len() == 2 && !deleted.has("Delete all matching"));
    // The owner's own list works alike; a member can't delete through the inventory.
    let page = bob.open("/api-keys?q=e");
    let question = bob.submit(&all(&page, "/api-keys/delete"));
    assert!(question.has("Delete 3 API keys?"), "{}", question.text());
    let mut forged = question.form("/api-keys/delete");
    forged.action = action.to_owned();
    assert_eq!(bob.submit(&forged.set("confirm", "3")).status, 403);
}

/// A site in which bob has `count` API keys.
fn site_with_keys(count: u32) -> Site {
    let mut site = Site::new();
    site.signed_in("bob").make_key("key");
    site.reopen_after(|connection| {
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1) \
            INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at) \
            SELECT printf('%012d', i), c.kind, c.user_id, c.name || i, c.permissions, c.allowed_addresses, randomblob(32), c.created_at \
            FROM n JOIN credentials c ON c.name = 'key'";
        connection.execute(sql, [count]).unwrap();
    });
    site
}

#[test]
fn tabs_count_up_to_100() {
    for (count, shown) in [(99, "99"), (100, "100+"), (101, "100+")] {
        let site = site_with_keys(count);
        let mut alice = site.signed_in("alice");
        for tab in ["", "?kind=session"] {
            let page = alice.open(&format!("/admin/inventory{tab}"));
            let wanted = format!(">API keys {shown}</a>");
            assert!(page.has(&wanted), "{wanted}: {}", page.text());
        }
    }
}

#[test]
fn more_than_500_matching_keys_need_a_narrower_filter() {
    let site = site_with_keys(501);
    let mut alice = site.signed_in("alice");
    let action = "/admin/inventory/delete";
    let mut all = |filter: &str| {
        let page = alice.open(&format!("/admin/inventory?{filter}"));
        let mut form = page.form(action);
        form.fields.push(("all".into(), "yes".into()));
        alice.submit(&form)
    };
    let rejected = all("owner=bob").expect(303);
    let back = rejected.header("Location").unwrap().to_owned();
    assert!(
        all("owner=bob&q=key49")
            .expect(200)
            .has("Delete 11 API keys?")
    );
    let page = alice.open(&back);
    assert!(page.has("at most 500 are deleted at once"), "{back}");
    assert!(back.contains("owner=bob") && names(&page).len() == 25);
}

#[test]
fn tokens_ssh_keys_and_sessions_are_deleted_together_too() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for name in ["first", "second"] {
        let form = alice.open("/tokens/new").form("/tokens/new");
        alice.submit(&form.set("name", name)).expect(200);
    }
    for (name, key) in [("laptop", ED25519), ("desk", OTHER)] {
        let form = alice.open("/ssh-keys/new").form("/ssh-keys/new");
        alice.submit_and_follow(&form.set("name", name).set("public_key", key));
    }
    for (list, table) in [
        (
            "/tokens",
            "credentials WHERE kind = 'token' AND deleted_at IS NULL",
        ),
        ("/ssh-keys", "ssh_keys"),
    ] {
        let page = alice.open(list);
        let boxes: Vec<String> = markup::elements(&page.text())
            .iter()
            .filter(|one| one.attribute("name") == Some("pick"))
            .map(|one| one.attribute("value").unwrap().to_owned())
            .collect();
        let ids: Vec<&str> = boxes.iter().map(String::as_str).collect();
        assert_eq!(ids.len(), 2, "{list}");
        let action = format!("{list}/delete");
        let question = alice.submit(&pick(&page, &action, &ids)).expect(200);
        // A token without a use was never used; an SSH key may have been.
        assert_eq!(question.has("Not recorded"), list == "/ssh-keys", "{list}");
        alice.submit_and_follow(&question.form(&action).set("confirm", "2"));
        assert_eq!(
            site.count(&format!("SELECT count(*) FROM {table}")),
            0,
            "{list}"
        );
    }
    let mut phones = [site.browser(), site.browser()];
    for phone in &mut phones {
        phone.sign_in("alice", ALICE).expect(303);
    }
    let page = alice.open("/sessions");
    let text = page.text();
    let ids: Vec<&str> = text
        .split("name=\"pick\" value=\"")
        .skip(1)
        .map(|rest| &rest[..12])
        .collect();
    assert_eq!(ids.len(), 2, "not the present one");
    let done = alice.submit_and_follow(&pick(&page, "/sessions/delete", &ids));
    assert!(done.has("2 sessions signed out."), "{}", done.text());
    assert!(phones.iter_mut().all(|phone| !phone.is_signed_in()) && alice.is_signed_in());
    // A session that is not there: nobody is signed out.
    let mut bob = site.signed_in("bob");
    let form = pick(&bob.open("/sessions"), "/sessions/delete", &[ids[0]]);
    assert_eq!(bob.submit(&form).status, 404);
}

#[test]
fn sessions_are_revoked_all_or_none() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let mut others = [site.signed_in("bob"), site.signed_in("bob")];
    let (key, _) = make(&mut bob, "key", "never");
    let page = bob.open("/sessions");
    let text = page.text();
    let ids = text.split("name=\"pick\" value=\"").skip(1);
    let ids: Vec<&str> = ids.map(|rest| &rest[..12]).collect();
    let action = "/sessions/delete";
    bob.submit_and_follow(&pick(&page, action, &ids[1..]));
    // The second was revoked, or is an API key.
    for wrong in [ids[1], &key] {
        let form = pick(&page, action, &[ids[0], wrong]);
        assert_eq!(bob.submit(&form).status, 404);
        let left = others.iter_mut().map(|one| i32::from(one.is_signed_in()));
        assert_eq!(left.sum::<i32>(), 1, "{wrong}");
    }
}

#[test]
fn inventory_has_tabs_and_finds_unused_keys_of_an_owner() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    make(&mut alice, "of alice", "never");
    make(&mut bob, "of bob", "never");
    let form = bob.open("/tokens/new").form("/tokens/new");
    bob.submit(&form.set("name", "a token")).expect(200);
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    bob.submit_and_follow(&form.set("name", "laptop").set("public_key", ED25519));
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    alice.submit_and_follow(&service.set("name", "slurm").set("permissions", "slurm:a"));
    let new = "/admin/services/slurm/api-keys/new";
    let form = alice.open(new).form(new).set("name", "gate");
    alice.submit(&form.set("expires_in", "never")).expect(200);
    for (query, expected) in [
        ("?sort=name", vec!["gate", "of alice", "of bob"]),
        ("?owner=bob", vec!["of bob"]),
        ("?owner=BOB", vec!["of bob"]),
        ("?owner=slurm", vec!["gate"]),
        ("?owner=nobody", vec![]),
        ("?owner=bob&use=never", vec!["of bob"]),
        ("?owner=bob&use=recent", vec![]),
        ("?kind=token", vec!["a token"]),
        // Tokens and sessions are not listed here: they expire within days.
        ("?expires=soon", vec![]),
        ("?kind=ssh-key", vec!["laptop"]),
        ("?kind=ssh-key&owner=alice", vec![]),
        ("?kind=ssh-key&expires=never", vec!["laptop"]),
        ("?sort=owner", vec!["of alice", "of bob", "gate"]),
    ] {
        let path = format!("/admin/inventory{query}");
        assert_eq!(listed(&mut alice, &path), expected, "{query}");
    }
    let id = site.text("SELECT id FROM ssh_keys");
    let path = format!("/admin/inventory?kind=ssh-key&q={id}");
    assert_eq!(listed(&mut alice, &path), ["laptop"]);
    let page = alice.open("/admin/inventory");
    for tab in ["API keys 3", "SSH keys 1", "Tokens 1", "Sessions 2"] {
        assert!(page.has(&format!(">{tab}</a>")), "{tab}: {}", page.text());
    }
    // A search goes along to the other tabs, whose numbers it makes unknown.
    let page = alice.open("/admin/inventory?owner=bob&use=never");
    let tokens = "href=\"/admin/inventory?kind=token&amp;owner=bob\">Tokens</a>";
    assert!(
        page.has(tokens) && page.has(">API keys 1</a>"),
        "{}",
        page.text()
    );
    // Each name leads somewhere, each owner too.
    for kind in ["api-key", "ssh-key", "token", "session"] {
        let page = alice.open(&format!("/admin/inventory?kind={kind}"));
        let rows = page.text();
        let rows = rows
            .split("<tbody>")
            .nth(1)
            .unwrap()
            .split("</tbody>")
            .next()
            .unwrap();
        let links = markup::elements(&format!("<table>{rows}</table>"));
        let links: Vec<&str> = links
            .iter()
            .filter_map(|one| one.attribute("href"))
            .collect();
        assert!(links.len() >= 2, "{kind}");
        for link in links {
            alice.open(link);
        }
    }
    assert!(bob.get("/admin/inventory?format=csv").status == 403);
}

#[test]
fn weak_and_shared_ssh_keys_have_filters() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    for browser in [&mut alice, &mut bob] {
        let form = browser.open("/ssh-keys/new").form("/ssh-keys/new");
        let form = form.set("name", "same").set("public_key", ED25519);
        browser.submit(&form.set("allow_shared", "yes")).expect(303);
    }
    let form = bob.open("/ssh-keys/new").form("/ssh-keys/new");
    bob.submit_and_follow(&form.set("name", "own").set("public_key", OTHER));
    let shared = "/admin/inventory?kind=ssh-key&status=shared";
    assert_eq!(listed(&mut alice, shared), ["same", "same"]);
    assert!(listed(&mut alice, "/admin/inventory?kind=ssh-key&status=weak").is_empty());
    // A member does not learn that others have the same key.
    let own = bob.open("/ssh-keys");
    assert!(!own.has(">Shared</b>") && !own.has("value=\"shared\""));
    assert_eq!(bob.get("/ssh-keys?status=shared").status, 403);
    let form = alice.open("/admin/policy").form("/admin/policy");
    let form = form.set("ssh_key_types", "ssh-rsa");
    let page = alice.submit(&form);
    let page = if page.status == 200 {
        alice.submit_and_follow(&page.form("/admin/policy"))
    } else {
        alice.open("/admin/policy")
    };
    assert_eq!(page.status, 200);
    assert_eq!(
        listed(&mut alice, "/admin/inventory?kind=ssh-key&status=weak").len(),
        3
    );
    assert!(bob.open("/ssh-keys?status=weak").has(">Weak</b>"));
}

#[test]
fn downloads_contain_every_row_and_no_formula() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for number in 0..30 {
        make(&mut alice, &format!("key {number}"), "30d");
    }
    make(&mut alice, "=HYPERLINK(\"http://x\")", "30d");
    let page = alice.open("/api-keys?format=csv&q=key&sort=name");
    assert_eq!(page.header("Content-Type"), Some("text/csv; charset=utf-8"));
    assert!(
        page.header("Content-Disposition")
            .unwrap()
            .contains("keycroft-api-keys.csv")
    );
    let text = page.text();
    assert_eq!(text.lines().count(), 31, "{text}");
    assert!(text.starts_with("id,name,owner,state,"));
    let text = alice.open("/admin/inventory?format=csv&owner=alice").text();
    assert!(
        text.contains("\"'=HYPERLINK(\"\"http://x\"\")\",alice,active"),
        "{text}"
    );
    for list in [
        "/tokens?",
        "/sessions?",
        "/ssh-keys?",
        "/admin/users?",
        "/admin/groups?",
        "/admin/services?",
        "/admin/hosts?",
        "/admin/inventory?kind=session&",
        "/admin/events/export?",
        "/events/export?",
    ] {
        let page = alice.open(&format!("{list}format=csv"));
        assert_eq!(
            page.header("Content-Type"),
            Some("text/csv; charset=utf-8"),
            "{list}"
        );
        assert_eq!(page.header("Cache-Control"), Some("no-store"), "{list}");
    }
}

#[test]
fn several_members_are_added_and_removed_at_once() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for number in 0..30 {
        site.add_user(&format!("user{number:02}"), Role::Member, None);
    }
    let form = alice.open("/admin/groups").form("/admin/groups");
    alice.submit_and_follow(&form.set("name", "gpu"));
    let members = "/admin/groups/gpu/members/add";
    let page = alice.open(&format!("{members}?q=USER1"));
    assert_eq!(names(&page).len(), 10);
    let form = pick(&page, members, &["user11", "user12", "user13"]);
    let page = alice.submit_and_follow(&form);
    assert_eq!(names(&page), ["user11", "user12", "user13"]);
    assert_eq!(listed(&mut alice, &format!("{members}?q=user1")).len(), 7);
    let remove = "/admin/groups/gpu/members/remove";
    let page = alice.submit_and_follow(&pick(&page, remove, &["user11", "user13"]));
    assert_eq!(names(&page), ["user12"]);
    // The other way round, on the page of a user.
    let form = alice.open("/admin/groups").form("/admin/groups");
    alice.submit_and_follow(&form.set("name", "cpu"));
    let groups = "/admin/users/user12/groups";
    let form = alice.open("/admin/users/user12").form(groups);
    assert_eq!(form.value("groups"), Some("gpu"));
    let page = alice.submit_and_follow(&form.set("groups", "cpu"));
    assert!(page.has("href=\"/admin/groups/cpu\"") && !page.has("href=\"/admin/groups/gpu\""));
    assert_eq!(listed(&mut alice, "/admin/groups/cpu"), ["user12"]);
    assert_eq!(
        site.count("SELECT count(*) FROM events WHERE action GLOB 'group.*-member'"),
        7
    );
    // A page that was opened before another change undoes nothing of it.
    let stale = alice.open("/admin/users/user12").form(groups);
    let fresh = alice.open("/admin/users/user12").form(groups);
    alice.submit_and_follow(&fresh.set("groups", "gpu"));
    let page = alice.submit(&stale).expect(409);
    assert!(page.has("Somebody changed the groups"), "{}", page.text());
    assert_eq!(listed(&mut alice, "/admin/groups/gpu"), ["user12"]);
}

#[test]
fn list_rows_link_to_their_actions() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let (id, _) = make(&mut alice, "ci", "30d");
    let page = alice.open("/api-keys");
    assert!(page.has("<a class=\"button\" href=\"/tokens/new\">Generate token</a>"));
    for act in ["edit", "rotate", "delete"] {
        assert!(page.has(&format!("href=\"/api-keys/{id}/{act}\"")), "{act}");
    }
    let form = alice.open("/ssh-keys/new").form("/ssh-keys/new");
    let page = alice.submit_and_follow(&form.set("name", "laptop").set("public_key", ED25519));
    let key = page.url.split(['/', '?']).nth(2).unwrap().to_owned();
    let page = alice.open("/ssh-keys");
    for act in [".pub", "/edit", "/delete"] {
        assert!(page.has(&format!("href=\"/ssh-keys/{key}{act}\"")), "{act}");
    }
    // Without scripts, Copy opens the key as text.
    assert!(alice.open(&format!("/ssh-keys/{key}.pub")).has(ED25519));
}
