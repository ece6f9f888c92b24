//! The subscription to one topic. All streams of the topic share one subscription at the gateway, which starts from the
//! position of the stream that is furthest behind.

use realtime_gateway_protocol::ErrorCode;

use super::{
    Action, Attempt, Millis, StreamId, SubscribeOptions,
    member::{Member, Stage},
    received::{Confirmation, Push, PushKind, Refusal},
    wire::{Number, PendingReply, Wire},
};
use crate::{Error, Event, Frame, Position, Topic, topic::SubscribeRequest};

/// The history that is requested together with a `recover` of a live subscription. If the recovery is refused, these latest
/// entries keep the streams complete that were up to date.
const FALLBACK_HISTORY: u32 = 100;
/// The retry delay after a temporary refusal without `retryAfterMs`.
pub(crate) const RETRY: Millis = 1_000;
/// The longest delay between two attempts, unless the gateway requests a longer one.
const MAX_RETRY: Millis = 30_000;
/// The delay before another attempt for a stream that was confirmed before and is refused now, for example because a node
/// does not know the service yet.
const RETRY_REFUSED: Millis = 30_000;

/// A subscribe command that waits for its reply.
struct PendingSubscribe {
    attempt: Attempt,
    number: Number,
    request: SubscribeRequest,
    /// Whether the subscription was live on the same connection, so that streams that were up to date have missed nothing.
    again: bool,
    joining: Vec<StreamId>,
}

/// The streams of one topic.
pub(crate) struct Subscription {
    topic: Topic,
    pub(crate) members: Vec<Member>,
    /// The connection on which the subscription is live. Only its pushes are delivered.
    live: Option<Attempt>,
    pending: Option<PendingSubscribe>,
    /// The head that the gateway reported, or the last entry that arrived, whichever is later.
    head: Option<Position>,
    presence: bool,
    not_before: Millis,
    /// The number of temporary refusals since the subscription was last confirmed.
    refusals: u32,
    /// Whether the pending notifications have to be replayed.
    replay: bool,
}

impl Subscription {
    pub(crate) fn new(topic: Topic) -> Self {
        Self {
            topic,
            members: Vec::new(),
            live: None,
            pending: None,
            head: None,
            presence: false,
            not_before: 0,
            refusals: 0,
            replay: false,
        }
    }

    /// Adds a stream. It is confirmed immediately if it needs nothing beyond the live subscription.
    pub(crate) fn join(&mut self, mut member: Member, wire: &mut Wire) {
        let settled = self.live.is_some() && self.pending.is_none() && self.topic != Topic::Notifications;
        let SubscribeOptions { history, presence, presence_data, .. } = &member.options;
        let plain = history.unwrap_or(0) == 0 && !presence && presence_data.is_none();
        let head = self.head.clone().filter(|head| member.options.from.as_ref().is_none_or(|from| from == head));
        if settled && plain && head.is_some() {
            member.position.clone_from(&head);
            member.stage = Stage::Joined;
            wire.act(Action::Subscribed(member.stream, Ok(head)));
        }
        self.members.push(member);
    }

    /// Removes a stream. Returns whether it was the last one.
    pub(crate) fn leave(&mut self, stream: StreamId) -> bool {
        self.members.retain(|member| member.stream != stream);
        self.members.is_empty()
    }

    /// Returns the connection on which this subscription is live or requested.
    pub(crate) fn held_on(&self) -> Option<Attempt> {
        self.live.or(self.pending.as_ref().map(|pending| pending.attempt))
    }

