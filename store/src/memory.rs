//! The store in memory (`store.url = memory`), for tests and for gateways that may lose their data: maps behind one
//! lock.

mod blocks;
mod escalations;
mod log;
mod nodes;
mod outbox;
mod pending;
mod server_subscriptions;
mod sessions;
mod sweep;
mod webhooks;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId, topic::Topic};
use tokio::sync::watch;

use self::{
    log::MemoryLog, outbox::MemoryOutbox, pending::UserPending, server_subscriptions::MemorySubscriptions,
    webhooks::MemoryWebhooks,
};
use super::{
    Append, Appended, Broadcast, EarlierAppend, Epoch, Event, EventDetail, Heads, Idempotency, IdempotencyKey, Log,
    LogBounds, Notified, Notify, Options, Page, PageLimit, Pending, RecentLogs, SpaceLimits, Store, StoreError,
    StoreStatus, Swept,
    clock::Clock,
    shards::ShardCounts,
    single_node::SingleNode,
    space::{SpaceGate, Usage},
};

/// The maximum number of users that one sweep removes because their blocks have ended.
const MAX_SWEPT_USERS: usize = 500;

/// A store that keeps its data in the memory of the process. Its calls do not block.
#[derive(Debug)]
pub struct MemoryStore {
    epoch: Epoch,
    clock: Clock,
    window: Duration,
    shards: ShardCounts,
    node: SingleNode,
    space: SpaceGate,
    /// Incremented when an event is written. Wakes the readers of the outbox and of webhooks.
    written: watch::Sender<u64>,
    state: Mutex<State>,
}

/// Everything that is stored.
#[derive(Debug)]
struct State {
    closed: bool,
    logs: HashMap<Topic, MemoryLog>,
    users: HashMap<UserId, UserPending>,
    /// The earliest time at which the oldest entry of each log may expire.
    ages: BTreeSet<(Timestamp, Topic)>,
    /// Idempotency keys in the order of arrival.
    keys: VecDeque<(Timestamp, Topic, IdempotencyKey)>,
    /// When each pending notification expires.
    expiries: BTreeSet<(Timestamp, UserId, u64)>,
    /// When each pending notification is escalated, if it is to be.
    escalations: BTreeSet<(Timestamp, UserId, u64)>,
    /// Ids of notifications in the order of arrival.
    ids: VecDeque<(Timestamp, UserId, NotificationId)>,
    subscriptions: MemorySubscriptions,
    /// The outbox, if there is a broker.
    outbox: Option<MemoryOutbox>,
    /// The events of webhooks.
    webhooks: MemoryWebhooks,
    /// The approximate memory of logs, notifications and server-side subscriptions, in bytes.
    bytes: u64,
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new(options: Options, clock: Clock) -> Self {
        let node = options.node.id.clone();
        let state = State {
            closed: false,
            logs: HashMap::new(),
            users: HashMap::new(),
            ages: BTreeSet::new(),
            keys: VecDeque::new(),
            expiries: BTreeSet::new(),
            escalations: BTreeSet::new(),
            ids: VecDeque::new(),
            subscriptions: MemorySubscriptions::default(),
            outbox: options.outbox.map(|limit| MemoryOutbox::new(limit, node.clone())),
            webhooks: MemoryWebhooks::new(node, options.webhooks),
            bytes: 0,
        };
        Self {
            epoch: uuid::Uuid::now_v7().to_string().into(),
            clock,
            window: options.window,
            shards: ShardCounts::default(),
            node: SingleNode::new(options.node),
            space: SpaceGate::new(options.space, "the memory"),
            written: watch::Sender::new(0),
            state: Mutex::new(state),
        }
    }

