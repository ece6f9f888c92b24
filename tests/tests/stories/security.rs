//! Security events: each is counted in a metric and logged once per kind and address, with a count and never with a
//! token.

use std::collections::BTreeMap;

use realtime_gateway_protocol::Timestamp;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rabbitmq::metric;

/// Returns the fields of all lines with the log target `security`, by kind.
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
async fn counts_security_events_and_logs_each_kind_once_per_address() {
    const TIMES: usize = 50;
    let settings =
        Settings::default().set("limits.connections_per_ip", "60").set("limits.bad_tokens_per_ip_per_minute", "1000");
    let gateway = Gateway::with(settings).await;
    let bad = Token::for_user("mallory").signed_with("another secret of at least 32 bytes!").text();
    let mut alice = Socket::connect_with(&gateway, &Token::for_user("alice").clans(&["mine"])).await;
    for _ in 0..TIMES {
        assert!(Socket::open(&gateway, "/ws", Some(&bad)).await.is_err());
        assert!(Socket::open_with(&gateway, "/ws", &[("origin", "https://evil.test".to_owned())]).await.is_err());
        let refused = alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "other" })).await;
        assert_eq!(refused["code"], "forbidden");
    }
    let until = Timestamp::from(std::time::SystemTime::now() + std::time::Duration::from_secs(3_600));
    gateway.api().json(Method::POST, "/api/v1/users/bob/block", Some(json!({ "until": until }))).await;
    let bob = Token::for_user("bob").text();
    let refused = || async { Socket::open(&gateway, "/ws", Some(&bob)).await.is_err() };
    eventually("the block takes effect", refused).await;
    let mut crowd = Vec::new();
    while let Ok(socket) = Socket::open(&gateway, "/ws", None).await {
        crowd.push(socket);
    }

    let api = gateway.api();
    for kind in ["refused_token", "refused_origin", "forbidden_command"] {
        let counted = metric(&api, &format!("gateway_security_events_total{{kind=\"{kind}\"}}")).await;
        assert!(counted >= TIMES as f64, "{kind}: {counted}");
        // The first event is logged immediately; the others are summed up in one line after ten seconds.
        let all = || async { events(&gateway).get(kind).is_some_and(|lines| count(lines) >= TIMES as u64) };
        eventually("all events are in the log", all).await;
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
async fn logs_ended_sessions_with_user_and_address_when_audit_is_on() {
    for (audit, is_logged) in [("true", true), ("false", false)] {
        let settings = Settings::default().set("log.audit", audit).set("log.level", "\"info\"");
        let gateway = Gateway::with(settings).await;
        Socket::connect(&gateway, "alice").await.close().await;
        let mut bob = Socket::connect(&gateway, "bob").await;
        bob.join("c").await;
        let sessions = || async { gateway.api().get("/api/v1/users/alice/sessions").await["sessions"] == json!([]) };
        eventually("the session has ended", sessions).await;
        let ended = || {
            let lines = gateway.log().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            lines.map(|line| line["fields"].clone()).find(|fields| fields["message"] == "session ended")
        };
        if is_logged {
            eventually("the line about the session", || async { ended().is_some() }).await;
            let line = ended().unwrap();
            assert_eq!((&line["user"], &line["address"]), (&json!("alice"), &json!("127.0.0.1")), "{line}");
        } else {
            assert_eq!(ended(), None);
        }
    }
}
