//! A server state, devices that poll it and users who answer.

use std::sync::Arc;

use keycroft::app::{App, AppState};
use keycroft::clock::Clock;
use keycroft::http::{HttpSettings, ServerState, respond};
use keycroft::model::caller::Caller;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::password::Password;
use keycroft::model::secret::Presented;
use keycroft::model::time::{Lifetime, RequestedExpiration, Time};
use keycroft::model::user::{NewUser, Role, Username};
use rouille::{Request, Response};
use serde_json::Value;

pub const START: Time = Time::from_unix(1_800_000_000);
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub const PASSWORD: &str = "long grass over quiet water";

pub struct Lab {
    pub folder: tempfile::TempDir,
    pub app_state: AppState,
    pub clock: Clock,
    pub settings: Arc<HttpSettings>,
}

impl Lab {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let app_state =
            AppState::open_or_create(&folder.path().join("keycroft.db"), clock.clone()).unwrap();
        let settings = HttpSettings {
            public_url: "https://keys.lab.example".into(),
            public_url_given: true,
            behind_proxy: None,
            untrusted_forwarder: std::sync::OnceLock::new(),
            certificate: None,
        };
        let lab = Self {
            folder,
            app_state,
            clock,
            settings: Arc::new(settings),
        };
        for (name, role) in [("alice", Role::Admin), ("bob", Role::Member)] {
            let username = Username::parse(name).unwrap();
            let password = Password::chosen(PASSWORD, username.as_str()).unwrap();
            lab.app()
                .add_user(
                    &lab.app().operator(0),
                    NewUser {
                        display_name: name.into(),
                        username,
                        role,
                        password: Some(password),
                    },
                    None,
                )
                .unwrap();
        }
        lab
    }

    pub fn app(&self) -> App {
        self.app_state.app().unwrap()
    }

    pub fn turn(&self, seconds: i64) {
        self.clock
            .turn_to(Time::from_unix(self.clock.now().unix() + seconds));
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let server_state = ServerState::open(&self.app_state, &self.settings).unwrap();
        answer(respond(&server_state, &post(path, form)))
    }

    pub fn begin(&self) -> Value {
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

    /// Begins a login from this address.
    pub fn begin_from(&self, address: &str) -> (u16, Value) {
        let server_state = ServerState::open(&self.app_state, &self.settings).unwrap();
        let kind = (
            "Content-Type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        );
        let peer = std::net::SocketAddr::new(address.parse().unwrap(), 40_000);
        let (path, body) = ("/oauth/device_authorization", b"client_id=keycroft-cli");
        let request = Request::fake_http_from(peer, "POST", path, vec![kind], body.to_vec());
        answer(respond(&server_state, &request))
    }

    pub fn poll(&self, begun: &Value) -> (u16, Value) {
        self.post(
            "/oauth/token",
            &[
                ("grant_type", GRANT),
                ("client_id", "keycroft-cli"),
                ("device_code", text(begun, "device_code")),
            ],
        )
    }

    pub fn polled(&self, begun: &Value) -> String {
        let (status, body) = self.poll(begun);
        assert_eq!(status, 400, "{body}");
        text(&body, "error").to_owned()
    }

    /// A user of the console whose password was just confirmed.
    pub fn at_console(&self, name: &str) -> Caller {
        let (app, now) = (self.app(), self.clock.now());
        let signed_in = app
            .sign_in(
                name,
                &Password::typed(PASSWORD).unwrap(),
                None,
                origin(),
                now,
            )
            .unwrap();
        self.with(&signed_in.done().unwrap().secret.reveal())
    }

    pub fn with(&self, secret: &str) -> Caller {
        self.app()
            .caller(
                &Presented::parse(secret).unwrap(),
                |_| true,
                origin(),
                self.clock.now(),
            )
            .unwrap()
    }
}

pub fn origin() -> Origin {
    Origin {
        channel: Channel::Console,
        address: Some([127, 0, 0, 1].into()),
        program: None,
        request_id: None,
    }
}

pub fn post(path: &str, form: &[(&str, &str)]) -> Request {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let kind = (
        "Content-Type".to_owned(),
        "application/x-www-form-urlencoded".to_owned(),
    );
    Request::fake_http("POST", path, vec![kind], body.into_bytes())
}

pub fn answer(response: Response) -> (u16, Value) {
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

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

pub fn hours(hours: u64) -> RequestedExpiration {
    RequestedExpiration::In(Lifetime::hours(hours))
}
