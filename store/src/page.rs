//! One page of a log and its size limit.

use super::{Entry, Lost, PageLimit};

/// The remaining entries and bytes of a page that is being filled. The first entry always fits.
pub(super) struct PageBudget {
    entries: usize,
    bytes: usize,
    taken: bool,
}

impl PageBudget {
    /// Creates the budget of an empty page.
    pub(super) fn new(limit: PageLimit) -> Self {
        Self { entries: limit.entries, bytes: limit.bytes, taken: false }
    }

    /// Returns whether an entry of this many bytes fits. If so, subtracts it from the budget.
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
            // The first entry alone exceeds the limit: no other entry follows it, not even an empty one.
            None => self.entries = 0,
        }
        true
    }
}

/// Returns the position after a page that was read forward from the position `from`.
pub(super) fn next_position(entries: &[Entry], exhausted: bool, from: u64, head: u64) -> u64 {
    match entries.last() {
        _ if exhausted => head,
        Some(last) => last.offset,
        None => from.min(head),
    }
}

/// The content of a page: its entries, the position after it, and the entries that could not be read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    pub(super) next: u64,
    pub(super) lost: Option<Lost>,
}
