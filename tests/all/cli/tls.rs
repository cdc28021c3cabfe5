//! The command line and a server with a certificate of the lab's own CA.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use super::support::{Done, Lab, Run};

/// A CA named `called`; its certificate goes into `folder/NAME.pem`.
fn authority(folder: &Path, name: &str, called: &str) -> Issuer<'static, KeyPair> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, called);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    Issuer::new(params, key)
}

/// The arguments of a server with a certificate for `name`, valid until the first day of `year`.
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

pub fn lab_until(year: i32) -> Lab {
    Lab::serving(|folder| {
        let lab = authority(folder, "lab", "the lab");
        authority(folder, "foreign", "another lab");
        authority(folder, "namesake", "the lab");
        certified(folder, &lab, "127.0.0.1", year)
    })
}

/// `whoami` at `url`, trusting the certificate in `authority`.
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

fn rejected(done: &Done, code: i32, words: &str) {
    assert_eq!((done.code, done.out.as_str()), (code, ""), "{done:?}");
    assert!(done.err.contains(words), "{words}: {done:?}");
}

#[test]
fn only_the_configured_ca_is_trusted() {
    let lab = lab_until(2100);
    assert!(lab.url.starts_with("https://127.0.0.1:"), "{}", lab.url);
    let done = whoami(&lab, &lab.url, Some("lab.pem"));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("username\talice\n"), "{done:?}");
    for name in ["foreign.pem", "namesake.pem"] {
        let foreign = whoami(&lab, &lab.url, Some(name));
        rejected(
            &foreign,
            7,
            "its certificate is from an authority that is not trusted here",
        );
        rejected(&foreign, 7, "try: KEYCROFT_CA_FILE=FILE");
    }
    // The system's CAs do not include this lab.
    rejected(
        &whoami(&lab, &lab.url, None),
        7,
        "try: KEYCROFT_CA_FILE=FILE",
    );
    let by_name = lab.url.replace("127.0.0.1", "localhost");
    rejected(
        &whoami(&lab, &by_name, Some("lab.pem")),
        7,
        "its certificate is for another name than localhost",
    );
    rejected(
        &whoami(&lab, &lab.url, Some("missing.pem")),
        2,
        "missing.pem: No such file",
    );
    rejected(
        &whoami(&lab, &lab.url, Some("server.key")),
        2,
        "server.key: the file contains no PEM certificate",
    );
    let plain = lab.url.replace("https://", "http://");
    rejected(&whoami(&lab, &plain, None), 7, "try: https://127.0.0.1");
}

#[test]
fn expired_certificate_is_reported() {
    let lab = lab_until(2021);
    rejected(
        &whoami(&lab, &lab.url, Some("lab.pem")),
        7,
        "its certificate has expired, or the clock of this machine is wrong",
    );
}

#[test]
fn server_without_tls_is_reported() {
    let lab = Lab::new();
    let secure = lab.url.replace("http://", "https://");
    rejected(
        &whoami(&lab, &secure, None),
        7,
        "the server does not speak TLS",
    );
}

#[test]
fn login_saves_the_ca_file() {
    let lab = lab_until(2100);
    let login = |authority: &str| {
        lab.command()
            .args(["login", &lab.url, "--with-token", "--ca-file", authority])
            .fed(&lab.token("alice"))
    };
    rejected(&login("foreign.pem"), 7, "not trusted here");
    assert!(
        !lab.path("home/.config/keycroft/credentials.toml").exists()
            || !std::fs::read_to_string(lab.path("home/.config/keycroft/credentials.toml"))
                .unwrap()
                .contains("kct_"),
        "a token that no server took is not kept"
    );
    let done = login("lab.pem");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        lab.expect_success("whoami")
            .starts_with("username\talice\n")
    );
    // From another folder, too.
    let elsewhere = lab.command().arg("whoami").current_dir("/").done();
    assert_eq!(elsewhere.code, 0, "{elsewhere:?}");
}

/// `serve` with these files. Returns its result, or its output until it listened.
fn served(folder: &Path, certificate: &[u8], key: &[u8]) -> Done {
    std::fs::write(folder.join("c.pem"), certificate).unwrap();
    std::fs::write(folder.join("k.pem"), key).unwrap();
    let mut command = std::process::Command::new("timeout");
    command
        .args([
            "-s",
            "INT",
            "--preserve-status",
            "2",
            env!("CARGO_BIN_EXE_keycroft"),
        ])
        .args([
            "serve",
            "--listen=127.0.0.1:0",
            "--db=k.db",
            "--tls-cert=c.pem",
            "--tls-key=k.pem",
        ])
        .current_dir(folder)
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .env("PATH", "/usr/bin:/bin")
        .done()
}

