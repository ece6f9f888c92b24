//! The writer thread: takes the waiting operations, commits them together, and answers them.

mod space;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gateway_runtime::{
    log_limited,
    supervision::{Supervisor, panic_message},
};
use parking_lot::{Mutex, RwLock};
use realtime_gateway_protocol::Timestamp;
use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};
use tokio::sync::watch;

use super::{
    compaction::Schedule,
    fault::{Fault, guard},
    file::{Change, DataFile},
    format::META,
    operation::Operation,
    queue::{Queue, Taken},
    sessions,
    tables::Tables,
};
use crate::{
    Epoch, StoreError, WebhookFilter, damage::Damage, outbox_bound::OutboxBound, shards::ShardCounts, space::SpaceGate,
};

/// The delay after the first failed commit before the file is written again. It doubles with each failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// The longest delay.
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// The name of the thread for the supervisor.
pub(super) const PART: &str = "store writer";
/// How often the writer checks that the file is still at its path, if nothing is written.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How many operations of a batch may find damaged data before the rest of the batch is refused.
const ATTEMPTS: usize = 64;
/// The size of a trial write. It is as large as a batch of small entries, so that its success is meaningful.
const TRIAL_BYTES: usize = 256 * 1024;

/// The state that callers, readers and the writer thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: DataFile,
    /// The known damage of the file.
    pub(super) damage: Damage,
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
    /// Decides whether there is space for new entries.
    pub(super) space: SpaceGate,
    /// Bytes of keys and values in the file.
    pub(super) row_bytes: AtomicU64,
    /// Idempotency keys and ids of notifications that are remembered.
    pub(super) keys: AtomicU64,
    pub(super) compactions: AtomicU64,
    /// Connections of this node, from its last reconciliation.
    pub(super) connections: AtomicU64,
    /// The node that writes events.
    pub(super) node: Arc<str>,
    /// The limit of the outbox, if there is a broker.
    pub(super) outbox: Option<OutboxBound>,
    /// The webhooks for which events are written.
    pub(super) webhook_filters: RwLock<Arc<[WebhookFilter]>>,
    /// The sequence of the last event in the outbox.
    pub(super) outbox_last: AtomicU64,
    /// Incremented after events were committed. Wakes the readers of the outbox and of webhooks.
    pub(super) reported: watch::Sender<u64>,
}

impl Shared {
    /// Returns whether events are written for any reader.
    pub(super) fn has_event_readers(&self) -> bool {
        self.outbox.is_some() || !self.webhook_filters.read().is_empty()
    }

    /// Reports the sessions that the previous process left open as closed, before anything else is written.
    pub(super) fn report_interrupted_sessions(&self, now: Timestamp) -> Result<(), Fault> {
        let reported = guard(|| {
            self.file.write(|transaction| {
                let mut tables = Tables::open(transaction, self)?;
                sessions::close_all(&mut tables, now)?;
                let change = if tables.changed { Change::Made } else { Change::None };
                let keys = tables.keys.len()? + tables.ids.len()?;
                Ok(((tables.outbox_last, tables.growth(), keys), change))
            })
        });
        match reported {
            Ok((last, growth, keys)) => {
                self.outbox_last.store(last, Ordering::Relaxed);
                self.keys.store(keys, Ordering::Relaxed);
                self.add_growth(growth);
            }
            // The store starts even if the end of these sessions cannot be reported.
            Err(fault) if fault.is_damage() => self.damage.record_fault("sessions of the last process", "", &fault),
            Err(fault) => return Err(fault),
        }
        self.observe_space();
        Ok(())
    }
}

/// The state of the writer thread.
struct Writer {
    shared: Arc<Shared>,
    /// When to write again after a failed commit. `None` while the file can be written.
    retry_at: Option<Instant>,
    backoff: Duration,
    /// Whether the last batch failed.
    last_batch_failed: bool,
    compaction: Schedule,
}

