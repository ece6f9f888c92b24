//! Places in a topic's log: a position that can be saved and given back, and the gap where recovery was impossible.

use std::sync::Arc;

use realtime_gateway_protocol::{MAX_OFFSET, Recover};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The last entry of a topic that an app has seen. It can be stored (serde) and given back after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recover", into = "Recover")]
pub struct Position {
    pub(crate) offset: u64,
    pub(crate) epoch: Arc<str>,
}

impl Position {
    /// A position from its two parts.
    ///
    /// # Errors
    /// When the offset is over 2^53-1.
    pub fn new(offset: u64, epoch: impl AsRef<str>) -> Result<Self, Error> {
        if offset > MAX_OFFSET {
            return Err(Error::invalid("a position is 0 to 2^53-1"));
        }
        Ok(Self { offset, epoch: epoch.as_ref().into() })
    }

    /// The offset of the last entry seen; 0 is before the first.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The epoch of the store that the offset belongs to.
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
    /// They are beyond the gateway's retention.
    Trimmed,
    /// The store has a new epoch: entries that were confirmed may be lost, and offsets may count anew.
    EpochChanged,
    /// The app read this stream too slowly, and its buffer was full. History still has them.
    Slow,
}

/// A hole in a stream: entries after `before`, up to and including `after`, were not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The offset of the last entry before the hole; `history().after(gap.before)` fills what can be filled.
    pub before: u64,
    /// Where the stream goes on.
    pub after: Position,
    /// Why.
    pub reason: GapReason,
}