/// A self-signed certificate for 127.0.0.1, and its key.
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn certificate_that_clients_reject_warns_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let served = |pair: &(String, String)| {
        let done = served(folder.path(), pair.0.as_bytes(), pair.1.as_bytes());
        assert!(done.err.contains("listening on https://"), "{done:?}");
        done.err
    };
    let fine = served(&self_signed(|_| ()));
    assert!(!fine.contains("WARN"), "{fine}");
    let ended = served(&self_signed(|params| {
        params.not_after = date_time_ymd(2021, 1, 1);
    }));
    assert!(
        ended.contains("c.pem: the certificate expired") && ended.contains("days ago"),
        "{ended}"
    );
    let early = served(&self_signed(|params| {
        params.not_before = date_time_ymd(2090, 1, 1);
    }));
    assert!(
        early.contains("the certificate is valid only in"),
        "{early}"
    );
    let now = keycroft::clock::Clock::System.now();
    let soon = now
        .after(std::time::Duration::from_secs(5 * 86_400))
        .to_string();
    let part = |range: std::ops::Range<usize>| soon[range].parse::<i32>().unwrap();
    let (month, day) = (
        part(5..7).try_into().unwrap(),
        part(8..10).try_into().unwrap(),
    );
    let soon = date_time_ymd(part(0..4), month, day);
    let ends = served(&self_signed(|params| params.not_after = soon));
    assert!(ends.contains("the certificate expires in 4 days"), "{ends}");
    let ca = served(&self_signed(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = soon;
    }));
    assert!(ca.contains("the certificate expires in 4 days"), "{ca}");
    assert!(
        ca.contains("CA certificate") && ca.contains("basicConstraints=critical,CA:FALSE"),
        "{ca}"
    );
}

#[test]
fn unusable_certificate_or_key_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(|_| ());
    let (_, other) = self_signed(|_| ());
    let version_1 = include_str!("../../files/certificate-version-1.pem");
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(certificate.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted_old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let cases: [(&[u8], &str, &[&str]); 8] = [
        (
            certificate.as_bytes(),
            encrypted,
            &["k.pem", "encrypted", "openssl pkey"],
        ),
        (
            certificate.as_bytes(),
            encrypted_old,
            &["k.pem", "encrypted", "openssl pkey"],
        ),
        (certificate.as_bytes(), ssh, &["k.pem", "SSH key"]),
        (
            certificate.as_bytes(),
            &other,
            &["k.pem", "does not belong to", "c.pem"],
        ),
        (
            certificate.as_bytes(),
            &certificate,
            &["k.pem", "no private key"],
        ),
        (key.as_bytes(), &key, &["c.pem", "no certificate"]),
        (
            version_1.as_bytes(),
            &key,
            &["c.pem", "version 1", "subjectAltName"],
        ),
        (&utf16, &key, &["c.pem", "UTF-16"]),
    ];
    for (certificate, key, words) in cases {
        let done = served(folder.path(), certificate, key.as_bytes());
        assert_eq!(done.code, 1, "{words:?}: {done:?}");
        for word in words {
            assert!(done.err.contains(word), "{word}: {done:?}");
        }
        assert!(!done.err.contains("AAAA"), "{done:?}");
    }
    // A byte order mark does no harm.
    let marked = |text: &str| format!("\u{feff}{text}");
    let done = served(
        folder.path(),
        marked(&certificate).as_bytes(),
        marked(&key).as_bytes(),
    );
    assert!(done.err.contains("listening on https://"), "{done:?}");
}

#[test]
fn ca_certificate_as_server_certificate_is_explained() {
    let lab = Lab::serving(|folder| {
        let (certificate, key) =
            self_signed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        std::fs::write(folder.join("server.pem"), certificate).unwrap();
        std::fs::write(folder.join("server.key"), key).unwrap();
        vec![
            "--tls-cert=server.pem".into(),
            "--tls-key=server.key".into(),
        ]
    });
    let done = whoami(&lab, &lab.url, Some("server.pem"));
    rejected(&done, 7, "its certificate is a CA certificate");
    rejected(&done, 7, "basicConstraints=critical,CA:FALSE");
}

/// The usual way to try TLS: no CA; the certificate itself is trusted.
#[test]
fn self_signed_ca_file_is_trusted_for_its_names() {
    let lab = Lab::serving(|folder| {
        let (certificate, key) = self_signed(|_| ());
        std::fs::write(folder.join("server.pem"), certificate).unwrap();
        std::fs::write(folder.join("server.key"), key).unwrap();
        vec![
            "--tls-cert=server.pem".into(),
            "--tls-key=server.key".into(),
        ]
    });
    let done = whoami(&lab, &lab.url, Some("server.pem"));
    assert_eq!(done.code, 0, "{done:?}");
    let by_name = lab.url.replace("127.0.0.1", "localhost");
    rejected(
        &whoami(&lab, &by_name, Some("server.pem")),
        7,
        "another name",
    );
}
