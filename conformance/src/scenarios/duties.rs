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
    "duties/offsets" => offsets, "believes-offsets", "lets no number move a position that is not the offset of an entry";
    "duties/huge-numbers" => huge_numbers, "wait-overflows", "works with numbers that are far beyond what a gateway means", 3 s;
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

/// Waits for the next chat message with its position. What the client cannot read may come before it, and leaves the position.
async fn next_chat(w: &World<'_>, offset: u64) -> Step {
    loop {
        let line = w.item("s").await?;
        if line["item"] == answers::chat("c", offset) {
            let position = json!({"offset": offset, "epoch": answers::EPOCH});
            return same("the position", &line["position"], &position);
        }
        let is_unmoved = line["position"].is_null() || line["position"]["offset"] == offset - 1;
        check(is_unmoved, || format!("a message that is no entry moves the position: {line}"))?;
    }
}

async fn offsets(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    next_chat(w, 1).await?;
    let entries = [answers::chat("c", 7), json!({"type": "later_entry", "clanId": "c", "offset": 7})];
    let numbers =
        ["9007199254740992", "18446744073709551615", "99999999999999999999", "-1", "0", "2.5", "\"2\"", "null"];
    for entry in entries {
        for number in numbers {
            let text = entry.to_string().replace("\"offset\":7", &format!("\"offset\":{number}"));
            peer.write(&frame::text(&text)).await;
        }
    }
    // What has an offset without being an entry: a late reply, and a field of a later version.
    peer.send(&json!({"type": "message_sent", "requestId": "999999", "messageId": 7, "clanId": "c", "offset": 9}))
        .await;
    peer.send(&json!({"type": "typing", "clanId": "c", "userId": "bob", "isTyping": true, "offset": 9})).await;
    peer.send(&answers::chat("c", 2)).await;
    next_chat(w, 2).await?;
    peer.close(1012).await;
    let mut peer = w.accept().await?;
    let subscribe = peer.expect("subscribe_clan_chat").await?;
    same("the position", &subscribe["recover"], &json!({"offset": 2, "epoch": answers::EPOCH}))?;
    peer.reply(&subscribe, &answers::recovered(&subscribe, 2)).await;
    Ok(())
}

async fn huge_numbers(w: &World<'_>) -> Step {
    let greeting = json!({
        "heartbeatIntervalMs": u64::MAX, "maxMessageBytes": u64::MAX, "protocolVersion": u32::MAX,
        "expiresAt": "9999-12-31T23:59:59.999Z",
        "limits": {"messagesPerSecond": u32::MAX, "burst": u32::MAX, "subscriptions": u32::MAX},
    });
    let mut peer = w.connect_with("a", &json!({"timeoutMs": 3_000}), &greeting).await?;
    let subscribe = w.begin("subscribe", &json!({"client": "a", "stream": "n", "topic": "notifications"})).await?;
    let command = peer.expect("subscribe_notifications").await?;
    peer.reply(&command, &answers::confirmed_pending(u64::MAX)).await;
    w.value(subscribe).await?;
    let send = w.send("c", "hello").await?;
    let chat = peer.expect("chat").await?;
    let mut refusal = answers::error("rate_limited");
    refusal["retryAfterMs"] = json!(u64::MAX);
    peer.reply(&chat, &refusal).await;
    // It is not repeated before its time has passed, however long the gateway asks to wait.
    w.fails(send, "rate_limited", "refused").await?;
    peer.send(&json!({"type": "reconnect", "afterMs": u64::MAX, "reason": "shutdown"})).await;
    let mut next = w.accept().await?;
    let command = next.expect("subscribe_notifications").await?;
    next.reply(&command, &answers::confirmed_pending(0)).await;
    peer.expect_close(1000).await
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
