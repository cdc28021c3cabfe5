//! The console: sessions in a cookie, forms with a token of the session, pages of `html`.

pub mod account;
pub mod api_key;
mod bulk;
mod cookie;
pub mod device;
pub mod diagnostics;
pub mod event;
pub mod explain;
mod flash;
mod form;
pub mod group;
pub mod host;
pub mod inventory;
mod list;
pub mod notice_channel;
pub mod notice_preference;
mod overview;
mod passkey;
pub mod policy;
pub mod reference;
pub mod second_factor;
pub mod second_step;
pub mod service;
pub mod session;
mod session_start;
pub mod sign_in;
pub mod ssh_key;
pub mod statics;
pub mod token;
pub mod user;

use rouille::Response;

use self::flash::{done, done_with, flash};
use super::context::RequestContext;
use super::problem::Problem;
use super::{auth, headers};
use crate::html::form::Input;
use crate::html::layout::{AdminPages, Frame, Outside, Theme, Visitor};
use crate::html::sign_in::{SavedForm, SignIn};
use crate::html::{self, Markup};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::{Error, FieldError};
use crate::model::event::Channel;
use crate::model::idempotency::IdempotencyKey;
use crate::model::permission::Permission;
use crate::model::secret::{Digest, Id, Presented, random_characters};
use crate::model::user::Role;

/// Resources of a page: the console's own stylesheet, script and icon, and forms to this server.
const CSP_PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The query of a form with a password, visible before the body is read, so that only such forms wait for the password
/// threads.
pub const STEP_UP: &str = "with-password";

