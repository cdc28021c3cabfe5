//! A browser without a screen: it keeps cookies, sends the origin of its requests, and submits the forms of pages.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use keycroft::http::{ServerState, admit, respond};

use crate::fixture::header;

use super::markup::{self, Form};

pub struct Browser<'a> {
    server_state: &'a ServerState,
    pub cookies: BTreeMap<String, String>,
    pub peer: IpAddr,
    pub agent: String,
}

/// An answer.
#[derive(Debug)]
pub struct Page {
    pub url: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl<'a> Browser<'a> {
    pub fn new(server_state: &'a ServerState) -> Self {
        Self {
            server_state,
            cookies: BTreeMap::new(),
            peer: "127.0.0.1".parse().unwrap(),
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
                .to_owned(),
        }
    }

    /// Sends a request, stores the cookies of the answer, follows no redirect.
    pub fn send(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let mut all: Vec<(String, String)> = vec![
            ("Host".into(), "127.0.0.1:8420".into()),
            ("User-Agent".into(), self.agent.clone()),
            ("Accept".into(), "text/html,*/*;q=0.8".into()),
        ];
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            all.push(("Cookie".into(), pairs.join("; ")));
        }
        for (name, value) in headers {
            all.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        let path = url.split('?').next().unwrap_or_default();
        let expired = body.len() > admit(method, path).body_bytes_max;
        let peer = SocketAddr::new(self.peer, 40_000);
        let bytes = if expired { Vec::new() } else { body.into() };
        let request = rouille::Request::fake_http_from(peer, method, url, all, bytes);
        if expired {
            // As in the transport: a body that is too long is never read.
            drop(request.data());
        }
        let response = respond(self.server_state, &request);
        let mut body = Vec::new();
        let (mut reader, _) = response.data.into_reader_and_size();
        reader.read_to_end(&mut body).unwrap();
        let headers: Vec<(String, String)> = response
            .headers
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        for (_, line) in headers.iter().filter(|(name, _)| name == "Set-Cookie") {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if line.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let page = Page {
            url: url.to_owned(),
            status: response.status_code,
            headers,
            body,
        };
        let kind = page.header("Content-Type").unwrap_or_default();
        if kind.starts_with("text/html") && !page.body.is_empty() {
            markup::check(url, &page.text());
            page.write_where_asked();
        }
        page
    }

    pub fn get(&mut self, url: &str) -> Page {
        self.send("GET", url, &[], "")
    }

    /// Opens a page that has to exist.
    #[track_caller]
    pub fn open(&mut self, url: &str) -> Page {
        let page = self.get(url);
        assert_eq!(page.status, 200, "{url}: {}", page.text());
        page
    }

    /// Submits fields like a page of the console.
    pub fn post(&mut self, url: &str, fields: &[(String, String)]) -> Page {
        self.send(
            "POST",
            url,
            &[
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Sec-Fetch-Site", "same-origin"),
                ("Origin", "http://127.0.0.1:8420"),
            ],
            &markup::encode(fields),
        )
    }

    pub fn submit(&mut self, form: &Form) -> Page {
        self.post(&form.action, &form.fields)
    }

    /// Submits a form and follows the redirect.
    #[track_caller]
    pub fn submit_and_follow(&mut self, form: &Form) -> Page {
        let page = self.submit(form);
        assert_eq!(page.status, 303, "{}: {}", form.action, page.text());
        let next = page.header("Location").unwrap().to_owned();
        self.open(&next)
    }

    pub fn sign_in(&mut self, name: &str, password: &str) -> Page {
        let page = self.open("/login");
        let form = page.form("/login");
        self.submit(&form.set("username", name).set("password", password))
    }

    /// Creates an API key. Returns its id and secret.
    #[track_caller]
    pub fn make_key(&mut self, name: &str) -> (String, String) {
        let form = self.open("/api-keys/new").form("/api-keys/new");
        let page = self.submit(&form.set("name", name));
        assert_eq!(page.status, 200, "{}", page.text());
        let secret = page.secret();
        (secret[4..16].to_owned(), secret)
    }

    /// Returns whether the browser is signed in.
    pub fn is_signed_in(&mut self) -> bool {
        self.get("/account").status == 200
    }
}

impl Page {
    /// The header, which must occur once.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The line that sets this cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .filter(|(own, _)| own == "Set-Cookie")
            .map(|(_, line)| line.as_str())
            .find(|line| line.starts_with(&format!("{name}=")))
    }

    /// Writes the page below the folder `KEYCROFT_PAGES`, for `scripts/test.d/40-browser pictures`.
    fn write_where_asked(&self) {
        if let Some(folder) = std::env::var_os("KEYCROFT_PAGES") {
            let name: String = self.url.chars().take(80).collect();
            let name = name.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-");
            let name = format!("{name}-{}.html", self.status);
            std::fs::write(std::path::Path::new(&folder).join(name), &self.body).unwrap();
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn has(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// The form with this `action`.
    #[track_caller]
    pub fn form(&self, action: &str) -> Form {
        let forms = markup::forms(&self.text());
        // A form with a password has a mark behind its URL.
        let is_it = |form: &Form| form.action.trim_end_matches("?with-password") == action;
        let found = forms.into_iter().find(is_it);
        found.unwrap_or_else(|| panic!("no form for {action} on {}: {}", self.url, self.text()))
    }

    /// The secret that the page shows.
    #[track_caller]
    pub fn secret(&self) -> String {
        markup::elements(&self.text())
            .into_iter()
            .find(|element| element.attribute("id") == Some("secret"))
            .and_then(|element| element.attribute("value").map(str::to_owned))
            .unwrap_or_else(|| panic!("no secret on {}: {}", self.url, self.text()))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.url, self.text());
        self
    }
}
