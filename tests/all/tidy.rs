//! Enforces the rules of ARCHITECTURE.md: words and their layers, and the form of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use keycroft::model::permission::BuiltinPermission;

/// Limit of lines in one file, including its unit tests.
const LINES_MAX: usize = 600;
/// The same for a file of tests, with long tables of cases.
const TEST_LINES_MAX: usize = 1_200;

/// A word of the code, and the starts of paths below `src/` that may contain it. Comments and tests are exempt.
struct Rule {
    word: &'static str,
    places: &'static [&'static str],
}

const fn only(word: &'static str, places: &'static [&'static str]) -> Rule {
    Rule { word, places }
}

const TRANSPORT: &[&str] = &["transport/"];

/// Words and their places. A word matches itself, not a part of a longer one. With `::` at its end, it matches paths of
/// a package, not those of a module of the same name.
const RULES: &[Rule] = &[
    // Media: each has one layer.
    only("rusqlite", &["store/"]),
    only("SELECT", &["store/"]),
    only("INSERT", &["store/"]),
    only("PRAGMA", &["store/"]),
    only("maud", &["html/"]),
    only("rouille", &["http/", "transport/"]),
    only("hyper", TRANSPORT),
    only("tokio", TRANSPORT),
    only("rustls", TRANSPORT),
    only("tokio_rustls", TRANSPORT),
    only("async", TRANSPORT),
    only("await", TRANSPORT),
    only("socket2", &["transport/", "http/serve.rs"]),
    only(
        "TcpListener",
        &[
            "transport/",
            "http/serve.rs",
            "cli/serve.rs",
            "cli/systemd.rs",
        ],
    ),
    only(
        "serde",
        &[
            "wire/",
            "http/",
            "terminal/output/json.rs",
            "client/",
            "host/",
            "cli/",
        ],
    ),
    only(
        "serde_json",
        &[
            "http/",
            "terminal/output/json.rs",
            "host/",
            "cli/",
            "wire/credential.rs",
            "wire/passkey.rs",
        ],
    ),
    only("form_urlencoded", &["http/"]),
    only("percent_encoding", &["model/text.rs"]),
    only("clap", &["terminal/", "client/", "host/", "cli/"]),
    only("ureq", &["client/", "host/", "cli/"]),
    only("lettre", &["cli/notice_delivery/"]),
    only("toml", &["client/", "host/", "cli/"]),
    only("rpassword", &["terminal/"]),
    only("simplelog", &["cli/"]),
    only("sd_notify", &["cli/systemd.rs"]),
    only("listenfd", &["cli/systemd.rs"]),
    // The only wall clock. `Instant` measures durations, never times.
    only("SystemTime", &["clock.rs"]),
    only(
        "Instant",
        &[
            "transport/",
            "store/lock.rs",
            "store/writer",
            "terminal/",
            "host/",
            "cli/",
        ],
    ),
    // Randomness and secrets.
    only("getrandom", &["model/secret.rs"]),
    only("subtle", &["model/secret.rs"]),
    only("crc32fast", &["model/secret.rs"]),
    only(
        "ring",
        &[
            "model/secret.rs",
            "model/ssh_key/blob.rs",
            "model/passkey/key.rs",
            "model/totp.rs",
            "transport/tls.rs",
        ],
    ),
    only("argon2", &["model/password.rs"]),
    only(
        "zeroize",
        &[
            "model/",
            "terminal/",
            "client/",
            "host/",
            "cli/",
            "transport/tls.rs",
        ],
    ),
    only("ssh_key::", &["model/ssh_key/"]),
    only("ipnet", &["model/address.rs", "model/network_prefix.rs"]),
    only("humantime", &["model/time.rs"]),
    // Words that nothing may contain.
    only("todo", &[]),
    only("unimplemented", &[]),
    only("dbg", &[]),
    only("unsafe", &[]),
    only("println", &[]),
    only("print!", &[]),
    only("eprintln", &[]),
    only("eprint!", &[]),
    only("unwrap()", &[]),
];

/// The layers that a layer may use. `cli` opens the database through `app` and passes it on.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("store", &["model"]),
    ("app", &["model", "store", "clock"]),
    ("wire", &["model"]),
    ("html", &["model"]),
    ("transport", &[]),
    ("http", &["model", "wire", "app", "html", "transport"]),
    ("terminal", &["model"]),
    ("client", &["model", "terminal"]),
    ("host", &["model", "wire", "clock", "terminal", "client"]),
    (
        "cli",
        &[
            "model",
            "wire",
            "app",
            "transport",
            "http",
            "clock",
            "terminal",
            "client",
            "host",
        ],
    ),
];

