//! Server-side subscriptions: subscribes sessions to the topics of their token's claim `subscribe` and of the store, and
//! changes both when an operator requests it. `session/server_topics.rs` has the topics of one session.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use realtime_gateway_protocol::{ErrorCode, ServiceName, Timestamp, TopicName, TtlSeconds, UserId};
use tokio::time::{MissedTickBehavior, interval};

use super::{Services, service::NewSubscription};
use crate::{
    command_error::CommandError,
    confirmation::in_time,
    delivery::presence::Joining,
    runtime::{clock::NodeClock, tasks::Tasks},
    session::{Holder, Session, Sessions, Subscriptions},
    store::{ServerSubscription, Store, SubscriptionFilter, SubscriptionOutcome},
    topic::Topic,
};

/// The number of topics of one session to which it is subscribed concurrently.
const CONCURRENT_TOPICS: usize = 16;
/// The number of sessions that are synchronised concurrently after a lost lease or a reload.
const CONCURRENT_SESSIONS: usize = 64;
/// The number of ends beyond which those of absent users are forgotten.
const KEPT_ENDS: usize = 10_000;
/// The interval at which ended subscriptions are found, and failed synchronisations are repeated.
const EVERY: Duration = Duration::from_secs(1);

/// A request to subscribe every session of a user.
#[derive(Debug)]
pub(crate) struct NewServerSubscription {
    pub(crate) service: ServiceName,
    pub(crate) topic: TopicName,
    /// How long the subscription holds. `None` until its removal.
    pub(crate) ttl: Option<TtlSeconds>,
}

/// The parts that [`ServerSubscriptions`] works with.
pub(crate) struct ServerSubscriptionParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) services: Arc<Services>,
    pub(crate) clock: NodeClock,
    pub(crate) tasks: Tasks,
}

/// Keeps the sessions of this node subscribed to the topics that the server wants.
pub struct ServerSubscriptions {
    /// When the sessions of a user have to be synchronised, because a subscription ends.
    ends: Mutex<BTreeSet<(Timestamp, UserId)>>,
    /// Users whose synchronisation has failed, to be repeated.
    failed: Mutex<HashSet<UserId>>,
    parts: ServerSubscriptionParts,
}

/// Marks the synchronisation of a session as ended if its task is dropped before.
struct Running<'a> {
    session: &'a Session,
    has_ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.session.server_topics().abandon();
        }
    }
}

impl ServerSubscriptions {
    /// Creates the feature. It subscribes no session yet.
    pub(crate) fn new(parts: ServerSubscriptionParts) -> Self {
        Self { ends: Mutex::default(), failed: Mutex::default(), parts }
    }

    /// Stores a subscription of a user, and subscribes the user's live sessions on all nodes.
    ///
    /// # Errors
    /// `unknown_service` when no service with generic commands has the topic, `invalid_message` for the topic of another
    /// user, `subscription_limit` when the user has too many, `unavailable` when the store does not answer in time.
    pub(crate) async fn add(&self, user: &UserId, new: NewServerSubscription) -> Result<(), CommandError> {
        let NewServerSubscription { service, topic, ttl } = new;
        self.parts.services.check_server_side(user, &service, &topic)?;
        let since = self.parts.clock.now();
        let until = ttl.map(|ttl| Timestamp::from_millis(since.millis().saturating_add(ttl.get() * 1_000)));
        let subscription = ServerSubscription { service, topic, since, until };
        if in_time(self.parts.store.keep_subscription(user, subscription)).await? == SubscriptionOutcome::TooMany {
            let count = ServerSubscription::MAX_PER_USER;
            let message = format!("the user has {count} server-side subscriptions; remove some first");
            return Err(CommandError::new(ErrorCode::SubscriptionLimit, message));
        }
        self.synchronise_user(user).await;
        Ok(())
    }

