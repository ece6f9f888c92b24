//! Pages of the data file that make redb panic: the gateway reports the damage and serves the undamaged data.

use std::{fs, path::Path};

use realtime_gateway_tests::{Gateway, Settings, Socket, eventually};
use serde_json::json;

/// The size of a redb page in bytes.
const PAGE: usize = 4_096;
/// The text in every message, by which the test finds their pages.
const CONTENT: &str = "a message that no other page holds";

/// Returns whether a page is a leaf with many rows. Pages of small tables are excluded: old bytes of other pages may
/// follow their few rows.
fn is_full_leaf(page: &[u8]) -> bool {
    page[0] == 1 && u16::from_le_bytes([page[2], page[3]]) >= 8
}

/// Overwrites the row count of every page that contains messages.
fn damage_messages(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for page in bytes.chunks_mut(PAGE) {
        if is_full_leaf(page) && page.windows(CONTENT.len()).any(|window| window == CONTENT.as_bytes()) {
            page[2..4].fill(0xff);
        }
    }
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn reports_page_that_makes_redb_panic_and_serves_the_rest() {
    let mut gateway = Gateway::with(Settings::default().set("drain.delay", "\"0s\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    for n in 0..50 {
        alice.chat("c", &format!("{CONTENT} {n}")).await;
    }
    alice.close().await;
    gateway.signal("TERM").await;
    assert_eq!(gateway.exit_code().await, Some(0));
    damage_messages(&gateway.dir().join("gateway.redb"));

    gateway.restart().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let refused = alice.request(json!({ "type": "chat", "clanId": "c", "content": "new" })).await;
    assert_eq!(refused["code"], "unavailable", "{refused}");
    let health = gateway.api().health().await;
    assert_eq!((&health["status"], &health["store"]["status"]), (&json!("degraded"), &json!("degraded")));
    assert!(health["store"]["damaged"].as_u64().unwrap() > 0, "{health}");
    // Notifications are stored in other pages.
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    gateway.api().notify("alice", "still there").await;
    alice.wait_for("notification").await;
    let is_logged = |line: &String| line.contains("\"level\":\"ERROR\"") && line.contains("damaged");
    eventually("the damage in the log", async || gateway.log().iter().any(is_logged)).await;
    assert!(gateway.log().iter().all(|line| !line.contains(CONTENT)), "message content was logged");
}
