//! The table from errors to answers (RFC 9457; under `/oauth/` RFC 6749, 5.2).

use rouille::Response;

use super::headers;
use crate::model::error::{Error, SecretSent};
use crate::transport::Rejection;
use crate::wire::{FieldOut, OauthProblemOut, ProblemOut, ProblemType};

/// Methods of the server; a resource may support fewer.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The failure of a request: an error of `app`, or one of HTTP.
#[derive(Debug)]
pub enum Problem {
    App(Error),
    NoSuchPath,
    /// The methods that are allowed.
    Method(String),
    /// A changing request that a browser marks as coming from another site, with both names.
    CrossSite(String),
    /// A form without the token of its session, or otherwise not one of the console.
    ForeignForm,
    BodyTooLong,
    /// The expected media type.
    MediaType(&'static str),
    NotJson,
    /// A `Connection` header that names a header which must not be hop-by-hop.
    HopByHop(String),
    /// A request that the transport rejects.
    Transport(Rejection),
    /// [`Error::Unauthenticated`] at `/verify?challenge=basic`.
    BasicChallenge(SecretSent),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

/// The answer to a problem.
struct ProblemAnswer {
    status: u16,
    title: &'static str,
    kind: ProblemType,
}

const fn problem_answer(status: u16, title: &'static str, kind: ProblemType) -> ProblemAnswer {
    ProblemAnswer {
        status,
        title,
        kind,
    }
}

/// RFC 6750, 3: `error` only when a secret was sent.
const fn bearer_challenge(sent: SecretSent) -> &'static str {
    match sent {
        SecretSent::Yes => "Bearer realm=\"keycroft\", error=\"invalid_token\"",
        SecretSent::No => "Bearer realm=\"keycroft\"",
    }
}

impl Problem {
    #[rustfmt::skip]
    const fn answer(&self) -> ProblemAnswer {
        match self {
            Self::NoSuchPath => problem_answer(404, "Not found", ProblemType::UnknownPath),
            Self::Method(_) => problem_answer(405, "Method not allowed", ProblemType::MethodNotAllowed),
            Self::CrossSite(_) | Self::ForeignForm => problem_answer(403, "Forbidden", ProblemType::CrossSite),
            Self::BodyTooLong => problem_answer(413, "Content too large", ProblemType::TooLarge),
            Self::MediaType(_) => problem_answer(415, "Unsupported media type", ProblemType::UnsupportedMediaType),
            Self::NotJson | Self::HopByHop(_) => problem_answer(400, "Bad request", ProblemType::Malformed),
            Self::BasicChallenge(_) => problem_answer(401, "Unauthorized", ProblemType::Unauthorized),
            Self::Transport(Rejection { status, .. }) => match *status {
                405 => problem_answer(405, "Method not allowed", ProblemType::MethodNotAllowed),
                408 => problem_answer(408, "Request timeout", ProblemType::Timeout),
                414 => problem_answer(414, "URI too long", ProblemType::TooLarge),
                431 => problem_answer(431, "Request header fields too large", ProblemType::TooLarge),
                500 => problem_answer(500, "Internal server error", ProblemType::Internal),
                503 => problem_answer(503, "Service unavailable", ProblemType::Unavailable),
                other => problem_answer(other, "Bad request", ProblemType::Malformed),
            },
            Self::App(error) => match error {
                Error::Unauthenticated { .. } => problem_answer(401, "Unauthorized", ProblemType::Unauthorized),
                Error::Locked => problem_answer(403, "Forbidden", ProblemType::Locked),
                Error::WrongPassword => problem_answer(401, "Unauthorized", ProblemType::WrongPassword),
                Error::Forbidden { .. } | Error::NotAllowed(_) => problem_answer(403, "Forbidden", ProblemType::Forbidden),
                Error::PasswordNeeded => problem_answer(403, "Forbidden", ProblemType::PasswordRequired),
                Error::Invalid(_) => problem_answer(422, "Unprocessable content", ProblemType::Invalid),
                Error::AgainstPolicy(_) => problem_answer(422, "Against policy", ProblemType::Policy),
                Error::NotFound(_) => problem_answer(404, "Not found", ProblemType::NotFound),
                Error::SharedKey => problem_answer(409, "Conflict", ProblemType::SharedKey),
                Error::NameTaken(_) => problem_answer(409, "Conflict", ProblemType::NameTaken),
                Error::Conflict(_) | Error::ChangedMeanwhile(_) => problem_answer(409, "Conflict", ProblemType::Conflict),
                Error::AlreadyDone { .. } => problem_answer(409, "Already done", ProblemType::AlreadyDone),
                Error::KeyReused => problem_answer(422, "Unprocessable content", ProblemType::IdempotencyKey),
                Error::TooMany { .. } => problem_answer(429, "Too many requests", ProblemType::RateLimited),
                Error::Unavailable { .. } | Error::DatabaseReplaced => problem_answer(503, "Service unavailable", ProblemType::Unavailable),
                Error::StorageFull => problem_answer(507, "Insufficient storage", ProblemType::StorageFull),
                Error::Fault(_) => problem_answer(500, "Internal server error", ProblemType::Internal),
            },
        }
    }

