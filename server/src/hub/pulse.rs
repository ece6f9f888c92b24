//! The pulse: once a second the store's counters are compared with the doorbells heard, so that a lost one costs at
//! most about a second.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{Hub, local_topic::LocalTopic};
use crate::{store::StoreError, topic::Shard};

/// How often.
const PULSE: Duration = Duration::from_secs(1);

impl Hub {
    /// Compares for ever.
    pub async fn pulse(self: Arc<Self>) {
        let mut ticks = interval(PULSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.beat().await {
                tracing::debug!(%error, "the pulse found the store away");
            }
        }
    }

    /// Compares once: where a doorbell is missing, topics that are behind their log catch up.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn beat(self: &Arc<Self>) -> Result<(), StoreError> {
        let shards = self.shards.bound();
        let counts = self.store.shard_counts(&shards).await?;
        for (shard, count) in shards.into_iter().zip(counts) {
            if self.shards.compare(shard, count) {
                self.look_into(shard).await?;
            }
        }
        Ok(())
    }

    async fn look_into(self: &Arc<Self>, shard: Shard) -> Result<(), StoreError> {
        let locals: Vec<Arc<LocalTopic>> = match self.tables.get(usize::from(shard.0)) {
            Some(table) => table.lock().values().cloned().collect(),
            None => Vec::new(),
        };
        let topics: Vec<_> = locals.iter().map(|local| local.topic.clone()).collect();
        let ends = self.store.heads(&topics).await?;
        let epoch = self.store.epoch();
        for (local, ends) in locals.iter().zip(ends) {
            local.compare(self, &epoch, ends.head);
        }
        Ok(())
    }
}
