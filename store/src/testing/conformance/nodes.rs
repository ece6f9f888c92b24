//! Nodes: reconciliations, and the sessions that must not be reaped.

use realtime_gateway_protocol::{
    ClanId, CloseCode, UserId,
    topic::{Shard, Topic},
};

use super::{
    Subject, reconcile_request,
    sessions::{ONE, live, open, session, user},
};
use crate::{ControlMessage, LeaseRenewal, NodeRecord, Reaped, ReconcileRequest, UserPresence};

pub async fn reconciliation_renews_lease_and_publishes_node(subject: &Subject) {
    assert!(subject.store.nodes().await.unwrap().is_empty(), "no node has reconciled yet");
    subject.store.reconcile(reconcile_request(&[])).await.unwrap();
    assert_eq!(subject.store.nodes().await.unwrap(), [reconcile_request(&[]).node]);
    let node = NodeRecord { draining: true, connections: 7, ..reconcile_request(&[]).node };
    let reconciled =
        subject.store.reconcile(ReconcileRequest { node: node.clone(), ..reconcile_request(&[]) }).await.unwrap();
    assert_eq!(reconciled.lease, LeaseRenewal::Renewed);
    assert!(reconciled.control_messages.is_empty());
    assert_eq!(subject.store.nodes().await.unwrap(), [node]);
}

pub async fn reconciliation_returns_counters_in_order_of_request(subject: &Subject) {
    let entries = ["a", "b", "c"].map(|clan| subject.entry(clan, "x"));
    let shards = [entries[2].topic.shard(), entries[0].topic.shard(), entries[1].topic.shard()];
    let mut counts = Vec::new();
    for entry in entries {
        counts.push(subject.store.append(entry).await.unwrap().shard_count);
    }
    let reconciled = subject.store.reconcile(reconcile_request(&shards)).await.unwrap();
    assert_eq!(reconciled.counts, [counts[2], counts[0], counts[1]]);
    assert!(subject.store.reconcile(reconcile_request(&[])).await.unwrap().counts.is_empty());
    let all: Vec<Shard> = (0..=255).map(Shard).collect();
    assert_eq!(subject.store.reconcile(reconcile_request(&all)).await.unwrap().counts.iter().sum::<u64>(), 3);
}

pub async fn reap_keeps_live_nodes(subject: &Subject) {
    subject.store.reconcile(reconcile_request(&[])).await.unwrap();
    open(subject, session(subject, "a"), ONE).await.unwrap();
    let (clan, anna) = (Topic::Clan(ClanId::new("a").unwrap()), UserId::new("anna").unwrap());
    subject.store.set_present(&clan, &anna, UserPresence::of_sessions(1)).await.unwrap();
    assert_eq!(subject.store.reap().await.unwrap(), Reaped::default());
    assert_eq!(live(subject).await, ["a"]);
    assert_eq!(subject.store.present(&clan, 10).await.unwrap().count, 1);
    subject.store.close_session(&user(), &session(subject, "a").id, CloseCode::NORMAL).await.unwrap();
    subject.store.resign().await.unwrap();
}

pub async fn drops_control_message_to_unknown_node(subject: &Subject) {
    subject.store.reconcile(reconcile_request(&[])).await.unwrap();
    let message = ControlMessage::Close { user_id: user(), session_id: session(subject, "a").id, code: 4409 };
    subject.store.post("unknown", &message).await.unwrap();
    assert!(subject.store.reconcile(reconcile_request(&[])).await.unwrap().control_messages.is_empty());
}
