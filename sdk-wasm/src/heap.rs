//! The allocator of the WebAssembly module: blocks whose sizes are powers of two, with a free list for each size.
//!
//! Allocating and freeing take a few instructions, and the code is a tenth of the size of the allocator that Rust has
//! for this target. The price is memory: a block is up to twice as large as its content, and a freed block
//! is reused for its own size only.

#![allow(unsafe_code, reason = "an allocator hands out memory")]
// On other targets only its tests use it.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "the allocator of another target"))]

use std::{alloc::Layout, ops::Range, ptr};

/// The size of the smallest block. It holds the address of the next free block, and has the alignment of every type.
const MIN_BLOCK: usize = 16;
/// The number of free lists: one for each power of two of 32 bits.
const SIZE_CLASSES: usize = 32;

/// The source of new memory.
pub(crate) trait Pages {
    /// Grows the memory by at least this many bytes, and returns the new part.
    fn grow(&mut self, bytes: usize) -> Option<Range<usize>>;
}

/// The free blocks, and the rest of the memory, which was never used.
pub(crate) struct Heap<P> {
    pages: P,
    /// The first free block of each size. Each free block begins with the address of the next one, or 0.
    free: [usize; SIZE_CLASSES],
    unused: usize,
    end: usize,
}

impl<P: Pages> Heap<P> {
    /// Creates an empty heap.
    pub(crate) const fn new(pages: P) -> Self {
        Self { pages, free: [0; SIZE_CLASSES], unused: 0, end: 0 }
    }

    /// Returns a block for a layout. Returns null if there is no memory left, or if the alignment is too large.
    pub(crate) fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let Some((size, list)) = block(layout).and_then(|size| Some((size, self.list(size)?))) else {
            return ptr::null_mut();
        };
        let first = *list;
        if first == 0 {
            return self.take_unused(size);
        }
        let block = ptr::with_exposed_provenance_mut::<usize>(first);
        // SAFETY: what is in a list was given back, is at least `MIN_BLOCK` bytes long, aligned to that, and holds the
        // address that `release` wrote.
        *list = unsafe { block.read() };
        block.cast()
    }

    /// Frees a block that `allocate` returned for the same layout.
    ///
    /// # Safety
    ///
    /// `allocate` returned the block for this layout, and the block is not used any more.
    pub(crate) unsafe fn release(&mut self, at: *mut u8, layout: Layout) {
        let Some(list) = block(layout).and_then(|size| self.list(size)) else { return };
        // SAFETY: the caller gives the block away, which `allocate` made long and aligned enough for an address.
        unsafe { at.cast::<usize>().write(*list) };
        *list = at.expose_provenance();
    }

    fn list(&mut self, size: usize) -> Option<&mut usize> {
        self.free.get_mut(usize::try_from(size.trailing_zeros()).ok()?)
    }

    fn take_unused(&mut self, size: usize) -> *mut u8 {
        if self.unused.checked_add(size).is_none_or(|after| after > self.end) {
            // Grow by more than is requested: if the WebAssembly is translated to JavaScript, growing copies all
            // memory.
            let more = self.pages.grow(size.max(self.end / 8)).or_else(|| self.pages.grow(size));
            let Some(Range { start, end }) = more else { return ptr::null_mut() };
            // The unused rest is contiguous with the new memory, unless other memory lies between.
            if start != self.end {
                self.unused = start.next_multiple_of(MIN_BLOCK);
            }
            self.end = end;
        }
        let at = self.unused;
        self.unused += size;
        ptr::with_exposed_provenance_mut(at)
    }
}

/// Returns the size of the block for a layout. A reallocation within the same block size need not move.
pub(crate) fn block(layout: Layout) -> Option<usize> {
    let size = layout.size().max(MIN_BLOCK).checked_next_power_of_two()?;
    (layout.align() <= MIN_BLOCK).then_some(size)
}

#[cfg(target_arch = "wasm32")]
mod module {
    use std::{
        alloc::{GlobalAlloc, Layout},
        arch::wasm32,
        cell::UnsafeCell,
        ops::Range,
        ptr,
    };

    use super::{Heap, Pages, block};

    const PAGE: usize = 64 * 1024;

    struct Memory;

