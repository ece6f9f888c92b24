//! Commands: their replies, refusals, repeats, order, time limits and cancellation.

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, same},
    gateway::answers,
    scenario::group,
    world::World,
};

group! {
    "commands/send" => send, "loses-reply", "sends a message with an id of its own, and gives the reply";
    "commands/send-fields" => send_fields, "alters-fields", "sends the fields of the app as they are";
    "commands/send-refused" => send_refused, "claims-success", "reports a refusal, which a repeat does not change";
    "commands/send-refused-for-now" => send_refused_for_now, "new-message-id",
        "repeats a message under the same id after a refusal that may pass";
    "commands/order" => order, "sends-twice", "sends the messages to a clan one after the other";
    "commands/overlap" => overlap, "takes-one-reply", "does not let a clan wait for another one, and takes replies in any order";
    "commands/invalid" => invalid, "wrong-code", "refuses what the gateway would refuse, without sending it";
    "commands/too-large" => too_large, "claims-success", "sends nothing larger than the gateway accepts";
    "commands/timeout" => timeout, "claims-not-sent", "does not know the outcome of a message without a reply in time";
    "commands/timeout-offline" => timeout_offline, "never-retryable", "knows that it has not sent what waited for a connection";
    "commands/late-reply" => late_reply, "never-done", "drops a reply that comes after its time limit";
    "commands/unknown-reply" => unknown_reply, "takes-one-reply", "ignores replies that it does not wait for";
    "commands/cancel" => cancel, "never-done", "stops waiting when the app cancels a call, and keeps the connection";
    "commands/cancel-subscribe" => cancel_subscribe, "no-unsubscribe", "leaves a subscription whose call the app has cancelled", 1 s;
    "commands/publish" => publish, "loses-reply", "publishes to a topic";
    "commands/publish-without-history" => publish_without_history, "loses-reply", "publishes to a topic without history";
    "commands/history" => history, "loses-reply", "reads a page of the history";
    "commands/presence" => presence, "loses-reply", "reads who is present";
    "commands/query-refused-for-now" => query_refused_for_now, "deaf-to-errors", "repeats a query after a refusal that may pass";
    "commands/typing" => typing, "waits-for-nothing", "reports typing, without waiting for anything";
    "commands/request" => request, "loses-reply", "sends any command, and gives its reply";
    "commands/request-refused" => request_refused, "claims-success", "sends any command once, also after a refusal that may pass";
    "commands/call" => call, "loses-reply", "calls a backend, and gives its response";
    "commands/call-failed" => call_failed, "wrong-code", "reports that the backend has refused a call";
    "commands/call-unknown" => call_unknown, "claims-refusal", "does not know the outcome of a call that may have been carried out";
    "commands/many" => many, "takes-one-reply", "carries out 200 commands that overlap";
}

async fn send(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.send("c", "hello").await?;
    let command = peer.expect("chat").await?;
    same("the clan", &command["clanId"], &json!("c"))?;
    same("the content", &command["content"], &json!("hello"))?;
    check(command["clientMessageId"].is_string(), || format!("a message has no clientMessageId: {command}"))?;
    peer.reply(&command, &answers::stored(&command, 7)).await;
    let reply = w.value(call).await?;
    same("the offset of the reply", &reply["offset"], &json!(7))?;
    same("the messageId of the reply", &reply["messageId"], &json!("m7"))
}

async fn send_fields(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let data =
        json!({"content": "🐺 \"\\\u{7}\n", "messageType": "IMAGE", "data": {"url": "x", "list": [1, 2.5, null]}});
    let fields = json!({"client": "a", "topic": {"clan": "c"}, "data": data, "clientMessageId": "mine-1"});
    let call = w.begin("send", &fields).await?;
    let mut command = peer.expect("chat").await?;
    peer.reply(&command, &answers::stored(&command, 1)).await;
    if let Some(members) = command.as_object_mut() {
        members.remove("requestId");
    }
    let mut expected = json!({"type": "chat", "clanId": "c", "clientMessageId": "mine-1"});
    answers::merge(&mut expected, &data);
    same("the command", &command, &expected)?;
    same("the id in the reply", &w.value(call).await?["clientMessageId"], &json!("mine-1"))
}

