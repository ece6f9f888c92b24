//! Broadcasts in Redis: the bytes sent and stored, and the loss of a shared body.

use realtime_gateway_brokers::redis::{RedisServer, shared};
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{TestNode, options_for, own_prefix};
use crate::{
    Broadcast, Log, Pending, Recipient, Store,
    testing::conformance::{ALL, bodies, content, user_topic},
};

/// The maximum number of users in one request of the HTTP API.
const USERS: usize = 1_000;

fn id(id: &str) -> NotificationId {
    NotificationId::new(id).unwrap()
}

fn broadcast(users: usize, named: &str, body: Vec<u8>) -> Broadcast {
    let at: Timestamp = std::time::SystemTime::now().into();
    let user = |n| UserId::new(format!("u{n}")).unwrap();
    Broadcast {
        id: id(named),
        content: content(named),
        at,
        body: body.into(),
        expires: Timestamp::from_millis(at.millis() + 600_000),
        escalate_at: None,
        max_pending: 1_000,
        recipients: (0..users).map(|n| Recipient { user: user(n), dropped_event: None }).collect(),
    }
}

async fn acknowledge(node: &TestNode, name: &str, named: &str) -> usize {
    node.store.acknowledge(&UserId::new(name).unwrap(), &[id(named)], None).await.unwrap().len()
}

#[tokio::test]
async fn reports_missing_body_to_each_recipient() {
    let redis = own_prefix();
    let node = TestNode::join(&redis, "a").await;
    let keys = |pattern: &str| shared().cli(&["--scan", "--pattern", &format!("{{{}}}:{pattern}", redis.prefix)]);
    let mut removed_keys = String::new();
    for named in ["first", "second", "third", "fourth"] {
        let before = keys("body:*");
        let all = broadcast(2, named, named.repeat(200).into_bytes());
        assert!(node.store.notify_all(all).await.iter().all(Result::is_ok));
        let after = keys("body:*");
        if ["second", "third"].contains(&named) {
            let key = after.lines().find(|key| !before.contains(key)).unwrap();
            removed_keys += key;
            removed_keys += "\n";
        }
    }
    for key in removed_keys.lines() {
        shared().cli(&["del", key]);
    }
    for name in ["u0", "u1"] {
        let page = node.store.read(&user_topic(name), 0, ALL).await.unwrap();
        assert_eq!((bodies(&page), page.next), (vec!["first".repeat(200)], 1), "a page ends before what is lost");
        let page = node.store.read(&user_topic(name), 1, ALL).await.unwrap();
        let lost = page.lost.unwrap();
        assert_eq!((lost.first, lost.last, page.next, page.entries.len()), (2, 3, 3, 0));
        let page = node.store.read(&user_topic(name), 3, ALL).await.unwrap();
        assert_eq!((bodies(&page), page.next, page.lost.is_none()), (vec!["fourth".repeat(200)], 4, true));
        let back = node.store.read_back(&user_topic(name), u64::MAX, ALL).await.unwrap();
        assert_eq!(back.entries.len(), 2);
        for named in ["first", "second", "third", "fourth"] {
            assert_eq!(acknowledge(&node, name, named).await, 1);
        }
    }
    assert!(node.store.status().damaged > 0);
    assert_eq!(keys("body:*"), "");
}

/// Earlier versions read the body as the fourth value. They must fail, and not deliver an empty notification.
#[tokio::test]
async fn entry_that_refers_to_body_has_three_fields() {
    let redis = own_prefix();
    let node = TestNode::join(&redis, "a").await;
    assert!(node.store.notify_all(broadcast(2, "n", vec![b'x'; 1_000])).await.iter().all(Result::is_ok));
    let row = shared().cli(&["xrange", &format!("{{{}}}:pending:u1", redis.prefix), "-", "+"]);
    let fields: Vec<&str> = row.lines().collect();
    assert_eq!((fields.len(), fields[1], fields[3], fields[6]), (7, "t", "x", "n"), "{row}");
    assert!(fields[5].starts_with("body:"), "{row}");
}

#[tokio::test]
async fn sends_and_stores_large_broadcast_once() {
    let server = RedisServer::with(&[("save", ""), ("appendonly", "yes")]);
    let node = TestNode::join(&options_for(&server), "a").await;
    let sample = || {
        let info = server.cli(&["info", "everything"]);
        ["total_net_input_bytes:", "used_memory:", "aof_current_size:"].map(|name| -> u64 {
            info.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap().parse().unwrap()
        })
    };
    let before = sample();
    let all = broadcast(USERS, "n", vec![b'x'; 250 * 1024]);
    assert!(node.store.notify_all(all).await.iter().all(Result::is_ok));
    let after = sample();
    let [sent, kept, logged] = [0, 1, 2].map(|index: usize| after[index] - before[index]);
    println!("sent {sent}, kept {kept}, logged {logged} bytes");
    for (what, bytes) in [("sent", sent), ("kept", kept), ("logged", logged)] {
        assert!(bytes < 10 * 1024 * 1024, "{bytes} bytes {what} for a body of 250 KiB and {USERS} users");
    }
    for n in 0..USERS {
        assert_eq!(acknowledge(&node, &format!("u{n}"), "n").await, 1);
    }
    assert_eq!(server.cli(&["--scan", "--pattern", "*:bod*"]), "");
}
