//! Messages about requests without an answer.

/// The cause of a request without an answer, in words.
pub fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host name does not resolve".to_owned(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "connection refused".to_owned()
        }
        // The answer is binary.
        ureq::Error::Io(error) if error.to_string().contains("valid UTF-8") => NOT_OURS.to_owned(),
        other => other.to_string(),
    }
}

/// The message for an answer that does not come from a Keycroft server.
pub const NOT_OURS: &str = "the program at this address is not a Keycroft server";

/// The message and the remedy of a TLS error. The text of the library is searched, since its errors are of more than
/// one type.
pub fn about_tls(cause: &str, host: &str) -> Option<(String, String)> {
    const AUTHORITY: &str =
        "KEYCROFT_CA_FILE=FILE, or --ca-file, with the certificate of your lab's own authority";
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["http parse fail"]) {
        let hint = format!("https://{host}, if it speaks TLS");
        return Some(("the server does not speak plain HTTP".to_owned(), hint));
    }
    if says(&["received corrupt message"]) {
        let hint =
            format!("http://{host}, if it is on this machine; or the port where it speaks TLS");
        return Some(("the server does not speak TLS".to_owned(), hint));
    }
    if !says(&["certificate"]) {
        return None;
    }
    let (words, hint) = if says(&["not valid for name", "NotValidForName"]) {
        (
            format!("its certificate is for another name than {name}"),
            "use the name in the certificate".to_owned(),
        )
    } else if says(&["expired", "Expired"]) {
        (
            "its certificate has expired, or the clock of this machine is wrong".to_owned(),
            "date, and a new certificate on the server".to_owned(),
        )
    } else if says(&["not valid yet", "NotValidYet"]) {
        (
            "its certificate is not valid yet, or the clock of this machine is wrong".to_owned(),
            "date".to_owned(),
        )
    } else if says(&["CaUsedAsEndEntity"]) {
        (
            "its certificate is a CA certificate, which clients don't accept as a server's"
                .to_owned(),
            "on the server: openssl req -x509 with -addext basicConstraints=critical,CA:FALSE"
                .to_owned(),
        )
    } else if says(&["UnsupportedCertVersion"]) {
        (
            "its certificate is of version 1, which has no names".to_owned(),
            "on the server: a certificate of version 3, with subjectAltName".to_owned(),
        )
    } else if says(&["UnknownIssuer", "BadSignature"]) {
        (
            "its certificate is from an authority that is not trusted here".to_owned(),
            AUTHORITY.to_owned(),
        )
    } else {
        (cause.to_owned(), AUTHORITY.to_owned())
    };
    Some((words, hint))
}
