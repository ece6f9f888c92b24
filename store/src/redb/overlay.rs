//! Opens a data file without changing it: everything that redb writes, for example when it repairs the file, stays in
//! memory.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    ops::Bound,
    path::Path,
};

use parking_lot::Mutex;
use redb::{
    BackendError, Builder, ConcurrencyMode, Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    StorageBackend,
};

use super::{
    fault::{Fault, guard},
    file::explain,
    format::LOGS,
};
use crate::open::OpenError;

/// The size of the blocks in memory, in bytes.
const BLOCK: u64 = 4_096;
/// The size of redb's page cache.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// The position in redb's header of the byte that tells which of the last two commits is current, and whether the file
/// was closed cleanly.
const STATE_BYTE: usize = 9;
/// The bit of that byte for the current commit.
const SECOND_COMMIT: u8 = 1;
/// The bit of that byte for a file that was not closed cleanly.
const NOT_CLOSED: u8 = 2;

/// A data file that is opened without changing it.
pub(super) enum ReadOnlyFile {
    /// redb opens the file, after a repair in memory if it was not closed cleanly.
    Intact(Database),
    /// redb refuses to open the file. It was opened with a header that claims that it was closed cleanly.
    Damaged(ReadOnlyDatabase),
}

impl ReadOnlyFile {
    /// Begins a read transaction.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, Fault> {
        guard(|| match self {
            Self::Intact(database) => Ok(database.begin_read()?),
            Self::Damaged(database) => Ok(database.begin_read()?),
        })
    }
}

/// Opens a file without changing it.
///
/// # Errors
/// If a gateway uses the file, or it is so damaged that no data can be found in it.
pub(super) fn open(path: &Path) -> Result<ReadOnlyFile, OpenError> {
    let unchanged = overlay(path, |state| state)?;
    let opened = guard(|| Ok(builder().create_with_backend(unchanged)));
    let reason = match opened {
        Ok(Ok(database)) => return Ok(ReadOnlyFile::Intact(database)),
        Ok(Err(error)) => match explain(path, error) {
            OpenError::Damaged { reason, .. } => reason,
            other => return Err(other),
        },
        Err(fault) => fault.to_string(),
    };
    for state in [|state: u8| state & !NOT_CLOSED, |state: u8| (state ^ SECOND_COMMIT) & !NOT_CLOSED] {
        let changed = overlay(path, state)?;
        let opened = guard(|| {
            // In this mode redb does not need the record of free pages, which exists only after a clean close.
            let mut builder = builder();
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            let opened = builder.open_read_only_with_backend(changed);
            let opened = ReadOnlyFile::Damaged(opened.map_err(|error| Fault::Page(error.to_string()))?);
            // Check that the tables of this commit can be found.
            opened.begin_read()?.open_table(LOGS)?;
            Ok(opened)
        });
        if let Ok(opened) = opened {
            return Ok(opened);
        }
    }
    Err(OpenError::Damaged { path: path.into(), reason })
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens a file with an overlay in which the state byte of the header is changed.
fn overlay(path: &Path, state: fn(u8) -> u8) -> Result<Overlay, OpenError> {
    let unreadable = |source| OpenError::Unwritable { path: path.into(), source };
    let file = File::open(path).map_err(unreadable)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.into() }),
        Err(TryLockError::Error(source)) => return Err(unreadable(source)),
    }
    let overlay = Overlay::new(file, state).map_err(unreadable)?;
    if overlay.len().map_err(unreadable)? == 0 {
        return Err(OpenError::NotAStore { path: path.into() });
    }
    Ok(overlay)
}

/// A storage backend that reads from the file, and keeps written blocks in memory.
#[derive(Debug)]
struct Overlay(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    file_len: u64,
    len: u64,
    written: HashMap<u64, Vec<u8>>,
}

impl Overlay {
    /// Creates an overlay whose state byte is changed by `state`.
    fn new(file: File, state: fn(u8) -> u8) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let mut inner = Inner { file, file_len: len, len, written: HashMap::new() };
        if len > BLOCK {
            let mut first = inner.block(0)?;
            if let Some(byte) = first.get_mut(STATE_BYTE) {
                *byte = state(*byte);
            }
            inner.written.insert(0, first);
        }
        Ok(Self(Mutex::new(inner)))
    }
}

impl Inner {
    /// Returns the current content of a block. Bytes beyond the end of the file are zero.
    fn block(&mut self, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = self.written.get(&number) {
            return Ok(block.clone());
        }
        let mut block = Vec::with_capacity(BLOCK as usize);
        let begin = number * BLOCK;
        if begin < self.file_len {
            self.file.seek(SeekFrom::Start(begin))?;
            (&self.file).take(BLOCK).read_to_end(&mut block)?;
        }
        block.resize(BLOCK as usize, 0);
        Ok(block)
    }

    /// Calls a function with each part of a range and the block that contains it.
    fn each_part(
        &mut self,
        offset: u64,
        length: usize,
        mut work: impl FnMut(&mut Self, u64, std::ops::Range<usize>, std::ops::Range<usize>) -> io::Result<()>,
    ) -> io::Result<()> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.len);
        let end = end.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let mut at = offset;
        while at < end {
            let number = at / BLOCK;
            let upto = end.min((number + 1) * BLOCK);
            let within = (at - number * BLOCK) as usize..(upto - number * BLOCK) as usize;
            work(self, number, within, (at - offset) as usize..(upto - offset) as usize)?;
            at = upto;
        }
        Ok(())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let length = out.len();
        self.0.lock().each_part(offset, length, |inner, number, within, part| {
            let block = inner.block(number)?;
            if let (Some(out), Some(block)) = (out.get_mut(part), block.get(within)) {
                out.copy_from_slice(block);
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().each_part(offset, data.len(), |inner, number, within, part| {
            let mut block = inner.block(number)?;
            if let (Some(block), Some(data)) = (block.get_mut(within), data.get(part)) {
                block.copy_from_slice(data);
            }
            inner.written.insert(number, block);
            Ok(())
        })
    }

    // The file is locked while it is open, and no other process sees what is written here.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}