/// Writes until the queue is closed and empty, then closes the file. redb panics on some damaged files. After a panic
/// nothing is written any more, and the supervisor and every waiting caller get an error.
pub(super) fn run(shared: &Arc<Shared>, supervisor: &Supervisor) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| write_until_closed(shared.clone()))) {
        shared.writable.send_replace(false);
        *shared.last_error.lock() = Some("the thread that writes the data file has ended".into());
        shared.queue.abandon();
        supervisor.report(PART, &panic_message(&*panic));
    }
}

fn write_until_closed(shared: Arc<Shared>) {
    let _ended = Ended(shared.clone());
    let mut writer = Writer {
        shared,
        retry_at: None,
        backoff: FIRST_BACKOFF,
        last_batch_failed: false,
        compaction: Schedule::new(Instant::now()),
    };
    let mut batch = Vec::new();
    loop {
        let check = Instant::now() + FILE_CHECK_INTERVAL;
        let deadline = writer.retry_at.map_or(check, |retry_at| retry_at.min(check));
        let taken = writer.shared.queue.take(&mut batch, Some(deadline));
        if taken == Taken::Closed {
            break;
        }
        let in_place = writer.shared.file.check_in_place();
        let usage = if in_place { writer.shared.observe_space() } else { None };
        if taken == Taken::Operations {
            if !in_place {
                writer.refuse(batch.drain(..), &StoreError::Unavailable(writer.shared.file.detached_reason()));
            } else if writer.retry_at.is_none() {
                writer.write(std::mem::take(&mut batch));
            } else {
                writer.refuse(batch.drain(..), &writer.error());
            }
        }
        if in_place && writer.retry_at.is_some_and(|retry_at| Instant::now() >= retry_at) {
            writer.retry();
        }
        if let Some(usage) = usage.filter(|_| writer.retry_at.is_none()) {
            writer.compact_if_due(usage.file);
        }
    }
    writer.store_row_bytes();
    writer.shared.writable.send_replace(false);
    writer.shared.file.close();
}

/// Answers all waiting callers with an error when the thread ends, even if redb panics in a commit.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.writable.send_replace(false);
    }
}

/// Why a batch was not committed.
enum Uncommitted {
    /// One operation found damaged data after it had changed something. The others can be committed without it.
    Operation(usize, Fault),
    /// The file cannot be written.
    Batch(Fault),
}

/// The state after a commit.
struct Committed {
    pending: u64,
    keys: u64,
    /// The growth of all rows in bytes.
    growth: i64,
    outbox_last: u64,
    webhook_events_added: bool,
    change: Change,
}

impl Writer {
    /// Commits a batch and answers its operations. An operation that finds damaged data is refused without the others.
    fn write(&mut self, mut batch: Vec<Box<dyn Operation>>) {
        let generation = self.shared.file.generation();
        // Refused entries do not count as writes: clients repeat them, and a compaction may be required to make space.
        if !self.shared.space.is_refusing() && batch.iter().any(|operation| !operation.is_maintenance()) {
            self.compaction.record_write(Instant::now());
        }
        let mut attempts = ATTEMPTS;
        loop {
            match self.commit(&mut batch) {
                Ok(committed) => return self.confirm(batch, &committed),
                Err(Uncommitted::Operation(index, fault)) if attempts > 0 => {
                    attempts -= 1;
                    self.shared.damage.record_fault("page", &fault.to_string(), &fault);
                    let operation = batch.remove(index);
                    self.refuse([operation].into_iter(), &fault.into());
                }
                Err(Uncommitted::Operation(_, fault) | Uncommitted::Batch(fault)) => {
                    self.handle_failure(&fault, generation);
                    // Refuse only after the file was reopened: the batch may have been committed in spite of the error.
                    // Refusing increments the shard counters, so that readers find entries that were committed.
                    return self.refuse(batch.into_iter(), &self.error());
                }
            }
        }
    }

