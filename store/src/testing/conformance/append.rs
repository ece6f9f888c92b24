//! Appending: offsets, repeats, redaction, shard counters.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use realtime_gateway_protocol::{
    ClientMessageId, MessageId, ServiceName, TopicName, UserId,
    topic::{Shard, Topic},
};

use super::{ALL, Subject, WINDOW, bodies, content, counts, key, key_with, offsets, topic, user_topic};
use crate::{Append, Idempotency, IdempotencyKey, Redaction, StoreError, clock::after};

pub async fn assigns_contiguous_offsets_from_one(subject: &Subject) {
    for expected in 1..=20 {
        let appended = subject.store.append(subject.entry("a", &format!("{expected}"))).await.unwrap();
        assert_eq!(appended.offset, expected);
        assert_eq!(appended.id.as_str(), format!("m-{expected}"));
        assert!(!appended.duplicate);
    }
    let page = subject.read(&topic("a"), 0).await;
    assert_eq!(offsets(&page), (1..=20).collect::<Vec<_>>());
    assert_eq!(page.entries[0].at, subject.now());
    assert_eq!((page.bounds.head, page.bounds.floor, page.next), (20, 1, 20));
}

pub async fn assigns_contiguous_offsets_to_concurrent_appends(subject: &Subject) {
    let appends = (0..400).map(|n| {
        let (store, append) = (subject.store.clone(), subject.entry(&format!("c{}", n % 4), &format!("{n}")));
        async move { (n, store.append(append).await.unwrap().offset) }
    });
    let appended = subject.concurrently(appends).await;
    for clan in 0..4 {
        let page = subject.read(&topic(&format!("c{clan}")), 0).await;
        assert_eq!(offsets(&page), (1..=100).collect::<Vec<_>>());
        for (n, offset) in appended.iter().filter(|(n, _)| n % 4 == clan) {
            assert_eq!(bodies(&page)[*offset as usize - 1], n.to_string(), "each append has its own offset");
        }
    }
}

pub async fn keeps_separate_logs_for_topics_of_different_kinds(subject: &Subject) {
    let service = |name: &str| Topic::Service(ServiceName::new(name).unwrap(), TopicName::new("a").unwrap());
    assert_eq!(subject.append(subject.entry("a", "clan")).await, 1);
    for name in ["orders", "prices"] {
        assert_eq!(subject.append(Append { topic: service(name), ..subject.entry("a", name) }).await, 1);
    }
    assert_eq!(bodies(&subject.read(&topic("a"), 0).await), ["clan"]);
    assert_eq!(bodies(&subject.read(&service("orders"), 0).await), ["orders"]);
    assert_eq!(bodies(&subject.read(&service("prices"), 0).await), ["prices"]);
}

pub async fn answers_repeat_with_first_append(subject: &Subject) {
    let first = subject.store.append(Append { key: key("u", "1"), ..subject.entry("a", "x") }).await.unwrap();
    subject.append(subject.entry("a", "other")).await;
    let again = subject.store.append(Append { key: key("u", "1"), ..subject.entry("a", "y") }).await.unwrap();
    assert!(!first.duplicate);
    assert!(again.duplicate);
    assert_eq!((again.offset, &again.id), (first.offset, &first.id));
    assert_eq!(bodies(&subject.read(&topic("a"), 0).await), ["x", "other"]);
}

pub async fn finds_earlier_append_within_window_only(subject: &Subject) {
    let (one, two) = (content("one"), content("two"));
    let named = |id: &str, content| {
        let key = IdempotencyKey::User(UserId::new("u").unwrap(), ClientMessageId::new(id).unwrap());
        Idempotency { key, content }
    };
    let find = async |clan: &str, key: Idempotency, at| subject.store.earlier_append(&topic(clan), &key, at).await;
    assert_eq!(find("a", named("1", one), subject.now()).await.unwrap(), None, "a log that does not exist");
    let append = Append { key: Some(named("1", one)), ..subject.entry("a", "x") };
    let at = append.at;
    let first = subject.store.append(append).await.unwrap();
    let found = find("a", named("1", one), at).await.unwrap().unwrap();
    assert_eq!((found.offset, found.id, found.epoch), (first.offset, first.id, first.epoch));
    assert_eq!(find("a", named("2", one), at).await.unwrap(), None, "another key");
    assert_eq!(find("b", named("1", one), at).await.unwrap(), None, "another topic");
    assert!(matches!(find("a", named("1", two), at).await, Err(StoreError::Conflict)));
    assert_eq!(find("a", named("1", one), after(at, WINDOW)).await.unwrap(), None, "after the window");
    assert_eq!(subject.append(subject.entry("a", "next")).await, 2, "the search has stored nothing");
}

