//! What one node tells another about a session: to close it, to end subscriptions, that notifications were seen.

use std::sync::Arc;

use realtime_gateway_protocol::{
    CloseCode, ErrorCode, NotificationAcked, NotificationId, ServiceName, TopicName, UserId,
};

use super::Node;
use crate::{
    command_error::CommandError,
    services::end_subscription,
    session::Session,
    store::{Note, SessionKey, SessionRecord, StoreError},
    topic::Topic,
};

/// The most records that are remembered to be removed. Clients that come back again and again during an outage could
/// otherwise take all memory. Records beyond it stay until their users' next sessions replace them, or the node ends.
const MAX_LEFT_RECORDS: usize = 100_000;

impl Node {
    /// Does what another node asks, which may ask twice.
    pub(crate) fn heed(self: &Arc<Self>, note: Note) {
        match note {
            Note::Close { user_id, session_id, code } => {
                if let Some(session) = self.sessions.get(&user_id, &session_id) {
                    close(&session, CloseCode(code));
                }
            }
            Note::Unsubscribe { user_id, service, topic } => {
                self.end_local_subscriptions(&user_id, &service, topic.as_ref());
            }
            Note::Acknowledged { user_id, notification_ids } => {
                for session in self.sessions.of_user(&user_id) {
                    session.push_addition(NotificationAcked { notification_ids: notification_ids.clone() });
                }
            }
            Note::BlocksChanged => self.reconcile_soon.notify_one(),
        }
    }

    /// Closes sessions that the store has evicted: here at once, on other nodes as soon as they hear of it. The step
    /// that evicted them has written to those nodes' inboxes.
    pub(crate) fn evict(&self, evicted: &[SessionRecord]) {
        for record in evicted {
            self.metrics.sessions_replaced_total.inc();
            match self.sessions.get(&record.user, &record.id) {
                Some(session) => close(&session, CloseCode::REPLACED),
                None => self.bus.tell(&record.node, &close_note(record, CloseCode::REPLACED)),
            }
        }
    }

    /// Disconnects a user on every node, and tells how many sessions that ends.
    ///
    /// # Errors
    /// When the store does not answer; sessions on this node are closed all the same.
    pub(crate) async fn disconnect(&self, user: &UserId, code: CloseCode) -> Result<usize, StoreError> {
        let here = self.sessions.of_user(user);
        here.iter().for_each(|session| close(session, code));
        let records = self.store.sessions_of(user).await?;
        let elsewhere: Vec<_> =
            records.iter().filter(|record| !here.iter().any(|session| session.id == record.id)).collect();
        for record in &elsewhere {
            let note = close_note(record, code);
            self.store.post(&record.node, &note).await?;
            self.bus.tell(&record.node, &note);
        }
        Ok(here.len() + elsewhere.len())
    }

    /// Ends a user's subscriptions to a service, or one topic of it, on every node, and tells how many ended on this
    /// one.
    ///
    /// # Errors
    /// When the store does not answer; subscriptions on this node are ended all the same.
    pub(crate) async fn end_subscriptions(
        self: &Arc<Self>,
        user: &UserId,
        service: &ServiceName,
        topic: Option<&TopicName>,
    ) -> Result<usize, StoreError> {
        let ended = self.end_local_subscriptions(user, service, topic);
        let note = Note::Unsubscribe { user_id: user.clone(), service: service.clone(), topic: topic.cloned() };
        for node in self.other_nodes_of(user).await? {
            self.store.post(&node, &note).await?;
            self.bus.tell(&node, &note);
        }
        Ok(ended)
    }

    /// Tells a user's other sessions that notifications were acknowledged.
    pub(crate) async fn tell_acknowledged(
        &self,
        session: &Session,
        ids: Vec<NotificationId>,
    ) -> Result<(), StoreError> {
        let user = &session.user;
        for other in self.sessions.of_user(user).iter().filter(|other| other.id != session.id) {
            other.push_addition(NotificationAcked { notification_ids: ids.clone() });
        }
        let sessions = self.config().sessions;
        if sessions.max_per_user > 1 || sessions.key == SessionKey::Device {
            let note = Note::Acknowledged { user_id: user.clone(), notification_ids: ids };
            let has_broker = !self.config().bus.is_embedded();
            for node in self.other_nodes_of(user).await? {
                // One way only: clients would show a note that comes twice as two events.
                if has_broker {
                    self.bus.tell(&node, &note);
                } else {
                    self.store.post(&node, &note).await?;
                }
            }
        }
        Ok(())
    }

    /// The other nodes on which a user has sessions.
    async fn other_nodes_of(&self, user: &UserId) -> Result<Vec<Arc<str>>, StoreError> {
        let mut nodes: Vec<Arc<str>> =
            self.store.sessions_of(user).await?.into_iter().map(|record| record.node).collect();
        nodes.sort();
        nodes.dedup();
        nodes.retain(|node| *node != self.name.id);
        Ok(nodes)
    }

    fn end_local_subscriptions(
        self: &Arc<Self>,
        user: &UserId,
        service: &ServiceName,
        topic: Option<&TopicName>,
    ) -> usize {
        let error = CommandError::new(ErrorCode::Forbidden, "ended by an operator");
        let mut ended = 0;
        for session in self.sessions.of_user(user) {
            for subscription in session.subscriptions() {
                if is_meant(subscription.topic(), service, topic) {
                    end_subscription(self, &subscription, &error);
                    ended += 1;
                }
            }
        }
        ended
    }

    /// Notes that a session's record could not be removed; the next pulse that finds the store does it.
    pub(crate) fn leave_record(&self, session: &Session, code: CloseCode) {
        let mut left = self.left_records.lock();
        if left.len() < MAX_LEFT_RECORDS {
            left.push((session.user.clone(), session.id.clone(), code));
        }
    }

    /// Removes the records that were left.
    pub(crate) async fn close_left_records(&self) -> Result<(), StoreError> {
        loop {
            let Some((user, id, code)) = self.left_records.lock().pop() else { return Ok(()) };
            if let Err(error) = self.store.close_session(&user, &id, code).await {
                self.left_records.lock().push((user, id, code));
                return Err(error);
            }
        }
    }
}

fn close_note(record: &SessionRecord, code: CloseCode) -> Note {
    Note::Close { user_id: record.user.clone(), session_id: record.id.clone(), code: code.0 }
}

fn close(session: &Session, code: CloseCode) {
    let reason = match code {
        CloseCode::REPLACED => "replaced by a newer session",
        CloseCode::RECONNECT_REQUESTED => "an operator asks you to reconnect",
        _ => "disconnected by an operator",
    };
    session.outbound.close(code, reason);
}

/// Whether a service, and a topic of it, stand for this topic.
fn is_meant(topic: &Topic, service: &ServiceName, name: Option<&TopicName>) -> bool {
    let is_named = name.is_none_or(|name| match topic {
        Topic::User(user) => user.as_str() == name.as_str(),
        Topic::Clan(clan) => clan.as_str() == name.as_str(),
        Topic::Service(_, topic) => topic == name,
    });
    topic.service() == *service && is_named
}
