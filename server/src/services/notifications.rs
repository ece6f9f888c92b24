//! Notifications: each is kept until it is acknowledged, replayed on every subscription, told apart by its id.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use realtime_gateway_protocol::{
    AckConfirmed, NotificationAck, NotificationId, NotificationText, NotificationTitle, RawJson, Timestamp, UserId,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    entry::entry_body,
    reports::{About, StoreKnows},
};
use crate::{
    bus::Doorbell,
    command_error::CommandError,
    node::{Node, in_time, new_id},
    session::Session,
    store::{Broadcast, ContentDigest, Entry, Event, Notified, Notify, Recipient, StoreError},
    topic::Topic,
};

/// For how many users it is remembered what was sent to them. `redelivered` is a hint, so forgetting does no harm.
const REMEMBERED_USERS: usize = 65_536;

/// A notification of a backend service.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// Tells copies apart; made by the gateway when absent.
    pub id: Option<NotificationId>,
    /// A headline.
    pub title: NotificationTitle,
    /// The text.
    pub message: NotificationText,
    /// Whatever the backend adds.
    pub data: Option<RawJson>,
    /// How long it is kept; `notifications.ttl` when absent.
    pub ttl: Option<Duration>,
}

/// A notification that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: NotificationId,
    /// Its place among the user's.
    pub offset: u64,
    /// Whether one with the same id came before.
    pub duplicate: bool,
}

/// The service of notifications.
#[derive(Default)]
pub struct Notifications {
    /// Up to which offset a user who is away was sent notifications.
    delivered: Mutex<HashMap<UserId, u64>>,
}

/// What the store keeps of a notification.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotificationBody<'a> {
    r#type: &'static str,
    id: &'a NotificationId,
    title: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawJson>,
    created_at: Timestamp,
}

/// What a notification says, which a repeat of it says too.
#[derive(Serialize)]
struct Content<'a> {
    title: &'a str,
    message: &'a str,
    data: Option<&'a RawJson>,
}

/// A notification as it is stored.
#[derive(Clone)]
struct ReadyNotification {
    id: NotificationId,
    content: ContentDigest,
    at: Timestamp,
    body: Bytes,
    expires: Timestamp,
}

