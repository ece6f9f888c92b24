#![doc = include_str!("../README.md")]

mod core;
mod fault;
mod input;
mod output;
mod pending;
mod streams;

pub use core::Core;
