//! Complete requests: queries, forms and JSON of permitted callers; and the JSON shapes alone.

use std::collections::BTreeSet;

use keycroft::model::ssh_key::KeyRules;
use keycroft::wire;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::endpoint::{Lab, in_lab};

/// The first byte selects one of `choices`.
fn chosen<'a, 'b, T>(bytes: &'b [u8], choices: &'a [T]) -> Option<(&'a T, &'b [u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((&choices[usize::from(*first) % choices.len()], rest))
}

/// `path` with existing ids in place of `{key}` and `{ssh}`.
fn with_ids(lab: &Lab, path: &str) -> String {
    path.replace("{key}", &lab.api_key)
        .replace("{ssh}", &lab.ssh_key)
}

/// Lists with known parameters, and pages, which ignore unknown ones.
const QUERIED: &[&str] = &[
    "/api/v1/api-keys",
    "/api/v1/tokens",
    "/api/v1/sessions",
    "/api/v1/ssh-keys",
    "/api/v1/events",
    "/api/v1/users",
    "/api/v1/groups",
    "/api/v1/hosts",
    "/api/v1/services",
    "/api/v1/policy",
    "/api/v1/me",
    "/api/v1/users/alice/api-keys",
    "/verify",
    "/api-keys",
    "/tokens",
    "/ssh-keys",
    "/sessions",
    "/events",
    "/admin/events",
    "/admin/users",
    "/admin/inventory",
    "/admin/hosts",
    "/login",
    "/device",
    "/help",
];

/// The first byte selects the path, the others are its query.
pub fn query(bytes: &[u8]) {
    let Some((path, query)) = chosen(bytes, QUERIED) else {
        return;
    };
    // Bytes that the transport accepts in a target.
    let query: String = query
        .iter()
        .filter(|byte| byte.is_ascii_graphic() && **byte != b'#')
        .map(|byte| char::from(*byte))
        .collect();
    in_lab(|lab| {
        let asking = lab
            .site
            .ask("GET", &format!("{path}?{query}"))
            .bearer(&lab.site.alice)
            .header("Cookie", &format!("keycroft-session={}", lab.alice_session));
        let answer = asking.send();
        lab.assert_answer(&answer);
        if !path.starts_with("/api/") {
            return;
        }
        let names: Vec<String> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, _)| name.into_owned())
            .collect();
        let once: BTreeSet<&String> = names.iter().collect();
        let is_rejected = answer.status == 422;
        assert!(is_rejected || answer.status == 200, "{}", answer.text());
        assert!(is_rejected || once.len() == names.len(), "{path}?{query}");
        let known = [
            "limit", "after", "action", "since", "until", "all", "user", "target",
        ];
        let is_known = |name: &&String| known.contains(&name.as_str());
        assert!(is_rejected || once.iter().all(is_known), "{path}?{query}");
        let found = answer.json();
        if is_rejected {
            assert!(!found["errors"].as_array().unwrap().is_empty());
        } else if let Some(items) = found["items"].as_array() {
            let limit = form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "limit")
                .map_or(50, |(_, value)| value.parse().unwrap());
            assert!((1..=200).contains(&limit) && items.len() <= limit);
        }
    });
}

/// Forms that hash no password and revoke no session.
const FORMS: &[&str] = &[
    "/account/name",
    "/account/theme",
    "/api-keys/new",
    "/api-keys/{key}/edit",
    "/tokens/new",
    "/ssh-keys/new",
    "/ssh-keys/{ssh}/edit",
    "/admin/groups",
    "/admin/groups/gpu/members/add",
    "/admin/hosts/enroll",
    "/admin/new-service",
    "/admin/services/slurm/edit",
    "/admin/services/slurm/api-keys/new",
    "/admin/users/carol/edit",
    "/admin/inventory/delete",
    "/device",
    "/device/approve",
];

/// The first byte selects the form; the others are its body, behind the fields of every form.
pub fn form(bytes: &[u8]) {
    let Some((path, body)) = chosen(bytes, FORMS) else {
        return;
    };
    in_lab(|lab| {
        let body = lab.fill(&String::from_utf8_lossy(body));
        let complete = format!(
            "form_token={}&nonce=1795348800-abcdefghijabcdefghij&{body}",
            lab.form_token
        );
        let asking = lab
            .site
            .ask("POST", &with_ids(lab, path))
            .header("Cookie", &format!("keycroft-session={}", lab.alice_session))
            .header("Sec-Fetch-Site", "same-origin");
        let kind = "application/x-www-form-urlencoded";
        let answer = asking.clone().body(kind, complete).send();
        // A rejected form echoes only the typed values: no secret of others.
        if !body.contains("kc") {
            lab.assert_answer(&answer);
        }
        assert!((200..500).contains(&answer.status), "{}", answer.text());
        // Without the token of the session a form has no effect.
        let before = lab.site.snapshot();
        let token = body.contains(&lab.form_token);
        if !token {
            let answer = asking.body(kind, body).send();
            assert!(matches!(answer.status, 403 | 413), "{}", answer.status);
            assert_eq!(lab.site.snapshot(), before);
        }
    });
}