async fn send_refused(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.send("c", "hello").await?;
    let command = peer.expect("chat").await?;
    peer.reply(&command, &answers::error("forbidden")).await;
    let error = w.fails(call, "forbidden", "refused").await?;
    same("retryable", &error["retryable"], &json!(false))
}

async fn send_refused_for_now(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.send("c", "hello").await?;
    let first = peer.expect("chat").await?;
    let mut refusal = answers::error("rate_limited");
    refusal["retryAfterMs"] = json!(200);
    peer.reply(&first, &refusal).await;
    let second = peer.expect("chat").await?;
    same("the id of the repeat", &second["clientMessageId"], &first["clientMessageId"])?;
    peer.reply(&second, &answers::stored(&second, 1)).await;
    w.value(call).await.map(drop)
}

async fn order(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let mut calls = Vec::new();
    for content in ["one", "two", "three"] {
        calls.push(w.send("c", content).await?);
    }
    for (offset, content) in (1..).zip(["one", "two", "three"]) {
        let command = peer.expect("chat").await?;
        same("the content", &command["content"], &json!(content))?;
        peer.reply(&command, &answers::stored(&command, offset)).await;
    }
    for call in calls {
        w.value(call).await?;
    }
    Ok(())
}

async fn overlap(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let mut calls = Vec::new();
    for clan in ["c1", "c2", "c3"] {
        calls.push((clan, w.send(clan, clan).await?));
    }
    let mut commands = peer.expect_all(&["chat", "chat", "chat"]).await?;
    commands.reverse();
    for (offset, command) in (1..).zip(&commands) {
        peer.reply(command, &answers::stored(command, offset)).await;
    }
    for (clan, call) in calls {
        let reply = w.value(call).await?;
        let position = commands.iter().position(|command| command["clanId"] == clan);
        same("the offset of the reply", &reply["offset"], &json!(position.map_or(0, |at| at + 1)))?;
    }
    Ok(())
}

async fn invalid(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.send("c", "").await?;
    w.fails(call, "invalid", "not_sent").await?;
    let call = w.send("not a clan", "hello").await?;
    w.fails(call, "invalid", "not_sent").await?;
    let fields = json!({"client": "a", "stream": "s", "topic": {"clan": "c"}, "history": 1_000});
    let call = w.begin("subscribe", &fields).await?;
    w.fails(call, "invalid", "not_sent").await?;
    let call = w.send("c", "valid").await?;
    let command = peer.expect("chat").await?;
    same("the content", &command["content"], &json!("valid"))?;
    peer.reply(&command, &answers::stored(&command, 1)).await;
    w.value(call).await.map(drop)
}

async fn too_large(w: &World<'_>) -> Step {
    let mut peer = w.connect_with("a", &json!({}), &json!({"maxMessageBytes": 1_000})).await?;
    let call = w.send("c", &"x".repeat(1_000)).await?;
    w.fails(call, "message_too_large", "not_sent").await?;
    let call = w.send("c", &"x".repeat(500)).await?;
    let command = peer.expect("chat").await?;
    peer.reply(&command, &answers::stored(&command, 1)).await;
    w.value(call).await.map(drop)
}

async fn timeout(w: &World<'_>) -> Step {
    let mut peer = w.connect_with("a", &json!({"timeoutMs": 300}), &json!({})).await?;
    let call = w.send("c", "hello").await?;
    peer.expect("chat").await?;
    let error = w.fails(call, "timed_out", "unknown").await?;
    same("retryable", &error["retryable"], &json!(true))
}

async fn timeout_offline(w: &World<'_>) -> Step {
    w.open_with("a", &json!({"timeoutMs": 300})).await?;
    let call = w.send("c", "hello").await?;
    // The gateway does not answer the upgrade.
    let error = w.fails(call, "timed_out", "not_sent").await?;
    same("retryable", &error["retryable"], &json!(true))?;
    let mut peer = w.accept().await?;
    let call = w.begin("presence", &json!({"client": "a", "topic": {"clan": "c"}})).await?;
    let command = peer.expect("presence").await?;
    peer.reply(&command, &answers::presence("c")).await;
    w.done(call).await.map(drop)
}

