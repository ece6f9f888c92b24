//! The receiver of a webhook: sends one signed request and reads no more of the response than its status.

use std::time::{Duration, Instant};

use realtime_gateway_protocol::{Timestamp, TraceContext};
use tokio::time::timeout;

use super::{delivery::Batch, outcome::Outcome};
use crate::{
    backend::{Signer, retry_after},
    config::{Secret, Webhook},
    crypto,
};

/// The longest time for which a connection to a receiver may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of the body of a response is read, so that its connection can be used again. More than that closes it.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// For how long the body of a response is read.
const MAX_BODY_TIME: Duration = Duration::from_millis(500);

/// Sends requests to the receiver of a webhook.
pub(super) struct Receiver {
    url: Secret,
    signer: Signer,
    client: reqwest::Client,
    timeout: Duration,
}

impl Receiver {
    /// Prepares requests. Sends none yet.
    ///
    /// # Errors
    /// A sentence when a secret or the URL is not valid, or the HTTP client cannot be created.
    pub(super) fn new(webhook: &Webhook, secrets: &[Secret]) -> Result<Self, String> {
        let client = crypto::https_client()
            .connect_timeout(CONNECT_TIMEOUT.min(webhook.timeout))
            .pool_max_idle_per_host(1)
            // A redirect could send the signed body to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let url = webhook.url.clone();
        let usable = client.post(&url.0).build();
        usable.map_err(|error| format!("cannot be used: {}", error.without_url()))?;
        Ok(Self { url, signer: Signer::new(secrets)?, client, timeout: webhook.timeout })
    }

    /// Sends a batch. `now` is the time of the signature.
    pub(super) async fn send(&self, batch: &Batch, now: Timestamp) -> Outcome {
        let mut request = self.client.post(&self.url.0).timeout(self.timeout);
        for (name, value) in self.signer.headers(&batch.id, now, &batch.body) {
            request = request.header(name, value);
        }
        for (name, value) in batch.trace.iter().flat_map(TraceContext::headers) {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "application/json").body(batch.body.clone());
        let sent = Instant::now();
        match request.send().await {
            Ok(response) => {
                let outcome = Outcome::of(&response, retry_after(response.headers(), now, sent));
                // Whether the body can be read changes nothing.
                let _ = timeout(MAX_BODY_TIME, discard(response)).await;
                outcome
            }
            Err(error) => Outcome::without_response(&error),
        }
    }
}

async fn discard(mut response: reqwest::Response) {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes += chunk.len();
        if bytes > MAX_BODY_BYTES {
            return;
        }
    }
}
