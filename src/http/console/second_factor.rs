//! `/account/second-factor`, and the confirmation of dangerous acts.

use super::{
    Answer, STEP_UP, done, frame, fresh_nonce, nonce, page, page_above, page_response, passkey,
    show_again,
};
use crate::app::{ChallengePurpose, Confirmation};
use crate::html::form::Input;
use crate::html::second_factor::{
    self as pages, FactorsPage, Onward, PasskeyPage, StepUpFactors, TotpPage,
};
use crate::html::sign_in::{PasswordConfirmation, SavedForm};
use crate::html::{self, Markup};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::{Error, FieldError};
use crate::model::password::Password;
use crate::model::second_factor::{
    FactorProof, NewFactor, RECOVERY_CODES, RecoveryCode, TypedCode,
};
use crate::model::secret::Id;
use crate::model::text::parse_name;
use crate::model::totp::TotpCode;
use crate::model::user::User;

const HERE: &str = "/account/second-factor";

/// The session id, to which challenges and seeds are bound.
fn session(caller: &Caller) -> Result<Id, Problem> {
    Ok(caller.credential()?.id)
}

fn factors_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let app = context.app();
    let view = FactorsPage {
        factors: app.own_second_factors(caller)?.unwrap_or_default(),
        passkeys: app.own_passkeys(caller)?,
        no_passkeys: passkey::relying_party(context).err(),
        input,
    };
    Ok(pages::second_factor_page(&frame(context, caller), &view))
}

/// `GET /account/second-factor`.
pub fn show_factors(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(factors_page(context, caller, Input::default())?)
}

/// The page of a seed; `bound_to` and `nonce` stand for it.
pub fn totp_page(
    context: &RequestContext<'_>,
    user: &User,
    bound_to: &str,
    nonce: String,
    input: Input,
) -> TotpPage {
    let seed = context.app().totp_seed(&user.subject, bound_to, &nonce);
    let issuer = super::site(context);
    TotpPage {
        base32: seed.base32().to_string(),
        uri: seed.uri(&issuer, user.username.as_str()).to_string(),
        nonce,
        input,
    }
}

fn render_totp(
    context: &RequestContext<'_>,
    caller: &Caller,
    nonce: String,
    input: Input,
) -> Result<Markup, Problem> {
    let bound_to = session(caller)?;
    let view = totp_page(context, caller.user()?, bound_to.as_str(), nonce, input);
    Ok(pages::set_up_totp(&frame(context, caller), &view))
}

/// `POST /account/second-factor/totp/new`: shows a seed. A form, because it asks for a confirmation first.
pub fn new_totp(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context.app().require_no_totp(caller)?;
    page_response(render_totp(
        context,
        caller,
        nonce(context),
        Input::default(),
    )?)
}

/// The seed of a form and the code that was typed for it.
pub fn typed_totp(
    context: &RequestContext<'_>,
    input: &Input,
    bound_to: &str,
    subject: &str,
) -> Result<NewFactor, Problem> {
    let nonce = fresh_nonce(context, input)?;
    let typed = input.value("code").unwrap_or_default();
    let code: TotpCode = match TypedCode::parse(typed, subject) {
        Some(TypedCode::Totp(code)) => code,
        Some(TypedCode::Recovery(_)) | None => {
            let sentence = "type the 6 digits that the app shows";
            return Err(Error::field("code", sentence).into());
        }
    };
    let seed = context.app().totp_seed(subject, bound_to, nonce);
    Ok(NewFactor::Totp(seed, code))
}

/// `POST /account/second-factor/totp`.
pub fn add_totp(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    context.app().require_no_totp(caller)?;
    let subject = caller.user()?.subject.clone();
    let bound_to = session(caller)?;
    let added = typed_totp(context, &input, bound_to.as_str(), &subject)
        .and_then(|new| Ok(context.app().add_second_factor(caller, new)?));
    match added {
        Ok(codes) => added_page(context, caller, codes.as_ref(), "totp"),
        Err(problem) => show_again(problem, input, "code", |input| {
            let kept = fresh_nonce(context, &input).map(str::to_owned);
            let nonce = kept.unwrap_or_else(|_| nonce(context));
            render_totp(context, caller, nonce, input)
        }),
    }
}

fn added_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    codes: Option<&[RecoveryCode; RECOVERY_CODES]>,
    word: &str,
) -> Answer {
    match codes {
        Some(codes) => Ok(codes_page(context, caller, codes)),
        None => done(HERE, word),
    }
}

fn codes_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    codes: &[RecoveryCode; RECOVERY_CODES],
) -> rouille::Response {
    let onward = Onward::Path(HERE.to_owned(), "Done");
    page(
        200,
        pages::recovery_codes(&frame(context, caller), &revealed(codes), &onward),
    )
}

/// The codes as text, for the one page that shows them.
pub fn revealed(codes: &[RecoveryCode; RECOVERY_CODES]) -> Vec<String> {
    codes.iter().map(|code| code.reveal().to_string()).collect()
}

/// `POST /account/second-factor/totp/remove`.
pub fn remove_totp(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match context.app().remove_totp(caller) {
        Ok(()) => done(HERE, "totp-removed"),
        Err(error) => rejected(context, caller, input, error),
    }
}

