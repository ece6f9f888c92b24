//! Follows the entries of all nodes for operators: opens tails, and reads what came before from the log.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use realtime_gateway_protocol::Timestamp;

use crate::{
    command_error::CommandError,
    confirmation::in_time,
    delivery::{
        hub::{Hub, ShardInterest},
        tail::{Tail, TailFilter, Tailed, TailedEntry},
    },
    runtime::{clock::NodeClock, tasks::Tasks},
    store::{NoticeEntry, PageLimit, Store},
    topic::{Shard, Topic},
};

/// The error code when the node has the maximum number of tails.
pub(crate) const TAIL_LIMIT: &str = "tail_limit";
/// The maximum number of entries that are read from the log.
const MAX_PAST: usize = 10_000;
/// The pages in which they are read.
const PAGE: PageLimit = PageLimit { entries: 500, bytes: 1024 * 1024 };
/// The maximum size of the entries that are read from the log, in bytes.
const MAX_PAST_BYTES: usize = 8 * 1024 * 1024;

/// Follows entries.
pub(crate) struct Follower {
    pub(crate) hub: Arc<Hub>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: NodeClock,
    pub(crate) tasks: Tasks,
}

/// A tail that also receives the entries of other nodes, until it is dropped.
pub(crate) struct ClusterTail {
    tail: Tail,
    _shards: Vec<ShardInterest>,
}

impl ClusterTail {
    /// Returns what comes next. It can be cancelled without losing an entry.
    pub(crate) async fn next(&self) -> Tailed {
        self.tail.next().await
    }
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

    /// Opens a tail. Other nodes send their entries of the selected shards to this node from then on.
    ///
    /// # Errors
    /// [`TAIL_LIMIT`] when this node has too many tails.
    pub(crate) async fn open(&self, filter: TailFilter) -> Result<ClusterTail, CommandError> {
        let shards: Vec<Shard> = match &filter.topic {
            Some(topic) => vec![topic.shard()],
            None => (0..=u8::MAX).map(Shard).collect(),
        };
        let Some(tail) = self.hub.tails().open(filter) else {
            return Err(CommandError::new(TAIL_LIMIT.into(), "this node has too many tails; end one first"));
        };
        let shards = join_all(shards.into_iter().map(|shard| self.hub.bind_shard(shard)));
        // While the bus is slow, entries of other nodes come later.
        let shards = tokio::time::timeout(Duration::from_secs(5), shards).await.unwrap_or_default();
        Ok(ClusterTail { tail, _shards: shards })
    }

    /// Returns the newest entries of a topic since a time, oldest first: at most 10,000, and 8 MiB.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn past(&self, topic: &Topic, since: Timestamp) -> Result<Vec<TailedEntry>, CommandError> {
        let (mut entries, mut bytes, mut before) = (Vec::new(), 0, u64::MAX);
        loop {
            let page = in_time(self.store.read_back(topic, before, PAGE)).await?;
            let first = page.lost.map(|lost| lost.first).or(page.entries.first().map(|entry| entry.offset));
            for entry in page.entries.into_iter().rev() {
                bytes += entry.body.len();
                if entry.at < since || entries.len() >= MAX_PAST || bytes > MAX_PAST_BYTES {
                    entries.reverse();
                    return Ok(entries);
                }
                entries.push(TailedEntry { topic: topic.clone(), entry: NoticeEntry::Included(Arc::new(entry)) });
            }
            match first.filter(|first| *first > page.bounds.floor) {
                Some(first) => before = first,
                None => {
                    entries.reverse();
                    return Ok(entries);
                }
            }
        }
    }
}
