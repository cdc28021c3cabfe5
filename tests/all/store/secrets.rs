//! Bar S1: secrets of every kind pass through every interface, and are found nowhere afterwards.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use keycroft::app::AppState;
use keycroft::clock::Clock;
use keycroft::model::password::Password;
use keycroft::model::user::Username;

use super::compressed::{compressed, streams};
use super::process::{Answer, Client, Server, keycroft, stdout_of};
use super::support::origin;

const ALICES_PASSWORD: &str = "blue teapots sing at dawn";
const WRONG_PASSWORD: &str = "quiet otters mend old nets";
/// Stands for a private key; no line of it may stay anywhere.
const PRIVATE: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmVub25lq8Zt4VvR2nXwPyKd";
const NEW_PASSWORD: &str = "seven lanterns over a pond";

/// All forms of one secret.
struct Needle {
    name: String,
    forms: Vec<Vec<u8>>,
}

impl Needle {
    fn new(name: &str, secret: &str) -> Self {
        // The secret part of a Keycroft secret: the id before it is public, the checksum behind it reveals nothing.
        let core = match secret.split('_').collect::<Vec<_>>()[..] {
            [_, _, rest] => &rest[..32],
            _ => secret,
        };
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for text in [core.to_owned(), core.chars().rev().collect()] {
            let bytes = text.as_bytes();
            forms.push(bytes.to_vec());
            forms.push(HEXLOWER.encode(bytes).into_bytes());
            forms.push(HEXUPPER.encode(bytes).into_bytes());
            forms.push(text.replace(' ', "%20").into_bytes());
            forms.push(text.replace(' ', "+").into_bytes());
            for shift in 0..3 {
                let padded = [&[0; 3][..shift], bytes].concat();
                for encoded in [BASE64.encode(&padded), BASE64URL_NOPAD.encode(&padded)] {
                    // The characters that depend on these bytes alone, not on their neighbors.
                    let begin = (shift * 8).div_ceil(6);
                    let end = padded.len() * 8 / 6;
                    forms.push(encoded.as_bytes()[begin..end].to_vec());
                }
            }
        }
        Self {
            name: name.to_owned(),
            forms,
        }
    }

    fn is_in(&self, hay: &[u8]) -> bool {
        !found(std::slice::from_ref(self), hay).is_empty()
    }
}

/// The names of the needles in `hay`, found in one pass by their first bytes.
fn found(needles: &[Needle], hay: &[u8]) -> BTreeSet<String> {
    const BEGINNING: usize = 8;
    let mut by_beginning: HashMap<&[u8], Vec<(&str, &[u8])>> = HashMap::new();
    for needle in needles {
        for form in &needle.forms {
            let forms = by_beginning.entry(&form[..BEGINNING]).or_default();
            forms.push((&needle.name, form));
        }
    }
    let mut names = BTreeSet::new();
    for (place, window) in hay.windows(BEGINNING).enumerate() {
        for (name, form) in by_beginning.get(window).into_iter().flatten() {
            if hay[place..].starts_with(form) {
                names.insert((*name).to_owned());
            }
        }
    }
    names
}

/// Planted secrets and findings.
#[derive(Default)]
struct Search {
    needles: Vec<Needle>,
    found: Vec<String>,
    looked_at: usize,
}

impl Search {
    fn plant(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 20, "{name}: {secret:?}");
        self.needles.push(Needle::new(name, secret));
    }

    fn look(&mut self, place: &str, hay: &[u8]) {
        self.looked_at += hay.len();
        for name in found(&self.needles, hay) {
            self.found.push(format!("{name} in {place}"));
        }
        for stream in streams(hay) {
            let (kind, at) = (stream.kind, stream.place);
            for name in found(&self.needles, &stream.inflated) {
                self.found
                    .push(format!("{name} in {place}, {kind} at byte {at}"));
            }
            // The program compresses nothing. (A few bytes that look like deflate prove nothing.)
            if kind != "deflate" {
                self.found.push(format!("{kind} at byte {at} of {place}"));
            }
        }
    }

    fn look_at_file(&mut self, path: &Path) {
        self.look(&path.display().to_string(), &fs::read(path).unwrap());
    }

    fn look_at_folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            // All but the control socket.
            if entry.file_type().unwrap().is_file() {
                self.look_at_file(&entry.path());
            }
        }
    }
}

