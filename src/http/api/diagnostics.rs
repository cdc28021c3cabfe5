//! `/api/v1/diagnostics`; the console's page shows the same.

use super::{ApiResult, ok};
use crate::http::context::RequestContext;
use crate::http::query;
use crate::model::address::{AllowedAddresses, untrusted_forwarder_advice};
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::time::Time;
use crate::wire::{AdviceOut, DiagnosticsOut};

/// Age of an old backup, in seconds.
const BACKUP_SECONDS: u64 = 7 * 86_400;

pub fn show_diagnostics(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    ok(&facts(context, caller)?)
}

/// The state of the installation.
pub fn facts(context: &RequestContext<'_>, caller: &Caller) -> Result<DiagnosticsOut, Error> {
    let facts = context.app().facts(caller)?;
    let settings = &context.server_state.settings;
    let address = context.address();
    let mut advice = Vec::new();
    let mut advise = |holds: bool, about: &str, message: &str| {
        if !holds {
            advice.push(AdviceOut {
                about: about.to_owned(),
                message: message.to_owned(),
            });
        }
    };
    advise(
        facts.writer_works,
        "writing",
        "The last write failed: check the server's log, and the disk.",
    );
    let backup = facts.file.last_backup_at;
    advise(
        backup.is_some(),
        "last_backup_at",
        "Run keycroft backup FILE, and store the file on another machine.",
    );
    advise(
        backup.is_none_or(|at| context.now.since(at).as_secs() <= BACKUP_SECONDS),
        "last_backup_at",
        "More than a week ago: run keycroft backup.",
    );
    advise(
        address.is_some(),
        "address",
        "The proxy is trusted, but does not send X-Forwarded-For.",
    );
    let proxies = settings.behind_proxy.as_ref();
    let wide = proxies.and_then(AllowedAddresses::advice_as_proxies);
    advise(
        wide.is_none(),
        "trusted_proxies",
        wide.as_deref().unwrap_or_default(),
    );
    let untrusted = settings.untrusted_forwarder.get();
    let untrusted = untrusted.map(|peer| untrusted_forwarder_advice(&peer.to_string()));
    advise(
        untrusted.is_none(),
        "peer",
        untrusted.as_deref().unwrap_or_default(),
    );
    let is_for_here = ["http://127.", "http://localhost", "http://[::1]"]
        .iter()
        .any(|beginning| settings.public_url.starts_with(beginning));
    advise(
        settings.is_https() || is_for_here,
        "encrypted",
        "Plain HTTP is for one machine alone: set a certificate, or use a proxy with TLS.",
    );
    let file = facts.file;
    Ok(DiagnosticsOut {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sqlite_version: file.sqlite_version,
        schema_version: file.schema_version,
        now: context.now.to_string(),
        path: facts.path,
        bytes: file.bytes,
        wal_bytes: file.wal_bytes,
        writing: facts.writer_works,
        last_backup_at: file.last_backup_at.as_ref().map(Time::to_string),
        users: file.users,
        credentials: file.credentials,
        events: file.events,
        address: address.map(|address| address.to_string()),
        peer: context.request.remote_addr().ip().to_string(),
        trusted_proxies: proxies.map_or_else(Vec::new, |list| list.iter().collect()),
        public_url: settings.public_url.clone(),
        encrypted: settings.is_https(),
        advice,
    })
}
