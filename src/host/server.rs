//! Requests of a host to the server, with short deadlines: sshd waits for them.

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::header;
use zeroize::Zeroizing;

use super::folder::{HostFolder, Settings};
use crate::client::cause::{NOT_OURS, about_tls, cause};
use crate::client::http::{self, HttpAnswer};
use crate::client::tls::trusting;
use crate::clock::Clock;
use crate::model::text::percent_encode;
use crate::terminal::exit::{FAILED, FORBIDDEN, Failure, UNREACHABLE};
use crate::wire::{AuthorizedKeysOut, CLOCK_HEADER, LoginIn};

/// The `User-Agent` of requests: the server shows it as the version of the host.
const PROGRAM: &str = concat!("keycroft-host/", env!("CARGO_PKG_VERSION"));

/// The failure of a request.
#[derive(Debug)]
pub enum RequestError {
    /// The server rejected the host credential: the host was deleted. Such a host cannot fall back to its cache.
    Definite(String),
    /// The server is unreachable or unhealthy, or another program answers.
    Unreachable(String),
}

impl From<RequestError> for Failure {
    fn from(rejection: RequestError) -> Self {
        match rejection {
            RequestError::Definite(why) => Self::new(FORBIDDEN, why),
            RequestError::Unreachable(why) => Self::new(UNREACHABLE, why),
        }
    }
}

/// A server, and what is shown to it.
pub struct HostServer {
    url: String,
    secret: Zeroizing<String>,
    agent: ureq::Agent,
}

impl HostServer {
    /// `time`: limit of a complete request, from the name lookup to the last byte.
    pub fn new(
        url: &str,
        authority: Option<&Path>,
        secret: Zeroizing<String>,
        time: Duration,
    ) -> Result<Self, Failure> {
        let is_https = url.starts_with("https://");
        let mut config = http::settings()
            .user_agent(PROGRAM)
            .timeout_global(Some(time))
            .tls_config(trusting(authority.filter(|_| is_https))?)
            // The environment of root or sshd must not redirect requests about logins.
            .proxy(None);
        if !is_https {
            config = config.https_only(false);
        }
        Ok(Self {
            url: url.to_owned(),
            secret,
            agent: config.build().new_agent(),
        })
    }

    /// The server that this host belongs to.
    pub fn from_settings(
        folder: &HostFolder,
        settings: &Settings,
        time: Duration,
    ) -> Result<Self, Failure> {
        let secret = folder.credential()?.ok_or_else(|| {
            Failure::new(
                FAILED,
                "this machine is not enrolled: it has no host credential",
            )
            .hint("keycroft host enroll URL --code-file FILE, as root")
        })?;
        let authority = folder.authority();
        let authority = settings.own_authority.then_some(authority.as_path());
        Self::new(&settings.server, authority, secret, time)
    }

    /// Returns true when both present the same secret.
    pub fn has_secret_of(&self, other: &Self) -> bool {
        self.secret == other.secret
    }

    pub fn get(&self, path: &str, tag: Option<&str>) -> Result<HttpAnswer, RequestError> {
        let bearer = Zeroizing::new(format!("Bearer {}", *self.secret));
        let mut request = self
            .agent
            .get(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, bearer.as_str())
            .header(CLOCK_HEADER, Clock::System.now().to_string());
        if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        read_answer(&self.url, request.call())
    }

    pub fn post(&self, path: &str, body: &str) -> Result<HttpAnswer, RequestError> {
        let bearer = Zeroizing::new(format!("Bearer {}", *self.secret));
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, bearer.as_str())
            .header(CLOCK_HEADER, Clock::System.now().to_string())
            .header(header::CONTENT_TYPE, "application/json");
        read_answer(&self.url, request.send(body))
    }

    /// Everybody's keys; 304 when they are as `tag` says.
    pub fn everybodys_keys(&self, tag: Option<&str>) -> Result<HttpAnswer, RequestError> {
        self.get("/api/v1/hosts/self/authorized-keys", tag)
    }

    /// The keys of one login.
    pub fn keys_of(
        &self,
        login: &str,
        fingerprint: Option<&str>,
    ) -> Result<AuthorizedKeysOut, RequestError> {
        let mut path = format!(
            "/api/v1/hosts/self/authorized-keys?username={}",
            percent_encode(login)
        );
        if let Some(fingerprint) = fingerprint {
            path.push_str("&fingerprint=");
            path.extend(percent_encode(fingerprint));
        }
        parse_answer(&self.get(&path, None)?)
    }

    /// Reports logins.
    pub fn report(&self, logins: &[LoginIn]) -> Result<(), RequestError> {
        let body = serde_json::to_string(logins)
            .map_err(|error| RequestError::Unreachable(error.to_string()))?;
        self.post("/api/v1/hosts/self/logins", &body).map(|_| ())
    }
}

/// The JSON of an answer as a type of the API.
pub fn parse_answer<T: DeserializeOwned>(answer: &HttpAnswer) -> Result<T, RequestError> {
    serde_json::from_str(&answer.text).map_err(|_| RequestError::Unreachable(NOT_OURS.to_owned()))
}

fn read_answer(
    url: &str,
    answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<HttpAnswer, RequestError> {
    let unreachable = |error: ureq::Error| {
        let cause = cause(&error);
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        RequestError::Unreachable(about_tls(&cause, host).map_or(cause, |(words, _)| words))
    };
    let answer = http::read_answer(answered).map_err(unreachable)?;
    let is_problem = answer
        .header("Content-Type")
        .is_some_and(|kind| kind.starts_with("application/problem+json"));
    match answer.status {
        200..300 | 304 => Ok(answer),
        // Only as a problem: a proxy's own 401 or 404 does not come from the server.
        401 if is_problem => Err(RequestError::Definite(
            "the server does not accept the credential or code of this host; it may be revoked or used".to_owned(),
        )),
        400..500 if is_problem && !matches!(answer.status, 408 | 429) => {
            let problem: Result<crate::wire::ProblemOut, _> = serde_json::from_str(&answer.text);
            let why = problem.map_or_else(
                |_| format!("the server rejected the request with status {}", answer.status),
                |problem| problem.detail.unwrap_or(problem.title),
            );
            Err(RequestError::Definite(why))
        }
        status => Err(RequestError::Unreachable(format!(
            "the server answers with status {status}"
        ))),
    }
}
