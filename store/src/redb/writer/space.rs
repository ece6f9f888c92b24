//! The disk space of the file: the writer measures it before each write and compacts the file.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    super::{
        compaction::{Situation, store_row_bytes, used},
        disk::DiskUsage,
        fault::Fault,
    },
    Shared, Writer,
};
use crate::space::Usage;

impl Shared {
    /// Adds a number of bytes, which may be negative, to the size of the rows.
    pub(super) fn add_growth(&self, growth: i64) {
        let before = self.row_bytes.load(Ordering::Relaxed);
        self.row_bytes.store(before.saturating_add_signed(growth), Ordering::Relaxed);
    }

    /// Measures the file and its file system, and updates the decision whether new entries are accepted. If the
    /// measurement fails, nothing changes.
    pub(super) fn observe_space(&self) -> Option<DiskUsage> {
        let usage = self.file.usage().ok()?;
        let (rows, max_bytes) = (self.row_bytes.load(Ordering::Relaxed), self.space.status().limit);
        self.space.observe(Usage { used: used(usage.file, rows, max_bytes), medium: usage.file_system });
        Some(usage)
    }
}

impl Writer {
    /// Compacts the file if the schedule says so.
    pub(super) fn compact_if_due(&mut self, file: u64) {
        let shared = &self.shared;
        let situation = Situation {
            file,
            rows: shared.row_bytes.load(Ordering::Relaxed),
            connections: shared.connections.load(Ordering::Relaxed),
            is_full: shared.space.is_over_max_bytes(),
        };
        let began = Instant::now();
        // A compaction reads all pages, and would fail on damaged ones each time.
        if shared.damage.count() > 0 || !self.compaction.is_due(began, &situation) {
            return;
        }
        let generation = shared.file.generation();
        match shared.file.compact() {
            // A read is in progress. The next check tries again.
            Err(Fault::Busy) => return,
            Ok(_) => {
                shared.compactions.fetch_add(1, Ordering::Relaxed);
                let after = shared.observe_space().map_or(0, |usage| usage.file);
                tracing::info!(before = file, after, took = ?began.elapsed(), "the data file was compacted");
            }
            Err(fault) => {
                // Reopening the file discards the incomplete work of redb.
                shared.file.reopen(generation, Duration::ZERO);
                self.handle_failure(&fault, generation);
            }
        }
        self.compaction.record_attempt(Instant::now());
    }

    /// Stores the size of all rows for the next process.
    pub(super) fn store_row_bytes(&self) {
        let bytes = self.shared.row_bytes.load(Ordering::Relaxed);
        if self.retry_at.is_none()
            && self.shared.file.check_in_place()
            && let Err(error) = self.shared.file.write(|transaction| store_row_bytes(transaction, bytes))
        {
            tracing::warn!(%error, "the size of the data was not stored; the next start counts it");
        }
    }
}