/// Names without a meaning.
const NAMELESS: &[&str] = &[
    "util", "utils", "helper", "helpers", "misc", "prelude", "common", "types", "traits",
];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` of the project, sorted, with their paths from there.
pub fn files(folder: &str) -> Vec<(String, PathBuf)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let top = root().join(folder);
    let mut found = Vec::new();
    walk(&top, &mut found);
    found.sort();
    let name = |path: &PathBuf| path.strip_prefix(&top).unwrap().display().to_string();
    found.into_iter().map(|path| (name(&path), path)).collect()
}

pub fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Modules of a file that exist only in tests: `#[cfg(test)] mod name;`.
fn test_modules(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let module = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| module(pair[1]))
        .collect()
}

/// The shipped code of a file, with line numbers: without comments, and without the items behind `#[cfg(test)]`.
fn code(text: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((place, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indent}}}");
            let ends = |line: &str| line == end || (line.ends_with(';') && !line.starts_with("  "));
            let _ = lines.by_ref().find(|(_, line)| ends(line));
            continue;
        }
        let comment = line
            .match_indices("//")
            .find(|(at, _)| *at == 0 || !line[..*at].ends_with(':'));
        kept.push((place + 1, &line[..comment.map_or(line.len(), |(at, _)| at)]));
    }
    kept
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns whether `line` contains `word`.
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let begins = match before {
            Some(':') => !word.ends_with("::"),
            Some(character) => !is_word(character),
            None => true,
        };
        begins && !(word.ends_with(is_word) && after.is_some_and(is_word))
    })
}

/// The layers that a line names: `crate::app`, and each of `crate::{app, store}`.
fn layers_named(line: &str) -> Vec<&str> {
    let mut named = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let list = rest.strip_prefix('{').unwrap_or(rest);
        let end = list.find(['}', ';']).unwrap_or(list.len());
        let parts: Vec<&str> = if list.len() < rest.len() {
            list[..end].split(',').collect()
        } else {
            vec![list]
        };
        for part in parts {
            let part = part.trim();
            let end = part.find(|c| !is_word(c)).unwrap_or(part.len());
            named.push(&part[..end]);
        }
    }
    named
}

/// The violations in a file of `src/` by the two tables.
fn faults(name: &str, text: &str) -> Vec<String> {
    let layer = name.split(['/', '.']).next().unwrap_or_default();
    let allowed = LAYERS.iter().find(|(own, _)| *own == layer);
    let mut found = Vec::new();
    for (number, line) in code(text) {
        for rule in RULES {
            let may = rule.places.iter().any(|place| name.starts_with(place));
            if !may && contains_word(line, rule.word) {
                found.push(format!(
                    "src/{name}:{number}: `{}` is not allowed here",
                    rule.word
                ));
            }
        }
        let Some((_, allowed)) = allowed else {
            continue;
        };
        for other in layers_named(line) {
            let is_layer = LAYERS.iter().any(|(own, _)| *own == other);
            if is_layer && other != layer && !allowed.contains(&other) {
                found.push(format!(
                    "src/{name}:{number}: the layer `{layer}` must not use `{other}`"
                ));
            }
        }
    }
    found
}

/// The shipped files of `src/`.
fn shipped() -> Vec<(String, String)> {
    let all: Vec<(String, String)> = files("src")
        .into_iter()
        .filter(|(_, path)| is_rust(path))
        .map(|(name, path)| (name, read(&path)))
        .collect();
    let mut tests = BTreeSet::new();
    for (name, text) in &all {
        let folder = match name.rsplit_once('/') {
            Some((folder, "mod.rs")) => format!("{folder}/"),
            Some(_) => format!("{}/", name.trim_end_matches(".rs")),
            None => String::new(),
        };
        for module in test_modules(text) {
            tests.insert(format!("{folder}{module}"));
        }
    }
    let is_test = |name: &str| {
        tests
            .iter()
            .any(|test| name == format!("{test}.rs") || name.starts_with(&format!("{test}/")))
    };
    all.into_iter().filter(|(name, _)| !is_test(name)).collect()
}