/// The search finds a planted secret.
#[test]
fn every_form_of_a_secret_is_detected() {
    let secret = "kca_0123456789ab_0123456789abcdefghijklmnopqrstuvXXXXXX";
    let needle = Needle::new("planted", secret);
    let core = &secret[17..49];
    for text in [core.to_owned(), core.chars().rev().collect::<String>()] {
        for before in ["", "a", "ab", "abc"] {
            for behind in ["", "x", "xy", "xyz"] {
                let around = format!("{before}{text}{behind}");
                assert!(needle.is_in(around.as_bytes()));
                assert!(
                    needle.is_in(BASE64.encode(around.as_bytes()).as_bytes()),
                    "{around}"
                );
                assert!(needle.is_in(HEXLOWER.encode(around.as_bytes()).as_bytes()));
            }
        }
    }
    assert!(!needle.is_in(&secret.as_bytes()[..17]));
}

/// And in compressed data, at any offset.
#[test]
fn compressed_secret_is_detected() {
    let secret = "kca_0123456789ab_Zk3v9QmT0aXr7LwB2yHc5NdJ8sGf4PeUXXXXXX";
    let around = format!("{{\"one\": 1, \"secret\": \"{secret}\", \"more\": \"and more\"}}");
    let written = [
        around.clone(),
        BASE64.encode(around.as_bytes()),
        HEXLOWER.encode(around.as_bytes()),
        around.chars().rev().collect(),
    ];
    for text in written {
        for (kind, bytes) in compressed(text.as_bytes()) {
            for before in [0, 1, 777] {
                let mut search = Search::default();
                search.plant("planted", secret);
                let hay = [&vec![b'.'; before], &bytes[..], b"and what is behind it"].concat();
                search.look("hay", &hay);
                let expected = format!("planted in hay, {kind} at byte {before}");
                assert!(
                    search.found.contains(&expected),
                    "{expected}: {:?}",
                    search.found
                );
            }
        }
    }
    let mut search = Search::default();
    search.plant("planted", secret);
    search.look("hay", around.replace("9QmT", "9QmU").as_bytes());
    assert!(search.found.is_empty());
}

/// Requests an answer with a secret, which is planted; the rest of the answer must not contain one.
fn shown(
    search: &mut Search,
    client: &mut Client,
    name: &str,
    path: &str,
    secret: &str,
    body: &str,
) -> (String, String) {
    let answer = client.ask("POST", path, secret, body);
    assert!(
        answer.status == 200 || answer.status == 201,
        "{name}: {answer:?}"
    );
    search.look(name, answer.head.as_bytes());
    assert!(
        answer
            .head
            .to_lowercase()
            .contains("cache-control: no-store"),
        "{name}"
    );
    let new = answer.field("secret");
    search.plant(name, &new);
    (answer.field("id"), new)
}

