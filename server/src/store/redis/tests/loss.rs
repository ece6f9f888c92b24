//! Keys and entries that are gone from Redis: clients hear of it, and no offset is given twice.

use std::time::Duration;

use realtime_gateway_brokers::redis::{RedisServer, shared};
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{TestNode, alone, own};
use crate::{
    store::{
        Append, Log, Notify, Pending, Store,
        conformance::{ALL, KEEP, content, entry_at, inbox, topic},
    },
    topic::Topic,
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
        max_pending: 1_000,
        dropped_event: None,
    }
}

/// What a client that recovers from a position is told: nothing is missing, or something is.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// It got every entry up to the head.
    Whole,
    /// `recovered: false` or `subscription_reset`.
    Missing,
}

/// Recovers as the gateway does: the position must be within the ends, then page after page is read.
async fn recover(node: &TestNode, topic: &Topic, position: u64) -> Told {
    let ends = node.store.heads(std::slice::from_ref(topic)).await.unwrap().ends[0];
    if !(position + 1 >= ends.floor && position <= ends.head) {
        return Told::Missing;
    }
    let (mut at, mut told) = (position, Told::Whole);
    while at < ends.head {
        let page = node.store.read(topic, at, ALL).await.unwrap();
        if page.lost.is_some() || page.ends.floor > at + 1 {
            told = Told::Missing;
        } else {
            let offsets: Vec<u64> = page.entries.iter().map(|entry| entry.offset).collect();
            assert_eq!(offsets, (at + 1..=page.next).collect::<Vec<_>>(), "a silent hole");
        }
        assert!(page.next > at);
        at = page.next;
    }
    told
}

#[tokio::test]
async fn tells_of_entries_that_are_gone_and_gives_no_offset_twice() {
    let cases: [(&str, &[&[&str]], Told); 11] = [
        ("nothing", &[], Told::Whole),
        ("the entries", &[&["del", "entries:clan:c"]], Told::Missing),
        ("the entries, unlinked", &[&["unlink", "entries:clan:c"]], Told::Missing),
        ("the hash", &[&["del", "log:clan:c"]], Told::Whole),
        ("the hash and the entries", &[&["del", "log:clan:c"], &["del", "entries:clan:c"]], Told::Missing),
        ("an entry in the middle", &[&["xdel", "entries:clan:c", "20-0"]], Told::Missing),
        ("the newest entry", &[&["xdel", "entries:clan:c", "40-0"]], Told::Missing),
        ("the first entries", &[&["xtrim", "entries:clan:c", "MINID", "10-0"]], Told::Missing),
        ("all entries", &[&["xtrim", "entries:clan:c", "MAXLEN", "0"]], Told::Missing),
        ("the hash and an entry", &[&["del", "log:clan:c"], &["xdel", "entries:clan:c", "7-0"]], Told::Missing),
        ("what was redacted", &[&["del", "redacted:clan:c"]], Told::Missing),
    ];
    for (what, commands, expected) in cases {
        let redis = alone();
        let node = TestNode::join(&redis, "a").await;
        for n in 1..=ENTRIES {
            let redaction = (n == 30 && what == "what was redacted")
                .then(|| crate::store::Redaction { offset: 12, body: b"{}".to_vec().into() });
            let append = Append { redaction, ..entry("c", &n.to_string()) };
            assert_eq!(node.store.append(append).await.unwrap().offset, n);
        }
        assert_eq!(recover(&node, &topic("c"), 1).await, Told::Whole);
        for command in commands {
            let key = format!("{{{}}}:{}", redis.prefix, command[1]);
            let arguments: Vec<&str> = [command[0], &key].into_iter().chain(command[2..].iter().copied()).collect();
            shared().cli(&arguments);
        }
        assert_eq!(recover(&node, &topic("c"), 1).await, expected, "{what}, while away");
        let next = node.store.append(entry("c", "next")).await.unwrap().offset;
        assert!(next > ENTRIES, "{what}: {next} was given before");
        assert_eq!(recover(&node, &topic("c"), 1).await, expected, "{what}, after an append");
        // One who had everything misses nothing, unless the numbers went on further up.
        let told = recover(&node, &topic("c"), ENTRIES).await;
        assert_eq!(told, if next == ENTRIES + 1 { Told::Whole } else { Told::Missing }, "{what}");
        assert_eq!(recover(&node, &topic("c"), next - 1).await, Told::Whole, "{what}");
        let back = node.store.read_back(&topic("c"), u64::MAX, ALL).await.unwrap();
        assert_eq!(back.entries.last().unwrap().offset, next, "{what}");
        node.store.sweep(now()).await.unwrap();
        assert_eq!(recover(&node, &topic("c"), next - 1).await, Told::Whole, "{what}, after a sweep");
        assert_eq!(node.store.status().damaged > 0, expected == Told::Missing, "{what}");
    }
}

#[tokio::test]
async fn tells_of_notifications_that_are_gone_once_for_each_replay() {
    let cases: [(&str, &[&[&str]], u64, Told); 6] = [
        ("nothing", &[], 4, Told::Whole),
        ("one", &[&["xdel", "pending:u", "2-0"]], 3, Told::Missing),
        ("all", &[&["del", "pending:u"]], 0, Told::Missing),
        ("the hash", &[&["unlink", "user:u"]], 4, Told::Whole),
        ("both", &[&["del", "user:u"], &["del", "pending:u"]], 0, Told::Missing),
        ("the index", &[&["del", "expiries"]], 4, Told::Whole),
    ];
    for (what, commands, left, expected) in cases {
        let redis = alone();
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
            assert_eq!(replay(&node, "u").await, (left + round, u64::from(expected == Told::Missing)), "{what}");
            let next = node.store.notify(notification("u", &format!("new-{round}"))).await.unwrap().offset;
            assert!(next > 5 + round, "{what}: {next} was given before");
        }
    }
}

/// Replays what is pending, as a subscription does: how many came, and how often something was said to be lost.
async fn replay(node: &TestNode, user: &str) -> (u64, u64) {
    let (mut at, mut came, mut lost) = (0, 0, 0);
    let head = node.store.heads(&[inbox(user)]).await.unwrap().ends[0].head;
    while at < head {
        let page = node.store.read(&inbox(user), at, ALL).await.unwrap();
        came += page.entries.len() as u64;
        lost += u64::from(page.lost.is_some());
        assert!(page.next > at);
        at = page.next;
    }
    (came, lost)
}

/// Under `allkeys-lru` Redis removes whatever was not used for longest.
#[tokio::test]
async fn tells_of_what_was_evicted() {
    let server = RedisServer::with(&[
        ("save", ""),
        ("appendonly", "no"),
        ("maxmemory", "4mb"),
        ("maxmemory-policy", "allkeys-lru"),
        ("maxmemory-samples", "10"),
    ]);
    let node = TestNode::join(&own(&server), "a").await;
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
        let ends = node.store.heads(&[topic(&format!("c{clan}"))]).await.unwrap();
        if *ends.epoch != *epoch {
            // The key that names the epoch went as well, which every client hears.
            return;
        }
        missing += u64::from(recover(&node, &topic(&format!("c{clan}")), 1).await == Told::Missing);
    }
    println!("{confirmed} confirmed, {refused} refused, {missing} of {clans} logs with something missing");
    assert!(missing > 0, "4 MB hold no 4 MB of entries");
    tokio::time::timeout(Duration::from_secs(10), node.store.sweep(now())).await.unwrap().unwrap();
}
