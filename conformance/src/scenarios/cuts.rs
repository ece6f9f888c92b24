//! Connections that are cut before, within and after a command, and before and within its reply.

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, same},
    gateway::{Peer, answers},
    proxy::{Cut, Direction},
    scenario::group,
    world::World,
};

group! {
    "cuts/send-before" => |w| repeated(w, &SEND, COMMAND, Cut::Before), "no-repeat", "repeats a message that was cut off";
    "cuts/send-within" => |w| repeated(w, &SEND, COMMAND, Cut::Within), "no-repeat", "repeats a message that was cut in two";
    "cuts/send-after" => |w| repeated(w, &SEND, COMMAND, Cut::After), "new-message-id",
        "repeats a message without a reply under the same id";
    "cuts/send-reply" => |w| repeated(w, &SEND, REPLY, Cut::Before), "new-message-id",
        "repeats a message whose reply was lost under the same id";
    "cuts/send-within-reply" => |w| repeated(w, &SEND, REPLY, Cut::Within), "new-message-id",
        "repeats a message whose reply was cut in two under the same id";
    "cuts/publish-after" => |w| repeated(w, &PUBLISH, COMMAND, Cut::After), "new-message-id",
        "repeats a publication without a reply under the same id";
    "cuts/publish-reply" => |w| repeated(w, &PUBLISH, REPLY, Cut::Before), "no-repeat", "repeats a publication whose reply was lost";
    "cuts/ack-before" => |w| repeated(w, &ACK, COMMAND, Cut::Before), "no-repeat", "repeats an acknowledgement that was cut off";
    "cuts/ack-within" => |w| repeated(w, &ACK, COMMAND, Cut::Within), "no-repeat", "repeats an acknowledgement that was cut in two";
    "cuts/ack-reply" => |w| repeated(w, &ACK, REPLY, Cut::Before), "no-repeat", "repeats an acknowledgement without a confirmation";
    "cuts/history-before" => |w| repeated(w, &HISTORY, COMMAND, Cut::Before), "no-repeat", "repeats a query that was cut off";
    "cuts/history-reply" => |w| repeated(w, &HISTORY, REPLY, Cut::Within), "no-repeat", "repeats a query whose reply was cut in two";
    "cuts/subscribe-before" => |w| repeated(w, &SUBSCRIBE, COMMAND, Cut::Before), "no-resubscription",
        "subscribes again when its command was cut off";
    "cuts/subscribe-reply" => |w| repeated(w, &SUBSCRIBE, REPLY, Cut::Before), "no-resubscription",
        "subscribes again when the confirmation was lost";
    "cuts/request-before" => |w| lost(w, &REQUEST, COMMAND, Cut::Before), "claims-success", "never repeats a raw command: its outcome is unknown";
    "cuts/request-after" => |w| lost(w, &REQUEST, COMMAND, Cut::After), "claims-refusal", "does not know the outcome of a raw command without a reply";
    "cuts/request-reply" => |w| lost(w, &REQUEST, REPLY, Cut::Within), "claims-not-sent", "does not know the outcome of a raw command whose reply was cut";
    "cuts/call-after" => |w| lost(w, &CALL, COMMAND, Cut::After), "claims-refusal", "never repeats a call: its outcome is unknown";
    "cuts/call-reply" => |w| lost(w, &CALL, REPLY, Cut::Before), "claims-not-sent", "does not know the outcome of a call whose result was lost";
    "cuts/leave-before" => |w| leave(w, Cut::Before), "no-recovery", "does not subscribe again to what it has left", 1 s;
    "cuts/leave-after" => |w| leave(w, Cut::After), "no-recovery", "does not subscribe again to what it has left, without a reply", 1 s;
    "cuts/push-within" => push, "no-recovery", "gets an entry again that was cut in two";
    "cuts/cancelled" => cancelled, "no-repeat", "keeps a message that it has sent, also when the app has cancelled its call";
    "cuts/greeting" => greeting, "connects-once", "authenticates again when the greeting was lost";
}

const COMMAND: Direction = Direction::ToGateway;
const REPLY: Direction = Direction::ToClient;

/// A command of the adapter, and what it is on the wire.
struct Kind {
    name: &'static str,
    fields: fn() -> Value,
    on_wire: &'static str,
    answer: fn(&Value) -> Value,
    /// Members of the command that a repeat has to keep.
    keeps: &'static [&'static str],
}

