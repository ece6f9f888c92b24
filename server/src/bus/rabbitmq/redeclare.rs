//! Declares everything again from time to time, so that an exchange, a queue or a binding that was deleted comes back
//! without a restart. A broker does not report a deleted exchange or binding.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Shared, StoreUse,
    error::AmqpError,
    link::Link,
    topology::{self, InboundQueue, close},
};

/// How often everything is declared again.
const EVERY: Duration = Duration::from_secs(5);

/// Declares what is published to, until the connection is lost or the broker refuses.
pub(super) async fn publishing(link: &Link, shared: &Shared) -> AmqpError {
    loop {
        tokio::select! {
            () = shared.states.redeclaration_requested() => {}
            () = sleep(EVERY) => {}
        }
        let mut blocked = shared.states.watch_blocked();
        let declared = async {
            declare_published(link, shared).await?;
            declare_dead_letters(link, shared).await;
            Ok::<_, AmqpError>(())
        };
        let is_blocked = tokio::select! {
            declared = declared => match declared {
                Ok(()) => false,
                Err(error) => return error,
            },
            // A broker with an alarm answers nothing on a connection that publishes.
            blocked = blocked.wait_for(|blocked| *blocked) => blocked.is_ok(),
        };
        if is_blocked && blocked.wait_for(|blocked| !*blocked).await.is_err() {
            return AmqpError::of("the gateway shuts down");
        }
    }
}

/// Declares what is published to.
pub(super) async fn declare_published(link: &Link, shared: &Shared) -> Result<(), AmqpError> {
    let channel = link.channel().await?;
    topology::declare_outbound(&channel, &shared.names).await?;
    close(&channel).await;
    Ok(())
}

/// Declares the dead letters. A refusal is recorded, and nothing else waits for it.
pub(super) async fn declare_dead_letters(link: &Link, shared: &Shared) {
    let declared = async {
        let channel = link.channel().await?;
        topology::declare_dead_letters(&channel, &shared.names).await?;
        close(&channel).await;
        Ok::<_, AmqpError>(())
    };
    let refused = declared.await.err().map(|error| error.to_string().into());
    if link.is_up() {
        shared.states.topology.set_dead_letter_queue(refused);
    }
}

/// Declares what is consumed, until the connection is lost or the broker refuses.
pub(super) async fn consuming(link: &Link, shared: &Shared, store_use: StoreUse) -> AmqpError {
    loop {
        sleep(EVERY).await;
        if let Err(error) = declare_consumed_again(link, shared, store_use).await {
            return error;
        }
    }
}

/// Declares what is consumed, on a new connection.
pub(super) async fn declare_consumed(link: &Link, shared: &Shared, store_use: StoreUse) -> Result<(), AmqpError> {
    declare_own(link, shared, store_use).await?;
    let found = topology::declare_inbound(link, &shared.names).await?;
    shared.states.topology.set_inbound_queue(found, &shared.names.inbound);
    Ok(())
}

/// Declares what is consumed, on a connection that has done so before.
async fn declare_consumed_again(link: &Link, shared: &Shared, store_use: StoreUse) -> Result<(), AmqpError> {
    if shared.states.topology.inbound_queue() == InboundQueue::Current {
        return declare_consumed(link, shared, store_use).await;
    }
    declare_own(link, shared, store_use).await?;
    let channel = link.channel().await?;
    topology::declare_around_old_queue(&channel, &shared.names).await?;
    close(&channel).await;
    Ok(())
}

/// Declares the queue that keeps other gateways away, if the store is this node's own.
async fn declare_own(link: &Link, shared: &Shared, store_use: StoreUse) -> Result<(), AmqpError> {
    if store_use == StoreUse::Shared {
        return Ok(());
    }
    let channel = link.channel().await?;
    topology::declare_single(&channel, &shared.names).await?;
    close(&channel).await;
    Ok(())
}
