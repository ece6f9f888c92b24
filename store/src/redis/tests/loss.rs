//! Missing keys and entries in Redis: the loss is reported, and no offset is used twice.

use std::time::Duration;

use realtime_gateway_brokers::redis::{RedisServer, shared};
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId, topic::Topic};

use super::{TestNode, options_for, own_prefix};
use crate::{
    Append, Log, Notify, Pending, Store,
    testing::conformance::{ALL, KEEP, content, entry_at, topic, user_topic},
};

const ENTRIES: u64 = 40;

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

fn entry(clan: &str, body: &str) -> Append {
    Append { retention: KEEP, ..entry_at(now(), clan, body) }
}

fn notification(user: &str, id: &str) -> Notify {
    Notify {
        user: UserId::new(user).unwrap(),
        id: NotificationId::new(id).unwrap(),
        content: content(id),
        at: now(),
        body: id.as_bytes().to_vec().into(),
        expires: Timestamp::from_millis(now().millis() + 600_000),
        escalate_at: None,
        max_pending: 1_000,
        dropped_event: None,
    }
}

/// The result of a client's recovery from a position.
#[derive(Debug, PartialEq, Eq)]
enum Recovered {
    /// The client received every entry up to the head.
    Whole,
    /// `recovered: false` or `subscription_reset`.
    Missing,
}

/// Recovers as the gateway does: checks that the position is within the bounds, and then reads page after page.
async fn recover(node: &TestNode, topic: &Topic, position: u64) -> Recovered {
    let bounds = node.store.heads(std::slice::from_ref(topic)).await.unwrap().bounds[0];
    if !(position + 1 >= bounds.floor && position <= bounds.head) {
        return Recovered::Missing;
    }
    let (mut at, mut recovered) = (position, Recovered::Whole);
    while at < bounds.head {
        let page = node.store.read(topic, at, ALL).await.unwrap();
        if page.lost.is_some() || page.bounds.floor > at + 1 {
            recovered = Recovered::Missing;
        } else {
            let offsets: Vec<u64> = page.entries.iter().map(|entry| entry.offset).collect();
            assert_eq!(offsets, (at + 1..=page.next).collect::<Vec<_>>(), "a silent hole");
        }
        assert!(page.next > at);
        at = page.next;
    }
    recovered
}

#[tokio::test]
async fn reports_missing_entries_and_reuses_no_offset() {
    let cases: [(&str, &[&[&str]], Recovered); 11] = [
        ("nothing", &[], Recovered::Whole),
        ("the entries", &[&["del", "entries:clan:c"]], Recovered::Missing),
        ("the entries, unlinked", &[&["unlink", "entries:clan:c"]], Recovered::Missing),
        ("the hash", &[&["del", "log:clan:c"]], Recovered::Whole),
        ("the hash and the entries", &[&["del", "log:clan:c"], &["del", "entries:clan:c"]], Recovered::Missing),
        ("an entry in the middle", &[&["xdel", "entries:clan:c", "20-0"]], Recovered::Missing),
        ("the newest entry", &[&["xdel", "entries:clan:c", "40-0"]], Recovered::Missing),
        ("the first entries", &[&["xtrim", "entries:clan:c", "MINID", "10-0"]], Recovered::Missing),
        ("all entries", &[&["xtrim", "entries:clan:c", "MAXLEN", "0"]], Recovered::Missing),
        ("the hash and an entry", &[&["del", "log:clan:c"], &["xdel", "entries:clan:c", "7-0"]], Recovered::Missing),
        ("what was redacted", &[&["del", "redacted:clan:c"]], Recovered::Missing),
    ];
    for (what, commands, expected) in cases {
        let redis = own_prefix();
        let node = TestNode::join(&redis, "a").await;
        for n in 1..=ENTRIES {
            let redaction = (n == 30 && what == "what was redacted")
                .then(|| crate::Redaction { offset: 12, body: b"{}".to_vec().into() });
            let append = Append { redaction, ..entry("c", &n.to_string()) };
            assert_eq!(node.store.append(append).await.unwrap().offset, n);
        }
        assert_eq!(recover(&node, &topic("c"), 1).await, Recovered::Whole);
        for command in commands {
            let key = format!("{{{}}}:{}", redis.prefix, command[1]);
            let arguments: Vec<&str> = [command[0], &key].into_iter().chain(command[2..].iter().copied()).collect();
            shared().cli(&arguments);
        }
        assert_eq!(recover(&node, &topic("c"), 1).await, expected, "{what}, while away");
        let next = node.store.append(entry("c", "next")).await.unwrap().offset;
        assert!(next > ENTRIES, "{what}: {next} was given before");
        assert_eq!(recover(&node, &topic("c"), 1).await, expected, "{what}, after an append");
        // A client that had all entries misses nothing, unless the log continues at a higher offset.
        let recovered = recover(&node, &topic("c"), ENTRIES).await;
        assert_eq!(recovered, if next == ENTRIES + 1 { Recovered::Whole } else { Recovered::Missing }, "{what}");
        assert_eq!(recover(&node, &topic("c"), next - 1).await, Recovered::Whole, "{what}");
        let back = node.store.read_back(&topic("c"), u64::MAX, ALL).await.unwrap();
        assert_eq!(back.entries.last().unwrap().offset, next, "{what}");
        node.store.sweep(now()).await.unwrap();
        assert_eq!(recover(&node, &topic("c"), next - 1).await, Recovered::Whole, "{what}, after a sweep");
        assert_eq!(node.store.status().damaged > 0, expected == Recovered::Missing, "{what}");
    }
}

