//! The language of all texts for people: documentation, comments, help, errors and pages. The rules are data in
//! `tests/files/prose-rules.txt`; sentence length and openings are here.

use std::collections::BTreeMap;

use super::tidy::{files, is_rust, read, root};

/// Words in one sentence of the interface: strings of pages, commands and errors.
const INTERFACE_WORDS_MAX: usize = 20;
/// Words in one sentence of documentation and comments.
const DOCUMENTATION_WORDS_MAX: usize = 25;

/// Openings of a noun clause in place of a subject.
const OPENINGS: [&str; 4] = ["what", "whoever", "whose", "whether"];

/// Findings that an area still has. A number may only go down: lower it with the change that removes findings.
const REMAINING: &[(&str, usize)] = &[];

/// One paragraph, comment or message, with its place.
struct Passage {
    area: String,
    place: String,
    text: String,
    words_max: usize,
}

struct Rule {
    words: Vec<String>,
    instead: String,
}

fn rules() -> Vec<Rule> {
    let text = read(&root().join("tests/files/prose-rules.txt"));
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rules = lines.map(|line| {
        let (phrase, instead) = line.split_once(" = ").expect("phrase = replacement");
        Rule {
            words: phrase.split(' ').map(str::to_owned).collect(),
            instead: instead.to_owned(),
        }
    });
    rules.collect()
}

/// The text without code marks, link targets and markup.
fn plain(text: &str) -> String {
    let mut kept = String::new();
    for (place, part) in text.split('`').enumerate() {
        // A code mark counts as one word.
        kept.push_str(if place % 2 == 0 { part } else { "x" });
    }
    let mut plain = String::new();
    let mut rest = kept.as_str();
    while let Some((before, after)) = rest.split_once("](") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain.replace(['[', ']', '*', '"', '“', '”'], "")
}

/// Splits at the end of sentences: a mark followed by white space and no lower-case letter.
fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut sentence = String::new();
    let characters: Vec<char> = text.chars().collect();
    for (place, character) in characters.iter().enumerate() {
        sentence.push(*character);
        let next = characters.get(place + 1);
        let after = characters.get(place + 2);
        let ends = matches!(character, '.' | '!' | '?' | ':' | ';' | '|')
            && next.is_none_or(|next| next.is_whitespace())
            && !(*character == '.' && after.is_some_and(|after| after.is_lowercase()));
        if ends {
            found.push(std::mem::take(&mut sentence));
        }
    }
    found.push(sentence);
    found
}

fn words(sentence: &str) -> Vec<String> {
    let trim = |word: &str| {
        let is_edge = |character: char| !character.is_alphanumeric();
        word.trim_matches(is_edge).to_lowercase()
    };
    sentence
        .split_whitespace()
        .map(trim)
        .filter(|word| !word.is_empty())
        .collect()
}

fn fits(word: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => word == wanted,
    }
}

/// The findings in one passage.
fn findings(passage: &Passage, rules: &[Rule]) -> Vec<String> {
    let mut found = Vec::new();
    let mut report = |what: String| found.push(format!("{}: {what}", passage.place));
    for sentence in sentences(&plain(&passage.text)) {
        let words = words(&sentence);
        if words.len() > passage.words_max {
            report(format!(
                "{} words, at most {}: {}",
                words.len(),
                passage.words_max,
                sentence.trim()
            ));
        }
        let is_question = sentence.trim_end().ends_with('?');
        if words
            .first()
            .is_some_and(|first| !is_question && OPENINGS.contains(&first.as_str()))
        {
            report(format!("opens with a noun clause: {}", sentence.trim()));
        }
        for rule in rules {
            let hit = words.windows(rule.words.len()).any(|window| {
                window
                    .iter()
                    .zip(&rule.words)
                    .all(|(word, wanted)| fits(word, wanted))
            });
            if hit {
                report(format!(
                    "\"{}\" ({}): {}",
                    rule.words.join(" "),
                    rule.instead,
                    sentence.trim()
                ));
            }
        }
    }
    found
}

/// Paragraphs of a Markdown text, without code blocks.
fn paragraphs(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut paragraph = String::new();
    let mut begins = 1;
    let mut is_code = false;
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        let breaks = line.is_empty()
            || is_fence
            || is_code
            || line.starts_with(['#', '-', '|', '!', '>'])
            || line
                .split_once(". ")
                .is_some_and(|(number, _)| number.parse::<u8>().is_ok());
        if breaks {
            found.push((begins, std::mem::take(&mut paragraph)));
            begins = place + 1;
        }
        if !is_code && !is_fence {
            paragraph.push_str(line.trim_start_matches(['#', '-', '>', ' ']));
            paragraph.push(' ');
        }
    }
    found.push((begins, paragraph));
    found
}

