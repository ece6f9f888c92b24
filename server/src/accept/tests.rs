//! What a socket costs beside its connection.

use super::*;
use crate::node::Node;

fn size_of_future<F>(_: impl Fn(Guest<Node>, TcpStream, Counted) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn what_http_takes_is_given_back() {
    let bytes = size_of_future(Guest::<Node>::serve::<TcpStream>);
    assert!(bytes <= 1_184, "{bytes}");
}
