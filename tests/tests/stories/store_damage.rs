//! A data file that is damaged so that the thread that writes it panics: the gateway notices, and ends with exit code 1.

use std::{fs, path::Path};

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::{Value, json};

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
async fn gateway_whose_writer_panics_ends_with_code_one() {
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
    let mut idle = Socket::of(&gateway, "idle").await;
    let refused = alice.ask(json!({ "type": "chat", "clanId": "c", "content": "new" })).await;
    assert_eq!(refused["code"], "unavailable", "{refused}");
    assert_eq!(idle.closed().await, 1012, "clients are asked to come back");
    assert_eq!(gateway.exit_code().await, Some(1));
    let log: Vec<Value> = gateway.log().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let died = log.iter().find(|line| line["fields"]["part"] == "store writer").expect("the death is logged as JSON");
    assert_eq!((&died["level"], died["fields"]["reason"].is_string()), (&json!("ERROR"), true), "{died}");
    assert!(log.iter().any(|line| line["fields"]["panic"].is_string()), "the panic is logged as JSON");
    assert!(gateway.log().iter().all(|line| !line.contains(CONTENT)), "no content is logged");
}
