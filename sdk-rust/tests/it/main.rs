//! The driver over real sockets, against a gateway that follows a script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what fails here is a failed test"
)]

mod driver;
mod gateway;
mod refused;
mod unusable_data;
mod waking;