/// The answer of a handler.
pub type Answer = Result<Response, Problem>;
/// A page for a signed-in user.
pub type PageHandler = fn(&RequestContext<'_>, &Caller) -> Answer;
/// An act of a signed-in user.
pub type ActHandler = fn(&RequestContext<'_>, &Caller, Input) -> Answer;

/// A page as an answer.
fn page(status: u16, markup: Markup) -> Response {
    let mut response = headers::bytes_of(
        "text/html; charset=utf-8",
        status,
        markup.into_string().into_bytes(),
    );
    response
        .headers
        .push(("Content-Security-Policy".into(), CSP_PAGE.into()));
    response
}

fn page_response(markup: Markup) -> Answer {
    Ok(page(200, markup))
}

/// Redirects to `path`, so that reloading does not repeat the act (RFC 9110, 15.4.4).
fn see_other(path: impl Into<String>) -> Response {
    let mut response = headers::empty_response(303);
    response
        .headers
        .push(("Location".into(), path.into().into()));
    response
}

/// The first value of a parameter of the query; pages ignore unknown ones.
fn query(context: &RequestContext<'_>, name: &str) -> Option<String> {
    form_urlencoded::parse(context.request.raw_query_string().as_bytes())
        .find(|(one, _)| one == name)
        .map(|(_, value)| value.into_owned())
}

/// The values that every page of a signed-in person needs.
fn frame(context: &RequestContext<'_>, caller: &Caller) -> Frame {
    let (user, id) = (caller.user().ok(), caller.credential_id());
    let is_admin = user.is_some_and(|user| user.role == Role::Admin);
    Frame {
        username: caller.actor().name,
        display_name: user.map_or_else(String::new, |user| user.display_name.clone()),
        admin: if is_admin {
            AdminPages::Shown
        } else {
            AdminPages::Hidden
        },
        theme: theme(context),
        form_token: form_token(context, id.as_ref().map_or("", Id::as_str)),
        now: context.now,
        flash: flash(context),
        site: site(context),
        public_url: context.server_state.settings.public_url.clone(),
        // A page is shown even if this can't be read.
        notices: context
            .app()
            .open_account_notices(caller)
            .unwrap_or_default(),
    }
}

/// The frame of a page for a visitor who is not signed in. `visitor`: the value to which the form token is bound.
fn outside(context: &RequestContext<'_>, visitor: &str) -> Outside {
    Outside {
        theme: theme(context),
        form_token: form_token(context, visitor),
        flash: flash(context),
        site: site(context),
    }
}

fn theme(context: &RequestContext<'_>) -> Theme {
    cookie::read(context, cookie::THEME).map_or(Theme::System, |word| Theme::from_word(&word))
}

fn site(context: &RequestContext<'_>) -> String {
    let url = &context.server_state.settings.public_url;
    url.split_once("://")
        .map_or(url.as_str(), |(_, host)| host)
        .to_owned()
}

/// The token of forms. Only this installation can create it, and it belongs to one session or one browser.
fn form_token(context: &RequestContext<'_>, bound_to: &str) -> String {
    context.app().keyed(&[b"form", bound_to.as_bytes()]).hex()
}

fn require_form_token(
    context: &RequestContext<'_>,
    bound_to: &str,
    input: &Input,
) -> Result<(), Problem> {
    let sent = Digest::new(input.value("form_token").unwrap_or_default().as_bytes());
    if Digest::new(form_token(context, bound_to).as_bytes()).matches(&sent) {
        Ok(())
    } else {
        Err(Problem::ForeignForm)
    }
}

/// A random value of a cookie.
fn random_word() -> String {
    let characters: [u8; 20] = random_characters(b"0123456789abcdefghijklmnopqrstuvwxyz");
    characters.iter().map(|byte| char::from(*byte)).collect()
}

/// A nonce, so that sending a form twice creates nothing twice: its time (Unix seconds), and 20 random characters.
fn nonce(context: &RequestContext<'_>) -> String {
    format!("{}-{}", context.now.unix(), random_word())
}

/// The nonce of a form that is shown again: the same, since a rejected form is not remembered, or a new one if it is
/// too old.
fn nonce_again(context: &RequestContext<'_>, caller: &Caller, input: &Input) -> String {
    match idempotency_key(context, caller, input) {
        Ok(_) => input.value("nonce").unwrap_or_default().to_owned(),
        Err(_) => nonce(context),
    }
}

/// How long a form may stay open. Sent forms are remembered for a day, so that a later repetition would not be
/// detected.
const FORM_SECONDS: i64 = 23 * 3_600;

/// The nonce of a form that did not lie open for too long.
fn fresh_nonce<'a>(context: &RequestContext<'_>, input: &'a Input) -> Result<&'a str, Problem> {
    let nonce = input.value("nonce").ok_or(Problem::ForeignForm)?;
    let (made_at, word) = nonce.split_once('-').ok_or(Problem::ForeignForm)?;
    let made_at: i64 = made_at.parse().map_err(|_| Problem::ForeignForm)?;
    if word.len() != 20 || !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Problem::ForeignForm);
    }
    if context.now.unix().saturating_sub(made_at) > FORM_SECONDS {
        let sentence = "This form was open for a day and may have been sent before. Review it, and send it again.";
        return Err(Error::field("", sentence).into());
    }
    Ok(nonce)
}

