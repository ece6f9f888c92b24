//! What a proxy does to the next frames.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::{net::TcpStream, sync::watch};

use crate::mutants::Tampering;

/// The direction of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToGateway,
    ToClient,
}

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the frame, which is lost.
    Before,
    /// Within the frame, of which a half arrives.
    Within,
    /// After the frame, before anything else passes.
    After,
}

/// What happens to a frame. Only messages count; those that check the connection (`ping` and `pong`) do not, because
/// they come at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) direction: Direction,
    /// The number of the frame, from 1, counted from now on.
    pub(crate) frame: u32,
    pub(crate) cut: Cut,
}

/// What a proxy is to do.
pub(crate) struct Plan {
    pub(crate) tampering: Tampering,
    faults: Mutex<Vec<Fault>>,
    /// Whether frames to the gateway are held.
    held: watch::Sender<bool>,
    /// Counts the connections that were cut.
    cuts: AtomicU64,
    /// Connections of mutants, which stay open.
    kept: Mutex<Vec<TcpStream>>,
}

impl Plan {
    pub(crate) fn new(tampering: Tampering) -> Self {
        Self {
            tampering,
            faults: Mutex::default(),
            held: watch::Sender::new(false),
            cuts: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }

    /// Adds a fault.
    pub(crate) fn add(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    /// Forgets the faults that have not happened.
    pub(crate) fn clear(&self) {
        lock(&self.faults).clear();
    }

    /// Counts a frame, and returns where the connection is cut now.
    pub(crate) fn passes(&self, direction: Direction) -> Option<Cut> {
        let mut faults = lock(&self.faults);
        let mut due = None;
        faults.retain_mut(|fault| {
            if fault.direction != direction {
                return true;
            }
            fault.frame = fault.frame.saturating_sub(1);
            if fault.frame == 0 {
                due = Some(fault.cut);
            }
            fault.frame > 0
        });
        due
    }

    /// Holds what the client sends, or lets it pass again.
    pub(crate) fn hold(&self, is_held: bool) {
        self.held.send_replace(is_held);
    }

    /// Waits until nothing is held.
    pub(crate) async fn flows(&self) {
        // The sender lives as long as this borrow of it.
        let _ = self.held.subscribe().wait_for(|is_held| !is_held).await;
    }

    /// Records that a connection was cut.
    pub(crate) fn has_cut(&self) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of connections that were cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// Keeps a connection of a mutant until the end of the scenario.
    pub(crate) fn keep(&self, connection: TcpStream) {
        lock(&self.kept).push(connection);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_frames_of_each_direction() {
        let plan = Plan::new(Tampering::default());
        plan.add(Fault { direction: Direction::ToClient, frame: 2, cut: Cut::Within });
        assert_eq!(plan.passes(Direction::ToClient), None);
        assert_eq!(plan.passes(Direction::ToGateway), None);
        assert_eq!(plan.passes(Direction::ToClient), Some(Cut::Within));
        assert_eq!(plan.passes(Direction::ToClient), None, "a fault happens once");
    }
}
