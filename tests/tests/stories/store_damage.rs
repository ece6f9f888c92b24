//! A data file that is damaged so that redb panics: the gateway reports it, and what is not damaged goes on.

use std::{fs, path::Path};

use realtime_gateway_tests::{Gateway, Settings, Socket, eventually};
use serde_json::json;

/// The size of a page of redb.
const PAGE: usize = 4_096;
/// What the messages hold, so that their pages are found.
const CONTENT: &str = "a message that no other page holds";

/// Whether a page is a leaf with many rows: pages of small tables may have old bytes behind their few rows.
fn is_full_leaf(page: &[u8]) -> bool {
    page[0] == 1 && u16::from_le_bytes([page[2], page[3]]) >= 8
}

/// Damages the number of rows in every page that holds a message.
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
async fn page_on_which_redb_panics_is_reported_and_stops_nothing_else() {
    let mut gateway = Gateway::with(Settings::default().set("drain.delay", "\"0s\"")).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    for n in 0..50 {
        alice.chat("c", &format!("{CONTENT} {n}")).await;
    }
    alice.close().await;
    gateway.signal("TERM").await;
    assert_eq!(gateway.exit_code().await, Some(0));
    damage_messages(&gateway.dir().join("gateway.redb"));

    gateway.restart().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    let refused = alice.ask(json!({ "type": "chat", "clanId": "c", "content": "new" })).await;
    assert_eq!(refused["code"], "unavailable", "{refused}");
    let health = gateway.api().health().await;
    assert_eq!((&health["status"], &health["store"]["status"]), (&json!("degraded"), &json!("degraded")));
    assert!(health["store"]["damaged"].as_u64().unwrap() > 0, "{health}");
    // Notifications are kept in other pages.
    alice.ask(json!({ "type": "subscribe_notifications" })).await;
    gateway.api().notify("alice", "still there").await;
    alice.until("notification").await;
    let is_logged = |line: &String| line.contains("\"level\":\"ERROR\"") && line.contains("damaged");
    eventually("the damage in the log", async || gateway.log().iter().any(is_logged)).await;
    assert!(gateway.log().iter().all(|line| !line.contains(CONTENT)), "no content is logged");
}
