//! What can be asked of the writer thread, and how it is answered once the commit is done.

use std::fmt;

use tokio::sync::oneshot::{self, Receiver, Sender};

use super::{fault::Fault, tables::Tables};
use crate::{
    store::{StoreError, shards::ShardCounts},
    topic::Shard,
};

/// Something to write.
pub(super) trait Request: Send + 'static {
    /// What whoever asked is told.
    type Answer: Send + 'static;

    /// Applies it within the batch's transaction.
    fn apply(&self, tables: &mut Tables<'_>) -> Result<Self::Answer, Fault>;

    /// About how much memory it holds.
    fn bytes(&self) -> usize;

    /// How many operations of one row each it counts as in a batch.
    fn rows(&self) -> usize {
        1
    }

    /// Whether this is upkeep of the gateway itself, which does not count as a write of a client.
    fn is_upkeep(&self) -> bool {
        false
    }

    /// The shards of what it adds.
    fn shards(&self) -> Vec<Shard> {
        Vec::new()
    }

    /// Raises the counters of the shards once what was added can be read, and completes the answer with them.
    fn count(&self, _answer: &mut Self::Answer, _shards: &ShardCounts) {}
}

/// A request that waits for its commit, of any kind.
pub(super) trait Operation: Send {
    /// Applies it within the batch's transaction, and keeps the answer.
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), Fault>;

    /// Keeps an error as the answer: this operation changed nothing, and the others of its batch are committed.
    fn fail(&mut self, error: StoreError);

    /// About how much memory it holds.
    fn bytes(&self) -> usize;

    /// How many operations of one row each it counts as in a batch.
    fn rows(&self) -> usize;

    /// Whether the gateway does this by itself.
    fn is_upkeep(&self) -> bool;

    /// Answers: the commit is done.
    fn confirm(self: Box<Self>, shards: &ShardCounts);

    /// Answers: nothing is confirmed. What was committed all the same is counted, so that it is looked for.
    fn refuse(self: Box<Self>, error: &StoreError, shards: &ShardCounts);
}

impl fmt::Debug for dyn Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operation")
    }
}

/// A request with its answer and where that goes.
struct Asked<R: Request> {
    request: R,
    answer: Option<Result<R::Answer, StoreError>>,
    asker: Sender<Result<R::Answer, StoreError>>,
}

/// Where an answer comes.
pub(super) type Answer<T> = Receiver<Result<T, StoreError>>;

/// A request as an operation, and where its answer comes.
pub(super) fn operation<R: Request>(request: R) -> (Box<dyn Operation>, Answer<R::Answer>) {
    let (asker, answer) = oneshot::channel();
    (Box::new(Asked { request, answer: None, asker }), answer)
}

impl<R: Request> Operation for Asked<R> {
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        self.answer = Some(Ok(self.request.apply(tables)?));
        Ok(())
    }

    fn fail(&mut self, error: StoreError) {
        self.answer = Some(Err(error));
    }

    fn bytes(&self) -> usize {
        self.request.bytes()
    }

    fn rows(&self) -> usize {
        self.request.rows()
    }

    fn is_upkeep(&self) -> bool {
        self.request.is_upkeep()
    }

    fn confirm(self: Box<Self>, shards: &ShardCounts) {
        let Asked { request, answer, asker } = *self;
        let Some(mut answer) = answer else { return };
        if let Ok(answer) = &mut answer {
            request.count(answer, shards);
        }
        // Whoever asked may have given up meanwhile, which changes nothing.
        let _ = asker.send(answer);
    }

    fn refuse(self: Box<Self>, error: &StoreError, shards: &ShardCounts) {
        for shard in self.request.shards() {
            shards.raise(shard);
        }
        let _ = self.asker.send(Err(error.clone()));
    }
}
