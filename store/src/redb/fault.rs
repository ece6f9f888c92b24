//! Errors when reading and writing the data file.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{StoreError, copy::Abandoned, damage::Damage};

/// The error of a read or write of the data file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// An error of redb or the operating system.
    #[error("{0}")]
    File(Box<redb::Error>),
    /// The checksum or content of a row is not valid.
    #[error("a row of the data file is damaged")]
    Damaged,
    /// redb cannot read a page of the file.
    #[error("a page of the data file is damaged ({0})")]
    Page(String),
    /// The file could not be opened again yet.
    #[error("the data file cannot be opened")]
    NotOpen,
    /// The receiver of a copy was dropped.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// An id was used before with different content. Nothing was changed.
    #[error("the id was used before with other content")]
    Conflict,
    /// The file cannot be compacted because of a read in progress.
    #[error("the data file is being read")]
    Busy,
    /// New entries are refused, for this reason.
    #[error("{0}")]
    NoSpace(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Runs a step that may read damaged data. redb panics on some damaged pages; such a panic becomes [`Fault::Page`].
pub(super) fn guard<T>(step: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let unwound = |_| Err(Fault::Page("redb panicked on it".into()));
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(unwound)
}

impl Fault {
    /// Returns whether the file is damaged. Reopening it does not help then.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged | Self::Page(_))
    }

    /// Returns whether the error affects only one operation, provided that the operation has changed nothing.
    pub(super) fn is_of_one_operation(&self) -> bool {
        matches!(self, Self::Damaged | Self::Conflict | Self::NoSpace(_))
    }

    /// Returns whether the file has to be reopened before any operation can succeed.
    pub(super) fn needs_reopening(&self) -> bool {
        matches!(self, Self::File(_) | Self::NotOpen)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Conflict => Self::Conflict,
            Fault::NoSpace(reason) => Self::Full(reason),
            fault => Self::Unavailable(fault.to_string().into()),
        }
    }
}

impl Damage {
    /// Records the position of a fault, if the fault is damage.
    pub(super) fn record_fault(&self, what: &'static str, position: &str, fault: &Fault) {
        if fault.is_damage() {
            self.record(what, &position, 1);
        }
    }
}

/// Converts the error types of redb, of which each kind of call has its own.
macro_rules! from_redb {
    ($($error:ident)*) => {
        $(
            impl From<redb::$error> for Fault {
                fn from(error: redb::$error) -> Self {
                    match error.into() {
                        redb::Error::Corrupted(reason) => Self::Page(reason),
                        error => Self::File(Box::new(error)),
                    }
                }
            }
        )*
    };
}

from_redb!(StorageError TableError TransactionError CommitError);
