//! The client of the JSON API: requests, answers and errors.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use ureq::http::{HeaderMap, Method, Request, header};
use zeroize::Zeroizing;

use super::expiration_notice::of_credential;
use super::local::Local;
use crate::client::connection::{Connection, PROGRAM, Remote};
use crate::client::http::{self, HttpAnswer};
use crate::client::proxy_bypass;
use crate::client::tls::trusting;
use crate::clock::Clock;
use crate::model::text::percent_encode;
use crate::model::time::Time;
use crate::terminal::exit::{FAILED, Failure, INVALID, USAGE};
use crate::terminal::output::{OutputArguments, write_stderr};
use crate::wire::{ListOut, MeOut, NoticeOut};

/// Time limit of connecting.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Time limit of a request: hashing a password may have to wait.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// Items of one page.
const PART_ITEMS: usize = 200;

/// A client of the JSON API: of a server, or of a database on this machine.
pub struct Client {
    pub connection: Connection,
    backend: Backend,
    /// Notices about the account are still to be printed.
    names_notices: Cell<bool>,
}

/// The ways to the API: over the network with a credential, or to a database of this machine.
enum Backend {
    Http(ureq::Agent),
    Local(Box<Local>),
}

/// A successful answer.
pub struct ApiAnswer {
    pub text: Zeroizing<String>,
}

impl ApiAnswer {
    /// The JSON of the answer as a type of the API.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text).map_err(|_| {
            Failure::new(
                FAILED,
                "unexpected answer: the server has another version than this program",
            )
            .hint("keycroft status")
        })
    }
}

/// A complete list, of one page or several.
pub struct ApiList {
    items: Vec<Box<RawValue>>,
    /// The answer of the server, when it has one page.
    complete: Option<Zeroizing<String>>,
}

impl ApiList {
    /// The items as a type of the API.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        let parsed = self
            .items
            .iter()
            .map(|item| serde_json::from_str(item.get()))
            .collect::<Result<Vec<T>, _>>();
        parsed.map_err(|_| {
            Failure::new(
                FAILED,
                "unexpected answer: the server has another version than this program",
            )
            .hint("keycroft status")
        })
    }

    /// The list as the API answers it; of several pages, with all items in one.
    pub fn json(&self) -> String {
        if let Some(complete) = &self.complete {
            return complete.to_string();
        }
        let items: Vec<&str> = self.items.iter().map(|item| item.get()).collect();
        format!("{{\"items\":[{}],\"next\":null}}", items.join(","))
    }

    /// The items alone, unchanged.
    pub fn raw(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| item.get())
    }
}

impl Remote {
    /// A client with a credential.
    pub fn client(&self) -> Result<Client, Failure> {
        let connection = self.connection()?;
        connection.credential()?;
        Client::new(connection)
    }
}

impl Client {
    pub fn new(connection: Connection) -> Result<Self, Failure> {
        let https = connection.server.is_https();
        let authority = connection.ca_file.as_deref().filter(|_| https);
        let tls = trusting(authority)?;
        let mut config = http::settings()
            .user_agent(PROGRAM)
            .timeout_connect(Some(CONNECT_TIME))
            .timeout_global(Some(REQUEST_TIME))
            .tls_config(tls);
        if proxy_bypass::is_direct(&connection.server) {
            config = config.proxy(None);
        }
        Ok(Self {
            connection,
            backend: Backend::Http(config.build().new_agent()),
            names_notices: Cell::new(true),
        })
    }

    /// A client of a database on this machine; `shown` names it in messages.
    pub fn local(local: Local, shown: &str, format: &OutputArguments) -> Self {
        Self {
            connection: Connection::of_database(shown, format),
            backend: Backend::Local(Box::new(local)),
            names_notices: Cell::new(false),
        }
    }

    pub const fn format(&self) -> &OutputArguments {
        &self.connection.format
    }

    pub const fn is_local(&self) -> bool {
        matches!(self.backend, Backend::Local(_))
    }

    /// Sets the address in links of a command in process.
    pub fn set_public_url(&mut self, url: Option<String>) {
        if let Backend::Local(local) = &mut self.backend {
            local.set_public_url(url);
        }
    }

    /// The target of the command, for notes on standard error.
    pub fn place(&self) -> String {
        let name = self.connection.server.as_str();
        if self.is_local() {
            format!("in {name}")
        } else {
            format!("at {name}")
        }
    }

    /// The command line's clock.
    pub fn now(&self) -> Time {
        Clock::System.now()
    }

    pub fn get(&self, path: &str) -> Result<ApiAnswer, Failure> {
        self.request(Method::GET, path, None)
    }

    pub fn delete(&self, path: &str) -> Result<ApiAnswer, Failure> {
        self.request(Method::DELETE, path, None)
    }

    /// Sends `body` as JSON.
    pub fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<ApiAnswer, Failure> {
        self.send(Method::POST, path, body)
    }

    /// Sends `body` as JSON.
    pub fn patch<T: Serialize>(&self, path: &str, body: &T) -> Result<ApiAnswer, Failure> {
        self.send(Method::PATCH, path, body)
    }

