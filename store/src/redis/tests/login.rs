//! Login to Redis, and the error messages for operators.

use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use realtime_gateway_brokers::{
    free_port,
    redis::{Persistence, RedisServer},
};
use realtime_gateway_protocol::{RawJson, Timestamp};

use super::{ONE_SESSION, RedisOptions, RedisStore, TestNode, TimeSource, options_for};
use crate::{
    Append, ClusterEvent, Log, Nodes, Notify, Outbox, Pending, Presence, Sessions, Store, Swept, UserPresence,
    clock::Clock,
    copy::Copied,
    open::OpenError,
    testing::conformance::{content, entry_at, key, options, topic},
};

async fn open(redis: RedisOptions) -> Result<RedisStore, OpenError> {
    RedisStore::open(redis, options(), Clock::system()).await
}

async fn refused(redis: RedisOptions) -> String {
    let error = open(redis).await.map(drop).unwrap_err().to_string();
    assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
    error
}

#[tokio::test]
async fn names_server_that_cannot_be_reached() {
    let redis = RedisOptions {
        patience: Duration::from_millis(300),
        ..RedisOptions::new(&format!("redis://anna:secret@127.0.0.1:{}", free_port()), "own")
    };
    let began = Instant::now();
    let error = refused(redis.clone()).await;
    assert!(began.elapsed() >= redis.patience, "it is waited for");
    assert!(error.starts_with("Redis at 127.0.0.1:") && error.contains("start it"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_server_that_starts_later() {
    let mut server = RedisServer::start(Persistence::None);
    let redis = options_for(&server);
    server.process().kill();
    let (opened, ()) = tokio::join!(open(redis), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        tokio::task::block_in_place(|| server.restart());
    });
    assert!(opened.unwrap().status().writable);
}

#[tokio::test]
async fn uses_credentials_and_database_without_showing_them() {
    let server = RedisServer::with(&[
        ("save", ""),
        ("requirepass", "\"secret word\""),
        ("user", "anna on >secret2 ~* &* +@all"),
    ]);
    let at = format!("127.0.0.1:{}", server.port());
    let with = |url: String| RedisOptions { patience: Duration::from_secs(5), ..RedisOptions::new(&url, "own") };
    for url in [format!("redis://:secret%20word@{at}/3"), format!("redis://anna:secret2@{at}/3")] {
        let store = open(with(url)).await.unwrap();
        assert!(!store.epoch().is_empty());
    }
    let auth = ["--no-auth-warning", "-a", "secret word"];
    let keys = |database: &str| server.cli(&[&auth[..], &["-n", database, "keys", "*"]].concat());
    assert_eq!((keys("3").as_str(), keys("0").as_str()), ("{own}:store", ""));
    let began = Instant::now();
    for url in [format!("redis://:secretly@{at}"), format!("redis://bert:secret2@{at}"), format!("redis://{at}")] {
        let error = refused(with(url)).await;
        assert!(error.contains("Redis refuses"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "waiting would not help");
}

#[tokio::test]
async fn documented_commands_are_sufficient() {
    let manual = include_str!("../../../../docs/redis.md");
    let (_, rules) = manual.split_once("the commands `").unwrap();
    let (rules, _) = rules.split_once('`').unwrap();
    let user = format!("anna on >word ~{{own}}:* &{{own}}:* {rules}");
    let server = RedisServer::with(&[("save", ""), ("user", &user), ("user", "default off")]);
    let url = format!("redis://anna:word@127.0.0.1:{}", server.port());
    let (patience, time) = (Duration::from_secs(5), TimeSource::Given);
    let redis = RedisOptions { patience, time, ..RedisOptions::new(&url, "own") };
    let mut node = TestNode::join(&redis, "a").await;
    let store = &node.store;
    let entry = entry_at(SystemTime::now().into(), "a", "x");
    store.append(Append { key: key("u", "1"), ..entry }).await.unwrap();
    store.open_session(node.session("anna", "1"), ONE_SESSION).await.unwrap();
    store.open_session(node.session("anna", "2"), ONE_SESSION).await.unwrap();
    let user = "anna".to_owned().try_into().unwrap();
    let presence = UserPresence { sessions: 1, data: Some(RawJson::parse("1").unwrap()) };
    store.set_present(&topic("c"), &user, presence).await.unwrap();
    store.present(&topic("c"), 1).await.unwrap();
    let late = Timestamp::from_millis(u64::MAX);
    let notify = Notify {
        user: "anna".to_owned().try_into().unwrap(),
        id: "n".to_owned().try_into().unwrap(),
        content: content("n"),
        at: SystemTime::now().into(),
        body: "x".into(),
        expires: SystemTime::now().into(),
        escalate_at: None,
        max_pending: 1,
        dropped_event: None,
    };
    store.notify(notify).await.unwrap();
    assert_eq!(store.sweep(late).await.unwrap(), Swept { entries: 1, expired: 1, ..Swept::default() });
    assert!(store.lease_outbox(Duration::from_secs(1)).await.unwrap());
    let events = store.read_outbox(0, 10, Duration::ZERO).await.unwrap();
    store.remove_from_outbox(&events.iter().map(|event| event.sequence).collect::<Vec<_>>()).await.unwrap();
    assert!(store.read_outbox(0, 10, Duration::from_millis(10)).await.unwrap().is_empty());
    assert!(!store.is_empty().await.unwrap());
    let (channel, mut events) = store.join_cluster().unwrap();
    assert_eq!(events.next().await, Some(ClusterEvent::Restored), "{:?}", channel.status());
    let topic = topic("a");
    let other = TestNode::join(&redis, "b").await;
    let publish = async {
        channel.subscribe(topic.shard()).await;
        other.store.append(entry_at(SystemTime::now().into(), "a", "y")).await.unwrap();
    };
    let (noticed, ()) = tokio::join!(events.next(), publish);
    assert!(matches!(noticed, Some(ClusterEvent::AppendNotice(_))));
    other.store.join_cluster().unwrap().0.broadcast(&topic, "typing".into());
    assert!(matches!(events.next().await, Some(ClusterEvent::Ephemeral { .. })));
    channel.unsubscribe(topic.shard());
    node.reconcile().await;
    node.store.reap().await.unwrap();
    node.store.resign().await.unwrap();
    assert!(!node.store.status().warnings.is_empty(), "its settings can be seen");
}

#[tokio::test]
async fn refuses_later_format_immediately() {
    let server = RedisServer::start(Persistence::None);
    server.cli(&["hset", "{own}:store", "epoch", "e", "format", "2"]);
    let error = refused(options_for(&server)).await;
    assert!(error.contains("format 2"), "{error}");
    assert_eq!(server.cli(&["hget", "{own}:store", "run"]), "", "the store is not changed");
}

#[tokio::test]
async fn refuses_replica() {
    let master = RedisServer::start(Persistence::None);
    let replica = RedisServer::with(&[("save", ""), ("replicaof", &format!("127.0.0.1 {}", master.port()))]);
    let error = refused(RedisOptions { patience: Duration::from_millis(300), ..options_for(&replica) }).await;
    assert!(error.contains("replica"), "{error}");
}

#[tokio::test]
async fn warns_of_server_without_persistence() {
    let bare = RedisServer::start(Persistence::None);
    let store = open(options_for(&bare)).await.unwrap();
    assert!(store.status().warnings.iter().any(|warning| warning.contains("loses everything")));
    let right = RedisServer::start(Persistence::Always);
    assert!(open(options_for(&right)).await.unwrap().status().warnings.is_empty());
    assert!(store.status().bytes.is_some_and(|bytes| bytes > 100_000));
}

#[tokio::test]
async fn tls_requires_trusted_authority() {
    let authority = realtime_gateway_brokers::Authority::make();
    let server = RedisServer::with_tls(&authority);
    let url = format!("rediss://localhost:{}", server.tls_port().unwrap());
    let with = |ca: Option<std::path::PathBuf>| RedisOptions {
        ca,
        patience: Duration::from_millis(500),
        ..RedisOptions::new(&url, "own")
    };
    let store = open(with(Some(authority.certificate()))).await.unwrap();
    assert!(store.status().writable);
    let other = realtime_gateway_brokers::Authority::make();
    let error = refused(with(Some(other.certificate()))).await;
    assert!(error.contains("certificate"), "{error}");
    let missing = server.directory().join("nothing.pem");
    let error = refused(with(Some(missing.clone()))).await;
    assert!(error.starts_with("store.ca: ") && error.contains("nothing.pem"), "{error}");
    std::fs::write(&missing, "not PEM").unwrap();
    assert!(refused(with(Some(missing))).await.contains("no certificate"));
}
