//! What the hub makes of a pulse: the store's counters are compared with the doorbells heard, so that a lost one costs at
//! most about a second.

use std::sync::Arc;

use super::{Hub, local_topic::LocalTopic};
use crate::{store::StoreError, topic::Shard};

impl Hub {
    /// The shards whose counters have to be read.
    pub fn bound_shards(&self) -> Vec<Shard> {
        self.shards.bound()
    }

    /// The epoch is another one: the counters have begun anew, and every topic has to be looked at.
    pub fn forget_counts(&self) {
        self.shards.forget();
    }

    /// Takes the counters of shards: where a doorbell is missing, topics that are behind their log catch up.
    ///
    /// # Errors
    /// When the store does not answer. What was to be looked into is then found by the next comparison.
    pub async fn compare(self: &Arc<Self>, shards: &[Shard], counts: &[u64]) -> Result<(), StoreError> {
        let behind = |(shard, count): (&Shard, &u64)| self.shards.compare(*shard, *count).then_some(*shard);
        let shards: Vec<Shard> = shards.iter().zip(counts).filter_map(behind).collect();
        if shards.is_empty() {
            return Ok(());
        }
        let looked = self.look_into(&shards).await;
        if looked.is_err() {
            shards.iter().for_each(|shard| self.shards.doubt(*shard));
        }
        looked
    }

    async fn look_into(self: &Arc<Self>, shards: &[Shard]) -> Result<(), StoreError> {
        let table = |shard: &Shard| self.tables.get(usize::from(shard.0));
        let locals: Vec<Arc<LocalTopic>> = shards
            .iter()
            .filter_map(table)
            .flat_map(|table| table.lock().values().cloned().collect::<Vec<_>>())
            .collect();
        let topics: Vec<_> = locals.iter().map(|local| local.topic.clone()).collect();
        let heads = self.store.heads(&topics).await?;
        for (local, ends) in locals.iter().zip(heads.ends) {
            local.compare(self, &heads.epoch, ends.head);
        }
        Ok(())
    }
}
