//! Damaged entries and a removed data file: clients and operators are informed, and undamaged data is served.

use std::path::Path;

use realtime_gateway_tests::{Gateway, Settings, Socket, eventually};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// Flips one bit in the first byte of every copy of a text in a file.
fn flip_byte_in(path: &Path, text: &str) {
    let mut bytes = std::fs::read(path).unwrap();
    let found: Vec<usize> =
        (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text.as_bytes())).collect();
    assert!(!found.is_empty());
    found.into_iter().for_each(|at| bytes[at] ^= 1);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn reports_damaged_entry_and_serves_its_neighbours() {
    let settings = Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"0s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut writer = Socket::connect(&gateway, "writer").await;
    let epoch = writer.join("c").await["epoch"].clone();
    for n in 1..=20 {
        writer.chat("c", &format!("content-number-{n:02}")).await;
    }
    for title in ["title-one", "title-two", "title-three"] {
        gateway.api().notify("alice", title).await;
    }
    writer.close().await;
    gateway.signal("TERM").await;
    assert_eq!(gateway.exit_code().await, Some(0));
    let file = gateway.dir().join("gateway.redb");
    flip_byte_in(&file, "content-number-07");
    flip_byte_in(&file, "title-two");
    gateway.restart().await;
    let api = gateway.api();
    assert_eq!(api.health().await["status"], "ok", "the damage is found only when it is read");

    let mut alice = Socket::connect(&gateway, "alice").await;
    alice
        .send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "recover": { "offset": 2, "epoch": epoch } }))
        .await;
    alice.expect("subscription_confirmed").await;
    for offset in 3..=20 {
        if offset == 7 {
            let reset = alice.expect("subscription_reset").await;
            assert_eq!((&reset["offset"], &reset["reason"], &reset["epoch"]), (&json!(7), &json!("lost"), &epoch));
        } else {
            assert_eq!(alice.expect("chat").await["offset"], offset);
        }
    }
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.chat("c", "later").await;
    assert_eq!(alice.expect("chat").await["content"], "later", "live messages are still delivered");

    for (ask, path) in [
        (json!({ "type": "chat_history", "clanId": "c", "after": 0, "limit": 100 }), "after=0&"),
        (json!({ "type": "chat_history", "clanId": "c", "limit": 100 }), ""),
    ] {
        let page = bob.request(ask).await;
        let (_, by_http) = api.json(Method::GET, &format!("/api/v1/clans/c/messages?{path}limit=100"), None).await;
        for page in [page, by_http] {
            let offsets: Vec<u64> =
                page["messages"].as_array().unwrap().iter().map(|chat| chat["offset"].as_u64().unwrap()).collect();
            assert_eq!(offsets, (1..=21).filter(|offset| *offset != 7).collect::<Vec<u64>>());
            assert_eq!((&page["trimmed"], &page["hasMore"]), (&json!(true), &json!(false)));
        }
    }

    // The same for notifications: the damaged one is reported, and the others are delivered.
    alice.send(json!({ "type": "subscribe_notifications" })).await;
    alice.expect("subscription_confirmed").await;
    assert_eq!(alice.expect("notification").await["title"], "title-one");
    assert_eq!(alice.expect("subscription_reset").await["reason"], "lost");
    assert_eq!(alice.expect("notification").await["title"], "title-three");

    let health = api.get("/health").await;
    assert_eq!((&health["status"], &health["store"]["damaged"]), (&json!("degraded"), &json!(2)));
    assert!(health["warnings"].to_string().contains("Damaged data"), "{health}");
    let metrics = api.call(Method::GET, "/metrics", None).await.text().await.unwrap();
    assert!(metrics.contains("gateway_store_damaged_entries_total 2"));
    let log = gateway.log().join("\n");
    assert!(log.contains("stored data is damaged or missing") && !log.contains("number-07"), "{log}");
}

#[tokio::test]
async fn rejects_writes_while_data_file_is_missing() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.chat("c", "before").await;
    let (file, aside) = (gateway.dir().join("gateway.redb"), gateway.dir().join("aside.redb"));
    let ready = || async { api.json(Method::GET, "/health/ready", None).await.0 };

    std::fs::rename(&file, &aside).unwrap();
    eventually("the node is not ready", || async { ready().await == StatusCode::SERVICE_UNAVAILABLE }).await;
    let health = api.get("/health").await;
    assert_eq!((&health["status"], &health["store"]["status"]), (&json!("degraded"), &json!("degraded")));
    let refused = alice.request(json!({ "type": "chat", "clanId": "c", "content": "refused" })).await;
    assert_eq!(refused["code"], "unavailable");
    let page = alice.request(json!({ "type": "chat_history", "clanId": "c", "limit": 10 })).await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 1, "reads still work");
    assert!(!file.exists(), "a new file was created in its place");

    std::fs::rename(&aside, &file).unwrap();
    eventually("the node is ready", || async { ready().await == StatusCode::OK }).await;
    assert_eq!(alice.chat("c", "after").await["offset"], 2);
    let lines = gateway.log().iter().filter(|line| line.contains("was removed; writes are refused")).count();
    assert_eq!(lines, 1, "the removal is logged more than once");
}
