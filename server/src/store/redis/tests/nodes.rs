//! Leases of several nodes, and what nodes that are gone have left behind.

use std::time::Duration;

use realtime_gateway_protocol::{ClanId, UserId};

use super::{ONE, RedisOptions, TestNode, alone, eventually};
use crate::store::{Admission, LeaseHeld, Nodes, Note, Presence, Reaped, Sessions};

/// Leases that end soon, so that a test does not wait for long.
fn short() -> RedisOptions {
    RedisOptions { lease: Duration::from_millis(300), ..alone() }
}

async fn ids(node: &TestNode) -> Vec<String> {
    node.store.nodes().await.unwrap().into_iter().map(|node| node.id).collect()
}

/// Waits until only the given node is there, while that has its pulse.
async fn until_alone(node: &mut TestNode) {
    eventually("the end of other leases", async || {
        node.pulse().await;
        ids(node).await.len() == 1
    })
    .await;
}

/// Everything that can be reaped.
async fn reap(node: &TestNode) -> (u64, Vec<String>) {
    let (mut sessions, mut absent) = (0, Vec::new());
    loop {
        let reaped = node.store.reap().await.unwrap();
        sessions += reaped.sessions;
        absent.extend(reaped.absent.iter().map(|absent| format!("{} {}", absent.clan, absent.user)));
        if !reaped.more {
            absent.sort();
            return (sessions, absent);
        }
    }
}

#[tokio::test]
async fn a_lease_is_taken_held_lost_and_given_back() {
    let redis = short();
    let mut a = TestNode::silent(&redis, "a").await;
    assert_eq!(a.pulse().await.lease, LeaseHeld::Anew, "the first pulse takes it");
    assert_eq!(a.pulse().await.lease, LeaseHeld::Held);
    let mut b = TestNode::join(&redis, "b").await;
    until_alone(&mut b).await;
    assert_eq!(a.pulse().await.lease, LeaseHeld::Anew, "it had ended");
    assert_eq!(a.pulse().await.lease, LeaseHeld::Held);
    assert_eq!(ids(&b).await, ["a", "b"]);
    a.store.resign().await.unwrap();
    assert_eq!(ids(&b).await, ["b"]);
}

#[tokio::test]
async fn what_a_dead_node_left_is_removed_and_reported_once() {
    let redis = short();
    let (a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let mut c = TestNode::join(&redis, "c").await;
    for n in 0..450 {
        a.store.open_session(a.session(&format!("u{n}"), &format!("s{n}")), ONE).await.unwrap();
    }
    let clan = ClanId::new("c").unwrap();
    let (anna, bert) = (UserId::new("anna").unwrap(), UserId::new("bert").unwrap());
    for (node, user) in [(&a, &anna), (&a, &bert), (&b, &bert)] {
        node.store.set_present(&clan, user, 1).await.unwrap();
    }
    b.store.open_session(b.session("anna", "b1"), ONE).await.unwrap();
    eventually("the end of the lease", async || {
        b.pulse().await;
        c.pulse().await;
        ids(&b).await == ["b", "c"]
    })
    .await;
    let first = b.store.reap().await.unwrap();
    assert!(first.more && first.sessions > 0 && first.sessions < 450, "it is bounded: {first:?}");
    // Two at once do not report the same twice.
    let (by_b, by_c) = tokio::join!(reap(&b), reap(&c));
    assert_eq!(first.sessions + by_b.0 + by_c.0, 450);
    let mut absent: Vec<String> =
        first.absent.iter().map(|absent| format!("{} {}", absent.clan, absent.user)).collect();
    absent.extend(by_b.1.into_iter().chain(by_c.1));
    assert_eq!(absent, ["c anna"], "bert is on another node still");
    assert_eq!(b.store.reap().await.unwrap(), Reaped::default());
    assert!(b.store.sessions_of(&UserId::new("u7").unwrap()).await.unwrap().is_empty());
    assert_eq!(b.store.sessions_of(&anna).await.unwrap().len(), 1, "the living keep theirs");
    assert_eq!(b.store.present(&clan, 10).await.unwrap().users, [(bert, 1)]);
    let events = super::outbox::all(&b.store).await;
    let mut closed: Vec<_> = events.iter().filter(|entry| entry.event.id.starts_with("closed-s")).collect();
    assert!(closed.iter().all(|entry| entry.event.body.windows(11).any(|text| text == b"\"code\":1006")));
    closed.sort_by_key(|entry| entry.event.id.clone());
    closed.dedup_by_key(|entry| entry.event.id.clone());
    assert_eq!((closed.len(), events.len()), (450, 450 + 450 + 1), "each was opened and closed, and b1 was opened");
}

#[tokio::test]
async fn a_node_that_is_started_again_is_another_one() {
    let redis = short();
    let before = TestNode::join(&redis, "a").await;
    before.store.open_session(before.session("anna", "old"), ONE).await.unwrap();
    before.store.open_session(before.session("bert", "older"), ONE).await.unwrap();
    let mut after = TestNode::join(&redis, "a").await;
    assert_eq!(ids(&after).await, ["a", "a"], "nobody knows yet that one is gone");
    let replaced = after.store.open_session(after.session("anna", "new"), ONE).await.unwrap();
    assert!(matches!(replaced, Admission::Admitted(replaced) if replaced.len() == 1));
    until_alone(&mut after).await;
    assert_eq!(reap(&after).await, (1, vec![]));
    assert_eq!(after.store.sessions_of(&UserId::new("anna").unwrap()).await.unwrap().len(), 1);
    assert!(after.store.sessions_of(&UserId::new("bert").unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_comes_back_too_late_puts_its_sessions_back_or_loses_them() {
    let redis = short();
    let (mut a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let (anna, bert) = (a.session("anna", "1"), a.session("bert", "2"));
    for record in [&anna, &bert] {
        a.store.open_session(record.clone(), ONE).await.unwrap();
    }
    until_alone(&mut b).await;
    assert_eq!(reap(&b).await, (2, vec![]));
    b.store.open_session(b.session("bert", "3"), ONE).await.unwrap();
    assert_eq!(a.pulse().await.lease, LeaseHeld::Anew);
    assert_eq!(a.store.restore_session(anna, ONE).await.unwrap(), Admission::Admitted(vec![]));
    assert_eq!(a.store.restore_session(bert, ONE).await.unwrap(), Admission::Superseded);
    b.pulse().await;
    a.pulse().await;
    assert_eq!(reap(&b).await, (0, vec![]), "it is there again");
}

#[tokio::test]
async fn notes_reach_the_node_that_is_meant() {
    let redis = short();
    let (mut a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let note = |id: &str| Note::Close {
        user_id: UserId::new("u").unwrap(),
        session_id: id.to_owned().try_into().unwrap(),
        code: 4403,
    };
    b.store.post("a", &note("1")).await.unwrap();
    b.store.post("a", &note("2")).await.unwrap();
    b.store.post("nobody", &note("3")).await.unwrap();
    assert_eq!(a.pulse().await.notes, [note("1"), note("2")]);
    assert!(b.pulse().await.notes.is_empty());
    until_alone(&mut b).await;
    b.store.post("a", &note("4")).await.unwrap();
    let notes = a.pulse().await.notes;
    assert!(!notes.contains(&note("4")), "it was gone when that was said: {notes:?}");
    assert!(b.store.reap().await.unwrap() == Reaped::default());
}
