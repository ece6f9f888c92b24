//! Notifications in Redis.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{
    RedisStore, TimeSource,
    fault::Fault,
    log::{offset_or_conflict, stored_digest},
    millis,
    request::{Moment, Reply},
    steps,
};
use crate::{
    store::{Broadcast, Epoch, Event, Notified, Notify, Pending, StoreError, Swept},
    topic::Topic,
};

/// How many rows one sweep removes at most.
const SWEEP_ROWS: u64 = 500;

#[async_trait]
impl Pending for RedisStore {
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError> {
        self.reserve(1, notify.body.len())?;
        let shard = Topic::User(notify.user.clone()).shard();
        let ends_in = notify.expires.millis().saturating_sub(notify.at.millis());
        // Its id is known within the window, and while it is pending.
        let keep = self.kept_for(self.window.max(Duration::from_millis(ends_in)));
        let request = |epoch: &Epoch| {
            let request = self.reporting(&steps::NOTIFY).text(epoch).text(notify.user.as_str());
            let request = request
                .number(shard.0.into())
                .moment(self.moment_of(notify.at))
                .number(millis(self.window))
                .number(keep);
            let request = request.text(notify.id.as_str()).text(&stored_digest(Some(notify.content)));
            let request = request.bytes(&notify.body).at(notify.expires);
            request.number(notify.max_pending.max(1)).event(notify.dropped_event.as_ref())
        };
        let (epoch, mut reply) = self.link.run(&steps::NOTIFY, request).await?;
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
        let now = self.moment();
        let request = |_: &_| {
            let request = self.reporting(&steps::ACKNOWLEDGE).text(user.as_str()).moment(now);
            let request = request.number(millis(self.window)).event(event.as_ref());
            ids.iter().fold(request, |request, id| request.text(id.as_str()))
        };
        let (_, mut reply) = self.link.run(&steps::ACKNOWLEDGE, request).await?;
        self.note_overflow(reply.number()?);
        self.note_pending(reply.number()?);
        Ok(reply.list()?.all(Reply::id)?)
    }

    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.moment();
        let request = |_: &_| self.link.request(&steps::COUNT_PENDING).text(user.as_str()).moment(now);
        Ok(self.link.run(&steps::COUNT_PENDING, request).await?.1.number()?)
    }
}

impl RedisStore {
    /// Removes what is beyond its time by the clock of the server, a bounded number of rows. The server refuses when its
    /// clock does not agree with the time that this node expects of it.
    pub(super) async fn sweep_some(&self, expected: Timestamp) -> Result<Swept, Fault> {
        let request = |_: &_| {
            let request = self.link.request(&steps::SWEEP).text(&self.node.incarnation);
            let request = match self.time {
                TimeSource::Server => request.moment(Moment::Server).at(expected),
                TimeSource::Given => request.moment(Moment::Given(expected)).text(""),
            };
            let request = request.number(self.swept.load(Ordering::Relaxed).into());
            request.number(millis(self.window)).number(SWEEP_ROWS)
        };
        let (_, mut reply) = self.link.run(&steps::SWEEP, request).await?;
        let (entries, expired, more) = (reply.number()?, reply.number()?, reply.number()? == 1);
        self.note_pending(reply.number()?);
        let refused = reply.number()? == 1;
        self.swept.fetch_or(!refused, Ordering::Relaxed);
        Ok(Swept { entries, expired, more, refused })
    }

    /// Notes how many notifications of all users are pending.
    pub(super) fn note_pending(&self, count: u64) {
        self.pending.store(count, Ordering::Relaxed);
    }
}
