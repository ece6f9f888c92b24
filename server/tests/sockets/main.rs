//! The front door over real sockets: every answer to a handshake, every way in which a connection ends, and what it costs.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod autobahn;
mod closing;
mod flow;
mod handshake;
mod house;
mod limits;
mod proxied;
mod raw;
mod tls;
