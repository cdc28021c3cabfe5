//! Request headers, sent to a complete server state: authentication, client address, redirects.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use data_encoding::BASE64;
use keycroft::model::user::Role;

use crate::fixture::{Answer, Asking, Site, id_of, secret};

/// The allowed address of the key in [`forwarded`].
const ALLOWED: &str = "203.0.113.7";
/// Requests after which a new server state is created: writing fills the old one.
const ASKED_MAX: u32 = 4_000;

/// A server state, and its valid secrets.
pub struct Lab {
    pub site: Site,
    /// Sessions of alice and bob, and the token of alice's forms.
    pub alice_session: String,
    pub bob_session: String,
    pub form_token: String,
    /// An API key of alice that is valid only from [`ALLOWED`].
    limited: String,
    /// Ids of an API key and an SSH key of alice's.
    pub api_key: String,
    pub ssh_key: String,
    asked: u32,
}

impl Lab {
    fn new() -> Self {
        let site = Site::behind(&["10.0.0.0/8", "fd00::/8"]);
        site.set_password("alice");
        site.set_password("bob");
        site.add_user("carol", Role::Member);
        let alice_session = site.sign_in("alice");
        let bob_session = site.sign_in("bob");
        let created = |path: &str, body: serde_json::Value| {
            let asking = site.ask("POST", path).bearer(&site.alice).json(&body);
            asking.send().expect(201).json()
        };
        let limited = created(
            "/api/v1/api-keys",
            serde_json::json!({"name": "limited", "allowed_addresses": [ALLOWED]}),
        );
        let ssh_key = created(
            "/api/v1/ssh-keys",
            serde_json::json!({"name": "laptop", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf"}),
        );
        created("/api/v1/groups", serde_json::json!({"name": "gpu"}));
        created(
            "/api/v1/services",
            serde_json::json!({"name": "slurm", "permissions": ["slurm:submit"]}),
        );
        let page = site
            .ask("GET", "/account")
            .header("Cookie", &format!("keycroft-session={alice_session}"))
            .send()
            .expect(200)
            .text();
        let (_, token) = page.split_once("name=\"form_token\" value=\"").unwrap();
        let form_token = token.split('"').next().unwrap().to_owned();
        let limited = secret(&limited);
        Self {
            api_key: id_of(&limited),
            ssh_key: ssh_key["id"].as_str().unwrap().to_owned(),
            site,
            alice_session,
            bob_session,
            form_token,
            limited,
            asked: 0,
        }
    }

    /// `text` with valid secrets in place of some control characters, which no header can hold.
    pub fn fill(&self, text: &str) -> String {
        let basic =
            |user: &str, password: &str| BASE64.encode(format!("{user}:{password}").as_bytes());
        let (alice, bob) = (&self.site.alice, &self.site.bob);
        text.chars()
            .map(|c| match c {
                '\u{1}' => alice.clone(),
                '\u{2}' => bob.clone(),
                '\u{3}' => basic("alice", alice),
                '\u{4}' => basic(alice, ""),
                '\u{5}' => basic("x", bob),
                '\u{6}' => basic(alice, bob),
                '\u{7}' => self.alice_session.clone(),
                '\u{8}' => self.bob_session.clone(),
                c if c.is_control() && c != '\n' && c != '\t' => String::new(),
                c => c.to_string(),
            })
            .collect()
    }

    /// Every valid secret.
    fn secrets(&self) -> [&str; 5] {
        [
            &self.site.alice,
            &self.site.bob,
            &self.alice_session,
            &self.bob_session,
            &self.limited,
        ]
    }

    /// Holds for every answer: no internal error, single-line headers of the program, no secret.
    pub fn assert_answer(&self, answer: &Answer) {
        let status = answer.status;
        assert!((200..500).contains(&status), "{status}: {}", answer.text());
        for (name, value) in &answer.headers {
            let is_line = |text: &str| !text.contains(['\r', '\n', '\0']);
            assert!(is_line(name) && is_line(value), "{name}: {value}");
        }
        for name in [
            "Content-Security-Policy",
            "X-Content-Type-Options",
            "Referrer-Policy",
            "Cache-Control",
            "Request-Id",
        ] {
            assert!(answer.header(name).is_some(), "{status}: no {name}");
        }
        let text = String::from_utf8_lossy(&answer.body);
        for secret in self.secrets() {
            assert!(!text.contains(secret), "a secret in {text}");
            assert!(
                !answer
                    .headers
                    .iter()
                    .any(|(_, value)| value.contains(secret))
            );
        }
    }
}

thread_local! {
    static LAB: RefCell<Option<Lab>> = const { RefCell::new(None) };
}

/// Uses the server state of this thread; a new one after many requests or a failure.
pub fn in_lab(ask: impl FnOnce(&Lab)) {
    let taken = LAB.with_borrow_mut(Option::take);
    let mut lab = taken
        .filter(|lab| lab.asked < ASKED_MAX)
        .unwrap_or_else(Lab::new);
    lab.asked += 1;
    ask(&lab);
    LAB.set(Some(lab));
}

/// A request with one header on several lines.
pub fn with_lines<'a>(mut asking: Asking<'a>, name: &str, lines: &[&str]) -> Asking<'a> {
    for line in lines {
        asking = asking.header(name, line);
    }
    asking
}