#[test]
fn secrets_are_in_no_artifact() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let mut search = Search::default();
    for (name, text) in [
        ("password", ALICES_PASSWORD),
        ("wrong password", WRONG_PASSWORD),
        ("new password", NEW_PASSWORD),
    ] {
        search.plant(name, text);
    }
    add_with_password(&db, "alice", ALICES_PASSWORD);
    let token = stdout_of(&db, &["user", "token", "alice"]);
    search.plant("token of the operator's", &token);
    for (name, arguments) in [
        ("invitation", ["user", "add", "bob"]),
        ("reset code", ["user", "reset-password", "alice"]),
    ] {
        let link = stdout_of(&db, &arguments);
        search.plant(name, link.split_once("code=").unwrap().1);
    }
    let reset = stdout_of(&db, &["user", "reset-password", "bob"]);
    let reset = reset.split_once("code=").unwrap().1;
    search.plant("code that is used", reset);
    let session = sign_in(&db);
    search.plant("session", &session);
    let second = sign_in(&db);
    search.plant("second session", &second);

    let mut command = keycroft(&db, &["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--log", "debug"]);
    let server = Server::spawn(&mut command);
    let mut client = server.client();
    let (key_id, key) = shown(
        &mut search,
        &mut client,
        "API key",
        "/api/v1/api-keys",
        &token,
        r#"{"name": "one"}"#,
    );
    let rotate = format!("/api/v1/api-keys/{key_id}/rotate");
    let (_, rotated) = shown(
        &mut search,
        &mut client,
        "rotated API key",
        &rotate,
        &token,
        r#"{"grace": "1h"}"#,
    );
    let (_, other) = shown(
        &mut search,
        &mut client,
        "token",
        "/api/v1/tokens",
        &token,
        "{}",
    );
    for secret in [&key, &rotated, &other] {
        assert_eq!(client.verify(secret), 204);
    }
    others(&mut search, &mut client, &token);
    // Before the misuse, which revokes the sessions.
    for page in [
        "account",
        "api-keys",
        "tokens",
        "sessions",
        "ssh-keys",
        "events",
        "events/export",
        "admin/users",
        "admin/hosts",
        "admin/services/gate",
        "admin/inventory",
        "admin/diagnostics",
        "admin/events/export",
        "nowhere",
        &format!("api-keys/{key}"),
    ] {
        let answer = client.page(&format!("/{page}"), &second);
        assert!(matches!(answer.status, 200 | 404), "{page}: {answer:?}");
        search.look(page, answer.body.as_bytes());
        search.look(page, answer.head.as_bytes());
    }
    let answers = misuse(&mut client, &token, &key, &session, reset);
    for (place, answer) in &answers {
        search.look(place, answer.head.as_bytes());
        search.look(place, answer.body.as_bytes());
    }
    for list in [
        "events?all=true&limit=200",
        "api-keys",
        "tokens",
        "sessions",
        "hosts",
        "hosts/enrollment-codes",
        "services",
        "services/gate/api-keys",
        "users",
        "users/bob/sessions",
    ] {
        let answer = client.ask("GET", &format!("/api/v1/{list}"), &token, "");
        assert_eq!(answer.status, 200, "{list}");
        search.look(list, answer.body.as_bytes());
    }
    let metrics = client.ask("GET", "/metrics", &token, "");
    search.look("metrics", metrics.body.as_bytes());

    let process = format!("/proc/{}", server.child.id());
    for name in ["cmdline", "environ"] {
        search.look_at_file(&Path::new(&process).join(name));
    }
    assert!(
        fs::metadata(folder.path().join("keycroft.db-wal"))
            .unwrap()
            .len()
            > 0,
        "the journal was looked at"
    );
    search.look_at_folder(folder.path());
    let mut exported = keycroft(&db, &["event", "export"]);
    search.look("export", &exported.output().unwrap().stdout);
    let backup = folder.path().join("backup.db");
    stdout_of(&db, &["backup", backup.to_str().unwrap()]);
    search.look_at_folder(folder.path());
    let (status, log) = server.terminate();
    assert!(status.success());
    search.look("log", log.as_bytes());
    assert!(
        log.contains("POST /api/v1/api-keys 201"),
        "the log was looked at: {log}"
    );
    search.look_at_folder(folder.path());
    assert!(search.looked_at > 1_000_000);
    assert!(search.found.is_empty(), "{:#?}", search.found);
}

