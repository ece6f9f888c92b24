//! One connection to the broker, which can be ended whatever state it is in.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, ConnectionProperties, Event,
    tcp::AsyncTcpStream,
    uri::{AMQPScheme, AMQPUri},
};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::{fault::Fault, stream};

/// How long the broker may take to let us in.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one question to the broker may take.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long channels get for theirs.
const CHANNELS: Duration = Duration::from_millis(50);
/// How often it is looked whether the connection is still there, beside what it tells by itself.
const LOOK: Duration = Duration::from_millis(500);

/// A connection.
pub(super) struct Link {
    connection: Connection,
    socket: Arc<Socket>,
}

/// A second handle of the socket below a connection. lapin's thread waits for a socket that says nothing for ever, so
/// shutting the socket down is the one way to end a connection to a broker that hangs.
#[derive(Default)]
struct Socket(Mutex<Option<TcpStream>>);

impl Socket {
    fn keep(&self, socket: &impl AsFd) -> io::Result<()> {
        *self.0.lock() = Some(TcpStream::from(socket.as_fd().try_clone_to_owned()?));
        Ok(())
    }

    fn shut(&self) {
        if let Some(socket) = self.0.lock().take() {
            // It may have been shut by the other side.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Link {
    /// Connects and logs in.
    pub(super) async fn open(uri: &AMQPUri, tls: Option<&TlsConnector>, name: String) -> Result<Self, Fault> {
        let socket = Arc::new(Socket::default());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let (kept, tls) = (socket.clone(), tls.cloned());
        let connecting = Connection::connector(
            uri.clone(),
            stream::runtime(),
            async move |uri, _| {
                let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
                let connecting = async {
                    let tcp = stream::connect(host, port).await?;
                    kept.keep(&tcp)?;
                    let tls = tls.as_ref().filter(|_| uri.scheme == AMQPScheme::AMQPS);
                    stream::secure(tcp, host, tls).await
                };
                Ok(AsyncTcpStream::Plain(timeout(CONNECT, connecting).await.map_err(io::Error::from)??))
            },
            properties,
        );
        match timeout(CONNECT, connecting).await {
            Ok(connection) => Ok(Self { connection: connection?, socket }),
            Err(_) => {
                socket.shut();
                Err(Fault::of("the broker did not answer in time"))
            }
        }
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<Channel, Fault> {
        in_time(self.connection.create_channel()).await
    }

    /// Resolves when the connection is gone, and says why. Alarms of the broker go to `blocked` meanwhile.
    pub(super) async fn lost(&self, blocked: impl Fn(Option<String>)) -> Fault {
        let mut events = Box::pin(self.connection.events_listener());
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => blocked(Some(reason)),
                    Some(Event::ConnectionUnblocked) => blocked(None),
                    Some(Event::Error(error)) if !self.connection.status().connected() => return error.into(),
                    Some(_) => {}
                    None => return Fault::of("the connection is gone"),
                },
                _ = ticks.tick() => {
                    if !self.connection.status().connected() {
                        return Fault::of("the connection is gone");
                    }
                }
            }
        }
    }

    /// Says goodbye, so that the broker knows at once, and not by a socket that broke.
    pub(super) async fn close(self) {
        // Channels that were dropped say goodbye by themselves, and lapin breaks off when that is still under way.
        sleep(CHANNELS).await;
        let farewell = self.connection.close(200, "OK".into());
        match timeout(FAREWELL, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the broker did not hear the farewell"),
            Err(_) => tracing::debug!("the broker did not answer the farewell"),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.socket.shut();
    }
}

/// Waits for the broker's answer, but not for ever.
pub(super) async fn in_time<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, Fault> {
    match timeout(ANSWER, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Fault::of("the broker did not answer in time")),
    }
}
