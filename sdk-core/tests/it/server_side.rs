//! Subscriptions that the server makes: their events, and what is recovered after a reconnection.

use realtime_gateway_sdk_core::machine::{Action, Attempt, Command, Config, Input, Machine, Reconnection, StreamId};
use realtime_gateway_sdk_core::protocol::*;
use realtime_gateway_sdk_core::{Event, GapReason, ServerSideEvent, Topic};
use serde_json::{Value, json};

/// A machine whose frames are collected.
pub(crate) struct Driven {
    machine: Machine,
    now: u64,
    pub(crate) sent: Vec<(Attempt, Value)>,
    opened: Vec<Attempt>,
    items: Vec<ServerSideEvent>,
    /// What the driver would carry out besides.
    pub(crate) actions: Vec<Action>,
}

pub(crate) const STREAM: StreamId = StreamId(1);

impl Driven {
    pub(crate) fn new() -> Self {
        let machine = Machine::new(Config {
            seed: [1, 2],
            device_id: None,
            client_name: "test".into(),
            client_version: "0".into(),
            reconnection: Reconnection::default(),
        });
        Self { machine, now: 0, sent: vec![], opened: vec![], items: vec![], actions: vec![] }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        while let Some(action) = self.machine.poll() {
            match action {
                Action::Open(attempt) => self.opened.push(attempt),
                Action::RequestToken => self.machine.handle(self.now, Input::Token(Ok("t".into()))),
                Action::SendFrame(attempt, text) => self.sent.push((attempt, serde_json::from_str(&text).unwrap())),
                Action::Deliver(STREAM, delivery) => self.items.extend(ServerSideEvent::from_event(delivery.event)),
                other => self.actions.push(other),
            }
        }
    }

    pub(crate) fn frame(&mut self, attempt: Attempt, message: Value) {
        self.input(Input::Frame(attempt, &message.to_string()));
    }

    /// When the machine wants to be called next.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.machine.deadline()
    }

    /// Lets time pass until the machine opens a connection.
    pub(crate) fn opened(&mut self) -> Attempt {
        while self.opened.is_empty() {
            self.now = self.machine.deadline().unwrap();
            self.input(Input::Tick);
        }
        self.opened.remove(0)
    }

    /// Opens a connection and authenticates it.
    pub(crate) fn connect(&mut self) -> Attempt {
        self.input(Input::Connect);
        let attempt = self.opened();
        self.input(Input::Opened(attempt));
        let (_, authenticate) = self.sent.pop().unwrap();
        self.frame(
            attempt,
            json!({
                "type": "connected", "requestId": authenticate["requestId"], "userId": "u", "message": "hello",
                "sessionId": "s", "protocolVersion": 1, "features": [], "services": [],
                "expiresAt": "2030-01-01T00:00:00.000Z", "heartbeatIntervalMs": 30_000, "maxMessageBytes": 65_536,
                "limits": { "messagesPerSecond": 100, "burst": 100, "subscriptions": 100 },
                "serverTime": "2029-01-01T00:00:00.000Z",
            }),
        );
        attempt
    }

    /// Lets time pass until a command is sent.
    pub(crate) fn run_until_sent(&mut self) {
        while self.sent.is_empty() {
            self.now = self.machine.deadline().unwrap();
            self.input(Input::Tick);
        }
    }

    pub(crate) fn follow(&mut self) {
        self.input(Input::Command(Command::FollowServer(STREAM, vec![])));
    }

    pub(crate) fn taken(&mut self) -> Vec<ServerSideEvent> {
        std::mem::take(&mut self.items)
    }
}

pub(crate) fn confirmed(topic: &str, offset: u64) -> Value {
    json!({
        "type": "subscription_confirmed", "service": "orders", "topic": topic, "status": "subscribed", "offset": offset,
        "epoch": "e", "recovered": false, "origin": "server",
    })
}

pub(crate) fn event(topic: &str, offset: u64) -> Value {
    json!({
        "type": "event", "service": "orders", "topic": topic, "messageId": format!("m{offset}"), "data": offset,
        "publishedAt": "2029-01-01T00:00:00.000Z", "offset": offset,
    })
}

fn offsets(events: &[ServerSideEvent]) -> Vec<u64> {
    let offset = |event: &ServerSideEvent| match event {
        ServerSideEvent::Message(event) => Some(event.offset),
        _ => None,
    };
    events.iter().filter_map(offset).collect()
}

pub(crate) fn topic() -> Topic {
    Topic::Service(ServiceName::new("orders").unwrap(), TopicName::new("order-1").unwrap())
}

#[test]
fn delivers_events_of_topics_that_the_server_chose() {
    let mut driven = Driven::new();
    driven.follow();
    let attempt = driven.connect();
    driven.frame(attempt, confirmed("order-1", 5));
    driven.frame(attempt, event("order-1", 6));
    driven.frame(attempt, event("order-2", 1));
    let items = driven.taken();
    assert!(matches!(&items[0], ServerSideEvent::Subscribed(confirmed) if confirmed.offset == Some(5)), "{items:?}");
    assert_eq!(offsets(&items), [6], "nothing of a topic without subscription");
    driven.frame(
        attempt,
        json!({ "type": "subscription_ended", "service": "orders", "topic": "order-1", "code": "forbidden", "message": "m" }),
    );
    driven.frame(attempt, event("order-1", 7));
    let items = driven.taken();
    assert!(matches!(&items[..], [ServerSideEvent::Ended(ended)] if ended.code == ErrorCode::Forbidden), "{items:?}");
    assert!(driven.sent.is_empty(), "no command was needed: {:?}", driven.sent);
}

