//! Leases of several nodes, and the removal of sessions and presence of stopped nodes.

use std::time::Duration;

use realtime_gateway_protocol::{ClanId, RawJson, ServiceName, TopicName, UserId, topic::Topic};

use super::{ONE_SESSION, RedisOptions, TestNode, eventually, own_prefix};
use crate::{
    Admission, ControlMessage, LeaseRenewal, Nodes, Presence, PresenceChange, PresentUser, Reaped, Sessions,
    UserPresence,
};

/// Returns options with short leases, so that tests do not wait long.
fn short() -> RedisOptions {
    RedisOptions { lease: Duration::from_millis(300), ..own_prefix() }
}

async fn ids(node: &TestNode) -> Vec<String> {
    node.store.nodes().await.unwrap().into_iter().map(|node| node.id).collect()
}

/// Reconciles the given node until it is the only one with a lease.
async fn until_alone(node: &mut TestNode) {
    eventually("the end of other leases", async || {
        node.reconcile().await;
        ids(node).await.len() == 1
    })
    .await;
}

/// Reaps until nothing is left. Returns the number of sessions and the absent users.
async fn reap(node: &TestNode) -> (u64, Vec<String>) {
    let (mut sessions, mut absent) = (0, Vec::new());
    loop {
        let reaped = node.store.reap().await.unwrap();
        sessions += reaped.sessions;
        absent.extend(reaped.absent.iter().map(|absent| format!("{} {}", absent.topic, absent.user)));
        if !reaped.more {
            absent.sort();
            return (sessions, absent);
        }
    }
}

#[tokio::test]
async fn acquires_renews_loses_and_releases_lease() {
    let redis = short();
    let mut a = TestNode::connect(&redis, "a").await;
    assert_eq!(a.reconcile().await.lease, LeaseRenewal::Acquired, "the first reconciliation takes it");
    assert_eq!(a.reconcile().await.lease, LeaseRenewal::Renewed);
    let mut b = TestNode::join(&redis, "b").await;
    until_alone(&mut b).await;
    assert_eq!(a.reconcile().await.lease, LeaseRenewal::Acquired, "it had ended");
    assert_eq!(a.reconcile().await.lease, LeaseRenewal::Renewed);
    assert_eq!(ids(&b).await, ["a", "b"]);
    a.store.resign().await.unwrap();
    assert_eq!(ids(&b).await, ["b"]);
}

