//! The stage of races: a site with a host, signed-in browsers, and the endpoints for each kind of credential.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use keycroft::app::login_keys_from_database;
use keycroft::clock::Clock;
use keycroft::http::ServerState;
use keycroft::model::user::Username;
use serde_json::{Value, json};

use crate::console::browser::Browser;
use crate::fixture::{Asking, PASSWORD, Site, id, id_of, secret};

const BOBS: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGlrJoBX6wu97NBZzY1USoVEfQf430RGyZ/A57sXU9Y bob";
const PRINT: &str = "SHA256:96q0MBNCEVakRjsOfGdlS5x5bgOIwfNKtHxRJaqkcmY";

/// A credential under test.
pub struct Held {
    pub id: String,
    pub secret: String,
    /// Its user, if a person owns it.
    pub user: String,
    opens: Opens,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    Bearer,
    Console,
    Host,
    /// A login at every host and on the workstation.
    Login,
    /// A login at one host.
    LoginHere,
}

/// The endpoints of one thread.
pub struct Endpoints {
    server_state: ServerState,
    asker: String,
    host: String,
    path: PathBuf,
}

pub struct Lab {
    pub site: Site,
    asker: String,
    /// A host, for logins with SSH keys.
    pub host_id: String,
    host: String,
    cookies: BTreeMap<String, String>,
    created: usize,
    admission: Option<String>,
    with_password: BTreeSet<String>,
}

