//! The requirements of a proxy configuration, with the lines that meet them in each proxy.
//!
//! `scripts/test.d/21-proxies` has one check for each row, under the row's name, and runs it against each real proxy.

use super::ProxyArguments;
use crate::wire::{IDENTITY_HEADERS, SECRET_HEADERS};

/// Where lines stand in a block. nginx has `Before` and `After` in the application's location; Traefik has them as two
/// `headers` middlewares around `forwardAuth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockPlace {
    /// Outside of the site: nginx's `http`, Traefik's routers.
    Top,
    /// In the site, before all else: nginx's `server`, Caddy's `route`, Traefik's middlewares.
    Site,
    /// Before the request is verified.
    Before,
    /// In the request that verifies.
    Verification,
    /// After the request was verified, on its way to the application.
    After,
}

/// Lines for one place.
pub type PlacedLines = (BlockPlace, Vec<String>);
/// The lines for one proxy. None where the proxy meets the requirement by itself, or the frame of its block does.
type RequirementLines = fn(&ProxyArguments) -> Vec<PlacedLines>;

/// One requirement.
pub struct Requirement {
    /// Name of the check.
    pub name: &'static str,
    /// One sentence, which stands in the block and in the documentation.
    pub means: &'static str,
    nginx: RequirementLines,
    caddy: RequirementLines,
    traefik: RequirementLines,
}

/// Headers in which a client could claim an address, a host, a scheme, a path or a user. The three that a proxy sets for the
/// application (`X-Forwarded-For`, `-Host`, `-Proto`) are not among them.
const CLAIMS: [&str; 12] = [
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Uri",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
];

/// A pattern for a `Connection` header that names a header of Keycroft.
pub const CONNECTION_NAMES: &str = "remote-|keycroft-|authorization|x-api-key|forwarded|x-real-ip";

/// Headers that Caddy would send along with the request that verifies. A long value of another header becomes a hyphen.
const CADDY_DROPS: [&str; 11] = [
    "Accept*",
    "Cache-Control",
    "Connection",
    "Content-*",
    "Cookie",
    "If-*",
    "Origin",
    "Range",
    "Referer",
    "Sec-*",
    "Upgrade",
];

fn no_lines(_: &ProxyArguments) -> Vec<PlacedLines> {
    Vec::new()
}

fn placed_lines(place: BlockPlace, lines: impl IntoIterator<Item = String>) -> PlacedLines {
    (place, lines.into_iter().collect())
}

/// `Remote-User` as an nginx variable: `remote_user`.
fn variable(header: &str) -> String {
    header.to_ascii_lowercase().replace('-', "_")
}

/// Names with another character in place of the hyphens, which many applications take for the same header.
fn aliases<'a>(headers: impl IntoIterator<Item = &'a &'a str>) -> Vec<String> {
    let names = headers.into_iter().filter(|header| header.contains('-'));
    names
        .flat_map(|header| [header.replace('-', "_"), header.replace('-', ".")])
        .collect()
}

fn yaml_removes<S: AsRef<str>>(headers: impl IntoIterator<Item = S>) -> Vec<String> {
    let headers = headers.into_iter();
    headers
        .map(|one| format!("{}: \"\"", one.as_ref()))
        .collect()
}

use BlockPlace::{After, Before, Site, Top, Verification};

