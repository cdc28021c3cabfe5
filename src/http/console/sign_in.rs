//! Signing in and out; setup, invitation and reset.

use rouille::Response;

use super::session_start::{
    begin, browser, browser_digest, form_page, kept, next_path, safe_path, with_browser,
};
use super::{
    Answer, cookie, form, outside, page, page_response, require_form_token, second_step, see_other,
    session_secret, sign_in_view, signed_in,
};
use crate::app::{Browser, SignInStep};
use crate::html::form::Input;
use crate::html::sign_in::{self as pages, ByCode, SavedForm, SignIn};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::code::Purpose;
use crate::model::error::{Error, FieldErrors};
use crate::model::event::Channel;
use crate::model::password::Password;
use crate::model::secret::Presented;
use crate::model::text::parse_name;
use crate::model::user::{NewUser, Role, User, Username};

/// How long a code stays in its cookie, in seconds.
pub(super) const CODE_SECONDS: u64 = 600;

/// `GET /login`.
pub fn show_password_form(context: &RequestContext<'_>) -> Answer {
    let next = super::query(context, "next")
        .as_deref()
        .and_then(safe_path)
        .unwrap_or_default()
        .to_owned();
    if signed_in(context)?.is_some() {
        return Ok(see_other(if next.is_empty() {
            "/".to_owned()
        } else {
            next
        }));
    }
    Ok(form_page(
        context,
        200,
        SignIn {
            next,
            ..SignIn::default()
        },
    ))
}

/// Saves a form whose session has expired until its user has signed in again.
pub fn keep(context: &RequestContext<'_>, kept: SavedForm) -> Answer {
    Ok(form_page(context, 401, sign_in_view(Some(kept))))
}

