//! What the writer does about space: it measures the file before it writes, and compacts it.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    super::{
        compaction::{Situation, note_row_bytes, used},
        disk::DiskUsage,
        fault::Fault,
    },
    Shared, Writer,
};
use crate::store::space::Usage;

impl Shared {
    /// Rows have grown, or shrunk, by as many bytes.
    pub(super) fn note_growth(&self, growth: i64) {
        let before = self.row_bytes.load(Ordering::Relaxed);
        self.row_bytes.store(before.saturating_add_signed(growth), Ordering::Relaxed);
    }

    /// Measures the file and its file system; what cannot be measured refuses nothing.
    pub(super) fn observe_space(&self) -> Option<DiskUsage> {
        let usage = self.file.usage().ok()?;
        let (rows, max_bytes) = (self.row_bytes.load(Ordering::Relaxed), self.space.status().limit);
        self.space.observe(Usage { used: used(usage.file, rows, max_bytes), medium: usage.file_system });
        Some(usage)
    }
}

impl Writer {
    /// Compacts the file when that is worthwhile and disturbs little.
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
            // A read had begun before; the next look tries again.
            Err(Fault::Busy) => return,
            Ok(_) => {
                shared.compactions.fetch_add(1, Ordering::Relaxed);
                let after = shared.observe_space().map_or(0, |usage| usage.file);
                tracing::info!(before = file, after, took = ?began.elapsed(), "the data file was compacted");
            }
            Err(fault) => {
                // What redb was doing when it failed, or panicked, ends with the opening of the file.
                shared.file.reopen(generation, Duration::ZERO);
                self.failed(&fault, generation);
            }
        }
        self.compaction.note_attempt(Instant::now());
    }

    /// Notes for the next process how many bytes of rows the file holds.
    pub(super) fn note_row_bytes(&self) {
        let bytes = self.shared.row_bytes.load(Ordering::Relaxed);
        if self.broken.is_none()
            && self.shared.file.look()
            && let Err(error) = self.shared.file.write(|transaction| note_row_bytes(transaction, bytes))
        {
            tracing::warn!(%error, "the size of the data was not noted; the next start counts it");
        }
    }
}
