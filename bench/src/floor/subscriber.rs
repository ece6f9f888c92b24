//! The socket of a subscriber, and what the kernel has not taken yet.

use std::{cell::RefCell, collections::VecDeque, io::ErrorKind};

use bytes::Bytes;
use tokio::{net::TcpStream, sync::Notify};

/// A subscriber.
pub(super) struct Subscriber {
    stream: TcpStream,
    /// What is written in order when the socket has space again.
    queue: RefCell<VecDeque<Bytes>>,
    queued: Notify,
    /// What is written at the end of the turn.
    batch: RefCell<Vec<u8>>,
}

impl Subscriber {
    /// Takes over an upgraded connection.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, queue: RefCell::default(), queued: Notify::new(), batch: RefCell::default() }
    }

    /// Writes a frame, or queues what the kernel does not take.
    pub(super) fn push(&self, frame: &Bytes) {
        let mut queue = self.queue.borrow_mut();
        if !queue.is_empty() {
            return queue.push_back(frame.clone());
        }
        match self.stream.try_write(frame) {
            Ok(written) if written == frame.len() => return,
            Ok(written) => queue.push_back(frame.slice(written..)),
            Err(_) => queue.push_back(frame.clone()),
        }
        self.queued.notify_one();
    }

    /// Adds a frame to the batch, and returns whether it is the first.
    pub(super) fn add_to_batch(&self, frame: &Bytes) -> bool {
        let mut batch = self.batch.borrow_mut();
        batch.extend_from_slice(frame);
        batch.len() == frame.len()
    }

    /// Writes the batch, or queues what the kernel does not take.
    pub(super) fn write_batch(&self) {
        let mut batch = self.batch.borrow_mut();
        let can_write = self.queue.borrow().is_empty();
        let written = if can_write { self.stream.try_write(&batch).unwrap_or(0) } else { 0 };
        if written < batch.len() {
            self.queue.borrow_mut().push_back(Bytes::copy_from_slice(&batch[written..]));
            self.queued.notify_one();
        }
        batch.clear();
    }

    /// Writes what is queued, and discards what the client sends, until the connection ends.
    pub(super) async fn run(&self) {
        tokio::select! {
            () = self.discard() => {}
            () = self.write_queued() => {}
        }
    }

    async fn discard(&self) {
        let mut buffer = [0; 64];
        while self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut buffer) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    async fn write_queued(&self) {
        loop {
            self.queued.notified().await;
            while self.stream.writable().await.is_ok() {
                let mut queue = self.queue.borrow_mut();
                let Some(frame) = queue.front_mut() else { break };
                match self.stream.try_write(frame) {
                    Ok(written) if written == frame.len() => drop(queue.pop_front()),
                    Ok(written) => *frame = frame.slice(written..),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        }
    }
}
