//! `/device`: approving the login of a device (RFC 8628, 3.3).

use super::{Answer, form, frame, page, page_response, query, show_again};
use crate::app::DeviceApproval;
use crate::html::Markup;
use crate::html::device::{self as pages, DeviceAnswer, DeviceConfirmation};
use crate::html::form::Input;
use crate::html::permission::Presets;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::device_login::DeviceLogin;
use crate::model::error::Error;
use crate::model::permission::Permissions;
use crate::model::time::RequestedExpiration;

/// The code is typed, or compared and sent by hand: a link with a code approves nothing.
pub fn enter(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let values = query(context, "code")
        .map(|code| ("code".to_owned(), code))
        .into_iter()
        .collect();
    let input = Input {
        values,
        errors: Vec::new(),
    };
    page_response(pages::enter(&frame(context, caller), &input))
}

fn code(input: &Input) -> &str {
    input.value("code").unwrap_or_default()
}

pub fn look_up(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match context.app().device_login(caller, code(&input)) {
        Ok(login) => page_response(question(context, caller, login, Input::default())?),
        Err(Error::NotFound(_)) => {
            let sentence = "no login waits for this code: check it for typing errors, or start the login again on the device";
            show_again(
                Error::field("code", sentence).into(),
                input,
                "code",
                |input| Ok(pages::enter(&frame(context, caller), &input)),
            )
        }
        Err(error) => show_again(error.into(), input, "code", |input| {
            Ok(pages::enter(&frame(context, caller), &input))
        }),
    }
}

fn question(
    context: &RequestContext<'_>,
    caller: &Caller,
    login: DeviceLogin,
    mut input: Input,
) -> Result<Markup, Problem> {
    if let (true, Some(lifetime)) = (input.is_fresh(), login.lifetime) {
        input
            .values
            .push(("expires_in".to_owned(), lifetime.to_string()));
    }
    let offered = offered(caller, &login);
    let view = DeviceConfirmation {
        user_code: login.user_code.to_string(),
        computer: login.computer,
        program: login.program,
        address: login.address,
        here: context.address(),
        offered,
        requested: login.permissions,
        requested_at: login.requested_at,
        policy: context.app().present_policy()?,
        input,
    };
    Ok(pages::confirm_device(&frame(context, caller), &view))
}

/// The permissions that a person can give to a device: those requested that the person has.
fn offered(caller: &Caller, login: &DeviceLogin) -> Permissions {
    let requested = login.permissions.as_ref();
    requested.map_or_else(
        || caller.power.clone(),
        |requested| requested.intersection(&caller.power),
    )
}

pub fn approve(context: &RequestContext<'_>, caller: &Caller, mut input: Input) -> Answer {
    let app = context.app();
    let login = app.device_login(caller, code(&input))?;
    let offered = offered(caller, &login);
    if form::is_filled(&mut input, &offered) {
        return page_response(question(context, caller, login, input)?);
    }
    match try_approve(context, caller, &input, &offered) {
        Ok(login) => Ok(page(
            200,
            pages::done(
                &frame(context, caller),
                DeviceAnswer::Approved,
                &login.computer,
            ),
        )),
        Err(error @ (Error::Invalid(_) | Error::AgainstPolicy(_))) => {
            show_again(error.into(), input, "expires_in", |input| {
                question(context, caller, login, input)
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn try_approve(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
    offered: &Permissions,
) -> Result<DeviceLogin, Error> {
    let (expires_in, _) = form::end(input)?;
    let lifetime = RequestedExpiration::parse(expires_in.as_deref(), None)
        .map_err(|(field, message)| Error::field(field, message))?;
    let words = form::permissions(input, offered, Presets::Person)?;
    let permissions = Permissions::parse(&words);
    let permissions = permissions.map_err(|message| Error::field("permissions", message))?;
    let approval = DeviceApproval {
        lifetime,
        permissions: Some(permissions),
    };
    context
        .app()
        .approve_device_login(caller, code(input), approval)
}

pub fn deny(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let login = context.app().deny_device_login(caller, code(&input))?;
    Ok(page(
        200,
        pages::done(
            &frame(context, caller),
            DeviceAnswer::Denied,
            &login.computer,
        ),
    ))
}
