//! The certificate authorities that a TLS client of the gateway trusts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

/// When the authorities of the operating system are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemAuthorities {
    /// Always, next to those of a file.
    Trusted,
    /// Only if no file is configured.
    WithoutOthers,
}

/// The error when there is no certificate authority to trust.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file cannot be used.
    #[error("{} cannot be used: {problem}; it holds the certificate authority of the server in PEM", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
    /// There is no file, and the operating system has none.
    #[error("this system trusts no certificate authority; name a file with the one of the server")]
    None,
}

/// Creates a TLS connector that trusts the authorities of `file` and of the operating system.
///
/// # Errors
/// [`AuthorityError`] if the file cannot be used, or if there is no authority at all.
pub fn tls_connector(file: Option<&Path>, system: SystemAuthorities) -> Result<TlsConnector, AuthorityError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = file {
        add_file(&mut roots, path).map_err(|problem| AuthorityError::File { path: path.into(), problem })?;
    }
    if file.is_none() || system == SystemAuthorities::Trusted {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(AuthorityError::None);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| AuthorityError::None)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("it holds no certificate".into()) } else { Ok(()) }
}
