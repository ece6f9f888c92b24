//! Connecting and closing.

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, same},
    gateway::{Received, SUBPROTOCOL, answers},
    scenario::group,
    world::World,
};

group! {
    "connect/first-message" => first_message, "nameless",
        "authenticates in its first message, with its name, its version and its instance";
    "connect/subprotocol" => subprotocol, "no-subprotocol", "offers the subprotocol gateway.v1.json";
    "connect/no-compression" => no_compression, "offers-compression", "offers no extension, such as compression";
    "connect/first-use" => first_use, "opens-twice", "connects at its first use, once";
    "connect/twice" => twice, "opens-twice", "makes one connection for two calls of connect";
    "connect/device" => device, "no-device", "sends the id of its device";
    "connect/attempts" => attempts, "new-instance", "keeps its instance and counts its attempts over reconnections";
    "connect/fragments" => fragments, "ignores-fragments", "reads messages in several frames and segments";
    "connect/close" => close, "never-done", "closes with 1000, and refuses calls after it";
    "connect/close-with-calls" => close_with_calls, "claims-not-sent",
        "ends pending calls with what it knows about them when it is closed";
    "connect/close-ends-streams" => close_ends_streams, "hides-end", "ends streams without an error when it is closed";
    "connect/reset" => two_clients, "waits-for-nothing", "keeps two clients in one process apart";
}

async fn first_message(w: &World<'_>) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.gateway.accept().await?;
    let authenticate = peer.greet().await?;
    same("the token", &authenticate["token"], &json!("a token"))?;
    let client = &authenticate["client"];
    let has_names = ["name", "version", "instance"].iter().all(|name| client[name].is_string());
    check(has_names && client["attempt"] == 1, || format!("the client calls itself {client}"))?;
    w.value(connect).await?;
    w.state("a", "online").await.map(drop)
}

async fn subprotocol(w: &World<'_>) -> Step {
    let peer = w.connect("a").await?;
    same("the offered subprotocol", &json!(peer.offers.subprotocols), &json!(SUBPROTOCOL))
}

async fn no_compression(w: &World<'_>) -> Step {
    let peer = w.connect("a").await?;
    same("the offered extensions", &json!(peer.offers.extensions), &json!(""))
}

async fn first_use(w: &World<'_>) -> Step {
    w.open("a").await?;
    w.has_not_asked("a")?;
    let send = w.send("c", "hello").await?;
    let mut peer = w.accept().await?;
    let chat = peer.expect("chat").await?;
    peer.reply(&chat, &answers::stored(&chat, 1)).await;
    w.value(send).await?;
    w.gateway.stays_alone(SHORTLY).await
}

/// How long a scenario watches for what must not happen.
const SHORTLY: std::time::Duration = std::time::Duration::from_millis(300);

async fn twice(w: &World<'_>) -> Step {
    w.open("a").await?;
    let first = w.begin("connect", &json!({"client": "a"})).await?;
    let second = w.begin("connect", &json!({"client": "a"})).await?;
    let _peer = w.accept().await?;
    w.value(first).await?;
    w.value(second).await?;
    w.run("connect", &json!({"client": "a"})).await?;
    w.gateway.stays_alone(SHORTLY).await
}

async fn device(w: &World<'_>) -> Step {
    w.open_with("a", &json!({"deviceId": "phone-1"})).await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.gateway.accept().await?;
    let authenticate = peer.greet().await?;
    same("the device", &authenticate["deviceId"], &json!("phone-1"))?;
    w.value(connect).await.map(drop)
}

async fn attempts(w: &World<'_>) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.gateway.accept().await?;
    let first = peer.greet().await?;
    w.value(connect).await?;
    let mut last = first["client"]["attempt"].as_u64();
    for _ in 0..2 {
        peer.close(1012).await;
        peer = w.gateway.accept().await?;
        let next = peer.greet().await?;
        same("the instance", &next["client"]["instance"], &first["client"]["instance"])?;
        let attempt = next["client"]["attempt"].as_u64();
        check(attempt > last, || format!("the attempt {attempt:?} follows {last:?}"))?;
        last = attempt;
        w.state("a", "online").await?;
    }
    Ok(())
}

async fn fragments(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    let text = |offset: u64| {
        let mut chat = answers::chat("c", offset);
        chat["content"] = json!(format!("{offset}: 🐺🐺🐺🐺🐺🐺🐺🐺🐺🐺🐺🐺🐺🐺🐺🐺"));
        chat
    };
    let bytes = crate::frame::fragments(&text(1).to_string());
    let (head, rest) = bytes.split_at(1);
    peer.write(head).await;
    peer.write(rest).await;
    // A ping may come between the fragments of a message.
    let parts = crate::frame::fragments(&text(2).to_string());
    let first_frame = crate::frame::Frame::take(&mut parts.clone())?.map_or(0, |frame| frame.bytes.len());
    let (first, second) = parts.split_at(first_frame);
    peer.write(first).await;
    peer.write(&crate::frame::ping("between")).await;
    peer.write(second).await;
    w.item_is("s", &text(1)).await?;
    w.item_is("s", &text(2)).await?;
    let received = peer.next("a pong").await?;
    check(received == Received::Pong("between".to_owned()), || format!("a ping is answered by {received:?}"))
}

async fn close(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let close = w.begin("close", &json!({"client": "a"})).await?;
    peer.expect_close(1000).await?;
    w.value(close).await?;
    w.state("a", "closed").await?;
    let send = w.send("c", "too late").await?;
    w.fails(send, "closed", "not_sent").await?;
    // Closing again does nothing.
    w.run("close", &json!({"client": "a"})).await?;
    w.gateway.stays_alone(SHORTLY).await
}

async fn close_with_calls(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let sent = w.send("c", "sent").await?;
    peer.expect("chat").await?;
    let waiting = w.send("c", "waits for the one before it").await?;
    let request = w.begin("request", &json!({"client": "a", "type": "presence", "fields": {"clanId": "c"}})).await?;
    peer.expect("presence").await?;
    let close = w.begin("close", &json!({"client": "a"})).await?;
    w.fails(sent, "closed", "unknown").await?;
    w.fails(waiting, "closed", "not_sent").await?;
    w.fails(request, "closed", "unknown").await?;
    peer.expect_close(1000).await?;
    w.value(close).await.map(drop)
}

async fn close_ends_streams(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    let close = w.begin("close", &json!({"client": "a"})).await?;
    same("the error of the stream", &w.end("s").await?, &Value::Null)?;
    peer.expect_close(1000).await?;
    w.value(close).await.map(drop)
}

async fn two_clients(w: &World<'_>) -> Step {
    let mut first = w.connect("a").await?;
    let mut second = w.connect("b").await?;
    w.subscribe(&mut first, "s", "c", 0).await?;
    let fields = json!({"client": "b", "stream": "t", "topic": {"clan": "c"}});
    let subscribe = w.begin("subscribe", &fields).await?;
    let command = second.expect("subscribe_clan_chat").await?;
    second.reply(&command, &answers::confirmed(&command, 0)).await;
    w.value(subscribe).await?;
    second.send(&answers::chat("c", 1)).await;
    w.chats("t", "c", [1]).await?;
    let close = w.begin("close", &json!({"client": "b"})).await?;
    second.expect_close(1000).await?;
    w.value(close).await?;
    same("the error of the stream", &w.end("t").await?, &Value::Null)?;
    first.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await
}
