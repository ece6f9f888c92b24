//! RabbitMQ as the broker between the gateway and backend services: opens channels on the two connections.
//!
//! Dead letters have a channel of their own, and what fails on it fails nothing else. Any other failure gives the
//! connection up: the supervisor connects again, declares everything again, and waits between attempts.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use super::{
    Connections, Shared,
    connection_state::Role,
    consumer::RabbitConsumer,
    dead_letter::Original,
    error::AmqpError,
    link::Link,
    publisher::{OnFailure, RabbitPublisher},
    redeclare,
};
use crate::bus::broker::Broker;

/// How long to wait after a channel for dead letters could not be opened.
const PAUSE: Duration = Duration::from_secs(1);

/// The broker of backend services.
pub(in crate::bus) struct RabbitBroker {
    shared: Shared,
}

impl RabbitBroker {
    /// Returns the broker at the other end of these connections.
    pub(in crate::bus) fn new(connections: &Connections) -> Self {
        Self { shared: connections.shared.clone() }
    }

    /// Opens a channel on the connection of a role, on one connection after the other until that succeeds.
    async fn open<T, F: Future<Output = Result<T, AmqpError>>>(&self, role: Role, open: impl Fn(Arc<Link>) -> F) -> T {
        loop {
            let link = self.shared.link(role).await;
            let opened = tokio::select! {
                opened = open(link.clone()) => opened,
                () = link.down() => continue,
            };
            match opened {
                Ok(channel) => return channel,
                Err(error) => link.fail(error).await,
            }
        }
    }
}

impl Broker for RabbitBroker {
    type Original = Original;
    type Events = RabbitPublisher;
    type DeadLetters = RabbitPublisher;
    type Inbound = RabbitConsumer;

    async fn open_events(&self) -> RabbitPublisher {
        let exchange: Arc<str> = self.shared.names.outbound.as_str().into();
        self.open(Role::Publish, |link| RabbitPublisher::open(link, exchange.clone(), OnFailure::GiveUpConnection))
            .await
    }

    async fn open_dead_letters(&self) -> RabbitPublisher {
        let exchange: Arc<str> = self.shared.names.dead_letter.as_str().into();
        loop {
            let link = self.shared.link(Role::Publish).await;
            // A broker with an alarm answers nothing on a connection that publishes.
            let mut blocked = self.watch_blocked();
            let opening = async {
                // The states live as long as this broker.
                let _ = blocked.wait_for(|blocked| !*blocked).await;
                // The exchange or the queue may have been deleted.
                redeclare::declare_dead_letters(&link, &self.shared).await;
                RabbitPublisher::open(link.clone(), exchange.clone(), OnFailure::CloseChannel).await
            };
            tokio::select! {
                opened = opening => match opened {
                    Ok(channel) => return channel,
                    Err(error) => {
                        tracing::debug!(%error, "a channel for dead letters could not be opened");
                        sleep(PAUSE).await;
                    }
                },
                () = link.down() => {}
            }
        }
    }

    async fn open_inbound(&self) -> RabbitConsumer {
        let open = |link| {
            let (queue, tag) = (self.shared.names.inbound.clone(), self.shared.consumer_tag());
            RabbitConsumer::open(link, queue, tag, self.shared.prefetch)
        };
        self.open(Role::Consume, open).await
    }

    fn watch_blocked(&self) -> watch::Receiver<bool> {
        self.shared.states.watch_blocked()
    }

    fn redeclare(&self) {
        self.shared.states.request_redeclaration();
    }
}
