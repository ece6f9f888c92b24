//! Decides when the data file is compacted, which returns the space of removed data to the file system. The space in
//! use is estimated from the bytes of all rows, which `counted.rs` counts.
//!
//! A compaction by redb cannot be interrupted, and reads and writes wait meanwhile, about a second for each 20 MiB of
//! rows. A file is therefore compacted only if enough space is freed. A large file is compacted only while no client is
//! connected, and a very large one only by `gateway store compact` while the gateway is stopped.

use std::time::{Duration, Instant};

use redb::{ReadTransaction, WriteTransaction};

use super::{
    fault::{Fault, guard},
    file::{Change, DataFile},
    format::META,
    sealed::{Position, fields, row},
};

const MIB: u64 = 1024 * 1024;
/// A file counts as idle after this time without a write of a client.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// The minimum space that a compaction has to free, in addition to half of the file.
const MIN_FREED: u64 = 16 * MIB;
/// Free pages count as used once the file exceeds its limit by a quarter of the limit and this many bytes.
const SLACK: u64 = 16 * MIB;
/// The maximum bytes in use for a compaction while clients are connected. It takes about 2 s.
const MAX_ROWS_WITH_CLIENTS: u64 = 32 * MIB;
/// The maximum bytes in use for a compaction while no client is connected. It takes about 15 s.
const MAX_ROWS_WITHOUT_CLIENTS: u64 = 256 * MIB;
/// The shortest time between two attempts.
const MIN_INTERVAL: Duration = Duration::from_secs(600);

/// Estimates the bytes of pages for a number of bytes of rows. B-tree pages are between one third full and full; after
/// random insertions and removals they are about two thirds full.
pub(super) fn pages_of(rows: u64) -> u64 {
    rows.saturating_add(rows / 2)
}

/// Returns the bytes of the file that count as used: the pages that hold rows. Free pages do not count, because redb
/// reuses them before the file grows, unless the file has become much larger than its limit nevertheless.
pub(super) fn used(file: u64, rows: u64, max_bytes: Option<u64>) -> u64 {
    let is_beyond = max_bytes.is_some_and(|max| file > max.saturating_add(max / 4).saturating_add(SLACK));
    if is_beyond { file } else { pages_of(rows).min(file) }
}

/// The conditions on which compaction depends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// The disk space of the file, in bytes.
    pub(super) file: u64,
    /// The bytes of all keys and values in the file.
    pub(super) rows: u64,
    /// The number of connections of this node.
    pub(super) connections: u64,
    /// Whether new entries are refused because of `store.max_bytes`.
    pub(super) is_full: bool,
}

/// Decides when to compact the file.
#[derive(Debug)]
pub(super) struct Schedule {
    last_write: Instant,
    last_attempt: Option<Instant>,
}

impl Schedule {
    /// Creates the schedule for a file that was just opened.
    pub(super) fn new(now: Instant) -> Self {
        Self { last_write: now, last_attempt: None }
    }

    /// Records that a client or a backend service caused a write.
    pub(super) fn record_write(&mut self, now: Instant) {
        self.last_write = now;
    }

    /// Records an attempt to compact, successful or not.
    pub(super) fn record_attempt(&mut self, now: Instant) {
        self.last_attempt = Some(now);
    }

    /// Returns whether to compact now.
    pub(super) fn is_due(&self, now: Instant, situation: &Situation) -> bool {
        let Situation { file, rows, connections, is_full } = *situation;
        let in_use = pages_of(rows);
        let free = file.saturating_sub(in_use);
        // A file that has reached its limit is compacted even if less than half of it is free.
        let is_worthwhile = free >= MIN_FREED && (free >= file / 2 || is_full);
        let is_idle = now.saturating_duration_since(self.last_write) >= IDLE_TIME;
        let most = if connections > 0 && !is_full { MAX_ROWS_WITH_CLIENTS } else { MAX_ROWS_WITHOUT_CLIENTS };
        let is_rested = self.last_attempt.is_none_or(|last| now.saturating_duration_since(last) >= MIN_INTERVAL);
        is_worthwhile && (is_idle || is_full) && in_use <= most && is_rested
    }
}

