//! The cryptography library of the gateway: ring, for TLS, token signatures and random numbers.
//!
//! A single library for all three means that only one has to be built and audited. The alternative, aws-lc-rs, takes
//! minutes to build; see `docs/decisions/ring.md`.

mod signatures;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use gateway_runtime::authorities::AuthorityError;
pub(crate) use gateway_runtime::authorities::{SystemAuthorities, tls_connector};

/// Installs ring as the process-wide provider for tokens and HTTPS clients.
///
/// Idempotent; a provider that the program installed earlier is kept. Call it before `jsonwebtoken` or `reqwest` is
/// used without the gateway.
pub fn install() {
    signatures::install();
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread installed a provider concurrently, which is equivalent.
        let _ = ring::default_provider().install_default();
    }
}

/// Returns a builder for an HTTP and HTTPS client.
pub(crate) fn https_client() -> reqwest::ClientBuilder {
    // reqwest panics if no provider is installed.
    install();
    reqwest::Client::builder()
}

/// Returns the TLS provider.
pub(crate) fn tls() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Fills a buffer with random bytes from the operating system.
///
/// # Errors
/// Returns an error when the operating system provides no random bytes.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), rustls::crypto::GetRandomFailed> {
    ring::default_provider().secure_random.fill(bytes)
}
