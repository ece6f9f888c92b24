//! The shards that a node has requested, and those that Redis has confirmed.

use parking_lot::Mutex;
use realtime_gateway_protocol::topic::{SHARDS, Shard};
use tokio::sync::Notify;

/// A set of shards.
pub(super) type ShardSet = [bool; SHARDS as usize];

/// The subscriptions of a node.
#[derive(Debug)]
pub(super) struct Shards {
    inner: Mutex<Inner>,
    /// Notified when the requested shards change.
    requested_changed: Notify,
    /// Notified when Redis has confirmed subscriptions, and when the connection is lost.
    confirmed_or_lost: Notify,
}

#[derive(Debug)]
struct Inner {
    is_connected: bool,
    states: [State; SHARDS as usize],
}

/// The state of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The node has not requested its messages.
    Unsubscribed,
    /// The node has requested its messages, and Redis has not confirmed the subscription yet.
    Requested,
    /// Redis has confirmed the subscription.
    Subscribed,
}

impl Default for Shards {
    fn default() -> Self {
        let inner = Inner { is_connected: false, states: [State::Unsubscribed; SHARDS as usize] };
        Self { inner: Mutex::new(inner), requested_changed: Notify::new(), confirmed_or_lost: Notify::new() }
    }
}

impl Inner {
    fn state(&mut self, shard: Shard) -> &mut State {
        #[expect(clippy::indexing_slicing, reason = "there is a state for each value of a shard")]
        &mut self.states[usize::from(shard.0)]
    }
}

impl Shards {
    /// Subscribes to a shard. Resolves when Redis has confirmed it, when the node unsubscribes, or immediately while
    /// there is no connection.
    pub(super) async fn subscribe(&self, shard: Shard) {
        {
            let mut inner = self.inner.lock();
            let state = inner.state(shard);
            if *state == State::Unsubscribed {
                *state = State::Requested;
                self.requested_changed.notify_one();
            }
        }
        loop {
            // Created before the state is read, so that no notification in between is missed.
            let confirmed_or_lost = self.confirmed_or_lost.notified();
            {
                let mut inner = self.inner.lock();
                if !inner.is_connected || *inner.state(shard) != State::Requested {
                    return;
                }
            }
            confirmed_or_lost.await;
        }
    }

    /// Unsubscribes from a shard.
    pub(super) fn unsubscribe(&self, shard: Shard) {
        *self.inner.lock().state(shard) = State::Unsubscribed;
        self.requested_changed.notify_one();
        self.confirmed_or_lost.notify_waiters();
    }

    /// Returns whether the messages of a shard arrive.
    pub(super) fn is_subscribed(&self, shard: Shard) -> bool {
        *self.inner.lock().state(shard) == State::Subscribed
    }

    /// Waits until the requested shards may have changed.
    pub(super) async fn changed(&self) {
        self.requested_changed.notified().await;
    }

    /// Returns the shards that the node has requested, confirmed or not.
    pub(super) fn requested(&self) -> ShardSet {
        self.inner.lock().states.map(|state| state != State::Unsubscribed)
    }

    /// Records that Redis has confirmed exactly these subscriptions on the current connection.
    pub(super) fn confirm(&self, confirmed: &ShardSet) {
        {
            let mut inner = self.inner.lock();
            inner.is_connected = true;
            for (state, is_confirmed) in inner.states.iter_mut().zip(confirmed) {
                if *is_confirmed && *state == State::Requested {
                    *state = State::Subscribed;
                }
            }
        }
        self.confirmed_or_lost.notify_waiters();
    }

    /// Records that the connection is lost, and with it all confirmations.
    pub(super) fn disconnect(&self) {
        {
            let mut inner = self.inner.lock();
            inner.is_connected = false;
            for state in inner.states.iter_mut().filter(|state| **state == State::Subscribed) {
                *state = State::Requested;
            }
        }
        self.confirmed_or_lost.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const ONE: Shard = Shard(1);
    const NONE: ShardSet = [false; SHARDS as usize];

    fn only(shard: Shard) -> ShardSet {
        let mut set = NONE;
        set[usize::from(shard.0)] = true;
        set
    }

    #[test]
    fn subscribing_waits_for_confirmation_while_connected() {
        let shards = Shards::default();
        shards.confirm(&NONE);
        let mut subscribing = Box::pin(shards.subscribe(ONE));
        assert!((&mut subscribing).now_or_never().is_none());
        assert_eq!(shards.requested(), only(ONE));
        assert!(!shards.is_subscribed(ONE));
        shards.confirm(&only(Shard(2)));
        assert!((&mut subscribing).now_or_never().is_none(), "another shard was confirmed");
        shards.confirm(&only(ONE));
        assert!(subscribing.now_or_never().is_some());
        assert!(shards.is_subscribed(ONE) && !shards.is_subscribed(Shard(2)));
    }

    #[test]
    fn subscribing_does_not_wait_without_connection() {
        let shards = Shards::default();
        assert!(shards.subscribe(ONE).now_or_never().is_some());
        shards.confirm(&NONE);
        let mut subscribing = Box::pin(shards.subscribe(ONE));
        assert!((&mut subscribing).now_or_never().is_none(), "it is requested but not confirmed");
        shards.disconnect();
        assert!(subscribing.now_or_never().is_some());
    }

    #[test]
    fn subscribing_ends_when_node_unsubscribes() {
        let shards = Shards::default();
        shards.confirm(&NONE);
        let mut subscribing = Box::pin(shards.subscribe(ONE));
        assert!((&mut subscribing).now_or_never().is_none());
        shards.unsubscribe(ONE);
        assert!(subscribing.now_or_never().is_some());
        shards.confirm(&only(ONE));
        assert!(!shards.is_subscribed(ONE), "a late confirmation");
    }

    #[test]
    fn requested_shards_survive_lost_connection() {
        let shards = Shards::default();
        assert!(shards.subscribe(ONE).now_or_never().is_some());
        shards.confirm(&only(ONE));
        assert!(shards.is_subscribed(ONE));
        shards.disconnect();
        assert!(!shards.is_subscribed(ONE));
        assert_eq!(shards.requested(), only(ONE));
    }
}
