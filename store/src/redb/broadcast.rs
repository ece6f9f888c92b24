//! Broadcasts in the file. The writer stores them in batches of the recipients, so that a commit stays small and other
//! operations are written in between.

use std::{mem, ops::Range, sync::Arc};

use realtime_gateway_protocol::topic::{Shard, Topic};

use super::{RedbStore, bodies, fault::Fault, operation::Request, pending, tables::Tables};
use crate::{Broadcast, Notified, Recipient, StoreError, shards::ShardCounts};

/// The maximum number of recipients in one batch of a broadcast.
const MAX_RECIPIENTS_PER_BATCH: usize = 256;

/// A request to store a broadcast for a part of its recipients.
struct BroadcastBatch {
    broadcast: Arc<Broadcast>,
    recipients: Range<usize>,
    /// The shared body, which an earlier batch may have stored.
    body: bodies::SharedBody,
}

/// The result of a batch.
struct Stored {
    results: Vec<Result<Notified, StoreError>>,
    body: bodies::SharedBody,
}

impl RedbStore {
    /// Stores a broadcast, one batch after the other.
    pub(super) async fn broadcast(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>> {
        let broadcast = Arc::new(broadcast);
        let count = broadcast.recipients.len();
        let mut results = Vec::with_capacity(count);
        let mut body = bodies::SharedBody::default();
        for begin in (0..count).step_by(MAX_RECIPIENTS_PER_BATCH) {
            let recipients = begin..count.min(begin + MAX_RECIPIENTS_PER_BATCH);
            let length = recipients.len();
            match self.submit(BroadcastBatch { broadcast: broadcast.clone(), recipients, body }).await {
                Ok(stored) => {
                    results.extend(stored.results);
                    body = stored.body;
                }
                Err(error) => results.extend(std::iter::repeat_n(Err(error), length)),
            }
        }
        results
    }
}

impl BroadcastBatch {
    fn recipients(&self) -> &[Recipient] {
        self.broadcast.recipients.get(self.recipients.clone()).unwrap_or_default()
    }

    /// Returns the shards of the recipients, in their order.
    fn shards_of_recipients(&self) -> impl Iterator<Item = Shard> {
        self.recipients().iter().map(|recipient| Topic::User(recipient.user.clone()).shard())
    }
}

impl Request for BroadcastBatch {
    type Answer = Stored;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Stored, Fault> {
        let mut body = self.body;
        let is_shared = self.broadcast.shares_body();
        let mut results = Vec::with_capacity(self.recipients.len());
        for recipient in self.recipients() {
            let changed_before = mem::take(&mut tables.changed);
            let notify = self.broadcast.to(recipient);
            match pending::notify(tables, &notify, is_shared.then_some(&mut body)) {
                Ok(notified) => results.push(Ok(notified)),
                // The error affects only this user, for whom nothing was changed.
                Err(fault) if fault.is_of_one_operation() && !tables.changed => results.push(Err(fault.into())),
                Err(fault) => return Err(fault),
            }
            tables.changed |= changed_before;
        }
        Ok(Stored { results, body })
    }

    fn bytes(&self) -> usize {
        let event = |recipient: &Recipient| recipient.dropped_event.as_ref().map_or(0, |event| 256 + event.body.len());
        let recipients: usize = self.recipients().iter().map(|recipient| 256 + event(recipient)).sum();
        256 + self.broadcast.body.len() + recipients
    }

    fn rows(&self) -> usize {
        self.recipients.len()
    }

    fn shards(&self) -> Vec<Shard> {
        self.shards_of_recipients().collect()
    }

    fn count(&self, stored: &mut Stored, shards: &ShardCounts) {
        for (result, shard) in stored.results.iter_mut().zip(self.shards_of_recipients()) {
            if let Ok(notified) = result {
                notified.shard_count = if notified.duplicate { shards.get(shard) } else { shards.raise(shard) };
            }
        }
    }
}
