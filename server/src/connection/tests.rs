//! What a connection costs while nothing happens.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{Bounds, run};
use crate::{metrics::Metrics, outbound::Outbound, router::Router};

/// The size of the future that a function with these arguments returns.
fn size_of_future<S, C, F>(_: impl Fn(S, Bytes, Arc<Outbound>, Arc<Metrics>, Bounds, C) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_connection_is_small() {
    let bytes = size_of_future(run::<TcpStream, Router>);
    assert!(bytes <= 976, "{bytes} bytes, of which the conversation {}", size_of::<Router>());
}
