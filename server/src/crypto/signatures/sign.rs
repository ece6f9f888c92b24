//! Shared secrets and private keys that sign tokens. `gateway token` uses shared secrets only; tests use all kinds.

use jsonwebtoken::{
    Algorithm, EncodingKey,
    errors::{ErrorKind, Result},
};
use ring::{
    error::Unspecified,
    hmac, rand, rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair},
};

/// A signing key, with the parameters of its algorithm.
pub(super) enum KeyPair {
    Hmac(hmac::Key),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl KeyPair {
    /// Parses a key for an algorithm.
    ///
    /// # Errors
    /// Returns an error when the key belongs to another family of algorithms, or is malformed.
    pub(super) fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self> {
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        let bytes = key.as_bytes();
        match algorithm {
            Algorithm::HS256 => Ok(Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes))),
            Algorithm::HS384 => Ok(Self::Hmac(hmac::Key::new(hmac::HMAC_SHA384, bytes))),
            Algorithm::HS512 => Ok(Self::Hmac(hmac::Key::new(hmac::HMAC_SHA512, bytes))),
            Algorithm::RS256 => Self::rsa_with(bytes, &signature::RSA_PKCS1_SHA256),
            Algorithm::RS384 => Self::rsa_with(bytes, &signature::RSA_PKCS1_SHA384),
            Algorithm::RS512 => Self::rsa_with(bytes, &signature::RSA_PKCS1_SHA512),
            Algorithm::PS256 => Self::rsa_with(bytes, &signature::RSA_PSS_SHA256),
            Algorithm::PS384 => Self::rsa_with(bytes, &signature::RSA_PSS_SHA384),
            Algorithm::PS512 => Self::rsa_with(bytes, &signature::RSA_PSS_SHA512),
            Algorithm::ES256 | Algorithm::ES384 => Self::ecdsa(algorithm, bytes),
            Algorithm::EdDSA => Self::ed25519(bytes),
            _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
        }
    }

    /// Parses an RSA private key in PKCS #1.
    ///
    /// # Errors
    /// Returns an error when the key is malformed.
    pub(super) fn rsa(der: &[u8]) -> Result<Self> {
        Self::rsa_with(der, &signature::RSA_PKCS1_SHA256)
    }

    fn rsa_with(der: &[u8], encoding: &'static dyn RsaEncoding) -> Result<Self> {
        let pair = RsaKeyPair::from_der(der).map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))?;
        Ok(Self::Rsa(Box::new(pair), encoding))
    }

    /// Parses an EC private key in PKCS #8, on the curve of the algorithm.
    ///
    /// # Errors
    /// Returns an error when the key is malformed.
    pub(super) fn ecdsa(algorithm: Algorithm, der: &[u8]) -> Result<Self> {
        let signing = match algorithm {
            Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => return Err(ErrorKind::InvalidEcdsaKey.into()),
        };
        let pair = EcdsaKeyPair::from_pkcs8(signing, der, &rand::SystemRandom::new());
        Ok(Self::Ecdsa(pair.map_err(|_| ErrorKind::InvalidEcdsaKey)?))
    }

    /// Parses an Ed25519 private key in PKCS #8, with or without the public key, which OpenSSL omits.
    ///
    /// # Errors
    /// Returns an error when the key is malformed.
    pub(super) fn ed25519(der: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self::Ed25519(pair))
    }

    /// Signs a message.
    ///
    /// # Errors
    /// Returns an error when the operating system provides no random bytes.
    pub(super) fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Unspecified> {
        let random = rand::SystemRandom::new();
        match self {
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::Ecdsa(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    /// Returns the public key in ring's encoding; empty for a shared secret.
    pub(super) fn public_key(&self) -> &[u8] {
        match self {
            Self::Hmac(_) => &[],
            Self::Rsa(pair, _) => pair.public_key().as_ref(),
            Self::Ecdsa(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    /// Returns the modulus and the exponent of an RSA key, both big-endian.
    ///
    /// # Errors
    /// Returns an error for a key of another kind.
    pub(super) fn rsa_components(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let Self::Rsa(pair, _) = self else { return Err(ErrorKind::InvalidRsaKey("not RSA".into()).into()) };
        let components = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
        Ok((components.n, components.e))
    }
}
