//! The client of the JSON API: one request, one answer, and words for what went wrong.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use ureq::http::{HeaderMap, Method, Request, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use zeroize::Zeroizing;

use super::connection::{Connection, Credential, Remote};
use super::exit::{
    FAILED, Failure, INVALID, NOT_FOUND, REFUSED, SIGN_IN_NEEDED, TOO_MANY, UNREACHABLE, USAGE,
};
use super::output::{relative, say};
use crate::clock::Clock;
use crate::model::credential::Kind;
use crate::model::time::Time;
use crate::wire::{ListOut, ProblemOut};

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a whole request may take: a password's hash may have to wait its turn.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Items asked for at once.
const PART_ITEMS: usize = 200;
/// From how many days before an API key's end on it is named.
const NOTICE_DAYS: u64 = 14;

/// What is sent as `User-Agent`.
pub const PROGRAM: &str = concat!("keycroft/", env!("CARGO_PKG_VERSION"));

/// A server and a credential, ready to ask.
pub struct Client {
    pub connection: Connection,
    agent: ureq::Agent,
}

/// An answer that said yes.
pub struct Answer {
    pub status: u16,
    pub text: Zeroizing<String>,
}

impl Answer {
    /// The answer's JSON as one of the shapes of the wire.
    ///
    /// # Errors
    /// When it is something else: no server of ours, or a much newer one.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text).map_err(|_| {
            Failure::new(
                FAILED,
                "the server's answer is not what this version of keycroft understands",
            )
            .hint("keycroft status")
        })
    }
}

/// A whole list, gathered part by part.
pub struct Listed {
    items: Vec<Box<RawValue>>,
    /// What the server wrote, when it came in one part.
    whole: Option<Zeroizing<String>>,
}

impl Listed {
    /// The items as one of the shapes of the wire.
    ///
    /// # Errors
    /// As [`Answer::parse`].
    pub fn parse<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        let parsed = self
            .items
            .iter()
            .map(|item| serde_json::from_str(item.get()))
            .collect::<Result<Vec<T>, _>>();
        parsed.map_err(|_| {
            Failure::new(
                FAILED,
                "the server's answer is not what this version of keycroft understands",
            )
            .hint("keycroft status")
        })
    }

    /// The list as the API answers it; of several parts, with all items in one.
    #[must_use]
    pub fn json(&self) -> String {
        if let Some(whole) = &self.whole {
            return whole.to_string();
        }
        let items: Vec<&str> = self.items.iter().map(|item| item.get()).collect();
        format!("{{\"items\":[{}],\"next\":null}}", items.join(","))
    }

    /// The items alone, as they were written.
    pub fn raw(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| item.get())
    }
}

impl Remote {
    /// A client with a credential.
    ///
    /// # Errors
    /// Exit code 4 when there is none; 2 for an unusable address.
    pub fn client(&self) -> Result<Client, Failure> {
        let connection = self.connection()?;
        connection.credential()?;
        Client::new(connection)
    }

    /// A client that asks without a credential.
    ///
    /// # Errors
    /// Exit code 2 for an unusable address; 4 when no server is known.
    pub fn anonymous(&self) -> Result<Client, Failure> {
        Client::new(self.server()?)
    }
}

impl Client {
    /// # Errors
    /// When the certificates to trust can't be read.
    pub fn new(connection: Connection) -> Result<Self, Failure> {
        let https = connection.server.is_https();
        let authority = connection.ca_file.as_deref().filter(|_| https);
        let tls = trusting(authority)?;
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(PROGRAM)
            .timeout_connect(Some(CONNECT_TIME))
            .timeout_global(Some(REQUEST_TIME))
            .tls_config(tls);
        if !https {
            // A proxy would read what goes by in the clear, and loopback means this machine.
            config = config.proxy(None);
        }
        Ok(Self {
            connection,
            agent: config.build().new_agent(),
        })
    }

