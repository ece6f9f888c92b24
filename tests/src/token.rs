//! Tokens as an identity provider would make them.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

/// The secret that the gateways under test are configured with.
pub const SECRET: &str = "a secret of the stories, 32 bytes and more";

/// A P-256 key of the tests.
const P256: &[u8] = include_bytes!("../../server/src/auth/test_keys/TEST_ONLY_p256.pem");

/// What an identity provider serves that knows the key of the tests by these names.
pub fn key_set(kids: &[&str]) -> Value {
    gateway::crypto::install();
    let key = EncodingKey::from_ec_pem(P256).unwrap();
    let key = |kid: &&str| {
        let mut key = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        key.common.key_id = Some((*kid).to_owned());
        key
    };
    json!({ "keys": kids.iter().map(key).collect::<Vec<_>>() })
}

/// A token to be.
#[derive(Debug, Clone)]
pub struct Token {
    claims: Value,
    secret: String,
}

impl Token {
    /// A token of a user who may do everything, good for an hour.
    pub fn of(user: &str) -> Self {
        let claims = json!({ "sub": user, "clans": ["*"], "topics": { "orders": ["*"], "echo": ["*"] } });
        Self { claims, secret: SECRET.into() }.lasting(Duration::from_secs(3600))
    }

    /// Good for so long.
    #[must_use]
    pub fn lasting(self, life: Duration) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let exp = (now + life).as_secs();
        self.claim("exp", json!(exp))
    }

    /// Expired so long ago.
    #[must_use]
    pub fn expired(self, ago: Duration) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let exp = now.saturating_sub(ago).as_secs();
        self.claim("exp", json!(exp))
    }

    /// For these clans only.
    #[must_use]
    pub fn clans(self, clans: &[&str]) -> Self {
        self.claim("clans", json!(clans))
    }

    /// With one claim more, or another value of it.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    /// Signed with another secret.
    #[must_use]
    pub fn signed_with(mut self, secret: &str) -> Self {
        self.secret = secret.into();
        self
    }

    /// The token of an identity provider, signed with the P-256 key of the tests under this name.
    pub fn from_provider(&self, kid: &str) -> String {
        gateway::crypto::install();
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &self.claims, &EncodingKey::from_ec_pem(P256).unwrap()).unwrap()
    }

    /// The token.
    pub fn text(&self) -> String {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        gateway::crypto::install();
        jsonwebtoken::encode(&Header::default(), &self.claims, &key).unwrap()
    }
}
