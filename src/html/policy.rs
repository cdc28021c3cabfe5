//! The organization's policy, and the credentials that exceed a new one before it is saved.

use maud::{Markup, html};

use super::form::{Field, Input, hidden, post, summary};
use super::layout::{Frame, Section, page};
use super::when::{counted, end_in_line, lifetime};
use crate::model::policy::{LifetimeRule, Policy, PolicyChoice, SSH_KEY_TYPES};
use crate::model::time::{Lifetime, Time, short};

/// The form of the policy.
#[derive(Debug, Clone)]
pub struct PolicyForm {
    pub policy: Policy,
    /// The version of the saved policy, so that a concurrent change is not overwritten.
    pub version: String,
    /// The number of users without a second factor.
    pub without_second_factor: usize,
    /// The effect of saving the form, once it is known.
    pub preview: Option<PolicyPreview>,
    pub input: Input,
}

/// A credential that the new policy would not permit to create.
#[derive(Debug, Clone)]
pub struct Exceeding {
    /// `API key`, `token`, `session`, `SSH key`.
    pub kind: &'static str,
    pub owner: String,
    pub name: String,
    /// Its page, or that of its owner.
    pub path: String,
    pub expires_at: Option<Time>,
    /// The rule that it exceeds, as a sentence.
    pub why: String,
}

/// The effect of a policy change.
#[derive(Debug, Clone)]
pub struct PolicyPreview {
    pub before: Policy,
    pub exceeding: Vec<Exceeding>,
    /// The number of all that exceed it, if `exceeding` does not list all of them.
    pub exceeding_total: usize,
    /// Sent as `confirm`: the policy whose effect is shown may be saved.
    pub confirm: String,
}

/// The suffix of the field with the unit of a duration.
pub const UNIT: &str = "_unit";
/// The unit of a duration without end.
pub const ENDLESS: &str = "never";
/// Lifetimes that the form always offers.
const OFFERED: [Lifetime; 6] = [
    Lifetime::days(7),
    Lifetime::days(30),
    Lifetime::days(60),
    Lifetime::days(90),
    Lifetime::days(365),
    Lifetime::Endless,
];
const UNITS: [(&str, &str); 4] = [
    ("s", "seconds"),
    ("m", "minutes"),
    ("h", "hours"),
    ("d", "days"),
];

/// `/admin/policy`. Sends `version` and the fields of `PATCH /api/v1/policy`: choices as `true` or `false`, durations as
/// a number and a unit in a second field, `api_key_lifetimes` and `ssh_key_types` as checkboxes; and `save`, or
/// `preview`, or `confirm` of a preview.
pub fn form(frame: &Frame, view: &PolicyForm) -> Markup {
    let content = html! {
        h1 { "Policy" }
        p.lead { "Applies when a credential is created, edited, renewed or rotated. Existing credentials stay valid." }
        (summary(&view.input))
        (post(frame, "/admin/policy", &html! {
            (hidden("version", &view.version))
            @if let Some(preview) = &view.preview { (hidden("confirm", &preview.confirm)) }
            (api_keys(view))
            (tokens_and_sessions(view))
            (ssh_keys(view))
            (second_factor(view))
            @if let Some(preview) = &view.preview { (effect(frame, preview)) }
            div.dock.actions {
                button.primary name="save" value="yes" { "Save policy" }
                button name="preview" value="yes" { "Preview" }
                @if let Some(preview) = &view.preview { span.muted { (change(&preview.before, &view.policy)) } }
            }
        }))
    };
    page(
        frame,
        Section::Policy,
        &view.input.title("Policy"),
        &content,
    )
}

/// A row of the form: the name of a rule, and its controls.
struct Setting<'a> {
    name: &'a str,
    label: &'a str,
    hint: &'a str,
    input: &'a Input,
}

