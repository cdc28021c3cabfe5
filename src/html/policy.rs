//! The organization's policy as sentences, and the credentials that exceed a new one before it is saved.

use maud::{Markup, html};

use super::form::{self, Field, Input, Tick, hidden, hidden_fields, post, summary};
use super::layout::{Frame, Section, page};
use super::when::{end_in_line, lifetime};
use crate::model::policy::{Choice, LifetimeRule, Policy, SSH_KEY_TYPES};
use crate::model::time::{Lifetime, Time};

/// The form of the policy.
#[derive(Debug, Clone)]
pub struct PolicyForm {
    pub policy: Policy,
    /// The version of the policy in the form, so that a concurrent change is not overwritten.
    pub version: String,
    /// Names of users without a second factor.
    pub without_second_factor: Vec<String>,
    pub input: Input,
}

/// A credential that the new policy would not permit to create.
#[derive(Debug, Clone)]
pub struct Exceeding {
    /// `API key`, `token`, `session`, `SSH key`.
    pub kind: &'static str,
    pub owner: String,
    pub name: String,
    pub id: String,
    pub expires_at: Option<Time>,
    /// The rule that it exceeds, as a sentence.
    pub why: String,
}

/// The page before a policy change is saved.
#[derive(Debug, Clone)]
pub struct PolicyPreview {
    pub before: Policy,
    pub after: Policy,
    pub exceeding: Vec<Exceeding>,
    /// The number of all that exceed it, if `exceeding` does not list all of them.
    pub exceeding_total: usize,
    /// The form as it was sent; sent again with `confirm=yes`.
    pub fields: Vec<(String, String)>,
}

/// `/admin/policy`. Sends `version` and the fields of `PATCH /api/v1/policy` as text: choices as `true` or `false`,
/// lifetimes as `30d`, `12h` or `never`, `api_key_lifetimes` separated by spaces, `ssh_key_types` as checkboxes.
pub fn form(frame: &Frame, view: &PolicyForm) -> Markup {
    let (policy, input) = (&view.policy, &view.input);
    let words = "Like 30d, 12h or never.";
    let offered: Vec<String> = policy
        .api_key_lifetimes
        .iter()
        .map(ToString::to_string)
        .collect();
    let text = |name: &'static str, label: &'static str, help: &'static str, present: String| {
        Field::text(name)
            .label(label)
            .help(help)
            .default(&present)
            .required()
            .show(input)
    };
    let content = html! {
        h1 { "Policy" }
        p.lead { "The policy applies to creating, editing, renewing and rotating, on the page, the API and the command line. Existing credentials stay as they are." }
        (summary(input))
        (post(frame, "/admin/policy", &html! {
            (hidden("version", &view.version))
            h2 { "API keys" }
            (choice("api_key_lifetime_choice", "How long an API key lives", &policy.api_key, input))
            (text("api_key_lifetimes", "The page offers", "With spaces between, like 7d 30d 90d never. Those beyond the longest are left out.", offered.join(" ")))
            (text("api_key_lifetime_default", "Default lifetime", words, policy.api_key.default.to_string()))
            (text("api_key_lifetime_max", "Maximum lifetime", "Like 90d, or never for no limit.", policy.api_key.max.to_string()))
            (text("api_keys_max", "A user may have at most so many", "1 to 100000.", policy.api_keys_max.to_string()))
            h2 { "Tokens" }
            (choice("token_lifetime_choice", "How long a token lives", &policy.token, input))
            (text("token_lifetime_default", "Default lifetime", "Full hours, 1h to 24h.", policy.token.default.to_string()))
            (text("token_lifetime_max", "Maximum lifetime", "Full hours, 1h to 24h.", policy.token.max.to_string()))
            h2 { "Sessions" }
            (text("session_lifetime", "One has to sign in again after", "5m to 7d.", policy.session_lifetime.to_string()))
            (text("session_idle_max", "An unused session expires after", "5m to 7d.", policy.session_idle_max.to_string()))
            h2 { "Second factor" }
            (second_factor(policy, input))
            @if !view.without_second_factor.is_empty() { (without_second_factor(&view.without_second_factor)) }
            h2 { "SSH keys" }
            (form::group("ssh_key_types", "Accepted are keys of these types", input, &types(policy, input)))
            (text("ssh_rsa_bits_min", "RSA keys have at least so many bits", "2048 to 4096.", policy.ssh_rsa_bits_min.to_string()))
            (text("ssh_key_lifetime_max", "Maximum lifetime", "Like 365d, or never for no limit.", policy.ssh_key_lifetime_max.to_string()))
            (text("ssh_keys_max", "A user may have at most so many", "1 to 10000.", policy.ssh_keys_max.to_string()))
            div.actions { button.primary { "See what changes" } a.button href="/admin/policy" { "Cancel" } }
        }))
    };
    page(frame, Section::Policy, &input.title("Policy"), &content)
}