    /// Runs one atomic step on the state, unless the store is closed.
    fn step<T>(&self, step: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(StoreError::Unavailable("the store is closed".into()));
        }
        step(&mut state)
    }

    /// Writes events to the outbox and for webhooks, in the same step as the changes that they report.
    fn report(&self, state: &mut State, events: impl IntoIterator<Item = (Event, EventDetail)>) {
        for (event, detail) in events {
            state.webhooks.write(&event, &detail);
            if let Some(outbox) = &mut state.outbox {
                outbox.write(event, detail);
            }
        }
        self.written.send_modify(|written| *written += 1);
    }

    /// Stores a notification.
    fn keep(&self, state: &mut State, notify: Notify) -> Result<Notified, StoreError> {
        let shard = Topic::User(notify.user.clone()).shard();
        let notifications = state.users.get(&notify.user);
        if let Some(offset) =
            notifications.map_or(Ok(None), |notifications| notifications.offset_of_copy(&notify, self.window))?
        {
            let (shard_count, epoch) = (self.shards.get(shard), self.epoch.clone());
            return Ok(Notified { offset, duplicate: true, dropped: Vec::new(), shard_count, epoch });
        }
        self.reserve(state, notify.body.len())?;
        let notifications = state.users.entry(notify.user.clone()).or_default();
        let before = notifications.bytes();
        let (offset, removed) = notifications.store(&notify, self.window);
        state.bytes = (state.bytes + notifications.bytes()).saturating_sub(before);
        let mut dropped = Vec::new();
        for (offset, old) in removed {
            state.forget_times(&notify.user, offset, &old);
            if old.expires > notify.at {
                dropped.push(old.id);
            }
        }
        state.expiries.insert((notify.expires, notify.user.clone(), offset));
        if let Some(due) = notify.escalate_at {
            state.escalations.insert((due, notify.user.clone(), offset));
        }
        state.ids.push_back((notify.at, notify.user, notify.id));
        if let Some(event) = notify.dropped_event.filter(|_| !dropped.is_empty()) {
            self.report(state, [(event, EventDetail::Notifications(dropped.clone()))]);
        }
        let (shard_count, epoch) = (self.shards.raise(shard), self.epoch.clone());
        Ok(Notified { offset, duplicate: false, dropped, shard_count, epoch })
    }

    /// Reserves space for new entries with bodies of this many bytes.
    fn reserve(&self, state: &State, body_bytes: usize) -> Result<(), StoreError> {
        self.space.observe(Usage { used: state.bytes, medium: None });
        self.space.reserve(1_024 + body_bytes as u64).map_err(StoreError::Full)
    }

    /// Runs a step on the state of the node, unless the store is closed.
    fn while_open<T>(&self, step: impl FnOnce(&SingleNode) -> T) -> Result<T, StoreError> {
        self.step(|_| Ok(step(&self.node)))
    }

    fn page(
        &self,
        topic: &Topic,
        read: impl FnOnce(Source<'_>) -> (LogBounds, super::page::Read),
    ) -> Result<Page, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let source = match topic {
                Topic::User(user) => Source::Pending(state.users.get(user), now),
                topic => Source::Log(state.logs.get(topic), now),
            };
            let (bounds, read) = read(source);
            Ok(Page { epoch: self.epoch.clone(), bounds, entries: read.entries, next: read.next, lost: None })
        })
    }
}

