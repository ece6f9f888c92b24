//! The edge over real sockets: handshakes, WebSocket framing, closing, limits, TLS and the PROXY protocol.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod autobahn;
mod closing;
mod echo_server;
mod flow;
mod handshake;
mod limits;
mod proxy_protocol;
mod raw_socket;
mod test_connection;
mod tls;
mod turns;