    fn commit(&self, batch: &mut [Box<dyn Operation>]) -> Result<Committed, Uncommitted> {
        let mut culprit = None;
        let written = self.shared.file.write(|transaction| {
            let mut tables = Tables::open(transaction, &self.shared)?;
            for (index, operation) in batch.iter_mut().enumerate() {
                let changed_before = std::mem::take(&mut tables.changed);
                match guard(|| operation.apply(&mut tables)) {
                    Ok(()) => {}
                    Err(fault) if fault.is_of_one_operation() && !tables.changed => operation.fail(fault.into()),
                    Err(fault) => {
                        culprit = fault.is_damage().then_some(index);
                        return Err(fault);
                    }
                }
                tables.changed |= changed_before;
            }
            let change = if tables.changed { Change::Made } else { Change::None };
            let committed = Committed {
                pending: tables.pending.len()?,
                keys: tables.keys.len()? + tables.ids.len()?,
                growth: tables.growth(),
                outbox_last: tables.outbox_last,
                webhook_events_added: tables.webhook_events_added,
                change,
            };
            Ok((committed, change))
        });
        written.map_err(|fault| match culprit {
            Some(index) => Uncommitted::Operation(index, fault),
            None => Uncommitted::Batch(fault),
        })
    }

    fn confirm(&mut self, batch: Vec<Box<dyn Operation>>, committed: &Committed) {
        let shared = &self.shared;
        shared.pending.store(committed.pending, Ordering::Relaxed);
        shared.keys.store(committed.keys, Ordering::Relaxed);
        shared.add_growth(committed.growth);
        let outbox_last = shared.outbox_last.swap(committed.outbox_last, Ordering::Relaxed);
        if committed.webhook_events_added || outbox_last != committed.outbox_last {
            shared.reported.send_modify(|reported| *reported += 1);
        }
        if committed.change == Change::Made {
            shared.commits.fetch_add(1, Ordering::Relaxed);
            self.backoff = FIRST_BACKOFF;
        }
        if self.last_batch_failed {
            self.last_batch_failed = false;
            *shared.last_error.lock() = None;
        }
        shared.operations.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for operation in batch {
            operation.confirm(&shared.shards);
        }
    }

    /// Handles a failed commit: marks the store as not writable, reopens the file so that reads continue, and schedules
    /// the next attempt.
    fn handle_failure(&mut self, fault: &Fault, generation: u64) {
        let reason: Arc<str> = fault.to_string().into();
        log_limited!(ERROR, { error = %reason, retry_in = ?self.backoff }, "the data file cannot be written");
        self.shared.damage.record_fault("page", &reason, fault);
        *self.shared.last_error.lock() = Some(reason);
        self.last_batch_failed = true;
        if fault.needs_reopening() || fault.is_damage() {
            self.shared.writable.send_replace(false);
            if fault.needs_reopening() {
                self.shared.file.reopen(generation, Duration::ZERO);
            }
            self.retry_at = Some(Instant::now() + self.backoff);
            self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
        }
    }

    /// Returns the error for operations while the file cannot be written.
    fn error(&self) -> StoreError {
        let reason = self.shared.last_error.lock().clone();
        StoreError::Unavailable(reason.unwrap_or_else(|| "the data file cannot be written".into()))
    }

    fn refuse(&self, batch: impl Iterator<Item = Box<dyn Operation>>, error: &StoreError) {
        batch.for_each(|operation| operation.refuse(error, &self.shared.shards));
    }

    /// Checks with a trial write whether the file can be written again. Without it, a store would recover only when the
    /// next request arrives.
    fn retry(&mut self) {
        let generation = self.shared.file.generation();
        let trial = |transaction: &WriteTransaction| {
            // Open all tables too, because batches do and may fail there.
            drop(Tables::open(transaction, &self.shared)?);
            trial(transaction)
        };
        match self.shared.file.write(trial).and_then(|()| self.shared.file.write(undo_trial)) {
            Ok(()) => {
                self.retry_at = None;
                self.shared.writable.send_replace(true);
                *self.shared.last_error.lock() = None;
                tracing::info!("the data file can be written again");
            }
            Err(fault) => {
                self.handle_failure(&fault, generation);
                // Retry after every kind of error.
                self.retry_at = Some(Instant::now() + self.backoff);
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
