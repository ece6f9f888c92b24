//! One topic: its streams share one subscription of the gateway, which begins where the one that is furthest behind stands.

use super::{
    Action, Attempt, Millis, StreamId,
    heard::{About, Confirmation, Push, Refused},
    member::{Member, Stage},
    wire::{Asked, Number, Wire},
};
use crate::{Error, Event, Frame, Position, Topic, topic::Wish};

/// Sent along when a live subscription is asked to go back for a new stream: should that be refused, the last
/// entries keep those whole that were up to date.
const SAFETY: u32 = 100;
/// How long to wait before repeating a subscription that was refused for now without saying how long.
pub(crate) const RETRY: Millis = 1_000;
/// The longest wait between two attempts of which the gateway did not say that it should be longer.
const MAX_RETRY: Millis = 30_000;

/// A subscription that the gateway was asked for.
struct Asking {
    attempt: Attempt,
    number: Number,
    wish: Wish,
    /// It was live on the same connection, so no stream that was up to date has missed anything.
    again: bool,
    joining: Vec<StreamId>,
}

/// The streams of one topic.
pub(crate) struct Subscription {
    topic: Topic,
    pub(crate) members: Vec<Member>,
    /// The connection whose pushes count.
    live: Option<Attempt>,
    asking: Option<Asking>,
    /// The head that the gateway told, or the last entry that came, whichever is later.
    head: Option<Position>,
    presence: bool,
    not_before: Millis,
    /// How often the subscription was refused for now since it was last confirmed.
    refusals: u32,
    /// Pending notifications have to come once more.
    replay: bool,
}

impl Subscription {
    pub(crate) fn new(topic: Topic) -> Self {
        Self {
            topic,
            members: Vec::new(),
            live: None,
            asking: None,
            head: None,
            presence: false,
            not_before: 0,
            refusals: 0,
            replay: false,
        }
    }

    /// A new stream. It joins at once where it asks for nothing that the live subscription does not give.
    pub(crate) fn join(&mut self, mut member: Member, wire: &mut Wire) {
        let settled = self.live.is_some() && self.asking.is_none() && self.topic != Topic::Notifications;
        let plain = member.options.history.unwrap_or(0) == 0 && !member.options.presence;
        let head = self.head.clone().filter(|head| member.options.from.as_ref().is_none_or(|from| from == head));
        if settled && plain && head.is_some() {
            member.position.clone_from(&head);
            member.stage = Stage::Joined;
            wire.act(Action::Subscribed(member.stream, Ok(head)));
        }
        self.members.push(member);
    }

    /// A stream is gone. True when it was the last.
    pub(crate) fn leave(&mut self, stream: StreamId) -> bool {
        self.members.retain(|member| member.stream != stream);
        self.members.is_empty()
    }

    /// The connection on which the gateway holds this subscription, or is being asked for it.
    pub(crate) fn held_on(&self) -> Option<Attempt> {
        self.live.or(self.asking.as_ref().map(|asking| asking.attempt))
    }

    /// Whether this is settled on a connection.
    pub(crate) fn settled_on(&self, attempt: Attempt) -> bool {
        self.live == Some(attempt) && self.asking.is_none()
    }

    pub(crate) fn connection_lost(&mut self, attempt: Attempt) {
        self.live.take_if(|live| *live == attempt);
        self.asking.take_if(|asking| asking.attempt == attempt);
    }

