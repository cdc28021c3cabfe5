//! `keycroft group` and `keycroft service`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::client::Client;
use super::completion::CompletedNames;
use super::deletion::{Consent, Deletion, delete_all, find_before};
use super::listing::print_list;
use super::target::TargetArguments;
use crate::model::text::percent_encode;
use crate::model::time::Time;
use crate::terminal::exit::{FAILED, Failure, NOT_FOUND, USAGE};
use crate::terminal::output::{self, Cell, write_stderr};
use crate::wire::{GroupIn, GroupOut, ServiceIn, ServiceOut, ServicePatch};

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct GroupArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Subcommand)]
enum GroupCommand {
    /// List groups and their members
    #[command(alias = "ls")]
    List,
    /// Show a group
    Show {
        /// Name of the group
        #[arg(value_name = "GROUP", add = CompletedNames::Groups.completer())]
        name: String,
    },
    /// Create a group
    #[command(alias = "add")]
    Create {
        /// Name of the group
        name: String,
    },
    /// Delete groups; the users stay
    #[command(alias = "rm")]
    Delete {
        /// Names of groups
        #[arg(required = true, value_name = "GROUP", add = CompletedNames::Groups.completer())]
        names: Vec<String>,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
    },
    /// Add users to a group
    AddMember {
        /// Name of the group
        #[arg(value_name = "GROUP", add = CompletedNames::Groups.completer())]
        name: String,
        /// Usernames
        #[arg(required = true, value_name = "USERNAME", add = CompletedNames::Users.completer())]
        usernames: Vec<String>,
    },
    /// Remove users from a group
    RemoveMember {
        /// Name of the group
        #[arg(value_name = "GROUP", add = CompletedNames::Groups.completer())]
        name: String,
        /// Usernames
        #[arg(required = true, value_name = "USERNAME", add = CompletedNames::Users.completer())]
        usernames: Vec<String>,
    },
}

/// `keycroft group`.
pub fn run_group(arguments: GroupArguments) -> Result<(), Failure> {
    const PATH: &str = "/api/v1/groups";
    let client = arguments.place.client()?;
    match arguments.command {
        GroupCommand::List => {
            let empty = "no groups; create one: keycroft group create NAME";
            print_list(&client, PATH, &GROUP_HEADINGS, group_row, empty)
        }
        GroupCommand::Create { name } => {
            let answer = client.post(PATH, &GroupIn { name: name.clone() })?;
            report_done(&client, &answer.text, &format!("created group {name}"))
        }
        GroupCommand::Show { name } => {
            let group = find_group(&client, &name)?;
            if client.format().is_json() {
                return client.format().print_value(&group);
            }
            let cells = group_row(&group, client.now());
            let rows: Vec<(&str, Cell)> = GROUP_HEADINGS.into_iter().zip(cells).collect();
            output::record(client.format(), &rows)
        }
        GroupCommand::Delete { names, yes } => {
            let mut deletions = Vec::new();
            for name in &names {
                let group = find_before(find_group(&client, name))?;
                deletions.push(Deletion {
                    label: name.clone(),
                    effect: group
                        .as_ref()
                        .map_or_else(|| "unknown members".to_owned(), members),
                    path: format!("{PATH}/{}", percent_encode(name)),
                    done: format!("deleted group {name}"),
                    was_found: group.is_some(),
                });
            }
            delete_all(&client, "group", deletions, &Consent::Yes, yes)
        }
        GroupCommand::AddMember { name, usernames } => {
            for username in usernames {
                client.put(&format!(
                    "{PATH}/{}/members/{}",
                    percent_encode(&name),
                    percent_encode(&username)
                ))?;
                write_stderr(&format!("added {username} to {name}"));
            }
            Ok(())
        }
        GroupCommand::RemoveMember { name, usernames } => {
            for username in usernames {
                client.delete(&format!(
                    "{PATH}/{}/members/{}",
                    percent_encode(&name),
                    percent_encode(&username)
                ))?;
                write_stderr(&format!("removed {username} from {name}"));
            }
            Ok(())
        }
    }
}

const GROUP_HEADINGS: [&str; 3] = ["name", "created", "members"];

fn group_row(group: &GroupOut, now: Time) -> Vec<Cell> {
    vec![
        group.name.as_str().into(),
        Cell::time(Some(&group.created_at), "-", now),
        Cell::words(&group.members),
    ]
}