    /// The command line's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        Clock::System.now()
    }

    /// # Errors
    /// As [`Client::ask`].
    pub fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Method::GET, path, None)
    }

    /// # Errors
    /// As [`Client::ask`].
    pub fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Method::DELETE, path, None)
    }

    /// Sends `body` as JSON.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, Failure> {
        self.send(Method::POST, path, body)
    }

    /// Sends `body` as JSON.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn patch<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, Failure> {
        self.send(Method::PATCH, path, body)
    }

    /// Asks for something to be put where `path` says, without a body.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn put(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Method::PUT, path, Some(("application/json", b"{}")))
    }

    fn send<T: Serialize>(&self, method: Method, path: &str, body: &T) -> Result<Answer, Failure> {
        let bytes = Zeroizing::new(
            serde_json::to_vec(body).map_err(|error| Failure::new(FAILED, error.to_string()))?,
        );
        self.ask(method, path, Some(("application/json", &bytes)))
    }

    /// All items of a list. `path` may have a query.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn list(&self, path: &str) -> Result<Listed, Failure> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let rest = after
                .as_deref()
                .map_or_else(String::new, |after| format!("&after={}", encode(after)));
            let answer = self.get(&format!("{path}{mark}limit={PART_ITEMS}{rest}"))?;
            let part: ListOut<Box<RawValue>> = answer.parse()?;
            let first = after.is_none();
            items.extend(part.items);
            match part.next {
                None if first => {
                    return Ok(Listed {
                        items,
                        whole: Some(answer.text),
                    });
                }
                None => return Ok(Listed { items, whole: None }),
                Some(next) => after = Some(next),
            }
        }
    }

    /// Asks with the credential, if there is one, and answers with what was answered when that was yes.
    ///
    /// # Errors
    /// With the cause, the next command to try and the exit code of API.md.
    pub fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<Answer, Failure> {
        let what = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let (status, headers, text) = self.ask_any(method, path, body)?;
        if (200..300).contains(&status) {
            self.notice(&headers);
            return Ok(Answer { status, text });
        }
        Err(self.failure(status, &headers, &text, &what))
    }

    /// The same, whatever the status.
    ///
    /// # Errors
    /// Exit code 7 when the server is out of reach.
    pub fn ask_any(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<(u16, HeaderMap, Zeroizing<String>), Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.connection.server.as_str()))
            .header(header::ACCEPT, "application/json");
        if let Some(credential) = &self.connection.credential {
            let value = Zeroizing::new(format!("Bearer {}", *credential.secret));
            let mut value = header::HeaderValue::from_str(&value).map_err(|_| {
                Failure::new(INVALID, "the secret has characters that no secret has")
            })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let bad = |_| Failure::new(USAGE, format!("{path:?} is no path that can be asked for"));
        let answer = match body {
            Some((kind, bytes)) => self.agent.run(
                request
                    .header(header::CONTENT_TYPE, kind)
                    .body(bytes)
                    .map_err(bad)?,
            ),
            None => self.agent.run(request.body(()).map_err(bad)?),
        };
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        let text = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        Ok((status, answer.headers().clone(), Zeroizing::new(text)))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let server = self.connection.server.as_str();
        let cause = match error {
            ureq::Error::HostNotFound => "there is no machine of this name".to_owned(),
            ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "nothing listens there".to_owned()
            }
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                return Failure::new(USAGE, "this is no path that can be asked for");
            }
            other => other.to_string(),
        };
        let tls = matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_))
            || cause.contains("certificate");
        let failure = Failure::new(UNREACHABLE, format!("{server} can't be reached: {cause}"));
        if tls {
            failure.hint("KEYCROFT_CA_FILE=FILE with the certificate of your lab's own authority")
        } else {
            failure.hint("keycroft status, and whether the server runs")
        }
    }

    /// What a refusal means for who asked.
    fn failure(&self, status: u16, headers: &HeaderMap, text: &str, what: &str) -> Failure {
        let problem: Option<ProblemOut> = serde_json::from_str(text)
            .ok()
            .filter(|_| is_problem(headers));
        let Some(problem) = problem else {
            return self.strange(status, headers);
        };
        let is_kind = |kind: &str| problem.kind.ends_with(kind);
        let code = match status {
            401 => SIGN_IN_NEEDED,
            403 => REFUSED,
            404 if problem
                .detail
                .as_deref()
                .is_some_and(|detail| detail.starts_with("There is nothing at this path")) =>
            {
                FAILED
            }
            404 => NOT_FOUND,
            422 if is_kind(":policy") => REFUSED,
            400 | 405 | 409 | 413 | 415 | 422 => INVALID,
            429 => TOO_MANY,
            _ => FAILED,
        };
        let mut failure = match status {
            401 => self.not_signed_in(),
            _ => Failure::new(code, words(&problem, headers)),
        };
        if status == 404 && code == FAILED {
            failure.message = format!(
                "{} has no {what}: it is older than this keycroft, or newer",
                self.connection.server.as_str()
            );
        }
        if status == 429
            && let Some(seconds) = headers
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
        {
            failure.hint = Some(format!("again in {seconds} seconds"));
        }
        if self.connection.json {
            failure.problem = Some(text.to_owned());
        }
        failure
    }

    /// Which credential was sent, from where, and what stands behind it.
    fn not_signed_in(&self) -> Failure {
        let server = self.connection.server.as_str();
        let Some(credential) = &self.connection.credential else {
            return Failure::new(SIGN_IN_NEEDED, format!("{server} asks who you are"))
                .hint(format!("keycroft login {server}"));
        };
        let kind = if credential.is(Kind::ApiKey) {
            "API key"
        } else {
            "token"
        };
        let since = credential
            .expires_at
            .filter(|end| *end <= self.now())
            .map_or_else(String::new, |end| {
                format!("; it expired {}", relative(end, self.now()))
            });
        let message = format!(
            "{server} does not accept the {kind} {}, which was sent from {}{since}",
            credential.hint(),
            credential.source
        );
        let failure = Failure::new(SIGN_IN_NEEDED, message);
        match &self.connection.overridden {
            Some(context) => failure.hint(format!(
                "unset {}, then the saved login of context {context} is used",
                credential.source
            )),
            None => failure.hint(format!("keycroft login {server}")),
        }
    }

    /// An answer that no server of ours gives.
    fn strange(&self, status: u16, headers: &HeaderMap) -> Failure {
        let server = self.connection.server.as_str();
        if let Some(place) = headers
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok())
            .filter(|_| (300..400).contains(&status))
        {
            return Failure::new(FAILED, format!("{server} answers that it is elsewhere, at {place}; the secret was not sent there")).hint("--server with the server's own address");
        }
        if matches!(status, 502..=504) {
            return Failure::new(
                UNREACHABLE,
                format!("the proxy at {server} does not reach Keycroft (status {status})"),
            );
        }
        Failure::new(
            FAILED,
            format!("{server} answers with status {status}, and not as Keycroft does: is it one?"),
        )
    }

    /// Names an API key that ends soon, on standard error. (A token always does; it is named in its last hour.)
    fn notice(&self, headers: &HeaderMap) {
        let Some(credential) = &self.connection.credential else {
            return;
        };
        let end = headers
            .get("Keycroft-Expires")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Time::parse(text).ok());
        if let Some(end) = end
            && let Some(text) = notice(credential, end, self.now())
        {
            say(&text);
        }
    }
}

