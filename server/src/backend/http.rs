//! Signed requests to a backend over HTTP.

use std::time::{Duration, Instant};

use realtime_gateway_protocol::{Timestamp, TraceContext};

use super::{BackendBounds, BackendFailure, Request, response, retry_after, signature::Signer};
use crate::{config::Secret, crypto};

/// The longest time for which a connection to a backend may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A backend that is reached by HTTP.
pub struct HttpBackend {
    url: Secret,
    signer: Signer,
    secrets: Vec<Secret>,
    client: reqwest::Client,
}

impl HttpBackend {
    /// Prepares requests to a URL. `secrets` are those of Standard Webhooks (`whsec_` and base64); each signs every
    /// request. Sends none yet.
    ///
    /// # Errors
    /// A sentence when a secret is not valid or the HTTP client cannot be created.
    pub fn new(url: Secret, secrets: &[Secret], bounds: BackendBounds) -> Result<Self, String> {
        let client = crypto::https_client()
            .connect_timeout(CONNECT_TIMEOUT.min(bounds.timeout))
            // Idle connections are limited to the number that can be in use.
            .pool_max_idle_per_host(bounds.max_in_flight)
            // A redirect could send the signed body to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let (signer, secrets) = (Signer::new(secrets)?, secrets.to_vec());
        Ok(Self { url, signer, secrets, client })
    }

    /// Returns whether requests to another backend would have the same URL and signatures.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.url == other.url && self.secrets == other.secrets
    }

    /// Sends a request and returns the body of the response; `None` for 204. `now` is the time of the signature.
    pub(super) async fn send(&self, request: Request, now: Timestamp) -> Result<Option<Vec<u8>>, BackendFailure> {
        let Request { body, idempotency_key, time_limit, trace, key: _ } = request;
        let mut request = self.signer.sign(self.client.post(&self.url.0).timeout(time_limit), now, &body);
        request = request.header("content-type", "application/json");
        request = request.header("gateway-timeout-ms", time_limit.as_millis().to_string());
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        for (name, value) in trace.iter().flat_map(TraceContext::headers) {
            request = request.header(name, value);
        }
        let sent = Instant::now();
        let response = request.body(body).send().await.map_err(|error| response::failure(&error))?;
        let retry_after = retry_after(response.headers(), now, sent);
        response::success(response, retry_after).await
    }
}