#[tokio::test]
async fn removes_and_reports_leftovers_of_stopped_node_once() {
    let redis = short();
    let (a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let mut c = TestNode::join(&redis, "c").await;
    for n in 0..450 {
        a.store.open_session(a.session(&format!("u{n}"), &format!("s{n}")), ONE_SESSION).await.unwrap();
    }
    let clan = Topic::Clan(ClanId::new("c").unwrap());
    let topic = Topic::Service(ServiceName::new("s").unwrap(), TopicName::new("t").unwrap());
    let (anna, bert) = (UserId::new("anna").unwrap(), UserId::new("bert").unwrap());
    for (node, user) in [(&a, &anna), (&a, &bert), (&b, &bert)] {
        for topic in [&clan, &topic] {
            let data = Some(RawJson::parse(&format!("\"{}\"", node.name.id)).unwrap());
            node.store.set_present(topic, user, UserPresence { sessions: 1, data }).await.unwrap();
        }
    }
    b.store.open_session(b.session("anna", "b1"), ONE_SESSION).await.unwrap();
    eventually("the end of the lease", async || {
        b.reconcile().await;
        c.reconcile().await;
        ids(&b).await == ["b", "c"]
    })
    .await;
    let first = b.store.reap().await.unwrap();
    assert!(first.more && first.sessions > 0 && first.sessions < 450, "it is bounded: {first:?}");
    // Two concurrent calls do not report the same twice.
    let (by_b, by_c) = tokio::join!(reap(&b), reap(&c));
    assert_eq!(first.sessions + by_b.0 + by_c.0, 450);
    let mut absent: Vec<String> =
        first.absent.iter().map(|absent| format!("{} {}", absent.topic, absent.user)).collect();
    absent.extend(by_b.1.into_iter().chain(by_c.1));
    absent.sort();
    assert_eq!(absent, ["clan:c anna", "service:s:t anna"], "bert is on another node still");
    assert_eq!(b.store.reap().await.unwrap(), Reaped::default());
    assert!(b.store.sessions_of(&UserId::new("u7").unwrap()).await.unwrap().is_empty());
    assert_eq!(b.store.sessions_of(&anna).await.unwrap().len(), 1, "the living keep theirs");
    let left = PresentUser { user: bert, sessions: 1, data: Some(RawJson::parse("\"b\"").unwrap()) };
    for topic in [&clan, &topic] {
        assert_eq!(b.store.present(topic, 10).await.unwrap().users, std::slice::from_ref(&left));
    }
    // The data of a user who was removed does not come back.
    let change = b.store.set_present(&topic, &anna, UserPresence::of_sessions(1)).await.unwrap();
    assert_eq!(change, PresenceChange::Came);
    assert_eq!(b.store.present(&topic, 1).await.unwrap().users, [PresentUser { user: anna, sessions: 1, data: None }]);
    let events = super::outbox::all(&b.store).await;
    let mut closed: Vec<_> = events.iter().filter(|entry| entry.event.id.starts_with("closed-s")).collect();
    assert!(closed.iter().all(|entry| entry.event.body.windows(11).any(|text| text == b"\"code\":1006")));
    closed.sort_by_key(|entry| entry.event.id.clone());
    closed.dedup_by_key(|entry| entry.event.id.clone());
    assert_eq!((closed.len(), events.len()), (450, 450 + 450 + 1), "each was opened and closed, and b1 was opened");
}

#[tokio::test]
async fn restarted_node_is_another_incarnation() {
    let redis = short();
    let before = TestNode::join(&redis, "a").await;
    before.store.open_session(before.session("anna", "old"), ONE_SESSION).await.unwrap();
    before.store.open_session(before.session("bert", "older"), ONE_SESSION).await.unwrap();
    let mut after = TestNode::join(&redis, "a").await;
    assert_eq!(ids(&after).await, ["a", "a"], "no node knows yet that one has stopped");
    let replaced = after.store.open_session(after.session("anna", "new"), ONE_SESSION).await.unwrap();
    assert!(matches!(replaced, Admission::Admitted(replaced) if replaced.len() == 1));
    until_alone(&mut after).await;
    assert_eq!(reap(&after).await, (1, vec![]));
    assert_eq!(after.store.sessions_of(&UserId::new("anna").unwrap()).await.unwrap().len(), 1);
    assert!(after.store.sessions_of(&UserId::new("bert").unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn node_that_returns_late_restores_sessions_that_were_not_replaced() {
    let redis = short();
    let (mut a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let (anna, bert) = (a.session("anna", "1"), a.session("bert", "2"));
    for record in [&anna, &bert] {
        a.store.open_session(record.clone(), ONE_SESSION).await.unwrap();
    }
    until_alone(&mut b).await;
    assert_eq!(reap(&b).await, (2, vec![]));
    b.store.open_session(b.session("bert", "3"), ONE_SESSION).await.unwrap();
    assert_eq!(a.reconcile().await.lease, LeaseRenewal::Acquired);
    assert_eq!(a.store.restore_session(anna, ONE_SESSION).await.unwrap(), Admission::Admitted(vec![]));
    assert_eq!(a.store.restore_session(bert, ONE_SESSION).await.unwrap(), Admission::Superseded);
    b.reconcile().await;
    a.reconcile().await;
    assert_eq!(reap(&b).await, (0, vec![]), "it is there again");
}

#[tokio::test]
async fn control_messages_reach_their_node() {
    let redis = short();
    let (mut a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let control_message = |id: &str| ControlMessage::Close {
        user_id: UserId::new("u").unwrap(),
        session_id: id.to_owned().try_into().unwrap(),
        code: 4403,
    };
    b.store.post("a", &control_message("1")).await.unwrap();
    b.store.post("a", &control_message("2")).await.unwrap();
    b.store.post("unknown", &control_message("3")).await.unwrap();
    assert_eq!(a.reconcile().await.control_messages, [control_message("1"), control_message("2")]);
    assert!(b.reconcile().await.control_messages.is_empty());
    until_alone(&mut b).await;
    b.store.post("a", &control_message("4")).await.unwrap();
    let control_messages = a.reconcile().await.control_messages;
    assert!(
        !control_messages.contains(&control_message("4")),
        "the node had stopped when that was sent: {control_messages:?}"
    );
    assert!(b.store.reap().await.unwrap() == Reaped::default());
}