#[test]
fn restricted_words_appear_only_in_their_layer() {
    let files = shipped();
    assert!(files.len() > 80, "only {} files were found", files.len());
    let found: Vec<String> = files
        .iter()
        .flat_map(|(name, text)| faults(name, text))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn layer_tables_catch_violations() {
    let caught = |name: &str, text: &str| !faults(name, text).is_empty();
    assert!(caught("app/user.rs", "use rusqlite::Row;"));
    assert!(caught("http/api/user.rs", "let now = SystemTime::now();"));
    assert!(caught("http/auth.rs", "    async fn bearer() {}"));
    assert!(caught("model/user.rs", "use crate::store::Store;"));
    assert!(caught(
        "http/auth.rs",
        "use crate::{app::App, store::Store};"
    ));
    assert!(caught("app/user.rs", "let user = found.unwrap();"));
    assert!(caught(
        "app/user.rs",
        "        ssh_key::PublicKey::from_bytes(b);"
    ));
    assert!(caught("html/user.rs", "let sql = \"SELECT 1\";"));
    assert!(!caught(
        "store/user.rs",
        "let sql = \"SELECT 1\"; use rusqlite::Row;"
    ));
    assert!(!caught("app/user.rs", "use crate::model::ssh_key::SshKey;"));
    assert!(!caught(
        "app/user.rs",
        "let word = \"hyperbole\"; // rusqlite, said in a comment"
    ));
    assert!(!caught("app/user.rs", "found.unwrap_or_default()"));
    assert!(!caught(
        "app/user.rs",
        "#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap(); }\n}"
    ));
    assert!(caught(
        "app/user.rs",
        "#[cfg(test)]\nmod tests {\n}\nfn a() { b.unwrap(); }"
    ));
    assert!(caught(
        "app/user.rs",
        "#[cfg(test)]\nmod tests;\nfn a() { b.unwrap(); }"
    ));
}

/// Names of functions that a search cannot find. With an object (`find_route`) it can.
const VAGUE: &[&str] = &[
    "find", "show", "list", "answer", "of", "shown", "part", "again", "some", "once",
];

/// The kind and name of an item that begins on this line without indentation.
fn item(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let rest = rest.strip_prefix('(').map_or(rest, |scope| {
            scope.split_once(')').map_or(scope, |(_, rest)| rest)
        });
        rest.trim_start()
    });
    let line = line.strip_prefix("const ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (kind, rest) = line.split_once(' ')?;
    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    ["fn", "struct", "enum", "trait", "type"]
        .contains(&kind)
        .then_some((kind, &rest[..end]))
}

