//! One connection: TCP, TLS, login, database, and first of all the question which life of the server this is.

use std::{
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection, cmd};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    address::{Address, Host, Login, Place},
    fault::Fault,
};
use crate::crypto::{self, AuthorityError, SystemAuthorities};

/// How long one server may take to be connected to, so that the next Sentinel is asked soon.
const ONE_SERVER: Duration = Duration::from_millis(1_500);
/// How many requests may wait to be written, before whoever asks waits. What waits is bounded in bytes elsewhere.
const WAITING: usize = 1_024;

/// What moves a connection's bytes until it ends. Somebody has to run it.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How to connect.
pub(super) struct Connector {
    pub(super) address: Address,
    tls: Option<TlsConnector>,
    attempts: AtomicUsize,
}

impl Connector {
    /// Reads the certificate authority; without one, those of the operating system are trusted.
    ///
    /// # Errors
    /// When the file cannot be read, or there is no authority at all.
    pub(super) fn new(address: Address, ca: Option<&Path>) -> Result<Self, AuthorityError> {
        let tls = if address.tls { Some(crypto::tls_connector(ca, SystemAuthorities::WithoutOthers)?) } else { None };
        Ok(Self { address, tls, attempts: AtomicUsize::new(0) })
    }

    /// Connects to the server that takes writes, and logs in.
    pub(super) async fn connect(&self) -> Result<(MultiplexedConnection, Driver), Fault> {
        match &self.address.place {
            Place::Server(host) => self.server(host, &self.address.login, self.address.database).await,
            Place::Sentinels { hosts, service, login } => {
                let mut fault = Fault::Away("there is no Sentinel".into());
                // Each attempt begins with the next one: what one says may be out of date.
                let first = self.attempts.fetch_add(1, Ordering::Relaxed);
                for sentinel in hosts.iter().cycle().skip(first % hosts.len().max(1)).take(hosts.len()) {
                    match self.master(sentinel, service, login).await {
                        Ok(master) => match self.server(&master, &self.address.login, self.address.database).await {
                            Ok(connected) => return Ok(connected),
                            Err(error) => fault = error,
                        },
                        Err(error) => fault = Fault::Away(format!("Sentinel {sentinel}: {error}").into()),
                    }
                }
                Err(fault)
            }
        }
    }

    /// Asks a Sentinel which server is the master now.
    async fn master(&self, sentinel: &Host, service: &str, login: &Login) -> Result<Host, Fault> {
        let (mut connection, driver) = self.server(sentinel, login, 0).await?;
        let mut ask = cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(service);
        let asking = async {
            tokio::select! {
                answer = ask.query_async::<Option<(String, u16)>>(&mut connection) => answer.map_err(Fault::from),
                () = driver => Err(Fault::Connection("the connection ended".into())),
            }
        };
        match timeout(ONE_SERVER, asking).await.unwrap_or(Err(Fault::Late))? {
            Some((name, port)) => Ok(Host { name, port }),
            None => Err(Fault::Away("it knows no such service".into())),
        }
    }

    async fn server(
        &self,
        host: &Host,
        login: &Login,
        database: i64,
    ) -> Result<(MultiplexedConnection, Driver), Fault> {
        let connecting = async {
            let stream = self.stream(host).await.map_err(|error| Fault::Away(format!("{host}: {error}").into()))?;
            let config = AsyncConnectionConfig::new()
                // Each request has a deadline of its own.
                .set_response_timeout(None)
                .set_pipeline_buffer_size(WAITING);
            let mut settings = RedisConnectionInfo::default().set_db(database);
            if let Some(user) = &login.user {
                settings = settings.set_username(user);
            }
            if let Some(password) = &login.password {
                settings = settings.set_password(password);
            }
            let (connection, driver) = MultiplexedConnection::new_with_config(&settings, stream, config).await?;
            Ok((connection, Box::pin(driver) as Driver))
        };
        timeout(ONE_SERVER, connecting)
            .await
            .unwrap_or_else(|_| Err(Fault::Away(format!("{host} does not answer").into())))
    }

    async fn stream(&self, host: &Host) -> io::Result<Box<dyn Stream>> {
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
