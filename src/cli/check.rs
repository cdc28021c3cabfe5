//! `keycroft check` and `keycroft migrate`.

use clap::Args;

use super::operator::Database;
use crate::app::{AppState, Condition, Finding};
use crate::clock::Clock;
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::{self, Cell, OutputArguments, Progress, write_stderr};

#[derive(Args)]
pub struct CheckArguments {
    #[command(flatten)]
    database: Database,
}

#[derive(Args)]
pub struct MigrateArguments {
    /// Migrate a copy and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: Database,
}

/// `keycroft check`.
pub fn check(arguments: &CheckArguments, format: &OutputArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let findings = Progress::during("checking", || AppState::examine(&path, &Clock::System));
    let rows: Vec<Vec<Cell>> = findings.iter().map(row).collect();
    if format.is_json() {
        let item = |one: &Finding| serde_json::json!({"state": state(one), "what": one.subject, "found": one.words});
        let items: Vec<serde_json::Value> = findings.iter().map(item).collect();
        format.print_value(&serde_json::json!({ "items": items }))?;
    } else {
        output::table(format, &["state", "what", "found"], &rows, "no findings")?;
    }
    let is_wrong = |finding: &&Finding| finding.condition == Condition::Wrong;
    match findings.iter().filter(is_wrong).count() {
        0 => Ok(()),
        1 => Err(Failure::new(FAILED, "the check found one problem")),
        wrong => Err(Failure::new(
            FAILED,
            format!("the check found {wrong} problems"),
        )),
    }
}

const fn state(finding: &Finding) -> &'static str {
    match finding.condition {
        Condition::Good => "ok",
        Condition::Look => "warn",
        Condition::Wrong => "BAD",
    }
}

fn row(finding: &Finding) -> Vec<Cell> {
    vec![
        state(finding).into(),
        finding.subject.to_owned().into(),
        finding.words.clone().into(),
    ]
}

/// `keycroft migrate`.
pub fn migrate(arguments: &MigrateArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let (from, to) = Progress::during("migrating a copy", || AppState::rehearse_migration(&path))
        .map_err(|error| Failure::new(FAILED, error.to_string()))?;
    if from == to {
        write_stderr(&format!(
            "{} has schema {to}: nothing to do",
            path.display()
        ));
    } else if arguments.dry_run {
        write_stderr(&format!(
            "a copy of {} can be migrated from schema {from} to {to}",
            path.display()
        ));
    } else {
        arguments.database.open()?.close();
        write_stderr(&format!(
            "migrated {} from schema {from} to {to}",
            path.display()
        ));
    }
    Ok(())
}
