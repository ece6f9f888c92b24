//! Removes expired data, a bounded number of rows at a time.

use std::time::Duration;

use realtime_gateway_protocol::Timestamp;

use super::{State, server_subscriptions::MemorySubscriptions};
use crate::{Swept, clock::after};

/// The maximum number of rows that one sweep removes, so that it holds the lock only briefly.
const SWEEP_ROWS: usize = 500;

impl State {
    /// Removes expired data, at most [`SWEEP_ROWS`] rows.
    pub(super) fn sweep(&mut self, now: Timestamp, window: Duration) -> Swept {
        let mut swept = Swept::default();
        let mut rows = SWEEP_ROWS;
        while rows > 0 && self.ages.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, topic)) = self.ages.pop_first() else { break };
            let Some(log) = self.logs.get_mut(&topic) else { continue };
            let before = log.bytes();
            let removed = log.remove_aged(now, rows);
            self.bytes = (self.bytes + log.bytes()).saturating_sub(before);
            rows = rows.saturating_sub(removed.max(1));
            swept.entries += removed as u64;
            if let Some(due) = log.due() {
                self.ages.insert((due, topic));
            }
        }
        while rows > 0 && self.expiries.first().is_some_and(|(expires, ..)| *expires <= now) {
            let Some((_, user, offset)) = self.expiries.pop_first() else { break };
            rows -= 1;
            swept.expired += 1;
            if let Some(notifications) = self.users.get_mut(&user) {
                let before = notifications.bytes();
                let removed = notifications.remove(offset, now, window);
                self.bytes = (self.bytes + notifications.bytes()).saturating_sub(before);
                if let Some(row) = removed {
                    self.forget_times(&user, offset, &row);
                }
            }
        }
        let over = |at: &Timestamp| after(*at, window) <= now;
        while rows > 0 && self.keys.front().is_some_and(|(at, ..)| over(at)) {
            let Some((_, topic, key)) = self.keys.pop_front() else { break };
            rows -= 1;
            if let Some(log) = self.logs.get_mut(&topic) {
                let before = log.bytes();
                log.forget(&key, now, window);
                self.bytes = (self.bytes + log.bytes()).saturating_sub(before);
            }
        }
        while rows > 0 && self.ids.front().is_some_and(|(at, ..)| over(at)) {
            let Some((_, user, id)) = self.ids.pop_front() else { break };
            rows -= 1;
            if let Some(notifications) = self.users.get_mut(&user) {
                let before = notifications.bytes();
                notifications.forget(&id, now, window);
                self.bytes = (self.bytes + notifications.bytes()).saturating_sub(before);
            }
        }
        let increase = self.subscriptions.sweep(now, &mut rows);
        self.bytes = self.bytes.saturating_add_signed(MemorySubscriptions::bytes(increase));
        swept.more = rows == 0;
        swept
    }
}
