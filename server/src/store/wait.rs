//! Waiting for something to be written, and no longer than asked.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// Between two looks at what was written: looks again each time that something was, until the time is over.
pub(super) struct Wait {
    written: watch::Receiver<u64>,
    deadline: Instant,
}

impl Wait {
    /// Begins, before the first look: nothing that is written from here on is missed.
    pub(super) fn begin(written: watch::Receiver<u64>, wait: Duration) -> Self {
        Self { written, deadline: Instant::now() + wait }
    }

    /// Waits until it is worth to look again; false when the time is over.
    pub(super) async fn again(&mut self) -> bool {
        matches!(timeout_at(self.deadline, self.written.changed()).await, Ok(Ok(())))
    }
}
