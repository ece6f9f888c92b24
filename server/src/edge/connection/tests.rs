//! The memory that an idle connection takes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{Bounds, run};
use crate::{commands::router::Router, delivery::outbound::Outbound, metrics::Metrics};

/// Returns the size of the future that `run` returns.
fn size_of_future<S, C, F>(_: impl Fn(S, Bytes, Arc<Outbound>, Arc<Metrics>, Bounds, C) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn connection_future_is_small() {
    let bytes = size_of_future(run::<TcpStream, Router>);
    assert!(bytes <= 976, "{bytes} bytes, of which the handler {}", size_of::<Router>());
}
