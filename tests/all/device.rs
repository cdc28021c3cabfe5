//! Signing in on a device (RFC 8628), asked at `respond`, answered at the desk as the console's page does.

use std::sync::Arc;

use keycroft::clock::Clock;
use keycroft::desk::{Desk, Office};
use keycroft::http::{House, Settings, respond};
use keycroft::model::caller::Caller;
use keycroft::model::credential::Kind;
use keycroft::model::error::Error;
use keycroft::model::event::{Origin, Way};
use keycroft::model::password::Password;
use keycroft::model::secret::Presented;
use keycroft::model::time::{Lifetime, Time, WantedEnd};
use keycroft::model::user::{Disabled, NewUser, Role, UserChange, Username};
use rouille::{Request, Response};
use serde_json::Value;

const START: Time = Time::from_unix(1_800_000_000);
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const PASSWORD: &str = "long grass over quiet water";

struct Lab {
    folder: tempfile::TempDir,
    office: Office,
    clock: Clock,
    settings: Arc<Settings>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let office =
            Office::open_or_create(&folder.path().join("keycroft.db"), clock.clone()).unwrap();
        let settings = Settings {
            public_url: "https://keys.lab.example".into(),
            public_url_given: true,
            behind_proxy: None,
        };
        let lab = Self {
            folder,
            office,
            clock,
            settings: Arc::new(settings),
        };
        for (name, role) in [("alice", Role::Admin), ("bob", Role::Member)] {
            let username = Username::parse(name).unwrap();
            let password = Password::chosen(PASSWORD, &username).unwrap();
            lab.desk()
                .add_user_as_operator(NewUser {
                    display_name: name.into(),
                    username,
                    role,
                    password: Some(password),
                })
                .unwrap();
        }
        lab
    }

    fn desk(&self) -> Desk {
        self.office.desk().unwrap()
    }

    fn turn(&self, seconds: i64) {
        self.clock
            .turn_to(Time::from_unix(self.clock.now().unix() + seconds));
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let house = House::open(&self.office, &self.settings).unwrap();
        answer(respond(&house, &post(path, form)))
    }

    fn begin(&self) -> Value {
        let (status, body) = self.post(
            "/oauth/device_authorization",
            &[
                ("client_id", "keycroft-cli"),
                ("computer", "gpu1"),
                ("program", "keycroft/1"),
                ("lifetime", "8h"),
            ],
        );
        assert_eq!(status, 200, "{body}");
        body
    }

    fn poll(&self, begun: &Value) -> (u16, Value) {
        self.post(
            "/oauth/token",
            &[
                ("grant_type", GRANT),
                ("client_id", "keycroft-cli"),
                ("device_code", text(begun, "device_code")),
            ],
        )
    }

    fn polled(&self, begun: &Value) -> String {
        let (status, body) = self.poll(begun);
        assert_eq!(status, 400, "{body}");
        text(&body, "error").to_owned()
    }

    /// A person at the console, who typed a password just now.
    fn at_console(&self, name: &str) -> Caller {
        let (desk, now) = (self.desk(), self.clock.now());
        let signed_in = desk
            .sign_in(
                name,
                &Password::typed(PASSWORD).unwrap(),
                None,
                origin(),
                now,
            )
            .unwrap();
        self.with(&signed_in.secret.reveal())
    }

    fn with(&self, secret: &str) -> Caller {
        self.desk()
            .caller(
                &Presented::parse(secret).unwrap(),
                |_| true,
                origin(),
                self.clock.now(),
            )
            .unwrap()
    }
}

fn origin() -> Origin {
    Origin {
        way: Way::Console,
        address: Some([127, 0, 0, 1].into()),
        program: None,
        request_id: None,
    }
}

fn post(path: &str, form: &[(&str, &str)]) -> Request {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let kind = (
        "Content-Type".to_owned(),
        "application/x-www-form-urlencoded".to_owned(),
    );
    Request::fake_http("POST", path, vec![kind], body.into_bytes())
}

