//! A key that verifies tokens. The key, never the token, determines which algorithms may be used.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};

use crate::config;

/// Why the configured keys cannot be used. The texts say what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key is configured.
    #[error("no key verifies tokens: set auth.jwt_secret, auth.jwt_public_keys, auth.oidc_issuer or auth.jwks_url")]
    None,
    /// An entry of `auth.jwt_public_keys`, counted from 1, is invalid.
    #[error("auth.jwt_public_keys, entry {0}: {1}")]
    Pem(usize, &'static str),
    /// The HTTP client that fetches keys cannot be created.
    #[error("the keys of an identity provider cannot be fetched: {0}")]
    Client(String),
}

/// The requirements for tokens, regardless of the key that signed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    issuer: Option<String>,
    /// Empty for any audience.
    audiences: Vec<String>,
    leeway: u64,
}

impl Rules {
    /// Returns the rules for tokens of configured keys and of `auth.jwks_url`.
    pub(super) fn new(auth: &config::Auth) -> Self {
        let audiences = if auth.accepts_any_audience() { Vec::new() } else { auth.audiences.clone() };
        Self { issuer: auth.issuer.clone(), audiences, leeway: auth.leeway.as_secs() }
    }

    /// Returns the rules for tokens of an identity provider.
    pub(super) fn of_issuer(auth: &config::Auth, issuer: &str) -> Self {
        Self { issuer: Some(issuer.to_owned()), ..Self::new(auth) }
    }

    fn validation(&self, algorithms: &[Algorithm]) -> Validation {
        let mut validation = Validation {
            algorithms: algorithms.to_vec(),
            leeway: self.leeway,
            validate_nbf: true,
            // A token with an `aud` is acceptable if no audience is configured.
            validate_aud: !self.audiences.is_empty(),
            ..Validation::default()
        };
        // The user is checked with the other claims, because it need not be `sub`.
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if !self.audiences.is_empty() {
            validation.set_audience(&self.audiences);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

/// A key, with the algorithms and rules that apply to it.
#[derive(Debug)]
pub(super) struct VerifyingKey {
    /// The key id, for keys from a JWKS.
    pub(super) kid: Option<String>,
    pub(super) decoding: DecodingKey,
    pub(super) validation: Validation,
}

impl VerifyingKey {
    fn new(decoding: DecodingKey, algorithms: &[Algorithm], rules: &Rules) -> Self {
        Self { kid: None, decoding, validation: rules.validation(algorithms) }
    }

    /// Creates a key from a shared secret, for HS256, HS384 and HS512.
    pub(super) fn secret(secret: &config::Secret, rules: &Rules) -> Self {
        let algorithms = AlgorithmFamily::Hmac;
        Self::new(DecodingKey::from_secret(secret.0.as_bytes()), algorithms.algorithms(), rules)
    }

    /// Parses a public key in PEM: RSA, EC (P-256 or P-384) or Ed25519.
    pub(super) fn pem(pem: &str, rules: &Rules) -> Result<Self, &'static str> {
        if pem.contains("PRIVATE KEY") {
            return Err("this is a private key; use its public key (openssl pkey -pubout)");
        }
        if !pem.contains("PUBLIC KEY-----") {
            return Err("this is not a public key in PEM (-----BEGIN PUBLIC KEY-----)");
        }
        let pem = pem.as_bytes();
        if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            return Ok(Self::new(key, AlgorithmFamily::Rsa.algorithms(), rules));
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            return Ok(Self::new(key, &[Algorithm::EdDSA], rules));
        }
        let unknown = "only RSA, EC (P-256 or P-384) and Ed25519 keys are supported";
        let key = DecodingKey::from_ec_pem(pem).map_err(|_| unknown)?;
        // An uncompressed point (SEC 1, section 2.3.3) has one byte, followed by two coordinates of the field's size.
        let algorithm = match key.try_get_as_bytes().map(<[u8]>::len) {
            Ok(65) => Algorithm::ES256,
            Ok(97) => Algorithm::ES384,
            _ => return Err(unknown),
        };
        Ok(Self::new(key, &[algorithm], rules))
    }

    /// Parses a public key of a JWKS (RFC 7517). Returns `None` for one that is symmetric, unknown or not for
    /// signatures.
    pub(super) fn jwk(jwk: &Jwk, rules: &Rules) -> Option<Self> {
        let common = &jwk.common;
        if matches!(&common.public_key_use, Some(purpose) if *purpose != PublicKeyUse::Signature) {
            return None;
        }
        if matches!(&common.key_operations, Some(operations) if !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        let mut algorithms: Vec<Algorithm> = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
            _ => return None,
        };
        if let Some(only) = &common.key_algorithm {
            let only: Algorithm = only.to_string().parse().ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        if algorithms.is_empty() {
            return None;
        }
        let key = Self::new(DecodingKey::from_jwk(jwk).ok()?, &algorithms, rules);
        Some(Self { kid: common.key_id.clone(), ..key })
    }
}
