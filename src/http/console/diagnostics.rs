//! `/admin/diagnostics`: how the installation is.

use super::{Answer, frame, show};
use crate::html::diagnostics::{self as pages, Fact, FactGroup};
use crate::http::ask::Ask;
use crate::model::caller::Caller;

fn fact(name: &str, value: impl ToString) -> Fact {
    Fact {
        name: name.to_owned(),
        value: value.to_string(),
        advice: None,
    }
}

fn advised(name: &str, value: impl ToString, advice: Option<&str>) -> Fact {
    Fact {
        advice: advice.map(str::to_owned),
        ..fact(name, value)
    }
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let facts = ask.desk().facts(caller)?;
    let file = facts.file;
    let backup = match file.last_backup_at {
        Some(at) if ask.now.since(at).as_secs() > 7 * 86_400 => advised(
            "Last backup",
            at,
            Some("more than a week ago: run keycroft backup"),
        ),
        Some(at) => fact("Last backup", at),
        None => advised(
            "Last backup",
            "never",
            Some("run keycroft backup FILE, and keep the file elsewhere"),
        ),
    };
    let program = vec![
        fact("Version", env!("CARGO_PKG_VERSION")),
        fact("SQLite", file.sqlite_version),
        fact("Schema", file.schema_version),
        fact("Time", ask.now),
    ];
    let data = vec![
        fact("File", facts.path),
        fact("Size", format!("{} bytes", file.bytes)),
        fact("Journal", format!("{} bytes", file.journal_bytes)),
        advised(
            "Writing",
            if facts.writer_works {
                "works"
            } else {
                "failed last"
            },
            (!facts.writer_works).then_some("look at the server's log, and at the disk"),
        ),
        backup,
        fact("Users", file.users),
        fact("Credentials", file.credentials),
        fact("Events", file.events),
    ];
    let address = ask
        .address()
        .map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    let peer = ask.request.remote_addr().ip().to_string();
    let settings = &ask.house.settings;
    let unsaid = address == "unknown";
    let way = vec![
        advised(
            "Your address",
            address,
            unsaid.then_some("the proxy is trusted but does not send X-Forwarded-For"),
        ),
        fact("By way of", peer),
        fact("Public URL", &settings.public_url),
        advised(
            "Encrypted",
            if settings.is_https() { "yes" } else { "no" },
            (!settings.is_https()).then_some("plain HTTP is for this machine alone"),
        ),
    ];
    let group = |title: &str, facts: Vec<Fact>| FactGroup {
        title: title.to_owned(),
        facts,
    };
    show(pages::show(
        &frame(ask, caller),
        &[
            group("Program", program),
            group("Data", data),
            group("Your request", way),
        ],
    ))
}