pub async fn stores_concurrent_repeats_once(subject: &Subject) {
    let appends = (0..200).map(|n| {
        let append = Append { key: key("u", &format!("{}", n % 10)), ..subject.entry("a", &format!("{n}")) };
        let store = subject.store.clone();
        async move { (n % 10, store.append(append).await.unwrap()) }
    });
    let appended = subject.concurrently(appends).await;
    assert_eq!(appended.iter().filter(|(_, appended)| !appended.duplicate).count(), 10);
    for same in 0..10 {
        let answers: BTreeSet<_> = appended
            .iter()
            .filter(|(n, _)| *n == same)
            .map(|(_, appended)| (appended.offset, appended.id.clone()))
            .collect();
        assert_eq!(answers.len(), 1, "all repeats have one offset and one id");
    }
    assert_eq!(subject.read(&topic("a"), 0).await.entries.len(), 10);
}

pub async fn scopes_keys_to_sender_and_topic(subject: &Subject) {
    for (clan, sender, id) in [("a", "u", "1"), ("a", "v", "1"), ("b", "u", "1"), ("a", "u", "2"), ("a", "u1", "")] {
        let key = if id.is_empty() { key(sender, "x") } else { key(sender, id) };
        let appended = subject.store.append(Append { key, ..subject.entry(clan, "x") }).await.unwrap();
        assert!(!appended.duplicate);
    }
}

pub async fn keeps_keys_of_users_backends_and_deletions_apart(subject: &Subject) {
    let (user, id) = (UserId::new("u").unwrap(), |id: &str| ClientMessageId::new(id).unwrap());
    let keys = [
        IdempotencyKey::User(user, id("1")),
        IdempotencyKey::Backend(id("1")),
        IdempotencyKey::Deletion(MessageId::new("1").unwrap()),
        // The form of the keys of deletions in earlier versions.
        IdempotencyKey::Backend(id("delete:1")),
    ];
    let append = |key: &IdempotencyKey| {
        let key = Some(Idempotency { key: key.clone(), content: content("the same") });
        Append { key, ..subject.entry("a", "x") }
    };
    for key in &keys {
        assert!(!subject.store.append(append(key)).await.unwrap().duplicate, "{key:?}");
    }
    for key in &keys {
        assert!(subject.store.append(append(key)).await.unwrap().duplicate, "{key:?}");
    }
}

pub async fn refuses_same_key_with_other_content(subject: &Subject) {
    let append = |text: &str| Append { key: key_with("u", "1", text), ..subject.entry("a", text) };
    let first = subject.store.append(append("one")).await.unwrap();
    let shards = [topic("a").shard()];
    let before = counts(&*subject.store, &shards).await;
    // The conflict does not affect the other appends of the same batch.
    let appends = (0..40).map(|n| {
        let (store, n_is_even) = (subject.store.clone(), n % 2 == 0);
        let append = if n_is_even { append("two") } else { subject.entry("a", "other") };
        async move { (n_is_even, store.append(append).await) }
    });
    for (is_other_content, answer) in subject.concurrently(appends).await {
        assert_eq!(matches!(answer, Err(StoreError::Conflict)), is_other_content, "{answer:?}");
    }
    assert_eq!(counts(&*subject.store, &shards).await[0], before[0] + 20, "a conflict does not count");
    let redaction = Some(Redaction { offset: 1, body: Bytes::from_static(b"-") });
    let taking_back = subject.store.append(Append { redaction, ..append("two") }).await;
    assert!(matches!(taking_back, Err(StoreError::Conflict)));
    assert_eq!(bodies(&subject.read(&topic("a"), 0).await)[..2], ["one", "other"], "nothing of it was stored");
    let again = subject.store.append(append("one")).await.unwrap();
    assert_eq!((again.offset, again.duplicate), (first.offset, true), "the first is still known");
    subject.pass(WINDOW);
    assert!(!subject.store.append(append("two")).await.unwrap().duplicate, "the window is over");
    assert!(
        matches!(subject.store.append(append("one")).await, Err(StoreError::Conflict)),
        "now the key belongs to the other message"
    );
}

