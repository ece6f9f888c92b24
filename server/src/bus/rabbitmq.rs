//! RabbitMQ (`bus.url = amqp://…`), AMQP only: connections, channels, declarations, publishing, confirmations, consuming.
//! [`RabbitBroker`] carries the events of backend services over [`Connections`].
//!
//! There are two connections, one to publish and one to consume, each kept indefinitely by a supervisor. While the broker
//! is away, clients are served as before, and events for backend services wait in the outbox.

mod address;
mod broker;
mod connection_state;
mod connection_tasks;
mod connections;
mod consumer;
mod dead_letter;
mod error;
mod frames;
mod link;
mod probe;
mod properties;
mod publisher;
mod redeclare;
mod requests;
mod returns;
mod screen;
mod stream;
mod supervisor;
#[cfg(test)]
mod tests;
mod topology;
mod trace;
mod warnings;

pub use self::probe::Topology;
pub(super) use self::{
    broker::RabbitBroker,
    connections::{Connections, Parts, StoreUse},
    requests::RabbitRequests,
};

use std::sync::Arc;

use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use self::{
    address::{AddressError, addresses},
    connection_state::{ConnectionStates, Role},
    error::AmqpError,
    link::Link,
    topology::Names,
};
use crate::{
    config,
    crypto::{self, AuthorityError, SystemAuthorities},
    metrics::Metrics,
};

/// Why there is no broker. Each says in one line what is wrong and how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum RabbitError {
    /// The URL names no broker.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No certificate of the broker could be trusted.
    #[error("bus.ca: {0}")]
    Authority(#[from] AuthorityError),
    /// Another node with a store of its own uses the broker.
    #[error(
        "another gateway with a store of its own uses this broker and bus.prefix ({0}): stop it, give this one another \
         bus.prefix, or let both share a Redis store (store.url)"
    )]
    NotAlone(Arc<str>),
    /// The broker cannot be reached, which is an error for `gateway check` only.
    #[error("the broker cannot be used: {0}")]
    Away(AmqpError),
}

/// What everything on the two connections shares.
#[derive(Clone)]
struct Shared {
    node: Arc<str>,
    names: Arc<Names>,
    states: Arc<ConnectionStates>,
    metrics: Arc<Metrics>,
    /// The connection that publishes, while it is up.
    publish: Arc<watch::Sender<Option<Arc<Link>>>>,
    /// The connection that consumes, while it is up.
    consume: Arc<watch::Sender<Option<Arc<Link>>>>,
    /// How many events may be in flight from the broker.
    prefetch: u16,
}

impl Shared {
    /// Names a consumer in the broker's pages.
    fn consumer_tag(&self) -> String {
        format!("{}-{}", self.node, uuid::Uuid::now_v7().simple())
    }

    fn links(&self, role: Role) -> &watch::Sender<Option<Arc<Link>>> {
        match role {
            Role::Publish => &self.publish,
            Role::Consume => &self.consume,
        }
    }

    /// Returns the connection of a role once it is up.
    async fn link(&self, role: Role) -> Arc<Link> {
        let mut links = self.links(role).subscribe();
        let up = links.wait_for(|link| link.as_ref().is_some_and(|link| link.is_up())).await;
        let link = up.ok().and_then(|link| link.clone());
        match link {
            Some(link) => link,
            // The sender lives in `self`, so this is not reached.
            None => std::future::pending().await,
        }
    }
}

/// Checks whether the broker can be used, without changing anything on it, and what it has of what a node declares.
///
/// # Errors
/// [`RabbitError`] says why not.
pub(super) async fn probe(config: &config::Bus, store_use: StoreUse) -> Result<Topology, RabbitError> {
    let addresses = addresses(&config.url.0)?;
    let tls = tls(config, &addresses)?;
    let names = Names::new(&config.prefix);
    let mut last = AmqpError::of("bus.url names no host");
    for uri in addresses {
        match probe_host(&uri, tls.as_ref(), &names, store_use).await {
            Ok(found) => return Ok(found),
            Err(error) => last = AmqpError::of(&format!("{}: {error}", address::shown(&uri))),
        }
    }
    Err(RabbitError::Away(last))
}

async fn probe_host(
    uri: &AMQPUri,
    tls: Option<&TlsConnector>,
    names: &Names,
    store_use: StoreUse,
) -> Result<Topology, AmqpError> {
    let link = Link::open(uri, tls, "gateway check".into()).await?;
    let found = probe::topology(&link, names, store_use).await;
    link.close().await;
    found
}

/// Returns what `amqps://` needs; none where no address uses it.
fn tls(config: &config::Bus, addresses: &[AMQPUri]) -> Result<Option<TlsConnector>, RabbitError> {
    if addresses.iter().all(|uri| uri.scheme == AMQPScheme::AMQP) {
        return Ok(None);
    }
    Ok(Some(crypto::tls_connector(config.ca.as_deref(), SystemAuthorities::Trusted)?))
}
