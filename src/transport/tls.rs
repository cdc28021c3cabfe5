//! TLS from two PEM files that may be replaced while the server runs.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use std::{fmt, fs};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};
use zeroize::Zeroizing;

use super::settings::TlsFiles;

/// Warnings start this long before a certificate expires.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// The certificate in use and its source.
pub struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

/// The reason why the files cannot be used; names the file, never its content.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// Reads the files.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            config: RwLock::new(read(files)?),
            files: files.clone(),
        })
    }

    /// Reads the files again, for new connections. If they cannot be used, the present certificate stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = read(&self.files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Accepts one handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}

/// TLS 1.2 and 1.3 with rustls's safe defaults, and HTTP/1.1 only.
fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let text = read_pem(&files.certificate)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(&files.certificate, &error))?;
    let Some(leaf) = certificates.first() else {
        let why = "it contains no certificate (expected PEM, with -----BEGIN CERTIFICATE-----)";
        return Err(failed(&files.certificate, &why));
    };
    for warning in examine(leaf, UnixTime::now()).map_err(|why| failed(&files.certificate, &why))? {
        log::warn!("{}: {warning}", files.certificate.display());
    }
    let key = read_key(&files.key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, key)
        })
        .map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => failed(
                &files.key,
                &format!(
                    "this key does not belong to the first certificate in {}",
                    files.certificate.display()
                ),
            ),
            other => failed(&files.certificate, &other),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The expiration of the first certificate in a PEM file, in Unix seconds.
pub fn certificate_end(file: &Path) -> Result<u64, TlsError> {
    // The last second of the year 9999, which no certificate reaches.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let text = read_pem(file)?;
    let leaf = CertificateDer::from_pem_slice(&text).map_err(|error| failed(file, &error))?;
    let leaf = EndEntityCert::try_from(&leaf).map_err(|error| failed(file, &error))?;
    let verified = leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[],
        &[],
        UnixTime::since_unix_epoch(LAST),
        KeyUsage::server_auth(),
        None,
        None,
    );
    match verified.err() {
        Some(webpki::Error::CertExpired { not_after, .. }) => Ok(not_after.as_secs()),
        _ => Ok(LAST.as_secs()),
    }
}

/// A PEM file, without a leading byte order mark.
fn read_pem(file: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let bytes = Zeroizing::new(fs::read(file).map_err(|error| failed(file, &error))?);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(failed(file, &"this is UTF-16 text; save it as UTF-8"));
    }
    let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(Zeroizing::new(plain.to_vec()))
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read_pem(file)?;
    let has = |words: &str| {
        text.windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    if has("-----BEGIN ENCRYPTED PRIVATE KEY-----") || has("Proc-Type: 4,ENCRYPTED") {
        let why = "the key is encrypted, and a server can't ask for its passphrase; decrypt it with `openssl pkey -in FILE -out NEW`, and make it readable only for the server's user";
        return Err(failed(file, &why));
    }
    if has("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Err(failed(
            file,
            &"this is an SSH key, not the key of a certificate",
        ));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => failed(
            file,
            &"it contains no private key (expected PEM, with -----BEGIN PRIVATE KEY-----)",
        ),
        other => failed(file, &other),
    })
}

/// Reasons for which clients reject a certificate, or will soon. Runs rustls's client verification without any trusted
/// authority: if that is its only complaint, the certificate is fine.
fn examine(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<Vec<String>, String> {
    let leaf = match EndEntityCert::try_from(certificate) {
        Ok(leaf) => leaf,
        Err(webpki::Error::UnsupportedCertVersion) => {
            return Err("this is a certificate of version 1, whose names clients reject; create one of version 3, with subjectAltName".to_owned());
        }
        Err(error) => return Err(format!("the certificate is malformed: {error}")),
    };
    let at = |time: UnixTime| {
        let usage = KeyUsage::server_auth();
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[],
            &[],
            time,
            usage,
            None,
            None,
        )
        .err()
    };
    let days = |from: UnixTime, to: UnixTime| {
        let days = to.as_secs().saturating_sub(from.as_secs()) / 86_400;
        format!("{days} day{}", if days == 1 { "" } else { "s" })
    };
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + SOON);
    let mut reasons = Vec::new();
    match at(now) {
        Some(webpki::Error::CertExpired { not_after, .. }) => {
            let ago = days(not_after, now);
            return Ok(vec![format!("the certificate expired {ago} ago: clients reject it")]);
        }
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => {
            return Ok(vec![format!(
                "the certificate is valid only in {}: clients reject it, or this machine's clock is wrong", days(now, not_before)
            )]);
        }
        Some(webpki::Error::CaUsedAsEndEntity) => reasons.push(
            "this is a CA certificate used as a server's: many clients reject it, the keycroft command among them; with `openssl req -x509` add -addext basicConstraints=critical,CA:FALSE"
                .to_owned(),
        ),
        _ => {}
    }
    if let Some(webpki::Error::CertExpired { not_after, .. }) = at(soon) {
        reasons.push(format!(
            "the certificate expires in {}",
            days(now, not_after)
        ));
    }
    Ok(reasons)
}

fn failed(file: &Path, why: &dyn fmt::Display) -> TlsError {
    TlsError(format!("{}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reload_of_a_bad_file_keeps_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        let renew = || {
            let created = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(&files.certificate, created.cert.pem()).unwrap();
            std::fs::write(&files.key, created.signing_key.serialize_pem()).unwrap();
        };
        assert!(Tls::load(&files).is_err());
        renew();
        let tls = Tls::load(&files).unwrap();
        let in_use = || Arc::clone(&tls.config.read().unwrap());
        let first = in_use();
        renew();
        tls.reload().unwrap();
        let second = in_use();
        assert!(!Arc::ptr_eq(&first, &second));
        for (file, text) in [
            (
                &files.certificate,
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            (&files.certificate, ""),
            (&files.key, "nothing"),
        ] {
            renew();
            std::fs::write(file, text).unwrap();
            assert!(tls.reload().is_err());
            assert!(Arc::ptr_eq(&second, &in_use()));
        }
        // A key of another certificate.
        renew();
        let other = std::fs::read(&files.key).unwrap();
        renew();
        std::fs::write(&files.key, other).unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(&second, &in_use()));
    }
}
