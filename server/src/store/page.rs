//! What fits into one page of a log.

use super::{Entry, Lost, PageLimit};

/// Counts entries and bytes of a page as it is filled. The first entry always fits.
pub(super) struct PageBudget {
    entries: usize,
    bytes: usize,
    taken: bool,
}

impl PageBudget {
    /// A page that may hold so much.
    pub(super) fn new(limit: PageLimit) -> Self {
        Self { entries: limit.entries, bytes: limit.bytes, taken: false }
    }

    /// Whether another entry of so many bytes fits; it is counted then.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        if self.entries == 0 || (self.taken && bytes > self.bytes) {
            return false;
        }
        self.taken = true;
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                self.entries -= 1;
            }
            // The first entry alone is over the limit: not even an empty one follows it.
            None => self.entries = 0,
        }
        true
    }
}

/// The position after a page that was read forward from a position.
pub(super) fn next_position(entries: &[Entry], exhausted: bool, from: u64, head: u64) -> u64 {
    match entries.last() {
        _ if exhausted => head,
        Some(last) => last.offset,
        None => from.min(head),
    }
}

/// What a page was filled with, and the position after it.
#[derive(Default)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    pub(super) next: u64,
    pub(super) lost: Option<Lost>,
}
