//! Notifications. Each is kept until it is acknowledged or expires, and is replayed on every subscription. Clients
//! detect duplicates by the id.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use realtime_gateway_protocol::{
    AckConfirmed, Envelope, EscalateAfterSeconds, Notification, NotificationAck, NotificationId, NotificationText,
    NotificationTitle, RawJson, ServerMessage, Timestamp, UserId, decode_server,
    stored::{Delivery, StoredBody, StoredNotification},
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    delivery::{
        entry::stored,
        hub::Hub,
        log::encode,
        reports::{EventSubject, Reports, StoreFieldsOnly},
    },
    ids::new_id,
    metrics::Metrics,
    runtime::clock::NodeClock,
    session::{Session, Sessions},
    store::{
        AppendNotice, Broadcast, ContentDigest, Entry, EscalationState, Event, EventSource, NoticeEntry, Notified,
        Notify, PageLimit, Recipient, Store, StoreError,
    },
    telemetry::log_limited,
    topic::Topic,
};

/// A notification of a backend service.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// The id, by which duplicates are detected. The gateway generates one when it is absent.
    pub id: Option<NotificationId>,
    /// The headline.
    pub title: NotificationTitle,
    /// The text.
    pub message: NotificationText,
    /// Additional data of the backend service.
    pub data: Option<RawJson>,
    /// How long the notification is kept. `notifications.ttl` when absent.
    pub ttl: Option<Duration>,
    /// Whether and when it is escalated.
    pub escalate_after: EscalateAfter,
}

/// After what time without an acknowledgement a notification is escalated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EscalateAfter {
    /// After `notifications.escalate_after`, if it is set. It does not apply to a notification that ends earlier.
    #[default]
    Default,
    /// Never.
    Never,
    /// After this time, which is below the time to live.
    Time(Duration),
}

impl From<Option<EscalateAfterSeconds>> for EscalateAfter {
    fn from(given: Option<EscalateAfterSeconds>) -> Self {
        match given.map(EscalateAfterSeconds::duration) {
            None => Self::Default,
            Some(Duration::ZERO) => Self::Never,
            Some(time) => Self::Time(time),
        }
    }
}

/// A stored notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The id of the notification.
    pub id: NotificationId,
    /// The offset in the user's log.
    pub offset: u64,
    /// Whether a notification with the same id was stored before.
    pub duplicate: bool,
}

/// The parts that [`Notifications`] works with.
pub(crate) struct NotificationParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) reports: Reports,
    pub(crate) config: LiveConfig,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
}

/// The code behind the contract of notifications (`built_in.rs`).
pub struct Notifications {
    parts: NotificationParts,
}

/// The content of a notification that is compared when the notification is retried.
#[derive(Serialize)]
struct Content<'a> {
    title: &'a str,
    message: &'a str,
    data: Option<&'a RawJson>,
}

/// A notification that is encoded for the store.
#[derive(Clone)]
struct ReadyNotification {
    id: NotificationId,
    content: ContentDigest,
    at: Timestamp,
    body: Bytes,
    expires: Timestamp,
    escalate_at: Option<Timestamp>,
}

/// The maximum size of a page of pending notifications, in bytes.
const PENDING_PAGE_BYTES: usize = 256 * 1024;

/// A page of the notifications that a user has not acknowledged.
pub(crate) struct PendingPage {
    /// The notifications, oldest first, and their escalations.
    pub(crate) notifications: Vec<(Notification, Option<EscalationState>)>,
    /// The number of all pending notifications of the user.
    pub(crate) count: u64,
    /// Whether there are more after this page.
    pub(crate) has_more: bool,
}

/// Decodes a pending notification. An entry that cannot be decoded is left out, and the log says so.
pub(super) fn pending_notification(topic: &Topic, entry: &Entry) -> Option<Notification> {
    let decoded = stored(topic, entry).compose(Delivery::First).map_err(|error| error.to_string());
    let decoded = decoded.and_then(|composed| decode_server(&composed.text).map_err(|error| format!("{error:?}")));
    match decoded {
        Ok(Envelope { message: ServerMessage::Notification(notification), .. }) => Some(notification),
        Ok(_) => None,
        Err(error) => {
            log_limited!(ERROR, { %error, offset = entry.offset }, "a notification cannot be decoded");
            None
        }
    }
}

