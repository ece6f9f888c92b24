//! Clients that follow one another as one instance, such as tabs that take over a connection.

use realtime_gateway_sdk::machine::{Action, Attempt, Config, Input, Machine, Reconnection};

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
fn a_successor_names_the_same_instance_and_counts_on() {
    let mut machine = Machine::new(config());
    machine.succeed("tabs".to_owned(), 1_000);
    let (attempt, frame) = connect(&mut machine);
    assert_eq!(attempt.number(), 1_001);
    assert!(frame.contains(r#""instance":"tabs","attempt":1001"#), "{frame}");
}

#[test]
fn attempts_never_fall() {
    let mut machine = Machine::new(config());
    machine.succeed("tabs".to_owned(), 1_000);
    machine.succeed("tabs".to_owned(), 10);
    assert_eq!(connect(&mut machine).0.number(), 1_001);
}