    /// Returns the stored subscriptions of a user.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn of_user(&self, user: &UserId) -> Result<Vec<ServerSubscription>, CommandError> {
        in_time(self.parts.store.subscriptions_of(user)).await
    }

    /// Removes stored subscriptions of a user, and ends the live subscriptions to the same topics on all nodes, also
    /// those that clients have made. Returns the number of live ones that ended on this node.
    ///
    /// # Errors
    /// `unknown_service` when there is no such service or topic, and no stored subscription either; `unavailable` when the
    /// store does not answer in time.
    pub(crate) async fn end(&self, user: &UserId, filter: &SubscriptionFilter) -> Result<usize, CommandError> {
        let SubscriptionFilter { service, topic } = filter;
        // A subscription to a topic that a reload has removed can still be removed.
        if in_time(self.parts.store.remove_subscriptions(user, filter)).await? == 0 {
            self.parts.services.check(service, topic.as_ref())?;
        }
        let ended = in_time(self.parts.sessions.end_subscriptions(user, service, topic.as_ref())).await?;
        // A synchronisation may have read the subscription before its removal.
        self.synchronise_user(user).await;
        Ok(ended)
    }

    /// Synchronises the sessions of a user on this node in the background.
    pub(crate) fn changed(self: &Arc<Self>, user: UserId) {
        if self.parts.sessions.table().of_user(&user).is_empty() {
            return;
        }
        let this = self.clone();
        self.parts.tasks.spawn_until_stopped(async move { this.synchronise_user(&user).await });
    }

    /// Synchronises every session of this node in the background, because it may have missed changes.
    pub(crate) fn all_changed(self: &Arc<Self>) {
        self.synchronise_later(self.parts.sessions.table().all());
    }

    /// Subscribes sessions again after services have changed: topics that a reload has added or returned may be wanted.
    pub(crate) fn services_changed(self: &Arc<Self>, services: &[ServiceName]) {
        let now = self.parts.clock.now();
        let is_affected = |topic: &Topic| matches!(topic, Topic::Service(service, _) if services.contains(service));
        let mut sessions = self.parts.sessions.table().all();
        sessions.retain(|session| {
            let topics = session.server_topics();
            topics.is_stored_unknown() || topics.wanted(now).iter().any(is_affected)
        });
        self.synchronise_later(sessions);
    }

    fn synchronise_later(self: &Arc<Self>, sessions: Vec<Arc<Session>>) {
        let this = self.clone();
        self.parts.tasks.spawn_until_stopped(async move {
            let this = &this;
            stream::iter(sessions)
                .for_each_concurrent(CONCURRENT_SESSIONS, async |session| this.synchronise(&session).await)
                .await;
        });
    }

    /// Once a second, ends the subscriptions whose time has passed, and repeats what has failed, until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.forget_absent_users();
            let mut users = std::mem::take(&mut *self.failed.lock());
            users.extend(self.take_ended());
            for user in users {
                self.changed(user);
            }
        }
    }

    fn take_ended(&self) -> Vec<UserId> {
        let now = self.parts.clock.now();
        let mut ends = self.ends.lock();
        let mut users = Vec::new();
        while ends.first().is_some_and(|(end, _)| *end <= now) {
            users.extend(ends.pop_first().map(|(_, user)| user));
        }
        users
    }

    /// Forgets the ends of users who have no session on this node any more. A new session reads them again.
    fn forget_absent_users(&self) {
        let mut ends = self.ends.lock();
        if ends.len() > KEPT_ENDS {
            ends.retain(|(_, user)| !self.parts.sessions.table().of_user(user).is_empty());
        }
    }

    async fn synchronise_user(&self, user: &UserId) {
        for session in self.parts.sessions.table().of_user(user) {
            self.synchronise(&session).await;
        }
    }

    /// Subscribes a session to the topics that the server wants, and ends its subscriptions to other topics that the
    /// server has made. If another task does this already, that task does it once more. What fails is repeated later.
    pub(crate) async fn synchronise(&self, session: &Arc<Session>) {
        let topics = session.server_topics();
        // Without services there is no such topic, and a new session does not have to wait for the store. The sessions
        // are synchronised when a reload adds a service.
        if self.parts.services.table().is_empty() && topics.is_stored_unknown() {
            return;
        }
        if !topics.begin() {
            return;
        }
        let mut running = Running { session, has_ended: false };
        while topics.next() {
            if !session.outbound().is_closed() && !self.synchronise_once(session).await {
                self.failed.lock().insert(session.user().clone());
            }
        }
        running.has_ended = true;
    }

    /// Returns false if a part of it has failed and should be repeated.
    async fn synchronise_once(&self, session: &Arc<Session>) -> bool {
        let topics = session.server_topics();
        let read = in_time(self.parts.store.subscriptions_of(session.user())).await;
        let mut complete = read.is_ok();
        // Without an answer, the claim of the token and what was read before are applied.
        if let Ok(stored) = read
            && let Some(end) = topics.set_stored(stored)
        {
            self.ends.lock().insert((end, session.user().clone()));
        }
        let wanted = topics.wanted(self.parts.clock.now());
        let held = session.topics_of(Holder::Server);
        let ended = CommandError::new(ErrorCode::Forbidden, "ended by the server");
        for topic in held.iter().filter(|topic| !wanted.contains(topic)) {
            self.parts.subscriptions.end_for_server(session, topic, &ended);
        }
        let missing = wanted.into_iter().filter(|topic| !held.contains(topic));
        let results = stream::iter(missing).map(|topic| self.subscribe(session, topic));
        let results: Vec<_> = results.buffer_unordered(CONCURRENT_TOPICS).collect().await;
        complete &= results.into_iter().all(|subscribed| subscribed);
        complete
    }

    /// Returns false if it has failed and should be repeated.
    async fn subscribe(&self, session: &Arc<Session>, topic: Topic) -> bool {
        match self.parts.subscriptions.subscribe_for_server(session, topic).await {
            Ok(subscription) => {
                let joining = Joining::default();
                self.parts.services.subscribed(&NewSubscription { subscription, joining }).await;
                true
            }
            Err(error) => {
                // A topic that does not exist now is tried again when the services change.
                tracing::debug!(%error, session = %session.id(), "a server-side subscription was not made");
                !error.code.is_retryable()
            }
        }
    }
}
