//! Failed requests: the cause, the next command, the exit code.

use ureq::http::{HeaderMap, header};

use super::client::Client;
use crate::client::cause::{about_tls, cause};
use crate::client::http::HttpAnswer;
use crate::client::proxy_bypass;
use crate::model::credential::Kind;
use crate::terminal::environment::variable;
use crate::terminal::exit::{
    FAILED, FORBIDDEN, Failure, INVALID, NOT_FOUND, SIGN_IN_NEEDED, TOO_MANY, UNREACHABLE, USAGE,
};
use crate::terminal::output::relative_time;
use crate::wire::{ProblemOut, ProblemType};

impl Client {
    /// The failure of a request without an answer.
    pub fn unreachable(&self, error: &ureq::Error) -> Failure {
        let server = self.connection.server.as_str();
        if matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)) {
            return Failure::new(USAGE, "invalid path");
        }
        let mut cause = cause(error);
        if let Some(proxy) = self.proxy_in_use() {
            cause.push_str(&format!(" (through the proxy {proxy})"));
        }
        let host = self.connection.server.host();
        let (cause, hint) = about_tls(&cause, host).unwrap_or_else(|| {
            (
                cause,
                "keycroft status, and check that the server runs".to_owned(),
            )
        });
        Failure::new(UNREACHABLE, format!("{server} is unreachable: {cause}")).hint(hint)
    }

    /// The proxy that requests go through, without its password, and the variable that names it.
    fn proxy_in_use(&self) -> Option<String> {
        if proxy_bypass::is_direct(&self.connection.server) {
            return None;
        }
        let proxy = ureq::Proxy::try_from_env()?;
        // In the order in which the library looks.
        let variables = [
            "ALL_PROXY",
            "all_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "HTTP_PROXY",
            "http_proxy",
        ];
        let named = variables
            .into_iter()
            .find(|name| variable(name).is_some())?;
        Some(format!("{}:{} of {named}", proxy.host(), proxy.port()))
    }

    /// The failure of a request with an error answer.
    pub fn failure(&self, answer: &HttpAnswer, what: &str) -> Failure {
        let (status, headers) = (answer.status, &answer.headers);
        let problem: Option<ProblemOut> = serde_json::from_str(&answer.text)
            .ok()
            .filter(|_| is_problem(headers));
        let Some(problem) = problem else {
            return self.unexpected(status, headers);
        };
        let code = match status {
            401 => SIGN_IN_NEEDED,
            403 => FORBIDDEN,
            404 if problem.is(ProblemType::UnknownPath) => FAILED,
            404 => NOT_FOUND,
            422 if problem.is(ProblemType::Policy) => FORBIDDEN,
            400 | 405 | 409 | 413 | 415 | 422 => INVALID,
            429 => TOO_MANY,
            _ => FAILED,
        };
        let mut failure = match status {
            401 => self.not_signed_in(),
            _ => Failure::new(code, words(&problem, headers)),
        };
        failure.kind.clone_from(&problem.kind);
        if status == 404 && code == FAILED {
            failure.message = format!(
                "{} has no operation {what}; its version may differ from this program's",
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
        if self.format().is_json() {
            failure.problem = Some(answer.text.to_string());
        }
        failure
    }

    /// The message names the rejected credential and its source.
    fn not_signed_in(&self) -> Failure {
        let server = self.connection.server.as_str();
        let Some(credential) = &self.connection.credential else {
            return Failure::new(SIGN_IN_NEEDED, format!("{server} requires a login"))
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
                format!("; it expired {}", relative_time(end, self.now()))
            });
        let message = format!(
            "{server} rejects the {kind} {} from {}{since}",
            credential.hint(),
            credential.source
        );
        let failure = Failure::new(SIGN_IN_NEEDED, message);
        match &self.connection.overridden {
            Some(context) => failure.hint(format!(
                "unset {} to use the saved login of context {context}",
                credential.source
            )),
            None => failure.hint(format!("keycroft login {server}")),
        }
    }

    /// An answer that does not come from a Keycroft server.
    fn unexpected(&self, status: u16, headers: &HeaderMap) -> Failure {
        let server = self.connection.server.as_str();
        if let Some(place) = headers
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok())
            .filter(|_| (300..400).contains(&status))
        {
            return Failure::new(
                FAILED,
                format!("{server} redirects to {place}; the secret was not sent there"),
            )
            .hint("pass the address of the server with --server");
        }
        if matches!(status, 502..=504) {
            return Failure::new(
                UNREACHABLE,
                format!("the proxy at {server} does not reach Keycroft (status {status})"),
            );
        }
        Failure::new(
            FAILED,
            format!("{server} answers with status {status}, but not like a Keycroft server"),
        )
    }
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/problem+json"))
}

/// The flag of the field of a request; the field itself where it has none, or another name in each command.
fn flag(field: &str) -> &str {
    match field {
        "allowed_addresses" => "--address",
        "cache_age_max" => "--cache-age-max",
        "display_name" => "--display-name",
        "expires_at" | "expires_in" => "--expires",
        "grace" => "--grace",
        "note" => "--note",
        "permissions" => "--permission",
        "shared_logins" => "--shared-login",
        other => other,
    }
}

/// A sentence of the server in the style of the command line: without a capital and a full stop.
fn in_error_style(sentence: &str) -> String {
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    let mut characters = sentence.chars();
    let first = characters.next().unwrap_or_default();
    let is_word = characters
        .next()
        .is_some_and(|second| second.is_lowercase() || second == ' ');
    let is_name = NAMES.iter().any(|name| sentence.starts_with(name));
    if sentence.is_empty() || !is_word || is_name {
        return sentence.to_owned();
    }
    format!("{}{}", first.to_lowercase(), &sentence[first.len_utf8()..])
}

/// Names that keep their capital.
const NAMES: [&str; 2] = ["Keycroft", "OpenSSH"];

/// The problem in words: every wrong field, and for an internal error the request id for the log of the server.
fn words(problem: &ProblemOut, headers: &HeaderMap) -> String {
    if problem.errors.len() > 1 {
        let all: Vec<String> = problem
            .errors
            .iter()
            .map(|error| format!("{}: {}", flag(&error.field), in_error_style(&error.message)))
            .collect();
        return all.join("; ");
    }
    let detail = problem.detail.as_ref().unwrap_or(&problem.title);
    let detail = match problem.errors.as_slice() {
        [one] => detail
            .strip_prefix(one.field.as_str())
            .filter(|rest| rest.starts_with(':'))
            .map_or_else(
                || in_error_style(detail),
                |rest| in_error_style(&format!("{}{rest}", flag(&one.field))),
            ),
        _ => in_error_style(detail),
    };
    if problem.status < 500 {
        return detail;
    }
    let id = headers
        .get("Request-Id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    format!("{detail} (request {id})")
}

#[cfg(test)]
mod tests {
    use super::in_error_style;

    #[test]
    fn sentence_of_the_server_loses_its_capital_and_full_stop() {
        for (sentence, shown) in [
            ("No such group.", "no such group"),
            ("A key named \"ci\" exists.", "a key named \"ci\" exists"),
            (
                "SSH keys are limited to 90d.",
                "SSH keys are limited to 90d",
            ),
            ("Keycroft is busy.", "Keycroft is busy"),
            ("--expires: choose 1h", "--expires: choose 1h"),
            ("", ""),
            ("Ä x.", "ä x"),
        ] {
            assert_eq!(in_error_style(sentence), shown);
        }
    }
}
