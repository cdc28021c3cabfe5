//! Fields of objects that admins manage.

use serde_json::{Value, json};

use super::{Ground, no_strings};

#[test]
fn invalid_user_group_service_or_policy_is_rejected() {
    let ground = Ground::new();
    let long = "a".repeat(33);
    let mut usernames: Vec<Value> = [
        "",
        "Carol",
        "1a",
        "-x",
        ".a",
        "a.",
        "a b",
        "a/b",
        "../x",
        "$(id)",
        "ä",
        "a\n",
        "a\0",
        "a\u{202e}",
        "carol@lab",
        &long,
    ]
    .map(|name| json!(name))
    .to_vec();
    usernames.extend(no_strings());
    usernames.push(Value::Null);
    for name in &usernames {
        ground.reject(
            "POST",
            "/api/v1/users",
            &json!({"username": name}),
            "username",
        );
    }
    ground.reject("POST", "/api/v1/users", &json!({}), "username");
    for role in ["", "Admin", "root", "admin ", "member\0"]
        .map(|role| json!(role))
        .iter()
        .chain(&no_strings())
    {
        ground.reject(
            "POST",
            "/api/v1/users",
            &json!({"username": "carol", "role": role}),
            "role",
        );
        ground.reject("PATCH", "/api/v1/users/bob", &json!({"role": role}), "role");
    }
    for password in [
        "",
        "short",
        "fourteen chars",
        "aaaaaaaaaaaaaaaa",
        "123456789012345",
        "carolcarolcarol",
        "passwordpassword",
        &"long ".repeat(210),
    ]
    .map(|password| json!(password))
    .iter()
    .chain(&no_strings())
    {
        ground.reject(
            "POST",
            "/api/v1/users",
            &json!({"username": "carol", "password": password}),
            "password",
        );
    }
    for disabled in [json!("yes"), json!(1), json!(null), json!([])] {
        ground.reject(
            "PATCH",
            "/api/v1/users/bob",
            &json!({"disabled": disabled}),
            "disabled",
        );
    }
    for field in ["display_name", "role", "permissions"] {
        ground.reject("PATCH", "/api/v1/users/bob", &json!({field: null}), field);
    }
    let words = [
        "", "Staff", "1a", "-a", "a b", "a,b", "ä", "a\0", "a\n", &long,
    ];
    for name in words
        .map(|name| json!(name))
        .iter()
        .chain(&no_strings())
        .chain(&[Value::Null])
    {
        ground.reject("POST", "/api/v1/groups", &json!({"name": name}), "name");
    }
    ground.reject("POST", "/api/v1/groups", &json!({}), "name");
    for name in [
        "",
        "Lab",
        "1a",
        "a b",
        "a_b",
        "a:b",
        "ä",
        "a\0",
        "users",
        "api-keys",
        "introspect",
        "metrics",
        &long,
    ]
    .map(|name| json!(name))
    .iter()
    .chain(&no_strings())
    .chain(&[Value::Null])
    {
        ground.reject("POST", "/api/v1/services", &json!({"name": name}), "name");
    }
    for words in [
        json!(["zoo:feed"]),
        json!(["users:write"]),
        json!(["new"]),
        json!(["new:"]),
        json!(["new:A"]),
        json!(["introspect"]),
        json!("new:a"),
        json!(null),
    ] {
        ground.reject(
            "POST",
            "/api/v1/services",
            &json!({"name": "new", "permissions": words}),
            "permissions",
        );
    }
    for words in [
        json!(["zoo:feed"]),
        json!(["users:write"]),
        json!(["lab:a b"]),
        json!("lab:a"),
        json!(null),
    ] {
        ground.reject(
            "PATCH",
            "/api/v1/services/lab",
            &json!({"permissions": words}),
            "permissions",
        );
    }
    for (roles, field) in [
        (json!(null), "roles"),
        (json!(["lab:use"]), "roles"),
        (json!({"owner": ["lab:use"]}), "roles.owner"),
        (json!({"member": null}), "roles.member"),
        (json!({"member": "lab:use"}), "roles.member"),
        (json!({"admin": ["lab:a b"]}), "roles.admin"),
    ] {
        let body = json!({ "roles": roles });
        ground.reject("PATCH", "/api/v1/services/lab", &body, field);
    }
    let policy = [
        ("api_key_lifetime_choice", json!("yes")),
        ("api_key_lifetimes", json!([])),
        ("api_key_lifetimes", json!(["soon"])),
        (
            "api_key_lifetimes",
            json!([
                "1d", "2d", "3d", "4d", "5d", "6d", "7d", "8d", "9d", "10d", "11d", "12d", "13d"
            ]),
        ),
        ("api_key_lifetimes", json!("30d")),
        ("api_key_lifetime_default", json!("0s")),
        ("api_key_lifetime_default", json!(30)),
        ("api_key_lifetime_max", json!("")),
        ("token_lifetime_choice", json!(1)),
        ("token_lifetime_default", json!("90m")),
        ("token_lifetime_default", json!("25h")),
        ("token_lifetime_default", json!("never")),
        ("token_lifetime_max", json!("25h")),
        ("token_lifetime_max", json!("never")),
        ("session_lifetime", json!("1m")),
        ("session_idle_max", json!("1m")),
        ("session_idle_max", json!("never")),
        ("session_lifetime", json!("8d")),
        ("session_lifetime", json!("never")),
        ("ssh_key_types", json!([])),
        ("ssh_key_types", json!(["ssh-dss"])),
        ("ssh_rsa_bits_min", json!(1024)),
        ("ssh_rsa_bits_min", json!(8192)),
        ("ssh_rsa_bits_min", json!(-1)),
        ("ssh_rsa_bits_min", json!("3072")),
        ("ssh_key_lifetime_max", json!("soon")),
        ("api_keys_max", json!(0)),
        ("api_keys_max", json!(100_001)),
        ("api_keys_max", json!(1.5)),
        ("ssh_keys_max", json!(0)),
        ("ssh_keys_max", json!(null)),
    ];
    for (field, value) in policy {
        ground.reject("PATCH", "/api/v1/policy", &json!({field: value}), field);
    }
    ground.reject(
        "PATCH",
        "/api/v1/policy",
        &json!({"api_key_lifetime_max": "7d"}),
        "api_key_lifetime_default",
    );
    ground.reject(
        "PATCH",
        "/api/v1/policy",
        &json!({"token_lifetime_max": "2h"}),
        "token_lifetime_default",
    );
    ground.reject(
        "PATCH",
        "/api/v1/policy",
        &json!({"api_key_lifetimes": null}),
        "api_key_lifetimes",
    );
}
