//! The pulse of a node: once a second one round trip to the store renews its lease, brings what others told it, and
//! compares the counters of its shards.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use realtime_gateway_protocol::CloseCode;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{Node, peers::Peers};
use crate::{
    session::Session,
    store::{Admission, Beat, Epoch, LeaseHeld, NodeRecord, StoreError},
};

/// How often.
const PULSE: Duration = Duration::from_secs(1);
/// How long one may take, before the store counts as away.
const PULSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a reconciliation that is requested before its time waits for more requests.
const EARLY: Duration = Duration::from_millis(20);
/// Every so many pulses this node looks at the others.
const PEERS_EVERY: u64 = 5;
/// How many sessions are put back at once after a lost lease.
const RESTORED_AT_ONCE: usize = 64;

/// What a node remembers from one pulse to the next.
pub(crate) struct Last {
    epoch: Epoch,
    /// Up to where this node has read its inbox.
    read: u64,
    /// Whether sessions and presence have to be registered again.
    unregistered: bool,
    /// Whether the last pulse found the store.
    found: bool,
    count: u64,
    peers: Peers,
    /// Whether the store may have lost blocks of users that this node knows of.
    blocks_lost: bool,
}

impl Node {
    /// The first beat, before anybody can connect: a session of a node without a lease would count as left behind.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn first_beat(self: &Arc<Self>) -> Result<Last, StoreError> {
        let (epoch, peers) = (self.store.epoch(), Peers::default());
        let mut last = Last { epoch, read: 0, unregistered: false, found: true, count: 0, peers, blocks_lost: false };
        self.beat(&mut last).await?;
        Ok(last)
    }

    /// Beats for ever.
    pub(crate) async fn pulse(self: Arc<Self>, mut last: Last) {
        let mut ticks = interval(PULSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // Many requests at once are one reconciliation.
                () = self.reconcile_soon.notified() => sleep(EARLY).await,
            }
            let result = self.beat(&mut last).await;
            match &result {
                Ok(()) if !last.found => tracing::info!("the store is back"),
                Err(error) if last.found => tracing::warn!(%error, "the store is away"),
                _ => {}
            }
            last.found = result.is_ok();
            self.store_is_away.store(!last.found, Ordering::Release);
        }
    }

    async fn beat(self: &Arc<Self>, last: &mut Last) -> Result<(), StoreError> {
        let (sent, sent_at) = (Instant::now(), self.clock.monotonic());
        let shards = self.hub.bound_shards();
        let beat = Beat { node: self.record(), shards: shards.clone(), read: last.read };
        let pulse = match timeout(PULSE_TIMEOUT, self.store.pulse(beat)).await {
            Ok(pulse) => pulse?,
            Err(_) => return Err(StoreError::Unavailable("it did not answer in time".into())),
        };
        if let Some(time) = pulse.time {
            self.clock.follow(time, sent_at);
            self.store.clock_follows();
        }
        if pulse.lease == LeaseHeld::Anew {
            self.lease.taken_anew(sent);
            last.unregistered = true;
        }
        let epoch = self.store.epoch();
        if epoch != last.epoch {
            tracing::warn!(%epoch, "the store has a new epoch: it may have lost what was confirmed");
            last.epoch = epoch;
            last.unregistered = true;
            self.hub.forget_counts();
            last.blocks_lost = true;
        }
        if last.blocks_lost {
            // Before its sessions: the store refuses those that are blocked.
            self.put_blocks_back().await?;
            last.blocks_lost = false;
        }
        if last.unregistered {
            self.forget_block_revision();
            self.register_again().await?;
            last.unregistered = false;
        }
        self.read_blocks(pulse.block_revision).await?;
        // Only now: until its sessions are registered, this node does not know which of them still live.
        self.lease.renewed(sent);
        for note in pulse.notes {
            self.heed(note);
        }
        last.read = pulse.read;
        self.close_left_records().await?;
        self.hub.compare(&shards, &pulse.counts).await?;
        last.count += 1;
        if last.count.is_multiple_of(PEERS_EVERY) {
            last.peers.look(&self.record(), &self.store.nodes().await?);
            self.clear_up_after_others().await?;
        }
        Ok(())
    }

    /// This node, as others may see it.
    pub(crate) fn record(&self) -> NodeRecord {
        let config = self.config();
        NodeRecord {
            id: self.name.id.to_string(),
            incarnation: self.name.incarnation.to_string(),
            address: self.address().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started_at,
            connections: u64::try_from(self.metrics.connections_active.get()).unwrap_or(0),
            draining: self.is_draining(),
            settings: config.shared_settings(),
        }
    }

    /// Puts the sessions and the presence of this node back into a store that may have lost them. Where a newer session
    /// has taken a place meanwhile, this node's goes.
    async fn register_again(self: &Arc<Self>) -> Result<(), StoreError> {
        let sessions = self.sessions.all();
        if !sessions.is_empty() {
            tracing::warn!(sessions = sessions.len(), "registering this node's sessions again");
        }
        let restored = stream::iter(sessions).map(|session| self.restore(session)).buffer_unordered(RESTORED_AT_ONCE);
        restored.try_collect::<Vec<()>>().await?;
        self.presences.tell_again();
        Ok(())
    }

    async fn restore(self: &Arc<Self>, session: Arc<Session>) -> Result<(), StoreError> {
        let policy = self.session_policy();
        match self.store.restore_session(session.record(&self.name), policy).await? {
            Admission::Admitted(evicted) => self.evict(&evicted),
            Admission::Superseded | Admission::Refused => {
                session.outbound.close(CloseCode::REPLACED, "replaced by a newer session");
            }
            Admission::Blocked(_) => self.close_blocked(&session),
        }
        if session.outbound.is_closed() {
            // It ended meanwhile, perhaps before its record was put back.
            self.leave_record(&session, CloseCode::ABNORMAL);
        }
        Ok(())
    }

    /// Removes what nodes that are gone have left behind.
    async fn clear_up_after_others(self: &Arc<Self>) -> Result<(), StoreError> {
        while self.lease.may_judge() {
            let reaped = self.store.reap().await?;
            if reaped.sessions > 0 {
                tracing::warn!(sessions = reaped.sessions, "removed the sessions of a node that is gone");
            }
            for absent in reaped.absent {
                self.presences.is_gone(&absent);
            }
            if !reaped.more {
                break;
            }
        }
        Ok(())
    }
}