/// Comments of a Rust or SQL file, lines that follow each other as one.
fn comments(text: &str, mark: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut comment = String::new();
    let mut begins = 1;
    for (place, line) in text.lines().enumerate() {
        let whole_line = line.trim_start().strip_prefix(mark);
        let content = whole_line.or_else(|| {
            line.split_once(&format!(" {mark} "))
                .map(|(_, behind)| behind)
        });
        if whole_line.is_none()
            || content.is_some_and(|content| content.trim_matches(['/', '!', ' ']).is_empty())
        {
            found.push((begins, std::mem::take(&mut comment)));
            begins = place + 1;
        }
        if let Some(content) = content {
            comment.push_str(content.trim_start_matches(['/', '!']));
            comment.push(' ');
            if whole_line.is_none() {
                found.push((begins, std::mem::take(&mut comment)));
                begins = place + 1;
            }
        }
    }
    found.push((begins, comment));
    found
}

/// String literals of a line of code with at least three words. Paths of drawings have no words.
fn literals(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (place, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        let unescaped = line.replace("\\\"", "'");
        for (number, part) in unescaped.split('"').enumerate() {
            let is_text = part.split_whitespace().count() >= 3
                && part
                    .split(|character: char| !character.is_alphabetic())
                    .any(|word| word.len() >= 3);
            if number % 2 == 1 && is_text {
                found.push((place + 1, part.trim_end_matches('\\').to_owned()));
            }
        }
    }
    found
}

/// Words of SQL. A literal of `store` with one of them is a statement, not a text.
const SQL: [&str; 17] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "PRAGMA", "FROM", "WHERE",
    "AND", "SET", "CASE", "VALUES", "ORDER", "LIMIT", "EXISTS",
];

/// The literals of `store` that are texts.
fn texts_beside_sql(text: &str) -> Vec<(usize, String)> {
    let is_sql = |text: &str| {
        text.split(|character: char| !character.is_alphanumeric())
            .any(|word| SQL.contains(&word))
    };
    let mut found = literals(text);
    found.retain(|(_, text)| !is_sql(text));
    found
}

/// Docstrings of a Python script, and labels of checks in a shell script.
fn script_texts(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut parts = text.split("\"\"\"");
    let mut before = parts.next();
    while let (Some(code), Some(content)) = (before, parts.next()) {
        // Others are values, such as programs for another interpreter.
        if code
            .lines()
            .last()
            .is_none_or(|line| line.trim().is_empty())
            || code.ends_with('\n')
        {
            found.push((0, content.to_owned()));
        }
        before = parts.next();
    }
    for (place, line) in text.lines().enumerate() {
        let label = [
            "check \"",
            "same \"",
            "says \"",
            "is \"",
            "ok \"",
            "failed \"",
        ]
        .iter()
        .find_map(|call| line.trim_start().strip_prefix(call));
        if let Some((label, _)) = label.and_then(|label| label.split_once('"')) {
            found.push((place + 1, label.to_owned()));
        }
    }
    found
}

/// Descriptions, summaries and titles of `openapi.json`.
fn descriptions(value: &serde_json::Value, found: &mut Vec<(usize, String)>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text)
                        if ["description", "summary", "title", "detail"]
                            .contains(&name.as_str()) =>
                    {
                        found.push((0, text.to_owned()));
                    }
                    _ => descriptions(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| descriptions(item, found)),
        _ => {}
    }
}

/// The shipped part of a Rust file: everything before its unit tests.
fn shipped(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod ")
        .map_or(text, |(code, _)| code)
}

