//! What strangers do shows in the log and in a counter: once for each kind and address, with a count, and never a token.

use std::collections::BTreeMap;

use realtime_gateway_protocol::Timestamp;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rabbitmq::metric;

/// The lines of the stream of security events, by their kind.
fn events(gateway: &Gateway) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in gateway.log().iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if line["target"] == "security" {
            let kind = line["fields"]["kind"].as_str().unwrap_or_default().to_owned();
            found.entry(kind).or_default().push(line["fields"].clone());
        }
    }
    found
}

fn count(lines: &[Value]) -> u64 {
    lines.iter().map(|line| line["count"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn each_kind_of_event_is_counted_and_logged_once_for_an_address() {
    const TIMES: usize = 50;
    let settings =
        Settings::default().set("limits.connections_per_ip", "60").set("limits.bad_tokens_per_ip_per_minute", "1000");
    let gateway = Gateway::with(settings).await;
    let bad = Token::of("mallory").signed_with("another secret of at least 32 bytes!").text();
    let mut alice = Socket::with(&gateway, &Token::of("alice").clans(&["mine"])).await;
    for _ in 0..TIMES {
        assert!(Socket::open(&gateway, "/ws", Some(&bad)).await.is_err());
        assert!(Socket::open_with(&gateway, "/ws", &[("origin", "https://evil.test".to_owned())]).await.is_err());
        let refused = alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "other" })).await;
        assert_eq!(refused["code"], "forbidden");
    }
    let until = Timestamp::from(std::time::SystemTime::now() + std::time::Duration::from_secs(3_600));
    gateway.api().json(Method::POST, "/api/v1/users/bob/block", Some(json!({ "until": until }))).await;
    let bob = Token::of("bob").text();
    let refused = || async { Socket::open(&gateway, "/ws", Some(&bob)).await.is_err() };
    eventually("the block", refused).await;
    let mut crowd = Vec::new();
    while let Ok(socket) = Socket::open(&gateway, "/ws", None).await {
        crowd.push(socket);
    }

    let api = gateway.api();
    for kind in ["refused_token", "refused_origin", "forbidden_command"] {
        let counted = metric(&api, &format!("gateway_security_events_total{{kind=\"{kind}\"}}")).await;
        assert!(counted >= TIMES as f64, "{kind}: {counted}");
        // The first is logged immediately, the others together when ten seconds are over.
        let all = || async { events(&gateway).get(kind).is_some_and(|lines| count(lines) >= TIMES as u64) };
        eventually("the count", all).await;
        let lines = events(&gateway).remove(kind).unwrap();
        assert!(lines.len() <= 4, "{lines:?}");
        assert_eq!((&lines[0]["count"], &lines[0]["address"]), (&json!(1), &json!("127.0.0.1")));
    }
    let found = events(&gateway);
    assert_eq!(found["forbidden_command"][0]["user"], "alice");
    assert_eq!(
        (&found["revoked_user"][0]["user"], &found["revoked_user"][0]["address"]),
        (&json!("bob"), &json!("127.0.0.1"))
    );
    assert_eq!(found["throttled_address"][0]["address"], "127.0.0.1");
    let log = gateway.log().join("\n");
    assert!(!log.contains(bad.rsplit('.').next().unwrap()), "a token was logged");
}

#[tokio::test]
async fn an_audit_log_says_whose_session_ended_and_from_where() {
    for (audit, is_told) in [("true", true), ("false", false)] {
        let settings = Settings::default().set("log.audit", audit).set("log.level", "\"info\"");
        let gateway = Gateway::with(settings).await;
        Socket::of(&gateway, "alice").await.close().await;
        let mut bob = Socket::of(&gateway, "bob").await;
        bob.join("c").await;
        let sessions = || async { gateway.api().get("/api/v1/users/alice/sessions").await["sessions"] == json!([]) };
        eventually("the end of the session", sessions).await;
        let ended = || {
            let lines = gateway.log().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            lines.map(|line| line["fields"].clone()).find(|fields| fields["message"] == "session ended")
        };
        if is_told {
            eventually("the line", || async { ended().is_some() }).await;
            let line = ended().unwrap();
            assert_eq!((&line["user"], &line["address"]), (&json!("alice"), &json!("127.0.0.1")), "{line}");
        } else {
            assert_eq!(ended(), None);
        }
    }
}
