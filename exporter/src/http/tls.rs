//! TLS by certificate files, which are read again when they change: a renewal needs no restart.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;

/// The certificate in use, and what its files looked like when it was read.
pub(super) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: TlsAcceptor,
    seen: [Option<Look>; 2],
}

/// What changes when a file is written or replaced: device, inode, length, time of change.
type Look = (u64, u64, u64, i64, i64);

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Tls({})", self.certificate.display())
    }
}

impl Tls {
    /// Reads both files.
    pub(super) fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, Error> {
        let seen = look(&certificate, &key);
        let acceptor = load(&certificate, &key)?;
        Ok(Self { certificate, key, acceptor, seen })
    }

    /// For the next connection. Two `stat` calls; when a file is another one than before, both are read again. A new pair that cannot
    /// be used is reported once, and the old one stays: between the writing of the two files they do not fit.
    pub(super) fn acceptor(&mut self) -> TlsAcceptor {
        let seen = look(&self.certificate, &self.key);
        if seen != self.seen {
            self.seen = seen;
            match load(&self.certificate, &self.key) {
                Ok(acceptor) => {
                    self.acceptor = acceptor;
                    tracing::info!(certificate = %self.certificate.display(), "The certificate was read again.");
                }
                Err(error) => tracing::warn!(%error, "The changed certificate cannot be used; the old one stays."),
            }
        }
        self.acceptor.clone()
    }
}

fn look(certificate: &Path, key: &Path) -> [Option<Look>; 2] {
    let of = |metadata: Metadata| (metadata.dev(), metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec());
    [certificate, key].map(|path| std::fs::metadata(path).ok().map(of))
}

fn load(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Error> {
    let unusable = |path: &Path, reason: String| Error::Certificate { path: path.to_owned(), reason };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(|error| unusable(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable(certificate, "it holds no certificate".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.to_string()))?;
    // The provider is named here: a process-wide one could be missing or another one.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| unusable(certificate, format!("with the key {}: {error}", key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
