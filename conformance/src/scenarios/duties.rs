//! The duties of a driver (docs/sdk-core.md) that no other group shows.

use std::{pin::pin, time::Duration};

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, red, same},
    frame,
    gateway::{Peer, Received, answers},
    scenario::group,
    world::World,
};

group! {
    "duties/one-order" => one_order, "drops-last-frames", "reads two frames and the close frame behind them in one segment";
    "duties/large" => large, "short-messages", "accepts messages of 256 KiB and of 3 MiB";
    "duties/websocket-ping" => websocket_ping, "no-pong", "answers WebSocket pings";
    "duties/silence" => silence, "never-pings", "checks a silent connection by `ping`, and keeps it when it answers", 3 s;
    "duties/dead" => dead, "connects-once", "replaces a connection that does not answer", 12 s;
    "duties/not-reading" => not_reading, "blocks-on-writing", "reads while the gateway does not read";
    "duties/closes-in-time" => closes_in_time, "closes-slowly", "closes within 2 s when the gateway does not answer", 2 s;
    "duties/rubbish" => rubbish, "loses-first-item", "survives frames that it cannot use";
    "duties/wake" => wake, "connects-once", "connects now when it is woken, instead of waiting";
    "duties/wake-pings" => wake_pings, "never-pings", "checks its connection when it is woken", 1 s;
    "duties/opens-and-closes" => opens_and_closes, "closes-slowly", "leaves no connection, however often it is opened and closed", 2 s;
    "duties/unsupported" => unsupported, "wrong-code", "the adapter refuses a command that it does not know";
}

async fn one_order(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    let mut bytes = frame::text(&answers::chat("c", 1).to_string());
    bytes.extend(frame::text(&answers::chat("c", 2).to_string()));
    bytes.extend(frame::close(1001));
    peer.write(&bytes).await;
    peer.finish().await;
    w.chats("s", "c", 1..=2).await?;
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"]["offset"], &json!(2))?;
    peer.reply(&command, &answers::recovered(&command, 2)).await;
    Ok(())
}

async fn large(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "stream": "s", "topic": {"service": "orders", "topic": "o"}});
    let call = w.begin("subscribe", &fields).await?;
    let command = peer.expect("subscribe").await?;
    peer.reply(&command, &answers::confirmed(&command, 0)).await;
    w.value(call).await?;
    let mut event = answers::event("o", 1);
    event["data"] = json!("x".repeat(255 * 1024));
    peer.send(&event).await;
    w.item_is("s", &event).await?;
    peer.send(&json!({"type": "later_push", "text": "x".repeat(3 * 1024 * 1024)})).await;
    peer.send(&answers::event("o", 2)).await;
    w.item_is("s", &answers::event("o", 2)).await?;
    w.gateway.stays_alone(Duration::from_millis(100)).await
}

async fn websocket_ping(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    for payload in ["", "are you there"] {
        peer.write(&frame::ping(payload)).await;
        let received = peer.next("a pong").await?;
        check(received == Received::Pong(payload.to_owned()), || format!("a ping is answered by {received:?}"))?;
    }
    Ok(())
}

async fn silence(w: &World<'_>) -> Step {
    let mut peer = w.connect_with("a", &json!({}), &json!({"heartbeatIntervalMs": 1_000})).await?;
    peer.leave_pings();
    for _ in 0..2 {
        let ping = peer.expect("ping").await?;
        peer.reply(&ping, &answers::pong()).await;
    }
    w.gateway.stays_alone(Duration::from_millis(100)).await
}

async fn dead(w: &World<'_>) -> Step {
    let mut peer = w.connect_with("a", &json!({}), &json!({"heartbeatIntervalMs": 1_000})).await?;
    peer.leave_pings();
    peer.expect("ping").await?;
    let _next = w.accept().await?;
    w.state("a", "online").await.map(drop)
}