impl Setting<'_> {
    fn described_by(&self) -> Option<String> {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-help", self.name));
        let error = self.input.error(self.name);
        let error = error.map(|_| format!("{}-error", self.name));
        let all: Vec<String> = hint.into_iter().chain(error).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    /// Around controls of which the first has the id `name`.
    fn row(&self, controls: &Markup) -> Markup {
        html! {
            div.columns.setting {
                div { label for=(self.name) { (self.label) } (self.notes()) }
                div.actions { (controls) }
            }
        }
    }

    /// Around several checkboxes.
    fn group(&self, boxes: &Markup) -> Markup {
        html! {
            div.columns.setting {
                div { span { (self.label) } (self.notes()) }
                div.actions #(self.name) role="group" aria-label=(self.label) aria-describedby=[self.described_by()] { (boxes) }
            }
        }
    }

    fn notes(&self) -> Markup {
        html! {
            @if let Some(error) = self.input.error(self.name) { p.error id={ (self.name) "-error" } { "Error: " (error) } }
            @if !self.hint.is_empty() { p.hint id={ (self.name) "-help" } { (self.hint) } }
        }
    }

    fn choice(&self, present: &str, options: &[(String, String)]) -> Markup {
        let chosen = self.input.value(self.name).unwrap_or(present);
        self.row(&html! {
            select id=(self.name) name=(self.name) aria-describedby=[self.described_by()] aria-invalid=[self.invalid()] {
                @for (value, words) in options { option value=(value) selected[value == chosen] { (words) } }
            }
        })
    }

    fn number(&self, present: u32, max: u32) -> Markup {
        let present = present.to_string();
        self.row(&html! {
            input type="number" id=(self.name) name=(self.name) value=(self.input.value(self.name).unwrap_or(&present)) min="1" max=(max)
                required aria-describedby=[self.described_by()] aria-invalid=[self.invalid()];
        })
    }

    /// A number and its unit: one of `units`, or "no limit" if `endless` has words for it.
    fn duration(&self, present: Lifetime, units: &str, endless: Option<&str>) -> Markup {
        let text = match present {
            Lifetime::For(duration) => short(duration),
            Lifetime::Endless => String::new(),
        };
        let number = text.trim_end_matches(char::is_alphabetic);
        let unit = match text.chars().last() {
            Some(unit) => unit.to_string(),
            None => ENDLESS.to_owned(),
        };
        let unit_name = format!("{}{UNIT}", self.name);
        let number = self.input.value(self.name).unwrap_or(number);
        let unit = self.input.value(&unit_name).unwrap_or(&unit);
        let shown = UNITS
            .into_iter()
            .filter(|(value, _)| units.contains(value) || *value == unit);
        let shown = shown.chain(endless.map(|words| (ENDLESS, words)));
        self.row(&html! {
            input type="number" id=(self.name) name=(self.name) value=[Some(number).filter(|number| !number.is_empty())] min="1" max="36500"
                aria-describedby=[self.described_by()] aria-invalid=[self.invalid()];
            select name=(unit_name) aria-label={ (self.label) ", unit" } {
                @for (value, words) in shown { option value=(value) selected[value == unit] { (words) } }
            }
        })
    }

    fn invalid(&self) -> Option<&'static str> {
        self.input.error(self.name).map(|_| "true")
    }
}

fn setting<'a>(view: &'a PolicyForm, name: &'a str, label: &'a str, hint: &'a str) -> Setting<'a> {
    Setting {
        name,
        label,
        hint,
        input: &view.input,
    }
}

/// A checkbox of several with one name.
fn checkbox(view: &PolicyForm, name: &str, value: &str, words: &str, present: bool) -> Markup {
    let on = if view.input.is_fresh() {
        present
    } else {
        view.input.has(name, value)
    };
    html! { label.choice { input type="checkbox" name=(name) value=(value) checked[on]; (words) } }
}

fn who_chooses(rule: &LifetimeRule) -> &'static str {
    match rule.choice {
        PolicyChoice::Free => "true",
        PolicyChoice::Fixed => "false",
    }
}

fn pairs(options: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(value, words): &(&str, &str)| ((*value).to_owned(), (*words).to_owned());
    options.iter().map(owned).collect()
}

const CHOOSERS: [(&str, &str); 2] = [("true", "Users choose"), ("false", "Always the default")];

fn api_keys(view: &PolicyForm) -> Markup {
    let policy = &view.policy;
    let rule = |name, label, hint| setting(view, name, label, hint);
    let mut offered = OFFERED.to_vec();
    offered.extend(&policy.api_key_lifetimes);
    offered.sort_unstable();
    offered.dedup();
    let boxes = html! {
        @for one in &offered {
            (checkbox(view, "api_key_lifetimes", &one.to_string(), &capital(&lifetime(*one)), policy.api_key_lifetimes.contains(one)))
        }
    };
    html! {
        section {
            h2 { "API keys" }
            (rule("api_key_lifetime_choice", "Lifetime", "").choice(who_chooses(&policy.api_key), &pairs(&CHOOSERS)))
            (rule("api_key_lifetimes", "Offered lifetimes", "Lifetimes above the maximum are not offered.").group(&boxes))
            (rule("api_key_lifetime_default", "Default lifetime", "").duration(policy.api_key.default, "hd", Some("no expiration")))
            (rule("api_key_lifetime_max", "Maximum lifetime", "").duration(policy.api_key.max, "hd", Some("no limit")))
            (rule("api_keys_max", "Limit per user", "1 to 100,000").number(policy.api_keys_max, 100_000))
        }
    }
}

