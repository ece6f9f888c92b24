//! Tests for every store: the [conformance suite](conformance), the [model test](model), and a [store that fails](failing).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

pub mod conformance;
pub mod failing;
pub mod model;
pub mod rules;

pub use conformance::{OUTBOX, Subject, WINDOW, options, options_with_outbox, options_with_webhooks};
