//! Positions in a topic's log, and gaps that could not be recovered.

use std::sync::Arc;

use realtime_gateway_protocol::{MAX_OFFSET, Recover};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The position of the last entry of a topic that an app has handled. An app can store it (serde) and continue from it after
/// a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recover", into = "Recover")]
pub struct Position {
    pub(crate) offset: u64,
    pub(crate) epoch: Arc<str>,
}

impl Position {
    /// Creates a position.
    ///
    /// # Errors
    /// If the offset is greater than 2^53-1.
    pub fn new(offset: u64, epoch: impl AsRef<str>) -> Result<Self, Error> {
        if offset > MAX_OFFSET {
            return Err(Error::invalid("a position is 0 to 2^53-1"));
        }
        Ok(Self { offset, epoch: epoch.as_ref().into() })
    }

    /// Returns the offset of the last handled entry; 0 is before the first entry.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the epoch of the store to which the offset belongs.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(crate) fn at(&self, offset: u64) -> Self {
        Self { offset, epoch: Arc::clone(&self.epoch) }
    }
}

impl From<Recover> for Position {
    fn from(recover: Recover) -> Self {
        Self { offset: recover.offset, epoch: recover.epoch.into() }
    }
}

impl From<Position> for Recover {
    fn from(position: Position) -> Self {
        Self { offset: position.offset, epoch: position.epoch.as_ref().to_owned() }
    }
}

/// Why entries are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The entries are beyond the gateway's retention.
    Trimmed,
    /// The store has a new epoch. Confirmed entries may be lost, and offsets may start again.
    EpochChanged,
    /// The app read the stream too slowly, and its buffer was full. The entries can still be read from the history.
    Slow,
}

/// Missing entries of a stream: those after `before`, up to and including `after`, were not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The offset of the last entry before the gap. `history().after(gap.before)` returns the entries that still exist.
    pub before: u64,
    /// The position at which the stream continues.
    pub after: Position,
    /// Why entries are missing.
    pub reason: GapReason,
}
