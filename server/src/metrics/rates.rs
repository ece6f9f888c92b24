//! How much went on in the last minute, second by second.

use std::time::Instant;

use parking_lot::Mutex;

/// Messages of the last minute.
pub struct Rates {
    started: Instant,
    seconds: Mutex<Seconds>,
}

struct Seconds {
    /// The second that the last slot stands for, since the start.
    last: u64,
    slots: [(u64, u64); 60],
}

impl Default for Rates {
    fn default() -> Self {
        Self { started: Instant::now(), seconds: Mutex::new(Seconds { last: 0, slots: [(0, 0); 60] }) }
    }
}

impl Rates {
    /// Counts messages from clients.
    pub fn received(&self, count: u64) {
        self.with_now(|(received, _)| *received += count);
    }

    /// Counts messages to clients.
    pub fn sent(&self, count: u64) {
        self.with_now(|(_, sent)| *sent += count);
    }

    /// Messages received and sent in the last minute.
    pub fn last_minute(&self) -> (u64, u64) {
        self.with_now(|_| ());
        let seconds = self.seconds.lock();
        seconds.slots.iter().fold((0, 0), |(received, sent), slot| (received + slot.0, sent + slot.1))
    }

    fn with_now(&self, count: impl FnOnce(&mut (u64, u64))) {
        let now = self.started.elapsed().as_secs();
        let mut seconds = self.seconds.lock();
        // The slots of seconds in which nothing happened are cleared, at most all of them.
        let first = (seconds.last + 1).max(now.saturating_sub(59));
        for second in first..=now {
            if let Some(slot) = seconds.slots.get_mut((second % 60) as usize) {
                *slot = (0, 0);
            }
        }
        seconds.last = now;
        if let Some(slot) = seconds.slots.get_mut((now % 60) as usize) {
            count(slot);
        }
    }
}
