//! 2F1: codes of an authenticator app, at sign-in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Barrier;

use keycroft::http::ServerState;
use keycroft::model::password::Password;

use super::phone::*;
use crate::console::browser::Browser;
use crate::console::markup;
use crate::console::site::Site;
use crate::fixture::Asking;

#[test]
fn password_gives_a_session_only_with_a_code() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let wrong = send_code(&mut browser, &step, &phone.wrong());
    assert_eq!(wrong.status, 401, "{}", wrong.text());
    assert!(wrong.has("this code is wrong"), "{}", wrong.text());
    assert!(!browser.is_signed_in());
    let page = send_code(&mut browser, &wrong, &phone.code());
    assert_eq!((page.status, page.header("Location")), (303, Some("/")));
    assert!(browser.is_signed_in());
    let sessions = browser.open("/sessions");
    assert!(sessions.has("by password and code"), "{}", sessions.text());
    assert_eq!(
        site.count("SELECT count(*) FROM credentials WHERE signed_in_with = 'password-totp'"),
        1
    );
}

#[test]
fn next_survives_the_second_step() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let form = browser.open("/login?next=/ssh-keys").form("/login");
    let form = form.set("username", "bob").set("password", password("bob"));
    let step = browser.submit_and_follow(&form);
    let page = send_code(&mut browser, &step, &phone.code());
    assert_eq!(page.header("Location"), Some("/ssh-keys"));
}

#[test]
fn form_survives_both_steps_of_signing_in_again() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let form = bob
        .open("/api-keys/new")
        .form("/api-keys/new")
        .set("name", "kept one");
    bob.cookies.remove("keycroft-session");
    let page = bob.submit(&form).expect(401);
    let form = page
        .form("/login")
        .set("username", "bob")
        .set("password", password("bob"));
    let step = bob.submit(&form).expect(200);
    let page = send_code(&mut bob, &step, &phone.code()).expect(200);
    assert!(page.has("kept one"), "{}", page.text());
    assert!(bob.is_signed_in());
}

#[test]
fn code_of_a_phone_off_by_one_step_is_accepted() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    // 12:00:30 begins a step.
    for (off, accepted) in [
        (31, true),
        (61, false),
        (-61, false),
        (29, true),
        (-29, true),
    ] {
        site.pass(120);
        let mut browser = site.browser();
        let step = first_step(&mut browser, "bob");
        let page = send_code(&mut browser, &step, &phone.code_at(off));
        assert_eq!(page.status == 303, accepted, "{off} s");
    }
}

#[test]
fn code_is_accepted_once_also_in_a_second_tab() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let (mut one, mut other) = (site.browser(), site.browser());
    let (step, second) = (first_step(&mut one, "bob"), first_step(&mut other, "bob"));
    let code = phone.code();
    send_code(&mut one, &step, &code).expect(303);
    let page = send_code(&mut other, &second, &code).expect(401);
    assert!(page.has("used before"), "{}", page.text());
    assert!(!other.is_signed_in());
    // The one before it is used up with it.
    let earlier = phone.code_at(-30);
    send_code(&mut other, &page, &earlier).expect(401);
    site.pass(30);
    send_code(&mut other, &page, &phone.code()).expect(303);
}

/// 8 parallel tries of one code, six times: one session each.
#[test]
fn code_gives_one_session_in_a_race() {
    const TRIES: usize = 8;
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    for round in 0..6 {
        site.pass(60);
        let before = site.count("SELECT count(*) FROM credentials WHERE kind = 'session'");
        let steps: Vec<_> = (0..TRIES)
            .map(|n| {
                let mut browser = site.browser();
                // A separate subscriber, so that no limit is reached.
                browser.peer = format!("10.{round}.{n}.1").parse().unwrap();
                let step = first_step(&mut browser, "bob");
                (browser.cookies, browser.peer, step.form("/login/code"))
            })
            .collect();
        let accepted = sent_at_once(&site, steps, &phone.code());
        assert_eq!(accepted, 1, "round {round}");
        let after = site.count("SELECT count(*) FROM credentials WHERE kind = 'session'");
        assert_eq!(after, before + 1, "round {round}");
    }
}

