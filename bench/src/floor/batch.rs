//! Messages that arrive together leave together.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    task::{spawn_local, yield_now},
};

use super::subscriber::Subscriber;

/// The subscribers that have messages to be written.
#[derive(Default)]
pub(super) struct Batch {
    marked: RefCell<Vec<Rc<Subscriber>>>,
    wake: Notify,
}

impl Batch {
    /// Starts the task that writes.
    pub(super) fn start() -> Rc<Self> {
        let batch = Rc::new(Self::default());
        spawn_local(batch.clone().run());
        batch
    }

    /// Adds a frame to what is written to a subscriber next.
    pub(super) fn add(&self, subscriber: &Rc<Subscriber>, frame: &Bytes) {
        if subscriber.add_to_batch(frame) {
            self.marked.borrow_mut().push(subscriber.clone());
            self.wake.notify_one();
        }
    }

    async fn run(self: Rc<Self>) {
        loop {
            self.wake.notified().await;
            // The tasks that are ready now read what has arrived, and join this batch.
            yield_now().await;
            let marked = std::mem::take(&mut *self.marked.borrow_mut());
            marked.iter().for_each(|subscriber| subscriber.write_batch());
        }
    }
}
