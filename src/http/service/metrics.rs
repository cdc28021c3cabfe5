//! `/metrics`: metrics in Prometheus' text format (version 0.0.4). No names of people, no secrets.

use std::fmt::Write as _;

use rouille::Response;

use crate::app::Figures;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::{auth, headers};
use crate::model::permission::BuiltinPermission;
use crate::model::time::Time;

/// For callers with `metrics`, and for programs on this machine without a proxy in front.
pub fn metrics(context: &RequestContext<'_>) -> Result<Response, Problem> {
    if !is_local(context) {
        auth::bearer(context, Some(BuiltinPermission::Metrics))?;
    }
    let text = render(
        &context.app().figures(context.now)?,
        context.server_state.settings.certificate_expires_at(),
    );
    Ok(headers::bytes_of(
        "text/plain; version=0.0.4; charset=utf-8",
        200,
        text.into_bytes(),
    ))
}

/// A loopback peer that is not a configured proxy and forwards for nobody. It must use a loopback name or the public
/// one: a page whose name was pointed to loopback (DNS rebinding) sends its own name.
fn is_local(context: &RequestContext<'_>) -> bool {
    let forwarding = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "via",
    ];
    let forwards = context
        .request
        .headers()
        .any(|(name, _)| forwarding.iter().any(|one| name.eq_ignore_ascii_case(one)));
    let peer = context.request.remote_addr().ip().to_canonical();
    let settings = &context.server_state.settings;
    let named_so = context.request.header("Host").is_none_or(|host| {
        let public = settings.public_url.split_once("://");
        auth::is_loopback_name(host) || public.is_some_and(|(_, public)| public == host)
    });
    peer.is_loopback() && !forwards && named_so && !settings.trusts(peer)
}

/// One metric family in the text format.
struct MetricsText(String);

impl MetricsText {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let open = if place == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{escaped}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }
}

fn render(figures: &Figures, certificate_expires_at: Option<Time>) -> String {
    let mut text = MetricsText(String::new());
    text.family("keycroft_build_info", "gauge", "The running program.");
    text.sample(
        "keycroft_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    text.family(
        "keycroft_verify_total",
        "counter",
        "Verified secrets since the start.",
    );
    text.sample(
        "keycroft_verify_total",
        &[("result", "valid")],
        figures.valid,
    );
    text.sample(
        "keycroft_verify_total",
        &[("result", "invalid")],
        figures.invalid,
    );
    text.family(
        "keycroft_login_total",
        "counter",
        "Console sign-ins since the start.",
    );
    text.sample(
        "keycroft_login_total",
        &[("result", "success")],
        figures.signed_in,
    );
    text.sample(
        "keycroft_login_total",
        &[("result", "failure")],
        figures.failed_sign_ins,
    );
    text.family(
        "keycroft_ssh_lookups_total",
        "counter",
        "Lookups of SSH keys by hosts since the start.",
    );
    text.sample("keycroft_ssh_lookups_total", &[], figures.ssh_lookups);
    text.family(
        "keycroft_credentials",
        "gauge",
        "Credentials by kind and state.",
    );
    for count in &figures.credentials {
        for (state, number) in [
            ("active", count.active),
            ("disabled", count.disabled),
            ("expired", count.expired),
        ] {
            text.sample(
                "keycroft_credentials",
                &[("kind", &count.kind), ("state", state)],
                number,
            );
        }
    }
    text.family(
        "keycroft_credentials_expiring",
        "gauge",
        "Active credentials that expire within this time.",
    );
    for count in &figures.credentials {
        for (within, number) in ["1d", "7d", "14d"].into_iter().zip(count.ending) {
            text.sample(
                "keycroft_credentials_expiring",
                &[("kind", &count.kind), ("within", within)],
                number,
            );
        }
    }
    text.family("keycroft_ssh_keys", "gauge", "Valid SSH keys.");
    text.sample("keycroft_ssh_keys", &[], figures.ssh_keys);
    text.family("keycroft_users", "gauge", "Users, disabled ones included.");
    text.sample("keycroft_users", &[], figures.users);
    text.family(
        "keycroft_hosts_last_seen_seconds",
        "gauge",
        "Time of a host's last request, in Unix seconds; 0 for never.",
    );
    for (host, at) in &figures.hosts {
        text.sample(
            "keycroft_hosts_last_seen_seconds",
            &[("host", host)],
            at.map_or(0, Time::unix),
        );
    }
    text.family("keycroft_db_bytes", "gauge", "Size of the database.");
    text.sample("keycroft_db_bytes", &[], figures.file.bytes);
    text.family(
        "keycroft_wal_bytes",
        "gauge",
        "Size of its write-ahead log.",
    );
    text.sample("keycroft_wal_bytes", &[], figures.file.wal_bytes);
    text.family(
        "keycroft_last_backup_timestamp_seconds",
        "gauge",
        "Time of the last backup, in Unix seconds; 0 for never.",
    );
    text.sample(
        "keycroft_last_backup_timestamp_seconds",
        &[],
        figures.file.last_backup_at.map_or(0, Time::unix),
    );
    if let Some(end) = certificate_expires_at {
        text.family(
            "keycroft_certificate_expires_timestamp_seconds",
            "gauge",
            "Expiration of the server's certificate, in Unix seconds.",
        );
        text.sample(
            "keycroft_certificate_expires_timestamp_seconds",
            &[],
            end.unix(),
        );
    }
    text.0
}
