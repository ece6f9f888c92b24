//! The subscriptions that the server has made. Their events go to the streams of all server-side subscriptions, each once
//! and in the order of its log. After a reconnection, what was missed is requested with `recover`.

use realtime_gateway_protocol::Subscribe;

use super::{
    Action, Attempt, Millis, StreamId,
    received::{Confirmation, Push, PushKind, Refusal},
    subscription::RETRY,
    table::Table,
    wire::{Number, PendingReply, Wire},
};
use crate::{Error, Event, Frame, Gap, GapReason, Position, Topic};

/// A topic to which the server has subscribed the client, now or on an earlier connection.
struct Tracked {
    /// The last entry that was delivered. `None` for a topic without history.
    position: Option<Position>,
    /// The message that announced the subscription. `None` for a topic whose position the app has given.
    confirmation: Option<Frame>,
    /// The connection on which the subscription exists.
    held: Option<Attempt>,
    /// Whether entries after the position were not delivered and have to be requested. Pushes are ignored until the reply.
    behind: bool,
    /// The request that waits for its reply.
    pending: Option<Number>,
    not_before: Millis,
}

/// The server-side subscriptions of a client.
#[derive(Default)]
pub(crate) struct ServerSide {
    topics: Table<Topic, Tracked>,
    streams: Vec<StreamId>,
}

impl ServerSide {
    /// Adds a stream. It begins with the subscriptions that exist. The positions are those of an earlier client, after
    /// which the stream continues.
    #[inline(never)]
    pub(crate) fn join(&mut self, stream: StreamId, from: Vec<(Topic, Position)>, wire: &mut Wire) {
        wire.act(Action::Subscribed(stream, Ok(None)));
        for (topic, position) in from {
            if self.topics.get(&topic).is_none() {
                self.topics.insert(topic, Tracked::at(Some(position)));
            }
        }
        for confirmation in self.topics.values().filter(|tracked| tracked.held.is_some()) {
            if let Some(frame) = &confirmation.confirmation {
                wire.deliver(stream, None, Event::Message(frame.clone()));
            }
        }
        self.streams.push(stream);
    }

    /// Removes a stream. While there is none, positions stay where they are.
    pub(crate) fn leave(&mut self, stream: StreamId) {
        self.streams.retain(|other| *other != stream);
    }

    /// Handles a subscription that the server has made, with the head of its log, if it has one.
    #[inline(never)]
    pub(crate) fn confirmed(
        &mut self,
        attempt: Attempt,
        topic: &Topic,
        head: Option<Position>,
        frame: &Frame,
        wire: &mut Wire,
    ) {
        let known = self.topics.get(topic).is_some_and(|tracked| tracked.confirmation.is_some());
        if !known {
            self.deliver(None, &Event::Message(frame.clone()), wire);
        }
        if self.topics.get(topic).is_none() {
            self.topics.insert(topic.clone(), Tracked::at(head.clone()));
        }
        let Some(tracked) = self.topics.get_mut(topic) else { return };
        tracked.confirmation = Some(frame.clone());
        tracked.held = Some(attempt);
        tracked.pending = None;
        match (&tracked.position, head) {
            (Some(at), Some(head)) => tracked.behind |= at.epoch != head.epoch || at.offset < head.offset,
            (None, head @ Some(_)) => tracked.position = head,
            // Nothing can be requested.
            (_, None) => tracked.behind = false,
        }
    }

