//! How much of the disk a data file takes, and how much of its file system is free.

use std::{io, path::Path};

use crate::store::space::Medium;

/// What a file takes, and what the file system under it has left.
#[derive(Debug, Clone, Copy)]
pub(super) struct DiskUsage {
    /// Bytes of the disk that the file takes: redb makes files longer than what is written to them.
    pub(super) file: u64,
    /// The file system, where the operating system reports it.
    pub(super) file_system: Option<Medium>,
}

impl DiskUsage {
    /// Measures a file.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        // POSIX leaves the unit open, and all systems of today use this one.
        const BLOCK: u64 = 512;
        let file = std::fs::metadata(path)?.blocks() * BLOCK;
        let found = rustix::fs::statvfs(path)?;
        let in_use = found.f_blocks.saturating_sub(found.f_bfree);
        // As df(1) counts: what is reserved for root is neither free nor a part of the capacity.
        let file_system =
            Medium { free: found.f_bavail * found.f_frsize, capacity: (in_use + found.f_bavail) * found.f_frsize };
        Ok(Self { file, file_system: Some(file_system) })
    }

    /// Measures a file.
    #[cfg(not(unix))]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { file: std::fs::metadata(path)?.len(), file_system: None })
    }
}
