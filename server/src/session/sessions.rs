//! The sessions of this node and the operations on them: eviction by the store, disconnection by operators, control
//! messages of other nodes, and registration after a lost lease.

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use realtime_gateway_protocol::{
    CloseCode, ErrorCode, NotificationAcked, NotificationId, ServiceName, SessionId, TopicName, UserId,
};

use super::{Session, SessionTable, Subscriptions, blocks::close_blocked, connection_handler::ConnectionSummary};
use crate::{
    bus::ActivityKind,
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    delivery::activity_feed::ActivityFeed,
    metrics::Metrics,
    node::Node,
    store::{
        Admission as Decision, ConnectedUsers, ControlMessage, SessionKey, SessionPolicy, SessionRecord, Store,
        StoreError, UserPage,
    },
    topic::Topic,
};

/// The maximum number of session records in the store whose removal is retried later. Without a limit, clients that reconnect repeatedly
/// during an outage of the store could use up the memory. Records beyond it stay in the store until the next session of
/// their user replaces them, or until this node stops.
const MAX_UNREMOVED_RECORDS: usize = 100_000;
/// The number of sessions that are registered concurrently after a lost lease.
const CONCURRENT_RESTORES: usize = 64;

/// The parts that [`Sessions`] works with.
pub(crate) struct SessionParts {
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) config: LiveConfig,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) activity: Arc<ActivityFeed>,
}

/// The sessions of this node.
pub struct Sessions {
    table: SessionTable,
    /// Sessions whose records could not be removed from the store, or that the store may have admitted although its
    /// answer was lost.
    unremoved_records: Mutex<Vec<(UserId, SessionId, CloseCode)>>,
    parts: SessionParts,
}

impl Sessions {
    /// Creates an empty table of sessions.
    pub(crate) fn new(parts: SessionParts) -> Self {
        Self { table: SessionTable::default(), unremoved_records: Mutex::default(), parts }
    }

    /// Returns the table of the sessions on this node.
    pub fn table(&self) -> &SessionTable {
        &self.table
    }

    /// Returns the policy for the sessions of one user.
    pub(crate) fn policy(&self) -> SessionPolicy {
        let sessions = self.parts.config.get().sessions;
        SessionPolicy {
            max: sessions.max_per_user,
            on_excess: sessions.on_excess,
            key: sessions.key,
            max_devices: sessions.max_devices,
        }
    }

    /// Asks the store to admit a session. The store may evict other sessions for it.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time. It may have admitted the session nevertheless.
    pub(crate) async fn admit(&self, session: &Session) -> Result<Decision, CommandError> {
        in_time(self.parts.store.open_session(session.record(&self.parts.node.name), self.policy())).await
    }

    /// Reports that a session was opened to operators who follow what goes on.
    pub(super) fn report_opened(&self, session: &Session) {
        let opened = || ActivityKind::SessionOpened { device_id: session.client.device.clone() };
        self.parts.activity.report(session.user(), session.id(), opened);
    }