/// Every requirement, in the order in which the lines stand in a block.
pub const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        name: "verified",
        means: "Each request is verified before the application receives it; if Keycroft is unreachable, none passes.",
        nginx: no_lines,
        caddy: no_lines,
        traefik: no_lines,
    },
    Requirement {
        name: "connection",
        means: "A Connection header cannot remove a header that Keycroft sets.",
        nginx: |print| {
            let flag = format!("$keycroft_{}_refused", print.identifier());
            vec![
                placed_lines(
                    Top,
                    [format!(
                        "map $http_connection {flag} {{ default 0; \"~*{CONNECTION_NAMES}\" 1; }}"
                    )],
                ),
                placed_lines(Site, [format!("if ({flag}) {{ return 400; }}")]),
            ]
        },
        caddy: |_| {
            vec![placed_lines(Site, [
                format!("@keycroft_connection header_regexp Connection (?i){CONNECTION_NAMES}"),
                "respond @keycroft_connection \"The Connection header may not name this header.\" 400".to_owned(),
            ])]
        },
        // Traefik removes the headers that a client's Connection names, and Connection itself, before any router sees them.
        traefik: no_lines,
    },
    Requirement {
        name: "upgrade",
        means: "WebSocket upgrades pass. Others are removed: the requests after them would not be verified.",
        nginx: |print| {
            let name = print.identifier();
            vec![
                placed_lines(
                    Top,
                    [
                        format!(
                            "map $http_upgrade $keycroft_{name}_upgrade {{ default \"\"; \"~*^websocket$\" websocket; }}"
                        ),
                        format!(
                            "map $keycroft_{name}_upgrade $keycroft_{name}_connection {{ default \"\"; websocket upgrade; }}"
                        ),
                    ],
                ),
                placed_lines(
                    After,
                    [
                        "proxy_http_version 1.1;".to_owned(),
                        format!("proxy_set_header Upgrade $keycroft_{name}_upgrade;"),
                        format!("proxy_set_header Connection $keycroft_{name}_connection;"),
                    ],
                ),
            ]
        },
        caddy: |_| {
            vec![placed_lines(
                Site,
                [
                    "@keycroft_websocket header_regexp Upgrade (?i)^websocket$".to_owned(),
                    "@keycroft_upgrade not header_regexp Upgrade (?i)^websocket$".to_owned(),
                    "request_header @keycroft_websocket Upgrade websocket".to_owned(),
                    "request_header @keycroft_upgrade -Upgrade".to_owned(),
                ],
            )]
        },
        traefik: |print| {
            let name = &print.name;
            vec![
                placed_lines(
                    Top,
                    [
                        format!("{name}-websocket:"),
                        "  rule: HeaderRegexp(`Upgrade`, `(?i)^websocket$`)".to_owned(),
                        format!(
                            "  middlewares: [{name}-before, {name}-keycroft, {name}-after, {name}-websocket]"
                        ),
                        format!("  service: {name}"),
                    ],
                ),
                placed_lines(
                    Site,
                    [
                        format!("{name}-websocket:"),
                        "  headers:".to_owned(),
                        "    customRequestHeaders:".to_owned(),
                        "      Upgrade: websocket".to_owned(),
                    ],
                ),
                placed_lines(After, yaml_removes(["Upgrade"])),
            ]
        },
    },
    Requirement {
        name: "identity",
        means: "The application receives the identity of the sender from Keycroft, never from the client.",
        nginx: |_| {
            vec![
                placed_lines(Site, ["underscores_in_headers off;".to_owned()]),
                placed_lines(
                    Before,
                    IDENTITY_HEADERS.map(|header| {
                        let own = variable(header);
                        format!("auth_request_set $keycroft_{own} $upstream_http_{own};")
                    }),
                ),
                placed_lines(
                    After,
                    IDENTITY_HEADERS.map(|header| {
                        format!("proxy_set_header {header} $keycroft_{};", variable(header))
                    }),
                ),
            ]
        },
        caddy: |_| {
            // Names with underscores and dots, too: many applications take them for the same headers.
            let drops = ["Remote-*", "Keycroft-*", "*_*", "*.*"];
            vec![
                placed_lines(
                    Before,
                    drops.map(|header| format!("request_header -{header}")),
                ),
                placed_lines(
                    Verification,
                    [format!("copy_headers {}", IDENTITY_HEADERS.join(" "))],
                ),
            ]
        },
        traefik: |_| {
            let headers = IDENTITY_HEADERS.map(str::to_owned).into_iter();
            vec![
                placed_lines(
                    Before,
                    yaml_removes(headers.chain(aliases(&IDENTITY_HEADERS))),
                ),
                placed_lines(
                    Verification,
                    [format!(
                        "authResponseHeaders: [{}]",
                        IDENTITY_HEADERS.join(", ")
                    )],
                ),
            ]
        },
    },
    Requirement {
        name: "secrets",
        means: "The application never receives the credential.",
        nginx: |_| {
            vec![placed_lines(
                After,
                SECRET_HEADERS.map(|header| format!("proxy_set_header {header} \"\";")),
            )]
        },
        caddy: |_| {
            vec![placed_lines(
                After,
                SECRET_HEADERS.map(|header| format!("request_header -{header}")),
            )]
        },
        traefik: |_| {
            let headers = SECRET_HEADERS.map(str::to_owned).into_iter();
            vec![placed_lines(
                After,
                yaml_removes(headers.chain(aliases(&SECRET_HEADERS))),
            )]
        },
    },
    Requirement {
        name: "forwarded",
        means: "The application receives Host as the client sent it. X-Forwarded-For, -Host and -Proto come from the proxy, never from the client.",
        nginx: |_| {
            let own = [
                ("Host", "$http_host"),
                ("X-Forwarded-For", "$remote_addr"),
                ("X-Forwarded-Host", "$http_host"),
                ("X-Forwarded-Proto", "$scheme"),
            ];
            let own = own.map(|(header, value)| format!("proxy_set_header {header} {value};"));
            let drops = CLAIMS.map(|header| format!("proxy_set_header {header} \"\";"));
            vec![placed_lines(After, own.into_iter().chain(drops))]
        },
        caddy: |_| {
            vec![placed_lines(
                Before,
                CLAIMS.map(|header| format!("request_header -{header}")),
            )]
        },
        traefik: |_| {
            let headers = CLAIMS.map(str::to_owned).into_iter();
            let own = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"];
            let names = headers.chain(aliases(&CLAIMS)).chain(aliases(&own));
            vec![placed_lines(Before, yaml_removes(names))]
        },
    },
    Requirement {
        name: "address",
        means: "Verification receives the client's address from the proxy, never from the client.",
        nginx: |_| {
            vec![placed_lines(
                Verification,
                ["proxy_set_header X-Forwarded-For $remote_addr;".to_owned()],
            )]
        },
        caddy: no_lines,
        traefik: no_lines,
    },
    Requirement {
        name: "query",
        means: "Verification does not receive the query of the request.",
        nginx: no_lines,
        caddy: |print| {
            vec![placed_lines(
                Verification,
                [format!("uri /verify?{}", print.query())],
            )]
        },
        traefik: no_lines,
    },
    Requirement {
        name: "sizes",
        means: "Verification receives only the headers it needs, and no body: large headers and bodies reach the application.",
        nginx: |_| {
            let passed = [
                ("Authorization", "$http_authorization"),
                ("X-API-Key", "$http_x_api_key"),
                ("User-Agent", "$http_user_agent"),
            ];
            let passed =
                passed.map(|(header, value)| format!("proxy_set_header {header} {value};"));
            vec![
                placed_lines(Site, ["client_max_body_size 0;".to_owned()]),
                placed_lines(
                    Verification,
                    [
                        "proxy_pass_request_body off;".to_owned(),
                        "proxy_pass_request_headers off;".to_owned(),
                        "proxy_set_header Content-Length \"\";".to_owned(),
                    ]
                    .into_iter()
                    .chain(passed)
                    .chain([
                        "proxy_buffer_size 32k;".to_owned(),
                        "proxy_buffers 4 32k;".to_owned(),
                    ]),
                ),
            ]
        },
        caddy: |_| {
            // `header_up -*` would say it in a line, but ends each request in Caddy 2.6.
            let long = "header_up * \"^.{1000}.*$\" \"-\"".to_owned();
            let drops = CADDY_DROPS.map(|header| format!("header_up -{header}"));
            vec![placed_lines(Verification, [long].into_iter().chain(drops))]
        },
        traefik: |_| {
            let needed = ["Authorization", "X-API-Key", "User-Agent"];
            vec![placed_lines(
                Verification,
                [format!("authRequestHeaders: [{}]", needed.join(", "))],
            )]
        },
    },
    Requirement {
        name: "basic",
        means: "With --basic, Basic authentication is offered to git, wget and browsers.",
        nginx: no_lines,
        caddy: no_lines,
        traefik: no_lines,
    },
    Requirement {
        name: "preflight",
        means: "With --allow-preflight, CORS preflight requests pass without a credential and without an identity.",
        nginx: |print| {
            if !print.allow_preflight {
                return Vec::new();
            }
            let flag = format!("$keycroft_{}_preflight", print.identifier());
            vec![
                placed_lines(
                    Top,
                    [
                        format!(
                            "map \"$request_method|$http_origin|$http_access_control_request_method\" {flag} {{"
                        ),
                        "    default 0; \"~^OPTIONS\\|.+\\|.+$\" 1;".to_owned(),
                        "}".to_owned(),
                    ],
                ),
                placed_lines(Verification, [format!("if ({flag}) {{ return 204; }}")]),
            ]
        },
        caddy: |print| {
            if !print.allow_preflight {
                return Vec::new();
            }
            let lines = [
                "@keycroft_verified not {",
                "    method OPTIONS",
                "    header Origin *",
                "    header Access-Control-Request-Method *",
                "}",
            ];
            vec![placed_lines(Before, lines.map(str::to_owned))]
        },
        traefik: |print| {
            if !print.allow_preflight {
                return Vec::new();
            }
            let name = &print.name;
            vec![placed_lines(Top, [
                format!("{name}-preflight:"),
                "  rule: Method(`OPTIONS`) && HeaderRegexp(`Origin`, `.`) && HeaderRegexp(`Access-Control-Request-Method`, `.`)".to_owned(),
                format!("  middlewares: [{name}-before, {name}-after]"),
                format!("  service: {name}"),
            ])]
        },
    },
];

/// The lines of all requirements for one place, indented. Each requirement's sentence stands before its first lines.
pub fn lines(print: &ProxyArguments, place: BlockPlace, indent: usize) -> String {
    let mut text = String::new();
    let space = " ".repeat(indent);
    for requirement in REQUIREMENTS {
        let parts = match print.proxy {
            super::Proxy::Nginx => (requirement.nginx)(print),
            super::Proxy::Caddy => (requirement.caddy)(print),
            super::Proxy::Traefik => (requirement.traefik)(print),
        };
        for (number, (at, lines)) in parts.iter().enumerate() {
            if *at != place {
                continue;
            }
            if number == 0 {
                text.push_str(&format!(
                    "{space}# {}: {}\n",
                    requirement.name, requirement.means
                ));
            }
            for line in lines {
                text.push_str(&format!("{space}{line}\n"));
            }
        }
    }
    text
}

/// The row of the documentation's table.
#[cfg(test)]
pub fn means_for_documentation(requirement: &Requirement) -> String {
    format!("| `{}` | {} |", requirement.name, requirement.means)
}
