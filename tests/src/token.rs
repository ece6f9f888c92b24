//! Tokens as an identity provider would make them.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

/// The secret that the gateways under test are configured with.
pub const SECRET: &str = "a secret of the stories, 32 bytes and more";

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

    /// The token.
    pub fn text(&self) -> String {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        gateway::crypto::install();
        jsonwebtoken::encode(&Header::default(), &self.claims, &key).unwrap()
    }
}
