//! `keycroft login`: the code, the confirmation in the console, the token.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr};

use super::support::Lab;
use crate::console::markup::Form;

/// A pending login, and the code that it shows.
fn begin(lab: &Lab, arguments: &[&str]) -> (Child, BufReader<ChildStderr>, String) {
    let mut login = lab
        .command()
        .args(["login", &lab.url])
        .args(arguments)
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(login.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("Waiting") {
        assert!(printed.read_line(&mut text).unwrap() > 0, "{text}");
    }
    assert!(
        text.starts_with(&format!("Open {}/device\n", lab.url)),
        "{text}"
    );
    let code = text
        .split("and type the code ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap()
        .to_owned();
    (login, printed, code)
}

fn rest(mut printed: BufReader<ChildStderr>) -> String {
    let mut text = String::new();
    printed.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn approved_device_login_gets_a_token() {
    let lab = Lab::new();
    let (mut login, printed, code) = begin(&lab, &["--expires", "3h"]);
    let mut alice = lab.console("alice");
    let form = alice.open("/device").form("/device");
    let shown = alice.submit(&form.set("code", &code));
    let program = concat!("keycroft/", env!("CARGO_PKG_VERSION"));
    assert!(
        shown.text.contains(program) && shown.text.contains("127.0.0.1"),
        "{}",
        shown.text
    );
    let form = shown.form("/device/approve");
    assert_eq!(form.value("expires_in"), Some("3h"));
    assert_eq!(alice.submit(&form.set("expires_in", "2h")).status, 200);
    assert_eq!(login.wait().unwrap().code(), Some(0));
    let printed = rest(printed);
    assert!(
        printed.contains("as alice with kct_") && printed.contains("expires in 2h"),
        "{printed}"
    );
    assert!(
        lab.expect_success("whoami")
            .starts_with("username\talice\n")
    );
}

#[test]
fn denied_device_login_fails() {
    let lab = Lab::new();
    let (mut login, printed, code) = begin(&lab, &[]);
    let mut alice = lab.console("alice");
    let form = alice.open("/device").form("/device");
    let shown = alice.submit(&form.set("code", &code));
    let form = shown.form("/device/approve");
    let reject = Form {
        action: "/device/refuse".to_owned(),
        ..form
    };
    assert_eq!(alice.submit(&reject).status, 200);
    assert_eq!(login.wait().unwrap().code(), Some(5));
    assert_eq!(rest(printed), "keycroft: rejected in the console\n");
    assert_eq!(lab.run("whoami").code, 4, "nothing was kept");
}

#[test]
fn impossible_token_lifetime_is_rejected_at_once() {
    let lab = Lab::new();
    let message = lab.bad(&format!("login {} --expires 90m", lab.url), 6);
    assert!(message.contains("full hours from 1h to 24h"), "{message}");
}
