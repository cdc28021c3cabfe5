//! Names in URLs: no fixed route segment collides with a name.

use keycroft::http::ROUTES;
use keycroft::model::user::Role;

use super::site::Site;

/// Where a URL has a name, no other route has a fixed segment. Ids are not names: they have 12 characters, unlike all
/// fixed segments.
#[test]
fn route_words_never_shadow_names() {
    let segments = |path: &'static str| path.split('/').collect::<Vec<_>>();
    let mut names = 0;
    for route in ROUTES {
        let own = segments(route.path);
        for (place, segment) in own.iter().enumerate() {
            if !segment.starts_with('{') {
                continue;
            }
            names += 1;
            for other in ROUTES {
                let others = segments(other.path);
                let begins_alike = others.len() > place && others[..place] == own[..place];
                if !begins_alike || others[place].starts_with('{') {
                    continue;
                }
                let word = others[place];
                assert!(
                    segment.starts_with("{id}") && word.len() != 12,
                    "{} is in the way of {}",
                    other.path,
                    route.path
                );
            }
        }
    }
    assert!(names > 80, "{names}");
}

#[test]
fn object_named_like_a_route_word_is_reachable() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for name in ["new", "edit", "delete", "members", "api-keys", "add"] {
        if name != "api-keys" {
            site.add_user(name, Role::Member, None);
            let path = format!("/admin/users/{name}");
            let page = alice.open(&path);
            assert!(page.has(&format!("<h1>{name}</h1>")), "{}", page.text());
            let form = page.form(&format!("{path}/disable"));
            alice.submit_and_follow(&form);
            let deleted = format!("{path}/delete");
            let form = alice.open(&deleted).form(&deleted).set("confirm", name);
            alice.submit_and_follow(&form);
            assert_eq!(alice.get(&path).status, 404);
        }
        let form = alice.open("/admin/groups").form("/admin/groups");
        let page = alice.submit_and_follow(&form.set("name", name));
        assert!(page.has(&format!("<h1>{name}</h1>")), "{}", page.text());
        let deleted = format!("/admin/groups/{name}/delete");
        let form = alice.open(&deleted).form(&deleted);
        alice.submit_and_follow(&form);
    }
    // A name that no user ever had: a service must not look like a person.
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for name in ["new", "edit", "delete", "add"] {
        let form = alice
            .open("/admin/new-service")
            .form("/admin/new-service")
            .set("name", name);
        let page = alice.submit_and_follow(&form);
        assert!(page.has(&format!("<h1>{name}</h1>")), "{}", page.text());
        let path = format!("/admin/services/{name}/api-keys/new");
        let form = alice.open(&path).form(&path).set("name", "gate");
        alice.submit(&form).expect(200).secret();
        let deleted = format!("/admin/services/{name}/delete");
        let form = alice.open(&deleted).form(&deleted).set("confirm", name);
        alice.submit_and_follow(&form);
    }
}
