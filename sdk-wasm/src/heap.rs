//! The memory of the WebAssembly module: blocks whose sizes are powers of two, in a list of free ones for each size.
//!
//! Both taking and giving back are a few instructions, and the whole of it is a tenth of the allocator that Rust brings
//! for this target. The price is memory: a block is up to twice as large as what is in it, and one that was given back
//! serves its own size only.

#![allow(unsafe_code, reason = "an allocator hands out memory")]
// Elsewhere than in a browser only its tests use it.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "the allocator of another target"))]

use std::{alloc::Layout, ops::Range, ptr};

/// The smallest block: it has room for the address of the next free one, and the alignment of every type.
const LEAST: usize = 16;
/// One list for each power of two that 32 bits can count.
const SIZES: usize = 32;

/// Where new memory comes from.
pub(crate) trait Pages {
    /// Grows the memory by at least this many bytes, and returns the new part.
    fn grow(&mut self, bytes: usize) -> Option<Range<usize>>;
}

/// Free blocks, and the rest of the memory, which was never used.
pub(crate) struct Heap<P> {
    pages: P,
    /// The first free block of each size: there the address of the next is written, 0 in the last.
    free: [usize; SIZES],
    unused: usize,
    end: usize,
}

impl<P: Pages> Heap<P> {
    /// A heap without memory.
    pub(crate) const fn new(pages: P) -> Self {
        Self { pages, free: [0; SIZES], unused: 0, end: 0 }
    }

    /// A block for this; null where memory is at its end, or for an alignment that no type here has.
    pub(crate) fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let Some((size, list)) = block(layout).and_then(|size| Some((size, self.list(size)?))) else {
            return ptr::null_mut();
        };
        let first = *list;
        if first == 0 {
            return self.take_unused(size);
        }
        let block = ptr::with_exposed_provenance_mut::<usize>(first);
        // SAFETY: what is in a list was given back, is at least `LEAST` bytes long, aligned to that, and holds the
        // address that `release` wrote.
        *list = unsafe { block.read() };
        block.cast()
    }

    /// Takes back what `allocate` gave for the same layout.
    ///
    /// # Safety
    ///
    /// The block was given for this layout, and is not used from now on.
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
            // More than is asked for: where WebAssembly is turned into JavaScript, growing copies all of it.
            let more = self.pages.grow(size.max(self.end / 8)).or_else(|| self.pages.grow(size));
            let Some(Range { start, end }) = more else { return ptr::null_mut() };
            // What is left of the memory before goes on in the new one, unless something else lies between.
            if start != self.end {
                self.unused = start.next_multiple_of(LEAST);
            }
            self.end = end;
        }
        let at = self.unused;
        self.unused += size;
        ptr::with_exposed_provenance_mut(at)
    }
}

/// How large the block for this is. A longer or shorter layout with the same block can stay where it is.
pub(crate) fn block(layout: Layout) -> Option<usize> {
    let size = layout.size().max(LEAST).checked_next_power_of_two()?;
    (layout.align() <= LEAST).then_some(size)
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

    // SAFETY: blocks do not overlap, are as long and aligned as asked, and stay until they are given back.
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

    /// Memory that was there before and is handed out page by page.
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
    fn blocks_do_not_overlap_and_are_used_again() {
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
                    assert_eq!(at.addr() % LEAST, 0);
                    let filling = round.to_le_bytes()[0];
                    // SAFETY: the block is at least so long.
                    unsafe { at.write_bytes(filling, size) };
                    held.push((at, size, filling));
                }
            }
        });
    }

    #[test]
    fn the_end_of_memory_is_null_and_no_end_of_the_heap() {
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