fn tokens_and_sessions(view: &PolicyForm) -> Markup {
    let policy = &view.policy;
    let rule = |name, label, hint| setting(view, name, label, hint);
    html! {
        section {
            h2 { "Tokens" }
            (rule("token_lifetime_choice", "Lifetime", "").choice(who_chooses(&policy.token), &pairs(&CHOOSERS)))
            (rule("token_lifetime_default", "Default lifetime", "1 to 24 hours").duration(policy.token.default, "h", None))
            (rule("token_lifetime_max", "Maximum lifetime", "1 to 24 hours").duration(policy.token.max, "h", None))
        }
        section {
            h2 { "Sessions" }
            (rule("session_lifetime", "Session lifetime", "5 minutes to 7 days").duration(policy.session_lifetime, "mhd", None))
            (rule("session_idle_max", "Idle timeout", "5 minutes to 7 days. Unused sessions expire after this time.").duration(policy.session_idle_max, "mhd", None))
        }
    }
}

fn ssh_keys(view: &PolicyForm) -> Markup {
    let policy = &view.policy;
    let rule = |name, label, hint| setting(view, name, label, hint);
    let boxes = html! {
        @for name in SSH_KEY_TYPES {
            (checkbox(view, "ssh_key_types", name, type_label(name), policy.ssh_key_types.iter().any(|one| one == name)))
        }
    };
    let mut sizes = vec![2_048, 3_072, 4_096, policy.ssh_rsa_bits_min];
    sizes.sort_unstable();
    sizes.dedup();
    let sizes: Vec<(String, String)> = sizes
        .iter()
        .map(|bits| (bits.to_string(), format!("{bits} bits")))
        .collect();
    html! {
        section {
            h2 { "SSH keys" }
            (rule("ssh_key_types", "Accepted key types", "").group(&boxes))
            (rule("ssh_rsa_bits_min", "Minimum RSA size", "").choice(&policy.ssh_rsa_bits_min.to_string(), &sizes))
            (rule("ssh_key_lifetime_max", "Maximum lifetime", "").duration(policy.ssh_key_lifetime_max, "hd", Some("no limit")))
            (rule("ssh_keys_max", "Limit per user", "1 to 10,000").number(policy.ssh_keys_max, 10_000))
        }
    }
}

/// The name of a type of SSH key in the form.
fn type_label(name: &str) -> &str {
    match name {
        "ssh-ed25519" => "Ed25519",
        "ecdsa-sha2-nistp256" => "ECDSA P-256",
        "ecdsa-sha2-nistp384" => "ECDSA P-384",
        "ecdsa-sha2-nistp521" => "ECDSA P-521",
        "ssh-rsa" => "RSA",
        "sk-ssh-ed25519@openssh.com" => "Security key, Ed25519",
        "sk-ecdsa-sha2-nistp256@openssh.com" => "Security key, ECDSA",
        other => other,
    }
}

fn second_factor(view: &PolicyForm) -> Markup {
    let (policy, input) = (&view.policy, &view.input);
    let answers = [
        ("optional", "Nobody"),
        ("admins", "Admins"),
        ("everyone", "Everyone"),
    ];
    // As such a field writes it.
    let from = policy.second_factor_from.map_or_else(String::new, |at| {
        at.to_string().trim_end_matches('Z').to_owned()
    });
    let hint = "Empty: at once. Users without one set it up at the next sign-in.";
    html! {
        section {
            h2 { "Second factor" }
            (setting(view, "second_factor", "Required for", "").choice(policy.second_factor.as_str(), &pairs(&answers)))
            div.columns.setting {
                div { label for="second_factor_from" { "Enforced from (UTC)" } }
                (Field::text("second_factor_from").label("").kind("datetime-local").default(&from).help(hint).show(input))
            }
            @if view.without_second_factor > 0 {
                p.hint { a href="/admin/users?status=no-second-factor" { (view.without_second_factor) @if view.without_second_factor == 1 { " user has" } @else { " users have" } " no second factor" } }
            }
        }
    }
}

