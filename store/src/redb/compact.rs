//! The command `gateway store compact`: compacts a data file of any size while no gateway uses it.

use std::path::Path;

use super::{fault::Fault, file::DataFile};
use crate::{Durability, open::OpenError};

/// The disk space of a file before and after its compaction, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The size before.
    pub before: u64,
    /// The size after.
    pub after: u64,
}

/// Compacts a data file. It takes about a second for each 20 MiB of data.
///
/// # Errors
/// If there is no file, it is in use, or it is damaged.
pub fn compact(path: &Path) -> Result<Compacted, OpenError> {
    let unwritable = |source| OpenError::Unwritable { path: path.into(), source };
    std::fs::metadata(path).map_err(unwritable)?;
    let damaged = |fault: Fault| OpenError::Damaged { path: path.into(), reason: fault.to_string() };
    let file = DataFile::open(path, Durability::Fsync)?;
    let before = file.usage().map_err(unwritable)?.file;
    file.compact().map_err(damaged)?;
    file.close();
    Ok(Compacted { before, after: file.usage().map_err(unwritable)?.file })
}
