//! `keycroft policy` and `keycroft sweep`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::client::Client;
use super::target::TargetArguments;
use crate::terminal::exit::{Failure, INVALID, USAGE};
use crate::terminal::output::{self, Cell, Progress, write_stderr};
use crate::wire::{ExceedingOut, NothingIn, PolicyPatch, PolicyPreviewOut, SweptOut};

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct PolicyArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Show the policy
    Show,
    /// Change the policy
    Set {
        /// Setting, as named by `keycroft policy show`. Lists: separated by commas; lifetimes: 30d, 12h or never; times: 2026-12-01T00:00:00Z or now
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
        /// Change nothing; list the credentials that exceed the new policy
        #[arg(long)]
        dry_run: bool,
    },
}

/// The form of a value.
#[derive(Clone, Copy)]
enum Form {
    YesNo,
    Number,
    Words,
    Word,
    /// A time, or `now` for `null`.
    Time,
}

/// Every setting, in the order of the API.
const RULES: [(&str, Form); 16] = [
    ("api_key_lifetime_choice", Form::YesNo),
    ("api_key_lifetimes", Form::Words),
    ("api_key_lifetime_default", Form::Word),
    ("api_key_lifetime_max", Form::Word),
    ("token_lifetime_choice", Form::YesNo),
    ("token_lifetime_default", Form::Word),
    ("token_lifetime_max", Form::Word),
    ("session_lifetime", Form::Word),
    ("session_idle_max", Form::Word),
    ("second_factor", Form::Word),
    ("second_factor_from", Form::Time),
    ("ssh_key_types", Form::Words),
    ("ssh_rsa_bits_min", Form::Number),
    ("ssh_key_lifetime_max", Form::Word),
    ("api_keys_max", Form::Number),
    ("ssh_keys_max", Form::Number),
];

/// `keycroft policy`.
pub fn run_policy(arguments: PolicyArguments) -> Result<(), Failure> {
    match arguments.command {
        PolicyCommand::Show => {
            let client = arguments.place.client()?;
            let text = client.get("/api/v1/policy")?.text;
            if client.format().is_json() {
                client.format().print_json(&text)
            } else {
                print(&client, &text)
            }
        }
        PolicyCommand::Set { changes, dry_run } => {
            let patch = read(&changes)?;
            let client = arguments.place.client()?;
            if dry_run {
                return preview(&client, &patch);
            }
            let text = client.patch("/api/v1/policy", &patch)?.text;
            if client.format().is_json() {
                return client.format().print_json(&text);
            }
            write_stderr(&format!(
                "changed the policy {}; existing credentials stay unchanged",
                client.place()
            ));
            Ok(())
        }
    }
}

fn preview(client: &Client, patch: &PolicyPatch) -> Result<(), Failure> {
    let answer = client.post("/api/v1/policy/preview", patch)?;
    let preview: PolicyPreviewOut = answer.parse()?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let row = |one: &ExceedingOut| -> Vec<Cell> {
        vec![
            one.kind.clone().into(),
            one.id.clone().into(),
            one.name.clone().into(),
            one.owner.clone().into(),
            one.expires_at
                .clone()
                .unwrap_or_else(|| "never".to_owned())
                .into(),
            one.why.clone().into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = preview.exceeding.iter().map(row).collect();
    output::table(
        client.format(),
        &["kind", "id", "name", "owner", "expires", "why"],
        &rows,
        "no credential exceeds this policy",
    )?;
    write_stderr(&format!(
        "{} credentials exceed the new policy and would stay valid; nothing was changed",
        preview.exceeding_total
    ));
    Ok(())
}

fn read(changes: &[String]) -> Result<PolicyPatch, Failure> {
    let mut patch = Map::new();
    for change in changes {
        let (key, value) = change
            .split_once('=')
            .ok_or_else(|| Failure::new(USAGE, format!("{change:?} is not KEY=VALUE")))?;
        let Some((_, form)) = RULES.iter().find(|(name, _)| *name == key) else {
            let names: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
            return Err(
                Failure::new(USAGE, format!("unknown policy setting: {key:?}"))
                    .hint(format!("one of {}", names.join(", "))),
            );
        };
        let bad = |wanted: &str| Failure::new(INVALID, format!("{key}: expected {wanted}"));
        let value = match form {
            Form::YesNo => Value::Bool(value.parse().map_err(|_| bad("true or false"))?),
            Form::Number => Value::from(value.parse::<u32>().map_err(|_| bad("a number"))?),
            Form::Words => value
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .map(Value::from)
                .collect(),
            Form::Time if value == "now" => Value::Null,
            Form::Word | Form::Time => Value::from(value),
        };
        if patch.insert(key.to_owned(), value).is_some() {
            return Err(Failure::new(USAGE, format!("{key} is given twice")));
        }
    }
    serde_json::from_value(Value::Object(patch))
        .map_err(|error| Failure::new(INVALID, error.to_string()))
}

/// Prints settings in the form of `policy set`.
fn print(client: &Client, text: &str) -> Result<(), Failure> {
    let policy: Map<String, Value> = serde_json::from_str(text).map_err(|_| {
        Failure::new(
            crate::terminal::exit::FAILED,
            "unexpected answer: the server has another version than this program",
        )
    })?;
    let shown = |value: &Value| match value {
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(","),
        Value::String(text) => text.clone(),
        Value::Null => "now".to_owned(),
        other => other.to_string(),
    };
    let rows: Vec<(&str, Cell)> = RULES
        .iter()
        .filter_map(|(name, _)| Some((*name, shown(policy.get(*name)?).into())))
        .collect();
    output::record(client.format(), &rows)
}

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct SweepArguments {
    #[command(flatten)]
    place: TargetArguments,
}

/// `keycroft sweep`.
pub fn sweep(arguments: &SweepArguments) -> Result<(), Failure> {
    let client = arguments.place.client()?;
    let sweep = || client.post("/api/v1/sweep", &NothingIn {});
    let answer = Progress::during("sweeping", sweep)?;
    let swept: SweptOut = answer.parse()?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let count = |count: usize| Cell::from(count.to_string());
    output::record(
        client.format(),
        &[
            ("api_keys", count(swept.api_keys)),
            ("tokens", count(swept.tokens)),
            ("sessions", count(swept.sessions)),
            ("codes", count(swept.codes)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::Policy;
    use crate::wire::PolicyOut;

    #[test]
    fn every_setting_can_be_set() {
        let shown = serde_json::to_value(PolicyOut::new(&Policy::default())).unwrap();
        let names: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
        let mut known: Vec<&String> = shown.as_object().unwrap().keys().collect();
        known.sort();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(known, sorted);
        let changes = [
            "api_key_lifetimes=7d, 30d",
            "token_lifetime_choice=false",
            "api_keys_max=5",
            "session_lifetime=1d",
        ]
        .map(str::to_owned);
        let patch = read(&changes).unwrap();
        assert_eq!(
            (
                patch.api_key_lifetimes,
                patch.token_lifetime_choice,
                patch.api_keys_max,
                patch.session_lifetime.as_deref()
            ),
            (
                Some(vec!["7d".into(), "30d".into()]),
                Some(false),
                Some(5),
                Some("1d")
            )
        );
        for bad in [
            "x",
            "x=1",
            "api_keys_max=many",
            "token_lifetime_choice=perhaps",
        ] {
            assert!(read(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