/// Operations with a JSON body that hash no password.
const TAKES_JSON: &[(&str, &str)] = &[
    ("PATCH", "/api/v1/me"),
    ("POST", "/api/v1/api-keys"),
    ("PATCH", "/api/v1/api-keys/{key}"),
    ("POST", "/api/v1/tokens"),
    ("POST", "/api/v1/ssh-keys"),
    ("PATCH", "/api/v1/ssh-keys/{ssh}"),
    ("POST", "/api/v1/ssh-keys/import"),
    ("PATCH", "/api/v1/users/carol"),
    ("PATCH", "/api/v1/policy"),
    ("POST", "/api/v1/groups"),
    ("POST", "/api/v1/services"),
    ("PATCH", "/api/v1/services/slurm"),
    ("POST", "/api/v1/services/slurm/api-keys"),
    ("POST", "/api/v1/hosts/enrollment-codes"),
    ("POST", "/api/v1/users/carol/offboard"),
    ("POST", "/api/v1/setup"),
    ("POST", "/api/v1/sweep"),
];

/// The first byte selects the operation, the others are its body.
pub fn json(bytes: &[u8]) {
    let Some(((method, path), body)) = chosen(bytes, TAKES_JSON) else {
        return;
    };
    in_lab(|lab| {
        let body = match std::str::from_utf8(body) {
            Ok(text) => lab.fill(text).into_bytes(),
            Err(_) => body.to_vec(),
        };
        let is_json = serde_json::from_slice::<IgnoredAny>(&body).is_ok()
            && std::str::from_utf8(&body).is_ok();
        let before = lab.site.snapshot();
        let answer = lab
            .site
            .ask(method, &with_ids(lab, path))
            .bearer(&lab.site.alice)
            .body("application/json", body)
            .send();
        lab.assert_answer(&answer);
        if answer.status < 300 {
            assert!(is_json, "{method} {path} took what is no JSON");
            assert!(answer.body.is_empty() || answer.json().is_object());
            return;
        }
        assert_eq!(
            lab.site.snapshot(),
            before,
            "refused, and done all the same"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status);
        if !is_json && answer.status != 401 && answer.status != 413 {
            assert_eq!(answer.status, 400, "{method} {path}: {problem}");
        }
        for error in problem["errors"].as_array().into_iter().flatten() {
            let (field, message) = (&error["field"], &error["message"]);
            assert!(field.as_str().unwrap().chars().count() <= 200, "{problem}");
            assert!(!message.as_str().unwrap().is_empty());
        }
    });
}

/// A parsed value is written so that it parses the same.
fn comes_back<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_string(&read).unwrap();
    let again: T = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), written);
    Some(read)
}

/// One body as each of the accepted shapes.
pub fn wire(bytes: &[u8]) {
    let rules = KeyRules::default();
    let _ = comes_back::<wire::ApiKeyIn>(bytes).map(wire::ApiKeyIn::parse);
    let _ = comes_back::<wire::ApiKeyPatch>(bytes).map(wire::ApiKeyPatch::parse);
    let _ = comes_back::<wire::RotateIn>(bytes).map(|rotate| rotate.parse());
    let _ = comes_back::<wire::TokenIn>(bytes).map(wire::TokenIn::parse);
    let _ = comes_back::<wire::SshKeyIn>(bytes).map(|key| key.parse(&rules));
    let _ = comes_back::<wire::SshKeyPatch>(bytes).map(|key| key.parse(&rules));
    let _ = comes_back::<wire::ImportIn>(bytes);
    let _ = comes_back::<wire::UserPatch>(bytes).map(wire::UserPatch::parse);
    let _ = comes_back::<wire::GroupIn>(bytes);
    let _ = comes_back::<wire::ServiceIn>(bytes);
    let _ = comes_back::<wire::ServicePatch>(bytes);
    let _ = comes_back::<wire::PolicyPatch>(bytes).map(wire::PolicyPatch::parse);
    let _ = comes_back::<wire::MeIn>(bytes);
    let _ = comes_back::<wire::HostPatch>(bytes).map(wire::HostPatch::parse);
    let _ = comes_back::<wire::EnrollmentCodeIn>(bytes).map(wire::EnrollmentCodeIn::parse);
    let _ = comes_back::<wire::EnrollIn>(bytes);
    if let Some(logins) = comes_back::<Vec<wire::LoginIn>>(bytes)
        && let Ok(parsed) = wire::LoginIn::parse_all(&logins)
    {
        assert_eq!(parsed.len(), logins.len());
        assert!(parsed.len() <= wire::LOGINS_MAX);
    }
}
