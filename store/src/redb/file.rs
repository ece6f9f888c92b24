//! The data file: opens it, reopens it after an error, and runs read and write transactions.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use redb::{
    Builder, CompactionError, Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError,
    WriteTransaction, backends::FileBackend,
};

use super::{
    backend::UnflushedFile,
    disk::DiskUsage,
    fault::{Fault, guard},
    identity::{Identity, exposure, open_or_create},
};
use crate::{Durability, open::OpenError};

/// The size of redb's page cache.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// The shortest time between two attempts of failed reads to reopen the file. Each attempt checks the whole file.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// How long a compaction waits for reads in progress.
const COMPACTION_WAIT: Duration = Duration::from_millis(500);

/// The data file, which may be closed while it cannot be opened.
///
/// After an I/O error redb refuses every call, including reads, until the file is opened again. The caller that gets
/// such an error therefore reopens the file; a read is then repeated once.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    durability: Durability,
    /// The identity of the opened file, which may no longer be at the path.
    identity: Identity,
    detached: AtomicBool,
    /// Whether redb had to repair the file when it was opened.
    was_repaired: bool,
    /// Set during a compaction. Commits are flushed then, with either durability.
    flushes: Arc<AtomicBool>,
    opened: RwLock<Opened>,
    /// Held during a write transaction, because the file cannot be reopened before the transaction ends.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Opened {
    database: Option<Database>,
    /// How often the file was reopened. Callers that got the same error compare it, so that only one of them reopens
    /// it.
    generation: u64,
    attempted: Instant,
    closed: bool,
}

impl DataFile {
    /// Opens the file. Creates it and its directory if they do not exist.
    pub(super) fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The directory entries of new files are flushed below. If an entry were lost in a crash of the machine, all
        // confirmed data would be lost with it.
        let made: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(directory).map_err(|source| OpenError::Directory { path: directory.into(), source })?;
        let unwritable = |source| OpenError::Unwritable { path: path.into(), source };
        let file = open_or_create(path).map_err(unwritable)?;
        let identity = Identity::of(&file).map_err(unwritable)?;
        let (repaired, flushes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let options = OpenOptions { path, durability, repaired: &repaired, flushes: &flushes };
        let database = options.open(file).map_err(|error| explain(path, error))?;
        for made in made {
            flush_name(made).map_err(|source| OpenError::Directory { path: directory.into(), source })?;
        }
        super::migrations::prepare(&database, path)?;
        if let Some(warning) = exposure(path) {
            tracing::warn!("{warning}");
        }
        let opened = Opened { database: Some(database), generation: 0, attempted: Instant::now(), closed: false };
        Ok(Self {
            path: path.into(),
            durability,
            identity,
            detached: AtomicBool::new(false),
            was_repaired: repaired.load(Ordering::Relaxed),
            flushes,
            opened: RwLock::new(opened),
            writing: Mutex::new(()),
        })
    }

    /// Checks whether the opened file is still at its path, and logs a change. If it is not, written data would be lost
    /// when the process exits.
    pub(super) fn check_in_place(&self) -> bool {
        let found = Identity::at(&self.path);
        let detached = !matches!(found, Ok(Some(found)) if found == self.identity);
        if self.detached.swap(detached, Ordering::Relaxed) != detached {
            let path = self.path.display();
            match found {
                _ if !detached => tracing::info!(%path, "the data file is at its path again; writes continue"),
                Ok(None) => {
                    tracing::error!(%path, "the data file was removed; writes are refused until it is put back")
                }
                Ok(Some(_)) => {
                    tracing::error!(%path, "the data file was replaced; writes are refused until it is put back");
                }
                Err(error) => {
                    tracing::error!(%path, %error, "the data file cannot be inspected; writes are refused");
                }
            }
        }
        !detached
    }

