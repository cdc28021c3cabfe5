//! `/admin/policy`: the policy, and the credentials that exceed a new one before it is saved.

use super::{Answer, again, done, form, frame, page, show};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::policy::{self as pages, Exceeding, PolicyForm, PolicyPreview};
use crate::http::api::policy::EXCEEDING_MAX;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::policy::{Policy, PolicyChange};
use crate::wire::{PolicyOut, PolicyPatch};

/// A value that changes with the policy.
fn version(policy: &Policy) -> Result<String, Error> {
    let text = serde_json::to_vec(&PolicyOut::new(policy))
        .map_err(|error| Error::Fault(error.to_string()))?;
    Ok(crate::model::secret::version(&[&text]))
}

fn form_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let policy = context.app().policy(caller)?;
    let version = version(&policy)?;
    Ok(pages::form(
        &frame(context, caller),
        &PolicyForm {
            policy,
            version,
            without_second_factor: context.app().users_without_second_factor(caller)?,
            input,
        },
    ))
}

pub fn show_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    show(form_page(context, caller, Input::default())?)
}

pub fn save(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match try_save(context, caller, &input) {
        Ok(Some(preview)) => Ok(page(200, pages::preview(&frame(context, caller), &preview))),
        Ok(None) => done("/admin/policy", "saved"),
        Err(problem) => again(problem, input, "api_key_lifetime_max", |input| {
            form_page(context, caller, input)
        }),
    }
}

/// `None` once it is saved; before that, the changes and the credentials that exceed them.
fn try_save(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<Option<PolicyPreview>, Problem> {
    let before = context.app().policy(caller)?;
    if input.value("version") != Some(version(&before)?.as_str()) {
        return Err(Error::changed_meanwhile("the policy").into());
    }
    let change = parse(input)?;
    if input.value("confirm") == Some("yes") {
        context.app().change_policy_from(caller, before, change)?;
        return Ok(None);
    }
    let preview = context
        .app()
        .preview_policy(caller, change, EXCEEDING_MAX)?;
    let exceeding = preview.exceeding.into_iter().map(|one| Exceeding {
        kind: one.item.kind(),
        owner: one.owner,
        name: one.item.name().to_owned(),
        id: one.item.id().to_string(),
        expires_at: one.item.expires_at(),
        why: one.why,
    });
    let fields = input
        .values
        .iter()
        .filter(|(name, _)| name != "form_token" && name != "confirm")
        .cloned()
        .collect();
    Ok(Some(PolicyPreview {
        exceeding: exceeding.collect(),
        exceeding_total: preview.total,
        before: preview.before,
        after: preview.after,
        fields,
    }))
}

fn parse(input: &Input) -> Result<PolicyChange, Error> {
    let choice = |name: &str| form::filled(input, name).map(|value| value == "true");
    let number = |name: &str| -> Result<Option<u32>, Error> {
        form::filled(input, name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Error::field(name, "write a whole number"))
            })
            .transpose()
    };
    let types: Vec<String> = input
        .values
        .iter()
        .filter(|(name, _)| name == "ssh_key_types")
        .map(|(_, value)| value.clone())
        .collect();
    let text = |name: &str| form::filled(input, name);
    let patch = PolicyPatch {
        api_key_lifetime_choice: choice("api_key_lifetime_choice"),
        api_key_lifetimes: Some(form::entries(input, "api_key_lifetimes")),
        api_key_lifetime_default: text("api_key_lifetime_default"),
        api_key_lifetime_max: text("api_key_lifetime_max"),
        token_lifetime_choice: choice("token_lifetime_choice"),
        token_lifetime_default: text("token_lifetime_default"),
        token_lifetime_max: text("token_lifetime_max"),
        session_lifetime: text("session_lifetime"),
        session_idle_max: text("session_idle_max"),
        second_factor: text("second_factor"),
        second_factor_from: input
            .value("second_factor_from")
            .map(|_| text("second_factor_from").map(|at| form::utc(&at))),
        ssh_key_types: Some(types),
        ssh_rsa_bits_min: number("ssh_rsa_bits_min")?,
        ssh_key_lifetime_max: text("ssh_key_lifetime_max"),
        api_keys_max: number("api_keys_max")?,
        ssh_keys_max: number("ssh_keys_max")?,
    };
    patch.parse()
}
