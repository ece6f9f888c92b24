//! What lies between the machine and one stream: a bounded queue that a slow reader cannot make anybody wait for.

use std::collections::VecDeque;

use crate::{Delivery, Event, Gap, GapReason, Position};

/// What becomes of a delivery that finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The app is told of a gap; what is not an entry of a log goes without a word.
    Gap,
    /// It comes again once there is room.
    Redeliver,
    /// It is counted.
    Count,
}

/// What a stream is given.
pub enum Taken {
    /// What the machine delivered.
    Delivery(Delivery),
    /// So many found no room.
    Missed(u64),
}

/// A bounded queue of deliveries, for any driver.
pub struct Buffer {
    queue: VecDeque<Delivery>,
    overflow: Overflow,
    capacity: usize,
    /// The position once everything queued has been read.
    tail: Option<Position>,
    gap: Option<Gap>,
    missed: u64,
    drained: bool,
}

impl Buffer {
    /// An empty queue for so many deliveries, at least one.
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

    /// Where the stream begins.
    pub fn begin_at(&mut self, position: Option<Position>) {
        self.tail = position;
    }

    /// Queues a delivery. Returns one that has to come again.
    pub fn push(&mut self, delivery: Delivery) -> Option<Delivery> {
        let full = self.queue.len() >= self.capacity;
        match self.overflow {
            Overflow::Gap if delivery.position.is_none() => {
                // Typing and presence are the first to go.
                if self.queue.len() < self.capacity.div_ceil(2) && self.gap.is_none() {
                    self.queue.push_back(delivery);
                }
            }
            Overflow::Gap if full || self.gap.is_some() => self.widen_gap(delivery),
            // Later ones wait with the first that found no room, so that they come in order.
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

    /// The next thing for the app, if there is one.
    pub fn take(&mut self) -> Option<Taken> {
        let taken = self.next();
        if self.queue.is_empty() && self.missed > 0 && self.overflow == Overflow::Redeliver {
            self.missed = 0;
            self.drained = true;
        }
        taken
    }

    /// Whether a reader that was too slow has caught up, which the machine is to be told with
    /// [`Command::Drained`](super::Command::Drained).
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// Whether a reader that was too slow has caught up since this was last asked.
    pub fn take_drained(&mut self) -> bool {
        std::mem::take(&mut self.drained)
    }

    /// Forgets what is queued: nobody will read it.
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
