//! One session per user over several nodes.

use std::sync::Arc;

use super::{ONE_SESSION, TestNode, own_prefix};
use crate::{Admission, ControlMessage, Nodes, Sessions};
use gateway_runtime::tasks::Tasks;
use realtime_gateway_protocol::{CloseCode, UserId, topic::Topic};

#[tokio::test]
async fn sends_replaced_session_to_mailbox_of_its_node() {
    let redis = own_prefix();
    let (mut a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let first = a.session("anna", "1");
    assert_eq!(a.store.open_session(first.clone(), ONE_SESSION).await.unwrap(), Admission::Admitted(vec![]));
    let second = b.session("anna", "2");
    assert_eq!(
        b.store.open_session(second.clone(), ONE_SESSION).await.unwrap(),
        Admission::Admitted(vec![first.clone()])
    );
    let close =
        ControlMessage::Close { user_id: first.user.clone(), session_id: first.id, code: CloseCode::REPLACED.0 };
    assert_eq!(a.reconcile().await.control_messages, [close]);
    assert!(a.reconcile().await.control_messages.is_empty(), "messages that were read are removed");
    assert!(b.reconcile().await.control_messages.is_empty());
    assert_eq!(a.store.sessions_of(&first.user).await.unwrap(), [second]);
    // A node gets no message about a session that it replaced itself.
    b.store.open_session(b.session("anna", "3"), ONE_SESSION).await.unwrap();
    assert!(b.reconcile().await.control_messages.is_empty());
}

#[tokio::test]
async fn returns_unread_control_messages_again() {
    let redis = own_prefix();
    let (mut a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    for (user, id) in [("anna", "1"), ("bert", "2")] {
        a.store.open_session(a.session(user, id), ONE_SESSION).await.unwrap();
        b.store.open_session(b.session(user, &format!("{id}b")), ONE_SESSION).await.unwrap();
    }
    let unread = a.read;
    assert_eq!(a.reconcile().await.control_messages.len(), 2);
    a.read = unread;
    assert_eq!(a.reconcile().await.control_messages.len(), 2, "this reconciliation's answer may have been lost");
    assert!(a.reconcile().await.control_messages.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_one_of_concurrent_sessions_on_two_nodes() {
    let redis = own_prefix();
    let mut nodes = [TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await];
    for round in 0..20 {
        let user = format!("user{round}");
        let shared: Vec<_> = nodes.iter().map(|node| Arc::new((node.session(&user, "x"), &node.store))).collect();
        let opens = (0..50).map(|n| {
            let node = shared[n % 2].clone();
            async move {
                let record = crate::SessionRecord { id: format!("s{n}").try_into().unwrap(), ..node.0.clone() };
                node.1.open_session(record, ONE_SESSION).await.unwrap()
            }
        });
        let admissions = futures_util::future::join_all(opens).await;
        let replaced = admissions.into_iter().map(|admission| match admission {
            Admission::Admitted(replaced) => replaced,
            other => panic!("{other:?}"),
        });
        let mut replaced: Vec<String> = replaced.flatten().map(|record| record.id.to_string()).collect();
        replaced.sort();
        replaced.dedup();
        assert_eq!(replaced.len(), 49, "each is replaced once");
        let user = UserId::new(&user).unwrap();
        assert_eq!(nodes[0].store.sessions_of(&user).await.unwrap().len(), 1);
    }
    let (a, b) = (nodes[0].reconcile().await.control_messages.len(), nodes[1].reconcile().await.control_messages.len());
    assert!(a > 0 && b > 0 && a + b <= 20 * 49, "{a} and {b}");
}

#[tokio::test]
async fn reports_removed_session_once() {
    let redis = own_prefix();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let first = a.session("anna.b", "1");
    a.store.open_session(first.clone(), ONE_SESSION).await.unwrap();
    b.store.open_session(b.session("anna.b", "2"), ONE_SESSION).await.unwrap();
    // Later the session's own node closes it too.
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
async fn presence_sums_all_nodes() {
    use crate::{Presence, PresenceChange::*, PresentUser, UserPresence};
    let redis = own_prefix();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let (clan, anna) = (Topic::Clan("c".to_owned().try_into().unwrap()), UserId::new("anna").unwrap());
    for (node, sessions, change) in
        [(&a, 2, Came), (&b, 1, None), (&a, 0, None), (&a, 0, None), (&b, 0, Left), (&b, 3, Came), (&a, 1, None)]
    {
        assert_eq!(node.store.set_present(&clan, &anna, UserPresence::of_sessions(sessions)).await.unwrap(), change);
    }
    let sum = PresentUser { user: anna.clone(), sessions: 4, data: Option::None };
    assert_eq!(a.store.present(&clan, 10).await.unwrap().users, [sum]);
    // Of many concurrent calls, one returns that the user came, and one that the user left.
    let tasks = Tasks::default();
    let nodes = [Arc::new(a), Arc::new(b)];
    for (sessions, change) in [(1, Came), (0, Left)] {
        let bert = UserId::new("bert").unwrap();
        let running: Vec<_> = (0..20)
            .map(|n| {
                let (node, clan, bert) = (nodes[n % 2].clone(), clan.clone(), bert.clone());
                tasks.spawn(async move {
                    node.store.set_present(&clan, &bert, UserPresence::of_sessions(sessions)).await.unwrap()
                })
            })
            .collect();
        let mut reported = 0;
        for task in running {
            reported += usize::from(task.await.unwrap() == change);
        }
        assert_eq!(reported, 1);
    }
}

#[tokio::test]
async fn ignores_control_message_of_another_version() {
    let redis = own_prefix();
    let mut a = TestNode::join(&redis, "a").await;
    let mailbox = format!("{{{}}}:inbox:{}", redis.prefix, a.name.incarnation);
    let shared = realtime_gateway_brokers::redis::shared();
    shared.cli(&["xadd", &mailbox, "*", "v", "2", "n", r#"{"type":"close","userId":"u","sessionId":"s","code":1}"#]);
    shared.cli(&["xadd", &mailbox, "*", "v", "1", "n", r#"{"type":"dance"}"#]);
    let message = ControlMessage::Close {
        user_id: UserId::new("u").unwrap(),
        session_id: "s".to_owned().try_into().unwrap(),
        code: 1,
    };
    a.store.post("a", &message).await.unwrap();
    assert_eq!(a.reconcile().await.control_messages, [message]);
    assert!(a.reconcile().await.control_messages.is_empty());
}
