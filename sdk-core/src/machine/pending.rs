//! Counts the notifications that are not acknowledged, for a badge in the app.

use realtime_gateway_protocol::NotificationId;

use super::IdSet;

/// The maximum number of remembered ids. Beyond it only the number that the gateway reported is used.
const MAX_IDS: usize = 20_000;

/// Counts pending notifications.
#[derive(Default)]
pub(crate) struct PendingCount {
    /// The number that the gateway reported with the confirmation, minus those acknowledged since.
    reported: u64,
    /// Notifications that arrived since then and are not acknowledged.
    arrived: IdSet,
    /// The last number that was reported to the app.
    shown: Option<u64>,
}

impl PendingCount {
    /// Handles the confirmation of the subscription, with the number of pending notifications.
    pub(crate) fn confirmed(&mut self, pending: u64) {
        self.reported = pending;
        self.arrived.clear();
        self.shown = None;
    }

    /// Handles a notification. After the confirmation the pending notifications arrive first, then new ones, so the count
    /// increases only beyond the reported number.
    pub(crate) fn arrived(&mut self, id: &NotificationId) {
        if self.arrived.len() < MAX_IDS {
            self.arrived.insert(id.clone());
        }
    }

    /// Handles that notifications were acknowledged, in this session or another.
    pub(crate) fn acknowledged(&mut self, ids: &[NotificationId]) {
        for id in ids {
            self.arrived.remove(id.as_str());
            self.reported = self.reported.saturating_sub(1);
        }
    }

    /// Returns the number if it has changed since the last call, or if the subscription was confirmed since then.
    pub(crate) fn take_change(&mut self) -> Option<u64> {
        let count = self.reported.max(u64::try_from(self.arrived.len()).unwrap_or(u64::MAX));
        (self.shown.replace(count) != Some(count)).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: &str) -> NotificationId {
        NotificationId::new(id).unwrap()
    }

    #[test]
    fn counts_a_replay_once() {
        let mut pending = PendingCount::default();
        pending.confirmed(2);
        assert_eq!(pending.take_change(), Some(2));
        for name in ["a", "b"] {
            pending.arrived(&id(name));
            assert_eq!(pending.take_change(), None);
        }
        pending.arrived(&id("c"));
        assert_eq!(pending.take_change(), Some(3));
        pending.acknowledged(&[id("a")]);
        assert_eq!(pending.take_change(), Some(2));
        pending.acknowledged(&[id("b"), id("c")]);
        assert_eq!(pending.take_change(), Some(0));
        pending.confirmed(0);
        assert_eq!(pending.take_change(), Some(0), "reported again after a reconnect");
    }
}
