//! The channel between nodes: delivery to other nodes, and recovery after the connection is lost.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use gateway_runtime::tasks::Tasks;
use realtime_gateway_brokers::redis::{Persistence, RedisServer, shared};
use realtime_gateway_protocol::{NotificationId, UserId, topic::Topic};
use tokio::{sync::mpsc, time::timeout};

use super::{ONE_SESSION, RedisOptions, TestNode, eventually, options_for, own_prefix};
use crate::{
    Append, AppendNotice, Broadcast, ClusterChannel, ClusterConnection, ClusterEvent, ClusterEvents, ControlMessage,
    Log, Nodes, NoticeEntry, Notify, Pending, Recipient, Sessions, Store,
    testing::conformance::{content, entry_at, long_body, topic, user_topic},
};

/// The time limit for an event on a busy machine. Only a failing test waits this long.
const EVENT_TIMEOUT: Duration = Duration::from_secs(20);

/// A node that has joined the channel.
struct Member {
    node: TestNode,
    channel: Arc<dyn ClusterChannel>,
    events: mpsc::Receiver<ClusterEvent>,
}

impl Member {
    /// Joins with room for all events of a test, and waits for the connection.
    async fn join(redis: &RedisOptions, id: &str) -> Self {
        Self::with_room(redis, id, 100_000).await
    }

    async fn with_room(redis: &RedisOptions, id: &str, room: usize) -> Self {
        let node = TestNode::join(redis, id).await;
        let (channel, arriving) = node.store.join_cluster().unwrap();
        let mut member = Self { node, channel, events: collect(arriving, room) };
        assert_eq!(member.next().await, ClusterEvent::Restored, "the first connection");
        member
    }

    async fn subscribe(&self, topic: &Topic) {
        self.channel.subscribe(topic.shard()).await;
    }

    async fn next(&mut self) -> ClusterEvent {
        timeout(EVENT_TIMEOUT, self.events.recv()).await.expect("an event").unwrap()
    }

    async fn next_notice(&mut self) -> AppendNotice {
        match self.next().await {
            ClusterEvent::AppendNotice(notice) => notice,
            other => panic!("{other:?}"),
        }
    }

    /// Asserts that nothing arrives before an event that another node sends now.
    async fn assert_nothing_before(&mut self, other: &Self) {
        let end = topic("end");
        self.subscribe(&end).await;
        other.append("end", "end").await;
        assert_eq!(self.next_notice().await.topic, end);
    }

    async fn append(&self, clan: &str, body: &str) -> u64 {
        self.node.store.append(entry(clan, body)).await.unwrap().offset
    }

    fn is_connected(&self) -> bool {
        self.channel.status().connection.is_connected()
    }
}

/// Collects events in a channel with this capacity.
fn collect(mut arriving: ClusterEvents, room: usize) -> mpsc::Receiver<ClusterEvent> {
    let (sender, events) = mpsc::channel(room);
    Tasks::default().spawn(async move {
        while let Some(event) = arriving.next().await {
            if sender.send(event).await.is_err() {
                break;
            }
        }
    });
    events
}