/// The group with this name: the API has no path to one alone.
fn find_group(client: &Client, name: &str) -> Result<GroupOut, Failure> {
    let groups: Vec<GroupOut> = client.list_items("/api/v1/groups")?.parse()?;
    let found = groups.into_iter().find(|one| one.name == name);
    found.ok_or_else(|| {
        Failure::new(NOT_FOUND, format!("group {name:?} not found")).hint("keycroft group list")
    })
}

/// The users who lose a group when it is deleted.
fn members(group: &GroupOut) -> String {
    match group.members.as_slice() {
        [] => "no members".to_owned(),
        some => format!("members: {}", some.join(", ")),
    }
}

fn report_done(client: &Client, json: &str, words: &str) -> Result<(), Failure> {
    if client.format().is_json() {
        return client.format().print_json(json);
    }
    write_stderr(words);
    Ok(())
}

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct ServiceArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Subcommand)]
enum ServiceCommand {
    /// List services and their permissions
    #[command(alias = "ls")]
    List,
    /// Show a service
    Show {
        /// Name of the service
        #[arg(value_name = "SERVICE", add = CompletedNames::Services.completer())]
        name: String,
    },
    /// Create a service; for its API keys: keycroft api-key create NAME --service SERVICE
    #[command(alias = "add")]
    Create {
        /// Name of the service; its permissions begin with it
        name: String,
        /// Permission that the service defines, such as slurm:submit; repeatable
        #[arg(
            short = 'p',
            long = "permission",
            value_name = "PERMISSION",
            value_delimiter = ','
        )]
        permissions: Vec<String>,
    },
    /// Edit the permissions of a service
    Edit {
        /// Name of the service
        #[arg(value_name = "SERVICE", add = CompletedNames::Services.completer())]
        name: String,
        /// New permission; repeatable; replaces all
        #[arg(
            short = 'p',
            long = "permission",
            value_name = "PERMISSION",
            value_delimiter = ','
        )]
        permissions: Vec<String>,
        /// Permission to add; repeatable
        #[arg(
            long = "add-permission",
            value_name = "PERMISSION",
            value_delimiter = ',',
            conflicts_with = "permissions"
        )]
        added: Vec<String>,
        /// Permission to remove from the service and from everyone; repeatable
        #[arg(
            long = "remove-permission",
            value_name = "PERMISSION",
            value_delimiter = ',',
            conflicts_with = "permissions"
        )]
        removed: Vec<String>,
        /// Give a permission to every user of a role, such as member=slurm:submit; repeatable
        #[arg(long, value_name = "ROLE=PERMISSION")]
        give: Vec<String>,
        /// Remove a permission from a role; users who have it individually keep it; repeatable
        #[arg(long, value_name = "ROLE=PERMISSION")]
        take: Vec<String>,
    },
    /// Print the configuration of a proxy that verifies each request to an application
    Print(super::proxy::ProxyArguments),
    /// Delete services with their API keys and permissions
    #[command(alias = "rm")]
    Delete {
        /// Names of services
        #[arg(required = true, value_name = "SERVICE", add = CompletedNames::Services.completer())]
        names: Vec<String>,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
    },
}