const SEND: Kind = Kind {
    name: "send",
    fields: || json!({"topic": {"clan": "c"}, "data": {"content": "hello"}}),
    on_wire: "chat",
    answer: |command| answers::stored(command, 1),
    keeps: &["clientMessageId", "content", "clanId"],
};
const PUBLISH: Kind = Kind {
    name: "send",
    fields: || json!({"topic": {"service": "orders", "topic": "o"}, "data": {"a": [1]}}),
    on_wire: "publish",
    answer: |command| answers::stored(command, 1),
    keeps: &["clientMessageId", "data", "service", "topic"],
};
const ACK: Kind = Kind {
    name: "ack",
    fields: || json!({"ids": ["n1", "n2"]}),
    on_wire: "notification_ack",
    answer: answers::acknowledged,
    keeps: &["notificationIds"],
};
const HISTORY: Kind = Kind {
    name: "history",
    fields: || json!({"topic": {"clan": "c"}, "limit": 2}),
    on_wire: "chat_history",
    answer: |_| answers::history("c", 1..3),
    keeps: &["clanId", "limit"],
};
const SUBSCRIBE: Kind = Kind {
    name: "subscribe",
    fields: || json!({"stream": "s", "topic": {"clan": "c"}, "history": 3}),
    on_wire: "subscribe_clan_chat",
    answer: |command| answers::confirmed(command, 0),
    keeps: &["clanId", "history"],
};
const REQUEST: Kind = Kind {
    name: "request",
    fields: || json!({"type": "presence", "fields": {"clanId": "c"}}),
    on_wire: "presence",
    answer: |_| answers::presence("c"),
    keeps: &[],
};
const CALL: Kind = Kind {
    name: "call",
    fields: || json!({"service": "orders", "call": "cancel", "data": {}}),
    on_wire: "call",
    answer: |command| {
        json!({
            "type": "call_result", "service": "orders", "method": "cancel", "data": {}, "callId": command["callId"],
        })
    },
    keeps: &[],
};

/// Begins a command whose connection is cut. Returns the call, and what the gateway has got of it.
async fn cut_off(
    w: &World<'_>,
    peer: &mut Peer,
    kind: &Kind,
    direction: Direction,
    cut: Cut,
) -> Step<(crate::world::Call, Option<Value>)> {
    w.cut(direction, 1, cut);
    let mut fields = json!({"client": "a"});
    answers::merge(&mut fields, &(kind.fields)());
    let call = w.begin(kind.name, &fields).await?;
    if direction == Direction::ToGateway && cut != Cut::After {
        peer.expect_end().await?;
        return Ok((call, None));
    }
    let command = peer.expect(kind.on_wire).await?;
    if direction == Direction::ToClient {
        peer.reply(&command, &(kind.answer)(&command)).await;
    }
    Ok((call, Some(command)))
}

/// A command that the client repeats.
async fn repeated(w: &World<'_>, kind: &Kind, direction: Direction, cut: Cut) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, first) = cut_off(w, &mut peer, kind, direction, cut).await?;
    drop(peer);
    let mut peer = w.accept().await?;
    let again = peer.expect(kind.on_wire).await?;
    for name in kind.keeps {
        let expected = first.as_ref().map(|first| first[*name].clone());
        check(!again[*name].is_null(), || format!("the repeat has no {name}: {again}"))?;
        same(&format!("{name} of the repeat"), &again[*name], &expected.unwrap_or_else(|| again[*name].clone()))?;
    }
    peer.reply(&again, &(kind.answer)(&again)).await;
    w.value(call).await.map(drop)
}

/// A command that the client never repeats.
async fn lost(w: &World<'_>, kind: &Kind, direction: Direction, cut: Cut) -> Step {
    let mut peer = w.connect("a").await?;
    let (call, _) = cut_off(w, &mut peer, kind, direction, cut).await?;
    w.fails(call, "disconnected", "unknown").await?;
    drop(peer);
    let mut peer = w.accept().await?;
    // The next command is another one.
    let next = w.send("d", "next").await?;
    let command = peer.expect("chat").await?;
    peer.reply(&command, &answers::stored(&command, 1)).await;
    w.value(next).await.map(drop)
}

async fn leave(w: &World<'_>, cut: Cut) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    w.subscribe(&mut peer, "t", "d", 0).await?;
    w.cut(Direction::ToGateway, 1, cut);
    w.run("leave", &json!({"stream": "s"})).await?;
    w.end("s").await?;
    if cut == Cut::After {
        peer.expect("unsubscribe_clan_chat").await?;
    }
    peer.expect_end().await?;
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the clan", &command["clanId"], &json!("d"))?;
    same("the position", &command["recover"]["offset"], &json!(0))?;
    peer.reply(&command, &answers::recovered(&command, 1)).await;
    peer.send(&answers::chat("c", 1)).await;
    peer.send(&answers::chat("d", 1)).await;
    w.chats("t", "d", [1]).await
}

async fn push(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    w.cut(Direction::ToClient, 2, Cut::Within);
    peer.send(&answers::chat("c", 1)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [1]).await?;
    drop(peer);
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"]["offset"], &json!(1))?;
    peer.reply(&command, &answers::recovered(&command, 2)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await
}

async fn cancelled(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.send("c", "hello").await?;
    let first = peer.expect("chat").await?;
    w.cancel(call).await?;
    drop(peer);
    let mut peer = w.accept().await?;
    let again = peer.expect("chat").await?;
    same("the id of the repeat", &again["clientMessageId"], &first["clientMessageId"])?;
    peer.reply(&again, &answers::stored(&again, 1)).await;
    Ok(())
}

async fn greeting(w: &World<'_>) -> Step {
    w.open("a").await?;
    w.cut(Direction::ToClient, 1, Cut::Within);
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.gateway.accept().await?;
    peer.greet().await?;
    let mut peer = w.gateway.accept().await?;
    let authenticate = peer.greet().await?;
    check(authenticate["client"]["attempt"] == 2, || format!("the attempt is {}", authenticate["client"]))?;
    w.value(connect).await.map(drop)
}
