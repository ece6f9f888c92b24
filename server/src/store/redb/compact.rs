//! `gateway store compact`: a data file compacted while no gateway runs on it, whatever its size.

use std::path::Path;

use super::{fault::Fault, file::DataFile};
use crate::{config::Durability, store::open::OpenError};

/// How many bytes of the disk a file took before it was compacted, and takes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Compacts a data file. It takes about a second for each 20 MiB of data.
///
/// # Errors
/// When there is no file, it is in use, or it is damaged.
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
