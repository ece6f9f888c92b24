//! Subscriptions: where they begin, what they give, and how they end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, same},
    gateway::{Peer, answers},
    scenario::group,
    world::{Call, World},
};

group! {
    "subscriptions/head" => head, "loses-reply", "begins at the head of the log, and tells the position";
    "subscriptions/history" => history, "no-history", "begins with past entries";
    "subscriptions/from" => from, "no-recovery", "continues after a stored position";
    "subscriptions/topic" => topic, "alters-items", "gives the events of a topic as they came";
    "subscriptions/without-history" => without_history, "loses-item", "gives events of a topic without history, without a position";
    "subscriptions/presence" => presence, "loses-first-item", "gives presence to the stream that wants it";
    "subscriptions/deleted" => deleted, "loses-item", "gives deletions and typing";
    "subscriptions/later-type" => later_type, "ignores-new-words", "moves its position by entries of a type that it does not know";
    "subscriptions/others" => others, "repeats-item", "gives nothing of other topics, and nothing twice";
    "subscriptions/refused" => refused, "deaf-to-errors", "ends a stream that is refused, with the reason";
    "subscriptions/refused-for-now" => refused_for_now, "deaf-to-errors", "asks again after a refusal that may pass";
    "subscriptions/leave" => leave, "no-unsubscribe", "unsubscribes within 2 s when the app leaves", 1 s;
    "subscriptions/leave-one-of-two" => leave_one_of_two, "no-unsubscribe", "keeps a subscription that another stream uses", 3 s;
    "subscriptions/ended" => ended, "ends-without-error", "ends a stream whose permission was withdrawn";
    "subscriptions/interrupted" => interrupted, "deaf-to-resets", "subscribes again after an end that may pass";
    "subscriptions/reset" => reset, "hides-gaps", "gives a gap when the gateway continues elsewhere";
    "subscriptions/many" => many, "no-resubscription", "subscribes to all its topics again, each from its position";
}

/// Begins to subscribe the client `a` with options, and returns the command.
async fn subscribing(w: &World<'_>, peer: &mut Peer, topic: &Value, options: &Value) -> Step<(Call, Value)> {
    let mut fields = json!({"client": "a", "stream": "s", "topic": topic});
    answers::merge(&mut fields, options);
    let call = w.begin("subscribe", &fields).await?;
    let kind = if topic.get("clan").is_some() { "subscribe_clan_chat" } else { "subscribe" };
    Ok((call, peer.expect(kind).await?))
}

fn clan() -> Value {
    json!({"clan": "c"})
}

fn order() -> Value {
    json!({"service": "orders", "topic": "o"})
}

async fn head(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, command) = subscribing(w, &mut peer, &clan(), &json!({})).await?;
    check(command.get("recover").is_none(), || format!("a new stream recovers: {command}"))?;
    peer.reply(&command, &answers::confirmed(&command, 7)).await;
    let value = w.value(call).await?;
    same("the position", &value, &json!({"offset": 7, "epoch": answers::EPOCH}))?;
    peer.send(&answers::chat("c", 8)).await;
    w.chats("s", "c", [8]).await
}

async fn history(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, command) = subscribing(w, &mut peer, &clan(), &json!({"history": 2})).await?;
    same("the history", &command["history"], &json!(2))?;
    peer.reply(&command, &answers::confirmed(&command, 5)).await;
    w.value(call).await?;
    for offset in 4..=6 {
        peer.send(&answers::chat("c", offset)).await;
    }
    w.chats("s", "c", 4..=6).await
}

async fn from(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let position = json!({"offset": 3, "epoch": answers::EPOCH});
    let (call, command) = subscribing(w, &mut peer, &clan(), &json!({"from": position})).await?;
    same("the position", &command["recover"], &position)?;
    peer.reply(&command, &answers::recovered(&command, 5)).await;
    same("the position of the stream", &w.value(call).await?, &position)?;
    for offset in 4..=5 {
        peer.send(&answers::chat("c", offset)).await;
    }
    w.chats("s", "c", 4..=5).await
}

async fn topic(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, command) = subscribing(w, &mut peer, &order(), &json!({})).await?;
    peer.reply(&command, &answers::confirmed(&command, 0)).await;
    w.value(call).await?;
    for (index, data) in
        [json!(null), json!([1, "two", 3.5]), json!({"a": {"b": "🐺"}}), json!("text")].iter().enumerate()
    {
        let offset = u64::try_from(index).unwrap_or_default() + 1;
        let mut event = answers::event("o", offset);
        event["data"] = data.clone();
        peer.send(&event).await;
        let line = w.item_is("s", &event).await?;
        same("the position", &line["position"], &json!({"offset": offset, "epoch": answers::EPOCH}))?;
    }
    Ok(())
}

