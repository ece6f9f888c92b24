//! The vectors of the protocol (`protocol/vectors/`), through a whole client.

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, red, same},
    frame,
    gateway::{Peer, answers},
    scenario::group,
    world::World,
};

group! {
    "vectors/server-accepted" => server_accepted, "alters-items", "gives every message of the gateway as it came";
    "vectors/server-refused" => server_refused, "loses-item", "survives every message that it cannot use";
    "vectors/client-accepted" => client_accepted, "alters-fields", "sends every command as it is";
    "vectors/client-refused" => client_refused, "claims-success", "refuses commands whose fields are invalid";
}

const SERVER_ACCEPTED: &str = include_str!("../../vectors/server/accepted.json");
const SERVER_REFUSED: &str = include_str!("../../vectors/server/refused.json");
const CLIENT_ACCEPTED: &str = include_str!("../../vectors/client/accepted.json");
const CLIENT_REFUSED: &str = include_str!("../../vectors/client/refused.json");

/// A vector, and its frame.
struct Vector {
    fields: Value,
    text: String,
}

impl Vector {
    fn name(&self) -> &str {
        self.fields["name"].as_str().unwrap_or_default()
    }
}

fn vectors(text: &str) -> Step<Vec<Vector>> {
    let list: Vec<Value> = serde_json::from_str(text).map_err(|error| red(format_args!("the vectors: {error}")))?;
    let text = |fields: &Value| fields["text"].as_str().map_or_else(|| fields["message"].to_string(), str::to_owned);
    Ok(list.into_iter().map(|fields| Vector { text: text(&fields), fields }).collect())
}

/// Subscribes to the topic to which a message belongs, from the beginning. Returns false if it belongs to none.
async fn listen(w: &World<'_>, peer: &mut Peer, message: &Value, stream: &str) -> Step<bool> {
    let (topic, kind) = if message["clanId"].is_string() {
        (json!({"clan": message["clanId"]}), "subscribe_clan_chat")
    } else if message["service"].is_string() && message["topic"].is_string() {
        (json!({"service": message["service"], "topic": message["topic"]}), "subscribe")
    } else if message["type"] == "notification" {
        (json!("notifications"), "subscribe_notifications")
    } else {
        return Ok(false);
    };
    let mut fields = json!({"client": "a", "stream": stream, "topic": topic});
    if kind != "subscribe_notifications" {
        answers::merge(&mut fields, &json!({"presence": true, "from": {"offset": 0, "epoch": answers::EPOCH}}));
    }
    let call = w.begin("subscribe", &fields).await?;
    let command = peer.expect(kind).await?;
    let answer =
        if kind == "subscribe_notifications" { answers::confirmed_pending(0) } else { answers::recovered(&command, 0) };
    peer.reply(&command, &answer).await;
    w.value(call).await?;
    Ok(true)
}

/// The types that a stream gives to the app.
const GIVEN: [&str; 10] = [
    "notification",
    "chat",
    "chat_deleted",
    "typing",
    "presence",
    "presence_changed",
    "event",
    "ephemeral_event",
    "topic_presence",
    "topic_presence_changed",
];

async fn server_accepted(w: &World<'_>) -> Step {
    let mut others = w.connect("b").await?;
    let mut given = 0;
    for vector in vectors(SERVER_ACCEPTED)? {
        let message: Value = serde_json::from_str(&vector.text).unwrap_or_default();
        let kind = message["type"].as_str().unwrap_or_default();
        if !GIVEN.contains(&kind) {
            // It belongs to no stream. A client that moves to another connection would not show that it has read it.
            if kind != "reconnect" {
                others.write(&frame::text(&vector.text)).await;
                works(w, &mut others, "b").await?;
            }
            continue;
        }
        // A client of its own, because a message moves the position of its topic.
        let mut peer = w.connect("a").await?;
        let stream = format!("s{given}");
        if listen(w, &mut peer, &message, &stream).await? {
            peer.write(&frame::text(&vector.text)).await;
            let line = w.item(&stream).await?;
            let what = format!("the item of the vector \"{}\"", vector.name());
            same(&what, &known(&line["item"]), &known(vector.fields.get("encodesAs").unwrap_or(&message)))?;
            close(w, &mut peer).await?;
            w.end(&stream).await?;
            given += 1;
        } else {
            close(w, &mut peer).await?;
        }
    }
    check(given > 10, || format!("only {given} vectors have items"))
}

/// Removes what a typed SDK need not keep: fields that are null, and fields of later versions.
fn known(message: &Value) -> Value {
    let text = message.to_string();
    let decoded = realtime_gateway_protocol::decode_server(&text);
    let encoded = decoded.map(|envelope| realtime_gateway_protocol::encode_server(&envelope));
    let value: Option<Value> = encoded.ok().and_then(|text| serde_json::from_str(&text).ok());
    let mut value = value.unwrap_or_else(|| message.clone());
    // It names a command, and not what the message says.
    if let Some(members) = value.as_object_mut() {
        members.remove("requestId");
    }
    value
}

