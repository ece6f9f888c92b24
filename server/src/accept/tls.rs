//! TLS on the port itself, with certificates that can be exchanged while it runs.

use std::{path::PathBuf, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{config::Tls, crypto};

/// Why a certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{file}: {cause}; tls.cert is a chain and tls.key a private key, both in PEM")]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The two do not fit.
    #[error("tls.cert and tls.key do not fit: {0}")]
    Pair(String),
}

/// The certificates in force. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Certificates(Arc<RwLock<TlsAcceptor>>);

impl Certificates {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn read(tls: &Tls) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(acceptor(tls)?))))
    }

    /// Reads them anew; the old ones stay in force when that fails.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn reload(&self, tls: &Tls) -> Result<(), TlsError> {
        *self.0.write() = acceptor(tls)?;
        Ok(())
    }

    /// Shakes hands.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let acceptor = self.0.read().clone();
        acceptor.accept(stream).await
    }
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let file =
        |file: &PathBuf, cause: &dyn std::fmt::Display| TlsError::File { file: file.clone(), cause: cause.to_string() };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&tls.cert)
        .and_then(Iterator::collect)
        .map_err(|cause| file(&tls.cert, &cause))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|cause| file(&tls.key, &cause))?;
    let mut config = ServerConfig::builder_with_provider(crypto::tls())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|cause| TlsError::Pair(cause.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