/// `POST /login`.
pub fn sign_in(context: &RequestContext<'_>) -> Answer {
    let input = form::read(context)?;
    let (word, _) = browser(context);
    require_form_token(context, &word, &input)?;
    let next = next_path(&input);
    let kept = kept(&input);
    let browser = Browser {
        digest: browser_digest(context, &word),
        session: session_secret(context),
    };
    match try_sign_in(context, &input, &browser) {
        Ok(SignInStep::Done(signed_in)) => begin(context, signed_in, next, kept, None),
        Ok(SignInStep::Pending(pending)) => {
            second_step::continue_sign_in(context, &pending, &word, next, kept)
        }
        Err(error @ (Error::WrongPassword | Error::Locked | Error::TooMany { .. })) => {
            let problem = Problem::from(error);
            let input = Input {
                values: input
                    .values
                    .into_iter()
                    .filter(|(name, _)| name == "username")
                    .collect(),
                errors: Vec::new(),
            };
            let view = SignIn {
                next,
                kept,
                problem: Some(problem.detail()),
                passkey: None,
                input,
            };
            let mut response = form_page(context, problem.status(), view);
            if problem.status() == 429 {
                response = problem.with_headers(response);
            }
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

fn try_sign_in(
    context: &RequestContext<'_>,
    input: &Input,
    browser: &Browser,
) -> Result<SignInStep, Error> {
    let name = input.value("username").unwrap_or_default();
    // Text too long for a password is simply wrong, and is not hashed.
    let password = Password::typed(input.value("password").unwrap_or_default())
        .map_err(|_| Error::WrongPassword)?;
    context.app().sign_in(
        name,
        &password,
        Some(browser),
        context.origin(Channel::Console),
        context.now,
    )
}

/// `POST /logout`.
pub fn sign_out(
    context: &RequestContext<'_>,
    caller: &crate::model::caller::Caller,
    _: Input,
) -> Answer {
    context.app().sign_out(caller)?;
    Ok(after_sign_out(context))
}

/// Redirects after the sign-out: without the cookie, and with the browser's cache cleared. Other cookies stay: those of
/// other sites on this host, and the one of this known browser.
pub(super) fn after_sign_out(context: &RequestContext<'_>) -> Response {
    let mut response = see_other("/signed-out");
    cookie::clear(context, &mut response, cookie::SESSION);
    cookie::clear(context, &mut response, cookie::PENDING);
    response
        .headers
        .push(("Clear-Site-Data".into(), "\"cache\"".into()));
    response
}

/// `GET /signed-out`.
pub fn signed_out(context: &RequestContext<'_>) -> Answer {
    page_response(pages::note(
        &outside(context, ""),
        "You are signed out",
        "The session in this browser is signed out.",
    ))
}

/// `GET /setup`, `/invitation`, `/reset`: moves the code from the URL into a cookie, then shows the form.
fn by_code(context: &RequestContext<'_>, purpose: Purpose) -> Answer {
    if let Some(code) = super::query(context, "code") {
        let mut response = see_other(context.path);
        // Only codes go into the cookie.
        if Presented::parse(&code).is_some() {
            cookie::set(context, &mut response, cookie::CODE, &code, CODE_SECONDS);
        }
        return Ok(response);
    }
    match holder(context, purpose)? {
        Some((_, user)) => Ok(code_form(
            context,
            purpose,
            user.as_ref(),
            Input::default(),
            200,
        )),
        None => Ok(page(
            404,
            pages::note(
                &outside(context, ""),
                "This link is invalid",
                "It was used, has expired, or is incomplete. Ask an admin for a new one.",
            ),
        )),
    }
}

/// The code in the cookie, if it is valid, and its user.
fn holder(
    context: &RequestContext<'_>,
    purpose: Purpose,
) -> Result<Option<(Presented, Option<User>)>, Problem> {
    let Some(presented) = cookie::read(context, cookie::CODE)
        .as_deref()
        .and_then(Presented::parse)
    else {
        return Ok(None);
    };
    match context.app().code_user(&presented, purpose, context.now) {
        Ok(user) => Ok(Some((presented, user))),
        Err(Error::Unauthenticated { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn code_form(
    context: &RequestContext<'_>,
    purpose: Purpose,
    user: Option<&User>,
    input: Input,
    status: u16,
) -> Response {
    let (browser, is_new) = browser(context);
    let frame = outside(context, &browser);
    let view = ByCode {
        username: user.map(|user| user.username.to_string()),
        display_name: user.map(|user| user.display_name.clone()),
        input,
    };
    let markup = match purpose {
        Purpose::SetUp => pages::set_up(&frame, &view),
        Purpose::Invitation => pages::invitation(&frame, &view),
        Purpose::PasswordReset
        | Purpose::Enrollment
        | Purpose::Device
        | Purpose::EmailConfirmation => pages::reset(&frame, &view),
    };
    with_browser(context, page(status, markup), &browser, is_new)
}

fn send_code(context: &RequestContext<'_>, purpose: Purpose) -> Answer {
    let input = form::read(context)?;
    let (browser, _) = browser(context);
    require_form_token(context, &browser, &input)?;
    let Some((presented, user)) = holder(context, purpose)? else {
        return by_code(context, purpose);
    };
    let done = match purpose {
        Purpose::SetUp => set_up(context, presented, &input),
        _ => context.app().set_password_by_code(
            presented,
            purpose,
            input.value("password").unwrap_or_default(),
            Some(&browser_digest(context, &browser)),
            context.origin(Channel::Console),
            context.now,
        ),
    };
    match done {
        // A reset proves only that the link was received: the person signs in.
        Ok(_) if purpose == Purpose::PasswordReset => {
            let note = pages::note(
                &outside(context, &browser),
                "Your password is set",
                "Sign in with it now.",
            );
            let mut response = page(200, note);
            cookie::clear(context, &mut response, cookie::CODE);
            Ok(response)
        }
        Ok(user) => first_sign_in(context, &user, &input, browser),
        Err(Error::Invalid(errors)) => Ok(code_form(
            context,
            purpose,
            user.as_ref(),
            Input { errors, ..input },
            422,
        )),
        Err(error) => Err(error.into()),
    }
}

/// Signs in a new user with the password that was just chosen, as the sign-in form would.
fn first_sign_in(context: &RequestContext<'_>, user: &User, input: &Input, word: String) -> Answer {
    let browser = Browser {
        digest: browser_digest(context, &word),
        session: session_secret(context),
    };
    let mut values = input.values.clone();
    values.retain(|(name, _)| name != "username");
    values.push(("username".to_owned(), user.username.to_string()));
    let input = Input {
        values,
        errors: Vec::new(),
    };
    let next = "/?done=welcome".to_owned();
    let mut response = match try_sign_in(context, &input, &browser)? {
        SignInStep::Done(signed_in) => begin(context, signed_in, next, None, None)?,
        SignInStep::Pending(pending) => {
            second_step::continue_sign_in(context, &pending, &word, next, None)?
        }
    };
    cookie::clear(context, &mut response, cookie::CODE);
    Ok(response)
}

fn set_up(
    context: &RequestContext<'_>,
    presented: Presented,
    input: &Input,
) -> Result<User, Error> {
    let mut faults = FieldErrors::default();
    let username = faults.take(
        "username",
        Username::parse(&Username::normalize(
            input.value("username").unwrap_or_default(),
        )),
    );
    let display_name = form::filled(input, "display_name")
        .and_then(|name| faults.take("display_name", parse_name(&name)));
    let password = username.as_ref().and_then(|username| {
        faults.take(
            "password",
            Password::chosen(
                input.value("password").unwrap_or_default(),
                username.as_str(),
            ),
        )
    });
    faults.check()?;
    let username = username.ok_or_else(|| Error::field("username", "enter a username"))?;
    let display_name = display_name.unwrap_or_else(|| username.to_string());
    let user = NewUser {
        username,
        display_name,
        role: Role::Admin,
        password,
    };
    context.app().set_up(
        presented,
        user,
        context.origin(Channel::Console),
        context.now,
    )
}

pub fn show_set_up(context: &RequestContext<'_>) -> Answer {
    by_code(context, Purpose::SetUp)
}

pub fn send_set_up(context: &RequestContext<'_>) -> Answer {
    send_code(context, Purpose::SetUp)
}

pub fn show_invitation(context: &RequestContext<'_>) -> Answer {
    by_code(context, Purpose::Invitation)
}

pub fn send_invitation(context: &RequestContext<'_>) -> Answer {
    send_code(context, Purpose::Invitation)
}

pub fn show_reset(context: &RequestContext<'_>) -> Answer {
    by_code(context, Purpose::PasswordReset)
}

pub fn send_reset(context: &RequestContext<'_>) -> Answer {
    send_code(context, Purpose::PasswordReset)
}
