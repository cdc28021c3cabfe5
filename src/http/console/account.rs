//! `/account`.

use super::{Answer, again, cookie, done, form, frame, show};
use crate::html::account::{self as pages, AccountPage};
use crate::html::form::Input;
use crate::html::layout::Theme;
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::password::Password;
use crate::model::text::parse_name;

pub fn account(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    show(pages::show(
        &frame(context, caller),
        &AccountPage {
            user: caller.user()?.clone(),
            notices: context.app().account_notices(caller)?,
            name_input: Input::default(),
            password_input: Input::default(),
        },
    ))
}

pub fn rename(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let name = parse_name(input.value("display_name").unwrap_or_default())
        .map_err(|message| Error::field("display_name", message));
    match name.and_then(|name| context.app().rename_self(caller, name)) {
        Ok(_) => done("/account", "saved"),
        Err(error) => again(error.into(), input, "display_name", |name_input| {
            Ok(pages::show(
                &frame(context, caller),
                &AccountPage {
                    user: caller.user()?.clone(),
                    notices: context.app().account_notices(caller)?,
                    name_input,
                    password_input: Input::default(),
                },
            ))
        }),
    }
}

pub fn change_password(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let current = Password::typed(input.value("current").unwrap_or_default())
        .map_err(|message| Error::field("current", message));
    let new = input.value("new").unwrap_or_default();
    let browser = super::sign_in::present_browser(context);
    let change = |current: Password| {
        context
            .app()
            .change_password(caller, &current, new, browser.as_ref())
    };
    match current.and_then(change) {
        Ok(()) => done("/account", "password"),
        Err(error) => again(error.into(), input, "current", |password_input| {
            Ok(pages::show(
                &frame(context, caller),
                &AccountPage {
                    user: caller.user()?.clone(),
                    notices: context.app().account_notices(caller)?,
                    name_input: Input::default(),
                    password_input,
                },
            ))
        }),
    }
}

pub fn choose_theme(context: &RequestContext<'_>, _: &Caller, input: Input) -> Answer {
    const SECONDS: u64 = 10 * 365 * 86_400;
    let theme = Theme::from_word(&form::filled(&input, "theme").unwrap_or_default());
    let mut response = done("/account", "theme")?;
    cookie::set(
        context,
        &mut response,
        cookie::THEME,
        theme.as_str(),
        SECONDS,
    );
    Ok(response)
}

pub fn acknowledge_notice(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context
        .app()
        .acknowledge_notice(caller, context.id("notice")?)?;
    done("/account", "confirmed")
}

/// Confirms all notices that are open.
pub fn acknowledge_notices(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    for notice in context.app().open_account_notices(caller)? {
        context.app().acknowledge_notice(caller, notice.id)?;
    }
    done("/account", "confirmed")
}
