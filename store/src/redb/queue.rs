//! The queue of operations for the writer thread. It is bounded in number and in bytes.

use std::{collections::VecDeque, time::Instant};

use parking_lot::{Condvar, Mutex};

use super::operation::Operation;

/// The reason why an operation was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The queue is full.
    Full,
    /// The store is closed.
    Closed,
}

/// The result of waiting for operations.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There are operations.
    Operations,
    /// No operation was queued until the deadline.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

/// The queue between the callers and the writer thread.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    operations: VecDeque<Box<dyn Operation>>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// The maximum number of waiting operations.
    pub(super) const OPERATIONS: usize = 16_384;
    /// The maximum number of bytes of waiting operations.
    pub(super) const BYTES: usize = 64 * 1024 * 1024;
    /// The maximum number of rows in one batch, so that the first operation does not wait long for the commit.
    pub(super) const BATCH: usize = 1_024;
    /// The maximum number of bytes in one batch.
    pub(super) const BATCH_BYTES: usize = 8 * 1024 * 1024;

    /// Queues an operation.
    pub(super) fn push(&self, operation: Box<dyn Operation>) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        let bytes = operation.bytes();
        if waiting.operations.len() >= Self::OPERATIONS || waiting.bytes + bytes > Self::BYTES {
            return Err(Refused::Full);
        }
        waiting.bytes += bytes;
        waiting.operations.push_back(operation);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for operations until the deadline, and moves the waiting operations into `batch`, up to the size of a batch.
    pub(super) fn take(&self, batch: &mut Vec<Box<dyn Operation>>, deadline: Option<Instant>) -> Taken {
        let mut waiting = self.waiting.lock();
        while waiting.operations.is_empty() {
            if waiting.closed {
                return Taken::Closed;
            }
            match deadline {
                None => self.changed.wait(&mut waiting),
                Some(deadline) if self.changed.wait_until(&mut waiting, deadline).timed_out() => return Taken::Nothing,
                Some(_) => {}
            }
        }
        let (mut room, mut rows_left) = (Self::BATCH_BYTES, Self::BATCH);
        while rows_left > 0 {
            let Some(operation) = waiting.operations.pop_front() else { break };
            let (bytes, rows) = (operation.bytes(), operation.rows());
            if (bytes > room || rows > rows_left) && !batch.is_empty() {
                waiting.operations.push_front(operation);
                break;
            }
            room = room.saturating_sub(bytes);
            rows_left = rows_left.saturating_sub(rows.max(1));
            waiting.bytes -= bytes;
            batch.push(operation);
        }
        Taken::Operations
    }

    /// Returns whether the queue is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    /// Closes the queue and drops the waiting operations, so that their callers get an error.
    pub(super) fn abandon(&self) {
        let dropped = {
            let mut waiting = self.waiting.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.operations)
        };
        drop(dropped);
        self.changed.notify_all();
    }

    /// Closes the queue. Operations that wait already are still written.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::redb::{
        fault::Fault,
        operation::{Request, operation},
        tables::Tables,
    };

    /// A request that does nothing and uses this many bytes.
    struct Large(usize);

    /// A request of several rows.
    struct Rows(usize);

    impl Request for Rows {
        type Answer = ();

        fn apply(&self, _: &mut Tables<'_>) -> Result<(), Fault> {
            Ok(())
        }

        fn bytes(&self) -> usize {
            1
        }

        fn rows(&self) -> usize {
            self.0
        }
    }

    impl Request for Large {
        type Answer = ();

        fn apply(&self, _: &mut Tables<'_>) -> Result<(), Fault> {
            Ok(())
        }

        fn bytes(&self) -> usize {
            self.0
        }
    }

    fn push(queue: &Queue, bytes: usize) -> Result<(), Refused> {
        queue.push(operation(Large(bytes)).0)
    }

    #[test]
    fn limits_number_of_operations() {
        let queue = Queue::default();
        for _ in 0..Queue::OPERATIONS {
            push(&queue, 1).unwrap();
        }
        assert_eq!(push(&queue, 1), Err(Refused::Full));
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, None), Taken::Operations);
        assert_eq!(batch.len(), Queue::BATCH);
        push(&queue, 1).unwrap();
    }

    #[test]
    fn limits_bytes_of_operations() {
        let queue = Queue::default();
        for _ in 0..64 {
            push(&queue, 1024 * 1024).unwrap();
        }
        assert_eq!(push(&queue, 1), Err(Refused::Full));
        let mut batch = Vec::new();
        queue.take(&mut batch, None);
        assert_eq!(batch.len(), 8, "and so is a batch");
        push(&queue, 8 * 1024 * 1024).unwrap();
    }

    #[test]
    fn bounds_a_batch_in_rows() {
        let queue = Queue::default();
        for rows in [Queue::BATCH / 2, Queue::BATCH / 2, 1, Queue::BATCH * 2, 1] {
            queue.push(operation(Rows(rows)).0).unwrap();
        }
        for expected in [2, 1, 1, 1] {
            let mut batch = Vec::new();
            assert_eq!(queue.take(&mut batch, None), Taken::Operations);
            assert_eq!(batch.len(), expected);
        }
    }

    #[test]
    fn operation_larger_than_batch_gets_its_own() {
        let queue = Queue::default();
        for bytes in [1, 20 * 1024 * 1024, 1] {
            push(&queue, bytes).unwrap();
        }
        for _ in 0..3 {
            let mut batch = Vec::new();
            assert_eq!(queue.take(&mut batch, None), Taken::Operations);
            assert_eq!(batch.len(), 1);
        }
    }

    #[test]
    fn takes_waiting_operations_at_close() {
        let queue = Queue::default();
        push(&queue, 1).unwrap();
        queue.close();
        assert_eq!(push(&queue, 1), Err(Refused::Closed));
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, None), Taken::Operations);
        assert_eq!(queue.take(&mut batch, None), Taken::Closed);
        assert_eq!(Queue::default().take(&mut batch, Some(Instant::now() + Duration::from_millis(1))), Taken::Nothing);
    }
}
