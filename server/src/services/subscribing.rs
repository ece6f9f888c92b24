//! Subscribing, which is the same for every service: permission, limit, head, confirmation, replay, live.

use std::sync::Arc;

use realtime_gateway_protocol::{
    ErrorCode, Recover, RequestId, ServerMessage, SubscriptionConfirmed, SubscriptionEnded, SubscriptionStatus,
};

use crate::{
    auth::Action,
    command_error::CommandError,
    hub::{Start, Subscription},
    node::{Node, in_time},
    session::Session,
    store::{Epoch, Head},
    topic::Topic,
};

/// What a client asked for when it subscribed.
#[derive(Debug, Default)]
pub struct Subscribing {
    /// The position to recover from.
    pub recover: Option<Recover>,
    /// How many of the last entries to send when nothing is recovered.
    pub history: u32,
}

/// How a subscription begins, and what its confirmation says of that.
struct Beginning {
    /// None for one that is live already and asks for nothing of the past: it goes on where it is.
    start: Option<Start>,
    recovered: bool,
}

impl Node {
    /// Subscribes a session to a topic: confirms, replays what was asked for, and goes live.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        session: &Arc<Session>,
        request_id: Option<RequestId>,
        topic: Topic,
        asked: Subscribing,
    ) -> Result<Arc<Subscription>, CommandError> {
        let granted = self.permissions.check(&session.identity(), Action::Subscribe, &topic).await?;
        if session.subscription(&topic).is_none() && session.subscription_count() >= self.config().limits.subscriptions
        {
            let message = "too many subscriptions; unsubscribe from something first";
            return Err(CommandError::new(ErrorCode::SubscriptionLimit, message));
        }
        let delivered = self.delivered_before(&topic);
        let (entered, ends, epoch) = in_time(self.hub.enter(&topic)).await?;
        let pending = match &topic {
            Topic::User(user) => Some(in_time(self.store.pending_count(user)).await?),
            _ => None,
        };
        // Not before the store has answered: a subscription may have been ended meanwhile.
        let known = session.subscription(&topic);
        let is_new = known.is_none();
        let beginning = match &topic {
            Topic::User(_) => {
                let start = known.is_none().then(|| Start { position: 0, delivered, epoch: epoch.clone() });
                Beginning { start, recovered: true }
            }
            _ => begin(&asked, &epoch, ends, known.as_ref().map(|_| self.hub.cursor(&topic).unwrap_or(0))),
        };
        if asked.recover.is_some() {
            self.metrics.recovery(beginning.recovered);
        }
        let subscription = known.unwrap_or_else(|| {
            let subscription = entered.subscribe(session);
            session.add(subscription.clone());
            subscription
        });
        session.reply(
            request_id,
            SubscriptionConfirmed {
                offset: Some(ends.head),
                epoch: Some(epoch.to_string()),
                recovered: Some(beginning.recovered),
                pending,
                ..confirmation(&topic, SubscriptionStatus::Subscribed)
            },
        );
        if let Some(start) = beginning.start {
            entered.start(&subscription, start);
        }
        if session.outbound.is_closed() {
            // The session ended while the store answered; whoever ended it may not have seen this subscription.
            self.unsubscribe(session, &topic);
        } else if is_new {
            self.watch_permission(&subscription, granted);
        }
        Ok(subscription)
    }

    /// Ends a session's subscription to a topic, if it has one.
    pub(crate) fn unsubscribe(self: &Arc<Self>, session: &Session, topic: &Topic) -> bool {
        let Some(subscription) = session.remove(topic) else { return false };
        self.left(&subscription);
        true
    }

    /// Ends a session's subscription to a topic and confirms that to the client.
    pub(crate) fn unsubscribe_and_confirm(
        self: &Arc<Self>,
        session: &Session,
        request_id: Option<RequestId>,
        topic: &Topic,
    ) {
        self.unsubscribe(session, topic);
        session.reply(request_id, confirmation(topic, SubscriptionStatus::Unsubscribed));
    }

    /// Takes note that a subscription is over.
    pub(crate) fn left(self: &Arc<Self>, subscription: &Arc<Subscription>) {
        if let Topic::User(_) = subscription.topic() {
            self.note_delivered(subscription.topic());
        }
        self.hub.leave(subscription);
        if let Topic::Clan(clan) = subscription.topic() {
            self.presences.left(self, clan, subscription);
        }
    }
}

/// Ends a subscription that its session may not have any longer, and tells the client.
pub fn end_subscription(node: &Arc<Node>, subscription: &Arc<Subscription>, error: &CommandError) {
    let session = subscription.session();
    if session.remove_exactly(subscription) {
        node.left(subscription);
        session.push_addition(ended_message(subscription.topic(), error));
    }
}

/// From where to send, by what was asked for and what the log still has. `served` is the position of a subscription
/// that is live already.
fn begin(asked: &Subscribing, epoch: &Epoch, ends: Head, served: Option<u64>) -> Beginning {
    let start = |position| Some(Start { position, delivered: 0, epoch: epoch.clone() });
    if let Some(recover) = &asked.recover {
        let within = recover.offset + 1 >= ends.floor && recover.offset <= ends.head;
        if recover.epoch == **epoch && within {
            return Beginning { start: start(recover.offset), recovered: true };
        }
    }
    let past = ends.head.saturating_sub(u64::from(asked.history)).max(ends.floor - 1);
    let start = match served {
        None => start(past),
        Some(_) if asked.history == 0 => None,
        // What it has not been served yet must not be skipped.
        Some(served) => start(past.min(served)),
    };
    Beginning { start, recovered: false }
}

fn confirmation(topic: &Topic, status: SubscriptionStatus) -> SubscriptionConfirmed {
    let (clan_id, name) = match topic {
        Topic::User(_) => (None, None),
        Topic::Clan(clan) => (Some(clan.clone()), None),
        Topic::Service(_, name) => (None, Some(name.clone())),
    };
    SubscriptionConfirmed {
        service: topic.service(),
        status,
        clan_id,
        topic: name,
        offset: None,
        epoch: None,
        recovered: None,
        pending: None,
    }
}

fn ended_message(topic: &Topic, error: &CommandError) -> ServerMessage {
    let SubscriptionConfirmed { service, clan_id, topic, .. } = confirmation(topic, SubscriptionStatus::Unsubscribed);
    SubscriptionEnded { service, clan_id, topic, code: error.code.clone(), message: error.message.to_string() }.into()
}
