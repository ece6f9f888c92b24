//! Measures the disk space of a data file and the free space of its file system.

use std::{io, path::Path};

use crate::space::Medium;

/// The disk space of a file and the free space of its file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct DiskUsage {
    /// The allocated bytes of the file. The file length may be larger, because redb extends files in advance.
    pub(super) file: u64,
    /// The file system, if the operating system reports it.
    pub(super) file_system: Option<Medium>,
}

impl DiskUsage {
    /// Measures a file.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        // POSIX does not define the unit, but all current systems use this one.
        const BLOCK: u64 = 512;
        let file = std::fs::metadata(path)?.blocks() * BLOCK;
        let found = rustix::fs::statvfs(path)?;
        let in_use = found.f_blocks.saturating_sub(found.f_bfree);
        // Blocks reserved for root count neither as free nor as capacity, as in df(1).
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
