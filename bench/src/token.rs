//! Tokens that the measured gateways accept: HS256 with the secret of their configuration.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac::{HMAC_SHA256, Key, sign};

/// The secret that tokens are signed with.
pub(crate) const SECRET: &str = "a secret of the benches, 32 bytes and more";

/// How long a token is valid.
const VALID: Duration = Duration::from_secs(24 * 3600);

/// Returns a token for a user, who may use all clans and all topics of the service `forms`.
pub(crate) fn token(user: &str) -> String {
    let expires = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + VALID;
    let claims = serde_json::json!({
        "sub": user, "clans": ["*"], "topics": { "forms": ["*"] }, "exp": expires.as_secs(),
    });
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = sign(&Key::new(HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
