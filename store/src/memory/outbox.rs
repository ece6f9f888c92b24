//! The outbox in memory.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::MemoryStore;
use crate::{Event, EventDetail, Outbox, OutboxEntry, OutboxStatus, StoreError, outbox_bound::OutboxBound, wait::Wait};

/// The events, in the order in which they were written.
#[derive(Debug)]
pub(super) struct MemoryOutbox {
    node: Arc<str>,
    bound: OutboxBound,
    last: u64,
    entries: BTreeMap<u64, OutboxEntry>,
}

impl MemoryOutbox {
    /// Creates an empty outbox of a node, for at most `limit` events.
    pub(super) fn new(limit: u64, node: Arc<str>) -> Self {
        Self { node, bound: OutboxBound::new(limit), last: 0, entries: BTreeMap::new() }
    }

    /// Writes an event, unless the outbox is full.
    pub(super) fn write(&mut self, event: Event, detail: EventDetail) {
        if self.bound.admits(self.entries.len() as u64) {
            self.last += 1;
            let (sequence, node) = (self.last, self.node.clone());
            self.entries.insert(sequence, OutboxEntry { sequence, node, event, detail });
        }
    }

    fn read(&self, after: u64, at_most: usize) -> Vec<OutboxEntry> {
        self.entries.range(after.saturating_add(1)..).take(at_most).map(|(_, entry)| entry.clone()).collect()
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn lease_outbox(&self, _ttl: Duration) -> Result<bool, StoreError> {
        self.step(|_| Ok(true))
    }

    async fn read_outbox(&self, after: u64, at_most: usize, wait: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut wait = Wait::begin(self.written.subscribe(), wait);
        loop {
            let read = |outbox: &MemoryOutbox| outbox.read(after, at_most);
            let found = self.step(|state| Ok(state.outbox.as_ref().map_or_else(Vec::new, read)))?;
            if !found.is_empty() || !wait.again().await {
                return Ok(found);
            }
        }
    }

    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError> {
        self.step(|state| {
            if let Some(outbox) = &mut state.outbox {
                sequences.iter().for_each(|sequence| drop(outbox.entries.remove(sequence)));
            }
            Ok(())
        })
    }

    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError> {
        self.step(|state| {
            let Some(outbox) = &state.outbox else { return Ok(OutboxStatus::default()) };
            let oldest = outbox.entries.first_key_value().map(|(_, entry)| entry.event.at);
            Ok(OutboxStatus { entries: outbox.entries.len() as u64, oldest, overflowed: outbox.bound.overflowed() })
        })
    }
}