/// `keycroft service`.
pub fn run_service(arguments: ServiceArguments) -> Result<(), Failure> {
    const PATH: &str = "/api/v1/services";
    if let ServiceCommand::Print(wanted) = &arguments.command {
        arguments.place.remote.format.reject_field()?;
        return super::proxy::print(wanted);
    }
    let client = arguments.place.client()?;
    match arguments.command {
        ServiceCommand::Print(wanted) => super::proxy::print(&wanted),
        ServiceCommand::List => {
            let row = |service: &ServiceOut, now| {
                vec![
                    service.name.as_str().into(),
                    Cell::time(Some(&service.created_at), "-", now),
                    Cell::words(&service.permissions),
                ]
            };
            let headings = ["name", "created", "permissions"];
            let empty = "no services; create one: keycroft service create NAME";
            print_list(&client, PATH, &headings, row, empty)
        }
        ServiceCommand::Create { name, permissions } => {
            let answer = client.post(
                PATH,
                &ServiceIn {
                    name: name.clone(),
                    permissions,
                },
            )?;
            report_done(&client, &answer.text, &format!("created service {name}"))
        }
        ServiceCommand::Edit {
            name,
            permissions,
            added,
            removed,
            give,
            take,
        } => {
            let path = format!("{PATH}/{}", percent_encode(&name));
            let permissions = match (
                permissions.is_empty(),
                added.is_empty() && removed.is_empty(),
            ) {
                (false, _) => Some(permissions),
                (true, true) => None,
                (true, false) => Some(changed_permissions(&client, &path, &added, &removed)?),
            };
            let roles = if give.is_empty() && take.is_empty() {
                None
            } else {
                Some(changed_role_permissions(&client, &path, &give, &take)?)
            };
            if permissions.is_none() && roles.is_none() {
                return Err(
                    Failure::new(USAGE, "nothing to change: pass at least one option").hint(
                        format!("keycroft service edit {name} --add-permission {name}:submit"),
                    ),
                );
            }
            let answer = client.patch(&path, &ServicePatch { permissions, roles })?;
            report_done(&client, &answer.text, &format!("changed service {name}"))
        }
        ServiceCommand::Show { name } => {
            show_service(&client, &format!("{PATH}/{}", percent_encode(&name)))
        }
        ServiceCommand::Delete { names, yes } => {
            let mut deletions = Vec::new();
            for name in &names {
                let path = format!("{PATH}/{}", percent_encode(name));
                let service = client.get(&path).and_then(|answer| answer.parse());
                let service: Option<ServiceOut> = find_before(service)?;
                deletions.push(Deletion {
                    label: name.clone(),
                    effect: service.as_ref().map_or_else(
                        || "with its API keys and permissions".to_owned(),
                        |service| service_use(service, client.now()),
                    ),
                    path,
                    done: format!("deleted service {name}"),
                    was_found: service.is_some(),
                });
            }
            delete_all(&client, "service", deletions, &Consent::Yes, yes)
        }
    }
}

/// The credentials that depend on a service.
fn service_use(service: &ServiceOut, now: Time) -> String {
    let last_used = service.last_used_at.as_ref().and_then(Option::as_deref);
    let used = match last_used.and_then(|text| Time::parse(text).ok()) {
        Some(time) => format!("last used {}", output::relative_time(time, now)),
        None => "no recorded use".to_owned(),
    };
    format!(
        "{} API keys, {used}; {} credentials of users have its permissions",
        service.api_keys.unwrap_or_default(),
        service.carriers.unwrap_or_default()
    )
}

fn show_service(client: &Client, path: &str) -> Result<(), Failure> {
    let answer = client.get(path)?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let service: ServiceOut = answer.parse()?;
    let now = client.now();
    let roles = service.roles.as_ref();
    let of_role = |words: Option<&Vec<String>>| Cell::words(words.map_or(&[], Vec::as_slice));
    let last_used = service.last_used_at.as_ref().and_then(Option::as_deref);
    let count = |count: Option<u32>| Cell::from(count.unwrap_or_default().to_string());
    output::record(
        client.format(),
        &[
            ("name", service.name.as_str().into()),
            ("created", Cell::time(Some(&service.created_at), "-", now)),
            ("permissions", Cell::words(&service.permissions)),
            ("of members", of_role(roles.map(|roles| &roles.member))),
            ("of admins", of_role(roles.map(|roles| &roles.admin))),
            ("API keys", count(service.api_keys)),
            ("last used", Cell::time(last_used, "never", now)),
            ("credentials with its permissions", count(service.carriers)),
        ],
    )
}

/// The permissions of a service after an edit.
fn changed_permissions(
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

/// The permissions of roles after an edit. `give` and `take`: `ROLE=PERMISSION` each.
fn changed_role_permissions(
    client: &Client,
    path: &str,
    give: &[String],
    take: &[String],
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let service: ServiceOut = client.get(path)?.parse()?;
    let had = service.roles.ok_or_else(|| {
        Failure::new(
            FAILED,
            "the answer lacks the permissions of roles: the server is older than this program",
        )
    })?;
    let known = ["member=", "admin="];
    if let Some(unexpected) = give
        .iter()
        .chain(take)
        .find(|one| !known.iter().any(|role| one.starts_with(role)))
    {
        return Err(Failure::new(
            USAGE,
            format!("{unexpected}: expected the role member or admin"),
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

/// The list after adding and removing words; an error is the first word that is not in it.
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
