//! `/admin/policy`: the policy, and the credentials that exceed a new one before it is saved.

use super::{Answer, done, form, frame, page_response, require_version, show_again};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::policy::{self as pages, ENDLESS, Exceeding, PolicyForm, PolicyPreview, UNIT};
use crate::http::api::policy::EXCEEDING_MAX;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::Error;
use crate::model::inventory::Item;
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
    policy: Policy,
    preview: Option<PolicyPreview>,
    input: Input,
) -> Result<Markup, Problem> {
    let saved = context.app().policy(caller)?;
    Ok(pages::form(
        &frame(context, caller),
        &PolicyForm {
            policy,
            version: version(&saved)?,
            without_second_factor: context.app().users_without_second_factor(caller)?.len(),
            preview,
            input,
        },
    ))
}

pub fn show_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let policy = context.app().policy(caller)?;
    page_response(form_page(context, caller, policy, None, Input::default())?)
}

pub fn save(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match try_save(context, caller, &input) {
        Ok(Some((policy, preview))) => {
            let input = Input::default();
            page_response(form_page(context, caller, policy, Some(preview), input)?)
        }
        Ok(None) => done("/admin/policy", "policy"),
        Err(problem) => show_again(problem, input, "api_key_lifetime_max", |input| {
            let policy = context.app().policy(caller)?;
            form_page(context, caller, policy, None, input)
        }),
    }
}

/// `None` once it is saved; before that, the policy and its effect. Saved without a preview only if no credential
/// exceeds it.
fn try_save(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<Option<(Policy, PolicyPreview)>, Problem> {
    let before = context.app().policy(caller)?;
    require_version(input, &version(&before)?, "the policy")?;
    let preview = context
        .app()
        .preview_policy(caller, parse(input)?, EXCEEDING_MAX)?;
    let confirm = version(&preview.after)?;
    let is_confirmed = input.value("confirm") == Some(confirm.as_str());
    let is_harmless = input.value("save").is_some() && preview.total == 0;
    if input.value("preview").is_none() && (is_confirmed || is_harmless) {
        context
            .app()
            .change_policy_from(caller, before, parse(input)?)?;
        return Ok(None);
    }
    let exceeding = preview.exceeding.into_iter().map(|one| Exceeding {
        kind: one.item.kind(),
        path: path(&one.item, &one.owner),
        owner: one.owner,
        name: one.item.name().to_owned(),
        expires_at: one.item.expires_at(),
        why: one.why,
    });
    let effect = PolicyPreview {
        exceeding: exceeding.collect(),
        exceeding_total: preview.total,
        before: preview.before,
        confirm,
    };
    Ok(Some((preview.after, effect)))
}

/// The page of a credential, or that of its owner.
fn path(item: &Item, owner: &str) -> String {
    let id = item.id();
    match (item, item.owner()) {
        (Item::SshKey(..), _) => format!("/admin/users/{owner}/ssh-keys/{id}"),
        (Item::Credential(record), OwnerId::User(_)) if record.kind == Kind::ApiKey => {
            format!("/admin/users/{owner}/api-keys/{id}")
        }
        (Item::Credential(record), OwnerId::Service(_)) if record.kind == Kind::ApiKey => {
            format!("/admin/services/{owner}/api-keys/{id}")
        }
        (Item::Credential(_), OwnerId::User(_)) => format!("/admin/users/{owner}"),
        (Item::Credential(_), _) => "/admin/inventory".to_owned(),
    }
}

/// A duration of two fields: a number and its unit.
fn duration(input: &Input, name: &str) -> Option<String> {
    let number = input.value(name)?.trim();
    let unit = input.value(&format!("{name}{UNIT}")).unwrap_or_default();
    if unit == ENDLESS && number.is_empty() {
        return Some(ENDLESS.to_owned());
    }
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && unit != ENDLESS {
        return Some(format!("{number}{unit}"));
    }
    Some(number.to_owned())
}

fn parse(input: &Input) -> Result<PolicyChange, Error> {
    let choice = |name: &str| form::filled(input, name).map(|value| value == "true");
    let number = |name: &str| -> Result<Option<u32>, Error> {
        form::filled(input, name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Error::field(name, "enter an integer"))
            })
            .transpose()
    };
    let checked = |name: &str| -> Vec<String> {
        let sent = input.values.iter().filter(|(own, _)| own == name);
        sent.flat_map(|(_, value)| value.split_whitespace().map(str::to_owned))
            .collect()
    };
    let text = |name: &str| form::filled(input, name);
    let patch = PolicyPatch {
        api_key_lifetime_choice: choice("api_key_lifetime_choice"),
        api_key_lifetimes: Some(checked("api_key_lifetimes")),
        api_key_lifetime_default: duration(input, "api_key_lifetime_default"),
        api_key_lifetime_max: duration(input, "api_key_lifetime_max"),
        token_lifetime_choice: choice("token_lifetime_choice"),
        token_lifetime_default: duration(input, "token_lifetime_default"),
        token_lifetime_max: duration(input, "token_lifetime_max"),
        session_lifetime: duration(input, "session_lifetime"),
        session_idle_max: duration(input, "session_idle_max"),
        second_factor: text("second_factor"),
        second_factor_from: input
            .value("second_factor_from")
            .map(|_| text("second_factor_from").map(|at| form::utc(&at))),
        ssh_key_types: Some(checked("ssh_key_types")),
        ssh_rsa_bits_min: number("ssh_rsa_bits_min")?,
        ssh_key_lifetime_max: duration(input, "ssh_key_lifetime_max"),
        api_keys_max: number("api_keys_max")?,
        ssh_keys_max: number("ssh_keys_max")?,
    };
    patch.parse()
}
