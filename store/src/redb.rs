//! The store of a single gateway (`store.url = redb:PATH`): one data file, one writer thread, group commit.
//!
//! A confirmed entry is in the file and, with `store.durability = "fsync"`, on the disk. Operations that arrive during a
//! commit share the next one. Reads see the last commit and never wait for a writer.

mod backend;
mod blocks;
mod bodies;
mod broadcast;
pub mod compact;
mod compaction;
mod copy;
mod counted;
mod disk;
mod escalations;
mod fault;
mod file;
mod format;
mod identity;
mod log;
mod log_page;
mod migrations;
mod operation;
mod outbox;
mod overlay;
mod pending;
mod pending_page;
mod probe;
mod queue;
mod reader;
mod recent_logs;
pub mod repair;
mod sealed;
mod series;
mod server_subscriptions;
mod sessions;
pub mod survey;
mod sweep;
mod tables;
#[cfg(test)]
pub(super) mod tests;
mod webhooks;
mod writer;

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId, topic::Topic};
use redb::{ReadTransaction, ReadableTableMetadata};
use tokio::sync::watch;

pub use self::identity::exposure;
use self::{
    compaction::row_bytes,
    fault::Fault,
    file::DataFile,
    format::{OUTBOX, PENDING},
    log::FindAppend,
    operation::{Answer, Request},
    pending::Acknowledge,
    probe::{KeepClockMark, Probe, clock_mark},
    queue::Refused,
    reader::{PageStart, Reader},
    sweep::Sweep,
    writer::Shared,
};
use super::{
    Append, Appended, Broadcast, ControlMessage, EarlierAppend, Epoch, Event, Heads, Idempotency, Log, NodeRecord,
    Nodes, Notified, Notify, Options, Page, PageLimit, Pending, Presence, PresenceChange, Present, Reaped, RecentLogs,
    ReconcileRequest, Reconciled, SpaceLimits, Store, StoreError, StoreStatus, Swept, UserPresence, clock::Clock,
    damage::Damage, open::OpenError, outbox_bound::OutboxBound, shards::ShardCounts, single_node::SingleNode,
    space::SpaceGate,
};
use crate::{ClockMark, Durability};

/// A store in one data file.
#[derive(Debug)]
pub struct RedbStore {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    node: SingleNode,
    /// Held while a decision about sessions or blocks is made in memory and queued for the file, so that both have the
    /// same order.
    session_order: Mutex<()>,
    clock: Clock,
    epoch: Epoch,
}

