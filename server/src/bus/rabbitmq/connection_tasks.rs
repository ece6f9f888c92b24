//! What runs on each of the two connections: declarations. Channels for events are opened on them by
//! `rabbitmq/broker.rs`.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    Shared, StoreUse,
    connection_state::Role,
    error::AmqpError,
    link::Link,
    redeclare,
    supervisor::{ConnectionTasks, Ready},
};

/// On the connection that publishes.
pub(super) struct PublishTasks {
    pub(super) shared: Shared,
    pub(super) stop: CancellationToken,
}

#[async_trait]
impl ConnectionTasks for PublishTasks {
    async fn run(&mut self, link: &Arc<Link>, ready: Ready<'_>) -> Result<(), AmqpError> {
        let Self { shared, stop } = self;
        redeclare::declare_published(link, shared).await?;
        redeclare::declare_dead_letters(link, shared).await;
        ready.up();
        shared.links(Role::Publish).send_replace(Some(link.clone()));
        tokio::select! {
            biased;
            error = link.lost(|reason| shared.states.blocked(Role::Publish, reason)) => Err(error),
            error = redeclare::publishing(link, shared) => Err(error),
            () = stop.cancelled() => Ok(()),
        }
    }
}

/// On the connection that consumes.
pub(super) struct ConsumeTasks {
    pub(super) shared: Shared,
    pub(super) store_use: StoreUse,
    pub(super) stop: CancellationToken,
}

#[async_trait]
impl ConnectionTasks for ConsumeTasks {
    async fn run(&mut self, link: &Arc<Link>, ready: Ready<'_>) -> Result<(), AmqpError> {
        let Self { shared, store_use, stop } = self;
        redeclare::declare_consumed(link, shared, *store_use).await?;
        ready.up();
        shared.links(Role::Consume).send_replace(Some(link.clone()));
        tokio::select! {
            biased;
            error = link.lost(|reason| shared.states.blocked(Role::Consume, reason)) => Err(error),
            error = redeclare::consuming(link, shared, *store_use) => Err(error),
            () = stop.cancelled() => Ok(()),
        }
    }
}