/// The name of the row in `meta` with the size of all rows when the file was closed.
const ROWS: &str = "row_bytes";

/// Returns the size of all rows: the size that was stored when the file was closed, or, if the file was not closed
/// cleanly, by reading all pages.
pub(super) fn row_bytes(file: &DataFile) -> Result<u64, Fault> {
    if !file.was_repaired()
        && let Some(stored_size) = file.read(stored_size)?
    {
        return Ok(stored_size);
    }
    file.write(|transaction| {
        let stats = guard(|| Ok(transaction.stats()?));
        // A damaged file can still be opened. All of it counts as in use then.
        Ok((stats.map_or(u64::MAX, |stats| stats.stored_bytes()), Change::None))
    })
}

fn stored_size(transaction: &ReadTransaction) -> Result<Option<u64>, Fault> {
    let meta = transaction.open_table(META)?;
    let Some(row) = meta.get(ROWS)? else { return Ok(None) };
    let found = fields(Position::of::<&str>(&META, &ROWS), row.value());
    Ok(found.ok().map(|([bytes], _)| bytes))
}

/// Stores the size of all rows for the next process.
pub(super) fn store_row_bytes(transaction: &WriteTransaction, bytes: u64) -> Result<((), Change), Fault> {
    let row = row(Position::of::<&str>(&META, &ROWS), [bytes], &[]);
    transaction.open_table(META)?.insert(ROWS, row.as_slice())?;
    Ok(((), Change::Made))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Situation = Situation { file: 64 * MIB, rows: 10 * MIB, connections: 0, is_full: false };

    #[test]
    fn compacts_an_idle_file_that_is_half_free() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(begin);
        assert!(!schedule.is_due(begin + IDLE_TIME / 2, &SMALL));
        assert!(schedule.is_due(begin + IDLE_TIME, &SMALL));
        schedule.record_write(begin + IDLE_TIME);
        assert!(!schedule.is_due(begin + IDLE_TIME, &SMALL));
        assert!(schedule.is_due(begin + IDLE_TIME, &Situation { is_full: true, ..SMALL }), "a full file is not idle");
        let now = begin + 2 * IDLE_TIME;
        assert!(schedule.is_due(now, &SMALL));
        assert!(!schedule.is_due(now, &Situation { rows: 30 * MIB, ..SMALL }), "too little is free");
        assert!(
            !schedule.is_due(now, &Situation { file: 20 * MIB, rows: 4 * MIB, ..SMALL }),
            "too little space is freed"
        );
        schedule.record_attempt(now);
        assert!(!schedule.is_due(now + MIN_INTERVAL / 2, &SMALL));
        assert!(schedule.is_due(now + MIN_INTERVAL, &SMALL));
    }

    #[test]
    fn compacts_much_data_only_without_clients() {
        let now = Instant::now() + IDLE_TIME;
        let schedule = Schedule::new(now - IDLE_TIME);
        let large = Situation { file: 400 * MIB, rows: 100 * MIB, connections: 0, is_full: false };
        assert!(schedule.is_due(now, &large));
        assert!(!schedule.is_due(now, &Situation { connections: 1, ..large }));
        assert!(schedule.is_due(now, &Situation { connections: 1, ..SMALL }));
        assert!(schedule.is_due(now, &Situation { connections: 1, is_full: true, ..large }));
        let huge = Situation { file: 4_000 * MIB, rows: 1_000 * MIB, ..large };
        assert!(!schedule.is_due(now, &huge), "that is for an operator");
    }

    #[test]
    fn ignores_free_pages_below_size_limit() {
        let max = Some(100 * MIB);
        assert_eq!(used(100 * MIB, 20 * MIB, max), 30 * MIB);
        assert_eq!(used(100 * MIB, 90 * MIB, max), 100 * MIB, "the file takes no more than it takes");
        assert_eq!(used(141 * MIB, 20 * MIB, max), 30 * MIB);
        assert_eq!(used(142 * MIB, 20 * MIB, max), 142 * MIB);
        assert_eq!(used(1_000 * MIB, 20 * MIB, None), 30 * MIB);
    }
}
