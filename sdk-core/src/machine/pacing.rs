//! Limits the rate of commands to `connected.limits`, so that the gateway does not refuse them.

use realtime_gateway_protocol::Limits;

use super::Millis;

/// A token bucket. It counts in thousandths of a command.
pub(crate) struct Pacer {
    level: u64,
    capacity: u64,
    per_milli: u64,
    filled: Millis,
}

impl Pacer {
    /// Creates a full bucket. It is refilled at nine tenths of the allowed rate, because the network may deliver evenly
    /// spaced commands in bursts.
    pub(crate) fn new(limits: Limits, now: Millis) -> Self {
        let per_milli = (u64::from(limits.messages_per_second) * 9 / 10).max(1);
        let capacity = u64::from(limits.burst).max(1) * 1_000;
        Self { level: capacity, capacity, per_milli, filled: now }
    }

    /// Takes a token for one command, if there is one.
    pub(crate) fn take(&mut self, now: Millis) -> bool {
        let passed = now.saturating_sub(self.filled);
        self.level = self.level.saturating_add(passed.saturating_mul(self.per_milli)).min(self.capacity);
        self.filled = now;
        let enough = self.level >= 1_000;
        if enough {
            self.level -= 1_000;
        }
        enough
    }

    /// Returns when the next command may be sent.
    pub(crate) fn next(&self) -> Millis {
        self.filled + 1_000_u64.saturating_sub(self.level).div_ceil(self.per_milli)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_the_burst_and_then_the_rate() {
        let mut pacer = Pacer::new(Limits { messages_per_second: 20, burst: 40, subscriptions: 1 }, 0);
        assert_eq!((0..100).filter(|_| pacer.take(0)).count(), 40);
        assert!(!pacer.take(pacer.next() - 1));
        let sent = (1..=10_000).filter(|now| pacer.take(*now)).count();
        assert!((170..=200).contains(&sent), "{sent} in ten seconds");
    }
}
