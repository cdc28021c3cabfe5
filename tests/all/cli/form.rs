//! The form of results: `-o`, `--json` and `--quiet` in every position, and tables.

use super::support::{Lab, Run};

#[test]
fn output_flag_works_in_every_position() {
    let lab = Lab::signed_in();
    lab.expect_success("api-key create ci");
    let expected = lab.expect_success("api-key list --json");
    assert!(expected.starts_with("{\"items\":["), "{expected}");
    for line in [
        "-o json api-key list",
        "api-key -o json list",
        "api-key list -o json",
        "api-key list --output=json",
        "--json api-key list",
        "api-key --json list",
        "api-key list -ojson",
    ] {
        assert_eq!(lab.expect_success(line), expected, "{line}");
    }
    for line in [
        "-o json context list",
        "context show lab -o json",
        "version --json",
        "config show -o json",
        "scan -o json .",
        "event list -n 1 -o json",
        "event show 1 -o json",
        "group list -o json",
    ] {
        let text = lab.run(line).out;
        let is_json = text.lines().all(|line| line.starts_with('{'));
        assert!(is_json, "{line}: {text}");
    }
    lab.bad("api-key list -o xml", 2);
}

#[test]
fn table_is_chosen_without_a_terminal() {
    let lab = Lab::signed_in();
    let empty = lab.run("api-key list -o table");
    assert_eq!(empty.out, "");
    assert_eq!(
        empty.err,
        "no API keys; create one: keycroft api-key create NAME\n"
    );
    lab.expect_success("api-key create ci");
    let table = lab.expect_success("api-key list -o table");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("NAME  ID"), "{table}");
    assert!(lines[1].starts_with("ci    "), "{table}");
    assert_eq!(lab.expect_success("api-key list -o wide"), table);
    assert!(!table.contains('\u{1b}'), "{table}");
    let colored = lab
        .command()
        .args(["api-key", "list", "-o", "table"])
        .env("CLICOLOR_FORCE", "1")
        .done();
    assert!(colored.out.contains("\u{1b}[32mactive\u{1b}[0m"));
    let tsv = lab.expect_success("api-key list -o tsv");
    assert_eq!(tsv, lab.expect_success("api-key list"));
    let ids = lab.expect_success("api-key list -q");
    assert_eq!(ids.trim().len(), 12, "{ids}");
    assert_eq!(lab.expect_success("api-key ls -q"), ids, "an alias");
}

#[test]
fn several_objects_are_deleted_at_once() {
    let lab = Lab::signed_in();
    for name in ["a", "b", "c"] {
        lab.expect_success(&format!("api-key create {name} -e 30d -p account:read"));
        lab.expect_success(&format!("group create {name}"));
        lab.expect_success(&format!("service create {name}"));
        lab.expect_success(&format!("token create {name} -e 2h"));
        // A name is a group or a user.
        lab.expect_success(&format!("user create u{name}"));
    }
    for (noun, mark) in [
        ("api-key", ""),
        ("group", ""),
        ("service", ""),
        ("token", ""),
        ("user", "u"),
    ] {
        // A wrong name stops the command before anything is deleted.
        if noun == "api-key" || noun == "token" {
            lab.bad(&format!("{noun} rm a nobody --yes"), 3);
        }
        assert_eq!(
            lab.run(&format!("{noun} delete {mark}a {mark}b")).code,
            2,
            "{noun}"
        );
        let before = lab.expect_success(&format!("{noun} list")).lines().count();
        lab.expect_success(&format!("{noun} delete {mark}a {mark}b -y"));
        let after = lab.expect_success(&format!("{noun} list"));
        assert_eq!(after.lines().count() + 2, before, "{noun}: {after}");
        assert!(after.contains('c'), "{noun}: {after}");
        assert!(
            lab.expect_success(&format!("{noun} show {mark}c"))
                .contains(&format!("\t{mark}c\n")),
            "{noun}"
        );
    }
}

#[test]
fn help_is_grouped_and_has_examples() {
    let lab = Lab::new();
    let help = lab.expect_success("help");
    let place = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
    assert!(place("Everyday commands:") < place("Administration:"));
    assert!(place("  api-key ") < place("  serve "));
    assert!(
        !help.contains("\nCommands:"),
        "one list of commands: {help}"
    );
    let create = lab.expect_success("api-key create --help");
    assert!(
        create.contains("Examples:\n  keycroft api-key create ci -e 30d"),
        "{create}"
    );
    // Old spellings work in this release, without being listed.
    for (old, summary) in [
        ("user add", "Create a user"),
        ("host enrol-code", "Create a one-time code"),
    ] {
        let (group, word) = old.split_once(' ').unwrap();
        assert!(
            lab.expect_success(&format!("{old} --help"))
                .contains(summary),
            "{old}"
        );
        let listed = format!("\n  {word} ");
        assert!(
            !lab.expect_success(&format!("{group} --help"))
                .contains(&listed),
            "{old}"
        );
    }
}