    /// Asks for what the streams need on this connection, if they need anything.
    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, wire: &mut Wire) {
        if !self.needs(attempt) || now < self.not_before {
            return;
        }
        let again = self.live == Some(attempt);
        if again && self.topic == Topic::Notifications {
            // Subscribing again replays nothing; ending it first makes the pending ones come once more.
            wire.ask(attempt, self.topic.unsubscribe(), Asked::Unsubscribe);
            self.live = None;
        }
        self.replay = false;
        self.presence = self.members.iter().any(|member| member.options.presence);
        let wish = self.wish(again);
        let joining = self.members.iter().filter(|member| !member.is_joined()).map(|member| member.stream).collect();
        let message = self.topic.subscribe(wish.clone());
        let number = wire.ask(attempt, message, Asked::Subscribe(self.topic.clone()));
        self.asking = Some(Asking { attempt, number, wish, again, joining });
    }

    /// Whether something has to be asked for on this connection.
    fn needs(&self, attempt: Attempt) -> bool {
        let joining = self.members.iter().any(|member| !member.is_joined());
        let asked = self.asking.as_ref().is_some_and(|asking| asking.attempt == attempt);
        !asked && !self.members.is_empty() && (self.live != Some(attempt) || joining || self.replay)
    }

    /// From where the gateway must begin so that every stream gets what it lacks.
    fn wish(&self, again: bool) -> Wish {
        let presence = self.presence;
        if self.topic == Topic::Notifications {
            return Wish { presence, ..Wish::default() };
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
        // Offsets of two epochs cannot be compared: those of the epoch that is over get a gap when it is confirmed.
        let epoch = self.head.as_ref().map(|head| head.epoch.clone());
        let recover = starts.reduce(|first, next| match &epoch {
            Some(epoch) if first.epoch != *epoch => next,
            _ if next.epoch == first.epoch && next.offset < first.offset => next,
            _ => first,
        });
        let history = if again && recover.is_some() { Some(history.unwrap_or(0).max(SAFETY)) } else { history };
        Wish { recover: recover.map(Into::into), history, presence }
    }

    /// The gateway confirmed what was asked.
    pub(crate) fn confirmed(&mut self, number: Number, confirmation: Confirmation, wire: &mut Wire) {
        let Some(asking) = self.asking.take_if(|asking| asking.number == number) else { return };
        self.live = Some(asking.attempt);
        self.not_before = 0;
        self.refusals = 0;
        let Confirmation { head, recovered, pending } = confirmation;
        for member in &mut self.members {
            if self.topic == Topic::Notifications {
                member.seen.expect(pending);
            } else if let Some(head) = &head {
                place(member, &asking, head, recovered, wire);
            }
            if !member.is_joined() && asking.joining.contains(&member.stream) {
                member.stage = Stage::Joined;
                let position = member.position.clone().or_else(|| member.options.from.clone());
                wire.act(Action::Subscribed(member.stream, Ok(position)));
            }
        }
        // A stream that goes on from a saved position is told of its gap after it was told that it exists.
        if let Some(head) = head.as_ref().filter(|_| self.topic != Topic::Notifications) {
            for member in self.members.iter_mut().filter(|member| member.is_joined() && member.position.is_none()) {
                member.gap(head, wire);
            }
        }
        if let Some(head) = head {
            self.head = Some(head);
        }
    }

    /// The gateway refused what was asked. True when that ends every stream of the topic.
    pub(crate) fn refused(&mut self, number: Number, refused: &Refused, now: Millis, wire: &mut Wire) -> bool {
        let Some(asking) = self.asking.take_if(|asking| asking.number == number) else { return false };
        if refused.code.is_retryable() {
            let wait = refused.retry_after.unwrap_or(RETRY);
            self.not_before = now + (wait << self.refusals.min(8)).min(MAX_RETRY.max(wait));
            self.refusals += 1;
            return false;
        }
        let error = refused.error();
        // Where the subscription lives on, only the streams that asked for more are refused.
        let live_on = asking.again && self.topic != Topic::Notifications;
        self.members.retain(|member| {
            let ends = !live_on || !member.is_joined();
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

    /// A push of this topic.
    pub(crate) fn push(&mut self, attempt: Attempt, push: &Push, frame: &Frame, wire: &mut Wire) {
        // Once a newer connection is confirmed it brings everything; what the older one still says is not needed,
        // and might be of an older epoch.
        if self.live != Some(attempt) {
            return;
        }
        if let (Some(offset), Some(head)) = (push.offset, &mut self.head) {
            head.offset = head.offset.max(offset);
        }
        for member in self.members.iter_mut().filter(|member| member.is_joined()) {
            match (&push.about, push.offset) {
                (About::Notification(id), _) => member.notification(id, frame, wire),
                _ if self.topic == Topic::Notifications => {}
                (_, Some(offset)) => member.entry(offset, frame, wire),
                (About::Presence, None) if !member.options.presence => {}
                (_, None) => wire.deliver(member.stream, None, Event::Message(frame.clone())),
            }
        }
    }

    /// The gateway goes on from another position.
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

    /// The gateway ended the subscription. True when that concerns the connection that counts.
    pub(crate) fn ended_on(&self, attempt: Attempt) -> bool {
        self.held_on() == Some(attempt)
    }

    /// The gateway ended the subscription for now: it is asked for again at that time, from where each stream stands.
    pub(crate) fn interrupted(&mut self, attempt: Attempt, until: Millis) {
        self.live.take_if(|live| *live == attempt);
        self.not_before = until;
    }

    /// A stream that could not take notifications has room again.
    pub(crate) fn drained(&mut self, stream: StreamId) {
        for member in self.members.iter_mut().filter(|member| member.stream == stream && member.missed) {
            member.missed = false;
            self.replay = true;
        }
    }

    /// Gives up on streams that were not confirmed in time.
    pub(crate) fn expire(&mut self, now: Millis, why: &Error, wire: &mut Wire) {
        self.members.retain(|member| {
            let late = matches!(member.stage, Stage::Joining(until) if now >= until);
            if late {
                wire.act(Action::Subscribed(member.stream, Err(why.clone())));
            }
            !late
        });
    }

    /// When this next needs the clock.
    pub(crate) fn deadline(&self, attempt: Option<Attempt>) -> Option<Millis> {
        let joining = self.members.iter().filter_map(|member| match member.stage {
            Stage::Joining(until) => Some(until),
            Stage::Joined => None,
        });
        let waits = attempt.is_some_and(|attempt| self.needs(attempt));
        joining.chain(waits.then_some(self.not_before)).min()
    }
}

/// Puts a stream where the confirmation says that it stands.
fn place(member: &mut Member, asking: &Asking, head: &Position, recovered: bool, wire: &mut Wire) {
    let recover = asking.wish.recover.as_ref().filter(|_| recovered);
    if member.is_joined() {
        let Some(position) = &member.position else { return };
        let same_epoch = position.epoch == head.epoch;
        let history = u64::from(asking.wish.history.unwrap_or(0));
        let kept = asking.again && head.offset.saturating_sub(history) <= position.offset;
        if !same_epoch || (recover.is_none() && !kept) {
            member.gap(head, wire);
        }
        return;
    }
    if !asking.joining.contains(&member.stream) {
        return;
    }
    member.position = match (&member.options.from, member.options.history) {
        (Some(from), _) if recover.is_some() && from.epoch == head.epoch => Some(from.clone()),
        // No position yet: the gap follows the confirmation.
        (Some(_), _) => None,
        (None, Some(past)) if past > 0 => {
            let start = head.offset.saturating_sub(u64::from(past));
            Some(head.at(start.max(recover.map_or(0, |recover| recover.offset))))
        }
        (None, _) => Some(head.clone()),
    };
}
