//! Follows what goes through all nodes for operators: opens tails, and reads what came before from the log.

mod past;

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use realtime_gateway_protocol::Timestamp;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::past::Past;
use self::past::{Newest, Reading};
use crate::{
    command_error::CommandError,
    confirmation::in_time,
    delivery::{
        hub::{Hub, ShardInterest},
        tail::{Tail, TailFilter, Tailed},
    },
    node::Node,
    runtime::{clock::NodeClock, tasks::Tasks},
    store::{ControlMessage, Entry, PageLimit, Store},
    topic::{Shard, Topic},
};

/// The error code when the node has the maximum number of tails.
pub(crate) const TAIL_LIMIT: &str = "tail_limit";
/// The pages in which entries of the log are read.
const PAGE: PageLimit = PageLimit { entries: 500, bytes: 1024 * 1024 };
/// The maximum number of logs that are read.
const MAX_LOGS: usize = 1_000;
/// The maximum number of steps in which logs are looked for. Each looks at some hundred logs.
const MAX_STEPS: usize = 200;
/// For how long other nodes send what their sessions do after they were asked.
const WANTED_FOR: Duration = Duration::from_secs(30);
/// How often they are asked while a tail is open. New nodes begin with the next time.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Follows what goes through.
pub(crate) struct Follower {
    pub(crate) hub: Arc<Hub>,
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: NodeClock,
    pub(crate) tasks: Tasks,
}

/// A tail that also receives what goes through other nodes, until it is dropped.
pub(crate) struct ClusterTail {
    tail: Tail,
    _shards: Vec<ShardInterest>,
    /// Ends the task that asks other nodes for the activities of their sessions.
    _asking: DropGuard,
}

impl ClusterTail {
    /// Returns what comes next. It can be cancelled without losing an item.
    pub(crate) async fn next(&self) -> Tailed {
        self.tail.next().await
    }
}

/// Which entries of the log a tail begins with.
pub(crate) struct PastSelection<'a> {
    /// The topics and services.
    pub(crate) filter: &'a TailFilter,
    /// A topic that is read in addition to those with recent entries.
    pub(crate) also: Option<Topic>,
    /// The time of the first entry.
    pub(crate) since: Timestamp,
}

impl Follower {
    /// Returns the current time of the node.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Spawns the task that writes a tail to its reader. It ends with the node.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_until_stopped(task);
    }

    /// Opens a tail. Other nodes send this node what goes through the selected shards, and what their sessions do, from
    /// then on.
    ///
    /// # Errors
    /// [`TAIL_LIMIT`] when this node has too many tails.
    pub(crate) async fn open(&self, filter: TailFilter) -> Result<ClusterTail, CommandError> {
        let shards: Vec<Shard> = match &filter.topic {
            Some(topic) => vec![topic.shard()],
            None => (0..=u8::MAX).map(Shard).collect(),
        };
        let has_activities = filter.selects_activities();
        let Some(tail) = self.hub.tails().open(filter) else {
            return Err(CommandError::new(TAIL_LIMIT.into(), "this node has too many tails; end one first"));
        };
        let shards = join_all(shards.into_iter().map(|shard| self.hub.bind_shard(shard)));
        // While the bus is slow, what goes through other nodes comes later.
        let shards = tokio::time::timeout(Duration::from_secs(5), shards).await.unwrap_or_default();
        let stop = CancellationToken::new();
        if has_activities {
            self.ask_for_activities(stop.clone()).await;
        }
        Ok(ClusterTail { tail, _shards: shards, _asking: stop.drop_guard() })
    }

    /// Asks the other nodes for the activities of their sessions, now and again until it is stopped.
    async fn ask_for_activities(&self, stop: CancellationToken) {
        let (node, store) = (self.node.clone(), self.store.clone());
        ask(&node, &*store).await;
        self.tasks.spawn_until_stopped(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(ASK_EVERY) => ask(&node, &*store).await,
                }
            }
        });
    }

    /// Returns the newest entries of the selected logs since a time, merged by time: at most 10,000, and 8 MiB, of at most
    /// 1,000 logs. `is_shown` selects among them.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn past(
        &self,
        selection: PastSelection<'_>,
        is_shown: impl Fn(&Topic, &Entry) -> bool,
    ) -> Result<Past, CommandError> {
        let PastSelection { filter, also, since } = selection;
        let mut newest = Newest::default();
        let mut topics: Vec<Topic> = filter.topic.iter().chain(&also).cloned().collect();
        if filter.topic.is_none() {
            let (recent, is_complete) = self.recent_logs(filter, since).await?;
            topics.extend(recent);
            if !is_complete {
                newest.cut();
            }
        }
        for topic in &topics {
            self.read_back(topic, since, |entry| {
                let is_shown = is_shown(topic, &entry);
                newest.take(topic, entry, is_shown)
            })
            .await?;
        }
        Ok(newest.into_past())
    }

    /// Returns the selected logs that have entries since a time, and whether these are all.
    async fn recent_logs(&self, filter: &TailFilter, since: Timestamp) -> Result<(Vec<Topic>, bool), CommandError> {
        let (mut topics, mut after) = (Vec::new(), None);
        for _ in 0..MAX_STEPS {
            let recent = in_time(self.store.recent_logs(since, after)).await?;
            topics.extend(recent.topics.into_iter().filter(|topic| filter.selects(topic)));
            topics.sort();
            topics.dedup();
            if topics.len() > MAX_LOGS {
                topics.truncate(MAX_LOGS);
                return Ok((topics, false));
            }
            after = recent.next;
            if after.is_none() {
                return Ok((topics, true));
            }
        }
        Ok((topics, false))
    }

    /// Reads a log backwards until a time, or until `take` ends it.
    async fn read_back(
        &self,
        topic: &Topic,
        since: Timestamp,
        mut take: impl FnMut(Entry) -> Reading,
    ) -> Result<(), CommandError> {
        let mut before = u64::MAX;
        loop {
            let page = in_time(self.store.read_back(topic, before, PAGE)).await?;
            let first = page.lost.map(|lost| lost.first).or(page.entries.first().map(|entry| entry.offset));
            for entry in page.entries.into_iter().rev() {
                if entry.at < since || take(entry) == Reading::Ends {
                    return Ok(());
                }
            }
            match first.filter(|first| *first > page.bounds.floor) {
                Some(first) => before = first,
                None => return Ok(()),
            }
        }
    }
}

/// Asks the other nodes for the activities of their sessions.
async fn ask(node: &Node, store: &dyn Store) {
    let milliseconds = u64::try_from(WANTED_FOR.as_millis()).unwrap_or(u64::MAX);
    let asked = async {
        for other in store.nodes().await?.into_iter().filter(|other| *other.id != *node.name.id) {
            store.post(&other.id, &ControlMessage::ActivityWanted { milliseconds }).await?;
        }
        Ok(())
    };
    if let Err(error) = in_time(asked).await {
        tracing::debug!(error = %error.message, "other nodes could not be asked for what their sessions do");
    }
}
