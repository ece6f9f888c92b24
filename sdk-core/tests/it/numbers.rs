//! Numbers that are not of the protocol, or far beyond what a gateway means: they change no position, and no sum overflows.

use realtime_gateway_sdk_core::machine::{
    Action, Attempt, Command, Input, OpenFailure, StreamId, SubscribeOptions, Ticket,
};
use realtime_gateway_sdk_core::protocol::*;
use realtime_gateway_sdk_core::{Event, Position, Topic};
use serde_json::{Value, json};

use crate::{server_side::Driven, stories::clan};

const STREAM: StreamId = StreamId(7);

/// A stream of a clan at offset 1, and the connection.
fn subscribed() -> (Driven, Attempt) {
    let mut driven = Driven::new();
    let options = SubscribeOptions::default();
    driven.input(Input::Command(Command::Subscribe { stream: STREAM, topic: clan(), options, timeout: 60_000 }));
    let attempt = driven.connect();
    confirm(&mut driven, attempt, 0);
    driven.frame(attempt, chat(1));
    assert_eq!(positions(&mut driven), [Some(1)]);
    (driven, attempt)
}

/// Confirms the subscription that was sent last. Returns the command.
fn confirm(driven: &mut Driven, attempt: Attempt, head: u64) -> Value {
    let (_, subscribe) = driven.sent.pop().expect("a command");
    let confirmed = json!({
        "type": "subscription_confirmed", "requestId": subscribe["requestId"], "service": "clan_chat",
        "status": "subscribed", "clanId": "c", "offset": head, "epoch": "e", "recovered": true,
    });
    driven.frame(attempt, confirmed);
    subscribe
}

fn chat(offset: u64) -> Value {
    json!({
        "type": "chat", "clanId": "c", "messageId": format!("m{offset}"), "offset": offset, "userId": "u",
        "messageType": "TEXT", "content": "hello", "sentAt": "2029-01-01T00:00:00.000Z",
    })
}

/// Takes what the stream was given: the offset of each position.
fn positions(driven: &mut Driven) -> Vec<Option<u64>> {
    let actions = std::mem::take(&mut driven.actions);
    let delivered = |action| match action {
        Action::Deliver(STREAM, delivery) => Some(delivery.position.as_ref().map(Position::offset)),
        _ => None,
    };
    actions.into_iter().filter_map(delivered).collect()
}

/// Checks that the stream continues after offset 1, here and on the next connection.
fn continues(driven: &mut Driven, attempt: Attempt, frame: &str) {
    assert!(positions(driven).iter().all(Option::is_none), "{frame} moves the position");
    driven.frame(attempt, chat(2));
    assert_eq!(positions(driven), [Some(2)], "after {frame}");
    driven.sent.clear();
    driven.input(Input::Closed(attempt, CloseCode(1006)));
    let next = driven.connect();
    let subscribe = confirm(driven, next, 2);
    assert_eq!(subscribe["recover"], json!({ "offset": 2, "epoch": "e" }), "after {frame}");
}

#[test]
fn offset_that_no_entry_has_moves_no_position() {
    let wrong = [
        "9007199254740992",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "1e400",
        "-1",
        "-0",
        "0",
        "2.5",
        "2.0",
        "2e0",
        "\"2\"",
        "null",
        "[2]",
        "true",
    ];
    // A message that this version knows, one of a later version, and one with two invalid fields.
    let messages = [
        r#"{"type":"chat","clanId":"c","messageId":"m","offset":N,"userId":"u","messageType":"TEXT","content":"x","sentAt":"2029-01-01T00:00:00.000Z"}"#,
        r#"{"type":"later","clanId":"c","offset":N}"#,
        r#"{"type":"chat_deleted","clanId":"c","messageId":7,"offset":N,"deletedAt":"2029-01-01T00:00:00.000Z"}"#,
    ];
    for message in messages {
        for number in wrong {
            let (mut driven, attempt) = subscribed();
            let frame = message.replace('N', number);
            driven.input(Input::Frame(attempt, &frame));
            continues(&mut driven, attempt, &frame);
        }
    }
}

#[test]
fn offset_of_message_that_is_no_entry_moves_no_position() {
    let frames = [
        // Replies. The entry that they report has not arrived yet.
        r#"{"type":"message_sent","requestId":"77","messageId":7,"offset":9,"clanId":"c"}"#,
        r#"{"type":"stored_by_a_later_version","requestId":"77","offset":9,"clanId":"c"}"#,
        r#"{"type":"subscription_confirmed","requestId":"77","service":"clan_chat","clanId":"c","status":7,"offset":9,"epoch":"e"}"#,
        r#"{"type":"subscription_reset","service":"clan_chat","clanId":"c","offset":9,"epoch":7,"reason":"lost"}"#,
        r#"{"type":"subscription_reset","service":"clan_chat","clanId":"c","offset":9007199254740992,"epoch":"e","reason":"lost"}"#,
        // Fields of a later version.
        r#"{"type":"typing","clanId":"c","userId":"u","isTyping":true,"offset":9}"#,
        r#"{"type":"typing","clanId":"c","userId":"u","isTyping":"yes","offset":9}"#,
        r#"{"type":"presence_changed","clanId":"c","userId":"u","status":"online","offset":9}"#,
    ];
    for frame in frames {
        let (mut driven, attempt) = subscribed();
        driven.input(Input::Frame(attempt, frame));
        continues(&mut driven, attempt, frame);
    }
}

