//! `/login/code`, `/login/enroll` and `/login/passkey`: the second step of signing in, and signing in with a passkey alone.

use rouille::Response;

use super::second_factor::{revealed, totp_page, typed_totp};
use super::session_start::{begin, browser, browser_digest, form_page, kept, next_path};
use super::{
    Answer, cookie, form, fresh_nonce, nonce, outside, page, passkey, require_form_token,
    see_other, session_secret,
};
use crate::app::{Browser, ChallengePurpose, PendingSignIn};
use crate::html::form::Input;
use crate::html::second_factor::{self as pages, EnrollStep, SecondStep};
use crate::html::sign_in::{SavedForm, SignIn};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::error::Error;
use crate::model::event::Channel;
use crate::model::second_factor::{Factor, FactorProof, NewFactor, TypedCode};

/// How long the cookie between the two steps lives, in seconds.
const PENDING_SECONDS: u64 = 300;

/// Where a sign-in leads to.
struct Destination {
    next: String,
    kept: Option<SavedForm>,
}

impl Destination {
    fn from_input(input: &Input) -> Self {
        Self {
            next: next_path(input),
            kept: kept(input),
        }
    }
}

/// The answer to a right password that is not enough: the next step, with a cookie that is not a session.
pub fn continue_sign_in(
    context: &RequestContext<'_>,
    pending: &PendingSignIn,
    browser: &str,
    next: String,
    kept: Option<SavedForm>,
) -> Answer {
    let digest = browser_digest(context, browser);
    let word = context.app().pending_word(pending, &digest, context.now);
    let mut response = if kept.is_none() {
        let step = if pending.factors.any() {
            "/login/code"
        } else {
            "/login/enroll"
        };
        let query = if next.is_empty() {
            String::new()
        } else {
            format!("?next={}", super::session_start::escape_path(&next))
        };
        see_other(format!("{step}{query}"))
    } else {
        let destination = Destination { next, kept };
        step_page(
            context,
            pending,
            browser,
            destination,
            Input::default(),
            200,
        )?
    };
    cookie::set(
        context,
        &mut response,
        cookie::PENDING,
        &word,
        PENDING_SECONDS,
    );
    Ok(response)
}

/// The sign-in whose password was right, by the cookie.
fn find_pending(
    context: &RequestContext<'_>,
    browser: &str,
) -> Result<Option<PendingSignIn>, Problem> {
    let Some(word) = cookie::read(context, cookie::PENDING) else {
        return Ok(None);
    };
    let digest = browser_digest(context, browser);
    Ok(context.app().pending_sign_in(&word, &digest, context.now)?)
}

/// The page of the step that is missing.
fn step_page(
    context: &RequestContext<'_>,
    pending: &PendingSignIn,
    browser: &str,
    destination: Destination,
    input: Input,
    status: u16,
) -> Result<Response, Problem> {
    let frame = outside(context, browser);
    let username = pending.user.username.to_string();
    let Destination { next, kept } = destination;
    if pending.factors.any() {
        let allowed = context.app().passkeys_of(pending)?;
        let purpose = ChallengePurpose::SecondStep;
        let view = SecondStep {
            username,
            next,
            kept,
            totp: pending.factors.totp,
            passkey: passkey::request(context, purpose, browser, &allowed)?,
            input,
        };
        return Ok(page(status, pages::second_step(&frame, &view)));
    }
    let kept_nonce = fresh_nonce(context, &input).map(str::to_owned);
    let nonce = kept_nonce.unwrap_or_else(|_| nonce(context));
    let view = EnrollStep {
        next,
        kept,
        totp: totp_page(context, &pending.user, browser, nonce, input),
        passkey: passkey::registration_request(context, browser, &pending.user, &[])?,
    };
    Ok(page(status, pages::enroll_step(&frame, &view)))
}

/// `GET /login/code` and `GET /login/enroll`.
pub fn show_step(context: &RequestContext<'_>) -> Answer {
    // A pending sign-in belongs to a browser with its cookie: none has to be set.
    let (browser, _) = browser(context);
    let Some(pending) = find_pending(context, &browser)? else {
        return Ok(see_other("/login"));
    };
    let next = super::query(context, "next")
        .as_deref()
        .and_then(super::session_start::safe_path)
        .unwrap_or_default()
        .to_owned();
    let destination = Destination { next, kept: None };
    let input = Input::default();
    step_page(context, &pending, &browser, destination, input, 200)
}

/// `POST /login/code`.
pub fn send_code(context: &RequestContext<'_>) -> Answer {
    send_step(context, |input, pending, browser| {
        let answer = passkey::passkey_answer(
            context,
            input,
            "passkey",
            ChallengePurpose::SecondStep,
            browser,
        )?;
        if let Some(answer) = answer {
            return Ok((Factor::Proof(FactorProof::Passkey(Box::new(answer))), None));
        }
        let typed = input.value("code").unwrap_or_default();
        let code = TypedCode::parse(typed, &pending.user.subject).ok_or_else(|| {
            let sentence = "type the 6 digits of your authenticator app, or a recovery code";
            Error::field("code", sentence)
        })?;
        Ok((Factor::Proof(FactorProof::Code(code)), None))
    })
}

