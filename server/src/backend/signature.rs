//! Signatures of requests, as the Standard Webhooks specification defines them.

use base64::{Engine, engine::general_purpose::STANDARD};
use realtime_gateway_protocol::Timestamp;
use reqwest::RequestBuilder;
use ring::hmac;

use crate::config::Secret;

/// The prefix of a secret.
const SECRET_PREFIX: &str = "whsec_";

/// Signs requests with every secret of a service, so that a secret can be replaced without a gap: a backend accepts a
/// request when one of its signatures is valid.
pub(crate) struct Signer {
    keys: Vec<hmac::Key>,
}

impl Signer {
    /// Creates a signer.
    ///
    /// # Errors
    /// A sentence when a secret is not `whsec_` and base64.
    pub(crate) fn new(secrets: &[Secret]) -> Result<Self, String> {
        let key = |secret: &Secret| {
            let encoded = secret.0.strip_prefix(SECRET_PREFIX).unwrap_or(&secret.0);
            STANDARD.decode(encoded).map(|bytes| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        let keys = secrets.iter().map(key).collect::<Result<_, _>>();
        Ok(Self { keys: keys.map_err(|_| "a secret is not `whsec_` and base64".to_owned())? })
    }

    /// Adds the headers to a request with a body: an id of its own, the time and the signatures.
    pub(crate) fn sign(&self, request: RequestBuilder, now: Timestamp, body: &str) -> RequestBuilder {
        let id = format!("msg_{}", uuid::Uuid::now_v7().simple());
        let headers = self.headers(&id, now, body);
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Returns the headers of a request.
    pub(crate) fn headers(&self, id: &str, now: Timestamp, body: &str) -> [(&'static str, String); 3] {
        let timestamp = (now.millis() / 1000).to_string();
        let content = [id, &timestamp, body].join(".");
        let signature = |key| format!("v1,{}", STANDARD.encode(hmac::sign(key, content.as_bytes())));
        let signatures: Vec<_> = self.keys.iter().map(signature).collect();
        [("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp), ("webhook-signature", signatures.join(" "))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn signs_like_the_reference_libraries() {
        let signer = Signer::new(&[Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into())]).unwrap();
        let at = Timestamp::from_millis(1_614_265_330_999);
        let [_, (_, timestamp), (_, signature)] =
            signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(timestamp, "1614265330");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn signs_with_every_secret() {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
        let signer = Signer::new(&secrets.map(|secret| Secret(secret.into()))).unwrap();
        let [.., (_, signature)] = signer.headers("msg_1", Timestamp::from_millis(0), "{}");
        assert_eq!(signature.split(' ').filter(|signature| signature.starts_with("v1,")).count(), 2);
    }
}
