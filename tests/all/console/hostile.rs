//! Bar W1: pages keep their structure with hostile names of users, programs and objects.

use keycroft::http::ROUTES;

use super::markup::{self, structure};
use super::site::{ALICE, Site};

/// Each is a valid name (64 characters, no control characters).
const HOSTILE: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)' x='",
    "</textarea></title></style></option><h1>x</h1>",
    "<!--",
    "]]>&lt;b&gt;&amp;&#x3c;u&#62;",
    "javascript:alert(1)//\\",
    "\" autofocus onfocus=\"alert(1)\" \"",
    "{{7*7}}${7*7}`%3Cscript%3E`",
    "مفتاح النسخ الاحتياطي <bdo dir=rtl>",
];

const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBpqyW1fvacRHCtkye3PKhpS+qYgMZZJBwd2sqCr8Lq";

/// Rows that need a host, a phone or a receiver of notices, with `words` in them.
fn write_rows(file: &rusqlite::Connection, words: &[&str]) {
    for (number, word) in words.iter().enumerate() {
        let id = format!("{number:012}");
        let name = format!("{number}{word}");
        let run = |sql: &str| {
            file.execute(
                sql,
                rusqlite::named_params! {":id": id, ":name": name, ":word": word},
            )
            .unwrap();
        };
        run("INSERT INTO passkeys (id, user_id, name, credential_id, public_key, counter, is_backup_eligible, is_backed_up, created_at)
             SELECT :id, id, :name, CAST(:id AS BLOB), x'', 0, 0, 0, 1 FROM users WHERE username = 'bob' AND :word = :word");
        run("INSERT INTO hosts (public_id, name, created_at, last_contact_at, last_contact_from, version)
             SELECT :id, 'node' || :id, 1, 2, '10.0.0.1', :word WHERE :name = :name");
        run(
            "INSERT INTO notice_channels (id, name, kind, url, created_at)
             SELECT :id, :name, 'ntfy', 'http://127.0.0.1/' || :id, 1 WHERE :word = :word",
        );
        run("INSERT INTO notice_deliveries (notice_id, channel, kind, recipient, at, try, outcome, detail)
             VALUES (:id, :name, 'expiration', 'alice', 1, 1, 'given-up', :word)");
        run("INSERT INTO account_notices (id, user_id, at, action, actor, actor_kind, target_kind, target_id, target_name, before, after)
             SELECT :id, id, 1, 'ssh-key.add', :word, 'admin', 'ssh-key', :id, :name, '', '' FROM users WHERE username = 'alice'");
    }
}

/// Enters `words` in every possible place, opens every page, and returns the structure of each.
fn look(words: &[&str]) -> Vec<(String, Vec<String>, String)> {
    let mut site = Site::new();
    let word = |number: usize| words[number % words.len()];
    let mut alice = site.signed_in("alice");
    let name = alice.open("/account").form("/account/name");
    alice.submit_and_follow(&name.set("display_name", word(0)));
    let mut first = None;
    for number in 0..words.len() {
        let form = alice.open("/api-keys/new").form("/api-keys/new");
        let form = form.set("name", &format!("{number}{}", word(number)));
        let page = alice
            .submit(&form.set("note", word(number + 1)))
            .expect(200);
        first.get_or_insert_with(|| page.secret()[4..16].to_owned());
        let form = alice.open("/tokens/new").form("/tokens/new");
        alice.submit(&form.set("name", word(number))).expect(200);
        let mut other = site.browser();
        other.agent = format!("{} {number}", word(number));
        other.sign_in("alice", ALICE).expect(303);
        let mut wrong = site.browser();
        word(number).clone_into(&mut wrong.agent);
        wrong.sign_in("alice", word(number)).expect(401);
    }
    let id = first.unwrap();
    // The user agent that used a key is hostile too.
    let form = alice
        .open("/api-keys/new")
        .form("/api-keys/new")
        .set("name", "used");
    let secret = alice.submit(&form).expect(200).secret();
    let header = format!("Bearer {secret}");
    let headers = [("Authorization", header.as_str()), ("User-Agent", word(1))];
    alice.send("GET", "/verify", &headers, "").expect(204);
    let cookies = alice.cookies.clone();
    let of_bob = site.signed_in("bob").cookies;
    site.reopen_after(|file| write_rows(file, words));
    let mut alice = site.browser_with(cookies);
    let user = alice.open("/admin/new-user").form("/admin/new-user");
    let user = user.set("username", "carol").set("display_name", word(2));
    alice.submit(&user).expect(200);
    let service = alice.open("/admin/new-service").form("/admin/new-service");
    alice.submit_and_follow(
        &service
            .set("name", "slurm")
            .set("permissions", "slurm:submit"),
    );
    let key = "/admin/services/slurm/api-keys/new";
    let form = alice
        .open(key)
        .form(key)
        .set("name", word(3))
        .set("note", word(4));
    let gate = alice.submit(&form).expect(200).secret()[4..16].to_owned();
    let group = alice.open("/admin/groups").form("/admin/groups");
    alice.submit_and_follow(&group.set("name", "slurm"));

    let ssh = alice
        .open("/ssh-keys/new")
        .form("/ssh-keys/new")
        .set("name", word(1));
    let line = format!("{PUBLIC_KEY} {}", word(2));
    let page = alice.submit(&ssh.set("public_key", &line));
    let ssh = page
        .header("Location")
        .map_or_else(|| panic!("{}", page.text()), str::to_owned);
    let ssh = ssh.split('?').next().unwrap().to_owned();

    let mut pages = Vec::new();
    let path = "/account/second-factor";
    let page = site.browser_with(of_bob).open(path);
    pages.push((format!("{path} of bob"), page));
    for path in [
        ssh.clone(),
        format!("{ssh}/edit"),
        format!("{ssh}/delete"),
        format!("{ssh}?done=added"),
        "/admin/hosts/000000000001".into(),
        "/admin/hosts/000000000001/delete".into(),
        "/admin/notices/000000000001".into(),
        "/admin/notices/000000000001/delete".into(),
    ] {
        pages.push((path.clone(), alice.open(&path)));
    }
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let of_service = route.path.starts_with("/admin/services/");
        let path = route
            .path
            .replace("{id}", if of_service { &gate } else { &id });
        let path = path
            .replace("{name}", "slurm")
            .replace("{username}", "carol");
        for path in [path.clone(), path.replace("carol", "alice")] {
            let page = alice.get(&path);
            if page.text().starts_with("<!DOCTYPE") {
                pages.push((path, page));
            }
        }
    }
    let used = format!("/api-keys/{}", &secret[4..16]);
    for path in [used.clone(), format!("{used}/delete")] {
        pages.push((path.clone(), alice.open(&path)));
    }
    // Echoed input: filters, forms, errors, sign-in.
    let sought = format!("nowhere {}", word(5));
    let query: String = form_urlencoded::byte_serialize(sought.as_bytes()).collect();
    for path in [
        format!("/api-keys?q={query}&sort={query}&status={query}&page={query}"),
        format!("/events?q={query}&action={query}&since={query}&target={query}"),
        format!("/admin/events?user={query}&action={query}"),
        format!("/admin/users?q={query}&status={query}"),
        format!("/admin/inventory?kind={query}&owner={query}&use={query}"),
        format!("/api-keys/new?name={query}&expires={query}&permissions={query}"),
        format!("/account?done={query}"),
        format!("/{query}"),
    ] {
        pages.push((path.replace(&query, "Q"), alice.get(&path)));
    }
    for (path, field) in [
        ("/api-keys/new", "allowed_addresses"),
        ("/api-keys/new", "expires_in"),
        ("/tokens/new", "expires_in"),
        ("/admin/new-user", "username"),
        ("/admin/groups", "name"),
        ("/admin/new-service", "permissions"),
        ("/admin/policy", "session_lifetime"),
    ] {
        let mut form = alice.open(path).form(path);
        for (_, value) in &mut form.fields {
            if value.is_empty() {
                word(6).clone_into(value);
            }
        }
        let page = alice.submit(&form.set(field, &format!("\u{1}{}", word(7))));
        assert_eq!(page.status, 422, "{path} {field}: {}", page.text());
        pages.push((format!("{path} {field}"), page));
    }
    site.pass(601);
    let form = alice
        .open("/admin/users/carol")
        .form("/admin/users/carol/edit");
    let page = alice.submit(&form.set("display_name", word(8)).set("extra", word(0)));
    pages.push(("password".into(), page.expect(403)));
    site.pass(604_800);
    let page = alice.submit(&form_of(word(0), word(1))).expect(401);
    let form = page
        .form("/login")
        .set("username", "alice")
        .set("password", ALICE);
    pages.push(("kept".into(), page));
    pages.push(("go on".into(), alice.submit(&form).expect(200)));
    for (path, page) in &pages {
        assert!(!page.has(&secret), "{path} shows a secret again");
    }
    pages
        .into_iter()
        .map(|(path, page)| {
            (
                path.replace(&id, "ID")
                    .replace(&gate, "ID")
                    .replace(&ssh, "SSH")
                    .replace(&secret[4..16], "ID"),
                structure(&page.text()),
                page.text(),
            )
        })
        .collect()
}

fn form_of(one: &str, two: &str) -> markup::Form {
    let fields = [
        ("name", one),
        ("note", two),
        ("nonce", "aaaaaaaaaaaaaaaaaaaa"),
    ];
    markup::Form {
        action: "/api-keys/new".into(),
        fields: fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

#[test]
fn hostile_text_leaves_every_page_intact() {
    let plain = look(&["plain words"; HOSTILE.len()]);
    let hostile = look(&HOSTILE);
    assert!(plain.len() > 55, "{}", plain.len());
    assert_eq!(plain.len(), hostile.len());
    for ((path, left, _), (other, right, text)) in plain.iter().zip(&hostile) {
        assert_eq!(path, other);
        let differ = left
            .iter()
            .zip(right)
            .position(|(left, right)| left != right);
        assert_eq!(
            (differ, left.len()),
            (None, right.len()),
            "{path}: {:?} became {:?}",
            differ.map(|place| &left[place]),
            differ.map(|place| &right[place])
        );
        for word in HOSTILE.iter().filter(|word| word.contains(['<', '"'])) {
            assert!(!text.contains(word), "{path}: {word} stands as it is");
        }
    }
}
