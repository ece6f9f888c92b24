//! Streams that the app reads slowly or not at all.

use serde_json::{Value, json};

use crate::{
    failure::{Step, same},
    gateway::{Peer, answers},
    scenario::group,
    world::World,
};

group! {
    "slow/gap" => gap, "hides-gaps", "gives one gap to a reader that is slower than the gateway";
    "slow/continues" => continues, "loses-item", "continues after the gap of a slow reader";
    "slow/others" => others, "loses-first-item", "does not let another stream wait for a slow one";
    "slow/notifications" => notifications, "loses-item", "gives notifications later that a slow reader had no room for";
    "slow/holds" => holds, "swaps-items", "holds 1,000 items for a reader that does not read yet";
    "slow/reconnect" => reconnect, "no-recovery", "keeps what it holds over a lost connection";
}

/// Connects with this room in each stream, and subscribes to the clan `c` without reading.
async fn subscribed(w: &World<'_>, buffer: Option<u64>) -> Step<Peer> {
    let options = buffer.map_or_else(|| json!({}), |buffer| json!({"buffer": buffer}));
    let mut peer = w.connect_with("a", &options, &json!({})).await?;
    let fields = json!({"client": "a", "stream": "s", "topic": {"clan": "c"}, "read": 0});
    let call = w.begin("subscribe", &fields).await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    peer.reply(&command, &answers::confirmed(&command, 0)).await;
    w.value(call).await?;
    Ok(peer)
}

/// Sends chat messages, and waits until the client has them.
async fn chats(w: &World<'_>, peer: &mut Peer, offsets: std::ops::RangeInclusive<u64>) -> Step {
    for offset in offsets {
        peer.send(&answers::chat("c", offset)).await;
    }
    let call = w.begin("presence", &json!({"client": "a", "topic": {"clan": "c"}})).await?;
    let command = peer.expect("presence").await?;
    peer.reply(&command, &answers::presence("c")).await;
    w.value(call).await.map(drop)
}

async fn read(w: &World<'_>, stream: &str, count: u64) -> Step {
    w.begin("read", &json!({"stream": stream, "count": count})).await.map(drop)
}

async fn gap(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, Some(3)).await?;
    chats(w, &mut peer, 1..=10).await?;
    read(w, "s", 4).await?;
    w.chats("s", "c", 1..=3).await?;
    w.gap("s", "slow", 3, (10, answers::EPOCH)).await
}

async fn continues(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, Some(3)).await?;
    chats(w, &mut peer, 1..=5).await?;
    read(w, "s", 4).await?;
    w.chats("s", "c", 1..=3).await?;
    w.gap("s", "slow", 3, (5, answers::EPOCH)).await?;
    chats(w, &mut peer, 6..=7).await?;
    read(w, "s", 2).await?;
    w.chats("s", "c", 6..=7).await
}

async fn others(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, Some(2)).await?;
    w.subscribe(&mut peer, "t", "d", 0).await?;
    chats(w, &mut peer, 1..=5).await?;
    peer.send(&answers::chat("d", 1)).await;
    w.chats("t", "d", [1]).await
}

async fn notifications(w: &World<'_>) -> Step {
    let mut peer = w.connect_with("a", &json!({"buffer": 2}), &json!({})).await?;
    let fields = json!({"client": "a", "stream": "n", "topic": "notifications", "read": 0});
    let call = w.begin("subscribe", &fields).await?;
    let all: Vec<Value> = (1..=4).map(|offset| answers::notification(&format!("n{offset}"), offset)).collect();
    let command = peer.expect("subscribe_notifications").await?;
    peer.reply(&command, &answers::confirmed_pending(4)).await;
    for notification in &all {
        peer.send(notification).await;
    }
    w.value(call).await?;
    let call = w.begin("presence", &json!({"client": "a", "topic": {"clan": "c"}})).await?;
    let command = peer.expect("presence").await?;
    peer.reply(&command, &answers::presence("c")).await;
    w.value(call).await?;
    read(w, "n", 4).await?;
    // There is room again, so it asks for what it had no room for: a subscription that it has already replays nothing.
    let command = peer.expect("unsubscribe_notifications").await?;
    peer.reply(&command, &answers::unsubscribed(&command)).await;
    let command = peer.expect("subscribe_notifications").await?;
    peer.reply(&command, &answers::confirmed_pending(4)).await;
    for notification in &all {
        peer.send(notification).await;
    }
    for offset in 1..=4 {
        let line = w.item("n").await?;
        same("the notification", &line["item"]["id"], &json!(format!("n{offset}")))?;
    }
    Ok(())
}

async fn holds(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, None).await?;
    chats(w, &mut peer, 1..=1_000).await?;
    read(w, "s", 1_000).await?;
    w.chats("s", "c", 1..=1_000).await
}

async fn reconnect(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, None).await?;
    chats(w, &mut peer, 1..=3).await?;
    drop(peer);
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"]["offset"], &json!(3))?;
    peer.reply(&command, &answers::recovered(&command, 4)).await;
    chats(w, &mut peer, 4..=4).await?;
    read(w, "s", 4).await?;
    w.chats("s", "c", 1..=4).await
}
