//! Subscribing and unsubscribing for all services. The steps are: check the permission and the limit, read the head of
//! the log, confirm, replay, go live.

use std::sync::Arc;

use realtime_gateway_protocol::{
    ErrorCode, Recover, RequestId, ServerMessage, SubscriptionConfirmed, SubscriptionEnded, SubscriptionOrigin,
    SubscriptionStatus,
};

use super::{Found, Holder, Released, Session, permission_watch};
use crate::{
    auth::{Action, Granted, Permissions},
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
    /// Whether this replays a subscription that the server has made, and makes none of the client's own.
    pub server_side: bool,
}

/// Why a session subscribes.
#[derive(Debug)]
enum Reason {
    /// The client has asked for it, and has the permission.
    Command(Granted),
    /// The client has asked to replay a subscription that the server has made.
    Replay,
    /// The server subscribes the session.
    Server,
}

impl Reason {
    fn holder(&self) -> Holder {
        match self {
            Self::Command(_) => Holder::Client,
            Self::Replay | Self::Server => Holder::Server,
        }
    }
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

    /// Subscribes a session to a topic at the request of its client: sends the confirmation, replays the requested
    /// entries, and goes live. A client without the permission can replay a subscription that the server has made.
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
        let by_server = session.is_subscribed_by(&topic, Holder::Server);
        let reason = if from.server_side {
            if by_server { Reason::Replay } else { return Err(no_server_side_subscription()) }
        } else {
            match self.parts.permissions.check(session.requester(&session.identity()), Action::Subscribe, &topic).await
            {
                Ok(granted) => Reason::Command(granted),
                Err(error) if error.code == ErrorCode::Forbidden && by_server => Reason::Replay,
                Err(error) => return Err(error),
            }
        };
        if matches!(reason, Reason::Command(_))
            && !session.is_subscribed_by(&topic, Holder::Client)
            && session.subscription_count(Holder::Client) >= self.parts.config.get().limits.subscriptions
        {
            let message = "too many subscriptions; unsubscribe from something first";
            return Err(CommandError::new(ErrorCode::SubscriptionLimit, message));
        }
        self.begin(session, request_id, topic, from, (reason, revision)).await
    }

    /// Subscribes a session to a topic because the server wants it, and sends the confirmation. The session needs no
    /// permission.
    ///
    /// # Errors
    /// `unknown_service` when no service has the topic, `forbidden` when it belongs to another user, `unavailable` when
    /// the store does not answer in time.
    pub(crate) async fn subscribe_for_server(
        self: &Arc<Self>,
        session: &Arc<Session>,
        topic: Topic,
    ) -> Result<Arc<Subscription>, CommandError> {
        let revision = self.parts.permissions.revision();
        self.parts.permissions.check_server_side(session.user(), &topic)?;
        // A client that sends no command has to receive the end of the subscription, too.
        session.enable_extensions();
        self.begin(session, None, topic, SubscribeFrom::default(), (Reason::Server, revision)).await
    }

    /// Begins a subscription, or replays an existing one. `revision` is that of the policies that permitted it.
    async fn begin(
        self: &Arc<Self>,
        session: &Arc<Session>,
        request_id: Option<RequestId>,
        topic: Topic,
        from: SubscribeFrom,
        (reason, revision): (Reason, u64),
    ) -> Result<Arc<Subscription>, CommandError> {
        let delivered = self.delivered.before(&topic);
        let keeps_history = self.parts.permissions.keeps_history(&topic);
        // A client needs no knowledge of the contract to subscribe, so that other positions are ignored.
        let from = if keeps_history { from } else { SubscribeFrom::default() };
        let (interest, bounds, epoch) = in_time(self.parts.hub.register_interest(&topic)).await?;
        let pending = match &topic {
            Topic::User(user) => Some(in_time(self.parts.store.pending_count(user)).await?),
            _ => None,
        };
        let (subscription, found) = {
            let _order = session.subscribe_order.lock();
            // Look the subscription up only after the last answer of the store: it may have been ended while waiting.
            if matches!(reason, Reason::Replay) && !session.is_subscribed_by(&topic, Holder::Server) {
                return Err(no_server_side_subscription());
            }
            let (subscription, found) =
                session.hold(&topic, reason.holder(), || interest.subscribe(session.recipient()));
            let exists = found != Found::Nothing;
            let beginning = match &topic {
                Topic::User(_) => {
                    let start = (!exists).then(|| Start { position: 0, delivered, epoch: epoch.clone() });
                    Beginning { start, recovered: true }
                }
                _ => beginning(&from, &epoch, bounds, exists.then(|| self.parts.hub.cursor(&topic).unwrap_or(0))),
            };
            subscription.set_has_position(keeps_history);
            if from.recover.is_some() {
                self.parts.metrics.recovery(beginning.recovered);
            }
            session.reply(
                request_id,
                SubscriptionConfirmed {
                    offset: keeps_history.then_some(bounds.head),
                    epoch: keeps_history.then(|| epoch.to_string()),
                    recovered: keeps_history.then_some(beginning.recovered),
                    pending,
                    origin: (reason.holder() == Holder::Server).then_some(SubscriptionOrigin::Server),
                    ..confirmation(&topic, SubscriptionStatus::Subscribed)
                },
            );
            if let Some(start) = beginning.start {
                interest.start(&subscription, start);
            }
            (subscription, found)
        };
        if session.outbound().is_closed() {
            // The session ended during the requests to the store, perhaps before this subscription was added to it.
            if session.remove_exactly(&subscription) {
                self.release(&subscription);
            }
        } else if let Reason::Command(granted) = reason
            && found != Found::Own
        {
            permission_watch::watch(self, session, &subscription, granted);
        }
        if self.parts.permissions.revision() != revision {
            // The policies changed during the requests to the store, perhaps before this subscription was added to the
            // session and could be found.
            self.recheck(session, &subscription).await;
        }
        Ok(subscription)
    }

    /// Ends the client's subscription to a topic and confirms that to the client.
    ///
    /// # Errors
    /// `forbidden` when the server has subscribed the session to the topic: its events continue.
    pub(crate) fn unsubscribe_and_confirm(
        &self,
        session: &Session,
        request_id: Option<RequestId>,
        topic: &Topic,
    ) -> Result<(), CommandError> {
        let _order = session.subscribe_order.lock();
        match session.release(topic, Holder::Client) {
            Released::Removed(subscription) => self.release(&subscription),
            Released::Nothing => {}
            Released::Continues => {
                let message = "the server has subscribed this session to the topic, so its events continue";
                return Err(CommandError::new(ErrorCode::Forbidden, message));
            }
        }
        session.reply(request_id, confirmation(topic, SubscriptionStatus::Unsubscribed));
        Ok(())
    }

    /// Ends the server's hold of a subscription, and sends the client the reason unless it has subscribed itself.
    pub(crate) fn end_for_server(&self, session: &Session, topic: &Topic, error: &CommandError) {
        self.end_for(Holder::Server, session, topic, error);
    }

    /// Ends the client's hold of a subscription, and sends the client the reason unless the server holds it too.
    pub(super) fn end_for_client(&self, session: &Session, subscription: &Arc<Subscription>, error: &CommandError) {
        if !subscription.is_ended() {
            self.end_for(Holder::Client, session, subscription.topic(), error);
        }
    }

    fn end_for(&self, holder: Holder, session: &Session, topic: &Topic, error: &CommandError) {
        let _order = session.subscribe_order.lock();
        if let Released::Removed(subscription) = session.release(topic, holder) {
            self.release(&subscription);
            session.push_extension(ended_message(topic, error));
        }
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

    /// Ends a subscription that the session may no longer have for all its holders, and sends the client the reason.
    pub(crate) fn end(&self, session: &Session, subscription: &Arc<Subscription>, error: &CommandError) {
        let _order = session.subscribe_order.lock();
        if session.remove_exactly(subscription) {
            self.release(subscription);
            session.push_extension(ended_message(subscription.topic(), error));
        }
    }
}

/// Returns where a subscription starts, given the requested position and the entries that the log still contains.
/// `served` is the position of the subscription if it exists already.
fn beginning(from: &SubscribeFrom, epoch: &Epoch, bounds: LogBounds, served: Option<u64>) -> Beginning {
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

fn no_server_side_subscription() -> CommandError {
    CommandError::new(ErrorCode::Forbidden, "the server has not subscribed this session to the topic")
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
        origin: None,
    }
}

fn ended_message(topic: &Topic, error: &CommandError) -> ServerMessage {
    let SubscriptionConfirmed { service, clan_id, topic, .. } = confirmation(topic, SubscriptionStatus::Unsubscribed);
    SubscriptionEnded { service, clan_id, topic, code: error.code.clone(), message: error.message.to_string() }.into()
}
