//! The one thread that writes: takes what waits, commits it together, and answers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use realtime_gateway_protocol::Timestamp;
use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};
use tokio::sync::watch;

use super::{
    fault::Fault,
    file::{Change, DataFile},
    format::META,
    operation::Operation,
    queue::{Queue, Taken},
    sessions,
    tables::Tables,
};
use crate::{
    store::{Epoch, StoreError, outbox_bound::OutboxBound, shards::ShardCounts},
    supervision::{Supervisor, panic_message},
};

/// After a failed commit the file is tried again after so long, and then ever more seldom.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// At least so often.
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// What the thread is called as a part of the gateway.
pub(super) const PART: &str = "store writer";
/// What a trial writes: as much as a batch of small entries needs, so that a success means something.
const TRIAL_BYTES: usize = 256 * 1024;

/// What callers, readers and the writer thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: DataFile,
    pub(super) queue: Queue,
    pub(super) shards: ShardCounts,
    pub(super) epoch: Epoch,
    pub(super) window: Duration,
    /// Whether the last commit succeeded.
    pub(super) writable: watch::Sender<bool>,
    pub(super) last_error: Mutex<Option<Arc<str>>>,
    pub(super) pending: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) operations: AtomicU64,
    /// Where events for the broker go, when there is one.
    pub(super) outbox: Option<OutboxOptions>,
    /// The last event's sequence.
    pub(super) outbox_last: AtomicU64,
    /// Rises when events were committed, for whoever waits for one.
    pub(super) reported: watch::Sender<u64>,
}

/// Whose events the outbox takes, and how many.
#[derive(Debug)]
pub(super) struct OutboxOptions {
    pub(super) node: Arc<str>,
    pub(super) bound: OutboxBound,
}

impl Shared {
    /// Reports what the last process could not, before anything else is written.
    pub(super) fn begin(&self, now: Timestamp) -> Result<(), Fault> {
        let last = self.file.write(|transaction| {
            let mut tables = Tables::open(transaction, self)?;
            sessions::close_all(&mut tables, now)?;
            let change = if tables.changed { Change::Made } else { Change::None };
            Ok((tables.outbox_last, change))
        })?;
        self.outbox_last.store(last, Ordering::Relaxed);
        Ok(())
    }
}

/// The thread's own state.
struct Writer {
    shared: Arc<Shared>,
    /// Since a commit failed: when to try again.
    broken: Option<Instant>,
    backoff: Duration,
    /// Whether the last batch was refused.
    failed: bool,
}

/// Writes until the queue is closed and empty, then closes the file. redb panics on some damaged files: then nothing is
/// written any more, which the supervisor is told, and so is everyone who waits for a write.
pub(super) fn run(shared: &Arc<Shared>, supervisor: &Supervisor) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| write_until_closed(shared.clone()))) {
        shared.writable.send_replace(false);
        *shared.last_error.lock() = Some("the thread that writes the data file has died".into());
        shared.queue.abandon();
        supervisor.report(PART, &panic_message(&*panic));
    }
}

fn write_until_closed(shared: Arc<Shared>) {
    let mut writer = Writer { shared, broken: None, backoff: FIRST_BACKOFF, failed: false };
    let mut batch = Vec::new();
    loop {
        match writer.shared.queue.take(&mut batch, writer.broken) {
            Taken::Closed => break,
            Taken::Nothing => {}
            Taken::Operations if writer.broken.is_none() => writer.write(std::mem::take(&mut batch)),
            Taken::Operations => writer.refuse(batch.drain(..)),
        }
        if writer.broken.is_some_and(|retry_at| Instant::now() >= retry_at) {
            writer.try_again();
        }
    }
    writer.shared.writable.send_replace(false);
    writer.shared.file.close();
}

impl Writer {
    /// Commits a batch and answers it.
    fn write(&mut self, mut batch: Vec<Box<dyn Operation>>) {
        let generation = self.shared.file.generation();
        let committed = self.shared.file.write(|transaction| {
            let mut tables = Tables::open(transaction, &self.shared)?;
            for operation in &mut batch {
                operation.apply(&mut tables)?;
            }
            let change = if tables.changed { Change::Made } else { Change::None };
            Ok(((tables.pending.len()?, tables.outbox_last, change), change))
        });
        match committed {
            Ok((pending, outbox_last, change)) => {
                self.shared.pending.store(pending, Ordering::Relaxed);
                if self.shared.outbox_last.swap(outbox_last, Ordering::Relaxed) != outbox_last {
                    self.shared.reported.send_modify(|reported| *reported += 1);
                }
                if change == Change::Made {
                    self.shared.commits.fetch_add(1, Ordering::Relaxed);
                    self.backoff = FIRST_BACKOFF;
                }
                if self.failed {
                    self.failed = false;
                    *self.shared.last_error.lock() = None;
                }
                self.shared.operations.fetch_add(batch.len() as u64, Ordering::Relaxed);
                for operation in batch {
                    operation.confirm(&self.shared.shards);
                }
            }
            Err(fault) => {
                self.failed(&fault, generation);
                // Only now: what was committed all the same can be read, so the raised counters lead there.
                self.refuse(batch.into_iter());
            }
        }
    }

    /// Notes that nothing can be written, and opens the file again so that reads go on.
    fn failed(&mut self, fault: &Fault, generation: u64) {
        let reason: Arc<str> = fault.to_string().into();
        tracing::error!(error = %reason, retry_in = ?self.backoff, "the data file cannot be written");
        *self.shared.last_error.lock() = Some(reason);
        self.failed = true;
        if fault.needs_reopening() {
            self.shared.writable.send_replace(false);
            self.shared.file.reopen(generation, Duration::ZERO);
            self.broken = Some(Instant::now() + self.backoff);
            self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
        }
    }

    fn refuse(&self, batch: impl Iterator<Item = Box<dyn Operation>>) {
        let reason = self.shared.last_error.lock().clone().unwrap_or_else(|| "the data file cannot be written".into());
        let error = StoreError::Unavailable(reason);
        batch.for_each(|operation| operation.refuse(&error, &self.shared.shards));
    }

    /// Writes something and takes it back, so that a store that nobody asks recovers too.
    fn try_again(&mut self) {
        let generation = self.shared.file.generation();
        match self.shared.file.write(trial).and_then(|()| self.shared.file.write(undo_trial)) {
            Ok(()) => {
                self.broken = None;
                self.shared.writable.send_replace(true);
                *self.shared.last_error.lock() = None;
                tracing::info!("the data file can be written again");
            }
            Err(fault) => {
                self.failed(&fault, generation);
                // Whatever the reason is, it is no reason to stop trying.
                self.broken = Some(Instant::now() + self.backoff);
            }
        }
    }
}

fn trial(transaction: &WriteTransaction) -> Result<((), Change), Fault> {
    transaction.open_table(META)?.insert("trial", vec![0; TRIAL_BYTES].as_slice())?;
    Ok(((), Change::Made))
}

fn undo_trial(transaction: &WriteTransaction) -> Result<((), Change), Fault> {
    let mut meta = transaction.open_table(META)?;
    let change = if meta.get("trial")?.is_some() { Change::Made } else { Change::None };
    meta.remove("trial")?;
    Ok(((), change))
}
