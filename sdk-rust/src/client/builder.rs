//! The builder of a client.

use std::{
    any::Any,
    collections::hash_map::RandomState,
    error,
    fmt::{self, Display},
    future::Future,
    hash::{BuildHasher, Hasher},
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use realtime_gateway_protocol::DeviceId;
use tokio::sync::{Notify, mpsc, watch};

use super::{Client, Shared, millis};
use crate::{
    Error, State,
    driver::{Connector, Driver, check_url},
    machine::{Config, Reconnection, TokenFailure},
};

pub(crate) type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenFailure>> + Send>>;
pub(crate) type TokenProvider = Box<dyn Fn() -> TokenFuture + Send + Sync>;

/// The capacity of the channel of calls to the client's task.
const OPS: usize = 256;

/// The user is signed out. A token provider returns it as its error: the client stops with the close code 4401, and requests no
/// token until [`Client::resume`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignedOut;

impl Display for SignedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user is signed out")
    }
}

impl error::Error for SignedOut {}

/// Builds a [`Client`].
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    url: String,
    provider: Option<TokenProvider>,
    device_id: Option<String>,
    timeout: Duration,
    stream_buffer: usize,
    reconnection: Reconnection,
    connector: Option<Connector>,
}

impl ClientBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            provider: None,
            device_id: None,
            timeout: Duration::from_secs(30),
            stream_buffer: 1_000,
            reconnection: Reconnection::default(),
            connector: None,
        }
    }

    /// Sets the token provider. It is called before the first connection, when four fifths of a token's life are over, and
    /// when the gateway refuses one. A failure is tried again with backoff, unless the error is [`SignedOut`], or a
    /// `Box<dyn Error + Send + Sync>` with it. Required.
    pub fn token<F, Fut, T, E>(mut self, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<String>,
        E: Display + 'static,
    {
        self.provider = Some(Box::new(move || {
            let answer = provider();
            Box::pin(async move { answer.await.map(Into::into).map_err(|error| token_failure(&error)) })
        }));
        self
    }

    /// Sets the configuration of TLS, such as the authorities of certificates, of the crate `rustls` 0.23. By default the
    /// authorities are those of the crate's feature.
    #[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.connector = Some(Connector::Rustls(config));
        self
    }

    /// Sets the device id, so that a new session of the device replaces its previous one. None by default.
    pub fn device_id(mut self, device_id: impl Into<String>) -> Self {
        self.device_id = Some(device_id.into());
        self
    }

    /// Sets how long a call may wait for a connection and an answer. 30 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many events a stream buffers for an app that reads slowly. 1,000 by default.
    pub fn stream_buffer(mut self, events: usize) -> Self {
        self.stream_buffer = events;
        self
    }

    /// The shortest and the longest wait before something is tried again: 0 and 30 s by default. The waits grow from
    /// one to the other, at random. The gateway may request a longer wait.
    pub fn reconnect(mut self, min: Duration, max: Duration) -> Self {
        self.reconnection = Reconnection { min: millis(min), max: millis(max) };
        self
    }

    /// Creates the client, which connects at first use.
    ///
    /// # Errors
    /// When the address is not one of a gateway, the device id is not an identifier, there is no token provider, or
    /// the shortest wait is longer than the longest.
    pub fn build(self) -> Result<Client, Error> {
        check_url(&self.url)?;
        let device_id = self.device_id.map(DeviceId::new).transpose().map_err(Error::invalid)?;
        let provider = self.provider.ok_or_else(|| Error::invalid("a client needs a token provider"))?;
        if self.reconnection.min > self.reconnection.max {
            return Err(Error::invalid("reconnect: the shortest wait is longer than the longest"));
        }
        let (ops, receiver) = mpsc::channel(OPS);
        let (state_sender, state) = watch::channel(State::Idle);
        let (pending_sender, pending) = watch::channel(None);
        let sweep = Arc::new(Notify::new());
        let config = Config {
            seed: [random(), random()],
            device_id,
            client_name: env!("CARGO_PKG_NAME").to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            reconnection: self.reconnection,
        };
        let driver = Driver {
            url: self.url,
            connector: self.connector,
            config,
            provider,
            ops: receiver,
            state: state_sender,
            pending: pending_sender,
            sweep: Arc::clone(&sweep),
        };
        let shared = Shared {
            ops,
            unstarted: Mutex::new(Some(driver)),
            state,
            pending,
            sweep,
            timeout: self.timeout,
            stream_buffer: self.stream_buffer,
        };
        Ok(Client { shared: Arc::new(shared) })
    }
}

/// Returns why there is no token, from the error of an app's provider.
fn token_failure<E: Display + 'static>(error: &E) -> TokenFailure {
    let any: &dyn Any = error;
    let boxed = any.downcast_ref::<Box<dyn error::Error + Send + Sync>>();
    let is_signed_out = any.is::<SignedOut>() || boxed.is_some_and(|error| error.is::<SignedOut>());
    let failure = if is_signed_out { TokenFailure::SignedOut } else { TokenFailure::Failed };
    failure(error.to_string())
}

/// A number that no other client draws: the keys of the standard library's hash maps come from the operating system.
pub(super) fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hasher.write_u128(since.as_nanos());
    hasher.write_u32(std::process::id());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_signed_out_alone_and_in_a_box() {
        let boxed: Box<dyn error::Error + Send + Sync> = SignedOut.into();
        let expected = TokenFailure::SignedOut("the user is signed out".to_owned());
        assert_eq!(token_failure(&SignedOut), expected);
        assert_eq!(token_failure(&boxed), expected);
        assert_eq!(token_failure(&"away"), TokenFailure::Failed("away".to_owned()));
    }
}
