//! Waits for a write, up to a time limit.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// Waits between two reads until something is written, or until the time limit.
pub(super) struct Wait {
    written: watch::Receiver<u64>,
    deadline: Instant,
}

impl Wait {
    /// Starts waiting. Call it before the first read, so that no write after that read is missed.
    pub(super) fn begin(written: watch::Receiver<u64>, wait: Duration) -> Self {
        Self { written, deadline: Instant::now() + wait }
    }

    /// Waits until the next write. Returns false if the time limit is reached first.
    pub(super) async fn again(&mut self) -> bool {
        matches!(timeout_at(self.deadline, self.written.changed()).await, Ok(Ok(())))
    }
}
