//! `keycroft login`: the code, the person at the console, the token.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr};

use keycroft::model::time::{Lifetime, WantedEnd};

use super::support::Lab;

/// A login that waits, and the code that it shows.
fn begin(lab: &Lab, arguments: &[&str]) -> (Child, BufReader<ChildStderr>, String) {
    let mut login = lab
        .command()
        .args(["login", &lab.url])
        .args(arguments)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(login.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("Waiting") {
        assert!(said.read_line(&mut text).unwrap() > 0, "{text}");
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
    (login, said, code)
}

fn rest(mut said: BufReader<ChildStderr>) -> String {
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_person_approves() {
    let lab = Lab::new();
    let (mut login, said, code) = begin(&lab, &["--expires", "3h"]);
    let app = lab.app();
    let alice = lab.at_console(&app, "alice");
    let shown = app.device_login(&alice, &code).unwrap();
    assert_eq!(
        shown.program,
        concat!("keycroft/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(shown.lifetime, Some(Lifetime::hours(3)));
    assert!(shown.address.unwrap().is_loopback());
    app.approve_device_login(&alice, &code, WantedEnd::In(Lifetime::hours(2)))
        .unwrap();
    assert_eq!(login.wait().unwrap().code(), Some(0));
    let said = rest(said);
    assert!(
        said.contains("as alice with kct_") && said.contains("expires in 2h"),
        "{said}"
    );
    assert!(lab.good("whoami").starts_with("username\talice\n"));
}

#[test]
fn a_person_refuses() {
    let lab = Lab::new();
    let (mut login, said, code) = begin(&lab, &[]);
    let app = lab.app();
    app.refuse_device_login(&lab.at_console(&app, "alice"), &code)
        .unwrap();
    assert_eq!(login.wait().unwrap().code(), Some(5));
    assert_eq!(rest(said), "keycroft: it was refused at the console\n");
    assert_eq!(lab.run("whoami").code, 4, "nothing was kept");
}

#[test]
fn a_lifetime_that_can_not_be_is_refused_at_once() {
    let lab = Lab::new();
    let message = lab.bad(&format!("login {} --expires 90m", lab.url), 6);
    assert!(message.contains("whole hours from 1h to 24h"), "{message}");
}