#[tokio::test]
async fn reports_missing_notifications_once_per_replay() {
    let cases: [(&str, &[&[&str]], u64, Recovered); 6] = [
        ("nothing", &[], 4, Recovered::Whole),
        ("one", &[&["xdel", "pending:u", "2-0"]], 3, Recovered::Missing),
        ("all", &[&["del", "pending:u"]], 0, Recovered::Missing),
        ("the hash", &[&["unlink", "user:u"]], 4, Recovered::Whole),
        ("both", &[&["del", "user:u"], &["del", "pending:u"]], 0, Recovered::Missing),
        ("the index", &[&["del", "expiries"]], 4, Recovered::Whole),
    ];
    for (what, commands, left, expected) in cases {
        let redis = own_prefix();
        let node = TestNode::join(&redis, "a").await;
        for id in ["1", "2", "3", "4", "5"] {
            node.store.notify(notification("u", id)).await.unwrap();
        }
        let user = UserId::new("u").unwrap();
        let seen = [NotificationId::new("3").unwrap()];
        assert_eq!(node.store.acknowledge(&user, &seen, None).await.unwrap(), seen);
        for command in commands {
            let key = format!("{{{}}}:{}", redis.prefix, command[1]);
            let arguments: Vec<&str> = [command[0], &key].into_iter().chain(command[2..].iter().copied()).collect();
            shared().cli(&arguments);
        }
        for round in 0..2 {
            assert_eq!(replay(&node, "u").await, (left + round, u64::from(expected == Recovered::Missing)), "{what}");
            let next = node.store.notify(notification("u", &format!("new-{round}"))).await.unwrap().offset;
            assert!(next > 5 + round, "{what}: {next} was given before");
        }
    }
}

/// Replays pending notifications, as a subscription does. Returns how many were received, and how often a loss was
/// reported.
async fn replay(node: &TestNode, user: &str) -> (u64, u64) {
    let (mut at, mut received, mut lost) = (0, 0, 0);
    let head = node.store.heads(&[user_topic(user)]).await.unwrap().bounds[0].head;
    while at < head {
        let page = node.store.read(&user_topic(user), at, ALL).await.unwrap();
        received += page.entries.len() as u64;
        lost += u64::from(page.lost.is_some());
        assert!(page.next > at);
        at = page.next;
    }
    (received, lost)
}

/// Under `allkeys-lru` Redis removes the least recently used keys.
#[tokio::test]
async fn reports_evicted_keys() {
    let server = RedisServer::with(&[
        ("save", ""),
        ("appendonly", "no"),
        ("maxmemory", "4mb"),
        ("maxmemory-policy", "allkeys-lru"),
        ("maxmemory-samples", "10"),
    ]);
    let node = TestNode::join(&options_for(&server), "a").await;
    let epoch = node.store.epoch();
    let (mut confirmed, mut refused) = (0, 0);
    let clans = 200;
    for n in 0..clans * 20 {
        let body = vec![b'x'; 1_000];
        let append = Append { body: body.into(), ..entry(&format!("c{}", n % clans), "x") };
        match node.store.append(append).await {
            Ok(appended) => {
                confirmed += 1;
                let round = n / clans + 1;
                assert!(appended.offset >= round.min(1), "{appended:?}");
            }
            Err(_) => refused += 1,
        }
    }
    let mut missing = 0;
    for clan in 0..clans {
        let bounds = node.store.heads(&[topic(&format!("c{clan}"))]).await.unwrap();
        if *bounds.epoch != *epoch {
            // The key with the epoch was evicted too, so a new epoch began, which informs every client.
            return;
        }
        missing += u64::from(recover(&node, &topic(&format!("c{clan}")), 1).await == Recovered::Missing);
    }
    println!("{confirmed} confirmed, {refused} refused, {missing} of {clans} logs with something missing");
    assert!(missing > 0, "4 MB hold no 4 MB of entries");
    tokio::time::timeout(Duration::from_secs(10), node.store.sweep(now())).await.unwrap().unwrap();
}
