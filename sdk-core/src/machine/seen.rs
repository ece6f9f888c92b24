//! A bounded set of the notification ids that a stream has delivered last.

use std::collections::VecDeque;

use realtime_gateway_protocol::NotificationId;

use super::IdSet;

/// The default number of remembered ids.
const CAPACITY: usize = 2_000;
/// The maximum number of remembered ids, even if the gateway holds more pending notifications.
const MAX_CAPACITY: usize = 20_000;

/// The ids that were delivered last.
pub(crate) struct Seen {
    ids: IdSet,
    order: VecDeque<NotificationId>,
    capacity: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self { ids: IdSet::default(), order: VecDeque::new(), capacity: CAPACITY }
    }
}

impl Seen {
    /// Adds an id. Returns false if it was in the set already.
    pub(crate) fn insert(&mut self, id: &NotificationId) -> bool {
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id.clone());
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(oldest.as_str());
            }
        }
        true
    }

    pub(crate) fn contains(&self, id: &NotificationId) -> bool {
        self.ids.contains(id.as_str())
    }

    /// Removes an id, so that it counts as new again.
    pub(crate) fn remove(&mut self, id: &NotificationId) {
        if self.ids.remove(id.as_str()) {
            self.order.retain(|other| other != id);
        }
    }

    /// Grows the set for a replay of this many notifications. A smaller set would lose the first ids before the last ones
    /// arrive, and the next replay would deliver all notifications again.
    pub(crate) fn expect(&mut self, pending: u64) {
        let wanted = usize::try_from(pending).unwrap_or(MAX_CAPACITY).saturating_mul(2);
        self.capacity = self.capacity.max(wanted.min(MAX_CAPACITY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> NotificationId {
        NotificationId::new(n.to_string()).unwrap()
    }

    #[test]
    fn is_bounded_and_forgets_the_oldest() {
        let mut seen = Seen::default();
        assert!((0..CAPACITY + 1).all(|n| seen.insert(&id(n))));
        assert!(!seen.insert(&id(1)));
        assert!(seen.insert(&id(0)), "the oldest was forgotten");
        assert_eq!(seen.ids.len(), CAPACITY);
        assert_eq!(seen.order.len(), CAPACITY);
    }
}