async fn late_reply(w: &World<'_>) -> Step {
    let mut peer = w.connect_with("a", &json!({"timeoutMs": 300}), &json!({})).await?;
    let call = w.send("c", "first").await?;
    let first = peer.expect("chat").await?;
    w.fails(call, "timed_out", "unknown").await?;
    peer.reply(&first, &answers::stored(&first, 1)).await;
    let call = w.send("c", "second").await?;
    let second = peer.expect("chat").await?;
    peer.reply(&first, &answers::stored(&first, 1)).await;
    peer.reply(&second, &answers::stored(&second, 2)).await;
    same("the offset of the reply", &w.value(call).await?["offset"], &json!(2))
}

async fn unknown_reply(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    peer.reply(&json!({"requestId": "9999"}), &answers::presence("c")).await;
    peer.reply(&json!({"requestId": "not ours"}), &answers::error("forbidden")).await;
    let call = w.send("c", "hello").await?;
    let command = peer.expect("chat").await?;
    peer.reply(&command, &answers::stored(&command, 1)).await;
    peer.reply(&command, &answers::stored(&command, 2)).await;
    same("the offset of the reply", &w.value(call).await?["offset"], &json!(1))?;
    let call = w.send("c", "again").await?;
    let command = peer.expect("chat").await?;
    peer.reply(&command, &answers::stored(&command, 3)).await;
    same("the offset of the reply", &w.value(call).await?["offset"], &json!(3))
}

async fn cancel(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    let call = w.send("c", "hello").await?;
    let command = peer.expect("chat").await?;
    w.cancel(call).await?;
    // The late reply is dropped, and the connection still works.
    peer.reply(&command, &answers::stored(&command, 1)).await;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    let call = w.send("c", "again").await?;
    let command = peer.expect("chat").await?;
    peer.reply(&command, &answers::stored(&command, 2)).await;
    w.value(call).await?;
    w.gateway.stays_alone(std::time::Duration::from_millis(200)).await
}

async fn cancel_subscribe(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "stream": "s", "topic": {"clan": "c"}});
    let call = w.begin("subscribe", &fields).await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    w.cancel(call).await?;
    peer.reply(&command, &answers::confirmed(&command, 0)).await;
    peer.send(&answers::chat("c", 1)).await;
    peer.expect("unsubscribe_clan_chat").await.map(drop)
}

fn published() -> Value {
    json!({"client": "a", "topic": {"service": "orders", "topic": "o"}, "data": {"status": "paid", "parts": [1, null]}})
}

async fn publish(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.begin("send", &published()).await?;
    let command = peer.expect("publish").await?;
    same("the data", &command["data"], &published()["data"])?;
    check(command["clientMessageId"].is_string(), || format!("a publication has no clientMessageId: {command}"))?;
    peer.reply(&command, &answers::stored(&command, 5)).await;
    same("the offset of the reply", &w.value(call).await?["offset"], &json!(5))
}

async fn publish_without_history(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.begin("send", &published()).await?;
    let command = peer.expect("publish").await?;
    let accepted = json!({
        "type": "publish_accepted", "service": "orders", "topic": "o", "clientMessageId": command["clientMessageId"],
    });
    peer.reply(&command, &accepted).await;
    same("the id in the reply", &w.value(call).await?["clientMessageId"], &command["clientMessageId"])
}

async fn history(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "topic": {"clan": "c"}, "before": 10, "limit": 3});
    let call = w.begin("history", &fields).await?;
    let command = peer.expect("chat_history").await?;
    same("before", &command["before"], &json!(10))?;
    same("limit", &command["limit"], &json!(3))?;
    let page = answers::history("c", 7..10);
    peer.reply(&command, &page).await;
    let reply = w.value(call).await?;
    same("the messages", &reply["messages"], &page["messages"])?;
    same("hasMore", &reply["hasMore"], &json!(false))?;
    let call = w.begin("history", &json!({"client": "a", "topic": {"clan": "c"}, "after": 0})).await?;
    let command = peer.expect("chat_history").await?;
    same("after", &command["after"], &json!(0))?;
    peer.reply(&command, &answers::history("c", 1..3)).await;
    w.value(call).await.map(drop)
}

async fn presence(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.begin("presence", &json!({"client": "a", "topic": {"clan": "c"}})).await?;
    let command = peer.expect("presence").await?;
    peer.reply(&command, &answers::presence("c")).await;
    same("the users", &w.value(call).await?["users"], &answers::presence("c")["users"])?;
    let topic = json!({"service": "orders", "topic": "o"});
    let call = w.begin("presence", &json!({"client": "a", "topic": topic})).await?;
    let command = peer.expect("topic_presence").await?;
    let users = json!([{"userId": "bob", "sessions": 1, "data": {"at": 1}}]);
    let answer = json!({"type": "topic_presence", "service": "orders", "topic": "o", "users": users, "count": 1});
    peer.reply(&command, &answer).await;
    same("the users", &w.value(call).await?["users"], &users)
}

