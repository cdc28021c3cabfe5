//! Second factors on the command line.

use super::support::Lab;

#[test]
fn factors_are_shown_and_reset() {
    let lab = Lab::signed_in();
    for line in ["whoami", "status", "user show alice"] {
        let shown = lab.run(line);
        let row = shown
            .out
            .lines()
            .find(|row| row.starts_with("second factor"));
        assert!(
            row.is_some_and(|row| row.ends_with("none")),
            "{line}: {shown:?}"
        );
    }
    // Lab is alice; bob is a user without a factor.
    let reset = lab.run("user reset-second-factor bob");
    assert_eq!(reset.code, 0, "{reset:?}");
    assert!(reset.out.contains("/reset?code=kce_"), "{reset:?}");
    assert_eq!(reset.out.lines().count(), 1);
    let json = lab.expect_success("user reset-second-factor bob --json");
    assert!(json.starts_with("{\"link\":"), "{json}");
    lab.bad("user reset-second-factor nobody", 3);
    lab.expect_success("user reset-second-factor alice --db keycroft.db");
}

#[test]
fn policy_requires_a_factor_from_a_time_or_from_now() {
    let lab = Lab::signed_in();
    lab.expect_success("policy set second_factor=admins second_factor_from=2126-12-01T00:00:00Z");
    let shown = lab.expect_success("policy show");
    assert!(shown.contains("second_factor\tadmins\n"), "{shown}");
    assert!(
        shown.contains("second_factor_from\t2126-12-01T00:00:00Z\n"),
        "{shown}"
    );
    lab.expect_success("policy set second_factor_from=now");
    assert!(
        lab.expect_success("policy show")
            .contains("second_factor_from\tnow\n")
    );
    lab.bad("policy set second_factor=all", 6);
    lab.bad("policy set second_factor_from=tomorrow", 6);
}