/// Checks that the client still works.
async fn works(w: &World<'_>, peer: &mut Peer, client: &str) -> Step {
    let call = w.begin("presence", &json!({"client": client, "topic": {"clan": "c"}})).await?;
    let mut command = peer.expect_one_of(&["presence", "authenticate"]).await?;
    while command["type"] == "authenticate" {
        // A message has said that the token has expired.
        let renewed = json!({"type": "authenticated", "userId": "ada", "expiresAt": "2036-01-31T12:00:00.000Z"});
        peer.reply(&command, &renewed).await;
        command = peer.expect_one_of(&["presence", "authenticate"]).await?;
    }
    peer.reply(&command, &answers::presence("c")).await;
    w.value(call).await.map(drop)
}

async fn close(w: &World<'_>, peer: &mut Peer) -> Step {
    let call = w.begin("close", &json!({"client": "a"})).await?;
    // A message may have ended the connection already.
    if let crate::gateway::Received::Close(code) = peer.next("a close frame").await? {
        peer.close(code).await;
    }
    w.value(call).await.map(drop)
}

async fn server_refused(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    for (stream, clan) in [("s", "clan123"), ("t", "c"), ("z", "another")] {
        w.subscribe(&mut peer, stream, clan, 0).await?;
    }
    for (offset, vector) in (1..).zip(vectors(SERVER_REFUSED)?) {
        peer.write(&frame::text(&vector.text)).await;
        peer.send(&answers::chat("another", offset)).await;
        let failed = |failure| red(format_args!("after the vector \"{}\": {failure}", vector.name()));
        w.chats("z", "another", [offset]).await.map_err(failed)?;
        // Its offset may be given, but never the message.
        while let Some(line) = w.lines().take(|line| line["event"] == "item") {
            check(line["item"]["type"] == "unreadable", || format!("the vector \"{}\" gives {line}", vector.name()))?;
        }
    }
    w.leave_items();
    Ok(())
}

async fn client_accepted(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    for vector in vectors(CLIENT_ACCEPTED)? {
        let message = vector.fields.get("message").filter(|message| !message["requestId"].is_null());
        let Some(message) = message else { continue };
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "authenticate" || kind == "ping" {
            continue;
        }
        let mut fields = message.clone();
        if let Some(members) = fields.as_object_mut() {
            members.remove("type");
            members.remove("requestId");
        }
        let call = w.begin("request", &json!({"client": "a", "type": kind, "fields": fields})).await?;
        let failed = |failure| red(format_args!("the vector \"{}\": {failure}", vector.name()));
        let mut sent = peer.expect(kind).await.map_err(failed)?;
        peer.reply(&sent, &answers::error("forbidden")).await;
        w.fails(call, "forbidden", "refused").await.map_err(failed)?;
        if let Some(members) = sent.as_object_mut() {
            members.remove("type");
            members.remove("requestId");
        }
        same(&format!("the command of the vector \"{}\"", vector.name()), &sent, &fields)?;
    }
    Ok(())
}

async fn client_refused(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let mut refused = 0;
    for vector in vectors(CLIENT_REFUSED)? {
        let Some(message) = vector.fields.get("message").filter(|message| message["type"] == "chat") else { continue };
        // What an app can give: texts, and an object.
        let is_text = |name: &str| message[name].as_str().is_some_and(|text| name == "content" || !text.is_empty());
        let can_be_given = is_text("clanId")
            && is_text("content")
            && (message["messageType"].is_null() || is_text("messageType"))
            && (message["clientMessageId"].is_null() || is_text("clientMessageId"))
            && (message["data"].is_null() || message["data"].is_object());
        let is_of_app = !["", "type", "requestId"].contains(&vector.fields["field"].as_str().unwrap_or_default());
        if !can_be_given || !is_of_app || vector.fields["gatewayOnly"] == true {
            continue;
        }
        let mut fields =
            json!({"client": "a", "topic": {"clan": message["clanId"]}, "data": {"content": message["content"]}});
        for name in ["messageType", "data"] {
            if let Some(member) = message.get(name) {
                fields["data"][name] = member.clone();
            }
        }
        if let Some(id) = message.get("clientMessageId") {
            fields["clientMessageId"] = id.clone();
        }
        let call = w.begin("send", &fields).await?;
        let failed = |failure| red(format_args!("the vector \"{}\": {failure}", vector.name()));
        w.fails(call, "invalid", "not_sent").await.map_err(failed)?;
        refused += 1;
    }
    check(refused > 5, || format!("only {refused} vectors are commands of an app"))?;
    // Nothing of it was sent.
    works(w, &mut peer, "a").await
}
