//! Nodes: pulses, and that what lives is left alone.

use realtime_gateway_protocol::{ClanId, CloseCode, UserId};

use super::{
    Subject, beat,
    sessions::{ONE, live, open, session, user},
};
use crate::{
    store::{Beat, LeaseHeld, NodeRecord, Note, Reaped},
    topic::Shard,
};

pub(crate) async fn a_pulse_renews_the_lease_and_tells_others_of_the_node(subject: &Subject) {
    assert!(subject.store.nodes().await.unwrap().is_empty(), "nobody had a pulse yet");
    subject.store.pulse(beat(&[])).await.unwrap();
    assert_eq!(subject.store.nodes().await.unwrap(), [beat(&[]).node]);
    let node = NodeRecord { draining: true, connections: 7, ..beat(&[]).node };
    let pulse = subject.store.pulse(Beat { node: node.clone(), ..beat(&[]) }).await.unwrap();
    assert_eq!(pulse.lease, LeaseHeld::Held);
    assert!(pulse.notes.is_empty());
    assert_eq!(subject.store.nodes().await.unwrap(), [node]);
}

pub(crate) async fn a_pulse_reads_counters_in_the_order_asked(subject: &Subject) {
    let entries = ["a", "b", "c"].map(|clan| subject.entry(clan, "x"));
    let shards = [entries[2].topic.shard(), entries[0].topic.shard(), entries[1].topic.shard()];
    let mut counts = Vec::new();
    for entry in entries {
        counts.push(subject.store.append(entry).await.unwrap().shard_count);
    }
    let pulse = subject.store.pulse(beat(&shards)).await.unwrap();
    assert_eq!(pulse.counts, [counts[2], counts[0], counts[1]]);
    assert!(subject.store.pulse(beat(&[])).await.unwrap().counts.is_empty());
    let all: Vec<Shard> = (0..=255).map(Shard).collect();
    assert_eq!(subject.store.pulse(beat(&all)).await.unwrap().counts.iter().sum::<u64>(), 3);
}

pub(crate) async fn what_lives_is_not_reaped(subject: &Subject) {
    subject.store.pulse(beat(&[])).await.unwrap();
    open(subject, session(subject, "a"), ONE).await.unwrap();
    let (clan, anna) = (ClanId::new("a").unwrap(), UserId::new("anna").unwrap());
    subject.store.set_present(&clan, &anna, 1).await.unwrap();
    assert_eq!(subject.store.reap().await.unwrap(), Reaped::default());
    assert_eq!(live(subject).await, ["a"]);
    assert_eq!(subject.store.present(&clan, 10).await.unwrap().count, 1);
    subject.store.close_session(&user(), &session(subject, "a").id, CloseCode::NORMAL).await.unwrap();
    subject.store.resign().await.unwrap();
}

pub(crate) async fn a_note_to_nobody_is_lost(subject: &Subject) {
    subject.store.pulse(beat(&[])).await.unwrap();
    let note = Note::Close { user_id: user(), session_id: session(subject, "a").id, code: 4409 };
    subject.store.post("nobody", &note).await.unwrap();
    assert!(subject.store.pulse(beat(&[])).await.unwrap().notes.is_empty());
}