pub async fn forgets_key_after_window(subject: &Subject) {
    let append = || Append { key: key("u", "1"), ..subject.entry("a", "x") };
    subject.append(append()).await;
    subject.pass(WINDOW - Duration::from_millis(1));
    subject.sweep().await;
    assert!(subject.store.append(append()).await.unwrap().duplicate);
    subject.pass(Duration::from_millis(1));
    // The key is not valid beyond the window, even if nothing was swept.
    let renewed = subject.store.append(append()).await.unwrap();
    assert!(!renewed.duplicate);
    assert_eq!(renewed.offset, 2);
    // The sweep of the first must not forget the second.
    subject.sweep().await;
    assert!(subject.store.append(append()).await.unwrap().duplicate);
    subject.pass(WINDOW);
    subject.sweep().await;
    assert_eq!(subject.append(append()).await, 3);
}

pub async fn refuses_append_to_user_topic(subject: &Subject) {
    let append = Append { topic: user_topic("u"), ..subject.entry("a", "x") };
    assert!(matches!(subject.store.append(append).await, Err(StoreError::Unavailable(_))));
    assert_eq!(subject.read(&user_topic("u"), 0).await.bounds.head, 0);
}

pub async fn redaction_replaces_body_in_the_same_step(subject: &Subject) {
    for body in ["one", "two", "three"] {
        subject.append(subject.entry("a", body)).await;
    }
    let before = subject.read(&topic("a"), 0).await.entries[1].at;
    subject.pass(Duration::from_secs(1));
    let redaction = Some(Redaction { offset: 2, body: Bytes::from_static(b"-") });
    assert_eq!(subject.append(Append { redaction, ..subject.entry("a", "deleted") }).await, 4);
    let page = subject.read(&topic("a"), 0).await;
    assert_eq!(bodies(&page), ["one", "-", "three", "deleted"]);
    assert_eq!(page.entries[1].at, before, "when it was accepted stays");
}

pub async fn redaction_of_removed_entry_changes_nothing(subject: &Subject) {
    for body in ["one", "two", "three"] {
        let mut append = subject.entry("a", body);
        append.retention.max_entries = 3;
        subject.append(append).await;
    }
    for offset in [0, 99] {
        let redaction = Some(Redaction { offset, body: Bytes::from_static(b"-") });
        subject.append(Append { redaction, ..subject.entry("a", "x") }).await;
    }
    // A repeated append stores nothing, so it redacts nothing either.
    let append = |redaction| Append { key: key("u", "1"), redaction, ..subject.entry("a", "y") };
    subject.append(append(None)).await;
    let redaction = Some(Redaction { offset: 3, body: Bytes::from_static(b"-") });
    assert!(subject.store.append(append(redaction)).await.unwrap().duplicate);
    assert_eq!(bodies(&subject.store.read(&topic("a"), 2, ALL).await.unwrap()), ["three", "x", "x", "y"]);
}

pub async fn append_raises_shard_count_by_one(subject: &Subject) {
    let shards = [topic("a").shard(), user_topic("u").shard(), Shard(topic("a").shard().0.wrapping_add(1))];
    let before = counts(&*subject.store, &shards).await;
    let append = || Append { key: key("u", "1"), ..subject.entry("a", "x") };
    let first = subject.store.append(append()).await.unwrap();
    let again = subject.store.append(append()).await.unwrap();
    let notified = subject.notify(subject.notification("u", "1")).await;
    let notified_again = subject.notify(subject.notification("u", "1")).await;
    let after = counts(&*subject.store, &shards).await;
    if shards[0] != shards[1] {
        assert_eq!(after[0], before[0] + 1, "a repeat does not count");
        assert_eq!((first.shard_count, again.shard_count), (after[0], after[0]));
        assert_eq!(after[1], before[1] + 1);
        assert_eq!((notified.shard_count, notified_again.shard_count), (after[1], after[1]));
    }
    let appends = (0..50).map(|n| {
        let (store, append) = (subject.store.clone(), subject.entry("a", &format!("{n}")));
        async move { store.append(append).await.unwrap().shard_count }
    });
    let counts: BTreeSet<u64> = subject.concurrently(appends).await.into_iter().collect();
    assert_eq!(counts, (after[0] + 1..=after[0] + 50).collect(), "each append has a value of its own");
}
