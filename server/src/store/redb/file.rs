//! The data file: opened, opened again after a fault, read and written in transactions.

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
use crate::{config::Durability, store::open::OpenError};

/// Memory for pages that were read or written.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// A failed read opens the file again at most so often: each time all of it is checked.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// A compaction waits this long for reads that have begun before.
const READS_END: Duration = Duration::from_millis(500);

/// The file, or its absence while it cannot be opened.
///
/// After an I/O error redb refuses every call until the file is opened again, reads included. So whoever meets one
/// opens it again, and a read is then tried once more.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    durability: Durability,
    /// The file that was opened, whatever stands at the path now.
    identity: Identity,
    detached: AtomicBool,
    /// Whether redb had to repair it when it was opened.
    was_repaired: bool,
    /// Set while the file is compacted: then commits are flushed whatever the durability is.
    flushes: Arc<AtomicBool>,
    opened: RwLock<Opened>,
    /// Held while a write transaction lives, because the file cannot be opened again before it ends.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Opened {
    database: Option<Database>,
    /// Rises each time the file is opened, so that one fault opens it once.
    generation: u64,
    attempted: Instant,
    closed: bool,
}

impl DataFile {
    /// Opens the file; it and its directory are made when they are not there.
    pub(super) fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Their names are flushed below: a name that is lost with the machine loses all that was confirmed.
        let made: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(directory).map_err(|source| OpenError::Directory { path: directory.into(), source })?;
        let unwritable = |source| OpenError::Unwritable { path: path.into(), source };
        let file = open_or_create(path).map_err(unwritable)?;
        let identity = Identity::of(&file).map_err(unwritable)?;
        let (repaired, flushes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let opening = Opening { path, durability, repaired: &repaired, flushes: &flushes };
        let database = opening.run(file).map_err(|error| explain(path, error))?;
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

    /// Looks whether the file still stands at its path. Elsewhere, what is written to it would be lost with the process.
    pub(super) fn look(&self) -> bool {
        let found = Identity::at(&self.path);
        let detached = !matches!(found, Ok(Some(found)) if found == self.identity);
        if self.detached.swap(detached, Ordering::Relaxed) != detached {
            let path = self.path.display();
            match found {
                _ if !detached => tracing::info!(%path, "the data file is at its path again; writes go on"),
                Ok(None) => tracing::error!(%path, "the data file was removed; writes are refused until it is back"),
                Ok(Some(_)) => {
                    tracing::error!(%path, "the data file was replaced; writes are refused until it is back");
                }
                Err(error) => {
                    tracing::error!(%path, %error, "the data file cannot be looked at; writes are refused");
                }
            }
        }
        !detached
    }

    /// Whether the last look found something else at the path, or nothing.
    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Relaxed)
    }

    /// Why nothing is written to a file that is elsewhere.
    pub(super) fn detached_reason(&self) -> Arc<str> {
        format!("the data file was removed from {}, or replaced; put it back, or restart", self.path.display()).into()
    }

    /// What an operator should look at.
    pub(super) fn warnings(&self) -> Vec<Arc<str>> {
        exposure(&self.path).into_iter().map(Arc::from).collect()
    }

    /// Runs a read; where a fault had closed the file, once more after it was opened again.
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

    /// Runs a read, and tells which opening of the file it was on.
    pub(super) fn read_once<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> (Result<T, Fault>, u64) {
        // The lock covers the beginning only: a transaction outlives a closed file, with an error.
        let opened = self.opened.read();
        let generation = opened.generation;
        let transaction = match opened.database() {
            Ok(database) => database.begin_read().map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        drop(opened);
        (transaction.and_then(|transaction| guard(|| read(&transaction))), generation)
    }

    /// Runs a step in a write transaction, and commits it when the step says that it changed something. When this
    /// returns without a fault, the changes are as durable as configured.
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

    /// Which opening of the file is current.
    pub(super) fn generation(&self) -> u64 {
        self.opened.read().generation
    }

    /// Opens the file again, unless that happened since the given generation or too recently. Readers wait
    /// meanwhile.
    pub(super) fn reopen(&self, since: u64, interval: Duration) {
        let _writing = self.writing.lock();
        let mut opened = self.opened.write();
        let recent = opened.generation > 0 && opened.attempted.elapsed() < interval;
        if opened.closed || opened.generation != since || recent {
            return;
        }
        opened.generation += 1;
        // The lock of the file goes with the database. What failed before may fail again here.
        if let Err(error) = opened.close_database() {
            tracing::debug!(%error, "the data file was not closed cleanly before it is opened again");
        }
        match self.open_again() {
            Ok(database) => opened.database = Some(database),
            Err(error) => tracing::error!(%error, "the data file cannot be opened again"),
        }
        opened.attempted = Instant::now();
    }

    /// Opens the same file once more, and no other: a new one in its place holds nothing.
    fn open_again(&self) -> Result<Database, DatabaseError> {
        let file = File::options().read(true).write(true).open(&self.path)?;
        if Identity::of(&file)? != self.identity {
            return Err(io::Error::other("another file stands at its path").into());
        }
        let repaired = Arc::default();
        let opening =
            Opening { path: &self.path, durability: self.durability, repaired: &repaired, flushes: &self.flushes };
        opening.run(file)
    }

    /// Writes everything out. Later calls give a fault.
    pub(super) fn close(&self) {
        let _writing = self.writing.lock();
        let mut opened = self.opened.write();
        opened.closed = true;
        if let Err(error) = opened.close_database() {
            tracing::error!(%error, "the data file was not closed cleanly; it is repaired at the next start");
        }
    }

    /// How much of the disk it takes, and how much is left.
    pub(super) fn usage(&self) -> io::Result<DiskUsage> {
        DiskUsage::of(&self.path)
    }

    /// Whether it was not closed cleanly before it was opened.
    pub(super) fn was_repaired(&self) -> bool {
        self.was_repaired
    }

    /// Moves all pages to the beginning of the file and cuts the rest off; whether there was anything to move. Reads and
    /// writes wait meanwhile. A process that is killed meanwhile leaves a file that is whole.
    ///
    /// # Errors
    /// [`Fault::Busy`] when a read goes on for long that has begun before.
    pub(super) fn compact(&self) -> Result<bool, Fault> {
        let _writing = self.writing.lock();
        let mut opened = self.opened.write();
        let absent = if opened.closed { Fault::Closed } else { Fault::Absent };
        let database = opened.database.as_mut().ok_or(absent)?;
        // Pages that reach the disk in any order would endanger all data, and not only what was written last.
        self.flushes.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let compacted = guard(|| {
            loop {
                match database.compact() {
                    Ok(compacted) => return Ok(compacted),
                    Err(CompactionError::Storage(error)) => return Err(error.into()),
                    // Reads that have begun before end soon, and no other begins while the lock is held. redb has no
                    // event for the end of a read, so this asks again.
                    Err(_) if began.elapsed() < READS_END => std::thread::sleep(READS_END / 100),
                    Err(_) => return Err(Fault::Busy),
                }
            }
        });
        self.flushes.store(false, Ordering::Relaxed);
        compacted
    }
}

