//! The one thread that writes: takes what waits, commits it together, and answers.

mod space;

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
    store::{Epoch, StoreError, damage::Damage, outbox_bound::OutboxBound, shards::ShardCounts, space::SpaceGate},
    supervision::{Supervisor, panic_message},
    telemetry::log_limited,
};

/// After a failed commit the file is tried again after so long, and then ever more seldom.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// At least so often.
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// What the thread is called as a part of the gateway.
pub(super) const PART: &str = "store writer";
/// How often it is looked whether the file is where it was, when nothing is to be written.
const LOOK: Duration = Duration::from_secs(1);
/// So many operations of a batch may meet damage before the rest of it is refused with them.
const ATTEMPTS: usize = 64;
/// What a trial writes: as much as a batch of small entries needs, so that a success means something.
const TRIAL_BYTES: usize = 256 * 1024;

/// What callers, readers and the writer thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: DataFile,
    /// What of it is known to be damaged.
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
    /// Connections of this node, as its last pulse said.
    pub(super) connections: AtomicU64,
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
                self.note_growth(growth);
            }
            // Sessions whose end is not reported are no reason not to start.
            Err(fault) if fault.is_damage() => self.damage.note_fault("sessions of the last process", "", &fault),
            Err(fault) => return Err(fault),
        }
        self.observe_space();
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
    compaction: Schedule,
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
    let _ended = Ended(shared.clone());
    let mut writer = Writer {
        shared,
        broken: None,
        backoff: FIRST_BACKOFF,
        failed: false,
        compaction: Schedule::new(Instant::now()),
    };
    let mut batch = Vec::new();
    loop {
        let look = Instant::now() + LOOK;
        let deadline = writer.broken.map_or(look, |retry_at| retry_at.min(look));
        let taken = writer.shared.queue.take(&mut batch, Some(deadline));
        if taken == Taken::Closed {
            break;
        }
        let in_place = writer.shared.file.look();
        let usage = if in_place { writer.shared.observe_space() } else { None };
        if taken == Taken::Operations {
            if !in_place {
                writer.refuse(batch.drain(..), &StoreError::Unavailable(writer.shared.file.detached_reason()));
            } else if writer.broken.is_none() {
                writer.write(std::mem::take(&mut batch));
            } else {
                writer.refuse(batch.drain(..), &writer.error());
            }
        }
        if in_place && writer.broken.is_some_and(|retry_at| Instant::now() >= retry_at) {
            writer.try_again();
        }
        if let Some(usage) = usage.filter(|_| writer.broken.is_none()) {
            writer.compact_if_due(usage.file);
        }
    }
    writer.note_row_bytes();
    writer.shared.writable.send_replace(false);
    writer.shared.file.close();
}

/// Ends the waiting of every caller with the thread, also when redb panics in a commit.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.writable.send_replace(false);
    }
}

/// Why a batch was not committed.
enum Uncommitted {
    /// One operation met damage after it had changed something. The others can be committed without it.
    Operation(usize, Fault),
    /// The file takes nothing.
    Batch(Fault),
}

/// What holds after a commit.
struct Committed {
    pending: u64,
    keys: u64,
    /// By how many bytes the rows have grown.
    growth: i64,
    outbox_last: u64,
    change: Change,
}

impl Writer {
    /// Commits a batch and answers it. An operation that meets damage is refused alone.
    fn write(&mut self, mut batch: Vec<Box<dyn Operation>>) {
        let generation = self.shared.file.generation();
        // While new entries are refused, clients repeat them, and a compaction may be what helps.
        if !self.shared.space.is_refusing() && batch.iter().any(|operation| !operation.is_upkeep()) {
            self.compaction.note_write(Instant::now());
        }
        let mut attempts = ATTEMPTS;
        loop {
            match self.commit(&mut batch) {
                Ok(committed) => return self.confirm(batch, &committed),
                Err(Uncommitted::Operation(index, fault)) if attempts > 0 => {
                    attempts -= 1;
                    self.shared.damage.note_fault("page", &fault.to_string(), &fault);
                    let operation = batch.remove(index);
                    self.refuse([operation].into_iter(), &fault.into());
                }
                Err(Uncommitted::Operation(_, fault) | Uncommitted::Batch(fault)) => {
                    self.failed(&fault, generation);
                    // Only now: what was committed all the same can be read, so the raised counters lead there.
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
        shared.note_growth(committed.growth);
        if shared.outbox_last.swap(committed.outbox_last, Ordering::Relaxed) != committed.outbox_last {
            shared.reported.send_modify(|reported| *reported += 1);
        }
        if committed.change == Change::Made {
            shared.commits.fetch_add(1, Ordering::Relaxed);
            self.backoff = FIRST_BACKOFF;
        }
        if self.failed {
            self.failed = false;
            *shared.last_error.lock() = None;
        }
        shared.operations.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for operation in batch {
            operation.confirm(&shared.shards);
        }
    }

    /// Notes that nothing can be written, and opens the file again so that reads go on.
    fn failed(&mut self, fault: &Fault, generation: u64) {
        let reason: Arc<str> = fault.to_string().into();
        log_limited!(ERROR, { error = %reason, retry_in = ?self.backoff }, "the data file cannot be written");
        self.shared.damage.note_fault("page", &reason, fault);
        *self.shared.last_error.lock() = Some(reason);
        self.failed = true;
        if fault.needs_reopening() || fault.is_damage() {
            self.shared.writable.send_replace(false);
            if fault.needs_reopening() {
                self.shared.file.reopen(generation, Duration::ZERO);
            }
            self.broken = Some(Instant::now() + self.backoff);
            self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
        }
    }

    /// Why nothing can be written now.
    fn error(&self) -> StoreError {
        let reason = self.shared.last_error.lock().clone();
        StoreError::Unavailable(reason.unwrap_or_else(|| "the data file cannot be written".into()))
    }

    fn refuse(&self, batch: impl Iterator<Item = Box<dyn Operation>>, error: &StoreError) {
        batch.for_each(|operation| operation.refuse(error, &self.shared.shards));
    }

    /// Writes something and takes it back, so that a store that nobody asks recovers too.
    fn try_again(&mut self) {
        let generation = self.shared.file.generation();
        let trial = |transaction: &WriteTransaction| {
            // Whatever keeps batches from being written keeps this from it too.
            drop(Tables::open(transaction, &self.shared)?);
            trial(transaction)
        };
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
