//! Where redb reads and writes: the file itself, with the flush left to the operating system.

use std::{
    fs::File,
    io,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

/// A file whose commits end with the operating system having them (`store.durability = "os"`).
///
/// redb's own `Durability::None` would keep commits in the process, where `kill -9` ends them. Here each commit is
/// written to the file, so it survives the process; only the wait for the disk is left out, except at the close.
/// When the machine itself stops, what was written within the last half minute or so may be lost, and since pages
/// then reach the disk in any order, the file may be beyond redb's repair.
#[derive(Debug)]
pub(super) struct UnflushedFile {
    file: FileBackend,
    /// Whether commits wait for the disk after all.
    flushes: Arc<AtomicBool>,
}

impl UnflushedFile {
    /// Takes a file and its lock. While `flushes` is set, commits are flushed.
    pub(super) fn new(file: File, flushes: Arc<AtomicBool>) -> Result<Self, DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, flushes })
    }
}

impl StorageBackend for UnflushedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.flushes.load(Ordering::Relaxed) { self.file.sync_data() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        let flushed = self.file.sync_data();
        self.file.close().and(flushed)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
