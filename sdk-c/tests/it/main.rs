//! The library through its C interface: the transcripts, the rules of its functions, and programs in C and Python.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what fails here is a failed test"
)]

mod library;
mod programs;
mod rules;
mod threads;
mod transcripts;
