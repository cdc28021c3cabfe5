//! The command line and a server whose certificate comes from the lab's own authority.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use super::support::{Done, Lab, Run};

/// An authority that calls itself `called`; its certificate goes into `folder/NAME.pem`.
fn authority(folder: &Path, name: &str, called: &str) -> Issuer<'static, KeyPair> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, called);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    Issuer::new(params, key)
}

/// The arguments of a server with a certificate for `name`, good until the first day of `year`.
fn certified(folder: &Path, by: &Issuer<'_, KeyPair>, name: &str, year: i32) -> Vec<String> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    let certificate = params.signed_by(&key, by).unwrap();
    std::fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    vec![
        "--tls-cert=server.pem".into(),
        "--tls-key=server.key".into(),
    ]
}

fn lab_until(year: i32) -> Lab {
    Lab::serving(|folder| {
        let lab = authority(folder, "lab", "the lab");
        authority(folder, "foreign", "another lab");
        authority(folder, "namesake", "the lab");
        certified(folder, &lab, "127.0.0.1", year)
    })
}

/// `whoami` at `url`, trusting what is in `authority`.
fn whoami(lab: &Lab, url: &str, authority: Option<&str>) -> Done {
    let mut command = lab.command();
    command
        .args(["whoami", "--server", url])
        .with("KEYCROFT_TOKEN", lab.token("alice"));
    if let Some(authority) = authority {
        command.with("KEYCROFT_CA_FILE", authority);
    }
    command.done()
}

fn refused(done: &Done, code: i32, words: &str) {
    assert_eq!((done.code, done.out.as_str()), (code, ""), "{done:?}");
    assert!(done.err.contains(words), "{words}: {done:?}");
}

#[test]
fn the_right_authority_is_believed_and_no_other() {
    let lab = lab_until(2100);
    assert!(lab.url.starts_with("https://127.0.0.1:"), "{}", lab.url);
    let done = whoami(&lab, &lab.url, Some("lab.pem"));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("username\talice\n"), "{done:?}");
    for name in ["foreign.pem", "namesake.pem"] {
        let foreign = whoami(&lab, &lab.url, Some(name));
        refused(
            &foreign,
            7,
            "its certificate is from an authority that is not trusted here",
        );
        refused(&foreign, 7, "try: KEYCROFT_CA_FILE=FILE");
    }
    // The system's own authorities know nothing of this lab.
    refused(
        &whoami(&lab, &lab.url, None),
        7,
        "try: KEYCROFT_CA_FILE=FILE",
    );
    let by_name = lab.url.replace("127.0.0.1", "localhost");
    refused(
        &whoami(&lab, &by_name, Some("lab.pem")),
        7,
        "its certificate is for another name than localhost",
    );
    refused(
        &whoami(&lab, &lab.url, Some("missing.pem")),
        2,
        "missing.pem: No such file",
    );
    refused(
        &whoami(&lab, &lab.url, Some("server.key")),
        2,
        "server.key: there is no certificate in it (PEM)",
    );
    let plain = lab.url.replace("https://", "http://");
    refused(&whoami(&lab, &plain, None), 7, "try: https://127.0.0.1");
}

#[test]
fn a_certificate_that_is_over_is_said_to_be() {
    let lab = lab_until(2021);
    refused(
        &whoami(&lab, &lab.url, Some("lab.pem")),
        7,
        "its certificate is over, or this machine's clock is wrong",
    );
}

#[test]
fn a_server_without_tls_is_said_to_be_one() {
    let lab = Lab::new();
    let secure = lab.url.replace("http://", "https://");
    refused(&whoami(&lab, &secure, None), 7, "it does not speak TLS");
}

#[test]
fn a_login_remembers_whom_to_trust() {
    let lab = lab_until(2100);
    let login = |authority: &str| {
        lab.command()
            .args(["login", &lab.url, "--with-token", "--ca-file", authority])
            .fed(&lab.token("alice"))
    };
    refused(&login("foreign.pem"), 7, "not trusted here");
    assert!(
        !lab.path("home/.config/keycroft/credentials.toml").exists()
            || !std::fs::read_to_string(lab.path("home/.config/keycroft/credentials.toml"))
                .unwrap()
                .contains("kct_"),
        "a token that no server took is not kept"
    );
    let done = login("lab.pem");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(lab.good("whoami").starts_with("username\talice\n"));
    // From another folder, too.
    let elsewhere = lab.command().arg("whoami").current_dir("/").done();
    assert_eq!(elsewhere.code, 0, "{elsewhere:?}");
}
