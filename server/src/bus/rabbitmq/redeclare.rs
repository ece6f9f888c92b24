//! Declares everything again from time to time, so that an exchange, a queue or a binding that was deleted comes back
//! without a restart. A broker does not tell of a deleted exchange or binding.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Peers, Shared,
    bindings::Bindings,
    fault::Fault,
    link::Link,
    state::Role,
    topology::{self, InboundQueue, close},
};

/// How often.
const EVERY: Duration = Duration::from_secs(5);
/// Every so many times the shards of this node are bound again: there may be 256 of them, and a doorbell that is lost
/// costs a second at most.
const SHARDS: u32 = 6;

/// Declares what is published to, until the connection is lost or the broker refuses.
pub(super) async fn publishing(link: &Link, shared: &Shared, peers: Peers) -> Fault {
    loop {
        wait(shared, Role::Publish).await;
        let mut blocked = shared.states.watch_blocked();
        let declared = async {
            declare_published(link, shared, peers).await?;
            declare_dead_letters(link, shared).await;
            Ok::<_, Fault>(())
        };
        let is_blocked = tokio::select! {
            declared = declared => match declared {
                Ok(()) => false,
                Err(fault) => return fault,
            },
            // A broker with an alarm answers nothing on a connection that publishes.
            blocked = blocked.wait_for(|blocked| *blocked) => blocked.is_ok(),
        };
        if is_blocked && blocked.wait_for(|blocked| !*blocked).await.is_err() {
            return Fault::of("the bus is going");
        }
    }
}

/// Declares what is published to.
pub(super) async fn declare_published(link: &Link, shared: &Shared, peers: Peers) -> Result<(), Fault> {
    let channel = link.channel().await?;
    topology::declare_outbound(&channel, &shared.names).await?;
    if peers == Peers::Some {
        topology::declare_nodes(&channel, &shared.names).await?;
    }
    close(&channel).await;
    Ok(())
}

/// Declares where events go that cannot be accepted. Nothing else has to wait when the broker refuses that.
pub(super) async fn declare_dead_letters(link: &Link, shared: &Shared) {
    let declared = async {
        let channel = link.channel().await?;
        topology::declare_dead_letters(&channel, &shared.names).await?;
        close(&channel).await;
        Ok::<_, Fault>(())
    };
    let refused = declared.await.err().map(|fault| fault.to_string().into());
    if link.is_up() {
        shared.states.trouble.dead_letter_queue(refused);
    }
}

/// Declares what is consumed, until the connection is lost or the broker refuses.
pub(super) async fn consuming(link: &Link, shared: &Shared, bindings: &Bindings, peers: Peers) -> Fault {
    let mut turn: u32 = 0;
    loop {
        let asked = wait(shared, Role::Consume).await;
        turn = turn.wrapping_add(1);
        if peers == Peers::Some && (asked || turn.is_multiple_of(SHARDS)) {
            bindings.bind_again();
        }
        if let Err(fault) = declare_consumed_again(link, shared, peers).await {
            return fault;
        }
    }
}

/// Declares what is consumed, on a new connection.
pub(super) async fn declare_consumed(link: &Link, shared: &Shared, peers: Peers) -> Result<(), Fault> {
    declare_own(link, shared, peers).await?;
    let found = topology::declare_inbound(link, &shared.names).await?;
    shared.states.trouble.set_inbound_queue(found, &shared.names.inbound);
    Ok(())
}

/// Declares what is consumed, on a connection that has done so before.
async fn declare_consumed_again(link: &Link, shared: &Shared, peers: Peers) -> Result<(), Fault> {
    if shared.states.trouble.inbound_queue() == InboundQueue::Current {
        return declare_consumed(link, shared, peers).await;
    }
    declare_own(link, shared, peers).await?;
    let channel = link.channel().await?;
    topology::declare_around_old_queue(&channel, &shared.names).await?;
    close(&channel).await;
    Ok(())
}

/// Declares the queue that is this node's own.
async fn declare_own(link: &Link, shared: &Shared, peers: Peers) -> Result<(), Fault> {
    let channel = link.channel().await?;
    match peers {
        Peers::None => topology::declare_single(&channel, &shared.names).await?,
        Peers::Some => topology::declare_node(&channel, &shared.names).await?,
    }
    close(&channel).await;
    Ok(())
}

/// Waits for the next turn; true when it was asked for.
async fn wait(shared: &Shared, role: Role) -> bool {
    tokio::select! {
        () = shared.states.redeclare(role).notified() => true,
        () = sleep(EVERY) => false,
    }
}
