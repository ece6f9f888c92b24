//! Clients that follow one another as one instance, such as tabs that take over a connection.

use realtime_gateway_sdk_core::{
    client::Client,
    machine::{Action, Attempt, Config, Input, Machine, Reconnection},
};

fn config() -> Config {
    Config {
        seed: [1, 2],
        device_id: None,
        client_name: "test".into(),
        client_version: "0".into(),
        reconnection: Reconnection::default(),
    }
}

/// Connects as far as the first frame; the attempt, and that frame.
fn connect(machine: &mut Machine) -> (Attempt, String) {
    machine.handle(0, Input::Connect);
    machine.handle(0, Input::Token(Ok("t".to_owned())));
    let opened = std::iter::from_fn(|| machine.poll()).find_map(|action| match action {
        Action::Open(attempt) => Some(attempt),
        _ => None,
    });
    let attempt = opened.unwrap();
    machine.handle(1, Input::Opened(attempt));
    let sent = std::iter::from_fn(|| machine.poll()).find_map(|action| match action {
        Action::SendFrame(_, text) => Some(text),
        _ => None,
    });
    (attempt, sent.unwrap())
}

#[test]
fn successor_continues_instance_and_attempt_numbers() {
    let mut machine = Machine::new(config());
    machine.succeed("tabs".to_owned(), 1_000);
    let (attempt, frame) = connect(&mut machine);
    assert_eq!(attempt.number(), 1_001);
    assert!(frame.contains(r#""instance":"tabs","attempt":1001"#), "{frame}");
}

#[test]
fn attempt_numbers_never_decrease() {
    let mut machine = Machine::new(config());
    machine.succeed("tabs".to_owned(), 1_000);
    machine.succeed("tabs".to_owned(), 10);
    assert_eq!(connect(&mut machine).0.number(), 1_001);
}

/// A client with a live connection.
fn online() -> Client {
    let mut client = Client::open(r#"{"seed":[1,2,3,4],"name":"test","version":"0"}"#).unwrap();
    give(&mut client, r#"{"type":"connect"}"#, "");
    give(&mut client, r#"{"type":"token","token":"t"}"#, "");
    give(&mut client, r#"{"type":"opened","connection":1}"#, "");
    receive(
        &mut client,
        r#"{"type":"connected","requestId":"1","userId":"u","message":"hello","sessionId":"s","protocolVersion":1,"features":[],"services":[],"expiresAt":"2026-01-31T13:00:00.000Z","serverTime":"2026-01-31T12:00:00.000Z","heartbeatIntervalMs":25000,"maxMessageBytes":65536,"limits":{"messagesPerSecond":20,"burst":40,"subscriptions":100}}"#,
    );
    client
}

fn give(client: &mut Client, head: &str, body: &str) -> String {
    let head = head.strip_suffix('}').unwrap();
    client.handle(0, &format!("{head},\"body\":{}}}\n{body}", body.len())).unwrap()
}

fn receive(client: &mut Client, frame: &str) -> String {
    give(client, r#"{"type":"frame","connection":1}"#, frame)
}

const REFUSAL: &str = r#"{"type":"error","requestId":"2","code":"forbidden","message":"no"}"#;

#[test]
fn repeats_doubtful_call_and_reports_unknown_outcome_after_refusal() {
    for (doubtful, outcome) in [("true", r#""outcome":"unknown""#), ("false", r#""outcome":"refused""#)] {
        let mut client = online();
        let head = format!(r#"{{"type":"call","call":7,"command":"chat","doubtful":{doubtful}}}"#);
        let sent = give(&mut client, &head, r#"{"clanId":"c","content":"x","clientMessageId":"n"}"#);
        assert!(sent.contains(r#""type":"chat""#), "{sent}");
        let refused = receive(&mut client, REFUSAL);
        assert!(refused.contains(r#""call":7"#) && refused.contains(outcome), "{refused}");
    }
}

#[test]
fn does_not_repeat_doubtful_request() {
    let mut client = online();
    let output = give(&mut client, r#"{"type":"request","call":7,"command":"ping","doubtful":true}"#, "{}");
    assert!(output.contains(r#""code":"disconnected""#) && output.contains(r#""outcome":"unknown""#), "{output}");
    assert!(!output.contains(r#""type":"send""#), "{output}");
}

#[test]
fn stream_continues_from_position_of_app() {
    let mut client = online();
    let head = r#"{"type":"subscribe","stream":1,"command":"subscribe_clan_chat","position":{"offset":4,"epoch":"e"}}"#;
    let output = give(&mut client, head, r#"{"clanId":"c","history":50}"#);
    assert!(output.contains(r#""recover":{"offset":4,"epoch":"e"}"#) && !output.contains("history"), "{output}");
}
