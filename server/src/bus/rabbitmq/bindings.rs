//! Which shards this node's queue is bound to: as soon as a subscriber is in one, and for a while after the last left.

use std::{collections::HashMap, time::Duration};

use futures_util::future::try_join_all;
use lapin::Channel;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until, timeout},
};

use super::{
    fault::Fault,
    topology::{Names, bind, shard_key, unbind},
};
use crate::topic::Shard;

/// How long a shard stays bound that nobody is in: users come and go, and come back.
const LINGER: Duration = Duration::from_secs(10);
/// How long a new subscriber waits for its shard at most. What is missed then costs a pulse.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shards, as they are wanted and as they are.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    shards: Mutex<Shards>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Shards {
    /// Whether there is a connection to bind on.
    connected: bool,
    shards: HashMap<Shard, Binding>,
}

#[derive(Debug, Default)]
struct Binding {
    /// Since when nobody is in it; none while somebody is.
    released: Option<Instant>,
    bound: bool,
    waiting: Vec<oneshot::Sender<()>>,
}

/// The next things to do.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    bind: Vec<Shard>,
    unbind: Vec<Shard>,
    /// When to look again, if nothing changes before.
    again: Option<Instant>,
}

impl Bindings {
    /// Wants a shard, and resolves once it is bound, or at once without a connection.
    pub(super) async fn bind(&self, shard: Shard) {
        let bound = {
            let mut shards = self.shards.lock();
            let connected = shards.connected;
            let binding = shards.shards.entry(shard).or_default();
            binding.released = None;
            if binding.bound || !connected {
                return;
            }
            let (waiting, bound) = oneshot::channel();
            binding.waiting.push(waiting);
            bound
        };
        self.changed.notify_one();
        // An error means that the connection went.
        let _ = timeout(PATIENCE, bound).await;
    }

    /// Wants a shard no longer.
    pub(super) fn release(&self, shard: Shard) {
        if let Some(binding) = self.shards.lock().shards.get_mut(&shard) {
            binding.released = Some(Instant::now());
        }
        self.changed.notify_one();
    }

    /// Binds all that is wanted, on a new connection. Before this resolves nobody waits.
    pub(super) async fn restore(&self, channel: &Channel, names: &Names) -> Result<(), Fault> {
        self.disconnected();
        self.shards.lock().connected = true;
        self.apply(channel, names).await.map(drop)
    }

    /// Follows what is wanted, until the connection is lost.
    pub(super) async fn keep(&self, channel: &Channel, names: &Names) -> Result<(), Fault> {
        loop {
            let again = self.apply(channel, names).await?;
            tokio::select! {
                () = self.changed.notified() => {}
                () = async {
                    match again {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        }
    }

    /// Binds all shards again that are wanted, because bindings may have been deleted. The caller does not wait for that.
    pub(super) fn bind_again(&self) {
        for binding in self.shards.lock().shards.values_mut().filter(|binding| binding.released.is_none()) {
            binding.bound = false;
        }
        self.changed.notify_one();
    }

    /// The connection is gone, and with it the channel; nobody need wait.
    pub(super) fn disconnected(&self) {
        let mut shards = self.shards.lock();
        shards.connected = false;
        shards.shards.retain(|_, binding| {
            binding.bound = false;
            binding.waiting.clear();
            binding.released.is_none()
        });
    }

    async fn apply(&self, channel: &Channel, names: &Names) -> Result<Option<Instant>, Fault> {
        let due = self.shards.lock().due(Instant::now());
        let bound = due.bind.iter().map(|shard| async move {
            bind(channel, &names.node, &names.nodes, &shard_key(*shard)).await?;
            self.shards.lock().bound(*shard);
            Ok::<_, Fault>(())
        });
        try_join_all(bound).await?;
        for shard in due.unbind {
            unbind(channel, &names.node, &names.nodes, &shard_key(shard)).await?;
            if self.shards.lock().unbound(shard) {
                // Somebody came meanwhile.
                self.changed.notify_one();
            }
        }
        Ok(due.again)
    }
}

impl Shards {
    fn due(&self, now: Instant) -> Due {
        let (mut due, linger) = (Due { bind: Vec::new(), unbind: Vec::new(), again: None }, LINGER);
        for (shard, binding) in &self.shards {
            match binding.released {
                None if !binding.bound => due.bind.push(*shard),
                Some(released) if released + linger <= now => due.unbind.push(*shard),
                Some(released) => due.again = Some(due.again.map_or(released + linger, |at| at.min(released + linger))),
                None => {}
            }
        }
        due
    }

    fn bound(&mut self, shard: Shard) {
        if let Some(binding) = self.shards.get_mut(&shard) {
            binding.bound = true;
            for waiting in binding.waiting.drain(..) {
                // Whoever waited may have gone.
                let _ = waiting.send(());
            }
        }
    }

    /// Notes that a shard was let go of; true when it is wanted all the same.
    fn unbound(&mut self, shard: Shard) -> bool {
        let Some(binding) = self.shards.get_mut(&shard) else { return false };
        binding.bound = false;
        let wanted = binding.released.is_none();
        if !wanted {
            self.shards.remove(&shard);
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: Shard = Shard(7);

    #[tokio::test(start_paused = true)]
    async fn a_shard_is_let_go_of_a_while_after_its_last_subscriber_left() {
        let bindings = Bindings::default();
        bindings.bind(SHARD).await;
        let due = |bindings: &Bindings| bindings.shards.lock().due(Instant::now());
        assert_eq!(due(&bindings).bind, [SHARD], "wanted, although there is no connection yet");
        bindings.shards.lock().bound(SHARD);
        assert_eq!(due(&bindings).bind, []);
        bindings.release(SHARD);
        let again = due(&bindings).again.unwrap();
        assert_eq!(again, Instant::now() + LINGER);
        bindings.bind(SHARD).await;
        tokio::time::advance(LINGER).await;
        assert_eq!(due(&bindings).unbind, [], "somebody came back in time");
        bindings.release(SHARD);
        tokio::time::advance(LINGER).await;
        assert_eq!(due(&bindings).unbind, [SHARD]);
        assert!(!bindings.shards.lock().unbound(SHARD));
        assert!(bindings.shards.lock().shards.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_and_nobody_waits_for_a_connection_that_is_gone() {
        let bindings = Bindings::default();
        bindings.shards.lock().connected = true;
        let bound = async {
            bindings.changed.notified().await;
            bindings.shards.lock().bound(SHARD);
        };
        let begun = Instant::now();
        tokio::join!(bindings.bind(SHARD), bound);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let gone = async {
            bindings.changed.notified().await;
            bindings.disconnected();
        };
        tokio::join!(bindings.bind(Shard(8)), gone);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let due = bindings.shards.lock().due(Instant::now());
        assert_eq!(due.bind.len(), 2, "the next connection binds both again");
    }
}
