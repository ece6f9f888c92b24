//! Topics without history: events without position, publications that are only accepted, and a contract that changes.

use realtime_gateway_sdk_core::machine::{Action, Attempt, Command, Input, StreamId, SubscribeOptions, Ticket};
use realtime_gateway_sdk_core::protocol::*;
use realtime_gateway_sdk_core::{Delivery, Position, ServerSideEvent, Topic, TopicEvent};
use serde_json::{Value, json};

use crate::server_side::{Driven, confirmed, event, topic};

const OF_APP: StreamId = StreamId(7);

fn ephemeral(text: &str) -> Value {
    json!({
        "type": "ephemeral_event", "service": "orders", "topic": "order-1", "data": text,
        "publishedAt": "2029-01-01T00:00:00.000Z",
    })
}

/// Returns the reply to the only command that was sent, which subscribes with these fields besides the topic.
fn answered(driven: &mut Driven, fields: Value, mut reply: Value) -> Value {
    let (_, mut sent) = driven.sent.pop().expect("a command");
    assert!(driven.sent.is_empty(), "{:?}", driven.sent);
    reply["requestId"] = sent["requestId"].take();
    let mut expected = json!({ "type": "subscribe", "service": "orders", "topic": "order-1", "requestId": null });
    expected.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    assert_eq!(sent, expected);
    reply
}

fn confirmed_without_position() -> Value {
    json!({ "type": "subscription_confirmed", "service": "orders", "topic": "order-1", "status": "subscribed" })
}

/// Takes the deliveries to the stream of the app.
fn deliveries(driven: &mut Driven) -> Vec<Delivery> {
    let actions = std::mem::take(&mut driven.actions);
    let delivery = |action| match action {
        Action::Deliver(OF_APP, delivery) => Some(delivery),
        _ => None,
    };
    actions.into_iter().filter_map(delivery).collect()
}

/// Returns the data of each event, with its offset or null. A gap is the text `gap`.
fn data(deliveries: Vec<Delivery>) -> Vec<(Value, Option<u64>)> {
    let of = |Delivery { position, event }| match TopicEvent::from_event(event).unwrap() {
        TopicEvent::Message(event) => {
            (event.data.decode().unwrap(), position.map(|position: Position| position.offset()))
        }
        TopicEvent::Ephemeral(event) => {
            assert_eq!(position, None);
            (event.data.decode().unwrap(), None)
        }
        TopicEvent::Gap(_) => (json!("gap"), position.map(|position: Position| position.offset())),
        other => panic!("{other:?}"),
    };
    deliveries.into_iter().map(of).collect()
}

fn subscribe(driven: &mut Driven, options: SubscribeOptions) -> Attempt {
    let command = Command::Subscribe { stream: OF_APP, topic: topic(), options, timeout: 60_000 };
    driven.input(Input::Command(command));
    driven.connect()
}

#[test]
fn delivers_events_without_position_and_requests_nothing_after_reconnection() {
    let mut driven = Driven::new();
    let first = subscribe(&mut driven, SubscribeOptions { history: Some(10), ..SubscribeOptions::default() });
    let reply = answered(&mut driven, json!({ "history": 10 }), confirmed_without_position());
    driven.frame(first, reply);
    let started = driven.actions.iter().any(|action| matches!(action, Action::Subscribed(OF_APP, Ok(None))));
    assert!(started, "the subscription is confirmed");
    driven.frame(first, ephemeral("a"));
    assert_eq!(data(deliveries(&mut driven)), [(json!("a"), None)]);
    driven.input(Input::Closed(first, CloseCode(1006)));
    let second = driven.connect();
    let reply = answered(&mut driven, json!({}), confirmed_without_position());
    driven.frame(second, ephemeral("before the confirmation"));
    driven.frame(second, reply);
    driven.frame(second, ephemeral("b"));
    assert_eq!(data(deliveries(&mut driven)), [(json!("b"), None)], "without a gap");
}

