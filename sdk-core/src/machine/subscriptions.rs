//! All subscriptions of a client, by topic.

use realtime_gateway_protocol::NotificationId;

use super::{
    Action, Attempt, Millis, StreamId, SubscribeOptions,
    member::Member,
    received::{Confirmation, Push, PushKind, Refusal},
    seen::Seen,
    subscription::Subscription,
    table::Table,
    wire::{Number, PendingReply, Wire},
};
use crate::{Error, Frame, Position, Topic};

/// All subscriptions, and the acknowledged notifications.
#[derive(Default)]
pub(crate) struct Subscriptions {
    topics: Table<Topic, Subscription>,
    streams: Table<StreamId, Topic>,
    /// Acknowledged notifications, which are not delivered again to any stream.
    acknowledged: Seen,
}

impl Subscriptions {
    #[inline(never)]
    pub(crate) fn join(
        &mut self,
        stream: StreamId,
        topic: Topic,
        options: SubscribeOptions,
        until: Millis,
        wire: &mut Wire,
    ) {
        self.streams.insert(stream, topic.clone());
        if self.topics.get(&topic).is_none() {
            self.topics.insert(topic.clone(), Subscription::new(topic.clone()));
        }
        if let Some(subscription) = self.topics.get_mut(&topic) {
            subscription.join(Member::new(stream, options, until), wire);
        }
    }

    /// Removes a stream. The subscription ends with its last stream.
    pub(crate) fn leave(&mut self, stream: StreamId, wire: &mut Wire) {
        let Some(topic) = self.streams.remove(&stream) else { return };
        let Some(subscription) = self.topics.get_mut(&topic) else { return };
        if subscription.leave(stream) {
            self.drop_topic(&topic, wire);
        }
    }

    fn drop_topic(&mut self, topic: &Topic, wire: &mut Wire) {
        if let Some(attempt) = self.topics.remove(topic).and_then(|subscription| subscription.held_on()) {
            wire.request(attempt, topic.unsubscribe(), PendingReply::Unsubscribe);
        }
    }

    pub(crate) fn acknowledged(&mut self, ids: &[NotificationId]) {
        for id in ids {
            self.acknowledged.insert(id);
        }
    }

    pub(crate) fn missed(&mut self, stream: StreamId, id: &NotificationId) {
        let topic = self.topics.get_mut(&Topic::Notifications);
        let member = topic.and_then(|topic| topic.members.iter_mut().find(|member| member.stream == stream));
        if let Some(member) = member {
            member.seen.remove(id);
            member.missed = true;
        }
    }

    pub(crate) fn drained(&mut self, stream: StreamId) {
        if let Some(topic) = self.topics.get_mut(&Topic::Notifications) {
            topic.drained(stream);
        }
    }

    pub(crate) fn connection_lost(&mut self, attempt: Attempt) {
        self.topics.values_mut().for_each(|topic| topic.connection_lost(attempt));
    }

    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, wire: &mut Wire) {
        self.topics.values_mut().for_each(|topic| topic.advance(now, attempt, wire));
    }

    /// Fails streams that were not confirmed in time.
    pub(crate) fn expire(&mut self, now: Millis, why: &Error, wire: &mut Wire) {
        self.topics.values_mut().for_each(|topic| topic.expire(now, why, wire));
        self.forget_empty(wire);
    }

    /// Returns whether every subscription is confirmed on a connection.
    pub(crate) fn settled_on(&self, attempt: Attempt) -> bool {
        self.topics.values().all(|topic| topic.settled_on(attempt))
    }

    #[inline(never)]
    pub(crate) fn confirmed(&mut self, topic: &Topic, number: Number, confirmation: Confirmation, wire: &mut Wire) {
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.confirmed(number, confirmation, wire);
        }
    }

    #[inline(never)]
    pub(crate) fn refused(&mut self, topic: &Topic, number: Number, refused: &Refusal, now: Millis, wire: &mut Wire) {
        if let Some(subscription) = self.topics.get_mut(topic)
            && subscription.refused(number, refused, now, wire)
        {
            self.topics.remove(topic);
        }
        self.forget_empty(wire);
    }

    #[inline(never)]
    pub(crate) fn push(&mut self, attempt: Attempt, push: &Push, frame: &Frame, wire: &mut Wire) {
        if let PushKind::Notification(id) = &push.kind
            && self.acknowledged.contains(id)
        {
            return;
        }
        if let Some(topic) = self.topics.get_mut(&push.topic) {
            topic.push(attempt, push, frame, wire);
        }
    }

    pub(crate) fn reset(&mut self, attempt: Attempt, topic: &Topic, to: Position, wire: &mut Wire) {
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.reset(attempt, to, wire);
        }
    }

    /// Handles the end of a subscription by the gateway. After a temporary end it is requested again at `until`; otherwise
    /// its streams end too.
    #[inline(never)]
    pub(crate) fn ended(&mut self, attempt: Attempt, topic: &Topic, refused: &Refusal, until: Millis, wire: &mut Wire) {
        let Some(subscription) = self.topics.get_mut(topic).filter(|subscription| subscription.ended_on(attempt))
        else {
            return;
        };
        if refused.code.is_retryable() {
            return subscription.interrupted(attempt, until);
        }
        let error = refused.error();
        let Some(subscription) = self.topics.remove(topic) else { return };
        if subscription.is_requested_on(attempt) {
            // A pending subscribe command may still succeed, but no stream needs it any longer. Unsubscribe.
            wire.request(attempt, topic.unsubscribe(), PendingReply::Unsubscribe);
        }
        for member in subscription.members {
            end(&member, &error, wire);
            self.streams.remove(&member.stream);
        }
    }

    /// Handles that the client has stopped: confirmed streams wait, the others are refused.
    pub(crate) fn pause(&mut self, error: &Error, wire: &mut Wire) {
        for topic in self.topics.values_mut() {
            topic.members.retain(|member| {
                if !member.is_joined() {
                    end(member, error, wire);
                }
                member.is_joined()
            });
        }
        self.forget_empty(wire);
    }

    /// Handles that the client has ended: every stream ends.
    pub(crate) fn close(&mut self, error: &Error, wire: &mut Wire) {
        for subscription in std::mem::take(&mut self.topics).into_values() {
            subscription.members.iter().for_each(|member| end(member, error, wire));
        }
        self.streams.clear();
    }

    pub(crate) fn deadline(&self, attempt: Option<Attempt>) -> Option<Millis> {
        self.topics.values().filter_map(|topic| topic.deadline(attempt)).min()
    }

    /// Removes topics and streams that have ended because of a refusal or a timeout.
    fn forget_empty(&mut self, wire: &mut Wire) {
        let empty: Vec<_> =
            self.topics.iter().filter(|(_, topic)| topic.members.is_empty()).map(|(name, _)| name.clone()).collect();
        for topic in empty {
            self.drop_topic(&topic, wire);
        }
        let topics = &self.topics;
        self.streams.retain(|stream, name| {
            topics.get(name).is_some_and(|topic| topic.members.iter().any(|member| member.stream == *stream))
        });
    }
}

fn end(member: &Member, error: &Error, wire: &mut Wire) {
    wire.act(if member.is_joined() {
        Action::Ended(member.stream, error.clone())
    } else {
        Action::Subscribed(member.stream, Err(error.clone()))
    });
}