fn notice(credential: &Credential, end: Time, now: Time) -> Option<String> {
    const HOUR: Duration = Duration::from_secs(3_600);
    let left = end.since(now);
    let hint = credential.hint();
    if credential.is(Kind::ApiKey) {
        let soon = left <= Duration::from_secs(NOTICE_DAYS * 86_400);
        return soon.then(|| format!("keycroft: the API key {hint} ends {}\n  try: keycroft api-key edit {} --expires 30d", relative(end, now), credential.id));
    }
    (left <= HOUR).then(|| {
        format!(
            "keycroft: the token {hint} ends {}\n  try: keycroft login",
            relative(end, now)
        )
    })
}

/// TLS that trusts the certificates in a file, or the system's.
///
/// # Errors
/// When the file can't be read, or there is none in it.
pub fn trusting(authority: Option<&std::path::Path>) -> Result<TlsConfig, Failure> {
    let Some(path) = authority else {
        return Ok(TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build());
    };
    let fail = |words: &str| Failure::new(USAGE, format!("{}: {words}", path.display()));
    let text = std::fs::read(path).map_err(|error| fail(&error.to_string()))?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(fail("there is no certificate in it (PEM)"));
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(certificates))
        .build())
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/problem+json"))
}

/// The problem in words: every field that is at fault, and for a fault of the server's the id to look for in its log.
fn words(problem: &ProblemOut, headers: &HeaderMap) -> String {
    if problem.errors.len() > 1 {
        let all: Vec<String> = problem
            .errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect();
        return all.join("; ");
    }
    let detail = problem
        .detail
        .clone()
        .unwrap_or_else(|| problem.title.clone());
    if problem.status < 500 {
        return detail;
    }
    let id = headers
        .get("Request-Id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    format!("{detail} (request {id})")
}

/// A path's segment or a query's value, percent-encoded (RFC 3986, 2.1).
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::connection::Source;
    use crate::model::secret::{Form, Secret};

    #[test]
    fn api_keys_are_named_two_weeks_before_their_end_and_tokens_an_hour() {
        let now = Time::from_unix(1_000_000);
        let credential = |kind| {
            Credential::parse(
                &Secret::generate(Form::Credential(kind)).reveal(),
                Source::StandardInput,
            )
            .unwrap()
        };
        let after = |seconds| Time::from_unix(now.unix() + seconds);
        for (kind, seconds, named) in [
            (Kind::ApiKey, 14 * 86_400, true),
            (Kind::ApiKey, 14 * 86_400 + 1, false),
            (Kind::Token, 3_600, true),
            (Kind::Token, 3_601, false),
        ] {
            assert_eq!(
                notice(&credential(kind), after(seconds), now).is_some(),
                named,
                "{kind} {seconds}"
            );
        }
    }

    #[test]
    fn values_can_not_leave_their_segment() {
        assert_eq!(encode("a/../b?c=d&e#é"), "a%2F..%2Fb%3Fc%3Dd%26e%23%C3%A9");
    }
}
