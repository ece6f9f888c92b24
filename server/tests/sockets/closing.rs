//! Closing: connections end with a close frame that gives the reason.

use std::time::Duration;

use gateway::delivery::frame::Frame;
use realtime_gateway_protocol::CloseCode;

use crate::{
    echo_server::{EchoServer, FAULT, WAIT},
    raw_socket::{RawSocket, frame, text},
};

/// Sends bytes and returns the close code of the server.
async fn close_code_for(bytes: &[u8]) -> u16 {
    let server = EchoServer::start(|_| {});
    let (mut raw, _) = server.connect_websocket().await;
    raw.send(bytes).await;
    let code = raw.close_code().await;
    raw.wait_for_eof().await;
    assert_eq!(server.next_summary().await.code.0, code);
    code
}

#[tokio::test]
async fn closes_on_malformed_frame_with_1002() {
    for (what, bytes) in [
        ("no mask", vec![0x81, 2, b'h', b'i']),
        ("a reserved bit", frame(0xc1, "x")),
        ("a reserved opcode", frame(0x83, "x")),
        ("a reserved control opcode", frame(0x8b, "")),
        ("a fragmented ping", frame(0x09, "")),
        ("a long ping", frame(0x89, [0; 126])),
        ("a continuation without a message", frame(0x80, "x")),
        ("a message inside another one", [frame(0x01, "x"), frame(0x81, "y")].concat()),
        ("half a close code", frame(0x88, [3])),
        ("a close code that is never sent", frame(0x88, 1006_u16.to_be_bytes())),
    ] {
        assert_eq!(close_code_for(&bytes).await, 1002, "{what}");
    }
}

#[tokio::test]
async fn closes_on_unacceptable_message_with_specific_code() {
    assert_eq!(close_code_for(&frame(0x82, "x")).await, 1003);
    assert_eq!(close_code_for(&frame(0x81, [0xff])).await, 1007);
    assert_eq!(close_code_for(&frame(0x88, [3, 232, 0xff])).await, 1007);
    // Invalid UTF-8 is detected before the message is complete.
    assert_eq!(close_code_for(&frame(0x01, [b'a', 0xc3, 0x28])).await, 1007);
    let limit = 64 * 1024;
    assert_eq!(close_code_for(&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]).await, 1009);
    assert_eq!(close_code_for(&[frame(0x01, vec![b'x'; limit]), frame(0x80, "x")].concat()).await, 1009);
    let fragments = [frame(0x01, ""), frame(0x00, "").repeat(256)].concat();
    assert_eq!(close_code_for(&fragments).await, 1009);
    assert_eq!(close_code_for(&frame(0x89, "").repeat(60)).await, 4429);
}

#[tokio::test]
async fn sends_close_frame_despite_unread_input() {
    let server = EchoServer::start(|_| {});
    let (mut raw, _) = server.connect_websocket().await;
    let mut bytes = frame(0x83, "x");
    bytes.extend(vec![0; 200_000]);
    raw.send(bytes).await;
    assert_eq!(raw.close_code().await, 1002);
}

#[tokio::test]
async fn accepts_message_at_size_limit() {
    let server = EchoServer::start(|_| {});
    let (mut raw, _) = server.connect_websocket().await;
    let long = "x".repeat(64 * 1024);
    raw.send(text(&long)).await;
    assert_eq!(raw.text().await, long);
}

#[tokio::test]
async fn echoes_close_code_of_client_after_queued_frames() {
    for (payload, code) in [(&[3, 232][..], 1000), (&[], 1005), (&[0x0f, 0xa0, b'b', b'y', b'e'], 4000)] {
        let server = EchoServer::start(|_| {});
        let (mut raw, _) = server.connect_websocket().await;
        raw.send([text("last"), frame(0x88, payload)].concat()).await;
        assert_eq!(raw.text().await, "last");
        assert_eq!(raw.close_code().await, code);
        raw.wait_for_eof().await;
        assert_eq!(server.next_summary().await.code.0, code);
    }
}

