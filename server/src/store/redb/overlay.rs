//! A data file that is read and never written: what redb writes stays in memory. So a file can be looked at, and repaired
//! by redb's own means, without a byte of it being changed.

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
use crate::store::open::OpenError;

/// What is kept in memory is kept in blocks of this size.
const BLOCK: u64 = 4_096;
/// Memory for pages that were read.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Where redb's header says which of the two last commits is current, and whether the file was closed.
const STATE_BYTE: usize = 9;
/// In that byte: which commit is current.
const SECOND_COMMIT: u8 = 1;
/// In that byte: the file was not closed.
const NOT_CLOSED: u8 = 2;

/// A file that nothing is written to.
pub(super) enum Unwritten {
    /// redb opens it, if need be after a repair, in memory, of what a crash leaves.
    Sound(Database),
    /// redb refuses to open it; it was opened all the same, as if it had been closed cleanly.
    Refused(ReadOnlyDatabase),
}

impl Unwritten {
    /// Begins to read.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, Fault> {
        guard(|| match self {
            Self::Sound(database) => Ok(database.begin_read()?),
            Self::Refused(database) => Ok(database.begin_read()?),
        })
    }
}

/// Opens a file for reading only.
///
/// # Errors
/// When a gateway runs on it, or it is so damaged that nothing in it can be found.
pub(super) fn open(path: &Path) -> Result<Unwritten, OpenError> {
    let unchanged = overlay(path, |state| state)?;
    let opened = guard(|| Ok(builder().create_with_backend(unchanged)));
    let reason = match opened {
        Ok(Ok(database)) => return Ok(Unwritten::Sound(database)),
        Ok(Err(error)) => match explain(path, error) {
            OpenError::Damaged { reason, .. } => reason,
            other => return Err(other),
        },
        Err(fault) => fault.to_string(),
    };
    for state in [|state: u8| state & !NOT_CLOSED, |state: u8| (state ^ SECOND_COMMIT) & !NOT_CLOSED] {
        let changed = overlay(path, state)?;
        let opened = guard(|| {
            // A reader of this mode does without the record of free pages, which only a clean close leaves.
            let mut builder = builder();
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            let opened = builder.open_read_only_with_backend(changed);
            let opened = Unwritten::Refused(opened.map_err(|error| Fault::Page(error.to_string()))?);
            // Whether this commit leads anywhere.
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

/// The file, whose byte of state reads as another one.
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

/// The file, and what was written over it.
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
    /// A file whose byte of state reads as another one.
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
    /// A block as it reads now; zeros beyond the end.
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

    /// Works on each part of a range with the block that it lies in.
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
