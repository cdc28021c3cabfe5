//! What must hold for every page.

use super::samples::Words;
use super::{Shown, pages};

/// Elements that have no end tag.
const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "hr"];

/// The tags of a page in their order with the names of their attributes: its structure. Panics when it is not well formed.
fn structure(page: &Shown) -> Vec<String> {
    let mut tags = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page.markup.as_str();
    while let Some(start) = rest.find('<') {
        assert!(
            !rest[..start].contains('>'),
            "{}: a bare > in {:?}",
            page.name,
            &rest[..start]
        );
        let (tag, after) =
            tag(&rest[start + 1..]).unwrap_or_else(|| panic!("{}: a tag without end", page.name));
        rest = after;
        let name = tag.split(' ').next().unwrap().to_owned();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(name),
                "{}: closed in the wrong order",
                page.name
            );
        } else if !VOID.contains(&name.as_str()) && name != "!DOCTYPE" {
            open.push(name);
        }
        tags.push(tag);
    }
    assert!(open.is_empty(), "{}: never closed: {open:?}", page.name);
    tags
}

/// The tag that `text` begins with, its values left out, and what follows it.
fn tag(text: &str) -> Option<(String, &str)> {
    let mut tag = String::new();
    let mut within = false;
    for (place, character) in text.char_indices() {
        match (character, within) {
            ('"', _) => within = !within,
            ('>', false) => return Some((tag, &text[place + 1..])),
            ('<' | '\'', false) => panic!("{character} inside of the tag {text:.80}"),
            (other, false) => tag.push(other),
            (_, true) => {}
        }
    }
    None
}

/// What a list's rows depend on is the same in both, so only words differ.
#[test]
fn hostile_words_leave_the_structure_unchanged() {
    for (benign, hostile) in pages(&Words::benign())
        .iter()
        .zip(&pages(&Words::hostile()))
    {
        let (left, right) = (structure(benign), structure(hostile));
        let differ = left
            .iter()
            .zip(&right)
            .position(|(left, right)| left != right);
        assert!(
            differ.is_none() && left.len() == right.len(),
            "{}: from tag {differ:?} on",
            benign.name
        );
        for word in Words::hostile().0 {
            if word.contains('<') || word.contains('"') {
                assert!(
                    !hostile.markup.contains(word),
                    "{}: {word} unescaped",
                    hostile.name
                );
            }
        }
    }
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    for page in pages(&Words::benign()) {
        let name = &page.name;
        let outside_of_pre = page.markup.replace("https://keys.lab.example", "");
        for forbidden in [
            " style=",
            "<style",
            " onclick",
            " onload",
            "javascript:",
            "http://",
            "https://",
            "src=\"//",
            "href=\"//",
            "<img",
            "<iframe",
        ] {
            assert!(!outside_of_pre.contains(forbidden), "{name}: {forbidden}");
        }
        // Pages that offer a passkey load its script, too.
        let scripts = 1 + page.markup.matches("data-passkey").count();
        assert_eq!(page.markup.matches("<script").count(), scripts, "{name}");
        for part in page
            .markup
            .split(" action=\"")
            .chain(page.markup.split(" href=\""))
            .skip(1)
        {
            assert!(
                part.starts_with('/')
                    || part.starts_with('#')
                    || part.starts_with("<!DOCTYPE")
                    // The authenticator app on this device.
                    || part.starts_with("otpauth://totp/"),
                "{name}: {part:.60}"
            );
        }
    }
}

#[test]
fn every_page_has_its_landmarks_one_heading_and_its_title() {
    for page in pages(&Words::benign()) {
        let name = &page.name;
        let count = |what: &str| page.markup.matches(what).count();
        assert_eq!(count("<h1"), 1, "{name}");
        assert_eq!(count("<main id=\"main\""), 1, "{name}");
        assert_eq!(count("<a class=\"skip\" href=\"#main\">"), 1, "{name}");
        assert_eq!(count("<footer><a href=\"/help\">Help</a>"), 1, "{name}");
        assert!(
            count(" · Keycroft</title>") == 1
                && count("<meta name=\"color-scheme\" content=\"light dark\">") == 1,
            "{name}"
        );
        let has_errors =
            count("class=\"notice bad\" role=\"alert\"") > 0 && count("aria-invalid=\"true\"") > 0;
        let says_so = page.markup.contains("<title>Error: ");
        assert!(says_so || !has_errors, "{name}");
        if count("<nav") == 1 {
            assert!(
                count("<a class=\"end\" href=\"/account\">alice</a>") == 1,
                "{name}"
            );
        }
    }
}

#[test]
fn every_form_that_changes_something_has_a_token() {
    for page in pages(&Words::benign()) {
        for form in page.markup.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            let has_token = form.contains("name=\"form_token\" value=\"fff");
            assert_eq!(
                form.contains(" method=\"post\""),
                has_token,
                "{}: {form:.100}",
                page.name
            );
            assert_eq!(
                form.matches("name=\"form_token\"").count(),
                usize::from(has_token),
                "{}",
                page.name
            );
        }
    }
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    for page in pages(&Words::benign()) {
        let values = |attribute: &str| -> Vec<String> {
            let opened = format!(" {attribute}=\"");
            page.markup
                .split(&opened)
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        let mut ids = values("id");
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "{}: {ids:?}", page.name);
        let described = values("aria-describedby")
            .iter()
            .flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>();
        let links = values("href")
            .into_iter()
            .filter_map(|href| href.strip_prefix('#').map(str::to_owned));
        for reference in values("for").into_iter().chain(described).chain(links) {
            assert!(ids.contains(&reference), "{}: {reference}", page.name);
        }
    }
}

#[test]
fn a_secret_stands_only_where_it_is_shown_once() {
    for page in pages(&Words::benign()) {
        let shown =
            ["api-key-created", "api-key-rotated", "token-created"].contains(&page.name.as_str());
        assert_eq!(
            page.markup.contains(super::samples::SECRET),
            shown,
            "{}",
            page.name
        );
    }
}

#[test]
fn what_may_be_a_private_key_never_comes_back() {
    for page in pages(&Words::benign()) {
        assert!(!page.markup.contains("PRIVATE KEY"), "{}", page.name);
    }
}

#[test]
fn a_page_of_25_rows_is_small() {
    for (state, words) in [("benign", Words::benign()), ("hostile", Words::hostile())] {
        write_where_asked(&words, state);
        // Long names of markup alone, escaped and several times in each row, may cost a little more.
        let bytes_max = if state == "benign" { 30_000 } else { 38_000 };
        for page in &pages(&words) {
            assert!(
                page.markup.len() < bytes_max,
                "{}: {} bytes",
                page.name,
                page.markup.len()
            );
        }
    }
}

/// Gives people and browsers something to look at, where they ask for it.
fn write_where_asked(words: &Words, state: &str) {
    let Some(folder) = std::env::var_os("KEYCROFT_GALLERY").map(std::path::PathBuf::from) else {
        return;
    };
    for page in pages(words) {
        std::fs::write(
            folder.join(format!("{state}-{}.html", page.name)),
            &page.markup,
        )
        .unwrap();
    }
    std::fs::create_dir_all(folder.join("-")).unwrap();
    for asset in crate::html::assets() {
        std::fs::write(
            folder.join(asset.path.trim_start_matches('/')),
            &asset.bytes,
        )
        .unwrap();
    }
}
