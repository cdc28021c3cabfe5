//! Administration of hosts.

use std::collections::BTreeMap;

use clap::Args;

use super::super::client::Client;
use super::super::completion::CompletedNames;
use super::super::deletion::{Consent, Deletion, delete_all};
use super::super::listing::print_list;
use super::super::lookup::find_id;
use super::super::new_secret::post_for_secret;
use crate::model::host::CLOCK_SECONDS_MAX;
use crate::model::time::Time;
use crate::terminal::exit::{Failure, USAGE};
use crate::terminal::output::{self, Cell, Out, lifetime_text, relative_time, write_stderr};
use crate::wire::{EnrollmentCodeIn, EnrollmentCodeOut, HostOut, HostPatch};

const PATH: &str = "/api/v1/hosts";

#[derive(Args)]
pub struct EnrollCodeArguments {
    /// Number of hosts that the code can enroll
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// Lifetime of the code, such as 24h or 30d
    #[arg(short, long, default_value = "24h", value_name = "DURATION")]
    expires: String,
    /// Limit the enrolled hosts to members of this group; repeatable [default: every user]
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    out: Out,
}

/// `keycroft host enroll-code`.
pub fn enroll_code(client: &Client, wanted: EnrollCodeArguments) -> Result<(), Failure> {
    let body = EnrollmentCodeIn {
        uses: Some(wanted.uses),
        expires_in: Some(wanted.expires),
        groups: (!wanted.groups.is_empty()).then_some(wanted.groups),
    };
    let take = |code: &mut EnrollmentCodeOut| code.secret.take();
    let lost = |_: &EnrollmentCodeOut| "keycroft host enroll-code".to_owned();
    let path = "/api/v1/hosts/enrollment-codes";
    let Some(created) = post_for_secret(client, &wanted.out, path, &body, take, lost)? else {
        return Ok(());
    };
    let hosts = if created.uses_left == 1 {
        "host"
    } else {
        "hosts"
    };
    write_stderr(&format!(
        "an enrollment code for {} {hosts}; {}",
        created.uses_left,
        lifetime_text(Some(&created.expires_at), client.now())
    ));
    write_stderr(&format!(
        "  on the machine, as root: keycroft host enroll {} --code-file FILE",
        client.connection.server.as_str()
    ));
    Ok(())
}

fn open_to(host: &HostOut) -> String {
    if host.paused {
        "nobody (paused)".to_owned()
    } else if host.groups.is_empty() {
        "everybody".to_owned()
    } else {
        host.groups.join(" ")
    }
}

fn shared(host: &HostOut) -> String {
    let logins: Vec<String> = host
        .shared_logins
        .iter()
        .flat_map(|(login, groups)| groups.iter().map(move |group| format!("{login}:{group}")))
        .collect();
    logins.join(" ")
}

/// `keycroft host list`.
pub fn list_hosts(client: &Client) -> Result<(), Failure> {
    let row = |host: &HostOut, now| {
        vec![
            host.name.as_str().into(),
            host.id.as_str().into(),
            open_to(host).into(),
            Cell::time(host.last_contact_at.as_deref(), "never", now),
            Cell::time(host.cached_at.as_deref(), "never", now),
            Cell::maybe(host.version.as_deref()),
        ]
    };
    let headings = [
        "name",
        "id",
        "open to",
        "last contact",
        "cache refreshed",
        "version",
    ];
    let empty = "no hosts; create an enrollment code: keycroft host enroll-code";
    print_list(client, PATH, &headings, row, empty)
}

/// `keycroft host show`.
pub fn show_host(client: &Client, given: &str) -> Result<(), Failure> {
    let id = find_id(client, PATH, "host", given)?;
    let answer = client.get(&format!("{PATH}/{id}"))?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let now = client.now();
    let host: HostOut = answer.parse()?;
    output::record(
        client.format(),
        &[
            ("name", host.name.as_str().into()),
            ("id", host.id.as_str().into()),
            ("open to", open_to(&host).into()),
            ("shared logins", shared(&host).into()),
            ("maximum cache age", host.cache_age_max.as_str().into()),
            (
                "last contact",
                Cell::time(host.last_contact_at.as_deref(), "never", now),
            ),
            ("from", Cell::maybe(host.last_contact_from.as_deref())),
            ("version", Cell::maybe(host.version.as_deref())),
            (
                "cache refreshed",
                Cell::time(host.cached_at.as_deref(), "never", now),
            ),
            ("clock", clock_text(&host).into()),
            (
                "allowed addresses",
                if host.allowed_addresses.is_empty() {
                    "everywhere".into()
                } else {
                    host.allowed_addresses.join(" ").into()
                },
            ),
            (
                "credential rotated",
                if host.rotation_requested {
                    "at the next sync".into()
                } else {
                    Cell::time(host.credential_rotated_at.as_deref(), "never", now)
                },
            ),
            ("enrolled", Cell::time(Some(&host.created_at), "", now)),
        ],
    )
}

