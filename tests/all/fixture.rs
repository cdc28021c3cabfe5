//! A site for tests: a temporary database, a clock that stands still, and the users alice (admin) and bob (member).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use keycroft::app::{App, AppState};
use keycroft::clock::Clock;
use keycroft::http::{HttpSettings, ServerState, admit, respond_to};
use keycroft::model::address::AllowedAddresses;
use keycroft::model::credential::Kind;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::password::Password;
use keycroft::model::secret::{Id, Presented, Secret, SecretForm};
use keycroft::model::time::{RequestedExpiration, Time};
use keycroft::model::user::{NewUser, Role, Username};
use keycroft::transport::Peer;
use rusqlite::types::ValueRef;
use serde_json::Value;
use tempfile::TempDir;

/// A valid password.
pub const PASSWORD: &str = "correct horse battery";

/// One installation in its own folder.
pub struct Site {
    pub app_state: AppState,
    pub clock: Clock,
    pub settings: Arc<HttpSettings>,
    pub server_state: ServerState,
    /// Tokens with all permissions of the user, created by the operator.
    pub alice: String,
    pub bob: String,
    folder: TempDir,
}

impl Site {
    /// With alice (admin) and bob (member), without passwords.
    pub fn new() -> Self {
        Self::behind(&[])
    }

    /// The same behind proxies in these networks.
    pub fn behind(proxies: &[&str]) -> Self {
        let mut site = Self::empty(proxies);
        site.add_user("alice", Role::Admin);
        site.add_user("bob", Role::Member);
        site.alice = site.token("alice");
        site.bob = site.token("bob");
        site
    }

    /// Without any user.
    pub fn empty(proxies: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Time::parse("2026-11-22T12:00:00Z").unwrap());
        let settings = Arc::new(HttpSettings {
            public_url: "http://127.0.0.1:8420".to_owned(),
            public_url_given: false,
            behind_proxy: (!proxies.is_empty()).then(|| AllowedAddresses::parse(proxies).unwrap()),
            untrusted_forwarder: std::sync::OnceLock::new(),
            certificate: None,
        });
        let app_state =
            AppState::open_or_create(&folder.path().join("keycroft.db"), clock.clone()).unwrap();
        let server_state = ServerState::open(&app_state, &settings).unwrap();
        let (alice, bob) = (String::new(), String::new());
        Self {
            app_state,
            clock,
            settings,
            server_state,
            alice,
            bob,
            folder,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("keycroft.db")
    }

    /// Closes the database, which stores pending uses, and opens it again.
    pub fn reopen(&mut self) {
        self.app_state.close();
        self.app_state = AppState::open(&self.path(), self.clock.clone()).unwrap();
        self.server_state = self.open_state();
    }

    /// A server state for another thread.
    pub fn open_state(&self) -> ServerState {
        ServerState::open(&self.app_state, &self.settings).unwrap()
    }

    pub fn app(&self) -> &App {
        &self.server_state.app
    }

    pub fn add_user(&self, name: &str, role: Role) {
        let username = Username::parse(name).unwrap();
        let user = NewUser {
            display_name: format!("{name} (display)"),
            username,
            role,
            password: None,
        };
        self.app()
            .add_user(&self.app().operator(0), user, None)
            .unwrap();
    }

    /// A new token with all permissions of the user, for the maximum of the policy (24 hours).
    pub fn token(&self, name: &str) -> String {
        let name = Username::parse(name).unwrap();
        let issued = self.app().user_token(
            &self.app().operator(0),
            &name,
            RequestedExpiration::Unsaid,
            None,
        );
        let issued = issued.unwrap();
        issued.secret.reveal().to_string()
    }

    /// Gives a user [`PASSWORD`].
    pub fn set_password(&self, name: &str) {
        let username = Username::parse(name).unwrap();
        let code = self
            .app()
            .reset_password(&self.app().operator(0), &username, None)
            .unwrap();
        let code = code.reveal();
        let answer = self
            .ask("POST", "/api/v1/password-reset")
            .bearer(&code)
            .json(&serde_json::json!({"password": PASSWORD}))
            .send();
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Creates a session of a user with [`PASSWORD`]. Returns its secret.
    pub fn sign_in(&self, name: &str) -> String {
        let password = Password::typed(PASSWORD).unwrap();
        let origin = Origin {
            channel: Channel::Console,
            address: Some("127.0.0.1".parse().unwrap()),
            program: Some(
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
            ),
            request_id: None,
        };
        let now = self.clock.now();
        let session = self.app().sign_in(name, &password, None, origin, now);
        session.unwrap().done().unwrap().secret.reveal().to_string()
    }

    /// Advances the clock.
    pub fn pass(&self, seconds: i64) {
        let now = self.clock.now().unix();
        self.clock.turn_to(Time::from_unix(now + seconds));
    }

    pub fn ask(&self, method: &str, path: &str) -> Asking<'_> {
        Asking::new(&self.server_state, method, path)
    }

