//! What an outbound queue holds, behind its lock.

use std::{collections::VecDeque, sync::Arc, task::Waker};

use realtime_gateway_protocol::CloseCode;

use super::{CloseReason, QueueWriter};
use crate::delivery::frame::Frame;

/// Which task writes the waiting frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Writing {
    /// No task has been notified of frames.
    #[default]
    Idle,
    /// A loop writes them at the end of its turn.
    Marked,
    /// A loop writes them a little later. They are replies that need not leave in their turn.
    Deferred,
    /// The socket accepts no more data. The task of the connection continues when it does.
    Blocked,
}

/// The state of an outbound queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) frames: VecDeque<Frame>,
    pub(super) writing: Writing,
    /// Writes frames at the end of a turn. Absent while there is no connection.
    pub(super) writer: Option<Arc<dyn QueueWriter>>,
    /// Bytes in `frames` and in the frames that the connection has taken and not written yet.
    pub(super) bytes: usize,
    /// Bytes in `frames`.
    pub(super) waiting: usize,
    pub(super) close: Option<CloseReason>,
    /// The close that follows once the current command has finished.
    pub(super) retire: Option<CloseReason>,
    pub(super) ended: bool,
    pub(super) connection: Option<Waker>,
    /// Tasks that wait for room in the queue: replays and presence snapshots.
    pub(super) waiters: Vec<Waker>,
}

impl Queue {
    /// Moves the waiting frames into `batch`. Returns whether there were any.
    pub(super) fn take(&mut self, batch: &mut VecDeque<Frame>) -> bool {
        if self.frames.is_empty() {
            return false;
        }
        self.waiting = 0;
        if batch.is_empty() {
            std::mem::swap(&mut self.frames, batch);
        } else {
            batch.append(&mut self.frames);
        }
        true
    }

    /// Closes the connection of a slow consumer with 4508. Waiting frames are dropped, because they would delay the
    /// close and the client gets them again through recovery.
    pub(super) fn close_slow_consumer(&mut self, reason: &'static str) {
        self.close = Some(CloseReason { code: CloseCode::SLOW_CONSUMER, reason });
        self.frames = VecDeque::new();
        self.bytes = self.bytes.saturating_sub(std::mem::take(&mut self.waiting));
    }
}
