//! A stream that screens what lapin reads, below lapin and above TLS: lapin takes any stream of a runtime, and this is
//! Tokio's runtime with such a stream.

use std::{
    io::{self, IoSlice, Read, Write},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::tcp::AsyncTcpStream;

use super::frames::{Findings, Screening};

/// How much is read at once.
const READ: usize = 64 * 1024;

/// A stream of Tokio, with or without TLS.
type Inner = AsyncTcpStream<<Tokio as Reactor>::TcpStream>;

/// A runtime whose streams are screened.
pub(super) type ScreenedRuntime = Runtime<RuntimeParts<Tokio, ScreenedReactor>>;

/// The runtime of this thread, with streams that are screened.
pub(super) fn runtime() -> ScreenedRuntime {
    Runtime::new(RuntimeParts::new(Tokio::current(), ScreenedReactor(Tokio::current())))
}

/// A stream that lapin reads.
pub(super) struct Screened {
    stream: Inner,
    screening: Screening,
    input: Box<[u8]>,
    /// What lapin may read, from `read` on.
    ready: Vec<u8>,
    read: usize,
}

impl Screened {
    pub(super) fn new(stream: Inner, findings: Findings) -> Self {
        let (screening, input) = (Screening::new(findings), vec![0; READ].into_boxed_slice());
        Self { stream, screening, input, ready: Vec::new(), read: 0 }
    }
}

impl AsyncRead for Screened {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let mut rest = this.ready.get(this.read..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.read(buffer)?;
                this.read += count;
                return Poll::Ready(Ok(count));
            }
            this.ready.clear();
            this.read = 0;
            let count = ready!(Pin::new(&mut this.stream).poll_read(context, &mut this.input))?;
            if count == 0 {
                return Poll::Ready(Ok(0));
            }
            this.screening.push(this.input.get(..count).unwrap_or_default(), &mut this.ready);
        }
    }
}

impl AsyncWrite for Screened {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(context)
    }
}

/// Tokio's reactor, apart from the type of its streams.
#[derive(Debug, Clone)]
pub(super) struct ScreenedReactor(Tokio);

impl Reactor for ScreenedReactor {
    type TcpStream = Screened;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// lapin registers no handles.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Screened, _>(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Screened::new(AsyncTcpStream::Plain(connecting.await?), Findings::default())) }
    }
}