/// `POST /login/enroll`.
pub fn send_enrollment(context: &RequestContext<'_>) -> Answer {
    send_step(context, |input, pending, browser| {
        let new = if form::filled(input, "passkey").is_some() {
            let new = passkey::registration(context, input, browser)?;
            NewFactor::Passkey(Box::new(new))
        } else {
            typed_totp(context, input, browser, &pending.user.subject)?
        };
        let (codes, digests) = context.app().recovery_codes_for(pending);
        Ok((Factor::New(new, digests), Some(revealed(&codes))))
    })
}

/// A factor from a form, and the recovery codes that come with a new one.
type ParsedFactor = (Factor, Option<Vec<String>>);

fn send_step(
    context: &RequestContext<'_>,
    read: impl FnOnce(&Input, &PendingSignIn, &str) -> Result<ParsedFactor, Problem>,
) -> Answer {
    let input = form::read(context)?;
    let (browser, _) = browser(context);
    require_form_token(context, &browser, &input)?;
    let destination = Destination::from_input(&input);
    let Some(pending) = find_pending(context, &browser)? else {
        return Ok(start_again(context, destination));
    };
    let result = read(&input, &pending, &browser).and_then(|(factor, codes)| {
        let known = Browser {
            digest: browser_digest(context, &browser),
            session: session_secret(context),
        };
        let origin = context.origin(Channel::Console);
        let signed_in =
            context
                .app()
                .finish_sign_in(pending, factor, Some(&known), origin, context.now)?;
        Ok((signed_in, codes))
    });
    let problem = match result {
        Ok((signed_in, codes)) => {
            return begin(
                context,
                signed_in,
                destination.next,
                destination.kept,
                codes,
            );
        }
        Err(problem) => problem,
    };
    let errors = match &problem {
        Problem::App(Error::Invalid(errors)) => errors.clone(),
        Problem::App(
            error @ (Error::Conflict(_)
            | Error::NameTaken(_)
            | Error::AgainstPolicy(_)
            | Error::TooMany { .. }
            | Error::Locked),
        ) => vec![crate::model::error::FieldError::new("", error.to_string())],
        Problem::App(Error::WrongPassword) => return Ok(start_again(context, destination)),
        _ => return Err(problem),
    };
    let status = match problem.status() {
        422 => 401,
        other => other,
    };
    // Read anew: the factors may have changed meanwhile.
    let Some(pending) = find_pending(context, &browser)? else {
        return Ok(start_again(context, destination));
    };
    let values = input.values.into_iter();
    let input = Input {
        values: values
            .filter(|(name, _)| matches!(name.as_str(), "nonce" | "name"))
            .collect(),
        errors,
    };
    let response = step_page(context, &pending, &browser, destination, input, status)?;
    Ok(problem.with_headers(response))
}

/// The sign-in page after the time between the steps expired or the account changed.
fn start_again(context: &RequestContext<'_>, destination: Destination) -> Response {
    let view = SignIn {
        next: destination.next,
        kept: destination.kept,
        problem: Some(
            "Signing in took too long, or your account was changed. Enter your password again."
                .to_owned(),
        ),
        ..SignIn::default()
    };
    let mut response = form_page(context, 401, view);
    cookie::clear(context, &mut response, cookie::PENDING);
    response
}

/// `POST /login/passkey`: signs in with a passkey alone.
pub fn send_passkey(context: &RequestContext<'_>) -> Answer {
    let input = form::read(context)?;
    let (browser, _) = browser(context);
    require_form_token(context, &browser, &input)?;
    let destination = Destination::from_input(&input);
    let known = Browser {
        digest: browser_digest(context, &browser),
        session: session_secret(context),
    };
    let purpose = ChallengePurpose::SignIn;
    let result = passkey::passkey_answer(context, &input, "passkey", purpose, &browser)
        .and_then(|answer| answer.ok_or_else(|| Error::field("passkey", "no passkey was sent")))
        .and_then(|answer| {
            let origin = context.origin(Channel::Console);
            context
                .app()
                .sign_in_with_passkey(answer, Some(&known), origin, context.now)
        });
    let error = match result {
        Ok(signed_in) => {
            return begin(context, signed_in, destination.next, destination.kept, None);
        }
        Err(error) => error,
    };
    let errors = match &error {
        Error::Invalid(errors) => errors.clone(),
        Error::TooMany { .. } | Error::WrongPassword => {
            vec![crate::model::error::FieldError::new("", error.to_string())]
        }
        _ => return Err(error.into()),
    };
    let problem = Problem::from(error);
    let view = SignIn {
        next: destination.next,
        kept: destination.kept,
        input: Input {
            values: Vec::new(),
            errors,
        },
        ..SignIn::default()
    };
    let status = match problem.status() {
        422 => 401,
        other => other,
    };
    Ok(problem.with_headers(form_page(context, status, view)))
}