async fn without_history(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, command) = subscribing(w, &mut peer, &order(), &json!({})).await?;
    let confirmed =
        json!({"type": "subscription_confirmed", "service": "orders", "topic": "o", "status": "subscribed"});
    peer.reply(&command, &confirmed).await;
    same("the position of the stream", &w.value(call).await?, &Value::Null)?;
    for number in 1..=3 {
        let event = json!({
            "type": "ephemeral_event", "service": "orders", "topic": "o", "data": number,
            "publishedAt": "2026-01-31T12:00:00.000Z", "userId": "bob",
        });
        peer.send(&event).await;
        let line = w.item_is("s", &event).await?;
        same("the position", &line["position"], &Value::Null)?;
    }
    Ok(())
}

async fn presence(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, command) = subscribing(w, &mut peer, &clan(), &json!({"presence": true})).await?;
    same("presence", &command["presence"], &json!(true))?;
    peer.reply(&command, &answers::confirmed(&command, 0)).await;
    w.value(call).await?;
    let changed = json!({"type": "presence_changed", "clanId": "c", "userId": "eve", "status": "online"});
    peer.send(&answers::presence("c")).await;
    peer.send(&changed).await;
    w.item_is("s", &answers::presence("c")).await?;
    w.item_is("s", &changed).await.map(drop)
}

async fn deleted(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 1).await?;
    let typing = json!({"type": "typing", "userId": "bob", "clanId": "c", "isTyping": true});
    let deleted = json!({"type": "chat_deleted", "clanId": "c", "messageId": "c-1", "offset": 2});
    peer.send(&typing).await;
    peer.send(&deleted).await;
    w.item_is("s", &typing).await?;
    w.item_is("s", &deleted).await.map(drop)
}

async fn later_type(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&json!({"type": "later_entry", "clanId": "c", "offset": 1, "more": [1]})).await;
    peer.send(&json!({"type": "later_push", "about": "nothing that a client knows"})).await;
    // Whether the app gets an entry of an unknown type is left to the SDK. The position has to move.
    barrier(w, &mut peer).await?;
    w.leave_items();
    drop(peer);
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"], &json!({"offset": 1, "epoch": answers::EPOCH}))?;
    peer.reply(&command, &answers::recovered(&command, 1)).await;
    Ok(())
}

/// Waits until the client has read all that was sent.
async fn barrier(w: &World<'_>, peer: &mut Peer) -> Step {
    let call = w.begin("presence", &json!({"client": "a", "topic": clan()})).await?;
    let command = peer.expect("presence").await?;
    peer.reply(&command, &answers::presence("c")).await;
    w.value(call).await.map(drop)
}

async fn others(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("another", 1)).await;
    peer.send(&answers::event("o", 1)).await;
    peer.send(&answers::notification("n1", 1)).await;
    peer.send(&answers::presence("c")).await;
    peer.send(&answers::chat("c", 1)).await;
    peer.send(&answers::chat("c", 1)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", 1..=2).await
}

async fn refused(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, command) = subscribing(w, &mut peer, &clan(), &json!({})).await?;
    peer.reply(&command, &answers::error("forbidden")).await;
    w.fails(call, "forbidden", "refused").await?;
    // It does not subscribe to what was refused.
    peer.close(1012).await;
    let mut peer = w.accept().await?;
    w.state("a", "online").await?;
    barrier(w, &mut peer).await
}

async fn refused_for_now(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, command) = subscribing(w, &mut peer, &clan(), &json!({})).await?;
    let mut refusal = answers::error("unavailable");
    refusal["retryAfterMs"] = json!(200);
    peer.reply(&command, &refusal).await;
    let command = peer.expect("subscribe_clan_chat").await?;
    peer.reply(&command, &answers::confirmed(&command, 0)).await;
    w.value(call).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await
}

