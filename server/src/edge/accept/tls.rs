//! TLS on the listening port, with certificates that can be replaced while the gateway runs.

mod pem;

use std::{path::PathBuf, sync::Arc};

use parking_lot::RwLock;
use rustls::{CertificateError, Error, InconsistentKeys, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::pem::PemFile;
use crate::{config::Tls, crypto};

/// Why a certificate or its private key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the files cannot be used.
    #[error("{key} ({}) {problem}", file.display())]
    File {
        /// The configuration key that names the file.
        key: &'static str,
        /// The path of the file.
        file: PathBuf,
        /// What is wrong with it and how to fix it. Completes a sentence whose subject is the file.
        problem: String,
    },
    /// Both files can be read, but they do not match.
    #[error("tls.cert and tls.key cannot be used together: {0}")]
    Pair(String),
}

/// The certificates in force. Clones are cheap and share the same certificates.
#[derive(Clone)]
pub struct Certificates(Arc<RwLock<TlsAcceptor>>);

impl Certificates {
    /// Reads the certificate chain and its private key from the configured files.
    ///
    /// # Errors
    /// Returns a [`TlsError`] that names the file.
    pub fn read(tls: &Tls) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(acceptor(tls)?))))
    }

    /// Replaces the certificates. Open connections keep those of their handshake.
    pub fn replace(&self, others: &Self) {
        let acceptor = others.0.read().clone();
        *self.0.write() = acceptor;
    }

    /// Performs the TLS handshake.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let acceptor = self.0.read().clone();
        acceptor.accept(stream).await
    }
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let chain = PemFile::read("tls.cert", &tls.cert)?.certificates()?;
    let key = PemFile::read("tls.key", &tls.key)?.private_key()?;
    let mut config = ServerConfig::builder_with_provider(crypto::tls())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|cause| TlsError::Pair(problem_of_pair(&cause)))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn problem_of_pair(cause: &Error) -> String {
    match cause {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the key does not belong to the first certificate; a chain begins with the certificate of this server"
                .into()
        }
        Error::InvalidCertificate(CertificateError::BadEncoding) => "the first certificate is damaged".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