fn answer(response: Response) -> (u16, Value) {
    let store = response
        .headers
        .iter()
        .any(|(name, value)| name == "Cache-Control" && value == "no-store");
    assert!(store, "what may hold a secret is kept by nobody");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut response.data.into_reader_and_size().0, &mut text).unwrap();
    (
        response.status_code,
        serde_json::from_str(&text).unwrap_or(Value::Null),
    )
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn hours(hours: u64) -> WantedEnd {
    WantedEnd::In(Lifetime::hours(hours))
}

#[test]
fn the_whole_way() {
    let lab = Lab::new();
    let begun = lab.begin();
    assert_eq!(
        (&begun["expires_in"], &begun["interval"]),
        (&300.into(), &5.into())
    );
    assert_eq!(
        text(&begun, "verification_uri"),
        "https://keys.lab.example/device"
    );
    assert!(text(&begun, "device_code").starts_with("kce_"));
    assert_eq!(lab.polled(&begun), "authorization_pending");

    let alice = lab.at_console("alice");
    let shown = lab
        .desk()
        .device_login(&alice, &text(&begun, "user_code").to_lowercase())
        .unwrap();
    assert_eq!(
        (
            shown.computer.as_str(),
            shown.program.as_str(),
            shown.lifetime,
            shown.asked_at
        ),
        ("gpu1", "keycroft/1", Some(Lifetime::hours(8)), START)
    );
    assert!(shown.address.is_some());
    lab.desk()
        .approve_device_login(&alice, text(&begun, "user_code"), hours(2))
        .unwrap();

    let (status, granted) = lab.poll(&begun);
    assert_eq!(status, 200, "{granted}");
    assert_eq!(
        (text(&granted, "token_type"), &granted["expires_in"]),
        ("Bearer", &7_200.into())
    );
    let caller = lab.with(text(&granted, "access_token"));
    assert_eq!(caller.credential.kind, Kind::Token);
    assert_eq!(caller.credential.owner.name(), "alice");
    assert_eq!(caller.power, alice.power);
    let record = lab
        .desk()
        .credential(
            &caller,
            &Desk::own(&caller, Kind::Token).unwrap(),
            Kind::Token,
            caller.credential.id,
        )
        .unwrap();
    assert_eq!(
        (record.name.as_str(), record.made_by),
        ("keycroft/1 on gpu1", Some(alice.credential.id))
    );
    assert_eq!(lab.polled(&begun), "invalid_grant", "it is spent");

    let events = lab
        .desk()
        .own_events(&caller, keycroft::desk::EventFilter::default(), None, 10)
        .unwrap()
        .items;
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event.action.as_str(), event.actor.as_str()))
        .collect();
    assert_eq!(
        told[..2],
        [("token.create", "alice"), ("device.approve", "alice")]
    );
}

#[test]
fn a_person_says_no() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    lab.desk()
        .refuse_device_login(&alice, text(&begun, "user_code"))
        .unwrap();
    assert_eq!(lab.polled(&begun), "access_denied");
    assert!(
        matches!(
            lab.desk()
                .approve_device_login(&alice, text(&begun, "user_code"), hours(1)),
            Err(Error::NotFound(_))
        ),
        "an answer stands"
    );
    assert_eq!(lab.polled(&begun), "access_denied");
}

#[test]
fn who_asks_too_often_is_slowed_down_by_five_seconds_each_time() {
    let lab = Lab::new();
    let begun = lab.begin();
    assert_eq!(
        lab.polled(&begun),
        "authorization_pending",
        "the first question is never too soon"
    );
    lab.turn(4);
    assert_eq!(lab.polled(&begun), "slow_down");
    lab.turn(9);
    assert_eq!(lab.polled(&begun), "slow_down", "ten seconds from now on");
    lab.turn(15);
    assert_eq!(lab.polled(&begun), "authorization_pending");
    let other = lab.begin();
    assert_eq!(
        lab.polled(&other),
        "authorization_pending",
        "each device has its own pace"
    );
}