fn choice(name: &str, question: &str, rule: &LifetimeRule, input: &Input) -> Markup {
    let present = match rule.choice {
        Choice::Free => "true",
        Choice::Fixed => "false",
    };
    let answers = [
        ("true", "People may choose it"),
        ("false", "It is always the default below"),
    ];
    form::group(
        name,
        question,
        input,
        &form::radios(input, name, present, &answers),
    )
}

fn second_factor(policy: &Policy, input: &Input) -> Markup {
    let answers = [
        ("optional", "Optional: each user decides"),
        ("admins", "Required for admins"),
        ("everyone", "Required for everyone"),
    ];
    let present = policy.second_factor.as_str();
    // As such a field writes it.
    let from = policy.second_factor_from.map_or_else(String::new, |at| {
        at.to_string().trim_end_matches('Z').to_owned()
    });
    html! {
        (form::group("second_factor", "Second factor", input, &form::radios(input, "second_factor", present, &answers)))
        (Field::text("second_factor_from").label("Required from (UTC)").kind("datetime-local").default(&from).help("Empty: at once. A user without one sets it up at the next sign-in; confirmations need it from then on.").show(input))
    }
}

/// The users who would have to set one up.
fn without_second_factor(names: &[String]) -> Markup {
    const SHOWN_MAX: usize = 50;
    html! {
        details {
            summary { (names.len()) @if names.len() == 1 { " user has" } @else { " users have" } " no second factor" }
            ul { @for name in names.iter().take(SHOWN_MAX) { li { a href={ "/admin/users/" (name) } { (name) } } } }
            @if names.len() > SHOWN_MAX { p { "These are the first " (SHOWN_MAX) "." } }
        }
    }
}

fn types(policy: &Policy, input: &Input) -> Markup {
    let on = |name: &str| {
        if input.is_fresh() {
            policy.ssh_key_types.iter().any(|one| one == name)
        } else {
            input.has("ssh_key_types", name)
        }
    };
    html! { @for name in SSH_KEY_TYPES { (Tick { kind: "checkbox", name: "ssh_key_types", value: name, words: name, on: on(name) }.show()) } }
}

/// The answer to a form with changes: the changes, the credentials that exceed the new policy, and the button that
/// saves it (the same form with `confirm=yes`).
pub fn preview(frame: &Frame, view: &PolicyPreview) -> Markup {
    let changes = changes(&view.before, &view.after);
    let content = html! {
        h1 { "Save this policy?" }
        @if changes.is_empty() { p { "Nothing changes." } }
        ul { @for (what, before, after) in &changes { li { (what) ": " (before) " → " b { (after) } } } }
        h2 { "Credentials that exceed the new policy" }
        @if view.exceeding.is_empty() {
            p { "Nothing that exists exceeds it." }
        } @else {
            p { (view.exceeding_total) " in total. They stay as they are until they expire, or are edited or rotated." }
            table.list {
                thead { tr { th { "Name" } th { "Owner" } th { "Expires" } th { "Why" } } }
                tbody {
                    @for one in &view.exceeding {
                        tr {
                            th.name scope="row" { bdi { (one.name) } small { (one.kind) " · " (one.id) } }
                            td data-label="Owner" { bdi { (one.owner) } }
                            td.when data-label="Expires" { (end_in_line(one.expires_at, frame.now)) }
                            td data-label="Why" { (one.why) }
                        }
                    }
                }
            }
            @if view.exceeding_total > view.exceeding.len() { p { "These are the first " (view.exceeding.len()) "." } }
        }
        (post(frame, "/admin/policy", &html! {
            (hidden_fields(&view.fields))
            (hidden("confirm", "yes"))
            div.actions { button.primary { "Save policy" } a.button href="/admin/policy" { "Cancel" } }
        }))
    };
    page(frame, Section::Policy, "Save this policy?", &content)
}