/// Returns the time that is later by a duration.
fn after(at: Timestamp, time: Duration) -> Timestamp {
    let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(at.millis().saturating_add(time))
}

impl Notifications {
    /// Creates the notification service.
    pub(crate) fn new(parts: NotificationParts) -> Self {
        Self { parts }
    }

    /// Stores a notification and sends it to the user's sessions.
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm in time, `message_too_large`, `invalid_message` when it would be
    /// escalated after its end, `conflict` when the id was used for another notification of this user.
    pub async fn send(&self, user: UserId, new: NewNotification) -> Result<Sent, CommandError> {
        let ready = self.ready(new)?;
        let max_pending = self.parts.config.get().notifications.max_pending;
        let dropped_event = self.dropped_event(&user)?;
        let ReadyNotification { id, content, at, body, expires, escalate_at } = ready.clone();
        let notify =
            Notify { user: user.clone(), id, content, at, body, expires, escalate_at, max_pending, dropped_event };
        let started = Instant::now();
        let notified = in_time(self.parts.store.notify(notify)).await?;
        self.parts.metrics.store_took("notify", started.elapsed());
        Ok(self.deliver(user, ready, notified))
    }

    /// Stores a notification for several users and sends it to their sessions. It has the same id for all of them, and
    /// the store keeps the body once.
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm it for all users in time, `conflict` when the id was used for
    /// another notification of the users in `details.userIds`, `message_too_large`, `invalid_message`. After `unavailable`
    /// and `conflict`, the other users may have received the notification.
    pub async fn send_all(&self, users: Vec<UserId>, new: NewNotification) -> Result<Vec<Sent>, CommandError> {
        let ready = self.ready(new)?;
        let max_pending = self.parts.config.get().notifications.max_pending;
        let recipient = |user: &UserId| Ok(Recipient { user: user.clone(), dropped_event: self.dropped_event(user)? });
        let recipients = users.iter().map(recipient).collect::<Result<_, CommandError>>()?;
        let ReadyNotification { id, content, at, body, expires, escalate_at } = ready.clone();
        let broadcast = Broadcast { id, content, at, body, expires, escalate_at, max_pending, recipients };
        let started = Instant::now();
        let results = in_time(async { Ok(self.parts.store.notify_all(broadcast).await) }).await?;
        self.parts.metrics.store_took("notify_all", started.elapsed());
        // Send each notification that was stored, even if others failed.
        let (mut sent, mut conflicts, mut unavailable) = (Vec::new(), Vec::new(), None);
        for (user, result) in users.into_iter().zip(results) {
            match result {
                Ok(notified) => sent.push(self.deliver(user, ready.clone(), notified)),
                Err(StoreError::Conflict) => conflicts.push(user),
                Err(error) => unavailable = Some(error),
            }
        }
        // Report a retryable error first. The caller then repeats the request and gets the conflicts too.
        match unavailable {
            Some(error) => Err(error.into()),
            None if conflicts.is_empty() => Ok(sent),
            None => Err(CommandError::conflict_of_users(&conflicts)),
        }
    }

    /// Acknowledges notifications for a client (`notification_ack`).
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm in time.
    pub(crate) async fn acknowledge(
        &self,
        session: &Session,
        ack: NotificationAck,
    ) -> Result<AckConfirmed, CommandError> {
        let mut ids = ack.notification_ids.unwrap_or_default();
        ids.extend(ack.notification_id);
        let event_id = Uuid::now_v7().to_string();
        let event = self.parts.reports.event(
            &event_id,
            &EventSubject::Acknowledged(session.user()),
            EventSource::Client,
            &StoreFieldsOnly {},
        )?;
        let started = Instant::now();
        let acked = in_time(self.parts.store.acknowledge(session.user(), &ids, event)).await?;
        self.parts.metrics.store_took("acknowledge", started.elapsed());
        if !acked.is_empty() {
            // The acknowledgement is stored, so a failure to inform the user's other sessions is not an error.
            if let Err(error) = in_time(self.parts.sessions.notify_acknowledged(session, acked)).await {
                tracing::debug!(%error, "other nodes were not notified of an acknowledgement");
            }
        }
        Ok(AckConfirmed { notification_ids: ids })
    }

