//! What an app reports and reads in addition to its calls: that the network is back, and the number of pending notifications.

use std::time::Duration;

use realtime_gateway_sdk::State;
use serde_json::json;

use crate::gateway::Gateway;

#[tokio::test]
async fn connects_when_woken_and_counts_pending_notifications() {
    let gateway = Gateway::start().await;
    let client = gateway.builder().reconnect(Duration::from_secs(60), Duration::from_secs(60)).build().unwrap();
    // A client that was never used has nothing to check.
    client.wake().await;
    assert_eq!(*client.state().borrow(), State::Idle);
    let (connecting, (peer, _)) = tokio::join!(client.connect(), gateway.greet());
    connecting.unwrap();
    peer.close(1011).await;
    client.state().wait_for(|state| matches!(state, State::Waiting(_))).await.unwrap();
    client.wake().await;
    let (mut peer, _) = gateway.greet().await;
    let notifications = client.notifications();
    let mut pending = notifications.pending();
    assert_eq!(*pending.borrow(), None);
    let (stream, ()) = tokio::join!(notifications.subscribe(), async {
        let command = peer.receive("subscribe_notifications").await;
        let confirmed = json!({
            "type": "subscription_confirmed", "service": "notifications", "status": "subscribed", "pending": 2,
        });
        peer.answer(&command, confirmed).await;
    });
    let _stream = stream.unwrap();
    assert_eq!(*pending.wait_for(Option::is_some).await.unwrap(), Some(2));
}