fn clock_text(host: &HostOut) -> String {
    match host.clock_ahead_seconds {
        None => "unknown".to_owned(),
        Some(ahead) if ahead.unsigned_abs() <= CLOCK_SECONDS_MAX.unsigned_abs() => {
            "agrees".to_owned()
        }
        Some(ahead @ 1..) => format!("{ahead} s ahead of the server's"),
        Some(behind) => format!("{} s behind the server's", behind.unsigned_abs()),
    }
}

#[derive(Args)]
pub struct EditHost {
    /// Name or id
    #[arg(add = CompletedNames::Hosts.completer())]
    host: String,
    /// New name
    #[arg(long)]
    name: Option<String>,
    /// Limit the host to members of this group; repeatable; replaces all
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Let every user log in; removes the limit to groups
    #[arg(long, conflicts_with = "groups")]
    everybody: bool,
    /// Open a shared login to a group, such as build:staff; repeatable; replaces all
    #[arg(long = "shared-login", value_name = "LOGIN:GROUP")]
    shared_logins: Vec<String>,
    /// Close all shared logins
    #[arg(long, conflicts_with = "shared_logins")]
    no_shared_logins: bool,
    /// Maximum cache age while the server is unreachable, such as 24h; 0s disables the cache
    #[arg(long, value_name = "DURATION")]
    cache_age_max: Option<String>,
    /// Allowed address of the host credential, such as 10.0.0.0/8; repeatable; replaces all
    #[arg(long = "address", value_name = "CIDR")]
    addresses: Vec<String>,
    /// Accept the host credential from any address
    #[arg(long, conflicts_with = "addresses")]
    any_address: bool,
    /// Pause the host; false resumes it
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    paused: Option<bool>,
    /// Rotate the host credential at the next sync; false withdraws the request
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    rotate_credential: Option<bool>,
}

/// `keycroft host pause` and `keycroft host resume`.
pub fn set_paused(client: &Client, given: &str, paused: bool) -> Result<(), Failure> {
    let id = find_id(client, PATH, "host", given)?;
    let patch = HostPatch {
        paused: Some(paused),
        ..HostPatch::default()
    };
    let answer = client.patch(&format!("{PATH}/{id}"), &patch)?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let host: HostOut = answer.parse()?;
    if host.paused {
        write_stderr(&format!(
            "paused {}: it admits nobody after its next sync",
            host.name
        ));
    } else {
        write_stderr(&format!("resumed {}", host.name));
    }
    Ok(())
}

/// `keycroft host edit`.
pub fn edit_host(client: &Client, wanted: EditHost) -> Result<(), Failure> {
    let shared_logins = parse_shared(&wanted.shared_logins)?;
    let patch = HostPatch {
        name: wanted.name,
        groups: (wanted.everybody || !wanted.groups.is_empty()).then_some(wanted.groups),
        shared_logins: (wanted.no_shared_logins || !shared_logins.is_empty())
            .then_some(shared_logins),
        cache_age_max: wanted.cache_age_max,
        paused: wanted.paused,
        allowed_addresses: (wanted.any_address || !wanted.addresses.is_empty())
            .then_some(Some(wanted.addresses)),
        rotation_requested: wanted.rotate_credential,
    };
    if patch.is_empty() {
        return Err(
            Failure::new(USAGE, "nothing to change: pass at least one option")
                .hint("keycroft host edit --help"),
        );
    }
    let id = find_id(client, PATH, "host", &wanted.host)?;
    let answer = client.patch(&format!("{PATH}/{id}"), &patch)?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let host: HostOut = answer.parse()?;
    write_stderr(&format!("saved {} ({})", host.name, host.id));
    Ok(())
}

fn parse_shared(given: &[String]) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut shared = BTreeMap::<String, Vec<String>>::new();
    for pair in given {
        let Some((login, group)) = pair.split_once(':') else {
            return Err(Failure::new(
                USAGE,
                format!("{pair}: expected LOGIN:GROUP, such as ubuntu:admins"),
            ));
        };
        let groups = shared.entry(login.to_owned()).or_default();
        groups.push(group.to_owned());
    }
    Ok(shared)
}

/// `keycroft host delete`.
pub fn delete_host(client: &Client, given: &[String], yes: bool) -> Result<(), Failure> {
    let mut deletions = Vec::new();
    let mut name = String::new();
    for host in given {
        let id = find_id(client, PATH, "host", host)?;
        let path = format!("{PATH}/{id}");
        let host: HostOut = client.get(&path)?.parse()?;
        let contact = host.last_contact_at.as_deref();
        let contact = match contact.and_then(|text| Time::parse(text).ok()) {
            Some(time) => format!("last contact {}", relative_time(time, client.now())),
            None => "no contact yet".to_owned(),
        };
        deletions.push(Deletion {
            label: format!("{} ({id})", host.name),
            effect: format!("{contact}; it rejects SSH keys from Keycroft then"),
            path,
            done: format!(
                "deleted host {} ({id}); its credential is rejected from now on",
                host.name
            ),
            was_found: true,
        });
        name = host.name;
    }
    delete_all(client, "host", deletions, &Consent::Name(name), yes)
}
