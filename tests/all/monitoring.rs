//! `examples/prometheus-rules.yml` and `examples/grafana-dashboard.json` name only metrics and labels that `/metrics` exports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::fixture::{Site, secret};
use super::tidy::{read, root};

/// The labels of each metric, with their values.
type Exported = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The metrics of a server that has a credential of each kind and a host.
fn exported() -> Exported {
    let site = Site::new();
    let token = site.token("alice");
    site.api_key(&token, &json!({"name": "backup", "permissions": []}));
    let code = site
        .ask("POST", "/api/v1/hosts/enrollment-codes")
        .bearer(&token)
        .json(&json!({}))
        .send()
        .expect(201)
        .json();
    site.ask("POST", "/api/v1/hosts/enroll")
        .bearer(&secret(&code))
        .json(&json!({"name": "gpu1"}))
        .send()
        .expect(201);
    let text = site
        .ask("GET", "/metrics")
        .bearer(&site.token("alice"))
        .send()
        .expect(200)
        .text();
    let mut found = Exported::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            found.entry(name.to_owned()).or_default();
        } else if let Some((name, rest)) = line.split_once('{') {
            let (labels, _) = rest.split_once('}').unwrap();
            for (label, value) in pairs(labels) {
                found
                    .get_mut(name)
                    .unwrap()
                    .entry(label)
                    .or_default()
                    .insert(value);
            }
        }
    }
    found
}

/// `a="b",c="d"`.
fn pairs(labels: &str) -> Vec<(String, String)> {
    labels
        .split(',')
        .map(|pair| {
            let (label, value) = pair.split_once('=').unwrap();
            (
                label.trim().to_owned(),
                value.trim().trim_matches('"').to_owned(),
            )
        })
        .collect()
}

/// The metrics in an expression, each with the text after its name.
fn metrics_named(expression: &str) -> Vec<(&str, &str)> {
    expression
        .match_indices("keycroft_")
        .map(|(at, _)| {
            let rest = &expression[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            rest.split_at(end.unwrap_or(rest.len()))
        })
        .collect()
}

/// Metrics and labels in an expression that the server does not export.
fn unknown(expression: &str, exported: &Exported) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, behind) in metrics_named(expression) {
        let Some(labels) = exported.get(name) else {
            wrong.push(name.to_owned());
            continue;
        };
        let Some(selector) = behind.strip_prefix('{') else {
            continue;
        };
        for (label, value) in pairs(selector.split('}').next().unwrap()) {
            if !labels
                .get(&label)
                .is_some_and(|values| values.contains(&value))
            {
                wrong.push(format!("{name}{{{label}=\"{value}\"}}"));
            }
        }
    }
    wrong
}

/// Labels that a text refers to, as `by (kind)`, `{{kind}}` or `$labels.kind`.
fn labels_named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (open, close) in [("by (", ")"), ("{{", "}}")] {
        for part in text.split(open).skip(1) {
            let name = part.split(close).next().unwrap().trim();
            found.insert(name.trim_start_matches("$labels.").to_owned());
        }
    }
    found
}

fn example(name: &str) -> String {
    fs::read_to_string(root().join("examples").join(name)).unwrap()
}

#[test]
fn alert_rules_name_exported_metrics_only() {
    let exported = exported();
    let rules = example("prometheus-rules.yml");
    let alerts = rules.matches("- alert: ").count();
    assert!(alerts >= 7 && rules.matches(" expr: ").count() == alerts);
    assert_eq!(unknown(&rules, &exported), Vec::<String>::new());
    assert_eq!(labels_named(&rules), BTreeSet::from(["host".to_owned()]));
    assert!(exported["keycroft_hosts_last_seen_seconds"]["host"].contains("gpu1"));

    assert_eq!(unknown("keycroft_none > 1", &exported), ["keycroft_none"]);
    let wrong = "keycroft_verify_total{result=\"good\"}";
    assert_eq!(unknown(wrong, &exported), [wrong]);
}

#[test]
fn dashboard_shows_every_exported_metric() {
    let exported = exported();
    let dashboard: Value = serde_json::from_str(&example("grafana-dashboard.json")).unwrap();
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            assert_eq!(unknown(expression, &exported), Vec::<String>::new());
            let [(name, _)] = metrics_named(expression)[..] else {
                panic!("one metric in {expression}");
            };
            shown.insert(name.to_owned());
            let legend = target["legendFormat"].as_str().unwrap();
            for label in labels_named(&format!("{expression} {legend}")) {
                assert!(
                    exported[name].contains_key(&label),
                    "{label} of {expression}"
                );
            }
        }
    }
    assert_eq!(shown, exported.keys().cloned().collect());
}

#[test]
fn monitoring_page_lists_every_exported_metric() {
    let page = read(&root().join("docs/monitoring.md"));
    for (name, labels) in exported() {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/monitoring.md has no row for {name}"));
        for (label, values) in labels {
            assert!(row.contains(&format!("`{label}`")), "{label} of {name}");
            for value in values.iter().filter(|_| label == "result") {
                assert!(row.contains(&format!("`{value}`")), "{value} of {name}");
            }
        }
    }
}

/// The certificate of a server with TLS is among its metrics, and near its end on the first page.
#[test]
fn expiration_of_the_certificate_is_exported_and_shown() {
    use super::console::browser::Browser;
    use super::console::site::{ALICE, Site as Console};
    use super::fixture::Asking;
    use keycroft::http::{HttpSettings, ServerState};
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    let site = Console::new();
    let file = site.path().with_file_name("cert.pem");
    for (month, shown) in [(11, true), (12, false)] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, month, 25);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        fs::write(&file, certificate.pem()).unwrap();
        let settings = HttpSettings {
            certificate: Some(file.clone()),
            ..(*site.settings).clone()
        };
        let state = ServerState::open(&site.app_state, &std::sync::Arc::new(settings)).unwrap();
        let metrics = Asking::new(&state, "GET", "/metrics").bearer(&site.token("alice"));
        let metrics = metrics.send().expect(200).text();
        let name = "keycroft_certificate_expires_timestamp_seconds ";
        let end = keycroft::model::time::Time::parse(&format!("2026-{month}-25T00:00:00Z"));
        let end = end.unwrap().unix().to_string();
        assert!(metrics.contains(&format!("\n{name}{end}\n")), "{metrics}");
        let mut alice = Browser::new(&state);
        alice.sign_in("alice", ALICE).expect(303);
        let words = "days until the certificate of the server expires";
        assert_eq!(alice.open("/").has(words), shown, "{month}");
    }
    let metrics = Asking::new(&site.server_state, "GET", "/metrics");
    let metrics = metrics.bearer(&site.token("alice")).send().expect(200);
    assert!(!metrics.text().contains("certificate"));
}
