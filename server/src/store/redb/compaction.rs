//! When the data file is compacted, so that the disk gets back what was removed. How much of the file is in use is
//! estimated from the bytes of its rows; `counted.rs` counts them.
//!
//! redb compacts with the file to itself and cannot be interrupted: reads and writes wait for about a second for each
//! 20 MiB of rows. So it has to be worthwhile, and much data is compacted only while no client is connected, or never
//! (`gateway store compact` does it while the gateway is stopped).

use std::time::{Duration, Instant};

use redb::{ReadTransaction, WriteTransaction};

use super::{
    fault::{Fault, guard},
    file::{Change, DataFile},
    format::META,
    sealed::{Position, fields, row},
};

const MIB: u64 = 1024 * 1024;
/// After this time without a write of a client the file counts as idle.
const IDLE: Duration = Duration::from_secs(30);
/// At least this much must come free, and half of the file.
const WORTHWHILE: u64 = 16 * MIB;
/// A file may be larger than its limit by this and a quarter of the limit, as long as that much of it is free.
const SLACK: u64 = 16 * MIB;
/// Up to this many bytes in use a file is compacted while clients are connected: it takes about 2 s.
const WITH_CLIENTS: u64 = 32 * MIB;
/// Up to this many bytes in use a file is compacted while no client is connected: it takes about 15 s.
const WITHOUT_CLIENTS: u64 = 256 * MIB;
/// An attempt that changed little is not repeated before this time.
const AGAIN: Duration = Duration::from_secs(600);

/// How many bytes of pages hold a number of bytes of rows: B-tree pages are between a third and entirely full, and
/// after random insertions and removals two thirds full.
pub(super) fn pages_of(rows: u64) -> u64 {
    rows.saturating_add(rows / 2)
}

/// How many bytes of the file count as used: the pages that hold rows. Free pages are written again before the file
/// grows, so they do not count, unless the file has become much larger than its limit all the same.
pub(super) fn used(file: u64, rows: u64, max_bytes: Option<u64>) -> u64 {
    let is_beyond = max_bytes.is_some_and(|max| file > max.saturating_add(max / 4).saturating_add(SLACK));
    if is_beyond { file } else { pages_of(rows).min(file) }
}

/// What it depends on whether the file is compacted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Bytes of the disk that the file takes.
    pub(super) file: u64,
    /// Bytes of keys and values in it.
    pub(super) rows: u64,
    /// Connections of this node.
    pub(super) connections: u64,
    /// Whether new entries are refused because of `store.max_bytes`.
    pub(super) is_full: bool,
}

/// Decides when to compact.
#[derive(Debug)]
pub(super) struct Schedule {
    last_write: Instant,
    last_attempt: Option<Instant>,
}

impl Schedule {
    /// The file was opened.
    pub(super) fn new(now: Instant) -> Self {
        Self { last_write: now, last_attempt: None }
    }

    /// A client, or a backend service, has had something written.
    pub(super) fn note_write(&mut self, now: Instant) {
        self.last_write = now;
    }

    /// The file was compacted, or it could not be.
    pub(super) fn note_attempt(&mut self, now: Instant) {
        self.last_attempt = Some(now);
    }

    /// Whether to compact now.
    pub(super) fn is_due(&self, now: Instant, situation: &Situation) -> bool {
        let Situation { file, rows, connections, is_full } = *situation;
        let in_use = pages_of(rows);
        let free = file.saturating_sub(in_use);
        // A full file that is larger than its limit is cut to what it needs.
        let is_worthwhile = free >= WORTHWHILE && (free >= file / 2 || is_full);
        let is_idle = now.saturating_duration_since(self.last_write) >= IDLE;
        let most = if connections > 0 && !is_full { WITH_CLIENTS } else { WITHOUT_CLIENTS };
        let is_rested = self.last_attempt.is_none_or(|last| now.saturating_duration_since(last) >= AGAIN);
        is_worthwhile && (is_idle || is_full) && in_use <= most && is_rested
    }
}

/// The name in `meta` of the row that says how many bytes of rows the file held when it was closed.
const ROWS: &str = "row_bytes";

/// Counts the bytes of all rows: those that were noted when the file was closed, or by reading all pages when it was not
/// closed cleanly, which redb has just done too.
pub(super) fn row_bytes(file: &DataFile) -> Result<u64, Fault> {
    if !file.was_repaired()
        && let Some(noted) = file.read(noted)?
    {
        return Ok(noted);
    }
    file.write(|transaction| {
        let stats = guard(|| Ok(transaction.stats()?));
        // A damaged file is opened all the same, so this is no reason to refuse it: then all of it is in use.
        Ok((stats.map_or(u64::MAX, |stats| stats.stored_bytes()), Change::None))
    })
}

fn noted(transaction: &ReadTransaction) -> Result<Option<u64>, Fault> {
    let meta = transaction.open_table(META)?;
    let Some(row) = meta.get(ROWS)? else { return Ok(None) };
    let found = fields(Position::of::<&str>(&META, &ROWS), row.value());
    Ok(found.ok().map(|([bytes], _)| bytes))
}

/// Notes how many bytes of rows the file holds, for the next process.
pub(super) fn note_row_bytes(transaction: &WriteTransaction, bytes: u64) -> Result<((), Change), Fault> {
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
        assert!(!schedule.is_due(begin + IDLE / 2, &SMALL));
        assert!(schedule.is_due(begin + IDLE, &SMALL));
        schedule.note_write(begin + IDLE);
        assert!(!schedule.is_due(begin + IDLE, &SMALL));
        assert!(schedule.is_due(begin + IDLE, &Situation { is_full: true, ..SMALL }), "a full file is not idle");
        let now = begin + 2 * IDLE;
        assert!(schedule.is_due(now, &SMALL));
        assert!(!schedule.is_due(now, &Situation { rows: 30 * MIB, ..SMALL }), "too little is free");
        assert!(!schedule.is_due(now, &Situation { file: 20 * MIB, rows: 4 * MIB, ..SMALL }), "too little comes free");
        schedule.note_attempt(now);
        assert!(!schedule.is_due(now + AGAIN / 2, &SMALL));
        assert!(schedule.is_due(now + AGAIN, &SMALL));
    }

    #[test]
    fn compacts_much_data_only_without_clients() {
        let now = Instant::now() + IDLE;
        let schedule = Schedule::new(now - IDLE);
        let large = Situation { file: 400 * MIB, rows: 100 * MIB, connections: 0, is_full: false };
        assert!(schedule.is_due(now, &large));
        assert!(!schedule.is_due(now, &Situation { connections: 1, ..large }));
        assert!(schedule.is_due(now, &Situation { connections: 1, ..SMALL }));
        assert!(schedule.is_due(now, &Situation { connections: 1, is_full: true, ..large }));
        let huge = Situation { file: 4_000 * MIB, rows: 1_000 * MIB, ..large };
        assert!(!schedule.is_due(now, &huge), "that is for an operator");
    }

    #[test]
    fn free_pages_do_not_count_unless_the_file_outgrows_its_limit() {
        let max = Some(100 * MIB);
        assert_eq!(used(100 * MIB, 20 * MIB, max), 30 * MIB);
        assert_eq!(used(100 * MIB, 90 * MIB, max), 100 * MIB, "the file takes no more than it takes");
        assert_eq!(used(141 * MIB, 20 * MIB, max), 30 * MIB);
        assert_eq!(used(142 * MIB, 20 * MIB, max), 142 * MIB);
        assert_eq!(used(1_000 * MIB, 20 * MIB, None), 30 * MIB);
    }
}
