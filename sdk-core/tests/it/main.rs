//! The core's tests: the machine against a model of the gateway, and the protocol's vectors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what fails here is a failed test"
)]

mod chaos;
mod ended;
mod model;
mod numbers;
mod replay;
mod server_side;
mod stopping;
mod stories;
mod succession;
mod tabs;
mod transcripts;
mod vectors;
mod waking;
mod without_history;
mod world;
