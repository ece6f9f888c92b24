//! What goes wrong with the file while it is used.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::store::{StoreError, copy::Abandoned, damage::Damage};

/// Why a step on the file failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The file, or the disk under it.
    #[error("{0}")]
    File(Box<redb::Error>),
    /// A row that is not what was written there.
    #[error("a row of the data file is damaged")]
    Damaged,
    /// A page of the file, between the rows, that redb cannot read.
    #[error("a page of the data file is damaged ({0})")]
    Page(String),
    /// The file could not be opened again yet.
    #[error("the data file cannot be opened")]
    Absent,
    /// Whoever wanted the rows has gone.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// An id that stands for other content. Nothing was changed.
    #[error("the id was used before with other content")]
    Conflict,
    /// A read that has begun before keeps the file from being compacted.
    #[error("the data file is being read")]
    Busy,
    /// New entries are refused.
    #[error("{0}")]
    NoSpace(Arc<str>),
    /// The store is closed, for good.
    #[error("the store is closed")]
    Closed,
}

/// Runs a step that may meet damage. redb panics on some damaged pages; a panic is a fault of this step then.
pub(super) fn guard<T>(step: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let unwound = |_| Err(Fault::Page("redb panicked on it".into()));
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(unwound)
}

impl Fault {
    /// Whether something in the file is damaged. Opening the file again does not help then.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged | Self::Page(_))
    }

    /// Whether it concerns one operation only, which has changed nothing.
    pub(super) fn is_of_one_operation(&self) -> bool {
        matches!(self, Self::Damaged | Self::Conflict | Self::NoSpace(_))
    }

    /// Whether the file has to be opened again before anything else can succeed.
    pub(super) fn needs_reopening(&self) -> bool {
        matches!(self, Self::File(_) | Self::Absent)
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
    /// Notes what a fault says of a row, if it says that it is damaged.
    pub(super) fn note_fault(&self, what: &'static str, place: &str, fault: &Fault) {
        if fault.is_damage() {
            self.note(what, &place, 1);
        }
    }
}

/// redb has an error type per kind of call; all of them mean the same here.
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