    /// Returns whether the last check found that the file is no longer at its path.
    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Relaxed)
    }

    /// Returns the error message for writes while the file is not at its path.
    pub(super) fn detached_reason(&self) -> Arc<str> {
        format!("the data file was removed from {}, or replaced; put it back, or restart", self.path.display()).into()
    }

    /// Returns problems that an operator should check.
    pub(super) fn warnings(&self) -> Vec<Arc<str>> {
        exposure(&self.path).into_iter().map(Arc::from).collect()
    }

    /// Runs a read. If the file has to be reopened, reopens it and repeats the read once.
    pub(super) fn read<T>(&self, read: impl Fn(&ReadTransaction) -> Result<T, Fault>) -> Result<T, Fault> {
        let (result, generation) = self.read_once(&read);
        match result {
            Err(fault) if fault.needs_reopening() => {
                self.reopen(generation, REOPEN_INTERVAL);
                self.read_once(&read).0
            }
            result => result,
        }
    }

    /// Runs a read once. Also returns the generation of the file that it used.
    pub(super) fn read_once<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> (Result<T, Fault>, u64) {
        // The lock covers only the start of the transaction. If the file is closed later, the transaction returns
        // errors.
        let opened = self.opened.read();
        let generation = opened.generation;
        let transaction = match opened.database() {
            Ok(database) => database.begin_read().map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        drop(opened);
        (transaction.and_then(|transaction| guard(|| read(&transaction))), generation)
    }

    /// Runs a step in a write transaction, and commits it if the step returns [`Change::Made`]. After success the
    /// changes have the configured durability.
    pub(super) fn write<T>(
        &self,
        step: impl FnOnce(&WriteTransaction) -> Result<(T, Change), Fault>,
    ) -> Result<T, Fault> {
        let _writing = self.writing.lock();
        let transaction = self.opened.read().database()?.begin_write()?;
        let (value, change) = step(&transaction)?;
        match change {
            Change::Made => transaction.commit()?,
            Change::None => transaction.abort()?,
        }
        Ok(value)
    }

    /// Returns how often the file was reopened.
    pub(super) fn generation(&self) -> u64 {
        self.opened.read().generation
    }

    /// Reopens the file, unless its generation is no longer `since` or the last attempt was less than `interval` ago.
    /// Readers wait meanwhile.
    pub(super) fn reopen(&self, since: u64, interval: Duration) {
        let _writing = self.writing.lock();
        let mut opened = self.opened.write();
        let recent = opened.generation > 0 && opened.attempted.elapsed() < interval;
        if opened.closed || opened.generation != since || recent {
            return;
        }
        opened.generation += 1;
        // Closing the database also releases the lock of the file. The error that made this necessary may occur again.
        if let Err(error) = opened.close_database() {
            tracing::debug!(%error, "the data file was not closed cleanly before it is opened again");
        }
        match self.open_again() {
            Ok(database) => opened.database = Some(database),
            Err(error) => tracing::error!(%error, "the data file cannot be opened again"),
        }
        opened.attempted = Instant::now();
    }

    /// Opens the file at the path again, but only if it is still the same file: a new file would be empty.
    fn open_again(&self) -> Result<Database, DatabaseError> {
        let file = File::options().read(true).write(true).open(&self.path)?;
        if Identity::of(&file)? != self.identity {
            return Err(io::Error::other("another file is at its path").into());
        }
        let repaired = Arc::default();
        let options =
            OpenOptions { path: &self.path, durability: self.durability, repaired: &repaired, flushes: &self.flushes };
        options.open(file)
    }

    /// Writes all pending data and closes the file. Later calls return [`Fault::Closed`].
    pub(super) fn close(&self) {
        let _writing = self.writing.lock();
        let mut opened = self.opened.write();
        opened.closed = true;
        if let Err(error) = opened.close_database() {
            tracing::error!(%error, "the data file was not closed cleanly; it is repaired at the next start");
        }
    }

    /// Returns the disk space that the file uses, and the free space of its file system.
    pub(super) fn usage(&self) -> io::Result<DiskUsage> {
        DiskUsage::of(&self.path)
    }

    /// Returns whether the file had not been closed cleanly before it was opened.
    pub(super) fn was_repaired(&self) -> bool {
        self.was_repaired
    }

    /// Moves all pages to the beginning of the file and truncates the rest. Returns whether any page was moved. Reads
    /// and writes wait meanwhile. If the process is killed meanwhile, the file remains valid.
    ///
    /// # Errors
    /// [`Fault::Busy`] if a read in progress takes too long.
    pub(super) fn compact(&self) -> Result<bool, Fault> {
        let _writing = self.writing.lock();
        let mut opened = self.opened.write();
        let absent = if opened.closed { Fault::Closed } else { Fault::NotOpen };
        let database = opened.database.as_mut().ok_or(absent)?;
        // A compaction moves all pages. Unflushed pages reach the disk in any order, and a crash would then risk all
        // data and not only the latest writes.
        self.flushes.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let compacted = guard(|| {
            loop {
                match database.compact() {
                    Ok(compacted) => return Ok(compacted),
                    Err(CompactionError::Storage(error)) => return Err(error.into()),
                    // Wait for the reads in progress; no new read can begin while the lock is held. redb has no event
                    // for the end of a read, so this polls.
                    Err(_) if began.elapsed() < COMPACTION_WAIT => std::thread::sleep(COMPACTION_WAIT / 100),
                    Err(_) => return Err(Fault::Busy),
                }
            }
        });
        self.flushes.store(false, Ordering::Relaxed);
        compacted
    }
}