/// A host's credential and its code, a service's key, a device's code, a pasted private key.
fn others(search: &mut Search, client: &mut Client, token: &str) {
    let codes = "/api/v1/hosts/enrollment-codes";
    let (_, code) = shown(search, client, "enrollment code", codes, token, "{}");
    let (_, other) = shown(
        search,
        client,
        "unspent enrollment code",
        codes,
        token,
        "{}",
    );
    assert_ne!(code, other);
    let enroll = "/api/v1/hosts/enroll";
    let (_, host) = shown(
        search,
        client,
        "host's credential",
        enroll,
        &code,
        r#"{"name": "gpu1"}"#,
    );
    let copy = client.ask("GET", "/api/v1/hosts/self/authorized-keys", &host, "");
    assert_eq!(copy.status, 200);
    search.look("a host's copy", copy.body.as_bytes());
    let service = client.ask(
        "POST",
        "/api/v1/services",
        token,
        r#"{"name": "gate", "permissions": []}"#,
    );
    assert_eq!(service.status, 201);
    let keys = "/api/v1/services/gate/api-keys";
    let (_, gate) = shown(
        search,
        client,
        "service's key",
        keys,
        token,
        r#"{"name": "g"}"#,
    );
    assert_eq!(client.verify(&gate), 204);
    let form = client.form("/oauth/device_authorization", "client_id=keycroft-cli");
    assert_eq!(form.status, 200, "{form:?}");
    search.plant("device code", &form.field("device_code"));
    let pasted = format!(
        "{{\"name\": \"oops\", \"public_key\": \"-----BEGIN OPENSSH PRIVATE KEY-----\\n{PRIVATE}\\n-----END OPENSSH PRIVATE KEY-----\\n\"}}"
    );
    search.plant("private key", PRIVATE);
    let rejected = client.ask("POST", "/api/v1/ssh-keys", token, &pasted);
    assert_eq!(rejected.status, 422);
    search.look("the answer to a private key", rejected.body.as_bytes());
}

