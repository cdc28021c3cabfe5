//! Bar P7: the number of SQL statements of a list does not grow with its rows.

use super::browser::Browser;
use super::site::Site;

fn asked(site: &Site, browser: &mut Browser<'_>, path: &str) -> u64 {
    // The first read of a connection runs more statements.
    browser.open(path);
    let before = site.app().statement_count();
    browser.open(path);
    site.app().statement_count() - before
}

#[test]
fn page_of_20_rows_runs_as_few_statements_as_2() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let lists = [
        "/api-keys",
        "/api-keys?sort=-uses&status=active&use=never",
        "/tokens",
        "/ssh-keys",
        "/sessions",
        "/events",
        "/admin/users",
        "/admin/groups",
        "/admin/services",
        "/admin/hosts",
        "/admin/inventory",
        "/admin/inventory?kind=token&use=never&sort=owner",
        "/admin/inventory?kind=ssh-key&status=shared",
        "/admin/inventory?kind=session",
        "/admin/users?sort=-last-used",
        "/admin/events?action=api-key&q=key",
        "/admin/events",
    ];
    let fill = |alice: &mut Browser<'_>, from: usize, to: usize| {
        for number in from..to {
            let (_, secret) = alice.make_key(&format!("key {number}"));
            let header = format!("Bearer {secret}");
            let verified = alice.send("GET", "/verify", &[("Authorization", &header)], "");
            assert_eq!(verified.status, 204);
            let form = alice.open("/tokens/new").form("/tokens/new");
            alice.submit(&form).expect(200);
            let form = alice.open("/admin/groups").form("/admin/groups");
            alice.submit_and_follow(&form.set("name", &format!("group{number}")));
            let form = alice.open("/admin/new-service").form("/admin/new-service");
            alice.submit_and_follow(&form.set("name", &format!("service{number}")));
            let user = format!("user{number}");
            site.add_user(&user, keycroft::model::user::Role::Member, None);
        }
    };
    fill(&mut alice, 0, 2);
    let few: Vec<u64> = lists
        .iter()
        .map(|path| asked(&site, &mut alice, path))
        .collect();
    fill(&mut alice, 2, 20);
    for (path, few) in lists.iter().zip(few) {
        let many = asked(&site, &mut alice, path);
        assert!(many <= few && many <= 12, "{path}: {few} became {many}");
        // The caller may come from the cache; the rows never do.
        assert!(many >= 1, "{path}: nothing was counted");
    }
}
