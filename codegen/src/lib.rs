//! Typed code from contracts, and the comparison of two contracts. This crate does no I/O.
//!
#![doc = include_str!("../README.md")]

mod code;
mod error;
mod names;

mod lowering;
mod model;

mod go;
mod kotlin;
mod python;
mod rust;
mod typescript;

mod compare;
mod generator;

pub use compare::{Change, compare};
pub use error::{CodegenError, Warning};
pub use generator::{Generated, GeneratedFile, Generator, Language};
