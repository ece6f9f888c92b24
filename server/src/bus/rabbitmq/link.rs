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
    message::Delivery,
    options::ConfirmSelectOptions,
    tcp::AsyncTcpStream,
    uri::{AMQPScheme, AMQPUri},
};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{error::AmqpError, frames::Findings, properties::Unreadable, stream};

/// How long the broker may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one request to the broker may take.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How long closing a connection may take.
const CLOSE: Duration = Duration::from_secs(1);
/// How long the channels of a connection get to close before it.
const CHANNELS: Duration = Duration::from_millis(50);
/// How often the state of the connection is checked, in addition to its events.
const CHECK: Duration = Duration::from_millis(500);

/// A connection.
pub(super) struct Link {
    connection: Connection,
    socket: Arc<Socket>,
    findings: Findings,
    /// Cancelled when the connection is not to be used any more.
    down: CancellationToken,
    /// Why a channel has given the connection up.
    failure: Mutex<Option<AmqpError>>,
    failed: CancellationToken,
}

/// A second handle of the socket below a connection. lapin's thread waits indefinitely for a socket that is silent, so
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
    pub(super) async fn open(uri: &AMQPUri, tls: Option<&TlsConnector>, name: String) -> Result<Self, AmqpError> {
        let socket = Arc::new(Socket::default());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let (findings, kept, tls) = (Findings::default(), socket.clone(), tls.cloned());
        let found = findings.clone();
        let connecting = Connection::connector(
            uri.clone(),
            stream::runtime(),
            async move |uri, _| {
                let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
                let connecting = async {
                    let tcp = stream::connect(host, port).await?;
                    kept.keep(&tcp)?;
                    let tls = tls.as_ref().filter(|_| uri.scheme == AMQPScheme::AMQPS);
                    stream::secure(tcp, host, tls, found.clone()).await
                };
                Ok(AsyncTcpStream::Plain(timeout(CONNECT, connecting).await.map_err(io::Error::from)??))
            },
            properties,
        );
        match timeout(CONNECT, connecting).await {
            Ok(connection) => Ok(Self {
                connection: connection?,
                socket,
                findings,
                down: CancellationToken::new(),
                failure: Mutex::new(None),
                failed: CancellationToken::new(),
            }),
            Err(_) => {
                socket.shut();
                Err(AmqpError::of("the broker did not answer in time"))
            }
        }
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<Channel, AmqpError> {
        in_time(self.connection.create_channel()).await
    }

    /// Opens a channel on which the broker confirms publications.
    pub(super) async fn confirming_channel(&self) -> Result<Channel, AmqpError> {
        let channel = self.channel().await?;
        in_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Whether the connection can be used.
    pub(super) fn is_up(&self) -> bool {
        !self.down.is_cancelled() && self.connection.status().connected()
    }

    /// Resolves when the connection is not to be used any more.
    pub(super) async fn down(&self) {
        self.down.cancelled().await;
    }

    /// Gives the connection up for this reason, and resolves when it is down.
    pub(super) async fn fail(&self, error: AmqpError) {
        self.failure.lock().get_or_insert(error);
        self.failed.cancel();
        self.down().await;
    }

    /// Marks the connection as not to be used any more.
    pub(super) fn set_down(&self) {
        self.down.cancel();
    }

    /// Shuts the socket down, as a failure of the network does.
    #[cfg(test)]
    pub(super) fn shut(&self) {
        self.socket.shut();
    }

    /// Returns the largest frame that the broker accepts, in bytes.
    pub(super) fn frame_max(&self) -> usize {
        usize::try_from(self.connection.configuration().frame_max()).unwrap_or(usize::MAX)
    }

    /// Returns what lapin could not have read of a delivery, once.
    pub(super) fn unreadable(&self, channel: &Channel, delivery: &Delivery) -> Option<Unreadable> {
        self.findings.take(channel.id(), delivery.delivery_tag)
    }

    /// Resolves with the reason when the connection is lost or given up. Alarms of the broker go to `blocked` meanwhile.
    pub(super) async fn lost(&self, blocked: impl Fn(Option<String>)) -> AmqpError {
        let mut events = Box::pin(self.connection.events_listener());
        let mut checks = tokio::time::interval(CHECK);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => blocked(Some(reason)),
                    Some(Event::ConnectionUnblocked) => blocked(None),
                    Some(Event::Error(error)) if !self.connection.status().connected() => return error.into(),
                    Some(_) => {}
                    None => return AmqpError::of("the connection is lost"),
                },
                () = self.failed.cancelled() => {
                    return self.failure.lock().clone().unwrap_or_else(|| AmqpError::of("the connection was given up"));
                }
                _ = checks.tick() => {
                    if !self.connection.status().connected() {
                        return AmqpError::of("the connection is lost");
                    }
                }
            }
        }
    }

    /// Closes the connection, so that the broker learns of it immediately and not by a broken socket.
    pub(super) async fn close(&self) {
        self.down.cancel();
        // Channels that were dropped close by themselves, and lapin breaks off when that is still under way.
        sleep(CHANNELS).await;
        match timeout(CLOSE, self.connection.close(200, "OK".into())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection to the broker did not close in order"),
            Err(_) => tracing::debug!("the broker did not confirm in time that a connection is closed"),
        }
        self.socket.shut();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.down.cancel();
        self.socket.shut();
    }
}

/// Waits for the broker's answer, for a limited time.
pub(super) async fn in_time<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, AmqpError> {
    match timeout(ANSWER, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(AmqpError::of("the broker did not answer in time")),
    }
}

/// Waits for the broker's answer to a declaration, for a limited time.
pub(super) async fn declared<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, AmqpError> {
    match timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(AmqpError::of_declaration),
        Err(_) => Err(AmqpError::of("the broker did not answer in time")),
    }
}
