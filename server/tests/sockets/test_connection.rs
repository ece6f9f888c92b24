//! A connection without a gateway, whose socket counts its calls.

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
    delivery::{
        frame::Frame,
        outbound::{Outbound, Pushed},
    },
    edge::connection::{self, Bounds},
    metrics::Metrics,
    runtime::{memory::MemoryBudget, tasks::Tasks},
    session::connection_handler::{ConnectionHandler, ConnectionSummary},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::raw_socket::RawSocket;

/// A handler that ignores every message.
struct Silent;

impl ConnectionHandler for Silent {
    async fn begin(&mut self) {}
    async fn receive(&mut self, _: &str) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
    async fn on_deadline(&mut self) {}
    async fn end(self, _: ConnectionSummary) {}
}

/// Counts how often the task of a connection reads, and how often frames are written.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
}

/// A socket that counts its calls.
struct CountingSocket(TcpStream, Arc<Calls>);

impl AsyncRead for CountingSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.1.reads.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for CountingSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A connection of the current runtime, and its client.
pub(crate) struct TestConnection {
    pub(crate) client: RawSocket,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
}

impl TestConnection {
    /// Opens a connection whose queue holds this many bytes.
    pub(crate) async fn open(queue_bytes: usize) -> Self {
        Self::within(queue_bytes, &MemoryBudget::new(usize::MAX)).await
    }

    /// Opens a connection whose memory counts towards a budget.
    pub(crate) async fn within(queue_bytes: usize, budget: &Arc<MemoryBudget>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = RawSocket::with_small_buffer(listener.local_addr().unwrap()).await;
        let (calls, outbound) = (Arc::<Calls>::default(), Arc::new(Outbound::within(queue_bytes, budget)));
        let socket = CountingSocket(listener.accept().await.unwrap().0, Arc::clone(&calls));
        let config = Config::default();
        let message_bytes = config.limits.message_bytes;
        let bounds = Bounds { message_bytes, first_message_bytes: message_bytes, heartbeat: config.heartbeat };
        let (metrics, tasks) = (Arc::new(Metrics::new().unwrap()), Tasks::default());
        tasks.spawn(connection::run(socket, Bytes::new(), Arc::clone(&outbound), metrics.clone(), bounds, Silent));
        let connection = Self { client, outbound, calls, metrics, tasks };
        // The task of the connection waits for the client now.
        while connection.calls.reads.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        connection
    }

    /// Queues a message, which must fit.
    pub(crate) fn push(&self, text: &str) {
        assert_eq!(self.outbound.push(Frame::text("other", text)), Pushed::Queued);
    }
}