    /// The status of the answer.
    pub const fn status(&self) -> u16 {
        self.answer().status
    }

    /// A short title.
    pub const fn title(&self) -> &'static str {
        self.answer().title
    }

    /// One sentence to act on.
    pub fn detail(&self) -> String {
        match self {
            Self::App(error) => error.to_string(),
            Self::NoSuchPath => "Unknown path; /api lists all paths.".to_owned(),
            Self::Method(allowed) => format!("This path supports {allowed}."),
            Self::CrossSite(sentence) => sentence.clone(),
            Self::ForeignForm => {
                "This form does not belong to your session. Reload its page and try again."
                    .to_owned()
            }
            Self::BodyTooLong => "The body is too long for this call.".to_owned(),
            Self::MediaType(wanted) => {
                format!("Send the body as {wanted}, with that Content-Type.")
            }
            Self::NotJson => "The body is not JSON.".to_owned(),
            Self::Transport(rejection) => rejection.detail.to_owned(),
            Self::HopByHop(name) => format!(
                "The Connection header names {name}, which would let a proxy remove it. Send Connection without it."
            ),
            Self::BasicChallenge(sent) => Error::Unauthenticated { sent: *sent }.to_string(),
        }
    }

    fn fields(&self) -> Vec<FieldOut> {
        let out = |error: &crate::model::error::FieldError| FieldOut {
            field: error.field.clone(),
            message: error.message.clone(),
        };
        match self {
            Self::App(Error::Invalid(errors)) => errors.iter().map(out).collect(),
            Self::App(Error::AgainstPolicy(error)) => vec![out(error)],
            _ => Vec::new(),
        }
    }

    /// The answer on the JSON API.
    pub fn to_response(&self, request_id: &str) -> Response {
        let ProblemAnswer {
            status,
            title,
            kind,
        } = self.answer();
        let fault = status == 500;
        let problem = ProblemOut {
            kind: kind.as_str().to_owned(),
            title: title.to_owned(),
            status,
            detail: (!fault).then(|| self.detail()),
            errors: self.fields(),
            id: match self {
                Self::App(Error::AlreadyDone { id }) => Some(id.clone()),
                _ => None,
            },
            request_id: fault.then(|| request_id.to_owned()),
        };
        self.with_headers(headers::json("application/problem+json", status, &problem))
    }

    /// The answer under `/oauth/`.
    pub fn to_oauth_response(&self) -> Response {
        let status = self.status();
        let (status, error) = match status {
            401 => (401, "invalid_token"),
            403 => (403, "insufficient_scope"),
            404 => (404, "invalid_request"),
            405 => (405, "invalid_request"),
            413 => (413, "invalid_request"),
            429 => (429, "slow_down"),
            500 | 507 => (status, "server_error"),
            503 => (503, "temporarily_unavailable"),
            _ => (400, "invalid_request"),
        };
        // RFC 6749, 5.2 allows printable ASCII without quotes and backslashes.
        let description: String = self
            .detail()
            .chars()
            .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
            .collect();
        let scope = match self {
            Self::App(Error::Forbidden { missing }) => Some(missing.to_string()),
            _ => None,
        };
        let out = OauthProblemOut {
            error: error.to_owned(),
            error_description: description,
            scope,
        };
        self.with_headers(headers::json("application/json", status, &out))
    }

    /// Adds the headers of a problem, independent of its body.
    pub fn with_headers(&self, mut response: Response) -> Response {
        let mut add =
            |name: &'static str, value: String| response.headers.push((name.into(), value.into()));
        match self {
            Self::Method(allowed) => add("Allow", allowed.clone()),
            Self::Transport(Rejection { status: 405, .. }) => add("Allow", METHODS.to_owned()),
            Self::Transport(Rejection { status: 503, .. }) => add("Retry-After", "1".to_owned()),
            Self::App(Error::Unauthenticated { sent }) => {
                add("WWW-Authenticate", bearer_challenge(*sent).to_owned());
            }
            Self::App(Error::WrongPassword) => add(
                "WWW-Authenticate",
                bearer_challenge(SecretSent::No).to_owned(),
            ),
            Self::BasicChallenge(sent) => add(
                "WWW-Authenticate",
                format!("Basic realm=\"keycroft\", {}", bearer_challenge(*sent)),
            ),
            Self::App(Error::Forbidden { missing }) => {
                add(
                    "WWW-Authenticate",
                    format!(
                        "Bearer realm=\"keycroft\", error=\"insufficient_scope\", scope=\"{missing}\""
                    ),
                );
            }
            Self::App(Error::TooMany { retry_after, .. } | Error::Unavailable { retry_after }) => {
                add("Retry-After", retry_after.as_secs().max(1).to_string());
            }
            Self::App(Error::StorageFull | Error::DatabaseReplaced) => {
                add("Retry-After", "30".to_owned());
            }
            _ => {}
        }
        response
    }
}