    /// Requests what was missed, if a stream can take it.
    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, wire: &mut Wire) {
        if self.streams.is_empty() {
            return;
        }
        for (topic, tracked) in self.topics.iter_mut() {
            let Topic::Service(service, name) = topic else { continue };
            if tracked.needs(attempt) && now >= tracked.not_before {
                let subscribe = Subscribe {
                    service: service.clone(),
                    topic: name.clone(),
                    recover: tracked.position.clone().map(Into::into),
                    history: None,
                    presence: None,
                    presence_data: None,
                    server_side: Some(true),
                };
                tracked.pending = Some(wire.request(attempt, subscribe, PendingReply::Recover(topic.clone())));
            }
        }
    }

    /// Handles the reply to a request of what was missed.
    pub(crate) fn recovered(&mut self, topic: &Topic, number: Number, confirmation: &Confirmation, wire: &mut Wire) {
        let Some(tracked) = self.topics.get_mut(topic).filter(|tracked| tracked.pending == Some(number)) else {
            return;
        };
        tracked.pending = None;
        tracked.behind = false;
        if let Some(head) = confirmation.head.as_ref().filter(|_| !confirmation.recovered) {
            self.gap(topic, head, wire);
        }
    }

    /// Handles the refusal of a request of what was missed.
    pub(crate) fn refused(&mut self, topic: &Topic, number: Number, refused: &Refusal, now: Millis) {
        let Some(tracked) = self.topics.get_mut(topic).filter(|tracked| tracked.pending == Some(number)) else {
            return;
        };
        tracked.pending = None;
        if refused.code.is_retryable() {
            tracked.not_before = now + refused.retry_after.unwrap_or(RETRY);
        } else {
            // The server has ended the subscription meanwhile, and says so in a message of its own.
            tracked.held = None;
        }
    }

    /// Handles a push of a topic.
    #[inline(never)]
    pub(crate) fn push(&mut self, attempt: Attempt, push: &Push, frame: &Frame, wire: &mut Wire) {
        let Some(tracked) = self.topics.get_mut(&push.topic).filter(|tracked| tracked.held == Some(attempt)) else {
            return;
        };
        let PushKind::Other = &push.kind else { return };
        let mut position = None;
        if let (Some(offset), Some(at)) = (push.offset, &mut tracked.position) {
            if tracked.behind || offset <= at.offset {
                return;
            }
            if self.streams.is_empty() {
                tracked.behind = true;
                return;
            }
            *at = at.at(offset);
            position = Some(at.clone());
        }
        self.deliver(position, &Event::Message(frame.clone()), wire);
    }

    /// Handles that the server, or the gateway, has ended the subscription to a topic.
    #[inline(never)]
    pub(crate) fn ended(&mut self, attempt: Attempt, topic: &Topic, frame: &Frame, wire: &mut Wire) {
        if self.topics.get(topic).is_some_and(|tracked| tracked.held == Some(attempt)) {
            self.topics.remove(topic);
            self.deliver(None, &Event::Message(frame.clone()), wire);
        }
    }

    /// Handles `subscription_reset`: the gateway continues from another position.
    pub(crate) fn reset(&mut self, attempt: Attempt, topic: &Topic, to: &Position, wire: &mut Wire) {
        let is_live = |tracked: &&Tracked| tracked.held == Some(attempt) && !tracked.behind;
        let Some(tracked) = self.topics.get(topic).filter(is_live) else { return };
        if tracked.position.as_ref().is_some_and(|at| at.epoch != to.epoch || at.offset < to.offset) {
            self.gap(topic, to, wire);
        }
    }

    pub(crate) fn connection_lost(&mut self, attempt: Attempt) {
        for tracked in self.topics.values_mut().filter(|tracked| tracked.held == Some(attempt)) {
            tracked.held = None;
            tracked.pending = None;
        }
    }

    /// Handles that the client has ended: every stream ends.
    pub(crate) fn close(&mut self, error: &Error, wire: &mut Wire) {
        for stream in std::mem::take(&mut self.streams) {
            wire.act(Action::Ended(stream, error.clone()));
        }
        self.topics.clear();
    }

    pub(crate) fn deadline(&self, attempt: Option<Attempt>) -> Option<Millis> {
        let attempt = attempt.filter(|_| !self.streams.is_empty())?;
        self.topics.values().filter(|tracked| tracked.needs(attempt)).map(|tracked| tracked.not_before).min()
    }

    /// Moves a topic to another position, and delivers the gap up to it.
    fn gap(&mut self, topic: &Topic, to: &Position, wire: &mut Wire) {
        let Some(tracked) = self.topics.get_mut(topic) else { return };
        let Some(from) = tracked.position.replace(to.clone()) else { return };
        let reason = if from.epoch == to.epoch { GapReason::Trimmed } else { GapReason::EpochChanged };
        let gap = Gap { before: from.offset, after: to.clone(), reason };
        self.deliver(Some(to.clone()), &Event::TopicGap(topic.clone(), gap), wire);
    }

    fn deliver(&self, position: Option<Position>, event: &Event, wire: &mut Wire) {
        for stream in &self.streams {
            wire.deliver(*stream, position.clone(), event.clone());
        }
    }
}

impl Tracked {
    fn at(position: Option<Position>) -> Self {
        Self { position, confirmation: None, held: None, behind: false, pending: None, not_before: 0 }
    }

    /// Returns whether something has to be requested on this connection.
    fn needs(&self, attempt: Attempt) -> bool {
        self.behind && self.held == Some(attempt) && self.pending.is_none()
    }
}
