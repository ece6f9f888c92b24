//! Keys and tokens for tests.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use realtime_gateway_protocol::Timestamp;
use serde_json::{Value, json};

use crate::config::{Auth, Config, Secret};

pub(crate) const SECRET: &str = "a secret of the tests, of more than 32 bytes";
pub(crate) const RSA: &str = include_str!("test_keys/TEST_ONLY_rsa.pub.pem");
pub(crate) const P256: &str = include_str!("test_keys/TEST_ONLY_p256.pub.pem");
pub(crate) const P384: &str = include_str!("test_keys/TEST_ONLY_p384.pub.pem");
pub(crate) const ED25519: &str = include_str!("test_keys/TEST_ONLY_ed25519.pub.pem");

pub(crate) fn auth() -> Auth {
    Config::default().auth
}

pub(crate) fn auth_with_secret() -> Auth {
    Auth { jwt_secrets: vec![Secret(SECRET.into())], ..auth() }
}

pub(crate) fn now() -> u64 {
    Timestamp::from(SystemTime::now()).millis() / 1000
}

pub(crate) fn in_an_hour() -> u64 {
    now() + Duration::from_secs(3600).as_secs()
}

pub(crate) fn claims() -> Value {
    json!({ "sub": "alice", "exp": in_an_hour() })
}

/// Returns the claims of `claims()` with changes: others added, and those that are `null` removed.
pub(crate) fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub(crate) fn signing_key(algorithm: Algorithm) -> EncodingKey {
    crate::crypto::install();
    let (rsa, p256) = (include_bytes!("test_keys/TEST_ONLY_rsa.pem"), include_bytes!("test_keys/TEST_ONLY_p256.pem"));
    let p384 = include_bytes!("test_keys/TEST_ONLY_p384.pem");
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => EncodingKey::from_secret(SECRET.as_bytes()),
        Algorithm::ES256 => EncodingKey::from_ec_pem(p256).unwrap(),
        Algorithm::ES384 => EncodingKey::from_ec_pem(p384).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(include_bytes!("test_keys/TEST_ONLY_ed25519.pem")).unwrap(),
        _ => EncodingKey::from_rsa_pem(rsa).unwrap(),
    }
}

pub(crate) fn sign(algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, &signing_key(algorithm)).unwrap()
}

/// Returns a JWK set with the public keys for these algorithms, under these key ids.
pub(crate) fn jwk_set(keys: &[(&str, Algorithm)]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|(kid, algorithm)| {
            let mut jwk = Jwk::from_encoding_key(&signing_key(*algorithm), *algorithm).unwrap();
            jwk.common.key_id = Some((*kid).to_owned());
            jwk
        })
        .collect();
    json!({ "keys": keys }).to_string()
}
