//! `/oauth/device_authorization` and `/oauth/token`: login on a device without a browser (RFC 8628).

use rouille::Response;

use super::form::{self, FormFields, single_value};
use crate::app::{DeviceLoginRequest, Polled};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::{body, headers};
use crate::model::error::Error;
use crate::model::event::Channel;
use crate::model::permission::Permissions;
use crate::model::policy::is_whole_hours;
use crate::model::secret::{Presented, SecretForm};
use crate::model::time::Lifetime;
use crate::wire::{DeviceAuthorizationOut, OauthProblemOut, TokenGrantOut};

/// The only client: public, without a secret (RFC 6749, 2.1).
const CLIENT: &str = "keycroft-cli";
/// More than the names of all permissions of Keycroft and of a dozen services.
const SCOPE_BYTES_MAX: usize = 4_096;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// 400 with an error code of the standard and a sentence (RFC 6749, 5.2; RFC 8628, 3.5).
fn device_error(error: &str, description: &str) -> Response {
    let out = OauthProblemOut {
        error: error.to_owned(),
        error_description: description.to_owned(),
        scope: None,
    };
    headers::json("application/json", 400, &out)
}

/// The answer to other clients.
fn foreign_client(form: &FormFields<'_>) -> Result<Option<Response>, Error> {
    Ok(match single_value(form, "client_id")? {
        Some(CLIENT) => None,
        Some(_) => Some(device_error(
            "invalid_client",
            "The only client is keycroft-cli.",
        )),
        None => Some(device_error(
            "invalid_request",
            "client_id is required: keycroft-cli.",
        )),
    })
}

/// A device begins a login. `computer`, `program` and `lifetime` are extensions of Keycroft.
pub fn authorize(context: &RequestContext<'_>) -> Result<Response, Problem> {
    let bytes = body::form(context)?;
    let form = form::read(&bytes);
    if let Some(rejection) = foreign_client(&form)? {
        return Ok(rejection);
    }
    let permissions = match single_value(&form, "scope")?.filter(|scope| !scope.is_empty()) {
        None => None,
        Some(scope) if scope.len() > SCOPE_BYTES_MAX => {
            return Ok(device_error(
                "invalid_scope",
                "The scope is too long: name at most 4096 bytes of permissions.",
            ));
        }
        Some(scope) => {
            let words: Vec<&str> = scope.split(' ').filter(|word| !word.is_empty()).collect();
            match Permissions::parse(&words) {
                Ok(permissions) => Some(permissions),
                Err(_) => {
                    return Ok(device_error(
                        "invalid_scope",
                        "The scope contains an unknown permission.",
                    ));
                }
            }
        }
    };
    let lifetime = match single_value(&form, "lifetime")?.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match Lifetime::parse(text) {
            Ok(lifetime) if is_whole_hours(lifetime) && lifetime <= Lifetime::hours(24) => {
                Some(lifetime)
            }
            Ok(_) | Err(_) => {
                return Ok(device_error(
                    "invalid_request",
                    "lifetime: choose full hours from 1h to 24h.",
                ));
            }
        },
    };
    let named = |name: &str| -> Result<Option<String>, Error> {
        Ok(single_value(&form, name)?
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()))
    };
    let wanted = DeviceLoginRequest {
        computer: named("computer")?.unwrap_or_else(|| "a computer without a name".to_owned()),
        program: named("program")?
            .or_else(|| context.program().map(std::borrow::Cow::into_owned))
            .unwrap_or_else(|| "a program without a name".to_owned()),
        permissions,
        lifetime,
    };
    let begun =
        context
            .app()
            .begin_device_login(wanted, &context.origin(Channel::Api), context.now)?;
    let out = DeviceAuthorizationOut {
        user_code: begun.user_code.to_string(),
        verification_uri: format!("{}/device", context.server_state.settings.public_url),
        expires_in: begun.expires_in.as_secs(),
        interval: begun.interval.as_secs(),
        device_code: begun.device_code.reveal().to_string(),
    };
    Ok(headers::json("application/json", 200, &out))
}

/// The device polls for its token.
pub fn token(context: &RequestContext<'_>) -> Result<Response, Problem> {
    let bytes = body::form(context)?;
    let form = form::read(&bytes);
    match single_value(&form, "grant_type")? {
        Some(GRANT) => {}
        Some(_) => {
            return Ok(device_error(
                "unsupported_grant_type",
                "Only the device code grant is supported.",
            ));
        }
        None => return Ok(device_error("invalid_request", "grant_type is needed.")),
    }
    if let Some(rejection) = foreign_client(&form)? {
        return Ok(rejection);
    }
    let Some(code) = single_value(&form, "device_code")? else {
        return Ok(device_error("invalid_request", "device_code is needed."));
    };
    let unknown = || {
        device_error(
            "invalid_grant",
            "This device code is unknown, or its token was fetched already.",
        )
    };
    let Some(presented) =
        Presented::parse(code).filter(|presented| presented.form == SecretForm::Code)
    else {
        return Ok(unknown());
    };
    Ok(
        match context.app().poll_device_login(
            presented,
            context.origin(Channel::Api),
            context.now,
        )? {
            Polled::Pending => device_error(
                "authorization_pending",
                "Waiting for an answer in the console.",
            ),
            Polled::SlowDown(interval) => device_error(
                "slow_down",
                &format!("Poll every {} seconds.", interval.as_secs()),
            ),
            Polled::Denied => device_error(
                "access_denied",
                "The login was denied, or its approval has become invalid.",
            ),
            Polled::Expired => device_error("expired_token", "The login has expired; start again."),
            Polled::Unknown => unknown(),
            Polled::Token(issued) => {
                let record = issued.record;
                let out = TokenGrantOut {
                    token_type: "Bearer".to_owned(),
                    expires_in: record
                        .expires_at
                        .map(|end| end.since(context.now).as_secs()),
                    scope: record.permissions.to_string(),
                    access_token: issued.secret.reveal().to_string(),
                };
                headers::json("application/json", 200, &out)
            }
        },
    )
}
