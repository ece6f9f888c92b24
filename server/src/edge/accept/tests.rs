//! The memory that a socket takes in addition to its connection.

use super::*;
use crate::gateway::GatewayEdgeContext;

fn size_of_future<F>(_: impl Fn(AcceptedSocket<GatewayEdgeContext>, TcpStream, [CountGuard; 2]) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn socket_future_does_not_keep_the_http_exchange() {
    let bytes = size_of_future(AcceptedSocket::<GatewayEdgeContext>::serve::<TcpStream>);
    assert!(bytes <= 1_184, "{bytes}");
}