    /// Returns whether a subscribe command on this connection has not been answered yet.
    pub(crate) fn is_requested_on(&self, attempt: Attempt) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.attempt == attempt)
    }

    /// Returns whether the subscription is confirmed on a connection.
    pub(crate) fn settled_on(&self, attempt: Attempt) -> bool {
        self.live == Some(attempt) && self.pending.is_none()
    }

    pub(crate) fn connection_lost(&mut self, attempt: Attempt) {
        self.live.take_if(|live| *live == attempt);
        self.pending.take_if(|pending| pending.attempt == attempt);
    }

    /// Sends a subscribe command on this connection, if the streams need one.
    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, wire: &mut Wire) {
        if !self.needs(attempt) || now < self.not_before {
            return;
        }
        let again = self.live == Some(attempt);
        if again && self.topic == Topic::Notifications {
            // A repeated subscribe command replays nothing. Unsubscribe first, so that the pending notifications are sent
            // again.
            wire.request(attempt, self.topic.unsubscribe(), PendingReply::Unsubscribe);
            self.live = None;
        }
        self.replay = false;
        self.presence = self.members.iter().any(|member| member.options.presence);
        let request = self.request_for(again);
        let joining = self.members.iter().filter(|member| !member.is_joined()).map(|member| member.stream).collect();
        let message = self.topic.subscribe(request.clone());
        let number = wire.request(attempt, message, PendingReply::Subscribe(self.topic.clone()));
        self.pending = Some(PendingSubscribe { attempt, number, request, again, joining });
    }

    /// Returns whether a subscribe command is needed on this connection.
    fn needs(&self, attempt: Attempt) -> bool {
        let joining = self.members.iter().any(|member| !member.is_joined());
        !self.is_requested_on(attempt)
            && !self.members.is_empty()
            && (self.live != Some(attempt) || joining || self.replay)
    }

    /// Returns the parameters with which every stream gets the entries that it has not received.
    fn request_for(&self, again: bool) -> SubscribeRequest {
        let presence = self.presence;
        let presence_data = self.members.iter().rev().find_map(|member| member.options.presence_data.clone());
        if self.topic == Topic::Notifications {
            return SubscribeRequest { presence, ..SubscribeRequest::default() };
        }
        let history = self.members.iter().filter(|m| !m.is_joined()).filter_map(|m| m.options.history).max();
        let starts = self.members.iter().filter_map(|member| match (&member.stage, &member.options) {
            (Stage::Joined, _) => member.position.clone(),
            (_, options) if options.from.is_some() => options.from.clone(),
            (_, options) => {
                let past = u64::from(options.history?);
                self.head.as_ref().map(|head| head.at(head.offset.saturating_sub(past)))
            }
        });
        // Offsets of two epochs cannot be compared. Streams with a position of an old epoch get a gap after the
        // confirmation.
        let epoch = self.head.as_ref().map(|head| head.epoch.clone());
        let recover = starts.reduce(|first, next| match &epoch {
            Some(epoch) if first.epoch != *epoch => next,
            _ if next.epoch == first.epoch && next.offset < first.offset => next,
            _ => first,
        });
        let history =
            if again && recover.is_some() { Some(history.unwrap_or(0).max(FALLBACK_HISTORY)) } else { history };
        SubscribeRequest { recover: recover.map(Into::into), history, presence, presence_data }
    }

    /// Handles the confirmation of the subscription.
    pub(crate) fn confirmed(&mut self, number: Number, confirmation: Confirmation, wire: &mut Wire) {
        let Some(pending) = self.pending.take_if(|pending| pending.number == number) else { return };
        self.live = Some(pending.attempt);
        self.not_before = 0;
        self.refusals = 0;
        let Confirmation { head, recovered, pending: notifications } = confirmation;
        for member in &mut self.members {
            if self.topic == Topic::Notifications {
                member.seen.expect(notifications);
            } else if let Some(head) = &head {
                place(member, &pending, head, recovered, wire);
            }
            if !member.is_joined() && pending.joining.contains(&member.stream) {
                member.stage = Stage::Joined;
                let position = member.position.clone().or_else(|| member.options.from.clone());
                wire.act(Action::Subscribed(member.stream, Ok(position)));
            }
        }
        // A stream that continues from a stored position gets its gap after its confirmation.
        if let Some(head) = head.as_ref().filter(|_| self.topic != Topic::Notifications) {
            for member in self.members.iter_mut().filter(|member| member.is_joined() && member.position.is_none()) {
                member.gap(head, wire);
            }
        }
        self.head = head;
    }

    /// Handles the refusal of the subscription. Returns whether this ends every stream of the topic.
    pub(crate) fn refused(&mut self, number: Number, refused: &Refusal, now: Millis, wire: &mut Wire) -> bool {
        let Some(pending) = self.pending.take_if(|pending| pending.number == number) else { return false };
        if refused.code.is_retryable() {
            let wait = refused.retry_after.unwrap_or(RETRY);
            self.not_before = now + (wait << self.refusals.min(8)).min(MAX_RETRY.max(wait));
            self.refusals += 1;
            return false;
        }
        let error = refused.error();
        // If the subscription stays live, only the streams that needed more are refused.
        let live_on = pending.again && self.topic != Topic::Notifications;
        let passes =
            matches!(refused.code, ErrorCode::SubscriptionLimit | ErrorCode::UnknownService | ErrorCode::Unauthorized);
        if passes {
            self.not_before = now + RETRY_REFUSED;
        }
        self.members.retain(|member| {
            let ends = !(live_on || passes) || !member.is_joined();
            if ends {
                wire.act(if member.is_joined() {
                    Action::Ended(member.stream, error.clone())
                } else {
                    Action::Subscribed(member.stream, Err(error.clone()))
                });
            }
            !ends
        });
        self.members.is_empty()
    }

    /// Handles a push of this topic.
    pub(crate) fn push(&mut self, attempt: Attempt, push: &Push, frame: &Frame, wire: &mut Wire) {
        // After the confirmation on a newer connection, that connection delivers everything. Pushes of the older one are
        // not needed and may belong to an older epoch.
        if self.live != Some(attempt) {
            return;
        }
        if let (Some(offset), Some(head)) = (push.offset, &mut self.head) {
            head.offset = head.offset.max(offset);
        }
        for member in self.members.iter_mut().filter(|member| member.is_joined()) {
            match (&push.kind, push.offset) {
                (PushKind::Notification(id), _) => member.notification(id, frame, wire),
                _ if self.topic == Topic::Notifications => {}
                (_, Some(offset)) => member.entry(offset, frame, wire),
                (PushKind::Presence, None) if !member.options.presence => {}
                (_, None) => wire.deliver(member.stream, None, Event::Message(frame.clone())),
            }
        }
    }

    /// Handles `subscription_reset`: the gateway continues from another position.
    pub(crate) fn reset(&mut self, attempt: Attempt, to: Position, wire: &mut Wire) {
        if self.live != Some(attempt) || self.topic == Topic::Notifications {
            return;
        }
        for member in self.members.iter_mut().filter(|member| member.is_joined()) {
            let ahead = member.position.as_ref().is_some_and(|at| at.epoch == to.epoch && at.offset >= to.offset);
            if !ahead {
                member.gap(&to, wire);
            }
        }
        self.head = Some(to);
    }

    /// Handles the end of the subscription. Returns whether it was live or requested on this connection.
    pub(crate) fn ended_on(&self, attempt: Attempt) -> bool {
        self.held_on() == Some(attempt)
    }

    /// Handles a temporary end of the subscription. It is requested again at `until`, from the position of each stream.
    pub(crate) fn interrupted(&mut self, attempt: Attempt, until: Millis) {
        self.live.take_if(|live| *live == attempt);
        self.not_before = until;
        // Frames of one connection arrive in order, so a pending subscribe command will start a new subscription. Its
        // confirmation says nothing about the entries between the end of this subscription and the start of the new one.
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.attempt == attempt) {
            pending.again = false;
        }
    }

    /// Handles that a stream whose buffer was full has room again.
    pub(crate) fn drained(&mut self, stream: StreamId) {
        for member in self.members.iter_mut().filter(|member| member.stream == stream && member.missed) {
            member.missed = false;
            self.replay = true;
        }
    }

    /// Fails streams that were not confirmed in time.
    pub(crate) fn expire(&mut self, now: Millis, why: &Error, wire: &mut Wire) {
        self.members.retain(|member| {
            let late = matches!(member.stage, Stage::Joining(until) if now >= until);
            if late {
                wire.act(Action::Subscribed(member.stream, Err(why.clone())));
            }
            !late
        });
    }

    /// Returns the next deadline.
    pub(crate) fn deadline(&self, attempt: Option<Attempt>) -> Option<Millis> {
        let joining = self.members.iter().filter_map(|member| match member.stage {
            Stage::Joining(until) => Some(until),
            Stage::Joined => None,
        });
        let waits = attempt.is_some_and(|attempt| self.needs(attempt));
        joining.chain(waits.then_some(self.not_before)).min()
    }
}

/// Sets the position of a stream from the confirmation.
fn place(member: &mut Member, pending: &PendingSubscribe, head: &Position, recovered: bool, wire: &mut Wire) {
    let recover = pending.request.recover.as_ref().filter(|_| recovered);
    if member.is_joined() {
        let Some(position) = &member.position else { return };
        let same_epoch = position.epoch == head.epoch;
        let history = u64::from(pending.request.history.unwrap_or(0));
        let kept = pending.again && head.offset.saturating_sub(history) <= position.offset;
        if !same_epoch || (recover.is_none() && !kept) {
            member.gap(head, wire);
        }
        return;
    }
    if !pending.joining.contains(&member.stream) {
        return;
    }
    member.position = match (&member.options.from, member.options.history) {
        (Some(from), _) if recover.is_some() && from.epoch == head.epoch => Some(from.clone()),
        // Do not set the position yet: the gap is delivered after the confirmation.
        (Some(_), _) => None,
        (None, Some(past)) if past > 0 => {
            let start = head.offset.saturating_sub(u64::from(past));
            Some(head.at(start.max(recover.map_or(0, |recover| recover.offset))))
        }
        (None, _) => Some(head.clone()),
    };
}
