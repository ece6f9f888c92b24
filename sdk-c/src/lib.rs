#![doc = include_str!("../README.md")]

mod abi;
mod clients;
// The WebAssembly modules of this crate and of `sdk-wasm` have the same allocator. It is no crate of its own, because a
// global allocator would then be linked into every program that depends on it.
#[cfg(target_arch = "wasm32")]
#[path = "../../sdk-wasm/src/heap.rs"]
mod heap;

pub use abi::{
    GW_ABI, GW_FULL, GW_INVALID, GW_NO_CLIENT, GW_OK, GW_PANICKED, gw_abi, gw_alloc, gw_close, gw_deadline, gw_digest,
    gw_free, gw_handle, gw_open, gw_take, gw_text,
};
