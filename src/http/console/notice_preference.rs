//! `/account/notices`.

use super::sign_in::CODE_SECONDS;
use super::{Answer, cookie, done, frame, page, page_response, see_other, show_again, visit};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::notice_preference::{self as pages, PreferencePage};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::email_address::EmailAddress;
use crate::model::error::Error;
use crate::model::notice_preference::{NoticePreferenceChange, NoticePreferences};
use crate::model::secret::Presented;

fn preference_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    email_input: Input,
    kinds_input: Input,
) -> Result<Markup, Problem> {
    let view = PreferencePage {
        preferences: context.app().notice_preferences(caller)?,
        calendar_created_at: context.app().calendar_created_at(caller)?,
        email_input,
        kinds_input,
    };
    Ok(pages::notice_preference_page(
        &frame(context, caller),
        &view,
    ))
}

pub fn show_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let none = Input::default;
    page_response(preference_page(context, caller, none(), none())?)
}

/// The ticked boxes as a change of all kinds.
fn change(preferences: &NoticePreferences, input: &Input) -> NoticePreferenceChange {
    let kinds = preferences.kinds().into_iter().map(|kind| {
        let offered = preferences.channels.iter().filter(|channel| {
            preferences.is_offered(kind, channel) && input.has("want", &pages::value(kind, channel))
        });
        (kind, offered.map(|channel| channel.id).collect())
    });
    NoticePreferenceChange {
        kinds: kinds.collect(),
    }
}

pub fn save(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let preferences = context.app().notice_preferences(caller)?;
    let change = change(&preferences, &input);
    match context.app().change_notice_preferences(caller, change) {
        Ok(()) => done("/account/notices", "notice-preferences"),
        Err(error) => show_again(error.into(), input, "kinds", |input| {
            preference_page(context, caller, Input::default(), input)
        }),
    }
}

pub fn change_email(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let address = EmailAddress::parse(input.value("email").unwrap_or_default())
        .map_err(|message| Error::field("email", message));
    match address.and_then(|address| context.app().request_email(caller, address, None)) {
        Ok(()) => done("/account/notices", "email-sent"),
        Err(error) => show_again(error.into(), input, "email", |input| {
            preference_page(context, caller, input, Input::default())
        }),
    }
}

pub fn remove_email(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context.app().remove_email(caller, None)?;
    done("/account/notices", "email-removed")
}

/// The code of the link, from the cookie.
fn code(context: &RequestContext<'_>) -> Option<Presented> {
    Presented::parse(&cookie::read(context, cookie::CODE)?)
}

/// Moves the code from the URL into a cookie; then shows a button, which a session of the user has to send.
pub fn show_confirmation(context: &RequestContext<'_>) -> Answer {
    if let Some(code) = super::query(context, "code") {
        let mut response = see_other(context.path);
        if Presented::parse(&code).is_some() {
            cookie::set(context, &mut response, cookie::CODE, &code, CODE_SECONDS);
        }
        return Ok(response);
    }
    visit(context, confirmation)
}

fn confirmation(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let email = context.app().own_email(caller)?.unwrap_or_default();
    let pending = email.pending.map(|address| address.to_string());
    let pending = pending.filter(|_| code(context).is_some());
    let markup = pages::confirm(&frame(context, caller), pending.as_deref());
    let status = if pending.is_some() { 200 } else { 404 };
    Ok(page(status, markup))
}

pub fn confirm_email(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    let result = match code(context) {
        Some(code) => context.app().confirm_email(caller, code).map(|()| true),
        None => Ok(false),
    };
    match result {
        Ok(true) => {
            let mut response = done("/account/notices", "email-confirmed")?;
            cookie::clear(context, &mut response, cookie::CODE);
            Ok(response)
        }
        Ok(false) | Err(Error::Unauthenticated { .. }) => {
            Ok(page(404, pages::confirm(&frame(context, caller), None)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates the link and shows it in the answer, once.
pub fn create_calendar(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    let secret = context.app().create_calendar(caller)?;
    let frame = frame(context, caller);
    let url = format!("{}/calendar/{}.ics", frame.public_url, *secret.reveal());
    page_response(pages::calendar_link(&frame, &url))
}

pub fn delete_calendar(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context.app().delete_calendar(caller)?;
    done("/account/notices", "calendar-deleted")
}
