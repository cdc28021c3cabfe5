//! `keycroft config show`: settings and their source.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::client::config::ConfigFolder;
use crate::client::connection::{CA_FILE, Remote, SettingSource};
use crate::terminal::environment::variable;
use crate::terminal::exit::{Failure, SIGN_IN_NEEDED};
use crate::terminal::output;

#[derive(Args)]
pub struct ConfigArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Show settings and their source, without contacting a server
    Show,
}

/// A name, a value and a source.
struct EffectiveSetting(&'static str, Option<String>, String);

/// `keycroft config`.
pub fn run_config(arguments: &ConfigArguments) -> Result<(), Failure> {
    let ConfigCommand::Show = arguments.command;
    let remote = &arguments.remote;
    let settings = settings(remote)?;
    if remote.format.is_json() {
        let members: Map<String, Value> = settings
            .iter()
            .map(|EffectiveSetting(name, value, source)| {
                (
                    (*name).to_owned(),
                    json!({"value": value, "source": source}),
                )
            })
            .collect();
        return remote.format.print_value(&members);
    }
    let rows: Vec<_> = settings
        .into_iter()
        .map(|EffectiveSetting(name, value, source)| {
            vec![name.into(), value.unwrap_or_default().into(), source.into()]
        })
        .collect();
    output::table(
        &remote.format,
        &["setting", "value", "source"],
        &rows,
        "no settings",
    )
}

fn settings(remote: &Remote) -> Result<Vec<EffectiveSetting>, Failure> {
    const DEFAULT: &str = "default";
    let home = match variable("XDG_CONFIG_HOME") {
        Some(_) => "XDG_CONFIG_HOME",
        None => "HOME",
    };
    let folder = ConfigFolder::find().map(|folder| folder.path().display().to_string());
    let mut settings = vec![EffectiveSetting("folder", folder, home.to_owned())];
    let connection = match remote.connection() {
        Ok(connection) => connection,
        // Settings without a server are shown, too.
        Err(failure) if failure.code == SIGN_IN_NEEDED => {
            settings.push(EffectiveSetting("server", None, DEFAULT.to_owned()));
            return Ok(settings);
        }
        Err(failure) => return Err(failure),
    };
    let server_source = connection.server_source.to_string();
    let in_context = match &connection.context {
        Some(name) => SettingSource::Context(name.clone()).to_string(),
        None => DEFAULT.to_owned(),
    };
    let ca_source = match () {
        () if connection.ca_file.is_none() => "default: the system's".to_owned(),
        () if remote.ca_file.is_some() => SettingSource::Flag("--ca-file").to_string(),
        () if variable(CA_FILE).is_some() => SettingSource::Variable(CA_FILE).to_string(),
        () => in_context.clone(),
    };
    let insecure_source = match () {
        () if remote.insecure_http => SettingSource::Flag("--insecure-http").to_string(),
        () if connection.insecure_http => in_context,
        () => DEFAULT.to_owned(),
    };
    let credential = connection.credential.as_ref();
    settings.extend([
        EffectiveSetting(
            "server",
            Some(connection.server.as_str().to_owned()),
            server_source.clone(),
        ),
        EffectiveSetting("context", connection.context.clone(), server_source),
        EffectiveSetting(
            "credential",
            credential.map(crate::client::connection::ClientCredential::hint),
            credential.map_or_else(|| DEFAULT.to_owned(), |one| one.source.to_string()),
        ),
        EffectiveSetting(
            "ca_file",
            connection.ca_file.map(|path| path.display().to_string()),
            ca_source,
        ),
        EffectiveSetting(
            "insecure_http",
            Some(connection.insecure_http.to_string()),
            insecure_source,
        ),
    ]);
    Ok(settings)
}
