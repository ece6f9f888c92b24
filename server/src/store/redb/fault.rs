//! What goes wrong with the file while it is used.

use crate::store::{StoreError, copy::Abandoned};

/// Why a step on the file failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The file, or the disk under it.
    #[error("{0}")]
    File(Box<redb::Error>),
    /// A row that this version did not write.
    #[error("a row of the data file is damaged")]
    Damaged,
    /// The file could not be opened again yet.
    #[error("the data file cannot be opened")]
    Absent,
    /// Whoever wanted the rows has gone.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// The store is closed, for good.
    #[error("the store is closed")]
    Closed,
}

impl Fault {
    /// Whether the file has to be opened again before anything else can succeed.
    pub(super) fn needs_reopening(&self) -> bool {
        matches!(self, Self::File(_) | Self::Absent)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string().into())
    }
}

/// redb has an error type per kind of call; all of them mean the same here.
macro_rules! from_redb {
    ($($error:ident)*) => {
        $(
            impl From<redb::$error> for Fault {
                fn from(error: redb::$error) -> Self {
                    Self::File(Box::new(error.into()))
                }
            }
        )*
    };
}

from_redb!(StorageError TableError TransactionError CommitError);