    impl Pages for Memory {
        fn grow(&mut self, bytes: usize) -> Option<Range<usize>> {
            let pages = bytes.div_ceil(PAGE);
            let before = wasm32::memory_grow::<0>(pages);
            // The last byte of 4 GiB is left out: its end would be no address.
            (before != usize::MAX).then(|| before * PAGE..(before + pages).saturating_mul(PAGE))
        }
    }

    struct Module(UnsafeCell<Heap<Memory>>);

    // SAFETY: the module is built without threads: it has one, and no allocation happens inside another.
    unsafe impl Sync for Module {}

    #[global_allocator]
    static MODULE: Module = Module(UnsafeCell::new(Heap::new(Memory)));

    // SAFETY: blocks do not overlap, are as long and aligned as requested, and stay until they are given back.
    unsafe impl GlobalAlloc for Module {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: there is one thread, and `allocate` calls nothing that allocates.
            unsafe { &mut *self.0.get() }.allocate(layout)
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            // SAFETY: as above; the caller gives back what it was given.
            unsafe { (*self.0.get()).release(at, layout) }
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            let Ok(wanted) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
            if block(layout) == block(wanted) {
                return at;
            }
            // SAFETY: the caller's promises are those of `alloc` and `dealloc`, and the blocks are two.
            unsafe {
                let other = self.alloc(wanted);
                if !other.is_null() {
                    ptr::copy_nonoverlapping(at, other, layout.size().min(size));
                    self.dealloc(at, layout);
                }
                other
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that exists already and is handed out page by page.
    struct Given {
        end: usize,
        most: usize,
    }

    impl Pages for Given {
        fn grow(&mut self, bytes: usize) -> Option<Range<usize>> {
            let start = self.end;
            self.end = start.checked_add(bytes.checked_next_multiple_of(4096)?).filter(|end| *end <= self.most)?;
            Some(start..self.end)
        }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    /// Runs with a heap of this many bytes.
    fn with_heap(bytes: usize, run: impl FnOnce(&mut Heap<Given>)) {
        let mut memory = vec![0_u128; bytes / 16];
        let start = memory.as_mut_ptr().expose_provenance();
        run(&mut Heap::new(Given { end: start, most: start + bytes }));
    }

    #[test]
    fn reuses_blocks_without_overlap() {
        with_heap(1 << 20, |heap| {
            // A sequence without a pattern, the same each time.
            let mut random = 7_u32;
            let mut next = |below: u32| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 8) % below
            };
            let mut held: Vec<(*mut u8, usize, u8)> = Vec::new();
            for round in 0..20_000_u32 {
                if held.len() > 50 || (!held.is_empty() && next(2) == 0) {
                    let (at, size, filling) = held.swap_remove(usize::try_from(next(held.len() as u32)).unwrap());
                    // SAFETY: the block was given for this size and is held.
                    let bytes = unsafe { std::slice::from_raw_parts(at, size) };
                    assert!(
                        bytes.iter().all(|byte| *byte == filling),
                        "round {round}: another allocation overwrote it"
                    );
                    // SAFETY: it is not used after this.
                    unsafe { heap.release(at, layout(size)) };
                } else {
                    let size = usize::try_from(next(5_000)).unwrap();
                    let at = heap.allocate(layout(size));
                    assert!(!at.is_null(), "round {round}: it does not use again what was given back");
                    assert_eq!(at.addr() % MIN_BLOCK, 0);
                    let filling = round.to_le_bytes()[0];
                    // SAFETY: the block is at least so long.
                    unsafe { at.write_bytes(filling, size) };
                    held.push((at, size, filling));
                }
            }
        });
    }

    #[test]
    fn exhausted_memory_returns_null() {
        with_heap(1 << 16, |heap| {
            assert!(heap.allocate(layout(1 << 17)).is_null());
            assert!(heap.allocate(layout(usize::MAX / 4)).is_null());
            assert!(heap.allocate(Layout::from_size_align(8, 64).unwrap()).is_null());
            let all: Vec<_> =
                std::iter::repeat_with(|| heap.allocate(layout(1_000))).take_while(|at| !at.is_null()).collect();
            assert_eq!(all.len(), 64);
            // SAFETY: it is not used after this.
            unsafe { heap.release(all[3], layout(900)) };
            assert_eq!(heap.allocate(layout(1_024)), all[3]);
        });
    }
}
