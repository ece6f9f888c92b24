//! Notifications in Redis.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId, topic::Topic};

use super::{
    RedisStore, TimeSource,
    arguments::{Digits, List},
    expiry,
    fault::Fault,
    log::{offset_or_conflict, stored_digest},
    millis,
    request::{Reply, ScriptTime},
    scripts,
};
use crate::{Broadcast, Epoch, Event, Notified, Notify, Pending, StoreError, Swept};

/// How many rows one sweep removes at most.
const MAX_SWEPT_ROWS: u64 = 500;

#[async_trait]
impl Pending for RedisStore {
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError> {
        self.reserve(1, notify.body.len())?;
        let shard = Topic::User(notify.user.clone()).shard();
        let ends_in = notify.expires.millis().saturating_sub(notify.at.millis());
        // The id is known within the window, and while the notification is pending.
        let keep = expiry(self.window.max(Duration::from_millis(ends_in)));
        let request = |epoch: &Epoch| {
            self.link.request(&scripts::Notify {
                outbox: self.outbox(),
                database: &self.database,
                announcer: self.announcer(shard),
                expected_epoch: epoch,
                user_id: notify.user.as_str(),
                shard: Digits(shard.0.into()),
                now: self.script_time_as_of(notify.at),
                window: millis(self.window),
                kept_for: Digits(keep),
                id: notify.id.as_str(),
                content: &stored_digest(Some(notify.content)),
                body: &notify.body,
                expires: notify.expires,
                escalate_at: notify.escalate_at,
                max_pending: notify.max_pending.max(1),
                event: notify.dropped_event.as_ref(),
            })
        };
        let (epoch, mut reply) = self.link.run_script(request).await?;
        let offset = offset_or_conflict(&mut reply)??;
        let (duplicate, shard_count) = (reply.number()? == 1, reply.number()?);
        self.note_overflow(reply.number()?);
        self.note_pending(reply.number()?);
        let dropped = reply.list()?.all(Reply::id)?;
        Ok(Notified { offset, duplicate, dropped, shard_count, epoch })
    }

    async fn notify_all(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>> {
        self.broadcast(&broadcast).await
    }

    async fn acknowledge(
        &self,
        user: &UserId,
        ids: &[NotificationId],
        event: Option<Event>,
    ) -> Result<Vec<NotificationId>, StoreError> {
        let now = self.script_time();
        let request = |_: &_| {
            self.link.request(&scripts::Acknowledge {
                outbox: self.outbox(),
                user_id: user.as_str(),
                now,
                window: millis(self.window),
                event: event.as_ref(),
                ids: List(ids),
            })
        };
        let (_, mut reply) = self.link.run_script(request).await?;
        self.note_overflow(reply.number()?);
        self.note_pending(reply.number()?);
        Ok(reply.list()?.all(Reply::id)?)
    }

    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.script_time();
        let request = |_: &_| self.link.request(&scripts::CountPending { user_id: user.as_str(), now });
        Ok(self.link.run_script(request).await?.1.number()?)
    }
}

impl RedisStore {
    /// Removes a bounded number of expired rows, by the clock of the server. The script refuses if that
    /// clock differs from the time that this node expects.
    pub(super) async fn sweep_some(&self, expected: Timestamp) -> Result<Swept, Fault> {
        let (now, expected_time) = match self.time {
            TimeSource::Server => (ScriptTime::Server, Some(expected)),
            TimeSource::Given => (ScriptTime::Given(expected), None),
        };
        let request = |_: &_| {
            self.link.request(&scripts::Sweep {
                incarnation: &self.node.incarnation,
                now,
                expected_time,
                has_swept: self.swept.load(Ordering::Relaxed),
                window: millis(self.window),
                max_rows: MAX_SWEPT_ROWS,
            })
        };
        let (_, mut reply) = self.link.run_script(request).await?;
        let (entries, expired, more) = (reply.number()?, reply.number()?, reply.number()? == 1);
        self.note_pending(reply.number()?);
        let refused = reply.number()? == 1;
        self.swept.fetch_or(!refused, Ordering::Relaxed);
        Ok(Swept { entries, expired, more, refused })
    }

    /// Stores the number of pending notifications of all users, for the status.
    pub(super) fn note_pending(&self, count: u64) {
        self.pending.store(count, Ordering::Relaxed);
    }
}