    /// Sends a request as `bearer` and asserts the status. Returns the body, or null. `body`: null for none.
    #[track_caller]
    pub fn asked(
        &self,
        bearer: &str,
        method: &str,
        path: &str,
        body: &Value,
        status: u16,
    ) -> Value {
        let asking = self.ask(method, path).bearer(bearer);
        let answer = if body.is_null() {
            asking.send()
        } else {
            asking.json(body).send()
        };
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    /// Creates an API key of the caller. Returns the answer.
    pub fn api_key(&self, bearer: &str, body: &Value) -> Value {
        let answer = self
            .ask("POST", "/api/v1/api-keys")
            .bearer(bearer)
            .json(body)
            .send();
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// Creates an API key of the caller with these permissions. Returns its secret.
    pub fn narrow(&self, bearer: &str, permissions: &[&str]) -> String {
        let name = format!("narrow {}", Id::random());
        let body = serde_json::json!({"name": name, "permissions": permissions});
        secret(&self.api_key(bearer, &body))
    }

    /// All rows of all tables except bookkeeping, as text: equal snapshots mean that nothing changed.
    pub fn snapshot(&self) -> String {
        self.dump(|table| {
            !matches!(
                table,
                "events"
                    | "repeated_refusals"
                    | "last_uses"
                    | "usage_days"
                    | "throttle"
                    | "sqlite_sequence"
            )
        })
    }

    /// The rows of some tables as text.
    pub fn dump(&self, wanted: impl Fn(&str) -> bool) -> String {
        use std::fmt::Write;
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = rusqlite::Connection::open_with_flags(self.path(), flags).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let mut tables = connection.prepare(sql).unwrap();
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let mut text = String::new();
        for table in tables.map(Result::unwrap).filter(|table| wanted(table)) {
            let mut rows = connection
                .prepare(&format!("SELECT * FROM {table}"))
                .unwrap();
            // `credentials.last_used_at` follows `last_uses`, which is stored seconds later: bookkeeping.
            let kept = |name: &str| table != "credentials" || name != "last_used_at";
            let names = rows.column_names().enumerate();
            let columns = names.filter(|(_, name)| kept(name)).map(|(at, _)| at);
            let columns: Vec<usize> = columns.collect();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                write!(text, "{table}:").unwrap();
                for column in &columns {
                    match row.get_ref(*column).unwrap() {
                        ValueRef::Text(bytes) => {
                            write!(text, " {}", String::from_utf8_lossy(bytes))
                        }
                        other => write!(text, " {other:?}"),
                    }
                    .unwrap();
                }
                text.push('\n');
            }
        }
        text
    }

    /// The newest events, as the API shows them to alice.
    pub fn events(&self) -> Vec<Value> {
        let answer = self
            .ask("GET", "/api/v1/events?all=true&limit=200")
            .bearer(&self.token("alice"))
            .send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().unwrap().clone()
    }
}

/// The secret in an answer.
pub fn secret(created: &Value) -> String {
    created["secret"].as_str().unwrap().to_owned()
}

/// The id in an answer.
pub fn id(created: &Value) -> String {
    created["id"].as_str().unwrap().to_owned()
}

/// The id within a secret.
pub fn id_of(secret: &str) -> String {
    Presented::parse(secret).unwrap().id.to_string()
}

/// A well-formed secret of nobody.
pub fn unknown_secret(kind: Kind) -> String {
    Secret::generate(SecretForm::Credential(kind))
        .reveal()
        .to_string()
}

/// A request under construction.
#[derive(Clone)]
pub struct Asking<'a> {
    server_state: &'a ServerState,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    peer: IpAddr,
    mark: Peer,
}

impl<'a> Asking<'a> {
    pub fn new(server_state: &'a ServerState, method: &str, url: &str) -> Self {
        Self {
            server_state,
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            peer: "127.0.0.1".parse().unwrap(),
            mark: Peer::Network,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, secret: &str) -> Self {
        self.header("Authorization", &format!("Bearer {secret}"))
    }

    pub fn basic(self, user: &str, password: &str) -> Self {
        let encoded = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
        self.header("Authorization", &format!("Basic {encoded}"))
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Marks the peer like the control socket.
    pub fn by_operator(mut self) -> Self {
        self.mark = Peer::Operator { uid: 0 };
        self
    }

    pub fn from(mut self, peer: &str) -> Self {
        self.peer = peer.parse().unwrap();
        self
    }

    /// Sends the request like the transport: a body over the route's limit is never read.
    pub fn send(self) -> Answer {
        let peer = SocketAddr::new(self.peer, 40_000);
        let path = self.url.split('?').next().unwrap_or_default();
        let limit = admit(&self.method, path).body_bytes_max;
        let expired = self.body.len() > limit;
        let request = rouille::Request::fake_http_from(
            peer,
            self.method,
            self.url,
            self.headers,
            if expired { Vec::new() } else { self.body },
        );
        if expired {
            drop(request.data());
        }
        let response = respond_to(self.server_state, &request, self.mark);
        let mut body = Vec::new();
        let (mut reader, _) = response.data.into_reader_and_size();
        reader.read_to_end(&mut body).unwrap();
        let headers = response.headers.into_iter();
        Answer {
            status: response.status_code,
            headers: headers
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
            body,
        }
    }
}

/// The header of that name, which must occur once.
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = headers
        .iter()
        .filter(|(own, _)| own.eq_ignore_ascii_case(name));
    let first = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} is there twice");
    first
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The header, which must occur once.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// Asserts the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The fields that an error names.
    pub fn fields(&self) -> Vec<String> {
        let errors = self.json()["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        errors
            .iter()
            .map(|error| error["field"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// The variables for libfaketime, which sets the clock of a process: programs that tests start have the clock of the tests.
pub fn clock_environment() -> impl Iterator<Item = (String, String)> {
    let is_clock = |name: &str| name == "LD_PRELOAD" || name.contains("FAKE");
    std::env::vars().filter(move |(name, _)| is_clock(name))
}
