//! Server-side subscriptions over two nodes: through any node, immediately, and also when a control message is lost.

use realtime_gateway_tests::{Settings, Socket};
use serde_json::json;

use super::{add_topic, claiming, comment, confirmed_by_server, end, post, stored};
use crate::{declared_services::Contracts, two_nodes::Pair};

#[tokio::test]
async fn subscribes_and_ends_sessions_of_other_node() {
    let contracts = Contracts::new();
    let settings = contracts.settings(Settings::default()).set("sessions.max_per_user", "2");
    let pair = Pair::with(settings).await;
    let mut near = Socket::connect_with(&pair.near, &claiming("alice", &[])).await;
    let mut far = Socket::connect_with(&pair.far, &claiming("alice", &[])).await;
    for socket in [&mut near, &mut far] {
        socket.request(json!({ "type": "authenticate", "token": claiming("alice", &[]).text() })).await;
    }
    add_topic(&pair.near, "alice", "order-1").await;
    for socket in [&mut near, &mut far] {
        confirmed_by_server(socket).await;
    }
    post(&pair.far, "order-1", "a").await;
    for socket in [&mut near, &mut far] {
        assert_eq!(socket.expect("event").await["data"], comment("a"));
    }
    assert_eq!(stored(&pair.far, "alice").await, ["order-1"]);
    end(&pair.far, "alice", "service=orders&topic=order-1").await;
    for socket in [&mut near, &mut far] {
        assert_eq!(socket.expect("subscription_ended").await["code"], "forbidden");
    }
    assert_eq!(stored(&pair.near, "alice").await, [""; 0]);
}
