//! `keycroft service print`: the block for a proxy that asks Keycroft about each request before it reaches an application.
//!
//! Each does three things: it asks, it writes who asks over whatever the client says of that itself (also with
//! underscores, which some applications take for the same names), and it keeps the secret from the application.

use clap::{Args, ValueEnum};

use super::exit::{Failure, USAGE};
use super::output::line;
use crate::model::permission::Permission;
use crate::model::service::parse_service_name;

/// What `/verify` answers, under these names.
const IDENTITY: [&str; 7] = [
    "Remote-User",
    "Remote-Name",
    "Remote-Groups",
    "Keycroft-Credential",
    "Keycroft-Kind",
    "Keycroft-Permissions",
    "Keycroft-Expires",
];
/// Where a secret may stand.
const SECRETS: [&str; 2] = ["Authorization", "X-API-Key"];

/// A proxy that there is a block for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Proxy {
    Nginx,
    Caddy,
    Traefik,
}

#[derive(Args)]
pub struct Print {
    /// The proxy
    proxy: Proxy,
    /// What the application is called: a name for the block
    name: String,
    /// Where the proxy listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    listen: String,
    /// Where the application is
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDR:PORT")]
    application: String,
    /// Where Keycroft is, as the proxy reaches it
    #[arg(long, default_value = "127.0.0.1:8420", value_name = "ADDR:PORT")]
    keycroft: String,
    /// A permission that is needed to get through; repeatable
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
}

/// `keycroft service print`.
///
/// # Errors
/// Exit code 2 for a name, an address or a permission that is none.
pub fn print(wanted: &Print) -> Result<(), Failure> {
    let wrong = |what: &str, why: &str| Failure::new(USAGE, format!("{what}: {why}"));
    parse_service_name(&wanted.name).map_err(|why| wrong(&wanted.name, why))?;
    for address in [&wanted.listen, &wanted.application, &wanted.keycroft] {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
        if address.is_empty() || !address.bytes().all(fits) {
            return Err(wrong(address, "write an address and a port"));
        }
    }
    for permission in &wanted.permissions {
        Permission::parse(permission).map_err(|why| wrong(permission, &why))?;
    }
    let block = match wanted.proxy {
        Proxy::Nginx => nginx(wanted),
        Proxy::Caddy => caddy(wanted),
        Proxy::Traefik => traefik(wanted),
    };
    line(block.trim_end())
}

fn verify_path(permissions: &[String]) -> String {
    let query: Vec<String> = permissions
        .iter()
        .map(|permission| format!("permission={permission}"))
        .collect();
    if query.is_empty() {
        "/verify".to_owned()
    } else {
        format!("/verify?{}", query.join("&"))
    }
}

fn lines(indent: usize, items: impl IntoIterator<Item = String>) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(&" ".repeat(indent));
        text.push_str(&item);
        text.push('\n');
    }
    text
}

/// `Remote-User` as nginx names what an upstream answered: `remote_user`.
fn variable(header: &str) -> String {
    header.to_ascii_lowercase().replace('-', "_")
}

fn nginx(wanted: &Print) -> String {
    let name = variable(&wanted.name);
    let takes = IDENTITY.map(|header| {
        let own = variable(header);
        format!("auth_request_set $keycroft_{own} $upstream_http_{own};")
    });
    let sets =
        IDENTITY.map(|header| format!("proxy_set_header {header} $keycroft_{};", variable(header)));
    let clears = SECRETS.map(|header| format!("proxy_set_header {header} \"\";"));
    format!(
        "# {0}: nginx asks Keycroft about each request. For inside `http {{ … }}`.\n\
         # Start Keycroft with --behind-proxy and nginx's address, so that it believes X-Forwarded-For.\n\
         upstream keycroft_{name} {{\n    server {1};\n    keepalive 16;\n}}\n\n\
         server {{\n    listen {2};\n    \
         # A client's Remote_User would be Remote-User to many applications: nginx drops such names.\n    \
         underscores_in_headers off;\n\n    \
         location / {{\n        auth_request /_keycroft;\n{3}\n        \
         # Set, not added: what a client sends under these names never gets through; an empty value removes it.\n{4}        \
         # The secret stays here.\n{5}        proxy_pass http://{6};\n    }}\n\n    \
         location = /_keycroft {{\n        internal;\n        proxy_pass http://keycroft_{name}{7};\n        \
         proxy_pass_request_body off;\n        proxy_set_header Content-Length \"\";\n        \
         proxy_set_header X-Forwarded-For $remote_addr;\n        \
         proxy_set_header X-Original-Method $request_method;\n        \
         proxy_http_version 1.1;\n        proxy_set_header Connection \"\";\n    }}\n}}\n",
        wanted.name,
        wanted.keycroft,
        wanted.listen,
        lines(8, takes),
        lines(8, sets),
        lines(8, clears),
        wanted.application,
        verify_path(&wanted.permissions),
    )
}