/// The nonce of a form as an idempotency key. A form without one is not one of the console.
fn idempotency_key(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<IdempotencyKey, Problem> {
    let nonce = fresh_nonce(context, input)?;
    let name = caller.actor().name;
    let parts: [&[u8]; 4] = [
        b"nonce",
        name.as_bytes(),
        context.path.as_bytes(),
        nonce.as_bytes(),
    ];
    Ok(IdempotencyKey {
        request: context.app().keyed(&parts),
        body: context.app().keyed(&[b"nonce"]),
    })
}

/// The session secret in the cookie.
fn session_secret(context: &RequestContext<'_>) -> Option<Presented> {
    Presented::parse(&cookie::read(context, cookie::SESSION)?)
}

/// The signed-in user, by the session in the cookie.
fn signed_in(context: &RequestContext<'_>) -> Result<Option<Caller>, Problem> {
    let Some(presented) = session_secret(context) else {
        return Ok(None);
    };
    match context.app().caller(
        &presented,
        |kind| kind == Kind::Session,
        context.origin(Channel::Console),
        context.now,
    ) {
        Ok(caller) => Ok(Some(caller)),
        Err(Error::Unauthenticated { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Records a rejected request for an admin's page.
fn note_rejection(context: &RequestContext<'_>, caller: &Caller, answer: Answer) -> Answer {
    if let Err(Problem::App(Error::Forbidden {
        missing: Permission::Builtin(missing),
    })) = &answer
        && missing.is_administrative()
    {
        let request = format!("{} {}", context.request.method(), context.shown_path());
        context
            .app()
            .note_rejected_request(caller, *missing, &request);
    }
    answer
}

/// Calls `handler` for a page, or redirects to the sign-in.
pub fn visit(context: &RequestContext<'_>, handler: PageHandler) -> Answer {
    match signed_in(context)? {
        Some(caller) => note_rejection(context, &caller, handler(context, &caller)),
        None => Ok(see_other(format!(
            "/login?next={}",
            session_start::escape_path(context.request.raw_url())
        ))),
    }
}

/// Calls `handler` for a form, once its origin and token are checked. A form whose session has expired is saved until
/// its user has signed in again. One that needs a password is saved until it was typed.
pub fn send(context: &RequestContext<'_>, handler: ActHandler) -> Answer {
    let input = form::read(context)?;
    let Some(mut caller) = signed_in(context)? else {
        // A user without a session need not sign in to sign out.
        if context.path == "/logout" {
            return Ok(see_other("/signed-out"));
        }
        return sign_in::keep(
            context,
            SavedForm {
                action: context.path.to_owned(),
                fields: input.values,
            },
        );
    };
    require_form_token(context, caller.credential()?.id.as_str(), &input)?;
    if context.request.raw_query_string() == STEP_UP {
        let confirmed =
            second_factor::confirmation(context, &caller, &input).and_then(|confirmation| {
                match confirmation {
                    Some(confirmation) => {
                        context.app().confirm(&caller, confirmation).map(|()| true)
                    }
                    None => Ok(false),
                }
            });
        match confirmed {
            Ok(true) => caller = signed_in(context)?.ok_or(Problem::ForeignForm)?,
            Ok(false) => {}
            Err(Error::Invalid(errors)) => {
                return second_factor::confirmation_page(context, &caller, input, errors);
            }
            Err(
                error @ (Error::TooMany { .. }
                | Error::Unavailable { .. }
                | Error::Locked
                | Error::AgainstPolicy(_)),
            ) => {
                let field = if matches!(error, Error::AgainstPolicy(_)) {
                    ""
                } else {
                    "current_password"
                };
                let errors = vec![FieldError::new(field, error.to_string())];
                let mut page = second_factor::confirmation_page(context, &caller, input, errors)?;
                let problem = Problem::from(error);
                page.status_code = problem.status();
                return Ok(problem.with_headers(page));
            }
            Err(error) => return Err(error.into()),
        }
    }
    match handler(context, &caller, input.clone()) {
        Err(Problem::App(Error::PasswordNeeded)) => {
            second_factor::confirmation_page(context, &caller, input, Vec::new())
        }
        answer => note_rejection(context, &caller, answer),
    }
}

/// The nearest page above the path of a form, or its own page.
fn page_above<'a>(context: &RequestContext<'a>) -> &'a str {
    fn above(path: &str) -> Option<&str> {
        path.rsplit_once('/').map(|(above, _)| above)
    }
    std::iter::successors(above(context.path), |path| above(path))
        .chain([context.path])
        .find(|path| (context.is_page)(path))
        .unwrap_or("/")
}

/// Shows a form again with its faults; other errors pass through.
fn show_again(
    problem: Problem,
    mut input: Input,
    field: &str,
    render: impl FnOnce(Input) -> Result<Markup, Problem>,
) -> Answer {
    let status = problem.status();
    input.errors = match problem {
        Problem::App(Error::Invalid(errors)) => errors,
        // It concerns no single field.
        Problem::App(error @ Error::ChangedMeanwhile(_)) => {
            vec![FieldError::new("", error.to_string())]
        }
        Problem::App(Error::AgainstPolicy(error)) => vec![error],
        Problem::App(Error::SharedKey) => vec![FieldError::new(
            "allow_shared",
            "another user has the same key, and its holder can log in as both of you; tick the box to add it anyway",
        )],
        Problem::App(
            Error::NameTaken(sentence) | Error::Conflict(sentence) | Error::NotAllowed(sentence),
        ) => {
            vec![FieldError::new(field, sentence)]
        }
        other => return Err(other),
    };
    Ok(page(status, render(input)?))
}

/// Rejects a form that was loaded before another change. This comes before its fields are read: the page that shows a
/// faulty field again has the present version.
fn require_version(input: &Input, present: &str, what: &'static str) -> Result<(), Error> {
    if input.value("version") == Some(present) {
        Ok(())
    } else {
        Err(Error::ChangedMeanwhile(what))
    }
}

/// The page of an error, for users and visitors.
pub fn error_page(context: &RequestContext<'_>, problem: &Problem) -> Response {
    let view = html::error::ProblemView {
        status: problem.status(),
        title: problem.title().to_owned(),
        detail: match problem {
            // A sentence for a person: the one for programs is about the API.
            Problem::NoSuchPath => "This address has no page.".to_owned(),
            _ if problem.status() == 500 => "Internal error.".to_owned(),
            other => other.detail(),
        },
        request_id: context.request_id.clone(),
    };
    let markup = match signed_in(context) {
        Ok(Some(caller)) => {
            html::error::error_page(Visitor::SignedIn(&frame(context, &caller)), &view)
        }
        Ok(None) | Err(_) => {
            html::error::error_page(Visitor::Outside(&outside(context, "")), &view)
        }
    };
    problem.with_headers(page(view.status, markup))
}

/// Returns whether a request is for a page: its path belongs to no other interface.
pub fn wants_page(context: &RequestContext<'_>) -> bool {
    let machines = [
        "/api/",
        "/oauth/",
        "/verify",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/.well-known/",
        "/-/",
    ];
    !machines.iter().any(|path| context.path.starts_with(path))
        && context
            .request
            .header("Accept")
            .is_some_and(|accept| accept.contains("text/html"))
}

/// The help page, for users and visitors.
pub fn help(context: &RequestContext<'_>) -> Answer {
    match signed_in(context)? {
        Some(caller) => page_response(html::help::help_page(Visitor::SignedIn(&frame(
            context, &caller,
        )))),
        None => page_response(html::help::help_page(Visitor::Outside(&outside(
            context, "",
        )))),
    }
}

/// `/`: the overview, or the sign-in.
pub fn first(context: &RequestContext<'_>) -> Answer {
    match signed_in(context)? {
        Some(caller) => overview::show_overview(context, &caller),
        None if context.app().has_admin()? => Ok(see_other("/login")),
        None => page_response(html::sign_in::first_start(&outside(context, ""))),
    }
}

/// The sign-in page for a saved form.
fn sign_in_view(kept: Option<SavedForm>) -> SignIn {
    SignIn {
        kept,
        ..SignIn::default()
    }
}

/// Checks that a changing request comes from the console (bar W4 of docs/guarantees.md): `Sec-Fetch-Site`, or `Origin`
/// if a browser does not send it.
fn require_same_origin(context: &RequestContext<'_>) -> Result<(), Problem> {
    let own = match (
        context.request.header("Sec-Fetch-Site"),
        context.request.header("Origin"),
    ) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => auth::is_own_origin(context, origin),
        (None, None) => false,
    };
    if own {
        Ok(())
    } else {
        Err(auth::cross_site(context))
    }
}