    /// Ends a session whose connection has ended.
    pub(crate) async fn end(&self, session: &Arc<Session>, address: IpAddr, summary: &ConnectionSummary) {
        self.parts.subscriptions.end_all(session);
        self.table.remove(session);
        let closed = in_time(self.parts.store.close_session(session.user(), session.id(), summary.code)).await;
        if let Err(error) = closed {
            tracing::debug!(%error, session = %session.id(), "a session's record stays until the store answers again");
            self.remove_record_later(session, summary.code);
        }
        self.parts.metrics.sessions_active.dec();
        let duration_ms = u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX);
        let ConnectionSummary { code, bytes_received, bytes_sent, .. } = *summary;
        self.parts.activity.report(session.user(), session.id(), || ActivityKind::SessionEnded {
            code: code.0,
            reason: code.meaning().map(str::to_owned),
            duration_ms,
        });
        macro_rules! session_ended {
            ($level:ident, $($who:tt)*) => {
                tracing::$level!(
                    session = %session.id(), $($who)*
                    code = code.0, duration_ms, bytes_received, bytes_sent,
                    "session ended"
                )
            };
        }
        if self.parts.config.get().log.audit {
            session_ended!(info, user = %session.user(), %address,);
        } else {
            session_ended!(debug,);
        }
    }

    /// Handles a control message of another node. Messages are delivered at least once, so this is idempotent.
    pub(crate) fn handle_control(&self, message: ControlMessage) {
        match message {
            ControlMessage::Close { user_id, session_id, code } => {
                if let Some(session) = self.table.get(&user_id, &session_id) {
                    close(&session, CloseCode(code));
                }
            }
            ControlMessage::Unsubscribe { user_id, service, topic } => {
                self.end_local_subscriptions(&user_id, &service, topic.as_ref());
            }
            ControlMessage::Acknowledged { user_id, notification_ids } => {
                for session in self.table.of_user(&user_id) {
                    session.push_extension(NotificationAcked { notification_ids: notification_ids.clone() });
                }
            }
            // `cluster/control.rs` handles it above this layer.
            ControlMessage::SubscriptionsChanged { .. }
            | ControlMessage::Inspect { .. }
            | ControlMessage::Inspected { .. }
            | ControlMessage::ActivityWanted { .. } => {}
            ControlMessage::BlocksChanged => self.parts.node.request_reconciliation(),
        }
    }

    /// Closes the sessions on this node that the store has evicted. For those on other nodes, the store has written a
    /// control message to the mailboxes of the nodes in the same step.
    pub(crate) fn evict(&self, evicted: &[SessionRecord]) {
        for record in evicted {
            self.parts.metrics.sessions_replaced_total.inc();
            if let Some(session) = self.table.get(&record.user, &record.id) {
                close(&session, CloseCode::REPLACED);
            }
        }
    }

    /// Returns the sessions of a user on all nodes.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn records_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, CommandError> {
        in_time(self.parts.store.sessions_of(user)).await
    }

    /// Returns a page of the users who have sessions on any node.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn connected_users(
        &self,
        after: Option<UserId>,
        at_most: usize,
    ) -> Result<ConnectedUsers, CommandError> {
        in_time(self.parts.store.connected_users(UserPage { after, at_most })).await
    }

    /// Disconnects a user on every node and returns the number of sessions that this ends.
    ///
    /// # Errors
    /// When the store does not answer. Sessions on this node are closed in any case.
    pub(crate) async fn disconnect(&self, user: &UserId, code: CloseCode) -> Result<usize, StoreError> {
        let here = self.table.of_user(user);
        here.iter().for_each(|session| close(session, code));
        let records = self.parts.store.sessions_of(user).await?;
        let elsewhere: Vec<_> =
            records.iter().filter(|record| !here.iter().any(|session| *session.id() == record.id)).collect();
        for record in &elsewhere {
            self.parts.store.post(&record.node, &close_message(record, code)).await?;
        }
        Ok(here.len() + elsewhere.len())
    }

    /// Ends a user's subscriptions to a service, or to one topic of it, on every node. Returns the number of
    /// subscriptions that ended on this node.
    ///
    /// # Errors
    /// When the store does not answer. Subscriptions on this node are ended in any case.
    pub(crate) async fn end_subscriptions(
        &self,
        user: &UserId,
        service: &ServiceName,
        topic: Option<&TopicName>,
    ) -> Result<usize, StoreError> {
        let ended = self.end_local_subscriptions(user, service, topic);
        let message =
            ControlMessage::Unsubscribe { user_id: user.clone(), service: service.clone(), topic: topic.cloned() };
        for node in self.other_nodes_of(user).await? {
            self.parts.store.post(&node, &message).await?;
        }
        Ok(ended)
    }

    /// Informs a user's other sessions, on all nodes, that notifications were acknowledged.
    pub(crate) async fn notify_acknowledged(
        &self,
        session: &Session,
        ids: Vec<NotificationId>,
    ) -> Result<(), StoreError> {
        let user = session.user();
        for other in self.table.of_user(user).iter().filter(|other| other.id() != session.id()) {
            other.push_extension(NotificationAcked { notification_ids: ids.clone() });
        }
        let sessions = self.parts.config.get().sessions;
        if sessions.max_per_user > 1 || sessions.key == SessionKey::Device {
            let message = ControlMessage::Acknowledged { user_id: user.clone(), notification_ids: ids };
            for node in self.other_nodes_of(user).await? {
                self.parts.store.post(&node, &message).await?;
            }
        }
        Ok(())
    }

    /// Returns the other nodes on which a user has sessions.
    async fn other_nodes_of(&self, user: &UserId) -> Result<Vec<Arc<str>>, StoreError> {
        let mut nodes: Vec<Arc<str>> =
            self.parts.store.sessions_of(user).await?.into_iter().map(|record| record.node).collect();
        nodes.sort();
        nodes.dedup();
        nodes.retain(|node| *node != self.parts.node.name.id);
        Ok(nodes)
    }

    fn end_local_subscriptions(&self, user: &UserId, service: &ServiceName, topic: Option<&TopicName>) -> usize {
        let error = CommandError::new(ErrorCode::Forbidden, "ended by an operator");
        let mut ended = 0;
        for session in self.table.of_user(user) {
            session.server_topics().forget(|known| is_selected(known, service, topic));
            for subscription in session.subscriptions() {
                if is_selected(subscription.topic(), service, topic) {
                    self.parts.subscriptions.end(&session, &subscription, &error);
                    ended += 1;
                }
            }
        }
        ended
    }

    /// Remembers a session record that could not be removed from the store. The next reconciliation that reaches the
    /// store removes it.
    pub(crate) fn remove_record_later(&self, session: &Session, code: CloseCode) {
        let mut records = self.unremoved_records.lock();
        if records.len() < MAX_UNREMOVED_RECORDS {
            records.push((session.user().clone(), session.id().clone(), code));
        }
    }

    /// Removes the remembered session records from the store.
    pub(crate) async fn retry_record_removals(&self) -> Result<(), StoreError> {
        loop {
            let Some((user, id, code)) = self.unremoved_records.lock().pop() else { return Ok(()) };
            if let Err(error) = self.parts.store.close_session(&user, &id, code).await {
                self.unremoved_records.lock().push((user, id, code));
                return Err(error);
            }
        }
    }

    /// Registers the sessions of this node in a store that may have lost them. A session that has been superseded
    /// meanwhile by a newer one of the same user is closed.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn register_again(&self) -> Result<(), StoreError> {
        let sessions = self.table.all();
        if !sessions.is_empty() {
            tracing::warn!(sessions = sessions.len(), "registering this node's sessions again");
        }
        let restored =
            stream::iter(sessions).map(|session| self.restore(session)).buffer_unordered(CONCURRENT_RESTORES);
        restored.try_collect::<Vec<()>>().await?;
        Ok(())
    }

    async fn restore(&self, session: Arc<Session>) -> Result<(), StoreError> {
        let record = session.record(&self.parts.node.name);
        match self.parts.store.restore_session(record, self.policy()).await? {
            Decision::Admitted(evicted) => self.evict(&evicted),
            Decision::Superseded | Decision::Refused => {
                session.outbound().close(CloseCode::REPLACED, "replaced by a newer session");
            }
            Decision::Blocked(_) => close_blocked(&session, &self.parts.metrics),
        }
        if session.outbound().is_closed() {
            // The session ended meanwhile. Its record may have been removed before the store restored it.
            self.remove_record_later(&session, CloseCode::ABNORMAL);
        }
        Ok(())
    }

    /// Expires the sessions whose tokens expired more than `leeway` before the wall-clock time `now` (Unix
    /// milliseconds). The sessions' own timers use the monotonic clock, which does not count while the machine is
    /// suspended.
    pub(crate) fn expire(&self, now: u64, leeway: Duration) {
        let leeway = u64::try_from(leeway.as_millis()).unwrap_or(u64::MAX);
        let is_expired = |session: &Arc<Session>| session.expires_at().millis().saturating_add(leeway) <= now;
        let expired: Vec<_> = self.table.all().into_iter().filter(is_expired).collect();
        if !expired.is_empty() {
            tracing::warn!(sessions = expired.len(), "the wall clock has jumped forward; sessions have expired");
        }
        for session in expired {
            session.expire();
        }
    }
}

fn close_message(record: &SessionRecord, code: CloseCode) -> ControlMessage {
    ControlMessage::Close { user_id: record.user.clone(), session_id: record.id.clone(), code: code.0 }
}

fn close(session: &Session, code: CloseCode) {
    let reason = match code {
        CloseCode::REPLACED => "replaced by a newer session",
        CloseCode::RECONNECT_REQUESTED => "an operator asks you to reconnect",
        _ => "disconnected by an operator",
    };
    session.outbound().close(code, reason);
}

/// Returns whether a service, and optionally the name of a topic, select this topic.
fn is_selected(topic: &Topic, service: &ServiceName, name: Option<&TopicName>) -> bool {
    let is_name_equal = name.is_none_or(|name| match topic {
        Topic::User(user) => user.as_str() == name.as_str(),
        Topic::Clan(clan) => clan.as_str() == name.as_str(),
        Topic::Service(_, topic) => topic == name,
    });
    topic.service() == *service && is_name_equal
}
