//! The durability of confirmed appends.

/// When an append to a data file is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After the data is flushed to the disk.
    Fsync,
    /// After the data is passed to the operating system.
    Os,
}
