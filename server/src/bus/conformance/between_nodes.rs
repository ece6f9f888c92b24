//! Cases of a bus between nodes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use realtime_gateway_protocol::{ClanId, MessageId, Timestamp, Typing, UserId};
use tokio::time::timeout;

use super::{BusSubject, Member, PATIENCE, clan};
use crate::{
    bus::{BusEvent, EphemeralBroadcast},
    store::{Append, AppendNotice, Entry, NoticeEntry, Retention},
    topic::{Shard, Topic},
};

/// Retention that removes nothing.
const KEEP: Retention = Retention { max_entries: 1_000_000, max_age: Duration::from_secs(3_600) };

impl Member {
    /// Appends an entry and notifies the other nodes, as the hub does.
    async fn append(&self, topic: &Topic) -> u64 {
        let (at, body) = (Timestamp::from(std::time::SystemTime::now()), Bytes::from_static(b"{}"));
        let id = MessageId::new(uuid::Uuid::now_v7().to_string()).unwrap();
        let (topic, retention) = (topic.clone(), KEEP);
        let append = Append {
            topic: topic.clone(),
            id,
            key: None,
            at,
            body: body.clone(),
            retention,
            redaction: None,
            event: None,
        };
        let appended = self.store.append(append).await.unwrap();
        let entry = NoticeEntry::Included(Arc::new(Entry { offset: appended.offset, at, body }));
        let (epoch, shard_count) = (appended.epoch, appended.shard_count);
        self.bus.notify_nodes(&AppendNotice { topic, epoch, shard_count, entry });
        appended.offset
    }

    async fn close(self) {
        self.bus.close().await;
        self.store.close().await;
    }
}

fn typing(user: &str) -> EphemeralBroadcast {
    let (user_id, clan_id) = (UserId::new(user).unwrap(), ClanId::new("a").unwrap());
    EphemeralBroadcast { topic: clan("a"), message: Typing { user_id, clan_id, is_typing: true }.into() }
}

async fn pair<S: BusSubject>(subject: &S) -> (Member, Member) {
    (subject.join("near").await, subject.join("far").await)
}

async fn close_both(near: Member, far: Member) {
    near.close().await;
    far.close().await;
}

/// Checks that the next event is the notice of an entry.
async fn expect_notice(member: &mut Member, topic: &Topic, offset: u64) {
    match member.next().await {
        BusEvent::AppendNotice(received) => {
            assert_eq!((&received.topic, received.entry.offset()), (topic, offset));
        }
        other => panic!("{other:?}"),
    }
}

/// Append notices of a shard arrive at a node that is bound to it, in the order of the log.
pub async fn append_notices_reach_bound_nodes_in_order<S: BusSubject>(subject: &S) {
    let (near, mut far) = pair(subject).await;
    let bound = clan("a");
    far.bus.bind(bound.shard()).await;
    for offset in 1..=200 {
        assert_eq!(near.append(&bound).await, offset);
    }
    for offset in 1..=200 {
        expect_notice(&mut far, &bound, offset).await;
    }
    close_both(near, far).await;
}

/// A node that is bound to a shard does not receive what it has sent to the shard itself.
pub async fn a_node_does_not_receive_its_own_messages<S: BusSubject>(subject: &S) {
    let (mut near, far) = pair(subject).await;
    let topic = clan("a");
    near.bus.bind(topic.shard()).await;
    near.append(&topic).await;
    near.bus.broadcast_ephemeral(&typing("near"));
    far.append(&topic).await;
    expect_notice(&mut near, &topic, 2).await;
    near.has_nothing();
    close_both(near, far).await;
}

/// Ephemeral messages arrive at a node that is bound to the shard of their topic.
pub async fn ephemeral_broadcasts_reach_bound_nodes<S: BusSubject>(subject: &S) {
    let (near, mut far) = pair(subject).await;
    far.bus.bind(clan("a").shard()).await;
    near.bus.broadcast_ephemeral(&typing("u"));
    match far.next().await {
        BusEvent::EphemeralBroadcast(received) => assert_eq!(received, typing("u")),
        other => panic!("{other:?}"),
    }
    close_both(near, far).await;
}

/// A node can be bound to all shards.
pub async fn all_shards_can_be_bound_together<S: BusSubject>(subject: &S) {
    let (near, mut far) = pair(subject).await;
    let binding = (0..=255).map(|shard| far.bus.bind(Shard(shard)));
    timeout(PATIENCE, join_all(binding)).await.expect("the shards are bound in time");
    for n in 0..100 {
        near.append(&clan(&n.to_string())).await;
    }
    for n in 0..100 {
        expect_notice(&mut far, &clan(&n.to_string()), 1).await;
    }
    close_both(near, far).await;
}

/// A shard that was released can be bound again.
pub async fn a_released_shard_can_be_bound_again<S: BusSubject>(subject: &S) {
    let (near, mut far) = pair(subject).await;
    let topic = clan("a");
    for offset in 1..=3 {
        far.bus.bind(topic.shard()).await;
        near.append(&topic).await;
        expect_notice(&mut far, &topic, offset).await;
        far.bus.release(topic.shard());
    }
    close_both(near, far).await;
}

/// A node that reads nothing holds up no other, and sending after the end of the bus does nothing.
pub async fn sending_never_waits<S: BusSubject>(subject: &S) {
    let (near, far) = pair(subject).await;
    let topic = clan("a");
    far.bus.bind(topic.shard()).await;
    let entry = Arc::new(Entry { offset: 1, at: Timestamp::from_millis(1), body: Bytes::from_static(b"{}") });
    let notice = AppendNotice { topic, epoch: "e".into(), shard_count: 1, entry: NoticeEntry::Included(entry) };
    let sending = async {
        for _ in 0..20_000 {
            near.bus.notify_nodes(&notice);
            near.bus.broadcast_ephemeral(&typing("u"));
        }
        near.bus.close().await;
        near.bus.notify_nodes(&notice);
        near.bus.broadcast_ephemeral(&typing("u"));
    };
    timeout(PATIENCE, sending).await.expect("sending waits for no node");
    close_both(near, far).await;
}
