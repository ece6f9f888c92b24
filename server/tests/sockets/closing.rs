//! How connections end: with a close frame that says why, never with a bare end of the socket.

use std::time::Duration;

use gateway::frame::Frame;
use realtime_gateway_protocol::CloseCode;

use crate::{
    house::{FAULT, House, WAIT},
    raw::{Raw, frame, text},
};

/// Sends bytes; the code that they are answered with.
async fn code_for(bytes: &[u8]) -> u16 {
    let house = House::open(|_| {});
    let (mut raw, _) = house.join().await;
    raw.send(bytes).await;
    let code = raw.closed().await;
    raw.ended().await;
    assert_eq!(house.ended().await.code.0, code);
    code
}

#[tokio::test]
async fn broken_frames_are_told_with_1002() {
    for (what, bytes) in [
        ("no mask", vec![0x81, 2, b'h', b'i']),
        ("a reserved bit", frame(0xc1, "x")),
        ("a reserved opcode", frame(0x83, "x")),
        ("a reserved control opcode", frame(0x8b, "")),
        ("a fragmented ping", frame(0x09, "")),
        ("a long ping", frame(0x89, [0; 126])),
        ("a continuation of nothing", frame(0x80, "x")),
        ("a message inside of another", [frame(0x01, "x"), frame(0x81, "y")].concat()),
        ("half a close code", frame(0x88, [3])),
        ("a close code that is never sent", frame(0x88, 1006_u16.to_be_bytes())),
    ] {
        assert_eq!(code_for(&bytes).await, 1002, "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_has_codes_of_its_own() {
    assert_eq!(code_for(&frame(0x82, "x")).await, 1003);
    assert_eq!(code_for(&frame(0x81, [0xff])).await, 1007);
    assert_eq!(code_for(&frame(0x88, [3, 232, 0xff])).await, 1007);
    // A text is judged before it is complete.
    assert_eq!(code_for(&frame(0x01, [b'a', 0xc3, 0x28])).await, 1007);
    let limit = 64 * 1024;
    assert_eq!(code_for(&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]).await, 1009);
    assert_eq!(code_for(&[frame(0x01, vec![b'x'; limit]), frame(0x80, "x")].concat()).await, 1009);
    let fragments = [frame(0x01, ""), frame(0x00, "").repeat(256)].concat();
    assert_eq!(code_for(&fragments).await, 1009);
    assert_eq!(code_for(&frame(0x89, "").repeat(60)).await, 4429);
}

#[tokio::test]
async fn what_is_unread_does_not_take_the_close_frame_away() {
    let house = House::open(|_| {});
    let (mut raw, _) = house.join().await;
    let mut bytes = frame(0x83, "x");
    bytes.extend(vec![0; 200_000]);
    raw.send(bytes).await;
    assert_eq!(raw.closed().await, 1002);
}

#[tokio::test]
async fn a_message_at_the_limit_passes() {
    let house = House::open(|_| {});
    let (mut raw, _) = house.join().await;
    let long = "x".repeat(64 * 1024);
    raw.send(text(&long)).await;
    assert_eq!(raw.text().await, long);
}

#[tokio::test]
async fn a_client_that_closes_is_answered_with_its_code_after_what_waits() {
    for (payload, code) in [(&[3, 232][..], 1000), (&[], 1005), (&[0x0f, 0xa0, b'b', b'y', b'e'], 4000)] {
        let house = House::open(|_| {});
        let (mut raw, _) = house.join().await;
        raw.send([text("last"), frame(0x88, payload)].concat()).await;
        assert_eq!(raw.text().await, "last");
        assert_eq!(raw.closed().await, code);
        raw.ended().await;
        assert_eq!(house.ended().await.code.0, code);
    }
}

#[tokio::test]
async fn a_close_of_ours_comes_behind_what_waits_and_waits_for_the_answer() {
    let house = House::open(|_| {});
    let (mut raw, outbound) = house.join().await;
    outbound.push(Frame::text("other", "one"));
    outbound.push(Frame::text("other", "two"));
    outbound.close(CloseCode::REPLACED, "replaced by a newer session");
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), ("one", "two"));
    let (first, payload) = raw.frame().await;
    assert_eq!((first, &payload[2..]), (0x88, b"replaced by a newer session".as_slice()));
    assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), 4409);
    assert_eq!(house.ended().await.code, CloseCode::REPLACED);
    // What is said before our close frame was read is passed over.
    raw.send([text("late"), frame(0x88, [3, 232])].concat()).await;
    raw.ended().await;
    assert!(house.is_quiet().await);
}

#[tokio::test]
async fn a_socket_that_is_gone_is_1006() {
    let house = House::open(|_| {});
    let (raw, _) = house.join().await;
    drop(raw);
    let ending = house.ended().await;
    assert_eq!((ending.code, ending.bytes_received), (CloseCode::ABNORMAL, 0));
}

#[tokio::test]
async fn silence_is_pinged_and_then_ended() {
    let house = House::open(|config| {
        config.heartbeat.interval = Duration::from_millis(100);
        config.heartbeat.timeout = Duration::from_millis(350);
    });
    let (mut raw, _) = house.join().await;
    assert_eq!(raw.frame().await, (0x89, Vec::new()));
    raw.send(frame(0x8a, "")).await;
    let answered = std::time::Instant::now();
    assert_eq!(raw.closed().await, 4504);
    assert!(answered.elapsed() > Duration::from_millis(300), "the pong did not count");
    assert_eq!(house.ended().await.code, CloseCode::HEARTBEAT_TIMEOUT);
}

#[tokio::test]
async fn a_command_under_way_is_no_silence() {
    let house = House::open(|config| {
        config.heartbeat.interval = Duration::from_millis(50);
        config.heartbeat.timeout = Duration::from_millis(150);
    });
    let (mut raw, _) = house.join().await;
    raw.send(text(WAIT)).await;
    // Pings go on, and that they are not answered does not count.
    for _ in 0..6 {
        assert_eq!(raw.frame().await, (0x89, Vec::new()));
    }
    house.release();
    assert_eq!(raw.text().await, WAIT);
    raw.send(text("alive")).await;
    assert_eq!(raw.text().await, "alive");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_ended_with_4508() {
    let house = House::open(|config| config.limits.outbound_queue = 64 * 1024);
    let mut raw = Raw::narrow(house.address).await;
    raw.upgrade().await;
    let outbound = house.opened().await.1;
    let frame = Frame::text("other", &"x".repeat(8_000));
    let mut pushed = 0;
    while !outbound.is_closed() {
        outbound.push(frame.clone());
        pushed += 1;
        tokio::task::yield_now().await;
    }
    assert_eq!(house.ended().await.code, CloseCode::SLOW_CONSUMER);
    // What the kernel had comes as whole frames; what still waited here does not, but the close frame does.
    let mut arrived = 0;
    let close = loop {
        match raw.frame().await {
            (0x81, payload) => arrived += usize::from(payload.len() == 8_000),
            (first, payload) => break (first, payload),
        }
    };
    assert!(arrived + 4 < pushed, "{arrived} of {pushed}");
    assert_eq!((close.0, u16::from_be_bytes([close.1[0], close.1[1]])), (0x88, 4508));
}

#[tokio::test]
async fn a_fault_ends_its_own_connection_and_its_session() {
    let house = House::open(|_| {});
    let (mut raw, _) = house.join().await;
    raw.send(&text(FAULT)).await;
    assert_eq!(raw.closed().await, 1011);
    assert_eq!(house.ended().await.code, CloseCode::INTERNAL_ERROR);
    let (mut other, _) = house.join().await;
    other.send(&text("still here")).await;
}