/// The source of a page, and the current time.
enum Source<'a> {
    Log(Option<&'a MemoryLog>, Timestamp),
    Pending(Option<&'a UserPending>, Timestamp),
}

/// The bounds of a log that was never written.
const EMPTY: LogBounds = LogBounds { head: 0, floor: 1 };

#[async_trait]
impl Log for MemoryStore {
    fn epoch(&self) -> Epoch {
        self.epoch.clone()
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let shard = append.topic.shard();
        self.step(|state| {
            if matches!(append.topic, Topic::User(_)) {
                return Err(StoreError::Unavailable("a user's topic takes notifications only".into()));
            }
            let earlier = match (state.logs.get(&append.topic), &append.key) {
                (Some(log), Some(key)) => log.earlier(key, append.at, self.window)?,
                _ => None,
            };
            if let Some((offset, id)) = earlier {
                let (shard_count, epoch) = (self.shards.get(shard), self.epoch.clone());
                return Ok(Appended { offset, id, duplicate: true, shard_count, epoch });
            }
            // Deletions are accepted even without space, because they free space.
            if append.redaction.is_none() {
                self.reserve(state, append.body.len())?;
            }
            let log = match state.logs.get_mut(&append.topic) {
                Some(log) => log,
                None => state.logs.entry(append.topic.clone()).or_default(),
            };
            let before = log.bytes();
            let log::Stored { offset, ages } = log.append(&append);
            state.bytes = (state.bytes + log.bytes()).saturating_sub(before);
            if let Some((before, now)) = ages {
                if let Some(before) = before {
                    state.ages.remove(&(before, append.topic.clone()));
                }
                state.ages.insert((now, append.topic.clone()));
            }
            if let Some(idempotency) = append.key {
                state.keys.push_back((append.at, append.topic, idempotency.key));
            }
            if let Some(event) = append.event {
                self.report(state, [(event, EventDetail::Entry { offset, epoch: self.epoch.clone() })]);
            }
            let (shard_count, epoch) = (self.shards.raise(shard), self.epoch.clone());
            Ok(Appended { offset, id: append.id, duplicate: false, shard_count, epoch })
        })
    }

    async fn earlier_append(
        &self,
        topic: &Topic,
        key: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<EarlierAppend>, StoreError> {
        self.step(|state| {
            let earlier = state.logs.get(topic).map_or(Ok(None), |log| log.earlier(key, at, self.window))?;
            Ok(earlier.map(|(offset, id)| EarlierAppend { offset, id, epoch: self.epoch.clone() }))
        })
    }

    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError> {
        self.page(topic, |source| match source {
            Source::Log(log, now) => log.map_or((EMPTY, Default::default()), |log| log.read(after, limit, now)),
            Source::Pending(notifications, now) => {
                notifications.map_or((EMPTY, Default::default()), |notifications| notifications.read(after, limit, now))
            }
        })
    }

    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError> {
        self.page(topic, |source| match source {
            Source::Log(log, now) => log.map_or((EMPTY, Default::default()), |log| log.read_back(before, limit, now)),
            Source::Pending(notifications, now) => notifications
                .map_or((EMPTY, Default::default()), |notifications| notifications.read_back(before, limit, now)),
        })
    }

    async fn recent_logs(&self, since: Timestamp, _after: Option<Arc<str>>) -> Result<RecentLogs, StoreError> {
        self.step(|state| {
            let recent = state.logs.iter().filter(|(_, log)| log.newest().is_some_and(|at| at >= since));
            Ok(RecentLogs { topics: recent.map(|(topic, _)| topic.clone()).collect(), next: None })
        })
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Heads, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let head = |topic: &Topic| match topic {
                Topic::User(user) => state.users.get(user).map_or(EMPTY, UserPending::bounds),
                topic => state.logs.get(topic).map_or(EMPTY, |log| log.bounds(now)),
            };
            Ok(Heads { epoch: self.epoch.clone(), bounds: topics.iter().map(head).collect() })
        })
    }
}

#[async_trait]
impl Pending for MemoryStore {
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError> {
        self.step(|state| self.keep(state, notify))
    }

    async fn notify_all(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>> {
        let all = self.step(|state| {
            let stored = broadcast.recipients.iter().map(|recipient| self.keep(state, broadcast.to(recipient)));
            Ok(stored.collect())
        });
        all.unwrap_or_else(|error| vec![Err(error); broadcast.recipients.len()])
    }

    async fn acknowledge(
        &self,
        user: &UserId,
        ids: &[NotificationId],
        event: Option<Event>,
    ) -> Result<Vec<NotificationId>, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let Some(notifications) = state.users.get_mut(user) else { return Ok(Vec::new()) };
            let before = notifications.bytes();
            let mut removed = Vec::new();
            for id in ids {
                removed.extend(notifications.remove_by_id(id, now, self.window));
            }
            state.bytes = (state.bytes + notifications.bytes()).saturating_sub(before);
            let mut acknowledged = Vec::new();
            for (offset, pending) in removed {
                state.forget_times(user, offset, &pending);
                if pending.expires > now {
                    acknowledged.push(pending.id);
                }
            }
            if let Some(event) = event.filter(|_| !acknowledged.is_empty()) {
                self.report(state, [(event, EventDetail::Notifications(acknowledged.clone()))]);
            }
            Ok(acknowledged)
        })
    }

    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.step(|state| Ok(state.users.get(user).map_or(0, |notifications| notifications.count(now))))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        self.step(|state| {
            self.node.blocks.sweep(now, MAX_SWEPT_USERS);
            Ok(state.sweep(now, self.window))
        })
    }

    fn set_space_limits(&self, limits: SpaceLimits) {
        self.space.set_limits(limits);
    }

    fn status(&self) -> StoreStatus {
        let state = self.state.lock();
        self.space.observe(Usage { used: state.bytes, medium: None });
        StoreStatus {
            writable: !state.closed,
            pending_notifications: state.expiries.len() as u64,
            bytes: Some(state.bytes),
            space: self.space.status(),
            idempotency_keys: (state.keys.len() + state.ids.len()) as u64,
            ..StoreStatus::default()
        }
    }

    async fn close(&self) {
        self.state.lock().closed = true;
        self.written.send_modify(|written| *written += 1);
    }
}

#[cfg(test)]
mod tests;
