//! One stream of a subscription: its position, and the detection of duplicates.

use realtime_gateway_protocol::NotificationId;

use super::{Millis, StreamId, SubscribeOptions, seen::Seen, wire::Wire};
use crate::{Event, Frame, Gap, GapReason, Position};

/// Whether a stream is confirmed.
pub(crate) enum Stage {
    /// The stream waits for the gateway's confirmation until this time.
    Joining(Millis),
    /// The stream is confirmed.
    Joined,
}

/// One stream of a topic.
pub(crate) struct Member {
    pub(crate) stream: StreamId,
    pub(crate) options: SubscribeOptions,
    pub(crate) stage: Stage,
    /// The last entry that was delivered. Entries up to it are duplicates.
    pub(crate) position: Option<Position>,
    /// The ids of the notifications that were delivered.
    pub(crate) seen: Seen,
    /// Whether a notification did not fit into the buffer. Later ones are held back then, and all are delivered again
    /// when there is room.
    pub(crate) missed: bool,
}

impl Member {
    pub(crate) fn new(stream: StreamId, options: SubscribeOptions, until: Millis) -> Self {
        Self { stream, options, stage: Stage::Joining(until), position: None, seen: Seen::default(), missed: false }
    }

    pub(crate) fn is_joined(&self) -> bool {
        matches!(self.stage, Stage::Joined)
    }

    /// Delivers a log entry, unless it is a duplicate.
    pub(crate) fn entry(&mut self, offset: u64, frame: &Frame, wire: &mut Wire) {
        // Without a position, the subscription was confirmed by a node for which the topic has no history.
        if let Some(position) = &mut self.position {
            if offset <= position.offset {
                return;
            }
            *position = position.at(offset);
        }
        wire.deliver(self.stream, self.position.clone(), Event::Message(frame.clone()));
    }

    /// Delivers a notification, unless it is a duplicate.
    pub(crate) fn notification(&mut self, id: &NotificationId, frame: &Frame, wire: &mut Wire) {
        if !self.missed && self.seen.insert(id) {
            wire.deliver(self.stream, None, Event::Message(frame.clone()));
        }
    }

    /// Delivers a gap from the stream's position up to `to`.
    pub(crate) fn gap(&mut self, to: &Position, wire: &mut Wire) {
        let from = self.position.as_ref().or(self.options.from.as_ref());
        if let Some(from) = from {
            let reason = if from.epoch == to.epoch { GapReason::Trimmed } else { GapReason::EpochChanged };
            let gap = Gap { before: from.offset, after: to.clone(), reason };
            wire.deliver(self.stream, Some(to.clone()), Event::Gap(gap));
        }
        self.position = Some(to.clone());
    }
}
