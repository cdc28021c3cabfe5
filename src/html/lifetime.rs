//! Fields for an expiration, within policy.

use maud::{Markup, html};

use super::form::{Field, Input};
use super::when::{day, length, lifetime, utc};
use crate::model::policy::{LifetimeRule, Policy, PolicyChoice};
use crate::model::time::{Lifetime, Time};

/// The choice that opens the field for an exact time.
const CUSTOM: &str = "custom";
const YEAR: Lifetime = Lifetime::days(365);
const SHORTER: &str = "Shorter is more secure.";

/// The expiration of a new API key: a choice with dates, or a sentence if policy fixes it.
///
/// Sends `expires_in` (like `30d`, `never` or `custom`) and, for `custom`, `expires_at` (`2027-01-31T15:04`, in UTC).
pub(super) fn for_api_key(
    input: &Input,
    policy: &Policy,
    is_of_service: bool,
    now: Time,
) -> Markup {
    match policy.api_key.choice {
        PolicyChoice::Fixed => fixed(input, &policy.api_key, now),
        PolicyChoice::Free => {
            let mut offered = offered(policy);
            // A service has nobody to renew its key every month: a year as well, where policy permits it.
            if is_of_service && YEAR <= policy.api_key.max && !offered.contains(&YEAR) {
                offered.push(YEAR);
                offered.sort_unstable();
            }
            let mut options: Vec<(String, String)> =
                offered.into_iter().map(|one| option(one, now)).collect();
            options.push((CUSTOM.to_owned(), "Choose a date".to_owned()));
            choice(
                input,
                &options,
                &policy.api_key.default.to_string(),
                &policy.api_key,
                now,
            )
        }
    }
}

/// Another expiration for an API key. The default keeps it: an empty `expires_in`.
pub(super) fn for_renewal(
    input: &Input,
    policy: &Policy,
    present: Option<Time>,
    now: Time,
) -> Markup {
    let mut options = vec![stays(present)];
    match policy.api_key.choice {
        PolicyChoice::Fixed => options.push(option(policy.api_key.default, now)),
        PolicyChoice::Free => {
            options.extend(offered(policy).into_iter().map(|one| option(one, now)));
            options.push((CUSTOM.to_owned(), "Choose a date".to_owned()));
        }
    }
    choice(input, &options, "", &policy.api_key, now)
}

/// The expiration of a new SSH key: any time up to the maximum; sends the same two fields.
pub(super) fn for_ssh_key(input: &Input, max: Lifetime, now: Time) -> Markup {
    ssh_key_choice(input, max, Vec::new(), now)
}

/// Another expiration for an SSH key. The default keeps it.
pub(super) fn for_ssh_key_renewal(
    input: &Input,
    max: Lifetime,
    present: Option<Time>,
    now: Time,
) -> Markup {
    ssh_key_choice(input, max, vec![stays(present)], now)
}

fn ssh_key_choice(
    input: &Input,
    max: Lifetime,
    mut options: Vec<(String, String)>,
    now: Time,
) -> Markup {
    let usual = [
        Lifetime::Endless,
        Lifetime::days(365),
        Lifetime::days(180),
        Lifetime::days(90),
        Lifetime::days(30),
        Lifetime::days(7),
    ];
    let within: Vec<Lifetime> = usual.into_iter().filter(|one| *one <= max).collect();
    if !within.contains(&max) {
        options.push(option(max, now));
    }
    options.extend(within.into_iter().map(|one| option(one, now)));
    options.push((CUSTOM.to_owned(), "Choose a date".to_owned()));
    let default = options.first().map(|(value, _)| value.clone());
    let rule = LifetimeRule {
        choice: PolicyChoice::Free,
        default: max,
        max,
    };
    choice(input, &options, &default.unwrap_or_default(), &rule, now)
}

/// The choice that keeps the expiration.
fn stays(present: Option<Time>) -> (String, String) {
    let words = match present {
        Some(end) => format!("Keep: {}", utc(end)),
        None => "Keep: no expiration".to_owned(),
    };
    (String::new(), words)
}

/// The lifetime of a token in full hours, or the sentence. Sends `expires_in`.
pub(super) fn for_token(input: &Input, rule: &LifetimeRule, now: Time) -> Markup {
    let longest = match (rule.choice, rule.max) {
        (PolicyChoice::Fixed, _) => return fixed(input, rule, now),
        (PolicyChoice::Free, Lifetime::For(duration)) => (duration.as_secs() / 3_600).clamp(1, 24),
        (PolicyChoice::Free, Lifetime::Endless) => 24,
    };
    let options: Vec<(String, String)> = (1..=longest)
        .map(|hours| option_hours(Lifetime::hours(hours), now))
        .collect();
    Field::text("expires_in")
        .default(&rule.default.to_string())
        .help(SHORTER)
        .show_choice(input, &options)
}