/// The secrets of a line of `Authorization`, by RFC 6750 and RFC 7617.
fn secrets_of(line: &str, known: &[&str]) -> Vec<String> {
    let Some((scheme, rest)) = line.split_once(' ').filter(|_| line.len() <= 1_024) else {
        return Vec::new();
    };
    let rest = rest.trim();
    let parts = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => vec![rest.to_owned()],
        "basic" => match BASE64.decode(rest.as_bytes()).map(String::from_utf8) {
            Ok(Ok(pair)) => pair
                .split_once(':')
                .map_or(Vec::new(), |(a, b)| vec![a.to_owned(), b.to_owned()]),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let is_known = |part: &String| known.contains(&part.as_str());
    parts.into_iter().filter(is_known).collect()
}

/// Lines of `Authorization`, or with an `X` before them of `X-API-Key`.
pub fn authorization(bytes: &[u8]) {
    in_lab(|lab| {
        let text = lab.fill(&String::from_utf8_lossy(bytes));
        let (keys, lines): (Vec<&str>, Vec<&str>) =
            text.split('\n').partition(|line| line.starts_with('X'));
        let asking = with_lines(lab.site.ask("GET", "/api/v1/me"), "Authorization", &lines);
        let answer = asking.send();
        lab.assert_answer(&answer);
        let known = lab.secrets();
        let sent: Vec<String> = lines
            .iter()
            .flat_map(|line| secrets_of(line, &known))
            .collect();
        let user = match sent.as_slice() {
            [one] if *one == lab.site.alice => Some("alice"),
            [one] if *one == lab.site.bob => Some("bob"),
            _ => None,
        };
        match user {
            Some(user) => assert_eq!(answer.expect(200).json()["username"], user),
            // The secret of another, an unknown one or one too many look the same.
            None => assert_eq!(answer.status, 401, "{text:?}"),
        }
        let keys: Vec<&str> = keys.iter().map(|line| &line[1..]).collect();
        let asking = with_lines(lab.site.ask("GET", "/verify"), "Authorization", &lines);
        let answer = with_lines(asking, "X-API-Key", &keys).send();
        lab.assert_answer(&answer);
        assert!(matches!(answer.status, 204 | 401), "{}", answer.status);
        let by_key = |user: &String| keys.iter().any(|key| key.trim() == user);
        match answer.header("Remote-User") {
            Some("alice") => assert!(user == Some("alice") || by_key(&lab.site.alice)),
            Some("bob") => assert!(user == Some("bob") || by_key(&lab.site.bob)),
            Some(other) => panic!("{other} asked for nothing"),
            None => assert_eq!(user, None),
        }
    });
}

/// Lines of `Cookie`.
pub fn cookie(bytes: &[u8]) {
    in_lab(|lab| {
        let text = lab.fill(&String::from_utf8_lossy(bytes));
        let lines: Vec<&str> = text.split('\n').collect();
        let sessions: Vec<&str> = lines
            .iter()
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().strip_prefix("keycroft-session="))
            .collect();
        let answer = with_lines(lab.site.ask("GET", "/account"), "Cookie", &lines).send();
        lab.assert_answer(&answer);
        let user = match sessions.as_slice() {
            [one] if *one == lab.alice_session => Some("alice (display)"),
            [one] if *one == lab.bob_session => Some("bob (display)"),
            _ => None,
        };
        match user {
            Some(user) => assert!(answer.expect(200).text().contains(user)),
            None => {
                assert_eq!(answer.header("Location"), Some("/login?next=%2Faccount"));
                assert_eq!(answer.status, 303);
            }
        }
    });
}