#[tokio::test]
async fn sends_close_after_queued_frames_and_waits_for_reply() {
    let server = EchoServer::start(|_| {});
    let (mut raw, outbound) = server.connect_websocket().await;
    outbound.push(Frame::text("other", "one"));
    outbound.push(Frame::text("other", "two"));
    outbound.close(CloseCode::REPLACED, "replaced by a newer session");
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), ("one", "two"));
    let (first, payload) = raw.frame().await;
    assert_eq!((first, &payload[2..]), (0x88, b"replaced by a newer session".as_slice()));
    assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), 4409);
    assert_eq!(server.next_summary().await.code, CloseCode::REPLACED);
    // Messages that arrive after the server's close frame are ignored.
    raw.send([text("late"), frame(0x88, [3, 232])].concat()).await;
    raw.wait_for_eof().await;
    assert!(server.has_no_event().await);
}

#[tokio::test]
async fn reports_lost_socket_as_1006() {
    let server = EchoServer::start(|_| {});
    let (raw, _) = server.connect_websocket().await;
    drop(raw);
    let summary = server.next_summary().await;
    assert_eq!((summary.code, summary.bytes_received), (CloseCode::ABNORMAL, 0));
}

#[tokio::test]
async fn pings_idle_client_and_closes_it_with_4504() {
    let server = EchoServer::start(|config| {
        config.heartbeat.interval = Duration::from_millis(100);
        config.heartbeat.timeout = Duration::from_millis(350);
    });
    let (mut raw, _) = server.connect_websocket().await;
    assert_eq!(raw.frame().await, (0x89, Vec::new()));
    raw.send(frame(0x8a, "")).await;
    let answered = std::time::Instant::now();
    assert_eq!(raw.close_code().await, 4504);
    assert!(answered.elapsed() > Duration::from_millis(300), "the pong did not count");
    assert_eq!(server.next_summary().await.code, CloseCode::HEARTBEAT_TIMEOUT);
}

#[tokio::test]
async fn heartbeat_ignores_time_of_running_command() {
    let server = EchoServer::start(|config| {
        config.heartbeat.interval = Duration::from_millis(50);
        config.heartbeat.timeout = Duration::from_millis(150);
    });
    let (mut raw, _) = server.connect_websocket().await;
    raw.send(text(WAIT)).await;
    // The server still sends pings, and does not count the missing pongs.
    for _ in 0..6 {
        assert_eq!(raw.frame().await, (0x89, Vec::new()));
    }
    server.release();
    assert_eq!(raw.text().await, WAIT);
    raw.send(text("alive")).await;
    assert_eq!(raw.text().await, "alive");
}

#[tokio::test]
async fn closes_slow_consumer_with_4508() {
    let server = EchoServer::start(|config| config.limits.outbound_queue = 64 * 1024);
    let mut raw = RawSocket::with_small_buffer(server.address).await;
    raw.upgrade().await;
    let outbound = server.next_upgrade().await.1;
    let frame = Frame::text("other", &"x".repeat(8_000));
    let mut pushed = 0;
    while !outbound.is_closed() {
        outbound.push(frame.clone());
        pushed += 1;
        tokio::task::yield_now().await;
    }
    assert_eq!(server.next_summary().await.code, CloseCode::SLOW_CONSUMER);
    // Frames that were already in the kernel arrive completely. Frames in the outbound queue are dropped, but the close
    // frame is sent.
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
async fn panic_closes_only_its_own_connection_with_1011() {
    let server = EchoServer::start(|_| {});
    let (mut raw, _) = server.connect_websocket().await;
    raw.send(&text(FAULT)).await;
    assert_eq!(raw.close_code().await, 1011);
    assert_eq!(server.next_summary().await.code, CloseCode::INTERNAL_ERROR);
    let (mut other, _) = server.connect_websocket().await;
    other.send(&text("still here")).await;
}
