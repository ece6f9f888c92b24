//! The bounded queue of one stream. A slow reader does not delay other streams or the connection.

use std::collections::VecDeque;

use crate::{Delivery, Event, Gap, GapReason, Position};

/// What happens to a delivery when the buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The delivery is dropped, and the app gets a gap if it is a log entry.
    Gap,
    /// The machine delivers it again when there is room.
    Redeliver,
    /// The delivery is dropped and counted.
    Count,
}

/// The result of [`Buffer::take`].
pub enum Taken {
    /// A delivery of the machine.
    Delivery(Delivery),
    /// This many deliveries were dropped.
    Missed(u64),
}

/// A bounded queue of deliveries, for any driver.
pub struct Buffer {
    queue: VecDeque<Delivery>,
    overflow: Overflow,
    capacity: usize,
    /// The position after everything that is queued.
    tail: Option<Position>,
    gap: Option<Gap>,
    missed: u64,
    drained: bool,
}

impl Buffer {
    /// Creates an empty queue for this many deliveries, at least one.
    pub fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            queue: VecDeque::new(),
            overflow,
            capacity: capacity.max(1),
            tail: None,
            gap: None,
            missed: 0,
            drained: false,
        }
    }

    /// Sets the position at which the stream begins.
    pub fn begin_at(&mut self, position: Option<Position>) {
        self.tail = position;
    }

    /// Queues a delivery. Returns it if the machine has to deliver it again.
    pub fn push(&mut self, delivery: Delivery) -> Option<Delivery> {
        let full = self.queue.len() >= self.capacity;
        match self.overflow {
            Overflow::Gap if delivery.position.is_none() => {
                // Typing and presence messages are dropped without a gap.
                if self.queue.len() < self.capacity.div_ceil(2) && self.gap.is_none() {
                    self.queue.push_back(delivery);
                }
            }
            Overflow::Gap if full || self.gap.is_some() => self.widen_gap(delivery),
            // After the first delivery that does not fit, later ones are refused too, so that the order is kept.
            Overflow::Redeliver if full || self.missed > 0 || self.drained => {
                self.missed += 1;
                return Some(delivery);
            }
            Overflow::Count if full || self.missed > 0 => self.missed += 1,
            _ => {
                if delivery.position.is_some() {
                    self.tail.clone_from(&delivery.position);
                }
                self.queue.push_back(delivery);
            }
        }
        None
    }

    /// Returns the next delivery for the app.
    pub fn take(&mut self) -> Option<Taken> {
        let taken = self.next();
        if self.queue.is_empty() && self.missed > 0 && self.overflow == Overflow::Redeliver {
            self.missed = 0;
            self.drained = true;
        }
        taken
    }

    /// Returns whether a slow reader has caught up. The driver reports it with [`Command::Drained`](super::Command::Drained).
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// Returns whether a slow reader has caught up since the last call.
    pub fn take_drained(&mut self) -> bool {
        std::mem::take(&mut self.drained)
    }

    /// Drops everything that is queued.
    pub fn clear(&mut self) {
        self.queue = VecDeque::new();
    }

    fn next(&mut self) -> Option<Taken> {
        if let Some(delivery) = self.queue.pop_front() {
            return Some(Taken::Delivery(delivery));
        }
        if let Some(gap) = self.gap.take() {
            self.tail = Some(gap.after.clone());
            return Some(Taken::Delivery(Delivery { position: self.tail.clone(), event: Event::Gap(gap) }));
        }
        (self.overflow == Overflow::Count && self.missed > 0).then(|| Taken::Missed(std::mem::take(&mut self.missed)))
    }

    fn widen_gap(&mut self, delivery: Delivery) {
        let Some(after) = delivery.position else { return };
        let mut reason = GapReason::Slow;
        let mut before = self.tail.as_ref().map_or(0, |tail| tail.offset);
        if let Event::Gap(gap) = delivery.event {
            reason = gap.reason;
        }
        if let Some(gap) = &self.gap {
            before = gap.before;
            if reason == GapReason::Slow {
                reason = gap.reason;
            }
        }
        self.gap = Some(Gap { before, after, reason });
    }
}