type Tried = Vec<(&'static str, bool)>;

impl Endpoints {
    pub fn open(&self, held: &Held) -> Tried {
        tried(
            &self.server_state,
            &self.asker,
            &self.host,
            &self.path,
            held,
        )
    }
}

/// Gives a user [`PASSWORD`] with a cheap hash: a session is raced here, not its creation.
fn give_cheap_password(site: &Site, user: &str) {
    static HASH: OnceLock<String> = OnceLock::new();
    let hash = HASH.get_or_init(|| {
        let params = Params::new(8, 1, 1, None).unwrap();
        let creator = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let salt = b"some salt of 16b";
        let hash = creator.hash_password_with_salt(PASSWORD.as_bytes(), salt);
        hash.unwrap().to_string()
    });
    let file = rusqlite::Connection::open(site.path()).unwrap();
    file.busy_timeout(Duration::from_secs(60)).unwrap();
    let sql = "UPDATE users SET password_hash = ? WHERE username = ?";
    assert_eq!(file.execute(sql, [hash, user]).unwrap(), 1);
}

fn tried(
    server_state: &ServerState,
    asker: &str,
    host: &str,
    path: &std::path::Path,
    held: &Held,
) -> Tried {
    let status = |method: &str, url: &str| {
        let asking = Asking::new(server_state, method, url).bearer(&held.secret);
        asking.send().status
    };
    match held.opens {
        Opens::Bearer => {
            let form = Asking::new(server_state, "POST", "/oauth/introspect").bearer(asker);
            let message = form.form(&[("token", &held.secret)]).send().json();
            vec![
                ("verify", status("GET", "/verify") == 204),
                ("introspection", message["active"] == true),
                ("the API", status("GET", "/api/v1/me") == 200),
            ]
        }
        Opens::Console => {
            let cookies = BTreeMap::from([("keycroft-session".to_owned(), held.secret.clone())]);
            let mut browser = Browser::new(server_state);
            browser.cookies = cookies;
            vec![("the console", browser.is_signed_in())]
        }
        Opens::Host => vec![(
            "keys for hosts",
            status("GET", "/api/v1/hosts/self/authorized-keys") == 200,
        )],
        Opens::Login | Opens::LoginHere => {
            let items = |query: &str| {
                let url = format!("/api/v1/hosts/self/authorized-keys{query}");
                let answer = Asking::new(server_state, "GET", &url).bearer(host).send();
                let items = answer.expect(200).json()["items"].clone();
                let items = items.as_array().unwrap().clone();
                items
                    .iter()
                    .any(|item| item["username"] == held.user.as_str())
            };
            let encoded = PRINT.replace('+', "%2B").replace('/', "%2F");
            let login = Username::parse(&held.user).unwrap();
            let of_file = login_keys_from_database(path, &Clock::System, &login).unwrap();
            let mut tried = vec![
                (
                    "a host's question",
                    items(&format!("?username={}&fingerprint={encoded}", held.user)),
                ),
                ("a host's copy", items("")),
            ];
            if held.opens == Opens::Login {
                tried.push(("the file", !of_file.keys.is_empty()));
            }
            tried
        }
    }
}

impl Lab {
    pub fn new() -> Self {
        let site = Site::new();
        for name in ["alice", "bob"] {
            give_cheap_password(&site, name);
        }
        let asker = site.narrow(&site.alice, &["introspect"]);
        let mut lab = Self {
            asker,
            host_id: String::new(),
            host: String::new(),
            cookies: BTreeMap::from([("keycroft-session".to_owned(), site.sign_in("alice"))]),
            created: 0,
            admission: None,
            with_password: BTreeSet::from(["alice".to_owned(), "bob".to_owned()]),
            site,
        };
        let many = json!({"api_keys_max": 100_000, "ssh_keys_max": 1_000});
        lab.alice("PATCH", "/api/v1/policy", &many, 200);
        let host = lab.enroll("watched");
        (lab.host_id, lab.host) = (host.id, host.secret);
        lab
    }

    /// Endpoints for another thread.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            server_state: self.site.open_state(),
            asker: self.asker.clone(),
            host: self.host.clone(),
            path: self.site.path(),
        }
    }

    pub fn endpoints_here(&self, held: &Held) -> Tried {
        let path = self.site.path();
        tried(
            &self.site.server_state,
            &self.asker,
            &self.host,
            &path,
            held,
        )
    }

    /// An unused name.
    pub fn name(&mut self) -> String {
        self.created += 1;
        format!("n{}", self.created)
    }

    pub fn ask(&self, bearer: &str, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let asking = self.site.ask(method, path).bearer(bearer);
        let asking = if body.is_null() {
            asking
        } else {
            asking.json(body)
        };
        let answer = asking.send().expect(status);
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    /// As an admin.
    pub fn alice(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        self.ask(&self.site.alice, method, path, body, status)
    }

    /// As the owner.
    pub fn owner(&self, held: &Held, method: &str, path: &str, body: &Value, status: u16) -> Value {
        self.ask(&self.site.token(&held.user), method, path, body, status)
    }

    /// Submits a form of the console with this session, and everything else that the form needs.
    fn press_with(
        &self,
        cookies: &BTreeMap<String, String>,
        action: &str,
        fields: &[(&str, &str)],
    ) {
        let mut browser = Browser::new(&self.site.server_state);
        browser.cookies.clone_from(cookies);
        let mut form = browser.open("/account").form("/logout");
        action.clone_into(&mut form.action);
        for (name, value) in fields {
            form.fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let page = browser.submit(&form);
        assert!(
            matches!(page.status, 200 | 303),
            "{action}: {} {}",
            page.status,
            page.text()
        );
    }

    /// In the console, as an admin.
    pub fn press(&self, action: &str, fields: &[(&str, &str)]) {
        self.press_with(&self.cookies, action, fields);
    }

    /// In the console, with the given session.
    pub fn press_in(&self, session: &str, action: &str, fields: &[(&str, &str)]) {
        let cookies = BTreeMap::from([("keycroft-session".to_owned(), session.to_owned())]);
        self.press_with(&cookies, action, fields);
    }

    /// In the console, as the owner.
    pub fn press_as_owner(&self, held: &Held, action: &str, fields: &[(&str, &str)]) {
        self.press_in(&self.site.sign_in(&held.user), action, fields);
    }

    /// As the operator, through the control socket.
    pub fn by_operator(&self, method: &str, path: &str, body: &Value) {
        let asked = self.site.ask(method, path).by_operator();
        let answer = if body.is_null() {
            asked.send()
        } else {
            asked.json(body).send()
        };
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
    }

    /// A new user.
    pub fn newcomer(&mut self) -> String {
        let name = self.name();
        let body = json!({"username": name});
        self.alice("POST", "/api/v1/users", &body, 201);
        name
    }

    pub fn key_of(&mut self, user: &str) -> Held {
        let secret = self
            .site
            .narrow(&self.site.token(user), &["account:read", "tokens:write"]);
        Held::bearer(&secret, user)
    }

    pub fn key_name(&self, held: &Held) -> String {
        let path = format!("/api/v1/api-keys/{}", held.id);
        let key = self.owner(held, "GET", &path, &Value::Null, 200);
        key["name"].as_str().unwrap().to_owned()
    }

    pub fn key(&mut self) -> Held {
        self.key_of("bob")
    }

    pub fn token_of(&mut self, user: &str) -> Held {
        Held::bearer(&self.site.token(user), user)
    }

    pub fn token(&mut self) -> Held {
        self.token_of("bob")
    }

    /// A token created by an API key: its secret, and the key's id.
    pub fn token_of_a_key(&mut self) -> Held {
        let key = self.key();
        let created = self.ask(&key.secret, "POST", "/api/v1/tokens", &json!({}), 201);
        Held {
            id: key.id,
            ..Held::bearer(&secret(&created), "bob")
        }
    }

    pub fn session_of(&mut self, user: &str) -> Held {
        if !self.with_password.contains(user) {
            give_cheap_password(&self.site, user);
            self.with_password.insert(user.to_owned());
        }
        let secret = self.site.sign_in(user);
        Held {
            opens: Opens::Console,
            ..Held::bearer(&secret, user)
        }
    }

    pub fn session(&mut self) -> Held {
        self.session_of("bob")
    }

    pub fn enroll(&mut self, name: &str) -> Held {
        let code = self.alice("POST", "/api/v1/hosts/enrollment-codes", &json!({}), 201);
        let body = json!({ "name": name });
        let created = self.ask(&secret(&code), "POST", "/api/v1/hosts/enroll", &body, 201);
        Held {
            id: id(&created),
            secret: secret(&created),
            user: String::new(),
            opens: Opens::Host,
        }
    }

    pub fn host(&mut self) -> Held {
        let name = self.name();
        self.enroll(&name)
    }

    pub fn ssh_key_of(&mut self, user: &str) -> Held {
        let body = json!({"public_key": BOBS, "allow_shared": true});
        let created = self.ask(
            &self.site.token(user),
            "POST",
            "/api/v1/ssh-keys",
            &body,
            201,
        );
        Held {
            id: id(&created),
            secret: String::new(),
            user: user.to_owned(),
            opens: Opens::Login,
        }
    }

    pub fn ssh_key(&mut self) -> Held {
        self.ssh_key_of("bob")
    }

    /// Bob's login at the watched host, which admits his group `staff`.
    pub fn admission(&mut self) -> Held {
        if self.admission.is_none() {
            for name in ["staff", "others"] {
                self.alice("POST", "/api/v1/groups", &json!({ "name": name }), 201);
            }
            self.admission = Some(self.ssh_key().id);
        }
        let member = "/api/v1/groups/staff/members/bob";
        self.alice("PUT", member, &Value::Null, 204);
        let host = format!("/api/v1/hosts/{}", self.host_id);
        self.alice("PATCH", &host, &json!({"groups": ["staff"]}), 200);
        Held {
            id: String::new(),
            secret: String::new(),
            user: "bob".to_owned(),
            opens: Opens::LoginHere,
        }
    }

    /// The service's key, with the service's name in place of a user's.
    pub fn service_key(&mut self) -> Held {
        let name = self.name();
        self.alice(
            "POST",
            "/api/v1/services",
            &json!({"name": name, "permissions": []}),
            201,
        );
        let path = format!("/api/v1/services/{name}/api-keys");
        let created = self.alice("POST", &path, &json!({"name": "gate"}), 201);
        Held::bearer(&secret(&created), &name)
    }
}

impl Held {
    fn bearer(secret: &str, user: &str) -> Self {
        Self {
            id: id_of(secret),
            secret: secret.to_owned(),
            user: user.to_owned(),
            opens: Opens::Bearer,
        }
    }
}
