//! How messages flow: in order, in few writes, and no further than either side can take.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use gateway::{
    config::Config,
    connection::{self, Bounds},
    conversation::{Conversation, Ending},
    drain::Tasks,
    frame::Frame,
    metrics::Metrics,
    outbound::Outbound,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{
    house::{House, WAIT},
    raw::{Raw, frame, text},
};

/// A socket that counts its writes.
struct Counting(TcpStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A conversation that has nothing to say.
struct Silent;

impl Conversation for Silent {
    async fn begin(&mut self) {}
    async fn receive(&mut self, _: &str) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
    async fn on_deadline(&mut self) {}
    async fn end(self, _: Ending) {}
}

#[tokio::test]
async fn frames_that_wait_leave_in_one_write() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut raw = Raw::connect(listener.local_addr().unwrap()).await;
    let (writes, outbound) = (Arc::new(AtomicUsize::new(0)), Arc::new(Outbound::new(1 << 20)));
    let socket = Counting(listener.accept().await.unwrap().0, writes.clone());
    let config = Config::default();
    let message_bytes = config.limits.message_bytes;
    let bounds = Bounds { message_bytes, first_message_bytes: message_bytes, heartbeat: config.heartbeat };
    let metrics = Arc::new(Metrics::new().unwrap());
    let tasks = Tasks::default();
    tasks.spawn(connection::run(socket, Bytes::new(), outbound.clone(), metrics.clone(), bounds, Silent));

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
async fn pings_are_answered_between_whole_frames() {
    let house = House::open(|_| {});
    let (mut raw, outbound) = house.join().await;
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
async fn while_a_command_runs_nothing_is_read_and_everything_is_written() {
    let house = House::open(|_| {});
    let (mut raw, outbound) = house.join().await;
    raw.send([text(WAIT), text("behind")].concat()).await;
    assert_eq!(house.text().await, WAIT);
    outbound.push(Frame::text("other", "meanwhile"));
    assert_eq!(raw.text().await, "meanwhile");
    assert!(house.is_quiet().await);
    house.release();
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), (WAIT, "behind"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_listened_to() {
    let house = House::open(|config| config.limits.outbound_queue = 64 * 1024);
    let mut raw = Raw::narrow(house.address).await;
    raw.upgrade().await;
    let outbound = house.opened().await.1;
    let chunk = Frame::text("other", &"x".repeat(8_000));
    // Until the kernel has no room left and more than half of the queue is taken.
    let mut pushed = 0;
    while outbound.bytes() < 40 * 1024 {
        outbound.push(chunk.clone());
        pushed += 1;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    raw.send(text("heard later")).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(house.is_quiet().await, "it was heard with its queue over half full");
    for _ in 0..pushed {
        assert_eq!(raw.text().await.len(), 8_000);
    }
    assert_eq!(house.text().await, "heard later");
    assert_eq!(raw.text().await, "heard later");
}

#[tokio::test]
async fn a_retiring_connection_finishes_its_command_and_reads_no_more() {
    let house = House::open(|_| {});
    let (mut raw, outbound) = house.join().await;
    raw.send([text(WAIT), text("too late")].concat()).await;
    assert_eq!(house.text().await, WAIT);
    outbound.retire(realtime_gateway_protocol::CloseCode::SERVICE_RESTART, "the node restarts");
    house.release();
    assert_eq!(raw.text().await, WAIT);
    assert_eq!(raw.closed().await, 1012);
    assert_eq!(house.ended().await.code.0, 1012);
    assert!(house.is_quiet().await);
}

#[tokio::test]
async fn bytes_are_counted_in_both_directions() {
    let house = House::open(|_| {});
    let (mut raw, _) = house.join().await;
    raw.send(text("12345")).await;
    raw.text().await;
    raw.send(frame(0x88, [3, 232])).await;
    raw.closed().await;
    let ending = house.ended().await;
    // Header, mask and payload; and our frames before the close.
    assert_eq!((ending.bytes_received, ending.bytes_sent), (11 + 8, 7));
}

#[tokio::test]
async fn connections_are_owned_and_end_with_their_node() {
    let house = House::open(|_| {});
    let (mut raw, outbound) = house.join().await;
    house.listening.stop();
    outbound.close(realtime_gateway_protocol::CloseCode::SERVICE_RESTART, "the node restarts");
    assert_eq!(raw.closed().await, 1012);
    raw.send(frame(0x88, [3, 244])).await;
    assert!(house.tasks.stop(std::time::Duration::from_secs(5)).await, "a task was left over");
}
