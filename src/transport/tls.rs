//! TLS from two PEM files that may be replaced while the server runs.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::TlsFiles;

/// The certificate in use, and where it came from.
pub struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

/// Why the files cannot be used; names the file, never what is in it.
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

    /// Reads the files again, for connections from now on; when they cannot be used, what was
    /// there stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = read(&self.files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Makes one handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}

/// TLS 1.2 and 1.3 with what rustls thinks safe, and HTTP/1.1 only.
fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(&files.certificate, &error))?;
    if certificates.is_empty() {
        return Err(failed(&files.certificate, &"there is no certificate in it"));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, key)
        })
        .map_err(|error| failed(&files.certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn failed(file: &Path, why: &dyn fmt::Display) -> TlsError {
    TlsError(format!("{}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        let renew = || {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(&files.certificate, made.cert.pem()).unwrap();
            std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
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
        // A key that is not the certificate's.
        renew();
        let other = std::fs::read(&files.key).unwrap();
        renew();
        std::fs::write(&files.key, other).unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(&second, &in_use()));
    }
}