fn caddy(wanted: &Print) -> String {
    let drops = ["Remote-*", "Remote_*", "Keycroft-*", "Keycroft_*"]
        .map(|header| format!("request_header -{header}"));
    let clears = ["Authorization", "X-API-Key", "X_API_Key"]
        .map(|header| format!("request_header -{header}"));
    format!(
        "# {0}: Caddy asks Keycroft about each request.\n\
         # Start Keycroft with --behind-proxy and Caddy's address, so that it believes X-Forwarded-For.\n\
         http://{1} {{\n    route {{\n        \
         # What a client says of itself under these names never gets through.\n{2}        \
         forward_auth {3} {{\n            uri {4}\n            copy_headers {5}\n        }}\n        \
         # The secret stays here.\n{6}        reverse_proxy {7}\n    }}\n}}\n",
        wanted.name,
        wanted.listen,
        lines(8, drops),
        wanted.keycroft,
        verify_path(&wanted.permissions),
        IDENTITY.join(" "),
        lines(8, clears),
        wanted.application,
    )
}

fn traefik(wanted: &Print) -> String {
    let name = &wanted.name;
    let mut clears: Vec<String> = SECRETS
        .iter()
        .map(|header| format!("{header}: \"\""))
        .collect();
    let underscored = IDENTITY.iter().chain(["X-API-Key"].iter());
    clears.extend(underscored.map(|header| format!("{}: \"\"", header.replace('-', "_"))));
    format!(
        "# {name}: Traefik asks Keycroft about each request. For the file provider.\n\
         # Start Keycroft with --behind-proxy and Traefik's address, so that it believes X-Forwarded-For.\n\
         http:\n  routers:\n    {name}:\n      rule: PathPrefix(`/`)\n      \
         middlewares: [{name}-keycroft, {name}-strip]\n      service: {name}\n  \
         services:\n    {name}:\n      loadBalancer:\n        servers:\n          - url: http://{0}\n  \
         middlewares:\n    {name}-keycroft:\n      forwardAuth:\n        address: http://{1}{2}\n        \
         # Written over what a client sends under these names.\n        authResponseHeaders: [{3}]\n    \
         {name}-strip:\n      headers:\n        \
         # Empty removes: the secret stays here, and names with underscores, which many applications take for the others.\n        \
         customRequestHeaders:\n{4}",
        wanted.application,
        wanted.keycroft,
        verify_path(&wanted.permissions),
        IDENTITY.join(", "),
        lines(10, clears),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(proxy: Proxy) -> Print {
        Print {
            proxy,
            name: "slurm".to_owned(),
            listen: "127.0.0.1:8080".to_owned(),
            application: "127.0.0.1:9000".to_owned(),
            keycroft: "127.0.0.1:8420".to_owned(),
            permissions: vec!["slurm:submit".to_owned(), "slurm:read".to_owned()],
        }
    }

    #[test]
    fn every_block_asks_for_what_is_needed_and_hands_on_every_name() {
        for block in [
            nginx(&wanted(Proxy::Nginx)),
            caddy(&wanted(Proxy::Caddy)),
            traefik(&wanted(Proxy::Traefik)),
        ] {
            assert!(
                block.contains("/verify?permission=slurm:submit&permission=slurm:read"),
                "{block}"
            );
            for header in IDENTITY.iter().chain(&SECRETS) {
                assert!(block.contains(header), "{header}: {block}");
            }
        }
    }

    #[test]
    fn nothing_can_be_written_into_a_block() {
        for (name, address) in [("x;", "127.0.0.1:1"), ("x", "127.0.0.1:1; }"), ("x", "")] {
            let mut wanted = wanted(Proxy::Nginx);
            name.clone_into(&mut wanted.name);
            address.clone_into(&mut wanted.application);
            assert_eq!(
                print(&wanted).err().map(|failure| failure.code),
                Some(USAGE)
            );
        }
    }
}
