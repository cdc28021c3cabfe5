//! `/account`.

use super::session_start::safe_path;
use super::{
    Answer, cookie, done, form, frame, page_response, second_factor, see_other, show_again,
};
use crate::html::Markup;
use crate::html::account::{self as pages, AccountPage};
use crate::html::form::Input;
use crate::html::layout::Theme;
use crate::http::auth;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::password::Password;
use crate::model::text::parse_name;

fn account_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    name_input: Input,
    password_input: Input,
) -> Result<Markup, Problem> {
    let app = context.app();
    let view = AccountPage {
        user: caller.user()?.clone(),
        factors: app.own_second_factors(caller)?.unwrap_or_default(),
        passkey: second_factor::confirmation_request(context, caller)?,
        notices: app.account_notices(caller)?,
        name_input,
        password_input,
    };
    Ok(pages::account_page(&frame(context, caller), &view))
}

pub fn account(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(account_page(
        context,
        caller,
        Input::default(),
        Input::default(),
    )?)
}

pub fn rename(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let name = parse_name(input.value("display_name").unwrap_or_default())
        .map_err(|message| Error::field("display_name", message));
    match name.and_then(|name| context.app().rename_self(caller, name)) {
        Ok(_) => done("/account", "account"),
        Err(error) => show_again(error.into(), input, "display_name", |name_input| {
            account_page(context, caller, name_input, Input::default())
        }),
    }
}

pub fn change_password(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let current = Password::typed(input.value("current").unwrap_or_default())
        .map_err(|message| Error::field("current", message));
    let new = input.value("new").unwrap_or_default();
    let browser = super::session_start::present_browser(context);
    let change = |current: Password| {
        let proof = second_factor::proof(context, caller, &input, ["confirm_code", "passkey"])?;
        context
            .app()
            .change_password(caller, &current, new, proof, browser.as_ref())
    };
    match current.and_then(change) {
        Ok(()) => done("/account", "password"),
        Err(error) => show_again(error.into(), input, "current", |mut password_input| {
            // A recovery code may still be valid: no page repeats it.
            password_input
                .values
                .retain(|(name, _)| name != "confirm_code");
            // A user whose factor is required but not set up has no field for a code.
            let factors = context.app().own_second_factors(caller)?;
            let has_code = factors.is_some_and(|factors| factors.any());
            for error in &mut password_input.errors {
                if error.field == "code" {
                    let shown = if has_code { "confirm_code" } else { "current" };
                    shown.clone_into(&mut error.field);
                }
            }
            account_page(context, caller, Input::default(), password_input)
        }),
    }
}

/// Sets the theme of this browser and returns to the page whose footer was used.
pub fn choose_theme(context: &RequestContext<'_>, _: &Caller, input: Input) -> Answer {
    const SECONDS: u64 = 10 * 365 * 86_400;
    let theme = Theme::from_word(&form::filled(&input, "theme").unwrap_or_default());
    let mut response = see_other(page_before(context).unwrap_or("/account"));
    cookie::set(
        context,
        &mut response,
        cookie::THEME,
        theme.as_str(),
        SECONDS,
    );
    Ok(response)
}

/// The path and query of the own page that the browser names in `Referer`.
fn page_before<'a>(context: &'a RequestContext<'_>) -> Option<&'a str> {
    let referer = context.request.header("Referer")?;
    let host_at = referer.find("://")? + 3;
    let path_at = host_at + referer[host_at..].find('/')?;
    let (origin, path) = referer.split_at(path_at);
    let is_shown = || (context.is_page)(path.split(['?', '#']).next().unwrap_or(path));
    (auth::is_own_origin(context, origin) && is_shown())
        .then_some(path)
        .and_then(safe_path)
}

pub fn acknowledge_notice(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context
        .app()
        .acknowledge_notice(caller, context.id("notice")?)?;
    // The banner is on every page. Without its query, since that may have the message of an earlier act.
    let page = page_before(context).and_then(|path| path.split('?').next());
    done(page.unwrap_or("/account"), "confirmed")
}

/// Confirms all unconfirmed notices.
pub fn acknowledge_notices(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    for notice in context.app().open_account_notices(caller)? {
        context.app().acknowledge_notice(caller, notice.id)?;
    }
    done("/account", "confirmed")
}
