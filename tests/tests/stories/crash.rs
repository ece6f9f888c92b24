//! SIGKILL under load: every confirmed entry is stored at its offset.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use realtime_gateway_tests::{Gateway, Socket};
use serde_json::json;
use tokio::sync::Notify;

/// Sends messages until the gateway is killed, and returns the confirmed ones by offset.
async fn send_until_killed(mut socket: Socket, writer: usize, progress: Arc<Notify>) -> BTreeMap<u64, String> {
    let mut confirmed = BTreeMap::new();
    for n in 0_u64.. {
        let content = format!("{writer}/{n}");
        let command = json!({ "type": "chat", "clanId": "c", "content": content });
        if !socket.try_send_text(&command.to_string()).await {
            break;
        }
        match socket.next().await {
            Some(sent) => confirmed.insert(sent["offset"].as_u64().unwrap(), content),
            None => break,
        };
        progress.notify_one();
    }
    confirmed
}

#[tokio::test]
async fn keeps_every_confirmed_entry_after_sigkill() {
    let mut gateway = Gateway::start().await;
    let progress = Arc::new(Notify::new());
    let mut writers = Vec::new();
    for writer in 0..8 {
        let socket = Socket::connect(&gateway, &format!("writer{writer}")).await;
        writers.push(send_until_killed(socket, writer, progress.clone()));
    }
    let kill = async {
        for _ in 0..200 {
            progress.notified().await;
        }
        gateway.kill().await;
    };
    let (confirmed, ()) = tokio::join!(join_all(writers), kill);
    let confirmed: BTreeMap<u64, String> = confirmed.into_iter().flatten().collect();
    assert!(confirmed.len() >= 200, "{}", confirmed.len());

    gateway.restart().await;
    let mut reader = Socket::connect(&gateway, "reader").await;
    let (mut found, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = reader.request(json!({ "type": "chat_history", "clanId": "c", "after": after, "limit": 100 })).await;
        for chat in page["messages"].as_array().unwrap() {
            after = chat["offset"].as_u64().unwrap();
            found.insert(after, chat["content"].as_str().unwrap().to_owned());
        }
        if page["hasMore"] == false {
            break;
        }
    }
    let first_kept = found.keys().next().copied().unwrap();
    for (offset, content) in confirmed.range(first_kept..) {
        assert_eq!(found.get(offset), Some(content), "offset {offset}");
    }
    assert_eq!(found.len() as u64, after - first_kept + 1, "an offset is missing");
}
