//! Message flow: order, batched writes and backpressure in both directions.

use std::sync::atomic::Ordering;

use gateway::delivery::frame::Frame;

use crate::{
    echo_server::{EchoServer, WAIT},
    raw_socket::{RawSocket, frame, text},
    test_connection::TestConnection,
};

#[tokio::test]
async fn writes_queued_frames_in_one_write() {
    let TestConnection { client: mut raw, outbound, calls, metrics, .. } = TestConnection::open(1 << 20).await;
    let writes = &calls.writes;
    outbound.push(Frame::text("other", "first"));
    assert_eq!(raw.text().await, "first");
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    for number in 0..50 {
        outbound.push(Frame::text("other", &format!("{number}")));
    }
    for number in 0..50 {
        assert_eq!(raw.text().await, format!("{number}"));
    }
    assert_eq!(writes.load(Ordering::Relaxed), 2);
    assert_eq!(outbound.bytes(), 0);
    assert!(metrics.render().contains("gateway_delivery_latency_seconds_count 2"));
}

#[tokio::test]
async fn answers_pings_between_whole_frames() {
    let server = EchoServer::start(|_| {});
    let (mut raw, outbound) = server.connect_websocket().await;
    let long = "x".repeat(400_000);
    outbound.push(Frame::text("other", &long));
    raw.send([frame(0x89, "a"), frame(0x89, "b")].concat()).await;
    outbound.push(Frame::text("other", "short"));
    let (mut texts, mut pongs) = (Vec::new(), Vec::new());
    while texts.len() < 2 || pongs.len() < 2 {
        match raw.frame().await {
            (0x81, payload) => texts.push(payload.len()),
            (0x8a, payload) => pongs.push(payload),
            (first, _) => panic!("{first:x}"),
        }
    }
    assert_eq!((texts, pongs), (vec![400_000, 5], vec![b"a".to_vec(), b"b".to_vec()]));
}

#[tokio::test]
async fn writes_but_does_not_read_while_command_runs() {
    let server = EchoServer::start(|_| {});
    let (mut raw, outbound) = server.connect_websocket().await;
    raw.send([text(WAIT), text("behind")].concat()).await;
    assert_eq!(server.next_text().await, WAIT);
    outbound.push(Frame::text("other", "meanwhile"));
    assert_eq!(raw.text().await, "meanwhile");
    assert!(server.has_no_event().await);
    server.release();
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), (WAIT, "behind"));
}

#[tokio::test]
async fn stops_reading_from_slow_consumer() {
    let server = EchoServer::start(|config| config.limits.outbound_queue = 64 * 1024);
    let mut raw = RawSocket::with_small_buffer(server.address).await;
    raw.upgrade().await;
    let outbound = server.next_upgrade().await.1;
    let chunk = Frame::text("other", &"x".repeat(8_000));
    // Pushes until the kernel's buffers are full and more than half of the queue is used.
    let mut pushed = 0;
    while outbound.bytes() < 40 * 1024 {
        outbound.push(chunk.clone());
        pushed += 1;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    raw.send(text("read later")).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(server.has_no_event().await, "the server read from a client whose queue is more than half full");
    for _ in 0..pushed {
        assert_eq!(raw.text().await.len(), 8_000);
    }
    assert_eq!(server.next_text().await, "read later");
    assert_eq!(raw.text().await, "read later");
}

#[tokio::test]
async fn retiring_connection_finishes_command_and_stops_reading() {
    let server = EchoServer::start(|_| {});
    let (mut raw, outbound) = server.connect_websocket().await;
    raw.send([text(WAIT), text("too late")].concat()).await;
    assert_eq!(server.next_text().await, WAIT);
    outbound.retire(realtime_gateway_protocol::CloseCode::SERVICE_RESTART, "the node restarts");
    server.release();
    assert_eq!(raw.text().await, WAIT);
    assert_eq!(raw.close_code().await, 1012);
    assert_eq!(server.next_summary().await.code.0, 1012);
    assert!(server.has_no_event().await);
}

#[tokio::test]
async fn counts_bytes_in_both_directions() {
    let server = EchoServer::start(|_| {});
    let (mut raw, _) = server.connect_websocket().await;
    raw.send(text("12345")).await;
    raw.text().await;
    raw.send(frame(0x88, [3, 232])).await;
    raw.close_code().await;
    let summary = server.next_summary().await;
    // Received: header, mask and payload of both frames. Sent: the echo, without the close frame.
    assert_eq!((summary.bytes_received, summary.bytes_sent), (11 + 8, 7));
}

#[tokio::test]
async fn connection_tasks_end_with_node() {
    let server = EchoServer::start(|_| {});
    let (mut raw, outbound) = server.connect_websocket().await;
    server.listening.stop();
    outbound.close(realtime_gateway_protocol::CloseCode::SERVICE_RESTART, "the node restarts");
    assert_eq!(raw.close_code().await, 1012);
    raw.send(frame(0x88, [3, 244])).await;
    assert!(server.tasks.stop(std::time::Duration::from_secs(5)).await, "a connection task is still running");
}
