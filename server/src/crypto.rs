//! The cryptography of this process: ring, for TLS, for the signatures of tokens and for random numbers.
//!
//! One library serves all three, so that the gateway builds and audits one. The alternative, aws-lc-rs, takes minutes to
//! build; see `docs/decisions/ring.md`.

mod authorities;
mod signatures;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use authorities::AuthorityError;
pub(crate) use authorities::{SystemAuthorities, tls_connector};

/// Makes ring the choice of this process for tokens and for HTTPS clients. Idempotent; what the program chose before
/// stays. Call it before `jsonwebtoken` or `reqwest` is used without the gateway.
pub fn install() {
    signatures::install();
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}

/// A builder of clients for HTTP and HTTPS.
pub(crate) fn https_client() -> reqwest::ClientBuilder {
    // reqwest panics without a choice.
    install();
    reqwest::Client::builder()
}

/// The algorithms of TLS.
pub(crate) fn tls() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Fills a buffer with random bytes of the operating system.
///
/// # Errors
/// If the operating system gives none.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), rustls::crypto::GetRandomFailed> {
    ring::default_provider().secure_random.fill(bytes)
}
