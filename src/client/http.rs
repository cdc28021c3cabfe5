//! HTTP of every client: the settings that all share, and how an answer is read.

use ureq::config::ConfigBuilder;
use ureq::http::{HeaderMap, Response};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body, Error};
use zeroize::Zeroizing;

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// An answer with any status.
pub struct HttpAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: Zeroizing<String>,
}

impl HttpAnswer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Settings of a client: an answer with any status is an answer, and no redirect is followed, which could lead a secret to
/// another server.
pub fn settings() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
}

/// Reads a complete answer.
pub fn read_answer(answered: Result<Response<Body>, Error>) -> Result<HttpAnswer, Error> {
    let mut answered = answered?;
    let text = answered
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_to_string()?;
    let (head, _) = answered.into_parts();
    Ok(HttpAnswer {
        status: head.status.as_u16(),
        headers: head.headers,
        text: Zeroizing::new(text),
    })
}