/// The choices, which always include the default.
fn offered(policy: &Policy) -> Vec<Lifetime> {
    let mut offered: Vec<Lifetime> = policy.offered().collect();
    if !offered.contains(&policy.api_key.default) {
        offered.push(policy.api_key.default);
    }
    offered.sort_unstable();
    offered
}

fn option(life: Lifetime, now: Time) -> (String, String) {
    let words = match life.end(now) {
        Some(end) => format!("{} ({})", lifetime(life), day(end)),
        None => "No expiration".to_owned(),
    };
    (life.to_string(), words)
}

fn option_hours(life: Lifetime, now: Time) -> (String, String) {
    let until = life.end(now).map(utc).unwrap_or_default();
    (
        life.to_string(),
        format!("{} (until {until})", lifetime(life)),
    )
}

fn fixed(input: &Input, rule: &LifetimeRule, now: Time) -> Markup {
    html! {
        @if let Some(error) = input.error("expires_in").or(input.error("expires_at")) { p.error { "Error: " (error) } }
        p #expires_in {
            @match rule.default {
                Lifetime::For(duration) => { "Expires after " (length(duration)) " (set by policy)" }
                Lifetime::Endless => { "Never expires (set by policy)" }
            }
            @if let Some(end) = rule.default.end(now) { ": " (utc(end)) }
            "."
        }
    }
}

fn choice(
    input: &Input,
    options: &[(String, String)],
    default: &str,
    rule: &LifetimeRule,
    now: Time,
) -> Markup {
    let help = match rule.max {
        Lifetime::For(most) => format!("{SHORTER} Policy allows up to {}.", length(most)),
        Lifetime::Endless if options.iter().any(|(value, _)| value == "never") => {
            format!(
                "{SHORTER} Without an expiration, a lost secret stays valid until it is deleted."
            )
        }
        Lifetime::Endless => SHORTER.to_owned(),
    };
    let mut options = options.to_vec();
    // A link can propose another lifetime.
    let sent = input.value("expires_in").unwrap_or_default();
    let is_shown = options.iter().any(|(value, _)| value == sent);
    if let (Ok(life), false) = (Lifetime::parse(sent), is_shown)
        && life <= rule.max
    {
        options.insert(0, (sent.to_owned(), option(life, now).1));
    }
    let options = options.as_slice();
    let field = Field::text("expires_in").default(default).help(&help);
    html! {
        (field.show_choice(input, options))
        @if options.iter().any(|(value, _)| value == CUSTOM) {
            div.custom { (Field::text("expires_at").kind("datetime-local").help("In UTC.").show(input)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_795_359_240);

    #[test]
    fn only_lifetimes_within_policy_are_offered() {
        let mut policy = Policy::default();
        policy.api_key.max = Lifetime::days(60);
        let markup = for_api_key(&Input::default(), &policy, false, NOW).into_string();
        assert!(
            markup.contains("<option value=\"30d\" selected>30 days ("),
            "{markup}"
        );
        assert!(
            markup.contains("60 days (") && !markup.contains("90d") && !markup.contains("never")
        );
        assert!(markup.contains("Shorter is more secure. Policy allows up to 60 days."));
        assert!(
            for_api_key(&Input::default(), &Policy::default(), false, NOW)
                .into_string()
                .contains("No expiration")
        );
    }

    #[test]
    fn fixed_lifetime_is_shown_as_a_sentence_without_a_field() {
        let mut policy = Policy::default();
        policy.api_key.choice = PolicyChoice::Fixed;
        policy.token.choice = PolicyChoice::Fixed;
        let markup = for_api_key(&Input::default(), &policy, false, NOW).into_string();
        assert!(
            markup.contains("Expires after 30 days (set by policy)"),
            "{markup}"
        );
        assert!(!markup.contains("<select"));
        assert!(
            for_token(&Input::default(), &policy.token, NOW)
                .into_string()
                .contains("Expires after 24 hours")
        );
    }

    #[test]
    fn token_lifetimes_are_offered_up_to_the_policys_limit() {
        let mut rule = Policy::default().token;
        rule.max = Lifetime::hours(3);
        rule.default = Lifetime::hours(2);
        let markup = for_token(&Input::default(), &rule, NOW).into_string();
        assert_eq!(markup.matches("<option").count(), 3);
        assert!(markup.contains("value=\"2h\" selected"));
    }
}
