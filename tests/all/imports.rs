//! Files import each other in one direction. A file and the module above it, which names its parts, count as one way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tidy::{files, is_rust, read};

/// Module paths and the modules that each imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The module path of a file in `src`.
fn module_of(path: &Path) -> String {
    let path = path.with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap());
    let names: Vec<&str> = names.filter(|name| *name != "mod").collect();
    names.join("::")
}

/// The code of a file without comments and without its module of tests.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text.lines();
    lines
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The paths of a `use`, without braces and new names.
fn expand(tree: &str, all: &mut Vec<String>, before: &str) {
    let tree = tree.trim();
    let Some((prefix, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        all.push(format!("{before}{path}"));
        return;
    };
    let before = format!("{before}{}", prefix.trim());
    let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&inner[start..at], all, &before);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        expand(&inner[start..], all, &before);
    }
}

/// The module that a path in `module` leads to, if it is in src.
fn resolve(path: &str, module: &str, known: &BTreeSet<String>) -> Option<String> {
    let mut names: Vec<&str> = path.split("::").map(str::trim).collect();
    let mut base: Vec<&str> = module.split("::").collect();
    match *names.first()? {
        "crate" => {
            base.clear();
            names.remove(0);
        }
        "self" => {
            names.remove(0);
        }
        "super" => {
            while names.first() == Some(&"super") {
                base.pop();
                names.remove(0);
            }
        }
        first => {
            let child = format!("{module}::{first}");
            known.get(&child)?;
        }
    }
    base.extend(names);
    (1..=base.len())
        .rev()
        .map(|length| base[..length].join("::"))
        .find(|path| known.contains(path))
}

fn is_around(one: &str, other: &str) -> bool {
    other.starts_with(&format!("{one}::"))
}

fn imports_of(files: &[(String, String)]) -> Imports {
    let known: BTreeSet<String> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut imports = Imports::new();
    for (module, text) in files {
        let code = code_of(text);
        let mut paths = Vec::new();
        for statement in code.split("use ").skip(1) {
            expand(statement.split(';').next().unwrap(), &mut paths, "");
        }
        for start in ["crate::", "super::", "self::"] {
            for (at, _) in code.match_indices(start) {
                let end = |letter: char| !(letter.is_alphanumeric() || "_:".contains(letter));
                let path = &code[at..];
                let path = &path[..path.find(end).unwrap_or(path.len())];
                if !code[..at].ends_with("::") {
                    paths.push(path.trim_end_matches(':').to_owned());
                }
            }
        }
        let found = paths
            .iter()
            .filter_map(|path| resolve(path, module, &known))
            .filter(|found| found != module)
            .filter(|found| !is_around(found, module) && !is_around(module, found));
        imports.insert(module.clone(), found.collect());
    }
    imports
}

/// The modules that lead back to themselves. Takes away, again and again, what imports nothing that is left.
fn circles_of(mut imports: Imports) -> Imports {
    for is_forward in [true, false] {
        loop {
            let left: BTreeSet<String> = imports.keys().cloned().collect();
            let imported: BTreeSet<String> = imports.values().flatten().cloned().collect();
            imports.retain(|module, own| {
                own.retain(|one| left.contains(one));
                if is_forward {
                    !own.is_empty()
                } else {
                    imported.contains(module)
                }
            });
            if imports.len() == left.len() {
                break;
            }
        }
    }
    imports
}

#[test]
fn no_two_files_import_each_other() {
    let files: Vec<(String, String)> = files("src")
        .into_iter()
        .filter(|(_, path)| is_rust(path))
        .map(|(name, path)| (module_of(Path::new(&name)), read(&path)))
        .filter(|(module, _)| module != "lib" && module != "main")
        .collect();
    assert!(files.len() > 300, "{}", files.len());
    let circles = circles_of(imports_of(&files));
    assert!(circles.is_empty(), "these import each other: {circles:#?}");
}

#[test]
fn circle_of_imports_is_found() {
    let file = |module: &str, text: &str| (module.to_owned(), text.to_owned());
    let circle = [
        file("a", "use crate::b::{\n    self, C as D,\n};"),
        file("b", "use std::fmt;\nfn f() { super::c::g() }"),
        file("c", "use crate::{d, a::F};"),
        file(
            "d",
            "// use crate::a;\n#[cfg(test)]\nmod tests { use crate::a; }",
        ),
        file("e", "use crate::a::F;"),
        file("e::f", "use super::G;"),
    ];
    let found = circles_of(imports_of(&circle));
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    let line = [
        file("a", "use crate::b::C;"),
        file("b", "use crate::c;"),
        file("c", ""),
        file("d", "use d::e;\npub use e::X;"),
        file("d::e", "use super::Y;"),
    ];
    assert!(circles_of(imports_of(&line)).is_empty());
}