fn add_with_password(db: &Path, name: &str, password: &str) {
    use std::io::Write;
    let mut child = keycroft(db, &["user", "add", name, "--admin", "--password-stdin"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    assert!(child.wait().unwrap().success());
}

/// A session, and failed sign-ins: with a wrong password, and with the password in place of the name.
fn sign_in(db: &Path) -> String {
    let app_state = AppState::open(db, Clock::System).unwrap();
    let app = app_state.app().unwrap();
    let typed = |text| Password::typed(text).unwrap();
    for (name, password) in [
        ("alice", WRONG_PASSWORD),
        (ALICES_PASSWORD, ALICES_PASSWORD),
        ("nobody", WRONG_PASSWORD),
    ] {
        assert!(
            app.sign_in(name, &typed(password), None, origin(), app.now())
                .is_err()
        );
    }
    assert!(Username::parse("alice").is_ok());
    let signed_in = app.sign_in("alice", &typed(ALICES_PASSWORD), None, origin(), app.now());
    let secret = signed_in
        .unwrap()
        .done()
        .unwrap()
        .secret
        .reveal()
        .to_string();
    drop(app);
    app_state.close();
    secret
}

/// Secrets in wrong places: people paste them anywhere.
fn misuse(
    client: &mut Client,
    token: &str,
    key: &str,
    session: &str,
    code: &str,
) -> Vec<(String, Answer)> {
    let with = |name: &str, value: &str| format!("{{\"{name}\": \"{value}\"}}");
    let requests: Vec<(&str, String, &str, String)> = vec![
        (
            "GET",
            format!("/api/v1/api-keys/{key}"),
            token,
            String::new(),
        ),
        (
            "DELETE",
            format!("/api/v1/api-keys/{key}"),
            token,
            String::new(),
        ),
        (
            "DELETE",
            format!("/api/v1/tokens/{token}"),
            token,
            String::new(),
        ),
        (
            "DELETE",
            format!("/api/v1/users/{key}"),
            token,
            String::new(),
        ),
        ("POST", format!("/api/v1/{key}"), token, String::new()),
        (
            "POST",
            format!("/api/v1/users/{key}/reset-password"),
            key,
            String::new(),
        ),
        (
            "GET",
            format!("/verify?permission={key}"),
            token,
            String::new(),
        ),
        (
            "GET",
            format!("/api/v1/api-keys?after={key}"),
            token,
            String::new(),
        ),
        (
            "POST",
            format!("/api/v1/sweep?token={token}"),
            token,
            String::new(),
        ),
        (
            "GET",
            format!("/api/v1/events?action={key}"),
            token,
            String::new(),
        ),
        (
            "POST",
            "/api/v1/api-keys".to_owned(),
            session,
            with("name", "x"),
        ),
        ("POST", "/api/v1/api-keys".to_owned(), token, with(key, "x")),
        (
            "POST",
            "/api/v1/api-keys".to_owned(),
            token,
            with("expires_in", key),
        ),
        (
            "POST",
            "/api/v1/api-keys".to_owned(),
            token,
            format!("{{\"name\": \"n\", \"permissions\": [\"{key}\"]}}"),
        ),
        (
            "POST",
            "/api/v1/api-keys".to_owned(),
            token,
            format!("{{\"name\": \"n\", \"allowed_addresses\": [\"{key}\"]}}"),
        ),
        (
            "POST",
            "/api/v1/users".to_owned(),
            token,
            with("username", key),
        ),
        (
            "POST",
            "/api/v1/me/password".to_owned(),
            token,
            format!("{{\"current\": \"{WRONG_PASSWORD}\", \"new\": \"{NEW_PASSWORD}\"}}"),
        ),
        (
            "POST",
            "/api/v1/me/password".to_owned(),
            token,
            format!("{{\"current\": \"{ALICES_PASSWORD}\", \"new\": \"{NEW_PASSWORD}\"}}"),
        ),
        (
            "POST",
            "/api/v1/password-reset".to_owned(),
            token,
            format!("{{\"code\": \"{code}\", \"password\": \"{NEW_PASSWORD}\"}}"),
        ),
        (
            "POST",
            "/api/v1/password-reset".to_owned(),
            code,
            with("password", NEW_PASSWORD),
        ),
        (
            "POST",
            "/oauth/revoke".to_owned(),
            token,
            format!("token={code}"),
        ),
        (
            "POST",
            "/oauth/introspect".to_owned(),
            token,
            format!("token={key}"),
        ),
        ("GET", format!("/{key}"), token, String::new()),
        ("BREW", format!("/{key}"), token, String::new()),
        (
            "POST",
            "/oauth/revoke".to_owned(),
            token,
            format!("token={session}"),
        ),
    ];
    requests
        .into_iter()
        .map(|(method, path, secret, body)| {
            let answer = client.try_ask(method, &path, secret, &body);
            if answer.as_ref().map_or(true, |answer| {
                answer.head.to_lowercase().contains("connection: close")
            }) {
                client.reconnect();
            }
            (format!("the answer to {method} {path}"), answer)
        })
        .filter_map(|(place, answer)| Some((place, answer.ok()?)))
        .collect()
}

/// The setup link is printed on standard error, and nowhere else.
#[test]
fn setup_code_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let mut command = keycroft(&db, &["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--log", "debug"]);
    let server = Server::spawn(&mut command);
    let log = server.log_with("code=");
    let (_, code) = log.split_once("code=").unwrap();
    let code = &code[..55];
    let mut search = Search::default();
    search.plant("set-up code", code);
    let mut client = server.client();
    let wrong = client.ask("POST", "/api/v1/setup", code, "{}");
    assert_eq!(wrong.status, 422, "{wrong:?}");
    search.look("a refusal", wrong.body.as_bytes());
    // A request with a password ends its connection.
    let mut client = server.client();
    let body = format!("{{\"username\": \"alice\", \"password\": \"{NEW_PASSWORD}\"}}");
    let created = client.ask("POST", "/api/v1/setup", code, &body);
    assert_eq!(created.status, 201, "{created:?}");
    search.look("the answer", created.body.as_bytes());
    let process = format!("/proc/{}", server.child.id());
    for name in ["cmdline", "environ"] {
        search.look_at_file(&Path::new(&process).join(name));
    }
    search.look_at_folder(folder.path());
    let (status, log) = server.terminate();
    assert!(status.success());
    search.look_at_folder(folder.path());
    assert_eq!(log.matches(code).count(), 1, "said once: {log}");
    search.look("the rest of the log", log.replace(code, "").as_bytes());
    assert!(search.found.is_empty(), "{:#?}", search.found);
}
