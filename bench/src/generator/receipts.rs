//! Which messages of a topic a subscriber has received: finds lost, doubled and reordered ones.

/// What was wrong in a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Deliveries that did not arrive.
    pub(crate) lost: u64,
    /// Deliveries of a message that had already arrived.
    pub(crate) doubled: u64,
    /// First deliveries of a message after a later message of its topic.
    pub(crate) reordered: u64,
    /// Deliveries of topics to which the receiver is not subscribed, connections that ended, and messages that the server
    /// refused.
    pub(crate) errors: u64,
}

impl Faults {
    /// Returns the sum of two counts.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            reordered: self.reordered + other.reordered,
            errors: self.errors + other.errors,
        }
    }

    /// Returns how many there are.
    pub(crate) fn sum(self) -> u64 {
        self.lost + self.doubled + self.reordered + self.errors
    }
}

/// How a delivery relates to those before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The message has not arrived before, and no later one has.
    InOrder,
    /// The message has not arrived before, but a later one has.
    Late,
    /// The message has arrived before.
    Repeated,
}

/// What one subscriber has received of one topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    last: u32,
    missing: Vec<u32>,
}

impl Receipts {
    /// Records the delivery of a message, whose number in the topic is at least 1.
    pub(super) fn record(&mut self, sequence: u32) -> Arrival {
        if sequence > self.last {
            self.missing.extend(self.last + 1..sequence);
            self.last = sequence;
            return Arrival::InOrder;
        }
        match self.missing.iter().position(|missing| *missing == sequence) {
            Some(position) => {
                self.missing.swap_remove(position);
                Arrival::Late
            }
            None => Arrival::Repeated,
        }
    }

    /// Returns how many of the messages up to this number have not arrived.
    pub(super) fn lost(&self, published: u32) -> u64 {
        u64::from(published.saturating_sub(self.last)) + self.missing.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_late_and_repeated_messages() {
        let mut receipts = Receipts::default();
        let arrivals = [1, 2, 5, 4, 4, 5, 6].map(|sequence| receipts.record(sequence));
        use Arrival::{InOrder, Late, Repeated};
        assert_eq!(arrivals, [InOrder, InOrder, InOrder, Late, Repeated, Repeated, InOrder]);
        assert_eq!(receipts.lost(6), 1, "number 3");
        assert_eq!(receipts.lost(8), 3, "numbers 3, 7 and 8");
    }

    #[test]
    fn all_messages_are_lost_if_none_arrived() {
        assert_eq!(Receipts::default().lost(4), 4);
        assert_eq!(Receipts::default().lost(0), 0);
    }
}
