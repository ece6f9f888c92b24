//! Subscribing and unsubscribing for all services. The steps are: check the permission and the limit, read the head of
//! the log, confirm, replay, go live.

use std::sync::Arc;

use realtime_gateway_protocol::{
    ErrorCode, Recover, RequestId, ServerMessage, SubscriptionConfirmed, SubscriptionEnded, SubscriptionStatus,
};

use super::{Session, permission_watch};
use crate::{
    auth::{Action, Permissions},
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    delivery::{
        delivered::Delivered,
        hub::{Hub, Start, Subscription},
        presence::Presence,
    },
    metrics::Metrics,
    runtime::tasks::Tasks,
    store::{Epoch, LogBounds, Store},
    topic::Topic,
};

/// The position at which a client wants a subscription to start.
#[derive(Debug, Default)]
pub struct SubscribeFrom {
    /// The position to recover from.
    pub recover: Option<Recover>,
    /// The number of latest entries to send when nothing is recovered.
    pub history: u32,
}

/// How a subscription starts, and the `recovered` field of its confirmation.
struct Beginning {
    /// `None` when the subscription exists already and no history is requested: it continues at its position.
    start: Option<Start>,
    recovered: bool,
}

/// The parts that [`Subscriptions`] works with.
pub(crate) struct SubscriptionParts {
    pub(crate) hub: Arc<Hub>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) config: LiveConfig,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
}

/// Starts and ends the subscriptions of sessions.
pub struct Subscriptions {
    delivered: Delivered,
    pub(super) parts: SubscriptionParts,
}

impl Subscriptions {
    /// Creates a service without subscriptions.
    pub(crate) fn new(parts: SubscriptionParts) -> Self {
        Self { delivered: Delivered::new(parts.hub.clone()), parts }
    }

    /// Subscribes a session to a topic: sends the confirmation, replays the requested entries, and goes live.
    ///
    /// # Errors
    /// The error of the permission check, `subscription_limit`, or `unavailable` when the store does not answer in
    /// time.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        session: &Arc<Session>,
        request_id: Option<RequestId>,
        topic: Topic,
        from: SubscribeFrom,
    ) -> Result<Arc<Subscription>, CommandError> {
        let revision = self.parts.permissions.revision();
        let granted =
            self.parts.permissions.check(session.requester(&session.identity()), Action::Subscribe, &topic).await?;
        if session.subscription(&topic).is_none()
            && session.subscription_count() >= self.parts.config.get().limits.subscriptions
        {
            let message = "too many subscriptions; unsubscribe from something first";
            return Err(CommandError::new(ErrorCode::SubscriptionLimit, message));
        }
        let delivered = self.delivered.before(&topic);
        let (interest, bounds, epoch) = in_time(self.parts.hub.register_interest(&topic)).await?;
        let pending = match &topic {
            Topic::User(user) => Some(in_time(self.parts.store.pending_count(user)).await?),
            _ => None,
        };
        // Look the subscription up only after the last answer of the store: it may have been ended while waiting.
        let existing = session.subscription(&topic);
        let is_new = existing.is_none();
        let beginning = match &topic {
            Topic::User(_) => {
                let start = existing.is_none().then(|| Start { position: 0, delivered, epoch: epoch.clone() });
                Beginning { start, recovered: true }
            }
            _ => begin(&from, &epoch, bounds, existing.as_ref().map(|_| self.parts.hub.cursor(&topic).unwrap_or(0))),
        };
        if from.recover.is_some() {
            self.parts.metrics.recovery(beginning.recovered);
        }
        let subscription = existing.unwrap_or_else(|| {
            let subscription = interest.subscribe(session.recipient());
            session.add(subscription.clone());
            subscription
        });
        session.reply(
            request_id,
            SubscriptionConfirmed {
                offset: Some(bounds.head),
                epoch: Some(epoch.to_string()),
                recovered: Some(beginning.recovered),
                pending,
                ..confirmation(&topic, SubscriptionStatus::Subscribed)
            },
        );
        if let Some(start) = beginning.start {
            interest.start(&subscription, start);
        }
        if session.outbound().is_closed() {
            // The session ended during the requests to the store, perhaps before this subscription was added to it.
            self.unsubscribe(session, &topic);
        } else if is_new {
            permission_watch::watch(self, session, &subscription, granted);
        }
        if self.parts.permissions.revision() != revision {
            // The policies changed during the requests to the store, perhaps before this subscription was added to the
            // session and could be found.
            self.recheck(session, &subscription).await;
        }
        Ok(subscription)
    }

    /// Ends a session's subscription to a topic. Returns false if it has none.
    pub(crate) fn unsubscribe(&self, session: &Session, topic: &Topic) -> bool {
        let Some(subscription) = session.remove(topic) else { return false };
        self.release(&subscription);
        true
    }

    /// Ends a session's subscription to a topic and confirms that to the client.
    pub(crate) fn unsubscribe_and_confirm(&self, session: &Session, request_id: Option<RequestId>, topic: &Topic) {
        self.unsubscribe(session, topic);
        session.reply(request_id, confirmation(topic, SubscriptionStatus::Unsubscribed));
    }

    /// Removes an ended subscription from delivery and presence.
    fn release(&self, subscription: &Arc<Subscription>) {
        if let Topic::User(_) = subscription.topic() {
            self.delivered.remember(subscription.topic());
        }
        self.parts.hub.leave(subscription);
        self.parts.presence.left(subscription);
    }

    /// Ends every subscription of a session.
    pub(crate) fn end_all(&self, session: &Session) {
        for subscription in session.remove_all() {
            self.release(&subscription);
        }
    }

    /// Ends a subscription that the session may no longer have, and sends the client the reason.
    pub(crate) fn end(&self, session: &Session, subscription: &Arc<Subscription>, error: &CommandError) {
        if session.remove_exactly(subscription) {
            self.release(subscription);
            session.push_extension(ended_message(subscription.topic(), error));
        }
    }
}

/// Returns where a subscription starts, given the requested position and the entries that the log still contains.
/// `served` is the position of the subscription if it exists already.
fn begin(from: &SubscribeFrom, epoch: &Epoch, bounds: LogBounds, served: Option<u64>) -> Beginning {
    let start = |position| Some(Start { position, delivered: 0, epoch: epoch.clone() });
    if let Some(recover) = &from.recover {
        let is_in_log = recover.offset + 1 >= bounds.floor && recover.offset <= bounds.head;
        if recover.epoch == **epoch && is_in_log {
            return Beginning { start: start(recover.offset), recovered: true };
        }
    }
    let past = bounds.head.saturating_sub(u64::from(from.history)).max(bounds.floor - 1);
    let start = match served {
        None => start(past),
        Some(_) if from.history == 0 => None,
        // Do not skip entries that the existing subscription has not received yet.
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