/// The second steps of sign-ins: cookies, address and form.
type Steps = Vec<(BTreeMap<String, String>, IpAddr, markup::Form)>;

/// Sends one code in all of them at once. Returns how many sessions began.
fn sent_at_once(site: &Site, steps: Steps, code: &str) -> usize {
    let (barrier, settings) = (Barrier::new(steps.len()), &site.settings);
    std::thread::scope(|scope| {
        let tries: Vec<_> = steps
            .into_iter()
            .map(|(cookies, peer, form)| {
                let (state, barrier) = (&site.app_state, &barrier);
                scope.spawn(move || {
                    let state = ServerState::open(state, settings).unwrap();
                    let mut browser = Browser::new(&state);
                    (browser.cookies, browser.peer) = (cookies, peer);
                    barrier.wait();
                    browser.submit(&form.set("code", code)).status
                })
            })
            .collect();
        let statuses = tries.into_iter().map(|one| one.join().unwrap());
        statuses.filter(|status| *status == 303).count()
    })
}

/// 2F1: far more tries than the limit allows, of one step, from anywhere.
#[test]
fn fifty_tries_of_one_code_at_once_give_one_session() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let form = first_step(&mut browser, "bob").form("/login/code");
    let steps = (0..50).map(|n| {
        let peer = format!("10.9.{n}.1").parse().unwrap();
        (browser.cookies.clone(), peer, form.clone())
    });
    assert_eq!(sent_at_once(&site, steps.collect(), &phone.code()), 1);
}

/// S6: wrong codes count as wrong passwords do, and a right password between them changes nothing.
#[test]
fn ten_wrong_codes_a_minute_are_the_limit() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let mut step = first_step(&mut browser, "bob");
    for n in 0..10 {
        step = send_code(&mut browser, &step, &phone.wrong());
        assert_eq!(step.status, 401, "{n}");
        if n % 4 == 0 {
            step = first_step(&mut browser, "bob");
        }
    }
    let page = send_code(&mut browser, &step, &phone.code());
    assert_eq!(page.status, 429, "{}", page.text());
    assert!(page.header("Retry-After").is_some());
    // The password step is rejected, too, from another browser.
    assert_eq!(site.browser().sign_in("bob", password("bob")).status, 429);
    // The known browser has a separate budget.
    bob.cookies.remove("keycroft-session");
    let known = first_step(&mut bob, "bob");
    send_code(&mut bob, &known, &phone.code()).expect(303);
    site.pass(61);
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &phone.code()).expect(303);
}

/// FIELD A14: 100 failures in a row lock a name; right passwords between wrong codes do not end the row.
#[test]
fn hundred_wrong_codes_in_a_row_lock_the_name() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    for _ in 0..10 {
        let mut browser = site.browser();
        let mut step = first_step(&mut browser, "bob");
        for _ in 0..10 {
            step = send_code(&mut browser, &step, &phone.wrong());
            assert_eq!(step.status, 401);
        }
        site.pass(61);
    }
    let page = site.browser().sign_in("bob", password("bob"));
    assert_eq!(page.status, 403, "{}", page.text());
}

#[test]
fn wrong_code_leaves_an_event_and_a_right_one_names_its_method() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &phone.wrong()).expect(401);
    assert_eq!(rejected(&site, "wrong"), 1);
    send_code(&mut browser, &step, &phone.code()).expect(303);
    let with = "SELECT count(*) FROM events WHERE action = 'session.sign-in' AND after LIKE '%password-totp%'";
    assert_eq!(site.count(with), 1);
    assert_eq!(
        site.count("SELECT count(*) FROM events WHERE action = 'totp.add'"),
        1
    );
    let events = bob.open("/events");
    assert!(
        events.has(
            "failed to sign in as <b><bdi>bob</bdi></b>: correct password, second factor wrong"
        ),
        "{}",
        events.text()
    );
}

/// Events of sign-ins as bob whose password was right and whose second factor was not.
fn rejected(site: &Site, second_factor: &str) -> i64 {
    site.count(&format!(
        "SELECT count(*) FROM events WHERE action = 'session.sign-in' AND outcome = 'refused' AND target_id = 'bob' \
         AND after LIKE 'second_factor={second_factor}%'"
    ))
}

