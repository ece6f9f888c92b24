//! Requests to the writer thread, and their answers after the commit.

use std::fmt;

use realtime_gateway_protocol::topic::Shard;
use tokio::sync::oneshot::{self, Receiver, Sender};

use super::{fault::Fault, tables::Tables};
use crate::{StoreError, shards::ShardCounts};

/// A request for the writer thread.
pub(super) trait Request: Send + 'static {
    /// The result for the caller.
    type Answer: Send + 'static;

    /// Applies the request in the transaction of its batch.
    fn apply(&self, tables: &mut Tables<'_>) -> Result<Self::Answer, Fault>;

    /// Returns the approximate memory that the request uses, in bytes.
    fn bytes(&self) -> usize;

    /// Returns the number of rows that the request counts as in a batch.
    fn rows(&self) -> usize {
        1
    }

    /// Returns whether this is internal maintenance, which does not count as a write of a client.
    fn is_maintenance(&self) -> bool {
        false
    }

    /// Returns the shards of the topics to which it adds something.
    fn shards(&self) -> Vec<Shard> {
        Vec::new()
    }

    /// Increments the counters of the shards after the commit, and adds them to the answer.
    fn count(&self, _answer: &mut Self::Answer, _shards: &ShardCounts) {}
}

/// A submitted request of any type.
pub(super) trait Operation: Send {
    /// Applies the request in the transaction of its batch, and stores the answer.
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), Fault>;

    /// Stores an error as the answer. This operation has changed nothing; the others of its batch are committed.
    fn fail(&mut self, error: StoreError);

    /// Returns the approximate memory that the request uses, in bytes.
    fn bytes(&self) -> usize;

    /// Returns the number of rows that the request counts as in a batch.
    fn rows(&self) -> usize;

    /// Returns whether this is internal maintenance.
    fn is_maintenance(&self) -> bool;

    /// Answers the caller after a successful commit.
    fn confirm(self: Box<Self>, shards: &ShardCounts);

    /// Answers the caller with an error. Increments the shard counters, because the batch may have been committed in
    /// spite of the error, and readers should find the entries then.
    fn refuse(self: Box<Self>, error: &StoreError, shards: &ShardCounts);
}

impl fmt::Debug for dyn Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operation")
    }
}

/// A request with its answer and the channel of its caller.
struct Submitted<R: Request> {
    request: R,
    answer: Option<Result<R::Answer, StoreError>>,
    caller: Sender<Result<R::Answer, StoreError>>,
}

/// The receiver of an answer.
pub(super) type Answer<T> = Receiver<Result<T, StoreError>>;

/// Returns a request as an operation, and the receiver of its answer.
pub(super) fn operation<R: Request>(request: R) -> (Box<dyn Operation>, Answer<R::Answer>) {
    let (caller, answer) = oneshot::channel();
    (Box::new(Submitted { request, answer: None, caller }), answer)
}

impl<R: Request> Operation for Submitted<R> {
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

    fn is_maintenance(&self) -> bool {
        self.request.is_maintenance()
    }

    fn confirm(self: Box<Self>, shards: &ShardCounts) {
        let Submitted { request, answer, caller } = *self;
        let Some(mut answer) = answer else { return };
        if let Ok(answer) = &mut answer {
            request.count(answer, shards);
        }
        // The caller may have given up meanwhile, which changes nothing.
        let _ = caller.send(answer);
    }

    fn refuse(self: Box<Self>, error: &StoreError, shards: &ShardCounts) {
        for shard in self.request.shards() {
            shards.raise(shard);
        }
        let _ = self.caller.send(Err(error.clone()));
    }
}
