//! Implements the signature algorithms of tokens (RFC 7518, section 3, and RFC 8037) with ring, which TLS uses as well.
//!
//! `jsonwebtoken` supports two other libraries: aws-lc-rs, whose C code takes longer to build than the rest of the
//! gateway, and the `rsa` crate, whose private key operations have a timing leak (RUSTSEC-2023-0071). Its
//! `CryptoProvider` interface allows a third one.

mod sign;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    jwk::{EllipticCurve, ThumbprintHash},
    signature::{self, Verifier},
};
use ring::{digest, hmac, signature as ring_signature};

use sign::KeyPair;

/// Makes `jsonwebtoken` use ring in this process. Idempotent; a provider that the program installed earlier is kept.
pub(super) fn install() {
    // An error means that a provider is already installed: this one, or one that the program chose.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        Ok(Box::new(RingSigner { algorithm: *algorithm, pair: KeyPair::new(*algorithm, key)? }))
    },
    verifier_factory: |algorithm, key| {
        if key.family() == algorithm.family() {
            Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
        } else {
            Err(ErrorKind::InvalidKeyFormat.into())
        }
    },
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |der| KeyPair::rsa(der)?.rsa_components(),
        // Required only to export a public key as a JWK, which the gateway never does.
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: ec_components,
        ed_pub_components_from_private_key: |der, curve| match curve {
            EllipticCurve::Ed25519 => Ok(KeyPair::ed25519(der)?.public_key().to_vec()),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        compute_digest: |data, hash| {
            let algorithm = match hash {
                ThumbprintHash::SHA256 => &digest::SHA256,
                ThumbprintHash::SHA384 => &digest::SHA384,
                ThumbprintHash::SHA512 => &digest::SHA512,
                _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
            };
            Ok(digest::digest(algorithm, data).as_ref().to_vec())
        },
    },
};

/// Returns the curve and the coordinates of an EC key's public point.
fn ec_components(der: &[u8], algorithm: Algorithm) -> Result<(EllipticCurve, Vec<u8>, Vec<u8>)> {
    let curve = if algorithm == Algorithm::ES256 { EllipticCurve::P256 } else { EllipticCurve::P384 };
    let pair = KeyPair::ecdsa(algorithm, der)?;
    // An uncompressed point (SEC 1, section 2.3.3): a byte 4, then x and y.
    match pair.public_key().split_first() {
        Some((4, point)) => {
            let (x, y) = point.split_at(point.len() / 2);
            Ok((curve, x.to_vec(), y.to_vec()))
        }
        _ => Err(ErrorKind::InvalidEcdsaKey.into()),
    }
}

/// Verifies signatures of one algorithm with one key.
struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let valid = match (self.key.kind(), Verification::of(self.algorithm).ok_or_else(signature::Error::new)?) {
            (DecodingKeyKind::SecretOrDer(secret), Verification::Hmac(hash)) => {
                hmac::verify(&hmac::Key::new(hash, secret), message, signature)
            }
            (DecodingKeyKind::SecretOrDer(public), verification) => {
                let Some(parameters) = verification.parameters() else { return Err(signature::Error::new()) };
                ring_signature::UnparsedPublicKey::new(parameters, public).verify(message, signature)
            }
            (DecodingKeyKind::RsaModulusExponent { n, e }, Verification::Rsa(parameters)) => {
                ring_signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (DecodingKeyKind::RsaModulusExponent { .. }, _) => return Err(signature::Error::new()),
        };
        valid.map_err(|_| signature::Error::new())
    }
}

/// The ring parameters that verify an algorithm.
enum Verification {
    Hmac(hmac::Algorithm),
    Rsa(&'static ring_signature::RsaParameters),
    Other(&'static dyn ring_signature::VerificationAlgorithm),
}

impl Verification {
    /// Returns `None` for an algorithm that a later version of `jsonwebtoken` adds.
    fn of(algorithm: Algorithm) -> Option<Self> {
        use ring_signature as ring;

        Some(match algorithm {
            Algorithm::HS256 => Self::Hmac(hmac::HMAC_SHA256),
            Algorithm::HS384 => Self::Hmac(hmac::HMAC_SHA384),
            Algorithm::HS512 => Self::Hmac(hmac::HMAC_SHA512),
            Algorithm::RS256 => Self::Rsa(&ring::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Self::Rsa(&ring::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Self::Rsa(&ring::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Self::Rsa(&ring::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Self::Rsa(&ring::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Self::Rsa(&ring::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Self::Other(&ring::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Self::Other(&ring::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Self::Other(&ring::ED25519),
            _ => return None,
        })
    }

    /// Returns the parameters for an encoded public key; `None` for a shared secret.
    fn parameters(self) -> Option<&'static dyn ring_signature::VerificationAlgorithm> {
        match self {
            Self::Hmac(_) => None,
            Self::Rsa(parameters) => Some(parameters),
            Self::Other(parameters) => Some(parameters),
        }
    }
}

/// Creates signatures of one algorithm with one key.
struct RingSigner {
    algorithm: Algorithm,
    pair: KeyPair,
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        self.pair.sign(message).map_err(|_| signature::Error::new())
    }
}

#[cfg(test)]
mod tests;
