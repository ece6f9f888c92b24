//! Whatever a driver gives to the C interface of the core, nothing panics, no memory is misused, and the output of a call
//! is a sequence of messages.
//!
//! The input is a list of records that end with 0xff, which is in no UTF-8. The first byte of each chooses the call.
#![no_main]

use std::{ptr, slice};

use gateway_core::{
    GW_INVALID, GW_NO_CLIENT, GW_OK, gw_close, gw_deadline, gw_free, gw_handle, gw_open, gw_take, gw_text,
};
use libfuzzer_sys::fuzz_target;
use realtime_gateway_protocol::Outline;

/// Heads whose body is the rest of the record, without the end.
const HEADS: [&str; 12] = [
    r#"{"type":"frame","connection":1"#,
    r#"{"type":"frame","connection":2"#,
    r#"{"type":"call","call":1,"command":"chat","timeoutMs":9000"#,
    r#"{"type":"call","call":2,"command":"publish""#,
    r#"{"type":"call","call":3,"command":"notification_ack""#,
    r#"{"type":"call","call":4,"command":"chat_history","doubtful":true"#,
    r#"{"type":"request","call":5,"command":"ping""#,
    r#"{"type":"subscribe","stream":1,"command":"subscribe_clan_chat","buffer":2"#,
    r#"{"type":"subscribe","stream":2,"command":"subscribe_notifications","buffer":1"#,
    r#"{"type":"subscribe","stream":3,"command":"subscribe""#,
    r#"{"type":"subscribe","stream":4,"command":"server_subscriptions","buffer":3"#,
    r#"{"type":"leave","stream":1"#,
];

/// What makes a client online.
const BEGINNING: [&str; 4] = [
    "{\"type\":\"connect\"}\n",
    "{\"type\":\"token\",\"token\":\"t\"}\n",
    "{\"type\":\"opened\",\"connection\":1}\n",
    concat!(
        "{\"type\":\"frame\",\"connection\":1,\"body\":287}\n",
        r#"{"type":"connected","requestId":"1","userId":"u","message":"hello","sessionId":"s","protocolVersion":1,"#,
        r#""features":[],"services":[],"expiresAt":"2026-01-31T13:00:00.000Z","heartbeatIntervalMs":25000,"#,
        r#""maxMessageBytes":65536,"limits":{"messagesPerSecond":20,"burst":40,"subscriptions":100}}"#,
    ),
];

fuzz_target!(|data: &[u8]| {
    let (client, _) = open(br#"{"seed":[1,2,3,4],"name":"fuzz","version":"0"}"#);
    assert!(client > 0);
    let mut now = 0;
    for input in BEGINNING {
        assert_eq!(handle(client, now, input.as_bytes()), GW_OK, "{input}");
    }
    for record in data.split(|byte| *byte == 0xff) {
        let Some((first, rest)) = record.split_first() else { continue };
        now += u64::from(*first) * 7;
        match usize::from(*first) {
            choice @ 0..12 => {
                let head = format!("{},\"body\":{}}}\n", HEADS[choice], rest.len());
                handle(client, now, &[head.as_bytes(), rest].concat());
            }
            12 => {
                let stream = rest.first().map_or(1, |byte| u64::from(*byte));
                let (status, item) = returned(|out| unsafe { gw_take(client, stream, out) });
                assert_eq!(status, GW_OK);
                check_messages(&item);
            }
            13 => now = u64::try_from(gw_deadline(client)).unwrap_or(now).max(now),
            14 => {
                let (other, _) = open(rest);
                assert!(other > client || other == GW_INVALID);
                if other > 0 {
                    gw_close(other);
                    assert_eq!(handle(other, now, rest), GW_NO_CLIENT);
                }
            }
            15 => now = rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
            _ => {
                handle(client, now, record);
            }
        }
    }
    assert_eq!((gw_close(client), gw_close(client)), (GW_OK, GW_NO_CLIENT));
});

fn open(config: &[u8]) -> (i32, String) {
    // SAFETY: the slice is readable, and `out` can be written.
    returned(|out| unsafe { gw_open(config.as_ptr(), config.len(), out) })
}

fn handle(client: i32, now: u64, input: &[u8]) -> i32 {
    // SAFETY: the slice is readable, and `out` can be written.
    let (status, text) = returned(|out| unsafe { gw_handle(client, now, input.as_ptr(), input.len(), out) });
    match status {
        GW_OK => check_messages(&text),
        GW_INVALID | GW_NO_CLIENT => assert!(!text.is_empty()),
        other => panic!("{other}: {text}"),
    }
    status
}

/// Checks that a text is a sequence of heads and bodies.
fn check_messages(mut text: &str) {
    while !text.is_empty() {
        let (head, rest) = text.split_once('\n').expect("a head ends with LF");
        let head = Outline::of_object(head).expect("a head is a JSON object");
        assert!(head.text("type").is_some());
        let length = usize::try_from(head.whole("body").unwrap_or(0)).expect("a length");
        text = rest.split_at_checked(length).expect("the body is there").1;
    }
}

/// Calls a function that returns a text, and gives the text back.
fn returned(call: impl FnOnce(*mut gw_text) -> i32) -> (i32, String) {
    let mut out = gw_text { bytes: ptr::null_mut(), length: 0 };
    let status = call(&raw mut out);
    if out.bytes.is_null() {
        return (status, String::new());
    }
    // SAFETY: the library has returned a text of this length.
    let text = unsafe { slice::from_raw_parts(out.bytes, out.length) }.to_vec();
    // SAFETY: it is given back once and not used afterwards.
    unsafe { gw_free(out.bytes, out.length) };
    (status, String::from_utf8(text).expect("the text is UTF-8"))
}
