//! The SDK's tests: the machine against a model of the gateway, the driver over real sockets, the protocol's vectors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what fails here is a failed test"
)]

mod chaos;
mod driver;
mod ended;
mod gateway;
mod model;
mod stories;
mod succession;
mod vectors;
mod waking;
mod world;
