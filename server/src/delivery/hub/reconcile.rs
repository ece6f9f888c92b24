//! The hub's part of reconciliation: compares the store's shard counters with the received append notices. A lost
//! notice therefore delays an entry by at most about a second.

use std::sync::Arc;

use super::{Hub, local_topic::LocalTopic};
use crate::{store::StoreError, topic::Shard};

impl Hub {
    /// Returns the shards whose counters have to be read from the store.
    pub fn bound_shards(&self) -> Vec<Shard> {
        self.shards.bound()
    }

    /// Handles a new epoch of the store: its counters have started again, so the next comparison checks every topic.
    pub fn reset_counts(&self) {
        self.shards.reset_all();
    }

    /// Compares the store's counters of shards. In shards with a missing notice, the topics that are behind their log
    /// catch up.
    ///
    /// # Errors
    /// When the store does not answer. The next comparison then checks the same shards again.
    pub async fn compare(self: &Arc<Self>, shards: &[Shard], counts: &[u64]) -> Result<(), StoreError> {
        let behind = |(shard, count): (&Shard, &u64)| self.shards.compare(*shard, *count).then_some(*shard);
        let shards: Vec<Shard> = shards.iter().zip(counts).filter_map(behind).collect();
        if shards.is_empty() {
            return Ok(());
        }
        let checked = self.check_topics(&shards).await;
        if checked.is_err() {
            shards.iter().for_each(|shard| self.shards.reset(*shard));
        }
        checked
    }

    async fn check_topics(self: &Arc<Self>, shards: &[Shard]) -> Result<(), StoreError> {
        let table = |shard: &Shard| self.tables.get(usize::from(shard.0));
        let locals: Vec<Arc<LocalTopic>> = shards
            .iter()
            .filter_map(table)
            .flat_map(|table| table.lock().values().cloned().collect::<Vec<_>>())
            .collect();
        let topics: Vec<_> = locals.iter().map(|local| local.topic.clone()).collect();
        let heads = self.store.heads(&topics).await?;
        for (local, bounds) in locals.iter().zip(heads.bounds) {
            local.compare(self, &heads.epoch, bounds.head);
        }
        Ok(())
    }
}
