//! What a log must never hold, at any level.

use realtime_gateway_tests::{Gateway, Socket, Token, eventually};
use serde_json::json;

#[tokio::test]
async fn no_token_and_no_content_reaches_the_log() {
    let gateway = Gateway::start().await;
    let token = Token::of("alice").text();
    let mut by_query = Socket::open(&gateway, &format!("/ws?token={token}"), None).await.unwrap();
    by_query.expect("connected").await;
    by_query.join("c").await;
    by_query.chat("c", "a-word-that-nobody-else-says").await;
    by_query.send(json!({ "type": "chat", "clanId": "c", "content": 7, "data": "a-word-that-nobody-else-says" })).await;
    by_query.until("error").await;
    let refused = by_query.ask(json!({ "type": "authenticate", "token": "a-word-that-nobody-else-says" })).await;
    assert_eq!(refused["code"], "unauthorized");
    gateway.api().notify("alice", "a-word-that-nobody-else-says").await;
    by_query.close().await;
    eventually("the session's line", || async { gateway.log().iter().any(|line| line.contains("session ended")) })
        .await;
    for line in gateway.log() {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!line.contains("a-word-that-nobody-else-says") && !line.contains(signature), "{line}");
        assert!(!line.contains(realtime_gateway_tests::SECRET), "{line}");
    }
}
