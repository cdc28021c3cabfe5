//! Every field of every body and query with every kind of invalid value: the status, the field's name, a sentence, and
//! nothing stored.

mod bodies;
mod fields;
mod queries;
mod things;

use serde_json::{Value, json};

use crate::fixture::{Answer, Site, id};

/// A site, its state, and the objects of the requests below.
struct Ground {
    site: Site,
    key: String,
    before: String,
    done: usize,
}

impl Ground {
    fn new() -> Self {
        let site = Site::new();
        let key = id(&site.api_key(&site.alice, &json!({"name": "taken"})));
        let create = |path: &str, body: Value| {
            site.ask("POST", path)
                .bearer(&site.alice)
                .json(&body)
                .send()
                .expect(201);
        };
        create("/api/v1/groups", json!({"name": "staff"}));
        create(
            "/api/v1/services",
            json!({"name": "lab", "permissions": ["lab:use"]}),
        );
        let mut ground = Self {
            site,
            key,
            before: String::new(),
            done: 0,
        };
        ground.settle();
        ground
    }

    /// Takes the present state as the expected one.
    fn settle(&mut self) {
        self.before = self.site.snapshot();
        self.done = self.done_events();
    }

    fn done_events(&self) -> usize {
        let events = self.site.dump(|table| table == "events");
        events
            .lines()
            .filter(|line| line.contains(" done "))
            .count()
    }

    fn check_unchanged(&self, what: &str) {
        assert_eq!(self.site.snapshot(), self.before, "{what}");
        assert_eq!(self.done_events(), self.done, "{what}");
    }

    /// Sends `body` as alice, expecting 422 for exactly `field`.
    fn reject(&self, method: &str, path: &str, body: &Value, field: &str) {
        let what = format!("{method} {path} {body}");
        let answer = self
            .site
            .ask(method, path)
            .bearer(&self.site.alice)
            .json(body)
            .send();
        check_rejection(&what, &answer, field);
        self.check_unchanged(&what);
    }
}

fn check_rejection(what: &str, answer: &Answer, field: &str) {
    assert_eq!(answer.status, 422, "{what}: {}", answer.text());
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/problem+json"),
        "{what}"
    );
    let problem = answer.json();
    assert_eq!(answer.fields(), [field], "{what}: {problem}");
    for error in problem["errors"].as_array().unwrap() {
        check_sentence(what, error["message"].as_str().unwrap());
    }
    check_sentence(what, problem["detail"].as_str().unwrap());
    assert_eq!(problem["status"], 422, "{what}");
}

/// A sentence to act on, on one line, without invisible characters.
fn check_sentence(what: &str, sentence: &str) {
    assert!(
        (8..300).contains(&sentence.chars().count()),
        "{what}: {sentence}"
    );
    assert!(sentence.contains(' '), "{what}: {sentence}");
    assert!(
        !sentence.chars().any(keycroft::model::text::is_invisible),
        "{what}: {sentence:?}"
    );
    for leak in [
        "serde",
        "line 1",
        "column",
        "Some(",
        "invalid type",
        "sqlite",
    ] {
        assert!(!sentence.contains(leak), "{what}: {sentence}");
    }
}

/// Invalid for every name.
const BAD_NAMES: [&str; 17] = [
    "",
    " ",
    "\u{3000}",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\tb",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "a\u{202e}b",
    "a\u{2066}b",
    "a\u{200b}b",
    "a\u{200d}b",
    "a\u{feff}",
    "a\u{2028}b",
    "\u{e0041}",
];

fn too_long() -> String {
    "x".repeat(65)
}

/// Values that are not strings.
fn no_strings() -> [Value; 5] {
    [json!(5), json!(true), json!([]), json!({}), json!(1.5)]
}