async fn query_refused_for_now(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.begin("presence", &json!({"client": "a", "topic": {"clan": "c"}})).await?;
    let command = peer.expect("presence").await?;
    let mut refusal = answers::error("unavailable");
    refusal["retryAfterMs"] = json!(200);
    peer.reply(&command, &refusal).await;
    let command = peer.expect("presence").await?;
    peer.reply(&command, &answers::presence("c")).await;
    w.value(call).await.map(drop)
}

async fn typing(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.run("typing", &json!({"client": "a", "topic": {"clan": "c"}, "isTyping": true})).await?;
    let command = peer.expect("typing").await?;
    same("isTyping", &command["isTyping"], &json!(true))?;
    // At most every three seconds.
    w.run("typing", &json!({"client": "a", "topic": {"clan": "c"}, "isTyping": true})).await?;
    w.run("typing", &json!({"client": "a", "topic": {"clan": "c"}, "isTyping": false})).await?;
    let command = peer.expect("typing").await?;
    same("isTyping", &command["isTyping"], &json!(false))
}

async fn request(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "type": "chat", "fields": {"clanId": "c", "content": "raw"}});
    let call = w.begin("request", &fields).await?;
    let command = peer.expect("chat").await?;
    same("the content", &command["content"], &json!("raw"))?;
    check(command.get("clientMessageId").is_none(), || format!("a raw command has another field: {command}"))?;
    peer.reply(&command, &answers::stored(&command, 2)).await;
    let reply = w.value(call).await?;
    same("the type of the reply", &reply["type"], &json!("message_sent"))?;
    same("the offset of the reply", &reply["offset"], &json!(2))
}

async fn request_refused(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "type": "presence", "fields": {"clanId": "c"}});
    let call = w.begin("request", &fields).await?;
    let command = peer.expect("presence").await?;
    let mut refusal = answers::error("rate_limited");
    refusal["retryAfterMs"] = json!(100);
    peer.reply(&command, &refusal).await;
    w.fails(call, "rate_limited", "refused").await.map(drop)
}

fn called() -> Value {
    json!({"client": "a", "service": "orders", "call": "cancel", "data": {"orderId": "42", "at": 1.5}})
}

async fn call(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.begin("call", &called()).await?;
    let command = peer.expect("call").await?;
    same("the method", &command["method"], &json!("cancel"))?;
    same("the data", &command["data"], &called()["data"])?;
    check(command["callId"].is_string(), || format!("a call has no callId: {command}"))?;
    let result = json!({
        "type": "call_result", "service": "orders", "method": "cancel", "data": {"refund": 1.5, "of": [null, "x"]},
        "callId": command["callId"],
    });
    peer.reply(&command, &result).await;
    same("the result", &w.value(call).await?, &result["data"])
}

async fn call_fails(w: &World<'_>, code: &str, outcome: &str) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.begin("call", &called()).await?;
    let command = peer.expect("call").await?;
    let mut refusal = answers::error(code);
    answers::merge(&mut refusal, &json!({"service": "orders", "method": "cancel", "inReplyTo": "call"}));
    peer.reply(&command, &refusal).await;
    w.fails(call, code, outcome).await.map(drop)
}

async fn call_failed(w: &World<'_>) -> Step {
    call_fails(w, "call_failed", "refused").await
}

async fn call_unknown(w: &World<'_>) -> Step {
    call_fails(w, "call_unknown", "unknown").await
}

async fn many(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let mut calls = Vec::new();
    for number in 0..200 {
        calls.push((number, w.send(&format!("c{}", number % 20), &number.to_string()).await?));
    }
    for _ in 0..200 {
        let command = peer.expect("chat").await?;
        let number: u64 = command["content"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        peer.reply(&command, &answers::stored(&command, number + 1)).await;
    }
    for (number, call) in calls {
        same("the offset of the reply", &w.value(call).await?["offset"], &json!(number + 1))?;
    }
    Ok(())
}