/// The credentials that exceed the policy in the form.
fn effect(frame: &Frame, preview: &PolicyPreview) -> Markup {
    if preview.exceeding.is_empty() {
        return html! { p.notice.ok tabindex="-1" autofocus { "No credential exceeds this policy." } };
    }
    let count = counted(preview.exceeding_total, "credential");
    let rest = preview.exceeding_total - preview.exceeding.len();
    html! {
        section.notice.warn.rows aria-labelledby="exceeding" {
            h2 #exceeding tabindex="-1" autofocus { (count) @if preview.exceeding_total == 1 { " exceeds" } @else { " exceed" } " this policy" }
            p { "They stay valid until they expire. Editing, renewing or rotating them applies the new policy." }
            table.list {
                thead { tr { th.name scope="col" { "Name" } th scope="col" { "Owner" } th scope="col" { "Expires" } th.low scope="col" { "Reason" } } }
                tbody {
                    @for one in &preview.exceeding {
                        tr {
                            th.name scope="row" { a href=(one.path) { bdi { (one.name) } } small { (one.kind) } }
                            td.when { bdi { (one.owner) } }
                            td.when data-label="Expires" { (end_in_line(one.expires_at, frame.now)) }
                            td.low { (one.why) }
                        }
                    }
                }
            }
            @if rest > 0 { p { "And " (rest) " more: see the " a href="/admin/inventory" { "inventory" } "." } }
        }
    }
}

/// `1 change: maximum API key lifetime 90 days to 60 days`. Of more than three changes, the names alone.
fn change(before: &Policy, after: &Policy) -> String {
    let changes = changes(before, after);
    let one = |(name, was, is): &(&'static str, String, String)| match changes.len() {
        1..=3 => format!("{name} {was} to {is}"),
        _ => (*name).to_owned(),
    };
    let all: Vec<String> = changes.iter().map(one).collect();
    match i64::try_from(all.len()).unwrap_or(i64::MAX) {
        0 => "No changes".to_owned(),
        count => format!("{}: {}", counted(count, "change"), all.join(", ")),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
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
        PolicyChoice::Free => "users choose".to_owned(),
        PolicyChoice::Fixed => "always the default".to_owned(),
    };
    let lifetimes = |list: &[Lifetime]| {
        list.iter()
            .map(|one| lifetime(*one))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let max = |life: Lifetime| match life {
        Lifetime::Endless => "no limit".to_owned(),
        Lifetime::For(_) => lifetime(life),
    };
    vec![
        ("API key lifetime", chosen(&policy.api_key)),
        (
            "offered API key lifetimes",
            lifetimes(&policy.api_key_lifetimes),
        ),
        ("default API key lifetime", lifetime(policy.api_key.default)),
        ("maximum API key lifetime", max(policy.api_key.max)),
        ("API keys per user", policy.api_keys_max.to_string()),
        ("token lifetime", chosen(&policy.token)),
        ("default token lifetime", lifetime(policy.token.default)),
        ("maximum token lifetime", lifetime(policy.token.max)),
        ("session lifetime", lifetime(policy.session_lifetime)),
        ("idle timeout", lifetime(policy.session_idle_max)),
        ("second factor", policy.second_factor.as_str().to_owned()),
        (
            "second factor enforced from",
            policy
                .second_factor_from
                .map_or_else(|| "at once".to_owned(), |at| at.to_string()),
        ),
        ("accepted SSH key types", policy.ssh_key_types.join(", ")),
        ("minimum RSA size", policy.ssh_rsa_bits_min.to_string()),
        ("maximum SSH key lifetime", max(policy.ssh_key_lifetime_max)),
        ("SSH keys per user", policy.ssh_keys_max.to_string()),
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
                choice: PolicyChoice::Fixed,
                default: Lifetime::days(7),
                max: Lifetime::days(8),
            },
            api_key_lifetimes: vec![Lifetime::days(7)],
            token: LifetimeRule {
                choice: PolicyChoice::Fixed,
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
        assert!(changes.contains(&(
            "maximum API key lifetime",
            "no limit".into(),
            "8 days".into()
        )));
    }
}