/// `POST /account/second-factor/recovery-codes`.
pub fn create_recovery_codes(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Answer {
    match context.app().create_recovery_codes(caller) {
        Ok(codes) => Ok(codes_page(context, caller, &codes)),
        Err(error) => rejected(context, caller, input, error),
    }
}

fn rejected(context: &RequestContext<'_>, caller: &Caller, input: Input, error: Error) -> Answer {
    show_again(error.into(), input, "", |input| {
        let errors = input.errors;
        factors_page(
            context,
            caller,
            Input {
                values: Vec::new(),
                errors,
            },
        )
    })
}

fn render_passkey(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let present = context.app().own_passkeys(caller)?;
    let bound_to = session(caller)?;
    let request =
        passkey::registration_request(context, bound_to.as_str(), caller.user()?, &present)?;
    let Some(request) = request else {
        return factors_page(context, caller, Input::default());
    };
    Ok(pages::add_passkey(
        &frame(context, caller),
        &PasskeyPage { request, input },
    ))
}

/// `POST /account/second-factor/passkeys/new`.
pub fn new_passkey(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    context.app().require_confirmation(caller)?;
    page_response(render_passkey(context, caller, Input::default())?)
}

/// `POST /account/second-factor/passkeys`.
pub fn add_passkey(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    context.app().require_confirmation(caller)?;
    let bound_to = session(caller)?;
    let added = passkey::registration(context, &input, bound_to.as_str()).and_then(|new| {
        context
            .app()
            .add_second_factor(caller, NewFactor::Passkey(Box::new(new)))
    });
    match added {
        Ok(codes) => added_page(context, caller, codes.as_ref(), "passkey"),
        Err(error) => show_again(error.into(), input, "name", |input| {
            render_passkey(context, caller, input)
        }),
    }
}

fn render_rename(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let passkey = context.app().own_passkey(caller, context.id("passkey")?)?;
    Ok(pages::rename_passkey(
        &frame(context, caller),
        &passkey,
        &input,
    ))
}

/// `GET /account/second-factor/passkeys/{id}/edit`.
pub fn show_rename_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(render_rename(context, caller, Input::default())?)
}

/// `POST /account/second-factor/passkeys/{id}/edit`.
pub fn rename_passkey(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let id = context.id("passkey")?;
    let renamed = parse_name(input.value("name").unwrap_or_default())
        .map_err(|message| Error::field("name", message))
        .and_then(|name| context.app().rename_passkey(caller, id, name));
    match renamed {
        Ok(()) => done(HERE, "passkey-renamed"),
        Err(error) => show_again(error.into(), input, "name", |input| {
            render_rename(context, caller, input)
        }),
    }
}

/// `POST /account/second-factor/passkeys/{id}/delete`.
pub fn delete_passkey(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let id = context.id("passkey")?;
    match context.app().delete_passkey(caller, id) {
        Ok(()) => done(HERE, "passkey-deleted"),
        Err(error) => rejected(context, caller, input, error),
    }
}

/// The proof of the second factor in a form of somebody who is signed in: `code` or `passkey`, by these names.
pub fn proof(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
    [code, passkey]: [&str; 2],
) -> Result<Option<FactorProof>, Error> {
    let user = caller.user()?;
    let bound_to = caller.credential()?.id;
    let answer = passkey::passkey_answer(
        context,
        input,
        passkey,
        ChallengePurpose::Confirmation,
        bound_to.as_str(),
    )?;
    if let Some(answer) = answer {
        return Ok(Some(FactorProof::Passkey(Box::new(answer))));
    }
    let Some(typed) = super::form::filled(input, code) else {
        return Ok(None);
    };
    let typed = TypedCode::parse(&typed, &user.subject).ok_or_else(|| {
        let sentence = "type the 6 digits of your authenticator app, or a recovery code";
        Error::field(code, sentence)
    })?;
    Ok(Some(FactorProof::Code(typed)))
}

/// The confirmation in a form; `None` when it has none.
pub fn confirmation(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<Option<Confirmation>, Error> {
    let typed = input.value("current_password").unwrap_or_default();
    let proof = proof(context, caller, input, ["confirm_code", "confirm_passkey"])?;
    if typed.is_empty() {
        return Ok(match proof {
            Some(FactorProof::Passkey(answer)) => Some(Confirmation::Passkey(answer)),
            Some(FactorProof::Code(_)) => {
                return Err(Error::field("current_password", "type your password"));
            }
            None => None,
        });
    }
    let password =
        Password::typed(typed).map_err(|message| Error::field("current_password", message))?;
    Ok(Some(Confirmation::Password(password, proof)))
}

/// A request to confirm with one of the caller's passkeys.
pub fn confirmation_request(
    context: &RequestContext<'_>,
    caller: &Caller,
) -> Result<Option<html::passkey::PasskeyRequest>, Problem> {
    let bound_to = session(caller)?;
    let own = context.app().own_passkeys(caller)?;
    let purpose = ChallengePurpose::Confirmation;
    passkey::request(context, purpose, bound_to.as_str(), &own)
}

/// The page that asks for a confirmation. The form waits in it.
pub fn confirmation_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    errors: Vec<FieldError>,
) -> Answer {
    let here = |error: FieldError| {
        let field = match error.field.as_str() {
            "password" => "current_password",
            "code" => "confirm_code",
            "passkey" => "confirm_passkey",
            other => other,
        };
        FieldError {
            field: field.to_owned(),
            ..error
        }
    };
    let status = if errors.is_empty() { 403 } else { 422 };
    let factors = context
        .app()
        .own_second_factors(caller)?
        .unwrap_or_default();
    let view = PasswordConfirmation {
        kept: SavedForm {
            action: format!("{}?{STEP_UP}", context.path),
            fields: input.values,
        },
        cancel: page_above(context).to_owned(),
        factors: StepUpFactors {
            code: factors.any(),
            passkey: confirmation_request(context, caller)?,
        },
        input: Input {
            values: Vec::new(),
            errors: errors.into_iter().map(here).collect(),
        },
    };
    Ok(page(
        status,
        html::sign_in::password_confirmation(&frame(context, caller), &view),
    ))
}