impl RedbStore {
    /// Opens the file, and creates it and its directory if they do not exist. After a crash this blocks until the file is
    /// repaired, which takes long for a large file.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be used.
    pub fn open(path: &Path, durability: Durability, options: Options, clock: Clock) -> Result<Self, OpenError> {
        let file = DataFile::open(path, durability)?;
        let read = |transaction: &ReadTransaction| {
            let outbox = outbox::last(&transaction.open_table(OUTBOX)?)?;
            let blocked = blocks::read_all(transaction)?;
            Ok((migrations::epoch(transaction)?, transaction.open_table(PENDING)?.len()?, outbox, blocked))
        };
        let damaged = |fault: Fault| OpenError::Damaged { path: path.into(), reason: fault.to_string() };
        let (epoch, pending, outbox_last, blocked) = file.read(read).map_err(damaged)?;
        let row_bytes = row_bytes(&file).map_err(damaged)?;
        let damage = Damage::default();
        let shared = Arc::new(Shared {
            file,
            damage,
            queue: queue::Queue::default(),
            shards: ShardCounts::default(),
            epoch: epoch.clone(),
            window: options.window,
            writable: watch::Sender::new(true),
            last_error: Mutex::default(),
            pending: pending.into(),
            commits: 0.into(),
            operations: 0.into(),
            space: SpaceGate::new(options.space, "the file system of the data file"),
            row_bytes: row_bytes.into(),
            keys: 0.into(),
            compactions: 0.into(),
            connections: 0.into(),
            node: options.node.id.clone(),
            outbox: options.outbox.map(OutboxBound::new),
            webhook_filters: RwLock::new(options.webhooks.clone()),
            outbox_last: outbox_last.into(),
            reported: watch::Sender::new(0),
        });
        shared.report_interrupted_sessions(clock.now()).map_err(damaged)?;
        let (writing, supervisor) = (shared.clone(), options.supervisor.clone());
        supervisor.record(writer::PART);
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer::run(&writing, &supervisor))
            .map_err(|source| OpenError::Unwritable { path: path.into(), source })?;
        let writer = Mutex::new(Some(writer));
        let (node, session_order) = (SingleNode::new(options.node), Mutex::new(()));
        let now = clock.now();
        blocked.into_iter().for_each(|(user, blocks)| node.blocks.load(user, blocks, now));
        Ok(Self { shared, writer, node, session_order, clock, epoch })
    }

    /// Returns a channel with whether the store can be written.
    pub fn writable(&self) -> watch::Receiver<bool> {
        self.shared.writable.subscribe()
    }

    /// Sends a request to the writer thread and waits for its commit.
    async fn submit<R: Request>(&self, request: R) -> Result<R::Answer, StoreError> {
        let answer = self.queue(request)?;
        self.committed(answer).await
    }

    /// Waits for the answer, which arrives after the commit.
    async fn committed<T>(&self, answer: Answer<T>) -> Result<T, StoreError> {
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer has stopped".into())))
    }

    /// Queues a request for the writer thread. Returns the receiver of its answer.
    fn queue<R: Request>(&self, request: R) -> Result<Answer<R::Answer>, StoreError> {
        let (operation, answer) = operation::operation(request);
        self.shared.queue.push(operation).map_err(|refused| match refused {
            Refused::Full => StoreError::Unavailable("too many operations wait for the data file".into()),
            Refused::Closed => closed(),
        })?;
        Ok(answer)
    }

    /// Reads the file on a thread that may block.
    async fn read_file<T: Send + 'static>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        match tokio::task::spawn_blocking(move || shared.file.read(read)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(StoreError::Unavailable("the read was abandoned".into())),
        }
    }

    /// Reads logs and pending notifications at the current time.
    async fn read_with<T: Send + 'static>(
        &self,
        read: impl Fn(&Reader<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (shared, now) = (self.shared.clone(), self.clock.now().millis());
        self.read_file(move |transaction| read(&Reader { transaction, damage: &shared.damage, now })).await
    }

    async fn page(&self, topic: &Topic, start: PageStart, limit: PageLimit) -> Result<Page, StoreError> {
        let topic = topic.clone();
        let (bounds, read) = self.read_with(move |reader| reader.page(&topic, start, limit)).await?;
        Ok(Page { epoch: self.epoch.clone(), bounds, entries: read.entries, next: read.next, lost: read.lost })
    }

    /// Runs a step on the state in memory, unless the store is closed.
    fn while_open<T>(&self, step: impl FnOnce(&SingleNode) -> T) -> Result<T, StoreError> {
        if self.shared.queue.is_closed() { Err(closed()) } else { Ok(step(&self.node)) }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

/// Stops the writer thread and waits for its end, so that the file can be opened again after the drop.
fn stop(shared: &Shared, writer: Option<JoinHandle<()>>) {
    shared.queue.close();
    if writer.is_some_and(|writer| writer.join().is_err()) {
        tracing::error!("the thread that writes the data file had panicked");
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        stop(&self.shared, self.writer.lock().take());
    }
}

#[async_trait]
impl Log for RedbStore {
    fn epoch(&self) -> Epoch {
        self.epoch.clone()
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        if matches!(append.topic, Topic::User(_)) {
            return Err(StoreError::Unavailable("a user's topic takes notifications only".into()));
        }
        self.submit(append).await
    }

    async fn earlier_append(
        &self,
        topic: &Topic,
        key: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<EarlierAppend>, StoreError> {
        self.submit(FindAppend { topic: topic.clone(), key: key.clone(), at }).await
    }

    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError> {
        self.page(topic, PageStart::After(after), limit).await
    }

    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError> {
        self.page(topic, PageStart::Before(before), limit).await
    }

    async fn recent_logs(&self, since: Timestamp, after: Option<Arc<str>>) -> Result<RecentLogs, StoreError> {
        self.read_file(move |transaction| recent_logs::read(transaction, since, after.as_deref())).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Heads, StoreError> {
        let topics = topics.to_vec();
        let bounds = self.read_with(move |reader| reader.heads(&topics)).await?;
        Ok(Heads { epoch: self.epoch.clone(), bounds })
    }
}

#[async_trait]
impl Pending for RedbStore {
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError> {
        self.submit(notify).await
    }

    async fn notify_all(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>> {
        self.broadcast(broadcast).await
    }

    async fn acknowledge(
        &self,
        user: &UserId,
        ids: &[NotificationId],
        event: Option<Event>,
    ) -> Result<Vec<NotificationId>, StoreError> {
        self.submit(Acknowledge { user: user.clone(), ids: ids.to_vec(), now: self.clock.now(), event }).await
    }

    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError> {
        let user = user.clone();
        self.read_with(move |reader| reader.pending_count(&user)).await
    }
}

#[async_trait]
impl Presence for RedbStore {
    async fn set_present(
        &self,
        topic: &Topic,
        user: &UserId,
        presence: UserPresence,
    ) -> Result<PresenceChange, StoreError> {
        self.while_open(|node| node.set_present(topic, user, presence))
    }

    async fn present(&self, topic: &Topic, at_most: usize) -> Result<Present, StoreError> {
        self.while_open(|node| node.present(topic, at_most))
    }
}

#[async_trait]
impl Nodes for RedbStore {
    async fn reconcile(&self, request: ReconcileRequest) -> Result<Reconciled, StoreError> {
        self.shared.connections.store(request.node.connections, Ordering::Relaxed);
        self.while_open(|node| node.reconcile(request, &self.shared.shards))
    }

    async fn post(&self, _node: &str, _message: &ControlMessage) -> Result<(), StoreError> {
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        self.while_open(SingleNode::nodes)
    }

    async fn reap(&self) -> Result<Reaped, StoreError> {
        Ok(Reaped::default())
    }

    async fn resign(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        self.sweep_blocks(now).await?;
        let mut swept = Swept::default();
        let mut failed = None;
        for kind in sweep::Kind::ALL {
            match self.submit(Sweep { kind, now }).await {
                Ok(some) => {
                    swept.entries += some.entries;
                    swept.expired += some.expired;
                    swept.more |= some.more;
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(swept), Err)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.submit(Probe).await
    }

    async fn clock_mark(&self) -> Result<Option<ClockMark>, StoreError> {
        self.read_file(clock_mark).await
    }

    async fn keep_clock_mark(&self, mark: ClockMark) -> Result<(), StoreError> {
        self.submit(KeepClockMark::Keep(mark)).await
    }

    async fn accept_clock(&self) -> Result<(), StoreError> {
        self.submit(KeepClockMark::Remove).await
    }

    fn set_space_limits(&self, limits: SpaceLimits) {
        self.shared.space.set_limits(limits);
    }

    fn status(&self) -> StoreStatus {
        let shared = &self.shared;
        let detached = shared.file.is_detached();
        StoreStatus {
            writable: *shared.writable.borrow() && !shared.queue.is_closed() && !detached,
            last_error: if detached { Some(shared.file.detached_reason()) } else { shared.last_error.lock().clone() },
            bytes: shared.file.usage().ok().map(|usage| usage.file),
            pending_notifications: shared.pending.load(Ordering::Relaxed),
            commits: shared.commits.load(Ordering::Relaxed),
            committed_operations: shared.operations.load(Ordering::Relaxed),
            warnings: shared.file.warnings(),
            damaged: shared.damage.count(),
            detached,
            space: shared.space.status(),
            idempotency_keys: shared.keys.load(Ordering::Relaxed),
            compactions: shared.compactions.load(Ordering::Relaxed),
        }
    }

    async fn close(&self) {
        let (shared, writer) = (self.shared.clone(), self.writer.lock().take());
        // An error means that the runtime is shutting down. Dropping the store closes the file then.
        let _ = tokio::task::spawn_blocking(move || stop(&shared, writer)).await;
    }
}