fn passages() -> Vec<Passage> {
    let mut found = Vec::new();
    let mut add = |area: &str, file: &str, words_max, texts: Vec<(usize, String)>| {
        for (line, text) in texts {
            found.push(Passage {
                area: area.to_owned(),
                place: format!("{file}:{line}"),
                text,
                words_max,
            });
        }
    };
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    ] {
        let text = read(&root().join(page));
        add(page, page, DOCUMENTATION_WORDS_MAX, paragraphs(&text));
    }
    for (name, path) in files("docs") {
        if path.extension().is_some_and(|end| end == "md") {
            let file = format!("docs/{name}");
            add(
                "docs",
                &file,
                DOCUMENTATION_WORDS_MAX,
                paragraphs(&read(&path)),
            );
        }
    }
    let schema = read(&root().join("schema.sql"));
    add(
        "schema.sql",
        "schema.sql",
        DOCUMENTATION_WORDS_MAX,
        comments(&schema, "--"),
    );
    for (name, path) in files("src") {
        if !is_rust(&path) || name.contains("/tests") {
            continue;
        }
        let text = read(&path);
        let text = shipped(&text);
        let file = format!("src/{name}");
        let layer = name.split_once('/').map_or("", |(layer, _)| layer);
        let area = format!("src/{layer}");
        add(&area, &file, DOCUMENTATION_WORDS_MAX, comments(text, "//"));
        let is_interface = ["html", "cli"].contains(&layer) || name == "model/error.rs";
        let words_max = if is_interface {
            INTERFACE_WORDS_MAX
        } else {
            DOCUMENTATION_WORDS_MAX
        };
        let texts = if layer == "store" {
            texts_beside_sql(text)
        } else {
            literals(text)
        };
        add(&format!("{area} texts"), &file, words_max, texts);
    }
    for folder in ["tests", "fuzz", "benches", "examples"] {
        for (name, path) in files(folder) {
            // The examples of this lint break its rules.
            if is_rust(&path) && name != "all/prose.rs" {
                let file = format!("{folder}/{name}");
                let words_max = DOCUMENTATION_WORDS_MAX;
                add(folder, &file, words_max, comments(&read(&path), "//"));
            }
        }
    }
    for (name, path) in files("scripts") {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ["c", "mjs", "pyc"].map(Some).contains(&ending) || name == "common-passwords" {
            continue;
        }
        // Usage lines are no sentences, so their length is not checked.
        let file = format!("scripts/{name}");
        let text = read(&path);
        add("scripts", &file, usize::MAX, comments(&text, "#"));
        add("script texts", &file, usize::MAX, script_texts(&text));
    }
    let api = serde_json::from_str(&read(&root().join("openapi.json"))).unwrap();
    let mut texts = Vec::new();
    descriptions(&api, &mut texts);
    add(
        "openapi.json",
        "openapi.json",
        DOCUMENTATION_WORDS_MAX,
        texts,
    );
    found
}

#[test]
fn prose_findings_do_not_exceed_the_list() {
    let rules = rules();
    let mut areas: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for passage in passages() {
        let found = areas.entry(passage.area.clone()).or_default();
        found.extend(findings(&passage, &rules));
    }
    if let Some(area) = std::env::var_os("KEYCROFT_PROSE") {
        let area = area.to_string_lossy();
        for (name, found) in &areas {
            if name.starts_with(area.as_ref()) {
                println!("{}", found.join("\n"));
            }
        }
    }
    let listed: BTreeMap<&str, usize> = REMAINING.iter().copied().collect();
    let mut wrong = Vec::new();
    for (area, found) in &areas {
        let most = listed.get(area.as_str()).copied().unwrap_or(0);
        if found.len() > most {
            wrong.push(format!("(\"{area}\", {}),  // listed: {most}", found.len()));
        }
    }
    assert!(
        wrong.is_empty(),
        "more findings than REMAINING allows; see them with KEYCROFT_PROSE=AREA and --nocapture:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn texts_of_store_and_scripts_are_found() {
    let code = "let sql = \"SELECT id FROM users\";\nlet text = \"the file is cut off\";";
    let texts = texts_beside_sql(code);
    assert_eq!(texts, [(2, "the file is cut off".to_owned())]);
    let script = "\"\"\"Reads a trace.\"\"\"\ncheck \"the key is valid\" true\necho \"no label\"";
    let texts: Vec<String> = script_texts(script)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["Reads a trace.", "the key is valid"]);
}

#[test]
fn each_kind_of_prose_finding_is_detected() {
    let rules = rules();
    let found = |text: &str| {
        let passage = Passage {
            area: String::new(),
            place: String::new(),
            text: text.to_owned(),
            words_max: 12,
        };
        findings(&passage, &rules)
    };
    for text in [
        "What is shown is stored.",
        "Whoever closes it loses the lock.",
        "The key stays good.",
        "A fault of ours.",
        "The organisation's rules.",
        "The host is enrolled by an enrolment code.",
        "One two three four five six seven eight nine ten eleven twelve thirteen.",
    ] {
        assert!(!found(text).is_empty(), "{text}");
    }
    for text in [
        "What does it cost?",
        "The `whoever` command burns nothing of note here.",
        "Keys expire. Hosts enroll with a code. See [the page](whoever/of%20ours.md).",
        "Goodness! A door-to-door seller.",
    ] {
        let expected = usize::from(text.contains("burns"));
        assert_eq!(found(text).len(), expected, "{text}: {:?}", found(text));
    }
}