impl Opened {
    /// Closes the database, if it is open. redb writes then, and may panic on damaged pages.
    fn close_database(&mut self) -> Result<(), Fault> {
        let Some(database) = self.database.take() else { return Ok(()) };
        guard(|| database.close().map_err(|error| Fault::File(Box::new(error.into()))))
    }

    fn database(&self) -> Result<&Database, Fault> {
        self.database.as_ref().ok_or(if self.closed { Fault::Closed } else { Fault::Absent })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Err(error) = self.close_database() {
            tracing::error!(%error, "the data file was not closed cleanly; it is repaired at the next start");
        }
    }
}

/// Whether a step has something to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It wrote.
    Made,
    /// It only looked.
    None,
}

/// How a file is opened.
struct Opening<'a> {
    path: &'a Path,
    durability: Durability,
    /// Set when redb has to repair the file.
    repaired: &'a Arc<AtomicBool>,
    flushes: &'a Arc<AtomicBool>,
}

impl Opening<'_> {
    fn run(self, file: File) -> Result<Database, DatabaseError> {
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

/// Flushes the directory that a name stands in.
fn flush_name(path: &Path) -> io::Result<()> {
    match path.parent() {
        // Windows opens no directories, and keeps names with its journal.
        Some(directory) if cfg!(unix) => {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            File::open(directory)?.sync_all()
        }
        _ => Ok(()),
    }
}

/// What redb's error means for whoever starts the gateway.
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
    fn a_read_that_meets_a_fault_opens_the_file_again_and_is_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let file = DataFile::open(&directory.path().join("a.redb"), Durability::Fsync).unwrap();
        let calls = Cell::new(0);
        let fault_first = |_: &ReadTransaction| {
            calls.set(calls.get() + 1);
            if calls.get() == 1 { Err(StorageError::PreviousIo.into()) } else { Ok(calls.get()) }
        };
        assert_eq!(file.read(fault_first).unwrap(), 2);
        assert_eq!(file.generation(), 1);
        // Not for every read of many at once: each opening checks the whole file.
        let always = |_: &ReadTransaction| Err::<(), _>(Fault::from(StorageError::PreviousIo));
        assert!(file.read(always).is_err());
        assert_eq!(file.generation(), 1);
        // What is no fault of the file opens nothing.
        file.reopen(1, Duration::ZERO);
        assert!(file.read(|_| Err::<(), _>(Fault::Damaged)).is_err());
        assert_eq!(file.generation(), 2);
        file.close();
        assert!(matches!(file.read(|_| Ok(())), Err(Fault::Closed)));
        file.reopen(2, Duration::ZERO);
        assert!(matches!(file.read(|_| Ok(())), Err(Fault::Closed)), "closed is closed");
    }
}