    /// Sends a PUT without a body.
    pub fn put(&self, path: &str) -> Result<ApiAnswer, Failure> {
        self.request(Method::PUT, path, Some(("application/json", b"{}")))
    }

    fn send<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: &T,
    ) -> Result<ApiAnswer, Failure> {
        let bytes = Zeroizing::new(
            serde_json::to_vec(body).map_err(|error| Failure::new(FAILED, error.to_string()))?,
        );
        self.request(method, path, Some(("application/json", &bytes)))
    }

    /// Sends a form, as OAuth needs it, and returns the answer with any status.
    pub fn form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<(u16, Zeroizing<String>), Failure> {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value)))
            .collect();
        let body = Zeroizing::new(pairs.join("&"));
        let answer = self.exchange(
            Method::POST,
            path,
            Some(("application/x-www-form-urlencoded", body.as_bytes())),
        )?;
        Ok((answer.status, answer.text))
    }

    /// Revokes the credential of this client: possession is enough (RFC 7009). The answer does not show whether it was valid.
    pub fn revoke(&self) -> Result<(), Failure> {
        let body = Zeroizing::new(format!("token={}", *self.connection.credential()?.secret));
        let form = Some(("application/x-www-form-urlencoded", body.as_bytes()));
        self.without_credential()?
            .request(Method::POST, "/oauth/revoke", form)
            .map(drop)
    }

    /// The same server without a credential.
    pub fn without_credential(&self) -> Result<Self, Failure> {
        Self::new(self.connection.without_credential())
    }

    /// All items of a list. `path` may have a query.
    pub fn list_items(&self, path: &str) -> Result<ApiList, Failure> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}limit={PART_ITEMS}");
        let (mut all, mut next) = self.list_page(&path)?;
        while let Some(after) = next {
            let (part, further) =
                self.list_page(&format!("{path}&after={}", percent_encode(&after)))?;
            all.items.extend(part.items);
            all.complete = None;
            next = further;
        }
        Ok(all)
    }

    /// One page of a list, and the `after` of the next.
    pub fn list_page(&self, path: &str) -> Result<(ApiList, Option<String>), Failure> {
        let answer = self.get(path)?;
        let part: ListOut<Box<RawValue>> = answer.parse()?;
        let listed = ApiList {
            items: part.items,
            complete: Some(answer.text),
        };
        Ok((listed, part.next))
    }

    /// Sends a request with the credential, if any, and returns a successful answer.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<ApiAnswer, Failure> {
        let what = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let answer = self.exchange(method, path, body)?;
        if answer.is_success() {
            self.notice(&answer.headers);
            return Ok(ApiAnswer { text: answer.text });
        }
        Err(self.failure(&answer, &what))
    }

    /// Sends the same request and returns the answer with any status.
    pub fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<HttpAnswer, Failure> {
        let agent = match &self.backend {
            Backend::Http(agent) => agent,
            Backend::Local(local) => return local.exchange(&method, path, body),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.connection.server.as_str()))
            .header(header::ACCEPT, "application/json");
        if let Some(credential) = &self.connection.credential {
            let value = Zeroizing::new(format!("Bearer {}", *credential.secret));
            let mut value = header::HeaderValue::from_str(&value)
                .map_err(|_| Failure::new(INVALID, "the secret contains invalid characters"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let bad = |_| Failure::new(USAGE, format!("{path:?} is not a valid path"));
        let answer = match body {
            Some((kind, bytes)) => agent.run(
                request
                    .header(header::CONTENT_TYPE, kind)
                    .body(bytes)
                    .map_err(bad)?,
            ),
            None => agent.run(request.body(()).map_err(bad)?),
        };
        http::read_answer(answer).map_err(|error| self.unreachable(&error))
    }

    /// Warns on standard error when the credential in use expires soon.
    fn notice(&self, headers: &HeaderMap) {
        let Some(credential) = &self.connection.credential else {
            return;
        };
        let end = headers
            .get("Keycroft-Expires")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Time::parse(text).ok());
        if let Some(end) = end
            && let Some(text) =
                of_credential(credential, end, self.now(), std::io::stderr().is_terminal())
        {
            write_stderr(&text);
        }
        if headers.contains_key("Keycroft-Notices") && self.names_notices.replace(false) {
            self.print_account_notices();
        }
    }

    /// The notices about the account that nobody acknowledged yet.
    pub fn account_notices(&self) -> Result<Vec<NoticeOut>, Failure> {
        let me: MeOut = self.get("/api/v1/me")?.parse()?;
        Ok(me.notices)
    }

    /// Names the notices on standard error.
    fn print_account_notices(&self) {
        for notice in self.account_notices().unwrap_or_default() {
            write_stderr(&format!(
                "keycroft: notice: {} ({})\n  try: keycroft notice acknowledge {}",
                notice.text, notice.at, notice.id
            ));
        }
    }

    /// Suppresses notices about the account: the command lists them itself.
    pub(super) fn without_notices(&self) {
        self.names_notices.set(false);
    }
}
