//! The protocol's vectors: what a client must take, hand on, refuse and write.

use std::{fs, path::Path};

use realtime_gateway_sdk_core::machine::{Action, Attempt, Command, Config, Input, Machine, Reconnection, StreamId};
use realtime_gateway_sdk_core::protocol::{Envelope, ServerMessage, decode_client, decode_server, encode_client};
use realtime_gateway_sdk_core::{Event, Topic};
use serde_json::Value;

fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn frame(vector: &Value) -> String {
    vector["text"].as_str().map_or_else(|| vector["message"].to_string(), str::to_owned)
}

/// A machine with an open connection that shows the app every message.
fn watching() -> (Machine, Attempt, StreamId) {
    let config = Config {
        seed: [1, 2],
        device_id: None,
        client_name: "test".into(),
        client_version: "0".into(),
        reconnection: Reconnection::default(),
    };
    let mut machine = Machine::new(config);
    let watcher = StreamId(1);
    machine.handle(0, Input::Command(Command::Watch(watcher)));
    machine.handle(0, Input::Token(Ok("t".into())));
    let attempt = std::iter::from_fn(|| machine.poll()).find_map(|action| match action {
        Action::Open(attempt) => Some(attempt),
        _ => None,
    });
    let attempt = attempt.unwrap();
    machine.handle(0, Input::Opened(attempt));
    while machine.poll().is_some() {}
    (machine, attempt, watcher)
}

fn delivered(machine: &mut Machine, watcher: StreamId) -> Vec<ServerMessage> {
    let deliveries = std::iter::from_fn(|| machine.poll()).filter_map(|action| match action {
        Action::Deliver(stream, delivery) if stream == watcher => Some(delivery.event),
        _ => None,
    });
    let messages = deliveries.map(|event| match event {
        Event::Message(frame) => frame.message(),
        Event::Gap(gap) | Event::TopicGap(_, gap) => panic!("{gap:?}"),
    });
    messages.collect()
}

#[test]
fn delivers_accepted_messages_of_vectors() {
    let vectors = vectors("server/accepted.json");
    assert!(vectors.len() > 20);
    for vector in vectors {
        let (mut machine, attempt, watcher) = watching();
        machine.handle(0, Input::Frame(attempt, &frame(&vector)));
        let messages = delivered(&mut machine, watcher);
        assert_eq!(messages.len(), 1, "{}", vector["name"]);
        assert_eq!(messages[0].type_name(), vector["type"], "{}", vector["name"]);
        let unknown = matches!(messages[0], ServerMessage::Unknown(_));
        assert_eq!(unknown, vector["known"] == false, "{}", vector["name"]);
    }
}

#[test]
fn ignores_unusable_messages_of_vectors() {
    let vectors = vectors("server/refused.json");
    assert!(vectors.len() > 5);
    for vector in vectors {
        let text = frame(&vector);
        let error = decode_server(&text).expect_err(vector["name"].as_str().unwrap());
        assert_eq!(error.code().as_str(), vector["code"], "{}", vector["name"]);
        let (mut machine, attempt, watcher) = watching();
        machine.handle(0, Input::Frame(attempt, &text));
        // At most it is handed on as something unknown; it never passes for what it is not.
        let messages = delivered(&mut machine, watcher);
        assert!(messages.iter().all(|message| matches!(message, ServerMessage::Unknown(_))), "{}", vector["name"]);
    }
}

#[test]
fn unknown_entry_advances_position() {
    let (mut machine, attempt, _) = watching();
    let text = encode_connected();
    machine.handle(0, Input::Frame(attempt, &text));
    let mut seen = 0;
    for vector in vectors("server/accepted.json").into_iter().filter(|vector| vector["offset"].is_u64()) {
        let message: Value = serde_json::from_str(&frame(&vector)).unwrap();
        let Some(clan) = message["clanId"].as_str() else { continue };
        let stream = StreamId(100 + seen);
        let topic = Topic::Clan(clan.parse().unwrap());
        let command = Command::Subscribe { stream, topic, options: Default::default(), timeout: 1_000 };
        machine.handle(0, Input::Command(command));
        let subscribe = std::iter::from_fn(|| machine.poll()).find_map(|action| match action {
            Action::SendFrame(_, text) if text.contains("subscribe_clan_chat") => Some(text),
            _ => None,
        });
        let subscribe: Value = serde_json::from_str(&subscribe.unwrap()).unwrap();
        let confirmed = serde_json::json!({
            "type": "subscription_confirmed", "requestId": subscribe["requestId"], "service": "clan_chat",
            "status": "subscribed", "clanId": clan, "offset": 0, "epoch": "e", "recovered": false,
        });
        machine.handle(0, Input::Frame(attempt, &confirmed.to_string()));
        machine.handle(0, Input::Frame(attempt, &frame(&vector)));
        let position = std::iter::from_fn(|| machine.poll()).find_map(|action| match action {
            Action::Deliver(to, delivery) if to == stream => delivery.position,
            _ => None,
        });
        assert_eq!(position.unwrap().offset(), vector["offset"].as_u64().unwrap(), "{}", vector["name"]);
        machine.handle(0, Input::Command(Command::Drop(stream)));
        seen += 1;
    }
    assert!(seen > 0, "the vectors show an unknown entry of a clan");
}

#[test]
fn encodes_every_command_of_vectors() {
    for vector in vectors("client/accepted.json") {
        let Envelope { request_id, message } = decode_client(&frame(&vector)).unwrap();
        let written: Value = serde_json::from_str(&encode_client(&Envelope { request_id, message })).unwrap();
        let expected =
            vector.get("encodesAs").cloned().unwrap_or_else(|| serde_json::from_str(&frame(&vector)).unwrap());
        assert_eq!(written, expected, "{}", vector["name"]);
    }
}

fn encode_connected() -> String {
    let vectors = vectors("server/accepted.json");
    frame(vectors.iter().find(|vector| vector["type"] == "connected").unwrap())
}
