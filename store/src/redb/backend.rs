//! The storage backend of redb for `store.durability = "os"`: the operating system decides when data is flushed to the disk.

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

/// A file whose commits are passed to the operating system but not flushed (`store.durability = "os"`).
///
/// redb's own `Durability::None` would keep commits in the memory of the process, and `kill -9` would lose them. Here each
/// commit is written to the file, so it survives a crash of the process. The file is flushed only when it is closed. If the
/// machine crashes, the writes of about the last 30 seconds may be lost. Because pages reach the disk in any order, redb may
/// then be unable to repair the file.
#[derive(Debug)]
pub(super) struct UnflushedFile {
    file: FileBackend,
    /// Whether commits are flushed nevertheless.
    flushes: Arc<AtomicBool>,
}

impl UnflushedFile {
    /// Locks the file and creates the backend. While `flushes` is true, commits are flushed.
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