#[test]
fn resolves_publication_that_was_accepted() {
    let mut driven = Driven::new();
    let attempt = driven.connect();
    let Topic::Service(service, name) = topic() else { panic!("a topic of a service") };
    let publish = Publish { service, topic: name, data: RawJson::parse("1").unwrap(), client_message_id: None };
    driven.input(Input::Command(Command::Send { ticket: Ticket(3), publication: publish.into(), timeout: 60_000 }));
    let (_, sent) = driven.sent.pop().unwrap();
    let accepted = json!({
        "type": "publish_accepted", "service": "orders", "topic": "order-1", "requestId": sent["requestId"],
        "clientMessageId": sent["clientMessageId"],
    });
    driven.frame(attempt, accepted);
    let resolved = driven.actions.iter().find_map(|action| match action {
        Action::Resolve(Ticket(3), Ok(Some(frame))) => Some(frame.message()),
        _ => None,
    });
    assert!(matches!(resolved, Some(ServerMessage::PublishAccepted(_))), "{resolved:?}");
}

#[test]
fn gets_position_when_topic_has_history_and_keeps_it_without() {
    let mut driven = Driven::new();
    let attempt = subscribe(&mut driven, SubscribeOptions::default());
    let reply = answered(&mut driven, json!({}), confirmed_without_position());
    driven.frame(attempt, reply);
    // Another node has the new contract already.
    driven.frame(attempt, event("order-1", 4));
    let ended = json!({
        "type": "subscription_ended", "service": "orders", "topic": "order-1", "code": "unavailable", "message": "m",
    });
    driven.frame(attempt, ended);
    driven.run_until_sent();
    let head = json!({ "offset": 5, "epoch": "e", "recovered": false });
    let mut reply = confirmed_without_position();
    reply.as_object_mut().unwrap().extend(head.as_object().unwrap().clone());
    let reply = answered(&mut driven, json!({}), reply);
    driven.frame(attempt, reply);
    driven.frame(attempt, event("order-1", 6));
    assert_eq!(data(deliveries(&mut driven)), [(json!(4), None), (json!(6), Some(6))]);
    // Without history again, the position is sent, ignored by the gateway, and kept.
    let mut before = attempt;
    for text in ["a", "b"] {
        driven.input(Input::Closed(before, CloseCode(1006)));
        let next = driven.connect();
        let recover = json!({ "recover": { "offset": 6, "epoch": "e" } });
        let reply = answered(&mut driven, recover, confirmed_without_position());
        driven.frame(next, reply);
        driven.frame(next, ephemeral(text));
        assert_eq!(data(deliveries(&mut driven)), [(json!(text), None)]);
        before = next;
    }
}

#[test]
fn server_side_subscription_needs_no_position() {
    let mut driven = Driven::new();
    driven.follow();
    let first = driven.connect();
    let mut announced = confirmed_without_position();
    announced["origin"] = json!("server");
    driven.frame(first, announced.clone());
    driven.frame(first, ephemeral("a"));
    let items = driven.taken();
    assert!(matches!(&items[..], [ServerSideEvent::Subscribed(_), ServerSideEvent::Ephemeral(_)]), "{items:?}");
    driven.input(Input::Closed(first, CloseCode(1006)));
    let second = driven.connect();
    driven.frame(second, announced);
    driven.frame(second, ephemeral("b"));
    assert!(matches!(&driven.taken()[..], [ServerSideEvent::Ephemeral(_)]), "announced once");
    assert!(driven.sent.is_empty(), "nothing can be requested: {:?}", driven.sent);
    // The topic has a history now. Its position is that of the confirmation.
    driven.frame(second, confirmed("order-1", 3));
    driven.frame(second, event("order-1", 4));
    driven.input(Input::Closed(second, CloseCode(1006)));
    let third = driven.connect();
    driven.frame(third, confirmed("order-1", 6));
    assert_eq!(driven.sent.len(), 1);
    assert_eq!(driven.sent[0].1["recover"], json!({ "offset": 4, "epoch": "e" }));
    // Without history again, nothing waits for the reply.
    let mut announced = confirmed_without_position();
    announced["origin"] = json!("server");
    driven.frame(third, announced);
    driven.taken();
    driven.frame(third, ephemeral("c"));
    assert!(matches!(&driven.taken()[..], [ServerSideEvent::Ephemeral(_)]));
}