#[test]
fn recovers_after_reconnection_and_skips_what_it_had() {
    let mut driven = Driven::new();
    driven.follow();
    let first = driven.connect();
    driven.frame(first, confirmed("order-1", 5));
    driven.frame(first, event("order-1", 6));
    driven.taken();
    driven.input(Input::Closed(first, CloseCode::ABNORMAL));
    let second = driven.connect();
    driven.frame(second, confirmed("order-1", 8));
    let (_, recover) = driven.sent.pop().unwrap();
    assert_eq!(
        recover,
        json!({
            "type": "subscribe", "service": "orders", "topic": "order-1", "recover": { "offset": 6, "epoch": "e" },
            "serverSide": true, "requestId": recover["requestId"],
        })
    );
    // A live event that overtakes the replay follows again.
    driven.frame(second, event("order-1", 9));
    assert_eq!(driven.taken(), []);
    let mut reply = confirmed("order-1", 8);
    (reply["requestId"], reply["recovered"]) = (recover["requestId"].clone(), json!(true));
    driven.frame(second, reply);
    for offset in [6, 7, 8, 9] {
        driven.frame(second, event("order-1", offset));
    }
    assert_eq!(offsets(&driven.taken()), [7, 8, 9]);
    // Nothing was missed: no command.
    driven.input(Input::Closed(second, CloseCode::ABNORMAL));
    let third = driven.connect();
    driven.frame(third, confirmed("order-1", 9));
    driven.frame(third, event("order-1", 10));
    assert!(driven.sent.is_empty(), "{:?}", driven.sent);
    let items = driven.taken();
    assert_eq!((offsets(&items), items.len()), (vec![10], 1), "a subscription that continues is not announced again");
}

#[test]
fn reports_gap_when_entries_are_gone() {
    let mut driven = Driven::new();
    driven.follow();
    let first = driven.connect();
    driven.frame(first, confirmed("order-1", 5));
    driven.input(Input::Closed(first, CloseCode::ABNORMAL));
    let second = driven.connect();
    driven.taken();
    driven.frame(second, confirmed("order-1", 90));
    let (_, recover) = driven.sent.pop().unwrap();
    let mut reply = confirmed("order-1", 90);
    reply["requestId"] = recover["requestId"].clone();
    driven.frame(second, reply);
    let items = driven.taken();
    let [ServerSideEvent::Gap(of, gap)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((of, gap.before, gap.after.offset(), gap.reason), (&topic(), 5, 90, GapReason::Trimmed));
    driven.frame(second, event("order-1", 91));
    assert_eq!(offsets(&driven.taken()), [91]);
}

#[test]
fn repeats_recovery_that_is_refused_for_now() {
    let mut driven = Driven::new();
    driven.follow();
    let first = driven.connect();
    driven.frame(first, confirmed("order-1", 5));
    driven.input(Input::Closed(first, CloseCode::ABNORMAL));
    let second = driven.connect();
    driven.frame(second, confirmed("order-1", 6));
    let (_, recover) = driven.sent.pop().unwrap();
    driven.frame(
        second,
        json!({ "type": "error", "code": "unavailable", "message": "m", "requestId": recover["requestId"], "retryAfterMs": 500 }),
    );
    assert!(driven.sent.is_empty());
    driven.now += 500;
    driven.input(Input::Tick);
    assert_eq!(driven.sent.pop().unwrap().1["recover"], json!({ "offset": 5, "epoch": "e" }));
}

#[test]
fn stream_that_is_opened_later_gets_what_no_stream_has_read() {
    let mut driven = Driven::new();
    let attempt = driven.connect();
    driven.frame(attempt, confirmed("order-1", 5));
    driven.frame(attempt, event("order-1", 6));
    assert!(driven.taken().is_empty() && driven.sent.is_empty());
    driven.follow();
    assert!(matches!(&driven.taken()[..], [ServerSideEvent::Subscribed(_)]));
    assert_eq!(driven.sent.pop().unwrap().1["recover"], json!({ "offset": 5, "epoch": "e" }));
}

#[test]
fn own_stream_of_same_topic_gets_events_too() {
    let mut driven = Driven::new();
    driven.follow();
    let attempt = driven.connect();
    driven.frame(attempt, confirmed("order-1", 5));
    let own = StreamId(2);
    let options = Default::default();
    driven.input(Input::Command(Command::Subscribe { stream: own, topic: topic(), options, timeout: 1_000 }));
    let (_, subscribe) = driven.sent.pop().unwrap();
    assert_eq!(subscribe["serverSide"], Value::Null);
    let mut reply = confirmed("order-1", 5);
    reply.as_object_mut().unwrap().remove("origin");
    reply["requestId"] = subscribe["requestId"].clone();
    driven.frame(attempt, reply);
    driven.machine.handle(driven.now, Input::Frame(attempt, &event("order-1", 6).to_string()));
    let mut streams = Vec::new();
    while let Some(action) = driven.machine.poll() {
        if let Action::Deliver(stream, delivery) = action {
            assert!(matches!(delivery.event, Event::Message(_)));
            streams.push(stream);
        }
    }
    streams.sort();
    assert_eq!(streams, [STREAM, own]);
}