/// The differences: name, before, after.
fn changes(before: &Policy, after: &Policy) -> Vec<(&'static str, String, String)> {
    let all = rules(before).into_iter().zip(rules(after));
    all.filter(|((_, was), (_, is))| was != is)
        .map(|((name, was), (_, is))| (name, was, is))
        .collect()
}

fn rules(policy: &Policy) -> Vec<(&'static str, String)> {
    let chosen = |rule: &LifetimeRule| match rule.choice {
        Choice::Free => "people choose".to_owned(),
        Choice::Fixed => "always the default".to_owned(),
    };
    let lifetimes = |list: &[Lifetime]| {
        list.iter()
            .map(|one| lifetime(*one))
            .collect::<Vec<_>>()
            .join(", ")
    };
    vec![
        ("How long an API key lives", chosen(&policy.api_key)),
        ("Offered for API keys", lifetimes(&policy.api_key_lifetimes)),
        ("Default for API keys", lifetime(policy.api_key.default)),
        ("Longest for API keys", lifetime(policy.api_key.max)),
        ("API keys a user", policy.api_keys_max.to_string()),
        ("How long a token lives", chosen(&policy.token)),
        ("Default for tokens", lifetime(policy.token.default)),
        ("Longest for tokens", lifetime(policy.token.max)),
        ("Sessions", lifetime(policy.session_lifetime)),
        ("Unused sessions", lifetime(policy.session_idle_max)),
        ("Second factor", policy.second_factor.as_str().to_owned()),
        (
            "Second factor from",
            policy
                .second_factor_from
                .map_or_else(|| "at once".to_owned(), |at| at.to_string()),
        ),
        ("Types of SSH key", policy.ssh_key_types.join(", ")),
        ("Smallest RSA key", policy.ssh_rsa_bits_min.to_string()),
        (
            "Longest for SSH keys",
            lifetime(policy.ssh_key_lifetime_max),
        ),
        ("SSH keys a user", policy.ssh_keys_max.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::second_factor::SecondFactorRule;

    #[test]
    fn every_rule_that_differs_is_named() {
        let before = Policy::default();
        assert!(changes(&before, &before).is_empty());
        let after = Policy {
            api_key: LifetimeRule {
                choice: Choice::Fixed,
                default: Lifetime::days(7),
                max: Lifetime::days(8),
            },
            api_key_lifetimes: vec![Lifetime::days(7)],
            token: LifetimeRule {
                choice: Choice::Fixed,
                default: Lifetime::hours(1),
                max: Lifetime::hours(2),
            },
            session_lifetime: Lifetime::days(1),
            session_idle_max: Lifetime::days(1),
            second_factor: SecondFactorRule::Everyone,
            second_factor_from: Some(Time::from_unix(1_000_000)),
            ssh_key_types: vec!["ssh-ed25519".into()],
            ssh_rsa_bits_min: 4_096,
            ssh_key_lifetime_max: Lifetime::days(365),
            api_keys_max: 1,
            ssh_keys_max: 1,
        };
        let changes = changes(&before, &after);
        assert_eq!(changes.len(), rules(&before).len());
        assert!(changes.contains(&("Longest for API keys", "no end".into(), "8 days".into())));
    }
}
