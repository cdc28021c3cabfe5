//! The expectation for each route. A route without a row fails the tests.

use keycroft::http::Route;
use serde_json::{Value, json};

/// The expectation for a route.
pub(super) struct Declared {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The required permission; `""`: any valid credential; `"-"`: none.
    pub(super) permission: &'static str,
    /// A valid body.
    pub(super) body: fn() -> Value,
    /// The status for a permitted caller.
    pub(super) success_status: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    permission: &'static str,
    success_status: u16,
    body: fn() -> Value,
) -> Declared {
    Declared {
        method,
        path,
        permission,
        body,
        success_status,
    }
}

fn none() -> Value {
    Value::Null
}

const PASSWORDS: fn() -> Value =
    || json!({"current": crate::fixture::PASSWORD, "new": "another long password"});

const LINK: fn() -> Value = || json!({"password": "another long password"});

const ROTATE: fn() -> Value = || json!({"grace": "0s"});

/// Public keys whose private halves do not exist any more.
pub const KEYS: [&str; 3] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf alice",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGlrJoBX6wu97NBZzY1USoVEfQf430RGyZ/A57sXU9Y bob",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq58euPfTOI9PnVhvZumf1UCA3yxEbw5YZosJwIoW1Q new",
];

#[rustfmt::skip]
pub(super) const DECLARED: &[Declared] = &[
    row("*", "/verify", "", 204, none),
    row("POST", "/oauth/introspect", "introspect", 200, none),
    row("POST", "/oauth/revoke", "-", 400, none),
    row("GET", "/healthz", "-", 200, none),
    row("GET", "/openapi.json", "-", 200, none),
    row(
        "GET",
        "/.well-known/oauth-authorization-server",
        "-",
        200,
        none,
    ),
    row("GET", "/api/v1/me", "", 200, none),
    row(
        "PATCH",
        "/api/v1/me",
        "account:write",
        200,
        || json!({"display_name": "Al"}),
    ),
    row(
        "POST",
        "/api/v1/me/password",
        "account:write",
        204,
        PASSWORDS,
    ),
    row("GET", "/api/v1/me/notices", "account:read", 200, none),
    row("PATCH", "/api/v1/me/notices", "account:write", 200, || json!({"kinds": {}})),
    row("POST", "/api/v1/me/notices/{id}/acknowledge", "account:write", 200, none),
    row("POST", "/api/v1/setup", "code", 401, none),
    row("POST", "/api/v1/invitation", "code", 401, LINK),
    row("POST", "/api/v1/password-reset", "code", 401, LINK),
    row("GET", "/api/v1/api-keys", "api-keys:read", 200, none),
    row(
        "POST",
        "/api/v1/api-keys",
        "api-keys:write",
        201,
        || json!({"name": "new"}),
    ),
    row("GET", "/api/v1/api-keys/{id}", "api-keys:read", 200, none),
    row(
        "PATCH",
        "/api/v1/api-keys/{id}",
        "api-keys:write",
        200,
        || json!({"note": "n"}),
    ),
    row(
        "DELETE",
        "/api/v1/api-keys/{id}",
        "api-keys:write",
        204,
        none,
    ),
    row(
        "POST",
        "/api/v1/api-keys/{id}/rotate",
        "api-keys:write",
        200,
        ROTATE,
    ),
    row(
        "GET",
        "/api/v1/api-keys/{id}/usage",
        "api-keys:read",
        200,
        none,
    ),
    row("GET", "/api/v1/tokens", "tokens:read", 200, none),
    row("POST", "/api/v1/tokens", "tokens:write", 201, none),
    row("GET", "/api/v1/tokens/{id}", "tokens:read", 200, none),
    row("DELETE", "/api/v1/tokens/{id}", "tokens:write", 204, none),
    row("GET", "/api/v1/tokens/{id}/usage", "tokens:read", 200, none),
    row("GET", "/api/v1/sessions", "sessions:read", 200, none),
    row("DELETE", "/api/v1/sessions", "sessions:write", 204, none),
    row(
        "DELETE",
        "/api/v1/sessions/{id}",
        "sessions:write",
        204,
        none,
    ),
    row("GET", "/api/v1/events", "account:read", 200, none),
    row("GET", "/api/v1/users", "users:read", 200, none),
    row(
        "POST",
        "/api/v1/users",
        "users:write",
        201,
        || json!({"username": "carol"}),
    ),
    row("GET", "/api/v1/users/{username}", "users:read", 200, none),
    row(
        "PATCH",
        "/api/v1/users/{username}",
        "users:write",
        200,
        || json!({"display_name": "B"}),
    ),
    row(
        "DELETE",
        "/api/v1/users/{username}",
        "users:write",
        204,
        none,
    ),
    row(
        "POST",
        "/api/v1/users/{username}/reset-password",
        "users:write",
        200,
        none,
    ),
    row(
        "DELETE",
        "/api/v1/users/{username}/second-factor",
        "users:write",
        200,
        none,
    ),
    row("GET", "/api/v1/users/{username}/offboard", "users:read", 200, none),
    row(
        "POST",
        "/api/v1/users/{username}/token",
        "operator",
        201,
        none,
    ),
    row("POST", "/api/v1/audit-archives", "operator", 409, || {
        json!({"name": "events.jsonl", "number": 1, "hash": "0".repeat(64)})
    }),
    row("POST", "/api/v1/backups", "operator", 204, || {
        json!({"name": "backup.db", "bytes": 4_096})
    }),
    row(
        "POST",
        "/api/v1/users/{username}/offboard",
        "users:write",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/api-keys",
        "users:read",
        200,
        none,
    ),
    row(
        "DELETE",
        "/api/v1/users/{username}/api-keys/{id}",
        "users:write",
        204,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/tokens",
        "users:read",
        200,
        none,
    ),
    row(
        "DELETE",
        "/api/v1/users/{username}/tokens/{id}",
        "users:write",
        204,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/sessions",
        "users:read",
        200,
        none,
    ),
    row(
        "DELETE",
        "/api/v1/users/{username}/sessions/{id}",
        "users:write",
        204,
        none,
    ),
    row("GET", "/api/v1/policy", "policy:read", 200, none),
    row(
        "PATCH",
        "/api/v1/policy",
        "policy:write",
        200,
        || json!({"api_keys_max": 9}),
    ),
    row("POST", "/api/v1/policy/preview", "policy:read", 200, || json!({"api_keys_max": 9})),
    row("GET", "/api/v1/notices/channels", "policy:read", 200, none),
    row("POST", "/api/v1/notices/channels", "policy:write", 201, || json!({"name": "phone", "kind": "ntfy", "url": "http://127.0.0.1:9/keys"})),
    row("GET", "/api/v1/notices/channels/{id}", "policy:read", 200, none),
    row("PATCH", "/api/v1/notices/channels/{id}", "policy:write", 200, || json!({"admins": false})),
    row("DELETE", "/api/v1/notices/channels/{id}", "policy:write", 204, none),
    row("POST", "/api/v1/notices/channels/{id}/test", "policy:write", 200, none),
    row("GET", "/api/v1/notices/deliveries", "policy:read", 200, none),
    row("GET", "/api/v1/diagnostics", "policy:read", 200, none),
    row("GET", "/api/v1/credentials", "users:read", 200, none),
    row("POST", "/api/v1/sweep", "policy:write", 200, none),
    row("GET", "/api/v1/groups", "users:read", 200, none),
    row(
        "POST",
        "/api/v1/groups",
        "users:write",
        201,
        || json!({"name": "newcomers"}),
    ),
    row("DELETE", "/api/v1/groups/{name}", "users:write", 204, none),
    row(
        "PUT",
        "/api/v1/groups/{name}/members/{username}",
        "users:write",
        204,
        none,
    ),
    row(
        "DELETE",
        "/api/v1/groups/{name}/members/{username}",
        "users:write",
        204,
        none,
    ),
    row("GET", "/api/v1/services", "services:read", 200, none),
    row("GET", "/api/v1/services/{name}", "services:read", 200, none),
    row(
        "POST",
        "/api/v1/services",
        "services:write",
        201,
        || json!({"name": "zoo", "permissions": ["zoo:feed"]}),
    ),
    row(
        "PATCH",
        "/api/v1/services/{name}",
        "services:write",
        200,
        || json!({"permissions": ["lab:use"]}),
    ),
    row(
        "DELETE",
        "/api/v1/services/{name}",
        "services:write",
        204,
        none,
    ),
    row(
        "GET",
        "/api/v1/services/{name}/api-keys",
        "services:read",
        200,
        none,
    ),
    row(
        "POST",
        "/api/v1/services/{name}/api-keys",
        "services:write",
        201,
        || json!({"name": "new"}),
    ),
    row(
        "GET",
        "/api/v1/services/{name}/api-keys/{id}",
        "services:read",
        200,
        none,
    ),
    row(
        "PATCH",
        "/api/v1/services/{name}/api-keys/{id}",
        "services:write",
        200,
        || json!({"note": "n"}),
    ),
    row(
        "DELETE",
        "/api/v1/services/{name}/api-keys/{id}",
        "services:write",
        204,
        none,
    ),
    row(
        "POST",
        "/api/v1/services/{name}/api-keys/{id}/rotate",
        "services:write",
        200,
        ROTATE,
    ),
    row(
        "GET",
        "/api/v1/services/{name}/api-keys/{id}/usage",
        "services:read",
        200,
        none,
    ),
    row("GET", "/metrics", "local", 200, none),
    row("POST", "/oauth/device_authorization", "-", 400, none),
    row("POST", "/oauth/token", "-", 400, none),
    row(
        "GET",
        "/api/v1/api-keys/{id}/explain",
        "api-keys:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/tokens/{id}/explain",
        "tokens:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/api-keys/{id}",
        "users:read",
        200,
        none,
    ),
    row(
        "PATCH",
        "/api/v1/users/{username}/api-keys/{id}",
        "users:write",
        200,
        || json!({"disabled": true}),
    ),
    row(
        "GET",
        "/api/v1/users/{username}/api-keys/{id}/usage",
        "users:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/tokens/{id}",
        "users:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/tokens/{id}/usage",
        "users:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/sessions/{id}",
        "users:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/ssh-keys/{id}",
        "users:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/api-keys/{id}/explain",
        "users:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/tokens/{id}/explain",
        "users:read",
        200,
        none,
    ),
    row(
        "GET",
        "/api/v1/services/{name}/api-keys/{id}/explain",
        "services:read",
        200,
        none,
    ),
    row("GET", "/api/v1/ssh-keys", "ssh-keys:read", 200, none),
    row(
        "POST",
        "/api/v1/ssh-keys",
        "ssh-keys:write",
        201,
        || json!({"public_key": KEYS[2]}),
    ),
    row(
        "POST",
        "/api/v1/ssh-keys/import",
        "ssh-keys:write",
        200,
        || json!({"text": KEYS[2]}),
    ),
    row("GET", "/api/v1/ssh-keys/logins", "ssh-keys:read", 200, none),
    row("GET", "/api/v1/ssh-keys/{id}", "ssh-keys:read", 200, none),
    row(
        "GET",
        "/api/v1/ssh-keys/{id}.pub",
        "ssh-keys:read",
        200,
        none,
    ),
    row(
        "PATCH",
        "/api/v1/ssh-keys/{id}",
        "ssh-keys:write",
        200,
        || json!({"name": "n"}),
    ),
    row(
        "DELETE",
        "/api/v1/ssh-keys/{id}",
        "ssh-keys:write",
        204,
        none,
    ),
    row(
        "GET",
        "/api/v1/users/{username}/ssh-keys",
        "users:read",
        200,
        none,
    ),
    row(
        "DELETE",
        "/api/v1/users/{username}/ssh-keys/{id}",
        "users:write",
        204,
        none,
    ),
    row(
        "POST",
        "/api/v1/users/{username}/ssh-keys/import",
        "users:write",
        200,
        || json!({"text": KEYS[2]}),
    ),
    row("GET", "/api/v1/hosts", "hosts:read", 200, none),
    row("GET", "/api/v1/hosts/{id}", "hosts:read", 200, none),
    row("PATCH", "/api/v1/hosts/{id}", "hosts:write", 200, || json!({"cache_age_max": "1h"})),
    row("DELETE", "/api/v1/hosts/{id}", "hosts:write", 204, none),
    row("GET", "/api/v1/hosts/enrollment-codes", "hosts:read", 200, none),
    row("POST", "/api/v1/hosts/enrollment-codes", "hosts:write", 201, none),
    row("DELETE", "/api/v1/hosts/enrollment-codes/{id}", "hosts:write", 204, none),
    row("POST", "/api/v1/hosts/enroll", "code", 401, none),
    row("GET", "/api/v1/hosts/self/authorized-keys", "host", 401, none),
    row("POST", "/api/v1/hosts/self/rotate", "host", 401, none),
    row("POST", "/api/v1/hosts/self/logins", "host", 401, none),
];

/// The JSON API and the endpoints for services; pages belong to the console.
pub(super) fn is_for_machines(path: &str) -> bool {
    let roots = ["/api/", "/oauth/", "/.well-known/"];
    roots.iter().any(|root| path.starts_with(root))
        || matches!(path, "/verify" | "/healthz" | "/metrics" | "/openapi.json")
}

impl Declared {
    pub(super) fn for_route(route: &Route) -> &'static Self {
        DECLARED
            .iter()
            .find(|row| row.method == route.method && row.path == route.path)
            .unwrap_or_else(|| {
                panic!(
                    "{} {} has no row in this test: declare it",
                    route.method, route.path
                )
            })
    }

    pub(super) fn method(&self) -> &'static str {
        if self.method == "*" {
            "GET"
        } else {
            self.method
        }
    }

    /// True if the route needs a success_status API key or token.
    pub(super) fn takes_credentials(&self) -> bool {
        !matches!(
            self.permission,
            "-" | "code" | "local" | "host" | "operator"
        )
    }

    pub(super) fn needs_permission(&self) -> bool {
        self.takes_credentials() && !self.permission.is_empty()
    }
}