/// Makes a notification ready to be stored.
fn ready(node: &Node, new: NewNotification) -> Result<ReadyNotification, CommandError> {
    let id = new.id.map_or_else(new_id, Ok)?;
    let at = node.now();
    let (title, message, data) = (new.title.as_str(), new.message.as_str(), new.data.as_ref());
    let body = NotificationBody { r#type: "notification", id: &id, title, message, data, created_at: at };
    let body = node.checked_body(entry_body(&body))?;
    let content = ContentDigest::of(&Content { title, message, data }).map_err(CommandError::internal)?;
    let ttl = u64::try_from(new.ttl.unwrap_or(node.config().notifications.ttl).as_millis()).unwrap_or(u64::MAX);
    let expires = Timestamp::from_millis(at.millis().saturating_add(ttl));
    Ok(ReadyNotification { id, content, at, body, expires })
}

/// The event that reports which notifications of a user were dropped to make room.
fn dropped_event(node: &Node, user: &UserId) -> Result<Option<Event>, CommandError> {
    node.report(&Uuid::now_v7().to_string(), &About::Dropped(user), &StoreKnows {})
}

/// Sends a notification that is stored to the sessions of its user, unless it came before.
fn deliver(node: &Node, user: UserId, ready: ReadyNotification, notified: Notified) -> Sent {
    node.metrics.notifications_dropped("max_pending", notified.dropped.len() as u64);
    let ReadyNotification { id, at, body, .. } = ready;
    if !notified.duplicate {
        node.hub.publish(Doorbell {
            topic: Topic::User(user),
            epoch: notified.epoch,
            shard_count: notified.shard_count,
            entry: Arc::new(Entry { offset: notified.offset, at, body }),
        });
    }
    Sent { id, offset: notified.offset, duplicate: notified.duplicate }
}

impl Notifications {
    /// Stores a notification and sends it to the user's sessions.
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm in time, `message_too_large`, `conflict` when the id stands for
    /// another notification of this user.
    pub async fn send(node: &Arc<Node>, user: UserId, new: NewNotification) -> Result<Sent, CommandError> {
        let ReadyNotification { id, content, at, body, expires } = ready(node, new)?;
        let max_pending = node.config().notifications.max_pending;
        let dropped_event = dropped_event(node, &user)?;
        let notify = Notify {
            user: user.clone(),
            id: id.clone(),
            content,
            at,
            body: body.clone(),
            expires,
            max_pending,
            dropped_event,
        };
        let started = Instant::now();
        let notified = in_time(node.store.notify(notify)).await?;
        node.metrics.store_took("notify", started.elapsed());
        Ok(deliver(node, user, ReadyNotification { id, content, at, body, expires }, notified))
    }

    /// Stores a notification for several users and sends it to their sessions. It has the same id for all of them, and
    /// the store keeps the body once.
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm all of it in time; `conflict` when the id stands for another
    /// notification of some users, whom `details.userIds` names; `message_too_large`. The other users may have got it all
    /// the same.
    pub async fn send_all(
        node: &Arc<Node>,
        users: Vec<UserId>,
        new: NewNotification,
    ) -> Result<Vec<Sent>, CommandError> {
        let ready = ready(node, new)?;
        let max_pending = node.config().notifications.max_pending;
        let recipient = |user: &UserId| Ok(Recipient { user: user.clone(), dropped_event: dropped_event(node, user)? });
        let recipients = users.iter().map(recipient).collect::<Result<_, CommandError>>()?;
        let ReadyNotification { id, content, at, body, expires } = ready.clone();
        let broadcast = Broadcast { id, content, at, body, expires, max_pending, recipients };
        let started = Instant::now();
        let results = in_time(async { Ok(node.store.notify_all(broadcast).await) }).await?;
        node.metrics.store_took("notify_all", started.elapsed());
        // Those that are stored are sent, whatever became of the others.
        let (mut sent, mut conflicts, mut unavailable) = (Vec::new(), Vec::new(), None);
        for (user, result) in users.into_iter().zip(results) {
            match result {
                Ok(notified) => sent.push(deliver(node, user, ready.clone(), notified)),
                Err(StoreError::Conflict) => conflicts.push(user),
                Err(error) => unavailable = Some(error),
            }
        }
        // What may succeed later comes first: the caller repeats the request then, and learns of the conflicts too.
        match unavailable {
            Some(error) => Err(error.into()),
            None if conflicts.is_empty() => Ok(sent),
            None => Err(CommandError::conflict_of_users(&conflicts)),
        }
    }

    /// `notification_ack`
    pub(crate) async fn acknowledge(
        node: &Arc<Node>,
        session: &Session,
        ack: NotificationAck,
    ) -> Result<AckConfirmed, CommandError> {
        let mut ids = ack.notification_ids.unwrap_or_default();
        ids.extend(ack.notification_id);
        let event_id = Uuid::now_v7().to_string();
        let event = node.report(&event_id, &About::Acknowledged(&session.user), &StoreKnows {})?;
        let started = Instant::now();
        let acked = in_time(node.store.acknowledge(&session.user, &ids, event)).await?;
        node.metrics.store_took("acknowledge", started.elapsed());
        if !acked.is_empty() {
            // Acknowledged is acknowledged, whether the user's other sessions hear of it or not.
            if let Err(error) = in_time(node.tell_acknowledged(session, acked)).await {
                tracing::debug!(%error, "other nodes were not told of an acknowledgement");
            }
        }
        Ok(AckConfirmed { notification_ids: ids })
    }
}

impl Node {
    /// Up to which offset the user is known to have been sent notifications.
    pub(crate) fn delivered_before(&self, topic: &Topic) -> u64 {
        let Topic::User(user) = topic else { return 0 };
        let before = self.notifications.delivered.lock().get(user).copied().unwrap_or(0);
        before.max(self.hub.cursor(topic).unwrap_or(0))
    }

    /// Remembers how far a user was served who is leaving.
    pub(crate) fn note_delivered(&self, topic: &Topic) {
        let (Topic::User(user), Some(cursor @ 1..)) = (topic, self.hub.cursor(topic)) else { return };
        let mut delivered = self.notifications.delivered.lock();
        if delivered.len() >= REMEMBERED_USERS && !delivered.contains_key(user) {
            delivered.clear();
        }
        delivered.insert(user.clone(), cursor);
    }
}
