//! The frame of the block for Traefik: `forwardAuth`.

use super::ProxyArguments;
use super::requirement::{BlockPlace, lines};

pub fn block(print: &ProxyArguments) -> String {
    let ProxyArguments {
        name,
        application,
        keycroft,
        ..
    } = print;
    let query = print.query();
    let verify = if query.is_empty() {
        "/verify".to_owned()
    } else {
        format!("/verify?{query}")
    };
    format!(
        "\
# {name}: Traefik verifies each request with Keycroft. For the file provider; Traefik 3.1.3 or later.
# Start Keycroft with --behind-proxy and the address of Traefik, so that it trusts Traefik's X-Forwarded-For.
# Another rule, such as Host(`{name}.lab.example`), belongs into every router: rule: Host(…) && …
http:
  routers:
    {name}:
      rule: PathPrefix(`/`)
      middlewares: [{name}-before, {name}-keycroft, {name}-after]
      service: {name}
{top}
  services:
    {name}:
      loadBalancer:
        servers:
          - url: http://{application}

  middlewares:
    {name}-keycroft:
      forwardAuth:
        address: http://{keycroft}{verify}
{verification}
    {name}-before:
      headers:
        # An empty value removes a header.
        customRequestHeaders:
{before}
    {name}-after:
      headers:
        customRequestHeaders:
{after}
{site}",
        top = lines(print, BlockPlace::Top, 4),
        site = lines(print, BlockPlace::Site, 4),
        before = lines(print, BlockPlace::Before, 10),
        verification = lines(print, BlockPlace::Verification, 8),
        after = lines(print, BlockPlace::After, 10),
    )
}