/// Somebody knows the password: bob sees it, once a minute, and the answer stays the same.
#[test]
fn right_password_without_the_second_step_leaves_an_event() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    for _ in 0..12 {
        first_step(&mut site.browser(), "bob");
        site.pass(1);
    }
    assert_eq!(rejected(&site, "missing"), 1);
    let events = bob.open("/events");
    assert!(
        events.has(
            "failed to sign in as <b><bdi>bob</bdi></b>: correct password, second factor missing"
        ),
        "{}",
        events.text()
    );
    // The rest is counted, and keeps what it is about.
    site.pass(60);
    let sweep = Asking::new(&site.server_state, "POST", "/api/v1/sweep");
    sweep.by_operator().send().expect(200);
    assert_eq!(rejected(&site, "missing"), 2);
    let counted =
        "SELECT count(*) FROM events WHERE after LIKE 'second_factor=missing%repeated=11%'";
    assert_eq!(site.count(counted), 1);
    // A sign-in from bob's known browser leaves no event; a wrong code in it does.
    bob.cookies.remove("keycroft-session");
    let step = first_step(&mut bob, "bob");
    assert_eq!(rejected(&site, "missing"), 2);
    let step = send_code(&mut bob, &step, &phone.wrong()).expect(401);
    assert_eq!(rejected(&site, "wrong"), 1);
    send_code(&mut bob, &step, &phone.code()).expect(303);
}

/// Guesses at other names from the same address, which need no password, do not push these events out.
#[test]
fn guesses_at_other_names_hide_no_right_password() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    for n in 0..8 {
        browser
            .sign_in(&format!("nobody{n}"), "wrong password here")
            .expect(401);
    }
    browser.sign_in("bob", "wrong password here").expect(401);
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &phone.wrong()).expect(401);
    assert_eq!(
        (rejected(&site, "missing"), rejected(&site, "wrong")),
        (1, 1)
    );
}

/// The same for a password that a session or an API key sends for a change.
#[test]
fn right_password_of_a_change_without_the_code_leaves_an_event() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let change = |code: serde_json::Value| {
        let body = serde_json::json!({"current": password("bob"), "new": "bob likes cold milk now", "code": code});
        Asking::new(&site.server_state, "POST", "/api/v1/me/password")
            .bearer(&site.token("bob"))
            .json(&body)
            .send()
            .expect(422);
    };
    change(serde_json::Value::Null);
    assert_eq!(
        (rejected(&site, "missing"), rejected(&site, "wrong")),
        (1, 0)
    );
    change(phone.wrong().into());
    assert_eq!(
        (rejected(&site, "missing"), rejected(&site, "wrong")),
        (1, 1)
    );
}

/// The nanoseconds of processor time of this thread.
fn thread_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// P8: one Argon2id hash for each right password, with and without a second factor, and for each wrong one.
#[test]
fn sign_in_costs_one_password_hash() {
    let typed = Password::typed(password("bob")).unwrap();
    let cost = |act: &mut dyn FnMut()| {
        let before = thread_time();
        act();
        thread_time() - before
    };
    // The least of some: a test beside this one only adds.
    let least = |act: &mut dyn FnMut()| (0..5).map(|_| cost(act)).min().unwrap();
    let stored = typed.hash();
    let hash = least(&mut || assert!(typed.matches(&stored)));
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let alone = least(&mut || {
        let mut browser = site.browser();
        browser.sign_in("bob", password("bob")).expect(303);
    });
    let (phone, _) = enroll(&site, &mut bob);
    let both = least(&mut || {
        site.pass(60);
        let mut browser = site.browser();
        let step = first_step(&mut browser, "bob");
        send_code(&mut browser, &step, &phone.code()).expect(303);
    });
    site.pass(60);
    let wrong = least(&mut || {
        site.browser()
            .sign_in("bob", "wrong password here")
            .expect(401);
    });
    for (what, cost) in [("alone", alone), ("both", both), ("wrong", wrong)] {
        let tenths = cost * 10 / hash;
        assert!(
            // One, and neither none nor two: tests beside this one slow memory down by turns.
            (4..18).contains(&tenths),
            "{what}: {tenths} tenths of a hash"
        );
    }
}
