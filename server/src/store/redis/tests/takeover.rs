//! One session per user over several nodes.

use std::sync::Arc;

use realtime_gateway_protocol::{CloseCode, UserId};

use super::{ONE, TestNode, alone};
use crate::{
    drain::Tasks,
    store::{Admission, Nodes, Note, Sessions},
};

#[tokio::test]
async fn whoever_is_replaced_on_another_node_is_told_through_its_inbox() {
    let redis = alone();
    let (mut a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let first = a.session("anna", "1");
    assert_eq!(a.store.open_session(first.clone(), ONE).await.unwrap(), Admission::Admitted(vec![]));
    let second = b.session("anna", "2");
    assert_eq!(b.store.open_session(second.clone(), ONE).await.unwrap(), Admission::Admitted(vec![first.clone()]));
    let close = Note::Close { user_id: first.user.clone(), session_id: first.id, code: CloseCode::REPLACED.0 };
    assert_eq!(a.pulse().await.notes, [close]);
    assert!(a.pulse().await.notes.is_empty(), "what was read is gone");
    assert!(b.pulse().await.notes.is_empty());
    assert_eq!(a.store.sessions_of(&first.user).await.unwrap(), [second]);
    // Nobody has to be told of what a node did itself.
    b.store.open_session(b.session("anna", "3"), ONE).await.unwrap();
    assert!(b.pulse().await.notes.is_empty());
}

#[tokio::test]
async fn what_was_not_read_yet_comes_again() {
    let redis = alone();
    let (mut a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    for (user, id) in [("anna", "1"), ("bert", "2")] {
        a.store.open_session(a.session(user, id), ONE).await.unwrap();
        b.store.open_session(b.session(user, &format!("{id}b")), ONE).await.unwrap();
    }
    let unread = a.read;
    assert_eq!(a.pulse().await.notes.len(), 2);
    a.read = unread;
    assert_eq!(a.pulse().await.notes.len(), 2, "this pulse's answer may have been lost");
    assert!(a.pulse().await.notes.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sessions_at_once_on_two_nodes_one_lives_and_all_others_are_told() {
    let redis = alone();
    let mut nodes = [TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await];
    for round in 0..20 {
        let user = format!("user{round}");
        let shared: Vec<_> = nodes.iter().map(|node| Arc::new((node.session(&user, "x"), &node.store))).collect();
        let opens = (0..50).map(|n| {
            let node = shared[n % 2].clone();
            async move {
                let record = crate::store::SessionRecord { id: format!("s{n}").try_into().unwrap(), ..node.0.clone() };
                node.1.open_session(record, ONE).await.unwrap()
            }
        });
        let admissions = futures_util::future::join_all(opens).await;
        let gone = admissions.into_iter().map(|admission| match admission {
            Admission::Admitted(replaced) => replaced,
            other => panic!("{other:?}"),
        });
        let mut gone: Vec<String> = gone.flatten().map(|record| record.id.to_string()).collect();
        gone.sort();
        gone.dedup();
        assert_eq!(gone.len(), 49, "each is replaced once");
        let user = UserId::new(&user).unwrap();
        assert_eq!(nodes[0].store.sessions_of(&user).await.unwrap().len(), 1);
    }
    let (a, b) = (nodes[0].pulse().await.notes.len(), nodes[1].pulse().await.notes.len());
    assert!(a > 0 && b > 0 && a + b <= 20 * 49, "{a} and {b}");
}

#[tokio::test]
async fn the_step_that_removes_a_session_reports_it_once() {
    let redis = alone();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let first = a.session("anna.b", "1");
    a.store.open_session(first.clone(), ONE).await.unwrap();
    b.store.open_session(b.session("anna.b", "2"), ONE).await.unwrap();
    // Its own node closes it too, later.
    a.store.close_session(&first.user, &first.id, CloseCode::REPLACED).await.unwrap();
    b.store.close_session(&first.user, &"2".to_owned().try_into().unwrap(), CloseCode::NORMAL).await.unwrap();
    let events = super::outbox::all(&a.store).await;
    let shown: Vec<_> = events.iter().map(|entry| (&*entry.node, &*entry.event.id, &*entry.event.key)).collect();
    assert_eq!(
        shown,
        [
            ("a", "opened-1", "session.opened.anna%2Eb"),
            ("b", "closed-1", "session.closed.anna%2Eb"),
            ("b", "opened-2", "session.opened.anna%2Eb"),
            ("b", "closed-2", "session.closed.anna%2Eb"),
        ]
    );
    let body: serde_json::Value = serde_json::from_slice(&events[1].event.body).unwrap();
    assert_eq!((&body["sessionId"], &body["code"]), (&"1".into(), &4409.into()));
    assert!(body["durationMs"].is_u64());
    let body: serde_json::Value = serde_json::from_slice(&events[0].event.body).unwrap();
    assert_eq!(body, serde_json::json!({ "sessionId": "1" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_is_the_sum_of_all_nodes() {
    use crate::store::{Presence, PresenceChange::*};
    let redis = alone();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let (clan, anna) = ("c".to_owned().try_into().unwrap(), UserId::new("anna").unwrap());
    for (node, sessions, change) in
        [(&a, 2, Came), (&b, 1, None), (&a, 0, None), (&a, 0, None), (&b, 0, Left), (&b, 3, Came), (&a, 1, None)]
    {
        assert_eq!(node.store.set_present(&clan, &anna, sessions).await.unwrap(), change);
    }
    assert_eq!(a.store.present(&clan, 10).await.unwrap().users, [(anna.clone(), 4)]);
    // Of many who say so at once, one is told that the user came, and one that they left.
    let tasks = Tasks::default();
    let nodes = [Arc::new(a), Arc::new(b)];
    for (sessions, change) in [(1, Came), (0, Left)] {
        let bert = UserId::new("bert").unwrap();
        let running: Vec<_> = (0..20)
            .map(|n| {
                let (node, clan, bert) = (nodes[n % 2].clone(), clan.clone(), bert.clone());
                tasks.spawn(async move { node.store.set_present(&clan, &bert, sessions).await.unwrap() })
            })
            .collect();
        let mut told = 0;
        for task in running {
            told += usize::from(task.await.unwrap() == change);
        }
        assert_eq!(told, 1);
    }
}

#[tokio::test]
async fn a_note_of_another_version_is_ignored() {
    let redis = alone();
    let mut a = TestNode::join(&redis, "a").await;
    let inbox = format!("{{{}}}:inbox:{}", redis.prefix, a.name.incarnation);
    let shared = realtime_gateway_brokers::redis::shared();
    shared.cli(&["xadd", &inbox, "*", "v", "2", "n", r#"{"type":"close","userId":"u","sessionId":"s","code":1}"#]);
    shared.cli(&["xadd", &inbox, "*", "v", "1", "n", r#"{"type":"dance"}"#]);
    let note =
        Note::Close { user_id: UserId::new("u").unwrap(), session_id: "s".to_owned().try_into().unwrap(), code: 1 };
    a.store.post("a", &note).await.unwrap();
    assert_eq!(a.pulse().await.notes, [note]);
    assert!(a.pulse().await.notes.is_empty());
}
