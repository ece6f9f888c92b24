//! What is done on each of the two connections.

use std::sync::Arc;

use async_trait::async_trait;
use lapin::{Channel, options::ConfirmSelectOptions};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Peers,
    bindings::Bindings,
    dead_letters,
    fault::Fault,
    inbound::Inbound,
    letter::DeadLetter,
    link::{Link, in_time},
    nodes::{self, Outgoing},
    outbound::Outbound,
    redeclare,
    state::Role,
    supervisor::{Ready, Work},
};
use crate::bus::{Heard, envelope::Sender};

/// The connection that publishes.
pub(super) struct Publishing {
    pub(super) outgoing: mpsc::Receiver<Outgoing>,
    pub(super) letters: mpsc::Receiver<DeadLetter>,
    pub(super) outbound: Outbound,
    pub(super) peers: Peers,
}

#[async_trait]
impl Work for Publishing {
    async fn on(&mut self, link: &Link, ready: Ready<'_>) -> Result<(), Fault> {
        let shared = self.outbound.shared.clone();
        redeclare::declare_published(link, &shared, self.peers).await?;
        redeclare::declare_dead_letters(link, &shared).await;
        let (channel, events) = (link.channel().await?, confirming(link).await?);
        if ready.up() {
            // An exchange that was missing here took its bindings with it.
            shared.states.redeclare(Role::Consume).notify_one();
        }
        let blocked = |reason: Option<String>| {
            if reason.is_none() {
                // What was whispered meanwhile is lost on every node.
                let _ = shared.hearing.try_send(Heard::Back);
            }
            shared.states.blocked(Role::Publish, reason);
        };
        tokio::select! {
            biased;
            fault = link.lost(blocked) => Err(fault),
            published = self.outbound.publish(&events) => published,
            sent = dead_letters::send(link, &mut self.letters, &shared) => sent,
            sent = nodes::send(&channel, &mut self.outgoing, &shared) => sent,
            fault = redeclare::publishing(link, &shared, self.peers) => Err(fault),
        }
    }
}

/// A channel on which the broker confirms what it has taken.
pub(super) async fn confirming(link: &Link) -> Result<Channel, Fault> {
    let channel = link.channel().await?;
    in_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// The connection that consumes.
pub(super) struct Consuming {
    pub(super) inbound: Inbound,
    pub(super) bindings: Arc<Bindings>,
    pub(super) sender: Sender,
    pub(super) peers: Peers,
    /// Whether inbound events are taken.
    pub(super) taking: watch::Sender<bool>,
    pub(super) stop: CancellationToken,
}

#[async_trait]
impl Work for Consuming {
    async fn on(&mut self, link: &Link, ready: Ready<'_>) -> Result<(), Fault> {
        let worked = self.work(link, ready).await;
        self.bindings.disconnected();
        worked
    }
}

impl Consuming {
    async fn work(&self, link: &Link, ready: Ready<'_>) -> Result<(), Fault> {
        let shared = &self.inbound.shared;
        redeclare::declare_consumed(link, shared, self.peers).await?;
        let channel = link.channel().await?;
        if self.peers == Peers::Some {
            self.bindings.restore(&channel, &shared.names).await?;
        }
        ready.up();
        tokio::select! {
            biased;
            fault = link.lost(|reason| shared.states.blocked(Role::Consume, reason)) => Err(fault),
            fault = self.take(link) => Err(fault),
            fault = self.hear(link, &channel) => Err(fault),
            fault = redeclare::consuming(link, shared, &self.bindings, self.peers) => Err(fault),
            () = self.stop.cancelled() => Ok(()),
        }
    }

    /// Takes inbound events until the connection is lost; told to stop, it only waits.
    async fn take(&self, link: &Link) -> Fault {
        match self.inbound.consume(link).await {
            Ok(()) => {
                self.taking.send_replace(false);
                std::future::pending().await
            }
            Err(fault) => fault,
        }
    }

    async fn hear(&self, link: &Link, channel: &Channel) -> Fault {
        if self.peers == Peers::None {
            return std::future::pending().await;
        }
        let shared = &self.inbound.shared;
        let heard = async {
            tokio::try_join!(nodes::hear(link, self.sender, shared), self.bindings.keep(channel, &shared.names))
        };
        match heard.await {
            Ok(_) => Fault::of("the bus is going"),
            Err(fault) => fault,
        }
    }
}