#[test]
fn functions_have_an_object_and_types_one_name() {
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for (file, text) in shipped() {
        for (_, line) in code(&text) {
            match item(line) {
                Some(("fn", name)) if VAGUE.contains(&name) => {
                    found.push(format!("src/{file}: fn {name} has no object"));
                }
                Some((kind, name)) if kind != "fn" => {
                    if let Some(first) = types.insert(name.to_owned(), file.clone()) {
                        found.push(format!("src/{file}: {name} is also in src/{first}"));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    assert!(types.len() > 500, "only {} types were found", types.len());
    assert_eq!(
        item("pub(super) const fn find(a: u8) {"),
        Some(("fn", "find"))
    );
    assert_eq!(item("pub struct Row<'a> {"), Some(("struct", "Row")));
    assert_eq!(item("    fn find(&self) {"), None);
}

#[test]
fn every_file_has_a_purpose_and_a_limited_length() {
    let mut found = Vec::new();
    let fuzz = ["fuzz/properties", "fuzz/fuzz_targets"];
    for folder in ["src", "tests", "benches", "examples"]
        .into_iter()
        .chain(fuzz)
    {
        for (name, path) in files(folder) {
            if !is_rust(&path) {
                continue;
            }
            let text = read(&path);
            let name = format!("{folder}/{name}");
            if !text.starts_with("//! ") {
                found.push(format!("{name}: begins with `//!` and one sentence"));
            }
            let lines = text.lines().count();
            let most = if folder == "tests" {
                TEST_LINES_MAX
            } else {
                LINES_MAX
            };
            if lines > most {
                found.push(format!("{name}: {lines} lines, at most {most}"));
            }
            let stem = path.file_stem().unwrap().to_str().unwrap();
            if NAMELESS.contains(&stem) {
                found.push(format!("{name}: a name that says nothing"));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn code_has_no_unfinished_or_ignored_parts() {
    // Assembled here, so that this file does not match itself.
    let marks =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|parts| parts.concat());
    let ignored = ["#[ign", "ore"].concat();
    let mut found = Vec::new();
    for folder in [
        "src",
        "tests",
        "benches",
        "examples",
        "fuzz/properties",
        "scripts",
        "docs",
    ] {
        for (name, path) in files(folder) {
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            for (place, line) in text.lines().enumerate() {
                if marks.iter().any(|mark| contains_word(line, mark)) || line.contains(&ignored) {
                    found.push(format!("{folder}/{name}:{}: {}", place + 1, line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Links to files in a Markdown text: `](path)`.
fn links(text: &str) -> Vec<&str> {
    text.match_indices("](")
        .filter_map(|(at, _)| {
            let rest = &text[at + 2..];
            let link = &rest[..rest.find(')')?];
            let link = link.split('#').next().unwrap_or_default();
            (!link.is_empty() && !link.contains("://")).then_some(link)
        })
        .collect()
}

#[test]
fn every_page_is_linked_and_every_link_resolves() {
    let mut pages: Vec<PathBuf> = [
        "README",
        "ARCHITECTURE",
        "CHANGELOG",
        "CONTRIBUTING",
        "SECURITY",
    ]
    .map(|name| root().join(format!("{name}.md")))
    .into();
    pages.extend(files("docs").into_iter().map(|(_, path)| path));
    let mut linked = BTreeSet::new();
    for page in pages
        .iter()
        .filter(|page| page.extension().is_some_and(|end| end == "md"))
    {
        for link in links(&read(page)) {
            let target = page.parent().unwrap().join(link);
            assert!(target.exists(), "{}: {link} is not there", page.display());
            linked.insert(target.canonicalize().unwrap());
        }
    }
    for (name, path) in files("docs") {
        assert!(
            linked.contains(&path.canonicalize().unwrap()),
            "no page links to docs/{name}"
        );
    }
}

#[test]
fn every_example_is_covered_by_a_test() {
    let tests: String = ["scripts/test.d", "tests"]
        .iter()
        .flat_map(|folder| files(folder))
        .filter_map(|(_, path)| fs::read_to_string(path).ok())
        .collect();
    for (name, file) in files("examples") {
        let path = format!("examples/{name}");
        let stem = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        // Cargo builds examples/x.rs as target/*/examples/x.
        let named = tests.contains(&path)
            || (is_rust(&file) && tests.contains(&format!("--example {stem}")));
        assert!(named, "no test names {path}");
    }
}

/// The names in code marks in the last column of tables: tests, test modules and scripts.
fn named_in_tables(tables: &str) -> Vec<&str> {
    tables
        .lines()
        .filter_map(|line| line.trim_end().strip_suffix(" |")?.rsplit_once(" | "))
        .flat_map(|(_, held_by)| held_by.split('`').skip(1).step_by(2))
        .collect()
}

/// Returns whether this test, module or script exists.
fn is_held(name: &str, tests: &str) -> bool {
    if name.starts_with("scripts/") {
        return root().join(name).is_file();
    }
    match name.split_once("::") {
        // `transport::smuggling`, `model::secret`: a file with tests.
        Some((folder, file)) => ["src", "tests/all"].iter().any(|top| {
            let paths = [
                format!("{top}/{folder}/{file}.rs"),
                format!("{top}/{folder}/{file}/mod.rs"),
                format!("{top}/{folder}/{file}/tests.rs"),
            ];
            paths.iter().any(|path| {
                fs::read_to_string(root().join(path)).is_ok_and(|text| text.contains("#[test]"))
            })
        }),
        // Property tests have arguments.
        None => tests.contains(&format!("#[test]\nfn {name}(")),
    }
}

#[test]
fn every_guarantee_names_an_existing_test() {
    let all: Vec<String> = ["src", "tests/all"]
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|(_, path)| is_rust(path))
        .map(|(_, path)| {
            let text = read(&path);
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            lines.join("\n")
        })
        .collect();
    let tests = all.join("\n");
    let security = read(&root().join("SECURITY.md"));
    let (_, promises) = security.split_once("## Promises").unwrap();
    let (promises, _) = promises.split_once("\n## ").unwrap();
    let bars = read(&root().join("docs/guarantees.md"));
    for (tables, least) in [(promises, 40), (bars.as_str(), 40)] {
        let named = named_in_tables(tables);
        assert!(named.len() > least, "only {} were found", named.len());
        let missing: Vec<&&str> = named.iter().filter(|name| !is_held(name, &tests)).collect();
        assert!(missing.is_empty(), "there is no {missing:?}");
    }
    // Each row has at least one.
    for row in promises
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2)
    {
        assert!(row.contains('`'), "nothing holds: {row}");
    }
    assert!(!is_held("there_is_no_such_test", &tests) && !is_held("model::nothing", &tests));
}

#[test]
fn permissions_page_lists_each_permission_once_in_its_table() {
    let page = read(&root().join("docs/permissions.md"));
    let (every_user, rest) = page.split_once("## Permissions of admins").unwrap();
    let (admins, _) = rest.split_once("\n## ").unwrap();
    for permission in BuiltinPermission::ALL {
        let row = format!("\n| `{}` | ", permission.as_str());
        let expected = if permission.is_administrative() {
            (0, 1)
        } else {
            (1, 0)
        };
        let found = (
            every_user.matches(&row).count(),
            admins.matches(&row).count(),
        );
        assert_eq!(found, expected, "{}", permission.as_str());
    }
}

#[test]
fn permissions_page_marks_credential_managing_permissions() {
    let page = read(&root().join("docs/permissions.md"));
    let (_, managing) = page
        .split_once("## Permissions that manage credentials")
        .unwrap();
    for permission in BuiltinPermission::ALL {
        let name = format!("`{}`", permission.as_str());
        assert_eq!(
            managing.contains(&name),
            permission.manages_credentials(),
            "{name}"
        );
    }
}