async fn not_reading(w: &World<'_>) -> Step {
    let mut peer = w.connect_with("a", &json!({"timeoutMs": 60_000}), &json!({})).await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    w.proxy.plan.hold(true);
    // These are 8 MB, for which no buffer between client and gateway has room.
    let text = "🐺".repeat(4_000);
    let mut calls = Vec::new();
    for number in 0..500 {
        calls.push(w.send(&format!("c{number}"), &text).await?);
    }
    for offset in 1..=20 {
        peer.send(&answers::chat("c", offset)).await;
        w.chats("s", "c", [offset]).await?;
    }
    w.proxy.plan.hold(false);
    for _ in &calls {
        let command = peer.expect("chat").await?;
        peer.reply(&command, &answers::stored(&command, 1)).await;
    }
    for call in calls {
        w.value(call).await?;
    }
    Ok(())
}

/// Waits until the client has ended the connection.
async fn ended(peer: &mut Peer) -> Step {
    loop {
        if peer.next("the end of the connection").await? == Received::End {
            return Ok(());
        }
    }
}

async fn closes_in_time(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    let close = w.begin("close", &json!({"client": "a"})).await?;
    let received = peer.next("a close frame").await?;
    check(received == Received::Close(1000), || format!("the client does {received:?} instead of closing with 1000"))?;
    peer.send(&answers::chat("c", 1)).await;
    let in_time = tokio::time::timeout(Duration::from_secs(4), ended(&mut peer)).await;
    in_time.map_err(|_| red("the connection is open 2 s after the close frame"))??;
    w.value(close).await?;
    same("the error of the stream", &w.end("s").await?, &Value::Null)
}

async fn rubbish(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    for text in ["", "hello", "{", "[]", "null", "{\"type\":7}", "{\"no\":\"type\"}", "{\"type\":\"chat\"}"] {
        peer.write(&frame::text(text)).await;
    }
    peer.send(&json!({"type": "error"})).await;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    w.gateway.stays_alone(Duration::from_millis(100)).await
}

async fn wake(w: &World<'_>) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    w.gateway.hang_up().await?;
    // After these the client waits for seconds.
    for _ in 0..5 {
        woken(w, w.gateway.hang_up()).await?;
    }
    let _peer = woken(w, w.accept()).await?;
    w.value(connect).await.map(drop)
}

/// Wakes the client until it makes its next attempt. It may not have noticed yet that the last one has failed, and then a wake
/// has no effect.
async fn woken<T>(w: &World<'_>, attempt: impl Future<Output = Step<T>>) -> Step<T> {
    let mut attempt = pin!(attempt);
    loop {
        w.run("wake", &json!({"client": "a"})).await?;
        if let Ok(result) = tokio::time::timeout(Duration::from_millis(50), &mut attempt).await {
            return result;
        }
    }
}

async fn wake_pings(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    peer.leave_pings();
    // A connection that was used a second ago is not checked.
    w.gateway.stays_alone(Duration::from_millis(1_100)).await?;
    w.run("wake", &json!({"client": "a"})).await?;
    let ping = peer.expect("ping").await?;
    peer.reply(&ping, &answers::pong()).await;
    w.gateway.stays_alone(Duration::from_millis(100)).await
}

async fn opens_and_closes(w: &World<'_>) -> Step {
    for number in 0..20 {
        let name = format!("client-{number}");
        let mut peer = w.connect(&name).await?;
        let close = w.begin("close", &json!({"client": name})).await?;
        peer.expect_close(1000).await?;
        w.value(close).await?;
        ended(&mut peer).await?;
    }
    w.gateway.stays_alone(Duration::from_millis(100)).await
}

async fn unsupported(w: &World<'_>) -> Step {
    let call = w.begin("fly", &json!({"client": "a", "to": "the moon"})).await?;
    let done = w.done(call).await?;
    same("the code", &done["error"]["code"], &json!("unsupported"))
}
