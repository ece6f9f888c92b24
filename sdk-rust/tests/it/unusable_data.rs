//! Data of the app that the gateway would refuse.

use realtime_gateway_sdk::{CallOptions, ErrorKind, Outcome};
use serde_json::json;

use crate::gateway::Gateway;

#[tokio::test]
async fn refuses_data_that_the_gateway_would_refuse() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let (connecting, (mut peer, _)) = tokio::join!(client.connect(), gateway.greet());
    connecting.unwrap();
    let unusable = json!({"text": "\u{0}"});
    let chat = client.clan_chat("c").unwrap();
    let topic = client.topic("orders", "o").unwrap();
    let errors = [
        chat.send("hello").data(&unusable).await.unwrap_err(),
        topic.publish(&unusable).await.unwrap_err(),
        client.call::<serde_json::Value>("orders", "cancel", &unusable, CallOptions::default()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    let sent = async { chat.send("usable").await };
    let (sent, ()) = tokio::join!(sent, async {
        let command = peer.receive("chat").await;
        assert_eq!(command["content"], "usable");
        peer.answer(&command, json!({"type": "message_sent", "messageId": "m1", "clanId": "c", "offset": 1})).await;
    });
    sent.unwrap();
}