#[test]
fn asking_writes_nothing_until_there_is_an_answer() {
    let lab = Lab::new();
    let begun = lab.begin();
    let wal = lab.office.desk().unwrap();
    let before = std::fs::metadata(lab.folder.path().join("keycroft.db-wal"))
        .unwrap()
        .len();
    for _ in 0..20 {
        lab.turn(6);
        assert_eq!(lab.polled(&begun), "authorization_pending");
    }
    assert_eq!(
        std::fs::metadata(lab.folder.path().join("keycroft.db-wal"))
            .unwrap()
            .len(),
        before
    );
    drop(wal);
}

#[test]
fn after_five_minutes_it_is_over() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    lab.turn(299);
    lab.desk()
        .device_login(&alice, text(&begun, "user_code"))
        .unwrap();
    lab.turn(1);
    assert_eq!(lab.polled(&begun), "expired_token");
    assert!(matches!(
        lab.desk().device_login(&alice, text(&begun, "user_code")),
        Err(Error::NotFound(_))
    ));

    let late = lab.begin();
    lab.desk()
        .approve_device_login(&alice, text(&late, "user_code"), hours(1))
        .unwrap();
    lab.turn(300);
    assert_eq!(
        lab.polled(&late),
        "expired_token",
        "approved, but fetched too late"
    );
}

#[test]
fn one_of_fifty_gets_the_token() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    lab.desk()
        .approve_device_login(&alice, text(&begun, "user_code"), hours(1))
        .unwrap();
    let start = std::sync::Barrier::new(50);
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    lab.poll(&begun)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == 200).count(),
        1
    );
    assert!(
        answers
            .iter()
            .filter(|(status, _)| *status != 200)
            .all(|(status, body)| *status == 400 && text(body, "error") == "invalid_grant")
    );
    let tokens = lab
        .desk()
        .credentials(
            &alice,
            &Desk::own(&alice, Kind::Token).unwrap(),
            Kind::Token,
            false,
            None,
            10,
        )
        .unwrap()
        .items;
    assert_eq!(tokens.len(), 1);
}

