//! One session per user across nodes: of fifty concurrent connections on two nodes exactly one stays open, in every
//! round.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use realtime_gateway_tests::{Socket, Token, must, within};

use crate::cluster::Cluster;

/// The number of concurrent connections of one user.
const AT_ONCE: usize = 50;

/// Returns the number of rounds: `GATEWAY_ROUNDS`, or the default.
#[expect(clippy::disallowed_methods, reason = "the person who runs the tests sets the number of rounds")]
fn rounds(default: usize) -> usize {
    std::env::var("GATEWAY_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_one_of_fifty_concurrent_sessions_on_two_nodes() {
    let cluster = Cluster::start(2).await;
    for round in 0..rounds(50) {
        expect_one_session(&cluster, round).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_one_of_fifty_concurrent_sessions_while_channel_between_nodes_is_cut() {
    let cluster = Cluster::start(2).await;
    let connecting = async {
        for round in 0..rounds(10) {
            expect_one_session(&cluster, round).await;
        }
    };
    tokio::select! {
        () = connecting => {}
        () = cluster.keep_cutting_channel() => {}
    }
    assert!(cluster.metric(0, "gateway_cluster_reconnects_total").await > 0.0, "the channel was never cut");
}

async fn expect_one_session(cluster: &Cluster, round: usize) {
    let user = format!("user-{round}");
    let token = Token::for_user(&user);
    let connects = (0..AT_ONCE).map(|n| {
        let (node, token) = (&cluster.nodes[n % 2], token.text());
        async move { Socket::open(node, "/ws", Some(&token)).await.unwrap() }
    });
    let mut sockets = join_all(connects).await;
    // All connections but one are closed with 4409. The remaining one must still answer.
    let mut closing: FuturesUnordered<_> =
        sockets.iter_mut().enumerate().map(|(n, socket)| async move { (n, socket.close_code().await) }).collect();
    let mut open: BTreeSet<usize> = (0..AT_ONCE).collect();
    while open.len() > 1 {
        let (n, code) =
            must("one more connection is replaced", closing.next()).await.expect("fifty connections are watched");
        assert_eq!(code, 4409, "round {round}");
        open.remove(&n);
    }
    drop(closing);
    let survivor = *open.first().expect("one connection remains");
    assert!(
        sockets[survivor].messages_until_pong().await.iter().all(|message| message["type"] == "connected"),
        "round {round}"
    );
    for node in &cluster.nodes {
        let one_record = || async {
            let sessions = node.api().get(&format!("/api/v1/users/{user}/sessions")).await;
            sessions["sessions"].as_array().is_some_and(|sessions| sessions.len() == 1)
        };
        within(Duration::from_secs(5), "one session record remains", one_record).await;
    }
    sockets.swap_remove(survivor).close().await;
}
