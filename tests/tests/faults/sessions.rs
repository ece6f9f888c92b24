//! One session per user, exact over all nodes: of fifty connections at once on two nodes one lives, each time.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use realtime_gateway_tests::{Socket, Token, Weather, must, within};

use crate::cluster::Cluster;

/// How many connections of one user come at once.
const AT_ONCE: usize = 50;

/// How many rounds: `GATEWAY_ROUNDS`, or these.
#[expect(clippy::disallowed_methods, reason = "whoever runs it by command says for how long")]
fn rounds(usual: usize) -> usize {
    std::env::var("GATEWAY_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_on_two_nodes_one_lives() {
    let cluster = Cluster::start(2).await;
    for round in 0..rounds(50) {
        one_lives(&cluster, round).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn also_when_no_doorbell_comes() {
    let cluster = Cluster::start(2).await;
    for line in &cluster.to_rabbit {
        line.set(Weather::Stalled);
    }
    for round in 0..rounds(10) {
        one_lives(&cluster, round).await;
    }
}

async fn one_lives(cluster: &Cluster, round: usize) {
    let user = format!("user-{round}");
    let token = Token::of(&user);
    let connects = (0..AT_ONCE).map(|n| {
        let (node, token) = (&cluster.nodes[n % 2], token.text());
        async move { Socket::open(node, "/ws", Some(&token)).await.unwrap() }
    });
    let mut sockets = join_all(connects).await;
    // All but one are told that they were replaced. The one that lives is found by elimination, and answers.
    let mut closing: FuturesUnordered<_> =
        sockets.iter_mut().enumerate().map(|(n, socket)| async move { (n, socket.closed().await) }).collect();
    let mut living: BTreeSet<usize> = (0..AT_ONCE).collect();
    while living.len() > 1 {
        let (n, code) = must("one more is replaced", closing.next()).await.expect("fifty are watched");
        assert_eq!(code, 4409, "round {round}");
        living.remove(&n);
    }
    drop(closing);
    let survivor = *living.first().expect("one lives");
    assert!(sockets[survivor].drain().await.iter().all(|message| message["type"] == "connected"), "round {round}");
    for node in &cluster.nodes {
        let one = || async {
            let sessions = node.api().get(&format!("/api/v1/users/{user}/sessions")).await;
            sessions["sessions"].as_array().is_some_and(|sessions| sessions.len() == 1)
        };
        within(Duration::from_secs(5), "one record is left", one).await;
    }
    sockets.swap_remove(survivor).close().await;
}