#[test]
fn one_of_fifty_answers_stands() {
    let lab = Lab::new();
    let begun = lab.begin();
    let (alice, bob) = (lab.at_console("alice"), lab.at_console("bob"));
    let start = std::sync::Barrier::new(8);
    let done: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (who, begun, lab, start) = (
                    if number % 2 == 0 { &alice } else { &bob },
                    &begun,
                    &lab,
                    &start,
                );
                scope.spawn(move || {
                    start.wait();
                    let code = text(begun, "user_code");
                    if number < 4 {
                        lab.desk().approve_device_login(who, code, hours(1)).is_ok()
                    } else {
                        lab.desk().refuse_device_login(who, code).is_ok()
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
}

#[test]
fn approving_needs_a_session_and_a_password_typed_lately() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    let secret = lab
        .desk()
        .user_token_as_operator(&Username::parse("alice").unwrap(), WantedEnd::Unsaid)
        .unwrap()
        .secret
        .reveal();
    let by_token = lab.with(&secret);
    assert!(matches!(
        lab.desk()
            .approve_device_login(&by_token, text(&begun, "user_code"), hours(1)),
        Err(Error::NotAllowed(_))
    ));
    let later = Caller {
        now: Time::from_unix(START.unix() + 601),
        ..alice.clone()
    };
    assert_eq!(
        lab.desk()
            .approve_device_login(&later, text(&begun, "user_code"), hours(1))
            .err(),
        Some(Error::PasswordNeeded)
    );
    assert_eq!(lab.polled(&begun), "authorization_pending");
}

#[test]
fn the_approval_is_worth_no_more_than_who_gave_it() {
    // Signed out, disabled or demoted between yes and fetching.
    let lab = Lab::new();
    let (alice, bob) = (lab.at_console("alice"), lab.at_console("bob"));
    let begun = lab.begin();
    lab.desk()
        .approve_device_login(&bob, text(&begun, "user_code"), hours(1))
        .unwrap();
    lab.desk().sign_out(&bob).unwrap();
    assert_eq!(lab.polled(&begun), "access_denied");

    let bob = lab.at_console("bob");
    let begun = lab.begin();
    lab.desk()
        .approve_device_login(&bob, text(&begun, "user_code"), hours(1))
        .unwrap();
    let name = Username::parse("bob").unwrap();
    lab.desk()
        .change_user(
            &alice,
            &name,
            UserChange {
                disabled: Some(Disabled::Yes),
                ..UserChange::default()
            },
        )
        .unwrap();
    assert_eq!(lab.polled(&begun), "access_denied");

    lab.desk()
        .change_user(
            &alice,
            &name,
            UserChange {
                disabled: Some(Disabled::No),
                role: Some(Role::Admin),
                ..UserChange::default()
            },
        )
        .unwrap();
    let bob = lab.at_console("bob");
    let begun = lab.begin();
    lab.desk()
        .approve_device_login(&bob, text(&begun, "user_code"), hours(1))
        .unwrap();
    lab.desk()
        .change_user(
            &alice,
            &name,
            UserChange {
                role: Some(Role::Member),
                ..UserChange::default()
            },
        )
        .unwrap();
    let (_, granted) = lab.poll(&begun);
    assert!(!text(&granted, "scope").contains("users:"), "{granted}");
}

#[test]
fn a_token_never_outlives_the_session_and_obeys_policy() {
    let lab = Lab::new();
    let alice = lab.at_console("alice");
    lab.desk()
        .change_policy(
            &alice,
            keycroft::model::policy::PolicyChange {
                session_lifetime: Some(Lifetime::hours(3)),
                token_lifetime_max: Some(Lifetime::hours(4)),
                token_lifetime_default: Some(Lifetime::hours(4)),
                ..Default::default()
            },
        )
        .unwrap();
    let bob = lab.at_console("bob");
    let begun = lab.begin();
    let code = text(&begun, "user_code");
    assert!(matches!(
        lab.desk().approve_device_login(&bob, code, hours(5)),
        Err(Error::AgainstPolicy(_))
    ));
    assert!(matches!(
        lab.desk().approve_device_login(
            &bob,
            code,
            WantedEnd::At(Time::from_unix(START.unix() + 60))
        ),
        Err(Error::Invalid(_))
    ));
    lab.desk()
        .approve_device_login(&bob, code, hours(4))
        .unwrap();
    assert_eq!(lab.poll(&begun).1["expires_in"], 3 * 3_600);
}

#[test]
fn a_scope_makes_the_token_less_and_never_more() {
    let lab = Lab::new();
    let (status, begun) = lab.post(
        "/oauth/device_authorization",
        &[
            ("client_id", "keycroft-cli"),
            ("scope", "api-keys:read users:write"),
        ],
    );
    assert_eq!(status, 200);
    let bob = lab.at_console("bob");
    lab.desk()
        .approve_device_login(&bob, text(&begun, "user_code"), WantedEnd::Unsaid)
        .unwrap();
    assert_eq!(text(&lab.poll(&begun).1, "scope"), "api-keys:read");
}

#[test]
fn codes_can_not_be_guessed_by_trying() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    for _ in 0..10 {
        assert!(matches!(
            lab.desk().device_login(&alice, "BBBB-BBBB"),
            Err(Error::NotFound(_))
        ));
    }
    assert!(matches!(
        lab.desk().device_login(&alice, text(&begun, "user_code")),
        Err(Error::TooMany { .. })
    ));
    assert!(
        lab.desk()
            .device_login(&lab.at_console("bob"), text(&begun, "user_code"))
            .is_ok(),
        "others are not hindered"
    );
    lab.turn(60);
    let later = Caller {
        now: lab.clock.now(),
        ..alice
    };
    assert!(
        lab.desk()
            .device_login(&later, text(&begun, "user_code"))
            .is_ok()
    );
}

#[test]
fn one_address_can_not_begin_without_end() {
    let lab = Lab::new();
    for _ in 0..30 {
        lab.begin();
    }
    let (status, body) = lab.post(
        "/oauth/device_authorization",
        &[("client_id", "keycroft-cli")],
    );
    assert_eq!((status, text(&body, "error")), (429, "slow_down"));
    lab.turn(60);
    lab.begin();
}

#[test]
fn what_is_wrong_is_said_in_the_standards_words() {
    let lab = Lab::new();
    let begun = lab.begin();
    let code = text(&begun, "device_code");
    let token = [
        ("grant_type", GRANT),
        ("client_id", "keycroft-cli"),
        ("device_code", code),
    ];
    let other = if code.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!("{}{other}", &code[..code.len() - 1]);
    let cases: &[(&str, &[(&str, &str)], &str)] = &[
        ("/oauth/device_authorization", &[], "invalid_request"),
        (
            "/oauth/device_authorization",
            &[("client_id", "other")],
            "invalid_client",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("client_id", "keycroft-cli")],
            "invalid_request",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("scope", "nonsense")],
            "invalid_scope",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("lifetime", "90m")],
            "invalid_request",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("lifetime", "never")],
            "invalid_request",
        ),
        ("/oauth/token", &token[1..], "invalid_request"),
        (
            "/oauth/token",
            &[("grant_type", "password"), token[1], token[2]],
            "unsupported_grant_type",
        ),
        ("/oauth/token", &[token[0], token[2]], "invalid_request"),
        (
            "/oauth/token",
            &[token[0], ("client_id", "other"), token[2]],
            "invalid_client",
        ),
        ("/oauth/token", &token[..2], "invalid_request"),
        (
            "/oauth/token",
            &[token[0], token[1], ("device_code", "nonsense")],
            "invalid_grant",
        ),
        (
            "/oauth/token",
            &[token[0], token[1], ("device_code", &mistyped)],
            "invalid_grant",
        ),
    ];
    for (path, form, error) in cases {
        let (status, body) = lab.post(path, form);
        assert_eq!(
            (status, text(&body, "error")),
            (400, *error),
            "{path} {form:?}"
        );
        assert!(
            !body.to_string().contains(code),
            "an answer never repeats what was sent"
        );
    }
    let token = lab
        .desk()
        .user_token_as_operator(&Username::parse("alice").unwrap(), WantedEnd::Unsaid)
        .unwrap()
        .secret
        .reveal();
    let (_, body) = lab.post(
        "/oauth/token",
        &[
            ("grant_type", GRANT),
            ("client_id", "keycroft-cli"),
            ("device_code", &token),
        ],
    );
    assert_eq!(
        text(&body, "error"),
        "invalid_grant",
        "a token is no device code"
    );
}

#[test]
fn names_that_devices_give_themselves_are_tamed() {
    let lab = Lab::new();
    let (_, begun) = lab.post(
        "/oauth/device_authorization",
        &[
            ("client_id", "keycroft-cli"),
            ("computer", &format!("a\u{202e}b\u{0}{}", "x".repeat(500))),
            ("program", "\u{1b}[2J"),
        ],
    );
    let shown = lab
        .desk()
        .device_login(&lab.at_console("alice"), text(&begun, "user_code"))
        .unwrap();
    assert_eq!(
        (shown.computer.chars().count(), shown.program.as_str()),
        (64, "[2J")
    );
    assert!(shown.computer.starts_with("abx"));
}
