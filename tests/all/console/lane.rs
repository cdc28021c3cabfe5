//! Requests that wait during a storm of sign-ins, and those that never do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use keycroft::http::{Needs, ROUTES, ServerState, admit, listen, respond};
use keycroft::transport::{Application, Lane, Peer, PoolLimits, Stop, TransportSettings, serve};
use rouille::{Request, Response};

use super::markup;
use super::site::{ALICE, Site};

/// Only forms that check or set a password, and others once they contain the confirmed password.
#[test]
fn only_password_forms_wait_for_the_hash_lane() {
    let hashing = [
        "/login",
        "/setup",
        "/invitation",
        "/reset",
        "/account/password",
        "/admin/new-user",
    ];
    let mut forms = 0;
    for route in ROUTES
        .iter()
        .filter(|route| !route.path.starts_with("/api/"))
    {
        let is_form = matches!(route.needs, Needs::Form(_));
        let path = route.path.replace(['{', '}'], "");
        let expected = hashing.contains(&route.path) && route.method == "POST";
        let lane = |target: &str| admit(route.method, target).lane == Lane::Hash;
        assert_eq!(lane(&path), expected, "{} {path}", route.method);
        let with_password = format!("{path}?with-password");
        assert_eq!(
            lane(&with_password),
            expected || is_form,
            "{} {with_password}",
            route.method
        );
        forms += usize::from(is_form);
    }
    assert!(forms > 40, "{forms}");
}

/// The threads that accept connections answer only what is quick. A route of the operator keeps its lane, also where the
/// network does not have it.
#[test]
fn long_work_never_takes_the_quick_lane() {
    for route in ROUTES {
        let lane = admit(route.method, &route.path.replace(['{', '}'], "")).lane;
        if matches!(route.needs, Needs::Operator(_)) {
            assert_eq!(lane, route.lane, "{} {}", route.method, route.path);
            assert!(lane != Lane::Quick, "{} {}", route.method, route.path);
        }
    }
    let keys = "/api/v1/hosts/self/authorized-keys";
    for all in ["", "?", "?&", "?fingerprint=x", "?user=alice"] {
        assert_eq!(
            admit("GET", &format!("{keys}{all}")).lane,
            Lane::Work,
            "{all}"
        );
    }
    for one in ["?username=alice", "?fingerprint=x&username=alice"] {
        assert_eq!(
            admit("GET", &format!("{keys}{one}")).lane,
            Lane::Quick,
            "{one}"
        );
    }
}

/// A password without the mark is ignored: it would be hashed on a lane where nothing may wait.
#[test]
fn password_on_another_lane_is_not_checked() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    site.pass(601);
    let form = alice.open("/admin/groups").form("/admin/groups");
    let form = form.set("name", "gpu").set("current_password", ALICE);
    let page = alice.submit(&form).expect(403);
    assert!(page.has("Confirm it's you"));
    // Canceling leads to the nearest page above, from any origin.
    assert!(page.has("href=\"/admin/groups\">Cancel"), "{}", page.text());
    for (action, cancel) in [
        ("/admin/new-user", "/admin/new-user"),
        ("/admin/users/bob/disable", "/admin/users/bob"),
        (
            "/admin/users/bob/tokens/000000000000/delete",
            "/admin/users/bob",
        ),
    ] {
        let mut form = form.clone();
        action.clone_into(&mut form.action);
        form = form
            .set("username", "x")
            .set("nonce", "1795348800-00000000000000000000");
        let page = alice.submit(&form).expect(403);
        assert!(
            page.has(&format!("href=\"{cancel}\">Cancel")),
            "{}",
            page.text()
        );
    }
    let again = page.form("/admin/groups");
    alice.submit_and_follow(&again.set("current_password", ALICE));
}

/// Holds every sign-in until the test releases it.
#[derive(Default)]
struct Gate {
    held: AtomicUsize,
    open: Mutex<bool>,
    opens: Condvar,
}

struct Held {
    server_state: ServerState,
    gate: Arc<Gate>,
}

fn respond_or_hold(held: &Held, request: &Request, _: Peer) -> Response {
    if request.raw_url() == "/login" && request.method() == "POST" {
        held.gate.held.fetch_add(1, Ordering::SeqCst);
        let mut open = held.gate.open.lock().unwrap();
        while !*open {
            open = held.gate.opens.wait(open).unwrap();
        }
    }
    respond(&held.server_state, request)
}

#[test]
fn key_can_be_deleted_during_a_sign_in_storm() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let (id, secret) = alice.make_key("leaked");
    let path = format!("/api-keys/{id}/delete");
    let fields = alice.open(&path).form(&path).fields;
    let session = format!("keycroft-session={}", alice.cookies["keycroft-session"]);
    let form = |path: &str, cookie: &str, fields: &[(String, String)]| {
        let body = markup::encode(fields);
        format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let gate = Arc::new(Gate::default());
    let settings = TransportSettings {
        hash: PoolLimits {
            threads_max: 1,
            queue_max: 2,
            idle: Duration::from_secs(60),
            patience: Duration::from_secs(60),
        },
        signals: false,
        ..TransportSettings::default()
    };
    let stop = Stop::default();
    let ask = |text: String| -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    thread::scope(|scope| {
        let shared = Arc::clone(&gate);
        let (app_state, site_settings) = (site.app_state.clone(), Arc::clone(&site.settings));
        let server = {
            let stop = stop.clone();
            scope.spawn(move || {
                let reject = keycroft::http::reject(&site_settings);
                let open = move || {
                    ServerState::open(&app_state, &site_settings).map(|server_state| Held {
                        server_state,
                        gate: Arc::clone(&shared),
                    })
                };
                let application = Application::new(open, admit, respond_or_hold, reject);
                serve(&settings, vec![listener], &stop, application, || ()).unwrap();
            })
        };
        // One is hashing, two wait, and all others get 503: the lane is full.
        let (output, answers) = std::sync::mpsc::channel();
        for number in 0..8 {
            let output = output.clone();
            let login = form("/login", "", &[("username".into(), "alice".into())]);
            let ask = &ask;
            scope.spawn(move || output.send(ask(login)).unwrap());
            while number == 0 && gate.held.load(Ordering::SeqCst) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        for _ in 0..5 {
            let answer = answers.recv().unwrap();
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        }
        let answer = ask(form(&path, &session, &fields));
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let verified = ask(format!(
            "GET /verify HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {secret}\r\n\r\n"
        ));
        assert!(verified.starts_with("HTTP/1.1 401"), "{verified}");
        *gate.open.lock().unwrap() = true;
        gate.opens.notify_all();
        for _ in 0..3 {
            answers.recv().unwrap();
        }
        stop.now();
        server.join().unwrap();
    });
    assert_eq!(gate.held.load(Ordering::SeqCst), 3);
}