#[test]
fn unreadable_entry_moves_position() {
    let (mut driven, attempt) = subscribed();
    let frame = r#"{"type":"chat","clanId":"c","messageId":7,"offset":2}"#;
    driven.input(Input::Frame(attempt, frame));
    assert_eq!(positions(&mut driven), [Some(2)]);
    driven.frame(attempt, chat(2));
    assert_eq!(positions(&mut driven), [None; 0], "the entry came already");
}

#[test]
fn long_waits_are_bounded_and_do_not_overflow() {
    for wait in [u64::MAX, u64::MAX - 1, 1 << 53, 1 << 32] {
        let (mut driven, attempt) = subscribed();
        let send = SendChat {
            clan_id: ClanId::new("c").unwrap(),
            content: ChatContent::new("x").unwrap(),
            message_type: None,
            data: None,
            client_message_id: None,
        };
        driven.input(Input::Command(Command::Send { ticket: Ticket(1), publication: send.into(), timeout: 10_000 }));
        driven.input(Input::Command(Command::Ack {
            ticket: Ticket(2),
            ids: vec![NotificationId::new("n").unwrap()],
            timeout: 10_000,
        }));
        let sent = std::mem::take(&mut driven.sent);
        assert_eq!(sent.len(), 2);
        for (_, command) in sent {
            let refused = json!({
                "type": "error", "requestId": command["requestId"], "code": "rate_limited", "message": "m",
                "retryAfterMs": wait,
            });
            driven.frame(attempt, refused);
        }
        let ended = json!({
            "type": "subscription_ended", "service": "clan_chat", "clanId": "c", "code": "unavailable", "message": "m",
            "retryAfterMs": wait,
        });
        driven.frame(attempt, ended);
        driven.frame(attempt, json!({ "type": "reconnect", "afterMs": wait, "reason": "shutdown" }));
        assert!(driven.sent.is_empty(), "{wait}: nothing is repeated immediately: {:?}", driven.sent);
    }
}

#[test]
fn retry_after_header_is_bounded() {
    for value in ["18446744073709551615", "9223372036854775807", "99999999999999999999999", "-5", "1e9"] {
        let mut driven = Driven::new();
        driven.input(Input::Connect);
        let attempt = driven.opened();
        let retry_after = Some(value.to_owned());
        let failure = OpenFailure { message: "busy".to_owned(), status: Some(503), retry_after };
        driven.input(Input::OpenFailed(attempt, failure));
        let deadline = driven.deadline().unwrap();
        // Without a number that makes sense, the backoff applies.
        assert!(deadline <= 1 << 31, "{value}: {deadline}");
    }
}

#[test]
fn greeting_with_huge_numbers_is_accepted() {
    let mut driven = Driven::new();
    driven.input(Input::Connect);
    let attempt = driven.opened();
    driven.input(Input::Opened(attempt));
    let (_, authenticate) = driven.sent.pop().unwrap();
    driven.frame(
        attempt,
        json!({
            "type": "connected", "requestId": authenticate["requestId"], "userId": "u", "message": "hello",
            "sessionId": "s", "protocolVersion": u32::MAX, "features": [], "services": [],
            "expiresAt": "9999-12-31T23:59:59.999Z", "heartbeatIntervalMs": u64::MAX, "maxMessageBytes": u64::MAX,
            "limits": { "messagesPerSecond": u32::MAX, "burst": u32::MAX, "subscriptions": u32::MAX },
            "serverTime": "1970-01-01T00:00:00.000Z",
        }),
    );
    let topic = Topic::Notifications;
    let options = SubscribeOptions::default();
    driven.input(Input::Command(Command::Subscribe { stream: STREAM, topic, options, timeout: 60_000 }));
    let (_, subscribe) = driven.sent.pop().unwrap();
    let confirmed = json!({
        "type": "subscription_confirmed", "requestId": subscribe["requestId"], "service": "notifications",
        "status": "subscribed", "pending": u64::MAX,
    });
    driven.frame(attempt, confirmed);
    let counts = driven.actions.iter().filter_map(|action| match action {
        Action::Pending(count) => Some(*count),
        _ => None,
    });
    assert_eq!(counts.collect::<Vec<_>>(), [(1 << 31) - 1], "a count that every language can hold");
    let notification = json!({ "type": "notification", "id": "n", "title": "t", "message": "m", "offset": u64::MAX });
    driven.frame(attempt, notification);
    let delivered = driven.actions.iter().any(|action| match action {
        Action::Deliver(STREAM, delivery) => matches!(&delivery.event, Event::Message(_)),
        _ => false,
    });
    assert!(!delivered, "without its required fields it is no notification");
}