    /// Returns a page of the notifications that a user has not acknowledged, oldest first.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn pending(&self, user: &UserId, after: u64, at_most: usize) -> Result<PendingPage, CommandError> {
        let topic = Topic::User(user.clone());
        let limit = PageLimit { entries: at_most, bytes: PENDING_PAGE_BYTES };
        let page = in_time(self.parts.store.read(&topic, after, limit)).await?;
        let count = in_time(self.parts.store.pending_count(user)).await?;
        let offsets: Vec<u64> = page.entries.iter().map(|entry| entry.offset).collect();
        let escalations = in_time(self.parts.store.escalations_of(user, &offsets)).await?;
        let decoded = page.entries.iter().map(|entry| pending_notification(&topic, entry));
        let notifications = decoded.zip(escalations).filter_map(|(found, state)| Some((found?, state))).collect();
        let last = page.entries.last().map_or(after, |entry| entry.offset);
        let has_more = !page.entries.is_empty()
            && !in_time(self.parts.store.read(&topic, last, PageLimit { entries: 1, bytes: 1 }))
                .await?
                .entries
                .is_empty();
        Ok(PendingPage { notifications, count, has_more })
    }

    /// Encodes a notification for the store.
    fn ready(&self, new: NewNotification) -> Result<ReadyNotification, CommandError> {
        let id = new.id.map_or_else(new_id, Ok)?;
        let at = self.parts.clock.now();
        let (title, message, data) = (new.title.as_str(), new.message.as_str(), new.data.as_ref());
        let body = StoredNotification { id: &id, title, message, data, created_at: at };
        let body = encode(&self.parts.config, &StoredBody::Notification(body))?;
        let content = ContentDigest::of(&Content { title, message, data }).map_err(CommandError::internal)?;
        let ttl = new.ttl.unwrap_or(self.parts.config.get().notifications.ttl);
        let escalate_at = self.escalate_after(new.escalate_after, ttl)?.map(|time| after(at, time));
        Ok(ReadyNotification { id, content, at, body, expires: after(at, ttl), escalate_at })
    }

    /// Returns after what time a notification is escalated, if it is.
    fn escalate_after(&self, given: EscalateAfter, ttl: Duration) -> Result<Option<Duration>, CommandError> {
        let time = match given {
            EscalateAfter::Default => self.parts.config.get().notifications.escalate_after.filter(|time| *time < ttl),
            EscalateAfter::Never => None,
            EscalateAfter::Time(time) if time < ttl => Some(time),
            EscalateAfter::Time(_) => {
                let ttl = ttl.as_secs();
                let problem =
                    format!("not below the time to live of the notification, {ttl} s: lower it, or raise ttlSeconds");
                return Err(CommandError::field("escalateAfterSeconds", &problem));
            }
        };
        // Without readers, nothing is written that could be escalated.
        Ok(time.filter(|_| self.parts.reports.has_readers()))
    }

    /// Returns the event that reports the notifications of a user that were dropped because of `max_pending`.
    fn dropped_event(&self, user: &UserId) -> Result<Option<Event>, CommandError> {
        let (id, subject) = (Uuid::now_v7().to_string(), EventSubject::Dropped(user));
        self.parts.reports.event(&id, &subject, EventSource::Client, &StoreFieldsOnly {})
    }

    /// Publishes a stored notification to the sessions of its user, unless it is a duplicate.
    fn deliver(&self, user: UserId, ready: ReadyNotification, notified: Notified) -> Sent {
        self.parts.metrics.notifications_dropped("max_pending", notified.dropped.len() as u64);
        let ReadyNotification { id, at, body, .. } = ready;
        if !notified.duplicate {
            self.parts.hub.publish(AppendNotice {
                topic: Topic::User(user),
                epoch: notified.epoch,
                shard_count: notified.shard_count,
                entry: NoticeEntry::Included(Arc::new(Entry { offset: notified.offset, at, body })),
            });
        }
        Sent { id, offset: notified.offset, duplicate: notified.duplicate }
    }
}