impl Opened {
    /// Closes the database if it is open. redb writes while closing, and may panic on damaged pages.
    fn close_database(&mut self) -> Result<(), Fault> {
        let Some(database) = self.database.take() else { return Ok(()) };
        guard(|| database.close().map_err(|error| Fault::File(Box::new(error.into()))))
    }

    fn database(&self) -> Result<&Database, Fault> {
        self.database.as_ref().ok_or(if self.closed { Fault::Closed } else { Fault::NotOpen })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Err(error) = self.close_database() {
            tracing::error!(%error, "the data file was not closed cleanly; it is repaired at the next start");
        }
    }
}

/// Whether a step in a write transaction has something to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The step has written.
    Made,
    /// The step has only read.
    None,
}

/// The options for opening the file with redb.
struct OpenOptions<'a> {
    path: &'a Path,
    durability: Durability,
    /// Set to true if redb has to repair the file.
    repaired: &'a Arc<AtomicBool>,
    flushes: &'a Arc<AtomicBool>,
}

impl OpenOptions<'_> {
    fn open(self, file: File) -> Result<Database, DatabaseError> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let (shown, repaired) = (self.path.to_path_buf(), self.repaired.clone());
        builder.set_repair_callback(move |session| {
            if session.progress() == 0.0 {
                repaired.store(true, Ordering::Relaxed);
                tracing::warn!(path = %shown.display(), "the data file was not closed cleanly; all of it is checked now");
            }
        });
        let open = || match self.durability {
            Durability::Fsync => builder.create_with_backend(FileBackend::new(file)?),
            Durability::Os => builder.create_with_backend(UnflushedFile::new(file, self.flushes.clone())?),
        };
        // redb panics on some damaged files.
        catch_unwind(AssertUnwindSafe(open))
            .unwrap_or_else(|_| Err(StorageError::Corrupted("redb panicked on it".into()).into()))
    }
}

/// Flushes the directory of a file, so that the file's name survives a crash of the machine.
fn flush_name(path: &Path) -> io::Result<()> {
    match path.parent() {
        // Windows cannot open directories as files; its file system journal keeps the names.
        Some(directory) if cfg!(unix) => {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            File::open(directory)?.sync_all()
        }
        _ => Ok(()),
    }
}

/// Converts redb's error when opening a file into the error for the operator.
pub(super) fn explain(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_path_buf();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::InUse { path },
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
            OpenError::Unwritable { path, source }
        }
        DatabaseError::Storage(StorageError::Io(_)) => OpenError::NotAStore { path },
        other => OpenError::Damaged { path, reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn reopens_file_and_repeats_read_after_fault() {
        let directory = tempfile::tempdir().unwrap();
        let file = DataFile::open(&directory.path().join("a.redb"), Durability::Fsync).unwrap();
        let calls = Cell::new(0);
        let fault_first = |_: &ReadTransaction| {
            calls.set(calls.get() + 1);
            if calls.get() == 1 { Err(StorageError::PreviousIo.into()) } else { Ok(calls.get()) }
        };
        assert_eq!(file.read(fault_first).unwrap(), 2);
        assert_eq!(file.generation(), 1);
        // The interval limits how often concurrent reads reopen the file.
        let always = |_: &ReadTransaction| Err::<(), _>(Fault::from(StorageError::PreviousIo));
        assert!(file.read(always).is_err());
        assert_eq!(file.generation(), 1);
        // Other faults do not reopen the file.
        file.reopen(1, Duration::ZERO);
        assert!(file.read(|_| Err::<(), _>(Fault::Damaged)).is_err());
        assert_eq!(file.generation(), 2);
        file.close();
        assert!(matches!(file.read(|_| Ok(())), Err(Fault::Closed)));
        file.reopen(2, Duration::ZERO);
        assert!(matches!(file.read(|_| Ok(())), Err(Fault::Closed)), "closed is closed");
    }
}
