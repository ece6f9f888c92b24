//! Where redb reads and writes: the file itself, with the flush left to the operating system.

use std::{fs::File, io, ops::Bound};

use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

/// A file whose commits end with the operating system having them (`store.durability = "os"`).
///
/// redb's own `Durability::None` would keep commits in the process, where `kill -9` ends them. Here each commit is
/// written to the file, so it survives the process; only the wait for the disk is left out, except at the close.
/// When the machine itself stops, what was written within the last half minute or so may be lost, and since pages
/// then reach the disk in any order, the file may be beyond redb's repair.
#[derive(Debug)]
pub(super) struct UnflushedFile(FileBackend);

impl UnflushedFile {
    /// Takes a file and its lock.
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        Ok(Self(FileBackend::new(file)?))
    }
}

impl StorageBackend for UnflushedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        let flushed = self.0.sync_data();
        self.0.close().and(flushed)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
