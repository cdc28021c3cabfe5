//! The explanation why a credential is accepted or rejected.

use clap::Args;

use super::client::Client;
use super::lookup::find_id;
use crate::model::text::percent_encode;
use crate::terminal::exit::Failure;
use crate::terminal::output::{self, Cell, write_stderr};
use crate::wire::ExplanationOut;

/// The owner of API keys or tokens.
#[derive(Args, Clone, Debug, Default)]
pub struct KeyOwner {
    /// Owner, if not you (admin)
    #[arg(long, value_name = "USERNAME")]
    pub user: Option<String>,
}

impl KeyOwner {
    /// The path of the list.
    pub fn path(&self, noun: &str) -> String {
        match &self.user {
            Some(user) => format!("/api/v1/users/{}/{noun}", percent_encode(user)),
            None => format!("/api/v1/{noun}"),
        }
    }
}

/// The request to explain.
#[derive(Args)]
pub struct Question {
    /// Client address of the request [default: not checked]
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Permission that the request requires [default: not checked]
    #[arg(long, value_name = "PERMISSION")]
    permission: Option<String>,
}

/// Prints the chain of checks.
pub fn explain(
    client: &Client,
    path: &str,
    what: &str,
    given: &str,
    question: &Question,
) -> Result<(), Failure> {
    // Deleted ones are not in the list; their ids still explain.
    let id = match find_id(client, path, what, given) {
        Ok(id) => id,
        Err(failure)
            if failure.code == crate::terminal::exit::NOT_FOUND
                && crate::model::secret::Id::parse(given).is_some() =>
        {
            given.to_owned()
        }
        Err(failure) => return Err(failure),
    };
    let mut query = Vec::new();
    for (name, value) in [
        ("address", &question.address),
        ("permission", &question.permission),
    ] {
        if let Some(value) = value {
            query.push(format!("{name}={}", percent_encode(value)));
        }
    }
    let answer = client.get(&format!("{path}/{id}/explain?{}", query.join("&")))?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let explained: ExplanationOut = answer.parse()?;
    let word = |passed| match passed {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not checked",
    };
    let rows: Vec<Vec<Cell>> = explained
        .checks
        .iter()
        .map(|check| {
            vec![
                check.check.as_str().into(),
                word(check.passed).into(),
                check.message.as_str().into(),
            ]
        })
        .collect();
    output::table(
        client.format(),
        &["check", "holds", "why"],
        &rows,
        "no checks",
    )?;
    write_stderr(&explained.summary);
    Ok(())
}
