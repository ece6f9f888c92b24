//! Opens a connection: TCP, TLS, login and database.

use std::{
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gateway_runtime::authorities::{self, AuthorityError, SystemAuthorities};
use redis::{
    AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo,
    aio::{AsyncPushSender, MultiplexedConnection},
    cmd,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    address::{Address, Host, Login, Servers},
    fault::Fault,
};

/// The time limit for connecting to one server. It is short so that the next Sentinel is tried soon.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How many requests the client library queues before callers have to wait. `Link` bounds their bytes.
const PIPELINE_BUFFER: usize = 1_024;

/// The future that reads and writes the bytes of a connection until it ends. It has to be polled.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The purpose of a connection.
enum Purpose {
    /// Requests and their replies.
    Requests,
    /// The messages of subscriptions.
    Messages(Arc<dyn AsyncPushSender>),
}

/// Connects to the server that an address names.
pub(super) struct Connector {
    pub(super) address: Address,
    tls: Option<TlsConnector>,
    attempts: AtomicUsize,
}

impl Connector {
    /// Reads the certificate authority. Without one, the authorities of the operating system are trusted.
    ///
    /// # Errors
    /// If the file cannot be read, or if there is no authority at all.
    pub(super) fn new(address: Address, ca: Option<&Path>) -> Result<Self, AuthorityError> {
        let tls =
            if address.tls { Some(authorities::tls_connector(ca, SystemAuthorities::WithoutOthers)?) } else { None };
        Ok(Self { address, tls, attempts: AtomicUsize::new(0) })
    }

    /// Connects to the server that accepts writes, and logs in.
    pub(super) async fn connect(&self) -> Result<(MultiplexedConnection, Driver), Fault> {
        self.connect_as(&Purpose::Requests).await
    }

    /// Connects to the server that accepts writes, and passes every message of a subscription to `receiver`. The driver
    /// of the connection reads as long as it is polled: while it is not, messages wait at the server.
    pub(super) async fn connect_for_messages(
        &self,
        receiver: impl AsyncPushSender,
    ) -> Result<(MultiplexedConnection, Driver), Fault> {
        self.connect_as(&Purpose::Messages(Arc::new(receiver))).await
    }

    async fn connect_as(&self, purpose: &Purpose) -> Result<(MultiplexedConnection, Driver), Fault> {
        match &self.address.servers {
            Servers::One(host) => self.connect_to(host, &self.address.login, self.address.database, purpose).await,
            Servers::Sentinels { hosts, service, login } => {
                let mut fault = Fault::Disconnected("there is no Sentinel".into());
                // Each attempt begins with another Sentinel, because one of them may be out of date.
                let first = self.attempts.fetch_add(1, Ordering::Relaxed);
                for sentinel in hosts.iter().cycle().skip(first % hosts.len().max(1)).take(hosts.len()) {
                    match self.find_master(sentinel, service, login).await {
                        Ok(master) => {
                            match self.connect_to(&master, &self.address.login, self.address.database, purpose).await {
                                Ok(connected) => return Ok(connected),
                                Err(error) => fault = error,
                            }
                        }
                        Err(error) => fault = Fault::Disconnected(format!("Sentinel {sentinel}: {error}").into()),
                    }
                }
                Err(fault)
            }
        }
    }

    /// Queries a Sentinel for the address of the master.
    async fn find_master(&self, sentinel: &Host, service: &str, login: &Login) -> Result<Host, Fault> {
        let (mut connection, driver) = self.connect_to(sentinel, login, 0, &Purpose::Requests).await?;
        let mut command = cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(service);
        let querying = async {
            tokio::select! {
                reply = command.query_async::<Option<(String, u16)>>(&mut connection) => reply.map_err(Fault::from),
                () = driver => Err(Fault::ConnectionBroken("the connection ended".into())),
            }
        };
        match timeout(CONNECT_TIMEOUT, querying).await.unwrap_or(Err(Fault::TimedOut))? {
            Some((name, port)) => Ok(Host { name, port }),
            None => Err(Fault::Disconnected("it does not know this service".into())),
        }
    }

    async fn connect_to(
        &self,
        host: &Host,
        login: &Login,
        database: i64,
        purpose: &Purpose,
    ) -> Result<(MultiplexedConnection, Driver), Fault> {
        let connecting = async {
            let stream =
                self.open_stream(host).await.map_err(|error| Fault::Disconnected(format!("{host}: {error}").into()))?;
            let mut config = AsyncConnectionConfig::new()
                // `Link` has a deadline for each request.
                .set_response_timeout(None)
                .set_pipeline_buffer_size(PIPELINE_BUFFER);
            let mut settings = RedisConnectionInfo::default().set_db(database);
            if let Purpose::Messages(receiver) = purpose {
                // Only RESP3 carries messages and replies on the same connection.
                settings = settings.set_protocol(ProtocolVersion::RESP3);
                config = config.set_push_sender(receiver.clone());
            }
            if let Some(user) = &login.user {
                settings = settings.set_username(user);
            }
            if let Some(password) = &login.password {
                settings = settings.set_password(password);
            }
            let (connection, driver) = MultiplexedConnection::new_with_config(&settings, stream, config).await?;
            Ok((connection, Box::pin(driver) as Driver))
        };
        timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(Fault::Disconnected(format!("{host} does not reply").into())))
    }

    async fn open_stream(&self, host: &Host) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((host.name.as_str(), host.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.name.clone()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

/// TCP, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
