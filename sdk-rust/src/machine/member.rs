//! One stream of a subscription: where it stands, and what it still has to be given.

use realtime_gateway_protocol::NotificationId;

use super::{Millis, StreamId, SubscribeOptions, seen::Seen, wire::Wire};
use crate::{Event, Frame, Gap, GapReason, Position};

/// Whether a stream is confirmed.
pub(crate) enum Stage {
    /// It waits for the gateway's confirmation, until then.
    Joining(Millis),
    /// The app has it.
    Joined,
}

/// One stream of a topic.
pub(crate) struct Member {
    pub(crate) stream: StreamId,
    pub(crate) options: SubscribeOptions,
    pub(crate) stage: Stage,
    /// The last entry handed over; entries up to it are dropped.
    pub(crate) position: Option<Position>,
    /// Notifications that were handed over: they are told apart by id.
    pub(crate) seen: Seen,
    /// A notification found no room: the later ones wait, and all come again once there is.
    pub(crate) missed: bool,
}

impl Member {
    pub(crate) fn new(stream: StreamId, options: SubscribeOptions, until: Millis) -> Self {
        Self { stream, options, stage: Stage::Joining(until), position: None, seen: Seen::default(), missed: false }
    }

    pub(crate) fn is_joined(&self) -> bool {
        matches!(self.stage, Stage::Joined)
    }

    /// Hands over an entry of the log, unless this stream has had it.
    pub(crate) fn entry(&mut self, offset: u64, frame: &Frame, wire: &mut Wire) {
        let Some(position) = &self.position else { return };
        if offset <= position.offset {
            return;
        }
        let position = position.at(offset);
        self.position = Some(position.clone());
        wire.deliver(self.stream, Some(position), Event::Message(frame.clone()));
    }

    /// Hands over a notification, unless this stream has had it.
    pub(crate) fn notification(&mut self, id: &NotificationId, frame: &Frame, wire: &mut Wire) {
        if !self.missed && self.seen.insert(id) {
            wire.deliver(self.stream, None, Event::Message(frame.clone()));
        }
    }

    /// Says that everything after this stream's position, up to `to`, is lost to it.
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
