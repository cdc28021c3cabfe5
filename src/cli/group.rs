//! `keycroft group` and `keycroft service`, for admins.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::client::{Client, encode};
use super::exit::{FAILED, Failure, NOT_FOUND, USAGE};
use super::output::{self, Cell, say};
use super::place::Place;
use super::prompt::confirm;
use crate::wire::{GroupIn, GroupOut, ServiceIn, ServiceOut, ServicePatch};

#[derive(Args)]
#[command(after_help = super::place::HELP)]
pub struct GroupArguments {
    #[command(flatten)]
    place: Place,
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
pub fn group(arguments: GroupArguments) -> Result<(), Failure> {
    const PATH: &str = "/api/v1/groups";
    let client = arguments.place.client()?;
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
#[command(after_help = super::place::HELP)]
pub struct ServiceArguments {
    #[command(flatten)]
    place: Place,
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
        /// Give a permission of its to everybody of a role, like member=slurm:submit; repeatable
        #[arg(long, value_name = "ROLE=PERMISSION")]
        give: Vec<String>,
        /// Take one from everybody of a role; who was given it by name keeps it; repeatable
        #[arg(long, value_name = "ROLE=PERMISSION")]
        take: Vec<String>,
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
pub fn service(arguments: ServiceArguments) -> Result<(), Failure> {
    const PATH: &str = "/api/v1/services";
    if let ServiceCommand::Print(wanted) = &arguments.command {
        return super::proxy::print(wanted);
    }
    let client = arguments.place.client()?;
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
            give,
            take,
        } => {
            let path = format!("{PATH}/{}", encode(&name));
            let permissions = match (
                permissions.is_empty(),
                added.is_empty() && removed.is_empty(),
            ) {
                (false, _) => Some(permissions),
                (true, true) => None,
                (true, false) => Some(changed(&client, &path, &added, &removed)?),
            };
            let roles = if give.is_empty() && take.is_empty() {
                None
            } else {
                Some(regiven(&client, &path, &give, &take)?)
            };
            if permissions.is_none() && roles.is_none() {
                return Err(
                    Failure::new(USAGE, "nothing was said to be changed").hint(format!(
                        "keycroft service edit {name} --add-permission {name}:submit"
                    )),
                );
            }
            let answer = client.patch(&path, &ServicePatch { permissions, roles })?;
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

/// All that a service is to define.
fn changed(
    client: &Client,
    path: &str,
    added: &[String],
    removed: &[String],
) -> Result<Vec<String>, Failure> {
    let service: ServiceOut = client.get(path)?.parse()?;
    exchange(service.permissions, added, removed).map_err(|missing| {
        let name = &service.name;
        Failure::new(
            NOT_FOUND,
            format!("the service {name} does not define {missing}"),
        )
    })
}

/// What roles are to have of a service. `give` and `take`: `ROLE=PERMISSION` each.
fn regiven(
    client: &Client,
    path: &str,
    give: &[String],
    take: &[String],
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let service: ServiceOut = client.get(path)?.parse()?;
    let had = service.roles.ok_or_else(|| {
        Failure::new(
            FAILED,
            "the server does not say what roles have: it is older than this program",
        )
    })?;
    let known = ["member=", "admin="];
    if let Some(strange) = give
        .iter()
        .chain(take)
        .find(|one| !known.iter().any(|role| one.starts_with(role)))
    {
        return Err(Failure::new(
            USAGE,
            format!("{strange}: there are the roles member and admin"),
        )
        .hint(format!("--give member={}:submit", service.name)));
    }
    let mut roles = BTreeMap::new();
    for (role, had) in [("member", had.member), ("admin", had.admin)] {
        let words = |all: &[String]| -> Vec<String> {
            let pairs = all.iter().filter_map(|one| one.split_once('='));
            let own = pairs.filter(|(to, _)| *to == role);
            own.map(|(_, word)| word.to_owned()).collect()
        };
        let (give, take) = (words(give), words(take));
        if give.is_empty() && take.is_empty() {
            continue;
        }
        let has = exchange(had, &give, &take).map_err(|missing| {
            Failure::new(
                NOT_FOUND,
                format!("the role {role} does not have {missing}"),
            )
        })?;
        roles.insert(role.to_owned(), has);
    }
    Ok(roles)
}

/// A list with some words more and others less; the first that is to go and is not there.
fn exchange(
    words: Vec<String>,
    added: &[String],
    removed: &[String],
) -> Result<Vec<String>, String> {
    if let Some(missing) = removed.iter().find(|one| !words.contains(one)) {
        return Err(missing.clone());
    }
    let kept = words.into_iter().filter(|one| !removed.contains(one));
    Ok(kept.chain(added.iter().cloned()).collect())
}
