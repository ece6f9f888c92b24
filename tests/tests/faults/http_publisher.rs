//! Publishes notifications over the HTTP API of the gateways, for clusters without a broker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use realtime_gateway_tests::{Api, http_client};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{sync::watch, time::sleep};
use uuid::Uuid;

use crate::ledger::Ledger;

/// The time between two notifications, and before a repeat.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);
/// How long a request may take before it is repeated.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes to these users in turn until it is stopped. A notification that was not confirmed is repeated with the same id.
pub(crate) async fn publish(
    address: String,
    users: Vec<String>,
    ledger: Arc<Mutex<Ledger>>,
    going: watch::Receiver<bool>,
) {
    let (client, url) = (http_client(), format!("http://{address}/api/v1/notifications"));
    let mut turn = users.iter().cycle();
    while let Some(user) = turn.next().filter(|_| *going.borrow()) {
        let id = Uuid::now_v7().to_string();
        let body = json!({ "userId": user, "id": id, "title": "a title", "message": "a message" });
        loop {
            let sending = client.post(&url).bearer_auth(Api::KEY).json(&body).timeout(TIMEOUT).send();
            if sending.await.is_ok_and(|response| response.status() == StatusCode::ACCEPTED) {
                break;
            }
            sleep(PUBLISH_INTERVAL).await;
        }
        ledger.lock().published.push((user.clone(), id, Instant::now()));
        sleep(PUBLISH_INTERVAL).await;
    }
}