/// The last address that is not a proxy's, in the lines of `X-Forwarded-For`.
fn client(lines: &[&str]) -> Option<IpAddr> {
    let entries: Vec<&str> = lines.iter().flat_map(|line| line.split(',')).collect();
    for entry in entries.iter().rev() {
        let entry = entry.trim();
        let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']'));
        let address: IpAddr = entry
            .parse()
            .or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()))
            .or_else(|_| bare.unwrap_or("-").parse())
            .ok()?;
        let is_proxy = match address.to_canonical() {
            IpAddr::V4(four) => four.octets()[0] == 10,
            IpAddr::V6(six) => six.octets()[0] == 0xfd,
        };
        if !is_proxy {
            return Some(address.to_canonical());
        }
    }
    None
}

/// Lines of `X-Forwarded-For`; with a `!` before them the peer is not a proxy.
pub fn forwarded(bytes: &[u8]) {
    in_lab(|lab| {
        let text = String::from_utf8_lossy(bytes).replace(['\r', '\0'], "");
        let (peer, text) = match text.strip_prefix('!') {
            Some(rest) => ("198.51.100.1", rest),
            None => ("10.0.0.1", text.as_str()),
        };
        let lines: Vec<&str> = text.split('\n').collect();
        let asking = lab.site.ask("GET", "/verify").bearer(&lab.limited);
        let answer = with_lines(asking, "X-Forwarded-For", &lines)
            .from(peer)
            .send();
        lab.assert_answer(&answer);
        let is_believed = peer == "10.0.0.1" && client(&lines) == ALLOWED.parse().ok();
        let expected = if is_believed { 204 } else { 401 };
        assert_eq!(answer.status, expected, "{text:?}");
    });
}

/// Returns whether a browser at this site stays here on a redirect to `location`. By the WHATWG URL standard, tabs and
/// line breaks do not count, a backslash is a slash, and two slashes start a host.
fn stays(location: &str) -> bool {
    let text: String = location
        .trim_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !"\t\r\n".contains(*c))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    text.starts_with('/') && !text.starts_with("//")
}

/// The redirect of a signed-in user from the sign-in page.
pub fn next(bytes: &[u8]) {
    in_lab(|lab| {
        let wanted: String = form_urlencoded::byte_serialize(bytes).collect();
        let answer = lab
            .site
            .ask("GET", &format!("/login?next={wanted}"))
            .header("Cookie", &format!("keycroft-session={}", lab.alice_session))
            .send();
        lab.assert_answer(&answer);
        assert_eq!(answer.status, 303);
        let location = answer.header("Location").unwrap();
        assert!(stays(location), "{location:?}");
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
        let is_asked = location.as_bytes() == bytes;
        assert!(is_asked || location == "/", "{location:?}");
        // Never back to a page that redirects.
        assert!(!location.starts_with("/login"));
        // A visitor is redirected to the sign-in, and from there to the requested page.
        if is_asked && !location.contains('#') {
            let path = location.split('?').next().unwrap();
            if path == "/account" || path == "/tokens" {
                let answer = lab.site.ask("GET", location).send();
                let to = answer.header("Location").unwrap();
                let next = to.strip_prefix("/login?next=").unwrap();
                let back = form_urlencoded::parse(format!("next={next}").as_bytes())
                    .next()
                    .unwrap()
                    .1
                    .into_owned();
                assert_eq!(back, location);
            }
        }
    });
}
