//! `keycroft group` and `keycroft service`, for admins.

use clap::{Args, Subcommand};

use super::client::{Client, encode};
use super::connection::Remote;
use super::exit::{Failure, NOT_FOUND, USAGE};
use super::output::{self, Cell, say};
use super::prompt::confirm;
use crate::wire::{GroupIn, GroupOut, ServiceIn, ServiceOut, ServicePatch};

#[derive(Args)]
pub struct GroupArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Subcommand)]
enum GroupCommand {
    /// List groups and who is in them
    List,
    /// Add a group
    Add { name: String },
    /// Delete a group
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Put users into a group
    AddMember {
        name: String,
        #[arg(required = true, value_name = "USERNAME")]
        usernames: Vec<String>,
    },
    /// Take users out of a group
    RemoveMember {
        name: String,
        #[arg(required = true, value_name = "USERNAME")]
        usernames: Vec<String>,
    },
}

/// `keycroft group`.
///
/// # Errors
/// With what to say and the exit code.
pub fn group(arguments: GroupArguments) -> Result<(), Failure> {
    const PATH: &str = "/api/v1/groups";
    let client = arguments.remote.client()?;
    match arguments.command {
        GroupCommand::List => {
            let listed = client.list(PATH)?;
            if client.connection.json {
                return output::line(&listed.json());
            }
            let row = |group: &GroupOut| -> Vec<Cell> {
                vec![
                    group.name.as_str().into(),
                    Cell::time(Some(&group.created_at), "-", client.now()),
                    Cell::words(&group.members),
                ]
            };
            let rows: Vec<Vec<Cell>> = listed.parse::<GroupOut>()?.iter().map(row).collect();
            output::table(&["name", "created", "members"], &rows)
        }
        GroupCommand::Add { name } => {
            let answer = client.post(PATH, &GroupIn { name: name.clone() })?;
            done(&client, &answer.text, &format!("added the group {name}"))
        }
        GroupCommand::Delete { name, yes } => {
            confirm(&format!("Delete the group {name}?"), yes)?;
            client.delete(&format!("{PATH}/{}", encode(&name)))?;
            say(&format!("deleted the group {name}"));
            Ok(())
        }
        GroupCommand::AddMember { name, usernames } => {
            for username in usernames {
                client.put(&format!(
                    "{PATH}/{}/members/{}",
                    encode(&name),
                    encode(&username)
                ))?;
                say(&format!("{username} is in {name}"));
            }
            Ok(())
        }
        GroupCommand::RemoveMember { name, usernames } => {
            for username in usernames {
                client.delete(&format!(
                    "{PATH}/{}/members/{}",
                    encode(&name),
                    encode(&username)
                ))?;
                say(&format!("{username} is out of {name}"));
            }
            Ok(())
        }
    }
}

fn done(client: &Client, json: &str, words: &str) -> Result<(), Failure> {
    if client.connection.json {
        return output::line(json);
    }
    say(words);
    Ok(())
}

#[derive(Args)]
pub struct ServiceArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Subcommand)]
enum ServiceCommand {
    /// List services and the permissions they define
    List,
    /// Add a service; its API keys: keycroft api-key create NAME --service SERVICE
    Add {
        name: String,
        /// A permission that it defines, like slurm:submit; repeatable
        #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
        permissions: Vec<String>,
    },
    /// Change the permissions that a service defines
    Edit {
        name: String,
        /// All that it defines from now on; repeatable
        #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
        permissions: Vec<String>,
        /// One more; repeatable
        #[arg(
            long = "add-permission",
            value_name = "PERMISSION",
            value_delimiter = ',',
            conflicts_with = "permissions"
        )]
        added: Vec<String>,
        /// One less, which is out of everybody's power at once; repeatable
        #[arg(
            long = "remove-permission",
            value_name = "PERMISSION",
            value_delimiter = ',',
            conflicts_with = "permissions"
        )]
        removed: Vec<String>,
    },
    /// Print the block for a proxy that asks Keycroft about each request to an application
    Print(super::proxy::Print),
    /// Delete a service, its API keys and its permissions
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `keycroft service`.
///
/// # Errors
/// With what to say and the exit code.
pub fn service(arguments: ServiceArguments) -> Result<(), Failure> {
    const PATH: &str = "/api/v1/services";
    if let ServiceCommand::Print(wanted) = &arguments.command {
        return super::proxy::print(wanted);
    }
    let client = arguments.remote.client()?;
    match arguments.command {
        ServiceCommand::Print(wanted) => super::proxy::print(&wanted),
        ServiceCommand::List => {
            let listed = client.list(PATH)?;
            if client.connection.json {
                return output::line(&listed.json());
            }
            let row = |service: &ServiceOut| -> Vec<Cell> {
                vec![
                    service.name.as_str().into(),
                    Cell::time(Some(&service.created_at), "-", client.now()),
                    Cell::words(&service.permissions),
                ]
            };
            let rows: Vec<Vec<Cell>> = listed.parse::<ServiceOut>()?.iter().map(row).collect();
            output::table(&["name", "created", "permissions"], &rows)
        }
        ServiceCommand::Add { name, permissions } => {
            let answer = client.post(
                PATH,
                &ServiceIn {
                    name: name.clone(),
                    permissions,
                },
            )?;
            done(&client, &answer.text, &format!("added the service {name}"))
        }
        ServiceCommand::Edit {
            name,
            permissions,
            added,
            removed,
        } => {
            let permissions = if added.is_empty() && removed.is_empty() {
                permissions
            } else {
                changed(&client, PATH, &name, &added, &removed)?
            };
            if permissions.is_empty() && added.is_empty() && removed.is_empty() {
                return Err(
                    Failure::new(USAGE, "nothing was said to be changed").hint(format!(
                        "keycroft service edit {name} --add-permission {name}:submit"
                    )),
                );
            }
            let answer = client.patch(
                &format!("{PATH}/{}", encode(&name)),
                &ServicePatch { permissions },
            )?;
            done(
                &client,
                &answer.text,
                &format!("changed the service {name}"),
            )
        }
        ServiceCommand::Delete { name, yes } => {
            confirm(
                &format!("Delete the service {name}, its API keys and its permissions?"),
                yes,
            )?;
            client.delete(&format!("{PATH}/{}", encode(&name)))?;
            say(&format!("deleted the service {name}"));
            Ok(())
        }
    }
}

fn changed(
    client: &Client,
    path: &str,
    name: &str,
    added: &[String],
    removed: &[String],
) -> Result<Vec<String>, Failure> {
    let all: Vec<ServiceOut> = client.list(path)?.parse()?;
    let service = all
        .into_iter()
        .find(|service| service.name == name)
        .ok_or_else(|| {
            Failure::new(NOT_FOUND, format!("there is no service {name:?}"))
                .hint("keycroft service list")
        })?;
    if let Some(missing) = removed
        .iter()
        .find(|one| !service.permissions.contains(one))
    {
        return Err(Failure::new(
            NOT_FOUND,
            format!("the service {name} does not define {missing}"),
        ));
    }
    let kept = service
        .permissions
        .into_iter()
        .filter(|one| !removed.contains(one));
    Ok(kept.chain(added.iter().cloned()).collect())
}