async fn leave(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    w.run("leave", &json!({"stream": "s"})).await?;
    same("the error of the stream", &w.end("s").await?, &Value::Null)?;
    let unsubscribed = tokio::time::timeout(Duration::from_secs(3), peer.expect("unsubscribe_clan_chat")).await;
    let command = unsubscribed.map_err(|_| crate::failure::red("the client has not unsubscribed within 2 s"))??;
    peer.reply(&command, &answers::unsubscribed(&command)).await;
    peer.send(&answers::chat("c", 2)).await;
    barrier(w, &mut peer).await
}

async fn leave_one_of_two(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    let fields = json!({"client": "a", "stream": "t", "topic": clan()});
    let call = w.begin("subscribe", &fields).await?;
    // A client may know the head already, or ask for it.
    tokio::select! {
        value = w.value(call) => drop(value?),
        command = peer.expect("subscribe_clan_chat") => {
            let command = command?;
            peer.reply(&command, &answers::confirmed(&command, 0)).await;
            w.value(call).await?;
        }
    }
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    w.chats("t", "c", [1]).await?;
    w.run("leave", &json!({"stream": "t"})).await?;
    w.end("t").await?;
    w.gateway.stays_alone(Duration::from_millis(1_500)).await?;
    barrier(w, &mut peer).await?;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await?;
    w.run("leave", &json!({"stream": "s"})).await?;
    w.end("s").await?;
    peer.expect("unsubscribe_clan_chat").await.map(drop)
}

async fn ended(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    let ended = json!({
        "type": "subscription_ended", "service": "clan_chat", "clanId": "c", "code": "forbidden",
        "message": "The permission was withdrawn.",
    });
    peer.send(&ended).await;
    w.chats("s", "c", [1]).await?;
    let error = w.end("s").await?;
    same("the code of the end", &error["code"], &json!("forbidden"))?;
    barrier(w, &mut peer).await
}

async fn interrupted(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    let ended = json!({
        "type": "subscription_ended", "service": "clan_chat", "clanId": "c", "code": "unavailable",
        "message": "The store does not answer.",
    });
    peer.send(&ended).await;
    w.chats("s", "c", [1]).await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"], &json!({"offset": 1, "epoch": answers::EPOCH}))?;
    peer.reply(&command, &answers::recovered(&command, 2)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await
}

async fn reset(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    let reset = |offset: u64, epoch: &str, reason: &str| {
        json!({
            "type": "subscription_reset", "service": "clan_chat", "clanId": "c", "epoch": epoch, "offset": offset,
            "reason": reason,
        })
    };
    peer.send(&reset(40, answers::EPOCH, "trimmed")).await;
    peer.send(&answers::chat("c", 41)).await;
    peer.send(&reset(3, "e2", "epoch_changed")).await;
    peer.send(&answers::chat("c", 4)).await;
    w.chats("s", "c", [1]).await?;
    w.gap("s", "trimmed", 1, (40, answers::EPOCH)).await?;
    w.chats("s", "c", [41]).await?;
    w.gap("s", "epoch_changed", 41, (3, "e2")).await?;
    let line = w.item_is("s", &answers::chat("c", 4)).await?;
    same("the position", &line["position"], &json!({"offset": 4, "epoch": "e2"}))
}

async fn many(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s1", "c1", 0).await?;
    w.subscribe(&mut peer, "s2", "c2", 5).await?;
    let fields = json!({"client": "a", "stream": "s3", "topic": order()});
    let call = w.begin("subscribe", &fields).await?;
    let command = peer.expect("subscribe").await?;
    peer.reply(&command, &answers::confirmed(&command, 9)).await;
    w.value(call).await?;
    peer.send(&answers::chat("c1", 1)).await;
    w.chats("s1", "c1", [1]).await?;
    peer.close(1012).await;
    let mut peer = w.accept().await?;
    let commands = peer.expect_all(&["subscribe_clan_chat", "subscribe_clan_chat", "subscribe"]).await?;
    for command in &commands {
        let expected = match (command["clanId"].as_str(), command["topic"].as_str()) {
            (Some("c1"), _) => 1,
            (Some("c2"), _) => 5,
            _ => 9,
        };
        same("the position", &command["recover"]["offset"], &json!(expected))?;
        peer.reply(command, &answers::recovered(command, expected)).await;
    }
    peer.send(&answers::event("o", 10)).await;
    peer.send(&answers::chat("c2", 6)).await;
    peer.send(&answers::chat("c1", 2)).await;
    w.chats("s1", "c1", [2]).await?;
    w.chats("s2", "c2", [6]).await?;
    w.item_is("s3", &answers::event("o", 10)).await.map(drop)
}
