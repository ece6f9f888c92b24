//! Reads certificates and private keys from PEM files, with a distinct error for each common mistake.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject},
};

use super::TlsError;

/// The byte order mark that some editors and shells write at the start of UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// The first byte of a certificate or key in DER: the tag of a sequence (X.690, section 8.9).
const DER_SEQUENCE: u8 = 0x30;

/// A PEM file named by the configuration.
pub(super) struct PemFile {
    key: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PemFile {
    /// Reads the file that the configuration key `key` names.
    pub(super) fn read(key: &'static str, path: &Path) -> Result<Self, TlsError> {
        let bytes = fs::read(path).map_err(|error| {
            let problem = format!("cannot be read: {error}");
            TlsError::File { key, file: path.to_owned(), problem }
        })?;
        let file = Self { key, path: path.to_owned(), bytes };
        if file.text().trim_ascii().is_empty() {
            return Err(file.error("is empty"));
        }
        Ok(file)
    }

    /// Returns the certificates, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.text()).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) if self.is_der() => {
                Err(self.error("is in DER: convert it with `openssl x509 -inform der -in FILE -out FILE.pem`"))
            }
            Ok(_) if self.has("PRIVATE KEY-----") => {
                Err(self.error("holds a private key and no certificate: tls.cert is the certificate chain"))
            }
            Ok(_) => Err(self.error("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")),
            Err(error) => Err(self.damaged(&error)),
        }
    }

    /// Returns the first private key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        // An encrypted key in PKCS #8 (RFC 5958), or in the older OpenSSL format (RFC 1421, section 4.6.1.1).
        if self.has("BEGIN ENCRYPTED PRIVATE KEY-----") || self.has("Proc-Type: 4,ENCRYPTED") {
            return Err(self.error("is encrypted: decrypt it with `openssl pkey -in FILE -out FILE.pem`"));
        }
        match PrivateKeyDer::from_pem_slice(self.text()) {
            Ok(key) => Ok(key),
            Err(Error::NoItemsFound) if self.is_der() => {
                Err(self.error("is in DER: convert it with `openssl pkey -inform der -in FILE -out FILE.pem`"))
            }
            Err(Error::NoItemsFound) if self.has("BEGIN CERTIFICATE-----") => {
                Err(self.error("holds a certificate and no private key: tls.key is the private key"))
            }
            Err(Error::NoItemsFound) => Err(self.error("holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")),
            Err(error) => Err(self.damaged(&error)),
        }
    }

    fn text(&self) -> &[u8] {
        self.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.bytes)
    }

    fn has(&self, text: &str) -> bool {
        self.text().windows(text.len()).any(|window| window == text.as_bytes())
    }

    fn is_der(&self) -> bool {
        self.bytes.first() == Some(&DER_SEQUENCE)
    }

    fn error(&self, problem: &str) -> TlsError {
        TlsError::File { key: self.key, file: self.path.clone(), problem: problem.to_owned() }
    }

    /// Describes a parser error. The parser's own message is not used, because it may quote a line of the private key.
    fn damaged(&self, error: &Error) -> TlsError {
        self.error(match error {
            Error::MissingSectionEnd { .. } => "is damaged: an -----END line is missing; was it copied completely?",
            Error::IllegalSectionStart { .. } => "is damaged: a -----BEGIN line is not valid",
            Error::Base64Decode(_) => "is damaged: the text between its -----BEGIN and -----END lines is not Base64",
            _ => "is not a valid PEM file",
        })
    }
}
