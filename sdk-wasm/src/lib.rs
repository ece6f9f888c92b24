#![doc = include_str!("../README.md")]

mod core;
mod exports;
mod fault;
mod heap;
mod input;
mod output;
mod pending;
mod streams;

pub use core::Core;