fn entry(clan: &str, body: &str) -> Append {
    Append { body: body.to_owned().into(), ..entry_at(std::time::SystemTime::now().into(), clan, "id") }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn notification(name: &str, body: &str) -> Notify {
    let now = std::time::SystemTime::now();
    Notify {
        user: user(name),
        id: NotificationId::new("n").unwrap(),
        content: content(body),
        at: now.into(),
        body: body.to_owned().into(),
        expires: (now + Duration::from_secs(60)).into(),
        escalate_at: None,
        max_pending: 10,
        dropped_event: None,
    }
}

fn body_of(notice: &AppendNotice) -> &Bytes {
    match &notice.entry {
        NoticeEntry::Included(entry) => &entry.body,
        NoticeEntry::Omitted(offset) => panic!("the entry {offset} is omitted"),
    }
}

#[tokio::test]
async fn announces_entries_to_subscribed_nodes() {
    let redis = own_prefix();
    let (mut a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    let c = topic("c");
    a.subscribe(&c).await;
    b.subscribe(&c).await;
    let appended = a.node.store.append(entry("c", "one")).await.unwrap();
    let notice = b.next_notice().await;
    assert_eq!((&notice.topic, &notice.epoch, notice.shard_count), (&c, &appended.epoch, appended.shard_count));
    assert_eq!((notice.entry.offset(), &body_of(&notice)[..]), (1, &b"one"[..]));
    b.channel.unsubscribe(c.shard());
    let channel = format!("{{{}}}:shard:{}", redis.prefix, c.shard().0);
    eventually("the end of its subscription", async || {
        shared().cli(&["pubsub", "numsub", &channel]) == format!("{channel}\n1")
    })
    .await;
    a.append("c", "two").await;
    b.assert_nothing_before(&a).await;
    a.assert_nothing_before(&b).await;
}

#[tokio::test]
async fn append_notice_equals_stored_entry() {
    let redis = own_prefix();
    let (a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    b.subscribe(&topic("c")).await;
    a.append("c", "one").await;
    let NoticeEntry::Included(noticed) = b.next_notice().await.entry else { panic!("omitted") };
    let page = b.node.store.read(&topic("c"), 0, crate::testing::conformance::ALL).await.unwrap();
    assert_eq!(page.entries, [(*noticed).clone()]);
}

#[tokio::test]
async fn does_not_announce_duplicates() {
    let redis = own_prefix();
    let (a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    b.subscribe(&topic("c")).await;
    let append = Append { key: crate::testing::conformance::key("u", "1"), ..entry("c", "one") };
    assert!(!a.node.store.append(append.clone()).await.unwrap().duplicate);
    assert!(a.node.store.append(append).await.unwrap().duplicate);
    assert_eq!(b.next_notice().await.entry.offset(), 1);
    b.assert_nothing_before(&a).await;
}

#[tokio::test]
async fn announces_large_entries_without_body() {
    let redis = own_prefix();
    let (a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    b.subscribe(&topic("c")).await;
    a.append("c", &"x".repeat(65_536)).await;
    a.append("c", &"x".repeat(65_537)).await;
    assert_eq!(body_of(&b.next_notice().await).len(), 65_536);
    assert_eq!(b.next_notice().await.entry, NoticeEntry::Omitted(2));
}

#[tokio::test]
async fn announces_notifications_and_broadcasts_to_nodes_of_users() {
    let redis = own_prefix();
    let (a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    b.subscribe(&user_topic("u")).await;
    a.node.store.notify(notification("u", "one")).await.unwrap();
    let notice = b.next_notice().await;
    assert_eq!((&notice.topic, &body_of(&notice)[..]), (&user_topic("u"), &b"one"[..]));
    for (body, name) in [("short".to_owned(), "2"), (long_body("long"), "3")] {
        let Notify { content, at, body, expires, .. } = notification("u", &body);
        let recipients = ["u", "v"].map(|name| Recipient { user: user(name), dropped_event: None }).to_vec();
        let id = NotificationId::new(name).unwrap();
        let broadcast = Broadcast { id, content, at, body, expires, escalate_at: None, max_pending: 10, recipients };
        let is_shared = broadcast.shares_body();
        for result in a.node.store.notify_all(broadcast).await {
            result.unwrap();
        }
        let notice = b.next_notice().await;
        assert_eq!(matches!(notice.entry, NoticeEntry::Omitted(_)), is_shared, "{name}");
    }
    b.assert_nothing_before(&a).await;
}

#[tokio::test]
async fn publishes_nothing_when_no_other_node_is_subscribed() {
    let server = RedisServer::start(Persistence::None);
    let a = Member::join(&options_for(&server), "a").await;
    a.subscribe(&topic("c")).await;
    a.append("c", "only this node is subscribed").await;
    let statistics = server.cli(&["info", "commandstats"]);
    assert!(!statistics.contains("cmdstat_publish"), "{statistics}");
    let mut b = Member::join(&options_for(&server), "b").await;
    b.subscribe(&topic("c")).await;
    a.append("c", "two").await;
    assert_eq!(&body_of(&b.next_notice().await)[..], b"two");
}

#[tokio::test]
async fn delivers_control_messages_immediately_and_once() {
    let redis = own_prefix();
    let (mut a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    let message = ControlMessage::BlocksChanged;
    a.node.store.post("b", &message).await.unwrap();
    assert_eq!(b.next().await, ClusterEvent::ControlMessage(message.clone()));
    assert!(b.node.reconcile().await.control_messages.is_empty());
    assert!(a.node.reconcile().await.control_messages.is_empty());
    // A node that has not joined finds them by reconciliation.
    let mut late = TestNode::join(&redis, "late").await;
    a.node.store.post("late", &message).await.unwrap();
    assert_eq!(late.reconcile().await.control_messages, std::slice::from_ref(&message));
    assert!(late.reconcile().await.control_messages.is_empty());
    a.assert_nothing_before(&b).await;
}

#[tokio::test]
async fn announces_replaced_session_to_its_node() {
    let redis = own_prefix();
    let (mut a, b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    a.node.store.open_session(a.node.session("u", "one"), ONE_SESSION).await.unwrap();
    b.node.store.open_session(b.node.session("u", "two"), ONE_SESSION).await.unwrap();
    let ClusterEvent::ControlMessage(ControlMessage::Close { user_id, session_id, code }) = a.next().await else {
        panic!("another event")
    };
    assert_eq!((user_id.as_str(), session_id.as_str(), code), ("u", "one", 4409));
}

#[tokio::test]
async fn delivers_ephemeral_messages_in_order() {
    let redis = own_prefix();
    let (mut a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    a.subscribe(&topic("c")).await;
    b.subscribe(&topic("c")).await;
    for number in 0..500 {
        a.channel.broadcast(&topic("c"), Bytes::from(format!("typing {number}")));
    }
    for number in 0..500 {
        let message = Bytes::from(format!("typing {number}"));
        assert_eq!(b.next().await, ClusterEvent::Ephemeral { topic: topic("c"), message });
    }
    a.assert_nothing_before(&b).await;
}

#[tokio::test]
async fn replaces_and_reports_lost_connection() {
    let server = RedisServer::start(Persistence::None);
    let (a, mut b) = (Member::join(&options_for(&server), "a").await, Member::join(&options_for(&server), "b").await);
    b.subscribe(&topic("c")).await;
    for reconnects in 1..=3 {
        server.cli(&["client", "kill", "type", "pubsub"]);
        assert_eq!(b.next().await, ClusterEvent::Restored);
        assert!(b.is_connected());
        assert_eq!(b.channel.status().reconnects, reconnects);
        a.append("c", "again").await;
        assert_eq!(b.next_notice().await.entry.offset(), reconnects, "subscriptions are kept");
    }
}

#[tokio::test]
async fn reconnects_to_restarted_server() {
    let mut server = RedisServer::start(Persistence::Always);
    let (a, mut b) = (Member::join(&options_for(&server), "a").await, Member::join(&options_for(&server), "b").await);
    b.subscribe(&topic("c")).await;
    server.process().kill();
    eventually("that the loss is noticed", async || !b.is_connected()).await;
    let ClusterConnection::Disconnected { last_error, .. } = b.channel.status().connection else { panic!("connected") };
    assert!(!last_error.is_empty());
    // Subscribing does not wait while there is no connection.
    timeout(EVENT_TIMEOUT, b.subscribe(&topic("d"))).await.unwrap();
    server.restart();
    assert_eq!(b.next().await, ClusterEvent::Restored);
    eventually("the other connection", async || a.node.store.append(entry("d", "x")).await.is_ok()).await;
    assert_eq!(b.next_notice().await.topic, topic("d"));
}

#[tokio::test]
async fn detects_server_that_does_not_answer() {
    let mut server = RedisServer::start(Persistence::None);
    let mut b = Member::join(&options_for(&server), "b").await;
    server.process().pause();
    eventually("that it is noticed", async || !b.is_connected()).await;
    server.process().resume();
    assert_eq!(b.next().await, ClusterEvent::Restored);
}

#[tokio::test]
async fn restores_slow_node_after_it_lost_its_connection() {
    let server = RedisServer::with(&[("save", ""), ("client-output-buffer-limit", "pubsub 1mb 0 0")]);
    let a = Member::join(&options_for(&server), "a").await;
    let mut b = Member::with_room(&options_for(&server), "b", 1).await;
    b.subscribe(&topic("c")).await;
    let body = "x".repeat(60_000);
    let mut appended = 0;
    eventually("the end of the connection", async || {
        appended = a.append("c", &body).await;
        server.cli(&["client", "list", "type", "pubsub"]).lines().count() == 1
    })
    .await;
    let mut seen = 0;
    loop {
        match b.next().await {
            ClusterEvent::AppendNotice(notice) => {
                seen += 1;
                assert_eq!(notice.entry.offset(), seen, "in order and without a hole until the end");
            }
            ClusterEvent::Restored => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(seen < appended, "entries were missed");
    a.append("c", "after").await;
    assert_eq!(&body_of(&b.next_notice().await)[..], b"after");
}

#[tokio::test]
async fn stores_without_permission_for_channels() {
    let user = "anna on >word ~{own}:* +@all";
    let server = RedisServer::with(&[("save", ""), ("user", user)]);
    let redis = RedisOptions::new(&format!("redis://anna:word@127.0.0.1:{}", server.port()), "own");
    let mut b = TestNode::join(&redis, "b").await;
    let (channel, arriving) = b.store.join_cluster().unwrap();
    let _events = collect(arriving, 1);
    eventually("the refusal", async || match channel.status().connection {
        ClusterConnection::Disconnected { last_error, .. } => last_error.contains("channel"),
        ClusterConnection::Connected => panic!("connected"),
    })
    .await;
    let a = TestNode::join(&redis, "a").await;
    a.store.append(entry("c", "x")).await.unwrap();
    a.store.post("b", &ControlMessage::BlocksChanged).await.unwrap();
    assert_eq!(b.reconcile().await.control_messages, [ControlMessage::BlocksChanged]);
}

#[tokio::test]
async fn databases_of_one_server_are_separate() {
    let server = RedisServer::start(Persistence::None);
    let redis = |database: u8| RedisOptions::new(&format!("{}/{database}", server.url()), "own");
    let (a, mut b) = (Member::join(&redis(0), "a").await, Member::join(&redis(3), "b").await);
    let mut c = Member::join(&redis(3), "c").await;
    b.subscribe(&topic("c")).await;
    a.append("c", "x").await;
    a.channel.broadcast(&topic("c"), "typing".into());
    c.append("c", "y").await;
    assert_eq!(&body_of(&b.next_notice().await)[..], b"y");
    b.node.store.post("c", &ControlMessage::BlocksChanged).await.unwrap();
    assert_eq!(c.next().await, ClusterEvent::ControlMessage(ControlMessage::BlocksChanged));
    c.channel.broadcast(&topic("c"), "typing".into());
    assert!(matches!(b.next().await, ClusterEvent::Ephemeral { .. }));
}

#[tokio::test]
async fn closed_channel_sends_no_more_events() {
    let redis = own_prefix();
    let (a, mut b) = (Member::join(&redis, "a").await, Member::join(&redis, "b").await);
    b.subscribe(&topic("c")).await;
    b.channel.close().await;
    a.append("c", "x").await;
    assert_eq!(timeout(EVENT_TIMEOUT, b.events.recv()).await.unwrap(), None);
    assert!(b.node.store.status().writable);
    assert!(
        shared()
            .cli(&["pubsub", "numsub", &format!("{{{}}}:shard:{}", redis.prefix, topic("c").shard().0)])
            .ends_with('0')
    );
}
