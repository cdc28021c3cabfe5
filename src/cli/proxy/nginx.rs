//! The frame of the block for nginx: `auth_request`.

use super::ProxyArguments;
use super::requirement::{BlockPlace, lines};

pub fn block(print: &ProxyArguments) -> String {
    let ProxyArguments {
        name,
        listen,
        application,
        keycroft,
        ..
    } = print;
    let upstream = format!("keycroft_{}", print.identifier());
    let query = print.query();
    let verify = if query.is_empty() {
        "/verify".to_owned()
    } else {
        format!("/verify?{query}")
    };
    format!(
        "\
# {name}: nginx verifies each request with Keycroft. Include this file inside `http {{ … }}`.
# Start Keycroft with --behind-proxy and the address of nginx, so that it trusts nginx's X-Forwarded-For.
upstream {upstream} {{
    server {keycroft};
    keepalive 16;
}}
{top}
server {{
    listen {listen};
{site}
    location / {{
        auth_request /_keycroft;
{before}{after}
        proxy_pass http://{application};
    }}

    location = /_keycroft {{
        internal;
        proxy_pass http://{upstream}{verify};
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
{verification}    }}
}}
",
        top = lines(print, BlockPlace::Top, 0),
        site = lines(print, BlockPlace::Site, 4),
        before = lines(print, BlockPlace::Before, 8),
        after = lines(print, BlockPlace::After, 8),
        verification = lines(print, BlockPlace::Verification, 8),
    )
}
