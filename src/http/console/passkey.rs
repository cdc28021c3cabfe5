//! Passkeys in forms: challenges out, answers in.

use super::{Problem, form};
use crate::app::ChallengePurpose;
use crate::html::form::Input;
use crate::html::passkey::PasskeyRequest;
use crate::http::context::RequestContext;
use crate::model::error::Error;
use crate::model::passkey::{
    NewPasskey, NoRelyingParty, Passkey, PasskeyAnswer, PasskeyError, RelyingParty,
    check_registration,
};
use crate::model::text::parse_name;
use crate::model::user::User;
use crate::wire;

/// The site that passkeys belong to, by the public URL.
pub fn relying_party(context: &RequestContext<'_>) -> Result<RelyingParty, NoRelyingParty> {
    RelyingParty::from_url(&context.server_state.settings.public_url)
}

/// A request for one of `allowed`, or with none for any; `None` where there can be no passkeys. A passkey that signs in
/// alone must verify its user, one that confirms should.
pub fn request(
    context: &RequestContext<'_>,
    purpose: ChallengePurpose,
    bound_to: &str,
    allowed: &[Passkey],
) -> Result<Option<PasskeyRequest>, Problem> {
    let Ok(relying_party) = relying_party(context) else {
        return Ok(None);
    };
    let user_verification = match purpose {
        ChallengePurpose::SignIn => "required",
        ChallengePurpose::Confirmation | ChallengePurpose::Registration => "preferred",
        ChallengePurpose::SecondStep => "discouraged",
    };
    if allowed.is_empty() && purpose != ChallengePurpose::SignIn {
        return Ok(None);
    }
    let challenge = context.app().new_challenge(purpose, bound_to, context.now);
    let options = wire::request_options(&relying_party, &challenge, allowed, user_verification)?;
    Ok(Some(PasskeyRequest { options }))
}

/// A request to register a passkey; `None` where there can be none.
pub fn registration_request(
    context: &RequestContext<'_>,
    bound_to: &str,
    user: &User,
    present: &[Passkey],
) -> Result<Option<PasskeyRequest>, Problem> {
    let Ok(relying_party) = relying_party(context) else {
        return Ok(None);
    };
    let purpose = ChallengePurpose::Registration;
    let challenge = context.app().new_challenge(purpose, bound_to, context.now);
    let options = wire::creation_options(&relying_party, &challenge, user, present)?;
    Ok(Some(PasskeyRequest { options }))
}

fn passkey_error(field: &str, error: PasskeyError) -> Error {
    Error::field(field, error.sentence())
}

/// The answer in a form's field; `None` when it is empty.
pub fn passkey_answer(
    context: &RequestContext<'_>,
    input: &Input,
    field: &str,
    purpose: ChallengePurpose,
    bound_to: &str,
) -> Result<Option<PasskeyAnswer>, Error> {
    let Some(text) = form::filled(input, field) else {
        return Ok(None);
    };
    let assertion =
        wire::parse_assertion(&text).ok_or_else(|| passkey_error(field, PasskeyError::Form))?;
    let relying_party =
        relying_party(context).map_err(|reason| Error::field(field, reason.sentence()))?;
    let challenge = context
        .app()
        .known_challenge(
            purpose,
            bound_to,
            &assertion.client_data.challenge,
            relying_party,
            context.now,
        )
        .ok_or_else(|| passkey_error(field, PasskeyError::Challenge))?;
    Ok(Some(PasskeyAnswer {
        expected: challenge.expected,
        assertion,
        challenge: challenge.digest,
        challenge_expires_at: challenge.expires_at,
    }))
}

/// A new passkey in a form: `name` and `passkey`.
pub fn registration(
    context: &RequestContext<'_>,
    input: &Input,
    bound_to: &str,
) -> Result<NewPasskey, Error> {
    let name =
        form::filled(input, "name").unwrap_or_else(|| format!("passkey {}", context.now.day()));
    let name = parse_name(&name).map_err(|message| Error::field("name", message))?;
    let text = form::filled(input, "passkey")
        .ok_or_else(|| passkey_error("passkey", PasskeyError::Form))?;
    let registration = wire::parse_registration(&text)
        .ok_or_else(|| passkey_error("passkey", PasskeyError::Form))?;
    let relying_party =
        relying_party(context).map_err(|reason| Error::field("passkey", reason.sentence()))?;
    let challenge = context
        .app()
        .known_challenge(
            ChallengePurpose::Registration,
            bound_to,
            &registration.client_data.challenge,
            relying_party,
            context.now,
        )
        .ok_or_else(|| passkey_error("passkey", PasskeyError::Challenge))?;
    let registered = check_registration(&registration, &challenge.expected)
        .map_err(|error| passkey_error("passkey", error))?;
    Ok(NewPasskey {
        name,
        registered,
        challenge: challenge.digest,
        challenge_expires_at: challenge.expires_at,
    })
}
